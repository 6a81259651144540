"""Options: what an operator may ask for, what a request may, and how many tokens stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from lmm_integration.budget import retained_count
from lmm_integration.vllm.options import Options
from mmdp.exceptions import InvalidOptionError, UnknownNameError

KEEPS = st.one_of(st.floats(0, 1, exclude_min=True), st.integers(1, 3000))


@given(st.integers(1, 3000), KEEPS)
def test_the_count_is_that_of_prune(n, keep):
    budget = min(n, keep) if isinstance(keep, int) else keep
    assert Options.of({"keep": keep}).count(n) == retained_count(n, budget)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=9), KEEPS)
def test_memory_is_reserved_for_every_item(runs, keep):
    options = Options.of({"keep": keep})
    kept = sum(options.count(n, "video") for n in runs)
    assert kept <= options.most_of(sum(runs), len(runs), "video") <= sum(runs)


def test_memory_is_reserved_for_the_most_that_a_request_may_ask_for():
    options = Options.of({"keep": 0.1, "max_keep": 0.5})
    assert options.most_of(576, 1, "image") == options.asked({"keep": 0.5}).count(576) == 288
    assert options.count(576) == 58


def test_a_rule_for_videos_is_served_for_videos():
    assert Options.of({"keep": 0.1, "solver": "evs", "modalities": "video"}).count(100, "image") == 100


def test_what_is_not_pruned_stays():
    options = Options.of({"keep": 0.1, "modalities": "image"})
    assert (options.count(100, "image"), options.count(100, "video")) == (10, 100)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "does not say how many tokens to keep"),
        ({"solver": "greedy"}, "does not say how many tokens to keep"),
        ({"keep": 0}, "a count is at least 1"),
        ({"keep": True}, "neither a fraction"),
        ({"keep": 0.2, "max_keep": 0.1}, "above max_keep"),
        ({"keep": 64, "max_keep": 0.1}, "give two counts"),
        ({"keep": 0.1, "max_keep": 64}, "or two fractions"),
        ({"keep": 0.1, "scope": "sample"}, "each has its own budget"),
        ({"keep": 0.1, "positions": "compact"}, "drop positions"),
        ({"keep": 0.1, "modalities": ["audio"]}, "choose from"),
        ({"keep": 0.1, "seed": "0"}, "not a whole number"),
        ({"keep": 0.1, "centre": "yes"}, "true or false"),
        ({"keep": 0.1, "solver": "cdpruner"}, "reads the prompt"),
        ({"keep": 0.1, "solver": "vispruner"}, "ranks by the encoder's attention"),
        ({"keep": 0.1, "solver": "evs"}, r"compares the frames.*modalities \["),
        ({"keep": 0.1, "solver": {"name": "greedy"}}, "the name of a solver"),
        ({"keep": 0.1, "solver": "stride", "steps": 3}, "has no option steps"),
    ],
)
def test_wrong_options_are_refused(given, message):
    with pytest.raises(InvalidOptionError, match=message):
        Options.of(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strat": 1}, "options of pruning itself are keep, solver"),
        ({"stop": {"sceonds": 1}}, "sceonds"),
        ({"stop": {"seconds": -1}}, "seconds"),
    ],
)
def test_options_of_the_solver_are_checked_where_it_is_made(given, message):
    with pytest.raises(InvalidOptionError, match=message):
        _ = Options.of({"keep": 0.1, **given}).choose


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="no solver or selector named 'gredy'"):
        Options.of({"keep": 0.1, "solver": "gredy"})
    with pytest.raises(UnknownNameError, match="metric"):
        Options.of({"keep": 0.1, "metric": "cosinus"})


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"keep": 0.2}, "asks for 20 of 100 tokens, and this server allows 10"),
        ({"keep": 11}, "--max-keep 11"),
        ({"keep": 1.5}, "float above 1"),
        ({"keep": "0.1"}, "neither a fraction"),
        ({"images_kwargs": {"keep": 0.05}}, "has no effect"),
        ({"keep": 0.05, "solver": "random"}, "cannot change solver"),
        ({"max_keep": 0.5}, "cannot change max_keep"),
        ({"visual_pruning": {"keep": 0.05}}, "cannot change visual_pruning"),
        ({"kepe": 0.05}, "did you mean keep"),
        ({"Keep": 0.05}, "did you mean keep"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(request_, message):
    with pytest.raises(InvalidOptionError, match=message):
        Options.of({"keep": 0.1}).asked(request_).count(100)


def test_requests_that_name_nothing_share_the_servers_features():
    options = Options.of({"keep": 0.25, "max_keep": 0.5})
    assert options.asked({"size": {"longest_edge": 1}}).identity == options.identity
    assert options.asked({"keep": 0.5}).identity != options.identity


@pytest.mark.parametrize(
    "other",
    [
        *({"keep": 0.3}, {"keep": 1}, {"solver": "stride"}, {"metric": "euclidean"}, {"seed": 1}, {"start": 3}),
        *({"modalities": ["image"]}, {"centre": True}, {"stop": {"seconds": 1}}),
    ],
)
def test_whatever_changes_the_choice_changes_the_cache_key(other):
    assert Options.of({"keep": 1.0, **other}).identity != Options.of({"keep": 1.0}).identity


def test_a_keep_for_all_requests_stands_in_one_place():
    with pytest.raises(InvalidOptionError, match="or keep in visual_pruning"):
        Options.check_configured({"images_kwargs": {"keep": 0.1}})
    Options.check_configured({"images_kwargs": {"do_resize": False}})


def test_reading_options_does_not_import_numba():
    import subprocess
    import sys

    code = "import sys; from lmm_integration.vllm.options import Options; Options.of({'keep': 0.1}); "
    code += "print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
