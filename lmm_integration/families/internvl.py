"""InternVL: the encoder returns tiles as items, and an image is the run that holds its tiles."""

from lmm_integration.families import Family

FAMILY = Family(image="run", square=True)
