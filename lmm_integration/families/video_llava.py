"""Video-LLaVA: the encoder returns frames as items, and a video is the run that holds them."""

from lmm_integration.families import Family

FAMILY = Family(video="run", square=True)
