"""The choice: each run gets what ``select_tokens`` gives it, however items are batched."""

import logging

import pytest

torch = pytest.importorskip("torch")

from lmm_integration import select_tokens  # noqa: E402
from lmm_integration.selection import chooser  # noqa: E402
from lmm_integration.vllm.choice import kept_rows  # noqa: E402

SIZES = [[(16, 4)], [(16, 4), (16, 4)], [(9, 9)], [(16, 4)], [(20, 3), (16, 4)]]


def features():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(sum(n for n, _ in sizes), 8, generator=generator) for sizes in SIZES]


@pytest.mark.parametrize("solver", ["greedy", "k_medoids", "stride", "random"])
def test_each_run_by_itself(solver):
    items = features()
    grids = [[None] * len(sizes) for sizes in SIZES]
    for item, sizes, rows in zip(items, SIZES, kept_rows(chooser(solver), items, SIZES, grids), strict=True):
        expected, start = [], 0
        for n, k in sizes:
            expected.append(select_tokens(item[start : start + n], k, solver) + start)
            start += n
        assert rows.tolist() == torch.cat(expected).tolist()


def test_selectors_get_the_grid():
    (rows,) = kept_rows(chooser("grid"), [features()[0]], [[(16, 4)]], [[(1, 4, 4)]])
    assert rows.tolist() == select_tokens(features()[0], 4, "grid", grid=(1, 4, 4)).tolist()


@pytest.mark.parametrize("sizes", [[(15, 4)], [(16, 4), (1, 1)]])
def test_features_that_do_not_belong_to_the_placeholders(sizes):
    with pytest.raises(RuntimeError, match=r"16 features .* stand for 1[57]"):
        kept_rows(chooser("greedy"), [features()[0]], [sizes], [[None] * len(sizes)])


def test_features_that_are_not_finite_do_not_end_the_server(caplog):
    broken = features()[0]
    broken[3] = torch.nan
    with caplog.at_level(logging.ERROR, logger="vllm.visual_pruning"):
        (rows,) = kept_rows(chooser("greedy"), [broken], [[(16, 4)]], [[None]])
    assert len(set(rows.tolist())) == 4
    assert "NaN" in caplog.text
