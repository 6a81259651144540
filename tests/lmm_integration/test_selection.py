"""Rows that stay: every rule behind one call, DivPrune's rule index for index, and what bad arguments are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import solvers
from mmdp import Stop
from mmdp.exceptions import InvalidOptionError, InvalidProblemError, MMDPError, SolverContractError, UnknownNameError
from mmdp.problem import selection_problem
from tests import naive

torch = pytest.importorskip("torch")

from lmm_integration import select_tokens, selectors  # noqa: E402
from lmm_integration.budget import check_keep, retained_count  # noqa: E402
from lmm_integration.selection import choose_of_each, chooser  # noqa: E402
from lmm_integration.selectors import Context  # noqa: E402

SOLVERS = [info.name for info in solvers.available() if not info.missing]
RULES = [*SOLVERS, *selectors.names()]


def extras(n, d):
    generator = torch.Generator().manual_seed(0)
    return {
        "prompt": torch.randn(4, d, generator=generator),
        "attention": torch.rand(n, generator=generator),
        "grid": (1, 1, n),
        "keys": torch.randn(n, 3, generator=generator),
    }


def places(chosen):
    """Of a rule that merges, where its weights put the tokens."""
    return chosen.argmax(-1) if chosen.is_floating_point() else chosen


def tokens(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("k", [1, 4, 13, 14])
def test_every_rule_by_name(rule, dtype, k):
    X = tokens(14, 6).to(dtype)
    chosen = select_tokens(X, k, rule, **extras(14, 6))
    kept = places(chosen)
    assert kept.dtype == torch.int64
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert len(kept) == k
    assert chosen.tolist() == select_tokens(X, k, rule, **extras(14, 6)).tolist()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_survives_copies_and_zero_vectors(rule):
    X = torch.cat((torch.zeros(3, 4), torch.ones(5, 4), torch.eye(4)))
    kept = places(select_tokens(X, 10, rule, **extras(12, 4)))
    assert len(set(kept.tolist())) == 10


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_equals_each_alone(rule):
    X = tokens(24, 5).reshape(2, 12, 5)
    extra = {
        "prompt": tokens(6, 5, seed=1).reshape(2, 3, 5),
        "attention": torch.rand(2, 12),
        "keys": tokens(24, 3, seed=2).reshape(2, 12, 3),
    }
    kept = select_tokens(X, 5, rule, **extra, grid=(3, 2, 2))
    alone = [
        select_tokens(X[i], 5, rule, **{n: v[i] for n, v in extra.items()}, grid=(3, 2, 2)).tolist() for i in range(2)
    ]
    assert kept.tolist() == alone
    nested = select_tokens(X[None], 5, rule, **{n: v[None] for n, v in extra.items()}, grid=(3, 2, 2))
    assert nested.tolist() == [alone]


def test_weights_of_ones_own_merge():
    X = tokens(4, 3)
    weights = torch.tensor([[0.0, 0.0, 0.5, 1.0], [1.0, 0.5, 0.0, 0.0]])
    chosen = select_tokens(X, 2, lambda features, k: weights)
    assert chosen.tolist() == weights.flip(0).tolist()  # in the order of the places
    assert select_tokens(X, 2, lambda features, k: weights.numpy()).tolist() == chosen.tolist()
    for bad in (weights * torch.nan, torch.ones(2, 4)):
        with pytest.raises(SolverContractError, match="in a column of its own"):
            select_tokens(X, 2, lambda features, k, bad=bad: bad)
    with pytest.raises(SolverContractError, match=r"floats of \(2, 4\)"):
        select_tokens(X, 2, lambda features, k: torch.ones(2, 3))


@pytest.mark.parametrize("rule", selectors.names())
def test_autocast_narrows_no_product(rule):
    X = 3 + tokens(200, 32)
    given = extras(200, 32) | {"grid": (2, 10, 10)}
    expected = select_tokens(X, 40, rule, **given)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(select_tokens(X, 40, rule, **given), expected)


@pytest.mark.parametrize("rule", selectors.names())
@pytest.mark.parametrize("scale", [2.0**90, 2.0**-90])
def test_squares_that_leave_the_range_of_float32_change_nothing(rule, scale):
    X = tokens(24, 8)
    given = extras(24, 8) | {"grid": (2, 3, 4)}
    if rule == "prunesid":
        pytest.skip("its components are those of the logistic function of the features, which has a scale")
    assert torch.equal(select_tokens(scale * X, 7, rule, **given), select_tokens(X, 7, rule, **given))


@pytest.mark.parametrize("rule", ["greedy", "random", "random_subset"])
def test_the_default_device_is_not_asked(rule):
    X = tokens(12, 4)
    expected = select_tokens(X, 3, rule)
    with torch.device("meta"):
        chooser(rule).warm_up(X)
        assert torch.equal(select_tokens(X, 3, rule), expected)


def test_rules_of_ones_own():
    X = tokens(9, 3)
    last = lambda features, k: range(len(features) - k, len(features))  # noqa: E731
    assert select_tokens(X, 3, last).tolist() == [6, 7, 8]
    assert select_tokens(X, 3, solvers.load("greedy")()).tolist() == select_tokens(X, 3).tolist()
    assert select_tokens(X, 3, selectors.make("stride")).tolist() == [1, 4, 7]
    assert select_tokens(X, 3, lambda features, k: np.array([4, 0, 2])).tolist() == [0, 2, 4]


def test_options_metric_and_seed_arrive():
    X = tokens(30, 4)
    assert 7 in select_tokens(X, 5, "greedy", start=7, seed=1).tolist()
    assert select_tokens(X, 5, metric="euclidean").tolist() == sorted(
        solvers.load("greedy")().select(X, 5, "euclidean").tolist()
    )
    for rule in ("random", "random_subset"):
        drawn = {tuple(select_tokens(X, 5, rule, seed=seed).tolist()) for seed in range(1, 6)}
        assert len(drawn) > 1
        assert len(select_tokens(X, 1, rule, seed=3)) == 1


def test_a_limit_ends_a_search():
    X = tokens(300, 40)
    problem = selection_problem(X.double().numpy(), 30, "cosine")
    for moves in (5, 5000):
        expected = solvers.solve(problem, solver="local_search", stop=Stop(iterations=moves)).indices
        kept = select_tokens(X, 30, "local_search", stop=Stop(iterations=moves))
        assert kept.tolist() == sorted(expected.tolist())
    assert len(select_tokens(X, 30, "exact", stop=Stop(iterations=100))) == 30  # a proof would take for ever


@pytest.mark.parametrize("rule", [*SOLVERS, "dpp", "random_subset", lambda X, k: X.norm(dim=-1).argsort()[:k]])
def test_centring_is_choosing_from_features_less_their_mean(rule):
    X = tokens(24, 5).reshape(2, 12, 5) + 10
    kept = select_tokens(X, 5, rule, centre=True)
    assert kept.tolist() == select_tokens(X - X.mean(1, keepdim=True), 5, rule).tolist()
    assert kept.tolist() == [select_tokens(item, 5, rule, centre=True).tolist() for item in X]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_centring_widens_half_precision_first(dtype):
    X = (tokens(64, 32) + 30).to(dtype)
    assert select_tokens(X, 20, centre=True).tolist() == select_tokens(X.double(), 20, centre=True).tolist()


def test_gradients_stay_with_the_caller():
    X = tokens(8, 3).requires_grad_()
    X[select_tokens(X, 3)].sum().backward()
    assert int((X.grad != 0).any(1).sum()) == 3


class TestBudget:
    @pytest.mark.parametrize(
        ("n", "keep", "count"),
        [(576, 0.1, 58), (576, 0.098, 56), (576, 1.0, 576), (576, 1, 1), (576, 576, 576), (3, 0.01, 1), (7, 0.5, 4)],
    )
    def test_a_float_is_a_fraction_and_an_int_a_count(self, n, keep, count):
        assert retained_count(n, keep) == count
        assert retained_count(n, np.float32(keep) if isinstance(keep, float) else np.int64(keep)) == count

    @given(n=st.integers(1, 5000), keep=st.floats(0, 1, exclude_min=True))
    def test_a_fraction_is_met_to_within_half_a_token(self, n, keep):
        count = retained_count(n, keep)
        assert 1 <= count <= n
        assert abs(count - keep * n) <= 0.5 or count == 1

    @pytest.mark.parametrize(
        ("keep", "message"),
        [
            (0, "a count is at least 1"),
            (-3, "a count is at least 1"),
            (0.0, "no visual token"),
            (-0.5, "no visual token"),
            (float("nan"), "no visual token"),
            (64.0, "write an int.*keep=0.64"),
            (576.0, "write an int$"),
            (float("inf"), "write an int$"),
            (1.5, "float above 1"),
            (True, "neither a fraction"),
            ("10%", "neither a fraction"),
            (None, "neither a fraction"),
        ],
    )
    def test_what_is_no_budget(self, keep, message):
        with pytest.raises(InvalidOptionError, match=message):
            check_keep(keep)

    def test_more_than_there_are(self):
        with pytest.raises(InvalidOptionError, match=r"keep=600 asks for more tokens than the 576.*lower it"):
            retained_count(576, 600)


X5 = tokens(5, 3)
FLAWED = torch.rand(5).index_fill_(0, torch.tensor(3), torch.nan)
BAD = {
    "complex": (lambda: select_tokens(X5 + 0j, 2), InvalidOptionError, "torch.complex64.*float32"),
    "eight bits": (lambda: select_tokens(X5.to(torch.float8_e4m3fn), 2), InvalidOptionError, "float8_e4m3fn.*float32"),
    "sparse": (lambda: select_tokens(X5.to_sparse(), 2), InvalidOptionError, "torch.sparse_coo.*dense"),
    "nan of attention": (
        lambda: select_tokens(X5, 2, "cls_attention", attention=FLAWED),
        InvalidProblemError,
        r"attention\[3\] is NaN",
    ),
    "infinity of a prompt": (
        lambda: select_tokens(X5, 2, "cdpruner", prompt=X5 / torch.tensor([1.0, 0.0, 1.0])),
        InvalidProblemError,
        r"prompt\[0, 1\] is NaN or infinite",
    ),
    "numpy attention": (
        lambda: select_tokens(X5, 2, "cls_attention", attention=np.ones(5)),
        InvalidOptionError,
        "attention is a ndarray; give a torch tensor",
    ),
    "a list of keys in a batch": (
        lambda: select_tokens(X5[None], 2, "visionzip", attention=torch.ones(5), keys=[1, 2, 3, 4, 5]),
        InvalidOptionError,
        "keys is a list",
    ),
    "two sides": (lambda: select_tokens(X5, 2, "grid", grid=(1, 5)), InvalidOptionError, r"grid=\(1, 5\)"),
    "half a side": (lambda: select_tokens(X5, 2, "grid", grid=(1, 2.5, 2)), InvalidOptionError, "frames, rows"),
    "seed": (lambda: select_tokens(X5, 2, "random_subset", seed=None), InvalidOptionError, "seed = None: give a whole"),
    "negative seed": (lambda: select_tokens(X5, 2, seed=-1), InvalidOptionError, "seed = -1: give a whole"),
    "centre": (lambda: select_tokens(X5, 2, centre="no"), InvalidOptionError, "centre = 'no'"),
    "metric of a selector": (
        lambda: select_tokens(X5, 2, "dpp", metric="euclidean"),
        InvalidOptionError,
        "metric='euclidean' is for solvers, and 'dpp'",
    ),
    "text as a number": (
        lambda: select_tokens(X5, 2, "dart", pivots="8"),
        InvalidOptionError,
        "pivots = '8': give a w",
    ),
    "half a round": (
        lambda: select_tokens(X5, 2, "k_medoids", iterations=1.5),
        InvalidOptionError,
        "1.5: give a whole",
    ),
    "yes for a number": (lambda: select_tokens(X5, 2, "dart", pivots=True), InvalidOptionError, "True: give a whole"),
    "number for yes": (lambda: select_tokens(X5, 2, "cdpruner", negate=1), InvalidOptionError, "1: give True or False"),
    "infinite option": (
        lambda: select_tokens(X5, 2, "mmtok_vision", temperature=float("inf")),
        InvalidOptionError,
        "temperature = inf: give a finite",
    ),
    "one dimension": (lambda: select_tokens(torch.ones(4), 2), InvalidOptionError, r"shape \(4,\); expected \(..., n"),
    "no rows": (lambda: select_tokens(torch.ones(0, 4), 0.5), InvalidOptionError, r"\(0, 4\)"),
    "nan": (
        lambda: select_tokens(torch.stack((X5, X5.clone().index_fill_(0, torch.tensor(3), torch.nan))), 2),
        InvalidProblemError,
        r"features\[1, 3\] has a NaN",
    ),
    "unknown": (
        lambda: select_tokens(X5, 2, "divprune"),
        UnknownNameError,
        "no solver or selector named 'divprune'.*greedy.*dpp",
    ),
    "class": (lambda: select_tokens(X5, 2, selectors.load("dpp")), InvalidOptionError, "neither a name"),
    "number": (lambda: select_tokens(X5, 2, 3), InvalidOptionError, "neither a name"),
    "option": (lambda: select_tokens(X5, 2, "dart", start=1), InvalidOptionError, "'dart' has no option start"),
    "solver option": (lambda: select_tokens(X5, 2, "greedy", pivots=1), InvalidOptionError, "no option pivots"),
    "options of a callable": (lambda: select_tokens(X5, 2, max, a=1), InvalidOptionError, "bind them to the callable"),
    "prompt": (lambda: select_tokens(X5, 2, "mmtok"), InvalidOptionError, "MMTok needs the prompt's embeddings"),
    "stop of a selector": (lambda: select_tokens(X5, 2, "stride", stop=Stop()), InvalidOptionError, "stop limits solv"),
    "nothing": (lambda: select_tokens(X5, 2, lambda x, k: None), SolverContractError, "object of shape"),
    "too few": (lambda: select_tokens(X5, 2, lambda x, k: [0]), SolverContractError, r"shape \(1,\)"),
    "twice": (lambda: select_tokens(X5, 2, lambda x, k: [1, 1]), SolverContractError, "2 distinct indices"),
    "outside": (lambda: select_tokens(X5, 2, lambda x, k: [1, 5]), SolverContractError, "below 5"),
    "negative": (lambda: select_tokens(X5, 2, lambda x, k: [1, -1]), SolverContractError, "below 5"),
    "mask": (
        lambda: select_tokens(X5, 5 - 1, lambda x, k: torch.ones(4, dtype=torch.bool)),
        SolverContractError,
        "torch.bool",
    ),
    "scores": (lambda: select_tokens(X5, 2, lambda x, k: [0.1, 0.9]), SolverContractError, "float64"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_what_is_wrong(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message) as raised:
        call()
    assert isinstance(raised.value, MMDPError)


def divprune_as_written(features, k):
    """DivPrune's own loop: nothing marks a token as taken, and a zero vector is divided by its norm.

    arXiv 2503.02175, algorithm 1, as its released code runs it: the distance of a taken token to the taken set is 0,
    so that it is chosen again once every other token is at distance 0 as well.
    """
    unit = features / features.norm(dim=-1, keepdim=True)
    D = 1 - unit @ unit.T
    taken = [int(torch.topk(D, 2, dim=0, largest=False).values[1].argmax())]
    while len(taken) < k:
        taken.append(int(D[taken].amin(0).argmax()))
    return taken


class TestDivPrune:
    """Its rule where the rule is defined, and k distinct tokens where it is not."""

    @pytest.mark.parametrize("seed", range(20))
    def test_index_for_index(self, seed):
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(12, 64))
        X = centres[rng.integers(0, 12, 144)] + 0.2 * rng.normal(size=(144, 64))
        k = retained_count(144, 0.098 * (1 + seed % 4))
        expected = sorted(naive.divprune(X, k))
        assert sorted(divprune_as_written(torch.tensor(X), k)) == expected
        assert select_tokens(torch.tensor(X), k, "greedy").tolist() == expected

    def test_repeated_patches(self):
        patches = torch.tensor(np.random.default_rng(0).normal(size=(20, 16)))
        X = patches.repeat(3, 1)
        theirs, ours = divprune_as_written(X, 30), select_tokens(X, 30, "greedy").tolist()
        assert len(set(theirs)) < 30
        assert len(set(ours)) == 30
        assert {i % 20 for i in ours} == set(range(20))  # every distinct patch before any copy

    def test_a_zero_vector(self):
        X = tokens(20, 16).double()
        X[4] = 0
        theirs, ours = divprune_as_written(X, 8), select_tokens(X, 8, "greedy").tolist()
        assert len(set(theirs)) < 8
        assert len(set(ours)) == 8

    def test_repeated_patches_and_a_zero_vector(self):
        X = torch.cat((torch.zeros(1, 16), tokens(10, 16).repeat(4, 1)))
        theirs, ours = divprune_as_written(X, 24), select_tokens(X, 24, "greedy").tolist()
        assert len(set(theirs)) < 24
        assert len(set(ours)) == 24
        assert 0 in ours

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_widened_before_distances(self, dtype):
        X = tokens(64, 32).to(dtype)
        assert select_tokens(X, 20).tolist() == select_tokens(X.double(), 20).tolist()


@pytest.mark.parametrize("rule", RULES)
def test_items_chosen_from_together_keep_what_each_alone_does(rule, monkeypatch):
    monkeypatch.setattr("lmm_integration.selection._PAIRS_AT_ONCE", 2 * 12**2)
    items = [tokens(n, 6, seed) for seed, n in enumerate((12, 8, 12, 12, 12))]
    choose, ks = chooser(rule), [3, 3, 3, 5, 3]
    given = [{name: value for name, value in extras(len(item), 6).items() if name in choose.needs} for item in items]
    contexts = [Context(**extra) for extra in given]
    found = choose_of_each(choose, items, ks, contexts)
    for one, item, k, context in zip(found, items, ks, contexts, strict=True):
        torch.testing.assert_close(one, choose(item, k, context))


def test_attention_that_a_rule_may_use_stays_with_its_item():
    class Brightest(selectors.Selector):
        def choose(self, features, k, context):
            return context.attention.topk(k).indices

    scores = torch.eye(3, 5) + torch.eye(3, 5).roll(2, 1)
    found = choose_of_each(
        chooser(Brightest()), [tokens(5, 4)] * 3, [2] * 3, [Context(attention=row) for row in scores]
    )
    assert [one.tolist() for one in found] == [[0, 2], [1, 3], [2, 4]]
