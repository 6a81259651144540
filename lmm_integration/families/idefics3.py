"""Idefics3: the tiles of an image are runs separated by text; the encoder joins those of a sample."""

from lmm_integration.families import Family

FAMILY = Family(image="run", square=True)
