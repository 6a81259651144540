"""Aya Vision: the encoder returns tiles as items; tile tags separate them in the prompt."""

from lmm_integration.families import Family

FAMILY = Family(image="run", square=True)
