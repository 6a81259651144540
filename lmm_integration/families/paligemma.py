"""PaliGemma: a prefix attended in both directions; positions count from one."""

from lmm_integration.families import Family

FAMILY = Family(first_position=1, square=True)
