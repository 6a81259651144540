"""LLaVA-OneVision: packed tiles for an image; the pooled frames of a video and one newline token."""

from lmm_integration.families import Family

FAMILY = Family(video="run+item")
