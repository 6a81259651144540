"""Qwen2-VL: dynamic resolution, one item per image and per video."""

from lmm_integration.families import Family

FAMILY = Family(video="run+item")
