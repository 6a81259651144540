"""Qwen3-VL: the frames of a video are runs separated by time stamps; deepstack features are cut along."""

from lmm_integration.families import Family

FAMILY = Family(video="run")
