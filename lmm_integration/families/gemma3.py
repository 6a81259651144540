"""Gemma 3: 256 pooled tokens per image, attended in both directions."""

from lmm_integration.families import Family

FAMILY = Family(square=True)
