"""Mistral Small 3: a break token ends each row of patches, so only the encoder knows the images."""

from lmm_integration.families import Family

FAMILY = Family(image="item")
