"""SmolVLM: the tiles of an image and the frames of a video are runs separated by text."""

from lmm_integration.families import Family

FAMILY = Family(image="run", square=True)
