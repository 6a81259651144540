"""LLaVA-NeXT-Video: images as in LLaVA-NeXT; a video is one run that holds all its frames."""

from lmm_integration.families import Family

FAMILY = Family(video="run")
