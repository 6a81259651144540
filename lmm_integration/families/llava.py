"""LLaVA 1.5: one run of placeholders and one encoder item per image.

With the encoder of Pixtral a break token ends each row of patches, so only the encoder knows the images.
"""

from lmm_integration.families import Family

FAMILY = Family(square=True)
WITH_ENCODER = {"pixtral": Family(image="item")}
