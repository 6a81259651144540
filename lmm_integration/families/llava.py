"""LLaVA 1.5: one run of placeholders and one encoder item per image."""

from lmm_integration.families import Family

FAMILY = Family(square=True)
