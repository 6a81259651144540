"""A pass over a block: rounded products rule out only rows that exact distances rule out."""

import numpy as np
import pytest

from solvers._farthest_first.table_pass import lower_block
from solvers._framework.distance_forms import KINDS, lower_nearest


def exact(x, centres):
    """Distances to the nearest centre, bit by bit those of the traversal in memory."""
    both = np.concatenate([centres, x])
    nearest = np.full(len(both), np.inf)
    for c in range(len(centres)):
        lower_nearest(KINDS["sqeuclidean"], both, c, nearest)
    return nearest[len(centres) :]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1, 1e4), (1e-3, 1e3), (1e-17, 0), (1e-25, 0), (1e18, 0)])
@pytest.mark.parametrize("lattice", [False, True])
def test_rows_that_reach_the_floor(dtype, scale, offset, lattice):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 11))
    x = ((np.round(x) if lattice else x) * scale + offset).astype(dtype)
    centres = np.concatenate([x[:40], (rng.normal(size=(90, 11)) * scale + offset).astype(dtype)])
    nearest, seen = np.full(len(x), np.inf), np.zeros(len(x), np.int32)
    for count, share in ((1, 0.5), (3, 0.9), (20, 0.8), (90, 0.95), (130, 0.3), (130, 0.0)):
        expected = exact(x, centres[:count])
        floor = float(np.quantile(expected, share))
        far, outside = lower_block(KINDS["sqeuclidean"], x, centres[:count], nearest, seen, floor)
        assert far.tolist() == np.flatnonzero(expected >= floor).tolist()
        assert nearest[far].tolist() == expected[far].tolist()
        assert (nearest >= expected).all()
        assert outside == max(np.delete(nearest, far), default=-1.0)
        assert outside < floor
