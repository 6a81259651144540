"""LLaVA-NeXT: the tiles of an image are packed into one item, with a newline token after each row."""

from lmm_integration.families import Family

FAMILY = Family()
