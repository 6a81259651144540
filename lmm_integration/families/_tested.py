"""Model types that equal the plain statement of pruning, written by tests/lmm_integration/families/table.py."""

TESTED: tuple[str, ...] = ()
