"""Points that are no table of numbers: sparse rows, mixed frames under Gower's distance, fingerprints."""

import datetime as dt
from collections import namedtuple
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import solvers
from mmdp import InvalidProblemError, Problem, Stop
from mmdp.gower import gower
from mmdp.metrics import Metric
from solvers import rank, solve, spread
from tests import naive

SPARSE = ("euclidean", "sqeuclidean", "cosine", "angular", "jaccard", "dice", "euc_2d")
NAMES = [info.name for info in solvers.available() if not info.missing]


def sparse_sample(metric, rng, n=30, d=40):
    X = rng.integers(1, 5, (n, d)) * (rng.random((n, d)) < 0.15) * (1.0 if rng.random() < 0.5 else 1.37)
    if metric in ("jaccard", "dice"):
        X = (X != 0).astype(np.int64)
    X[3] = X[7]
    X[~X.any(axis=1), 0] = 1
    return X


@pytest.mark.parametrize("metric", SPARSE)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(("csr_matrix", "csc_array", "coo_matrix", "lil_matrix")))
def test_sparse_rows_have_the_distances_of_dense_ones(metric, seed, kind):
    X = sparse_sample(metric, np.random.default_rng(seed))
    dense, rows = Problem(4, points=X, metric=metric), Problem(4, points=getattr(sparse, kind)(X), metric=metric)
    D = rows.matrix()
    assert dense.matrix() == pytest.approx(D, rel=1e-9, abs=2e-8 if metric == "angular" else 1e-12)
    assert D[3, 7] == 0
    assert (D == D.T).all()
    assert rows.reduced_distances([5], [2, 9, 5]).tolist() == [rows.reduced_matrix()[5, [2, 9, 5]].tolist()]


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "jaccard"])
@pytest.mark.parametrize("solver", NAMES)
def test_every_solver_takes_sparse_rows(solver, metric):
    X = sparse_sample(metric, np.random.default_rng(1), n=14)
    result = solve(sparse.csr_matrix(X), 4, solver=solver, metric=metric, stop=Stop(iterations=300))
    D = naive.matrix(metric, X)
    assert result.objective == pytest.approx(naive.objective(D, result.indices))
    assert naive.optimum(D, 4) * (1 - 1e-9) <= result.upper_bound < np.inf


def test_sparse_rows_stay_sparse():
    rng, shape = np.random.default_rng(0), (20_000, 500_000)  # 80 GB if they were dense
    places = rng.integers(0, 500, shape[0] * 8) * 997
    rows = sparse.csr_array((rng.random(len(places)) + 0.1, (np.repeat(np.arange(shape[0]), 8), places)), shape)
    result = solve(rows, 5, metric="cosine")
    chosen = rows[result.indices].toarray()
    assert result.objective == pytest.approx(Problem(5, points=chosen, metric="cosine").objective(range(5))[0])
    assert result.objective <= result.upper_bound <= 2
    assert len(result.assignment().labels) == 20_000


def test_the_same_rows_are_near_duplicates_in_spread():
    X = sparse_sample("cosine", np.random.default_rng(2))
    found = spread(sparse.csr_matrix(X), 0.3, metric="cosine", stop=Stop())
    assert found.size == spread(X, 0.3, metric="cosine", stop=Stop()).size
    assert not {3, 7} <= set(found.indices.tolist())
    at_once = spread(sparse.csr_matrix(X), 0.3, metric="cosine", stop=Stop(seconds=0))
    assert at_once.size == spread(X, 0.3, metric="cosine", stop=Stop(seconds=0)).size > 5


def changed(place, value):
    X = sparse.lil_matrix(np.eye(4))
    X[place] = value
    return X


@pytest.mark.parametrize(
    ("points", "metric", "message"),
    [
        (changed((2, 1), np.nan), "euclidean", "NaN or infinity in row 2"),
        (changed((2, 1), 2.0), "jaccard", r"\(points != 0\)"),
        (changed((2, 2), 0.0), "cosine", "row 2: a zero vector"),
        (changed((2, 2), 1e200), "euclidean", "overflow"),
        (sparse.csr_matrix((3, 0)), "euclidean", "not empty"),
        (sparse.csr_matrix(np.eye(3) * 1j), "euclidean", "real numbers"),
        (sparse.csr_matrix(np.eye(3)), "correlation", "correlation needs dense rows"),
    ],
)
def test_what_is_wrong_with_sparse_rows_is_named(points, metric, message):
    with pytest.raises(InvalidProblemError, match=message):
        Problem(2, points=points, metric=metric)


MIXED = {
    "age": [20, 35, 35, 60, 41],
    "height": [1.5, 1.8, 1.8, 1.62, 2.0],
    "member": [True, False, False, True, True],
    "town": ["Oslo", "Bergen", "Bergen", "Narvik", "Oslo"],
    "since": [dt.datetime(2020, 1, day) for day in (1, 5, 5, 11, 2)],
    "same": [7, 7, 7, 7, 7],
}


def test_a_function_compares_the_arrays_of_a_list_and_not_their_rows():
    rng = np.random.default_rng(0)
    images = [rng.random((4, 5)) for _ in range(10)]
    series = [rng.random((length, 2)) for length in rng.integers(3, 9, 10)]

    def apart(a, b):
        return abs(float(a.sum() - b.sum()))

    for items in (images, series, tuple(images)):
        for metric in (apart, Metric("apart", "callable", False, function=apart)):
            expected = solve(Problem(3, points=items, metric=apart))
            result = solve(items, 3, metric=metric)
            assert (result.n, result.indices.tolist()) == (10, expected.indices.tolist())
            assert all(found is items[i] for found, i in zip(result.of(items), result.indices, strict=True))
            assert (rank(items, metric=metric).k, spread(items, 0.1, metric=metric).n) == (10, 10)
    with pytest.raises(InvalidProblemError, match="was chosen, and this table has 0 rows"):
        solve(images, 3).of([])
    blocks = solve(images, 3)
    assert (blocks.n, blocks.of(images).tolist()) == (40, np.concatenate(images)[blocks.indices].tolist())


def gower_by_hand(columns):
    """The mean over the columns of |x - y| / range or of x != y, in plain Python."""
    n = len(next(iter(columns.values())))
    D = np.zeros((n, n))
    for values in columns.values():
        measured = not isinstance(values[0], (str, bool))
        span = (max(values) - min(values)) if measured else None
        for i in range(n):
            for j in range(n):
                D[i, j] += (abs(values[i] - values[j]) / span if span else 0.0) if measured else values[i] != values[j]
    return D / len(columns)


def frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(MIXED)
    return {
        "pandas": frame,
        "another index": frame.set_index(pd.Index([9, 8, 7, 6, 5])),
        "categories": frame.astype({"town": "category"}),
        "objects": frame.astype({"town": object, "age": object}),
        "nullable": frame.convert_dtypes(),
        "a mapping": MIXED,
        "rows": list(zip(*MIXED.values(), strict=True)),
        "records": frame.drop(columns=["town"]).to_records(index=False),
    }


@pytest.mark.parametrize("kind", ["pandas", "another index", "categories", "objects", "nullable", "a mapping", "rows"])
def test_gower_of_any_frame_is_the_mean_over_its_columns(kind):
    frame = frames()[kind]
    problem = Problem(2, points=frame, metric="gower")
    assert problem.matrix() == pytest.approx(gower_by_hand(MIXED))
    assert solve(frame, 2, metric="gower", solver="exact").objective == pytest.approx(gower_by_hand(MIXED).max())
    assert problem.matrix()[1, 2] == 0


def test_gower_of_records_and_of_an_array():
    columns = {name: values for name, values in MIXED.items() if name != "town"}
    assert Problem(2, points=frames()["records"], metric="gower").matrix() == pytest.approx(gower_by_hand(columns))
    X = np.array([[1.0, 5.0], [3.0, 5.5], [2.0, 9.0]])
    by_hand = gower_by_hand({"a": X[:, 0].tolist(), "b": X[:, 1].tolist()})
    assert Problem(2, points=X, metric="gower").matrix() == pytest.approx(by_hand)


def test_gower_of_polars_and_arrow():
    table = pytest.importorskip("pyarrow").table(MIXED)
    assert Problem(2, points=table, metric="gower").matrix() == pytest.approx(gower_by_hand(MIXED))
    frame = pytest.importorskip("polars").DataFrame(MIXED)
    for points in (frame, frame.lazy()):
        assert Problem(2, points=points, metric="gower").matrix() == pytest.approx(gower_by_hand(MIXED))


def test_gower_compares_no_index_and_decimals_by_their_range():
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    frame = pd.DataFrame(MIXED, index=pd.Index([10, 20, 30, 40, 99], name="n"))
    table = pa.Table.from_pandas(frame)
    assert Problem(2, points=table, metric="gower").matrix() == pytest.approx(gower_by_hand(MIXED))
    prices = {"price": [Decimal("1.5"), Decimal(2), Decimal("9.5")]}
    for points in (prices, pd.DataFrame(prices), pa.table(prices)):
        distances = Problem(2, points=points, metric="gower").matrix()
        assert distances == pytest.approx(gower_by_hand({"price": [1.5, 2.0, 9.5]}))


YEARS = [dt.date(2020, 1, 1), dt.date(2021, 1, 1), dt.date(9999, 12, 31), dt.date(2022, 1, 1)]


def test_gower_of_dates_that_nanoseconds_do_not_reach(tmp_path):
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    days = np.array([day.toordinal() for day in YEARS], dtype=float)
    by_hand = np.abs(days[:, None] - days) / np.ptp(days)
    for values in (YEARS, np.array(YEARS, "datetime64[us]"), np.array(YEARS, "datetime64[D]")):
        for frame in ({"end": values}, pd.DataFrame({"end": values}), pa.table({"end": values})):
            assert Problem(2, points=frame, metric="gower").matrix() == pytest.approx(by_hand, abs=1e-12)
    (tmp_path / "t.jsonl").write_text("\n".join(f'{{"end": "{day}"}}' for day in YEARS))
    result = solve(tmp_path / "t.jsonl", 3, metric="gower", solver="exact")
    assert result.objective == pytest.approx((days[3] - days[0]) / np.ptp(days))
    months = {"end": np.array(["2023-01", "2023-02", "2023-04"], "datetime64[M]")}
    assert Problem(2, points=months, metric="gower").matrix()[0, 1] == pytest.approx(31 / 90)


def test_gower_of_times_with_a_zone_is_that_of_utc():
    pd = pytest.importorskip("pandas")
    moments = pd.to_datetime(["2020-01-01", "2021-01-01", "2022-06-01"])
    expected = Problem(2, points=pd.DataFrame({"t": moments}), metric="gower").matrix()
    far = moments.tz_localize("UTC").tz_convert("Asia/Tokyo")
    objects = [far[0].tz_convert("America/New_York").to_pydatetime(), *far[1:].to_pydatetime()]
    for frame in (pd.DataFrame({"t": far}), {"t": objects}):
        assert Problem(2, points=frame, metric="gower").matrix() == pytest.approx(expected)
    behind = dt.timezone(dt.timedelta(hours=-5))
    ends = [dt.datetime(9999, 12, 31, hour, tzinfo=zone) for hour, zone in ((23, behind), (22, dt.UTC), (0, behind))]
    assert Problem(2, points={"t": ends}, metric="gower").matrix()[0].tolist() == pytest.approx([0, 6 / 23, 1])
    with pytest.raises(InvalidProblemError, match="column 't': row 2 without a time zone, and others with one"):
        gower({"t": [*objects[:2], dt.datetime(2022, 6, 1)]})


def test_values_that_pandas_says_are_missing_are_named():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2, None, 4], "b": ["x", "y", None, "x"], "c": [True, None, True, False]})
    frame = frame.convert_dtypes()
    with pytest.raises(InvalidProblemError, match="column 'a': row 2 without a value"):
        Problem(2, points=frame, metric="gower")
    with pytest.raises(InvalidProblemError, match="column 'c': row 1 without a value"):
        Problem(2, points=frame[["c"]], metric="gower")
    assert sorted(solve(frame, 2, metric="gower", drop_null=True).indices.tolist()) == [0, 3]
    labels = [frame["a"], frame["b"], pd.array([1, 2, None, 4], "Int64"), np.array([1, 2, np.nan, 4])]
    for groups in (*labels, np.array([1, 2, np.nan, 4], np.float32), [1.0, 2.0, None, 4.0]):
        with pytest.raises(InvalidProblemError, match="groups: row 2 without a label"):
            Problem(2, points=np.eye(4), groups=groups, counts={groups[0]: 1})


def test_gower_compares_numbers_as_categories_by_equality():
    pa, pd = pytest.importorskip("pyarrow"), pytest.importorskip("pandas")
    frame = pd.DataFrame({"kind": pd.Categorical([1, 2, 9])})
    for points in (frame, pa.Table.from_pandas(frame)):
        assert Problem(2, points=points, metric="gower").matrix() == pytest.approx(1 - np.eye(3))


@settings(max_examples=60)
@given(data=st.data())
def test_gower_of_random_frames_and_its_bounds(data):
    n = data.draw(st.integers(4, 9))
    column = st.one_of(
        st.lists(st.integers(-3, 3), min_size=n, max_size=n),
        st.lists(st.floats(-5, 5, width=16), min_size=n, max_size=n),
        st.lists(st.sampled_from("abcd"), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
    columns = dict(enumerate(data.draw(st.lists(column, min_size=1, max_size=5))))
    D = gower_by_hand(columns)
    problem = Problem(3, points=columns, metric="gower")
    assert problem.matrix() == pytest.approx(D, abs=1e-12)
    for solver in ("greedy", "exact"):
        result = solve(problem, solver=solver)
        assert naive.optimum(D, 3) - 1e-9 <= result.upper_bound <= 1 + 1e-9


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"a": [1.0, None, 2.0]}, "column 'a': row 1 without a value"),
        ({"a": [1.0, 2.0], "b": ["x", None]}, "column 'b': row 1 without"),
        ({"a": [1.0, np.inf]}, "row 1: infinity"),
        ({"id": [f"x{i}" for i in range(1500)]}, "column 'id' has 1500 different values"),
        ({"a": [[1], [2]]}, "column 'a' holds"),
        ([(1, 2), (3,)], "rows of one length"),
        ({}, "at least one row"),
    ],
)
def test_what_gower_cannot_compare_is_named(frame, message):
    with pytest.raises(InvalidProblemError, match=message):
        gower(frame)


class BitVector:
    """As RDKit's ExplicitBitVect: what this package asks of it."""

    def __init__(self, bits):
        self.bits = [int(bit) for bit in bits]

    def GetNumBits(self):  # noqa: N802
        return len(self.bits)

    def GetOnBits(self):  # noqa: N802
        return tuple(i for i, bit in enumerate(self.bits) if bit)

    def __len__(self):
        return len(self.bits)

    def __getitem__(self, i):
        return self.bits[i]


def test_fingerprints_are_rows_of_bits():
    bits = np.random.default_rng(3).integers(0, 2, (20, 64))
    prints = [BitVector(row) for row in bits]
    for metric in ("tanimoto", "dice", "hamming"):
        assert (
            Problem(2, points=prints, metric=metric).matrix() == Problem(2, points=bits, metric=metric).matrix()
        ).all()
    own = Problem(2, points=prints, metric=lambda a, b: float(len(set(a.GetOnBits()) ^ set(b.GetOnBits()))))
    assert own.matrix() == pytest.approx(64 * Problem(2, points=bits, metric="hamming").matrix())
    with pytest.raises(InvalidProblemError, match="row 1 is not a fingerprint of 64 bits"):
        Problem(2, points=[prints[0], BitVector([1, 0])], metric="tanimoto")


def test_fingerprints_of_rdkit():
    Chem, DataStructs = (pytest.importorskip(name) for name in ("rdkit.Chem", "rdkit.DataStructs"))
    generator = pytest.importorskip("rdkit.Chem.rdFingerprintGenerator").GetMorganGenerator(fpSize=512)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(s)) for s in ("CCO", "c1ccccc1", "CC(=O)O", "CCN", "CCCC")]
    D = 1 - np.array([DataStructs.BulkTanimotoSimilarity(one, prints) for one in prints])
    assert Problem(2, points=prints, metric="tanimoto").matrix() == pytest.approx(D)


def test_named_tuples_are_rows():
    Row = namedtuple("Row", "town size")
    rows = [Row("Oslo", 1.0), Row("Bergen", 3.0), Row("Oslo", 2.0)]
    assert Problem(2, points=rows, metric="gower").matrix()[0].tolist() == [0.0, 1.0, 0.25]


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_a_column_of_any_frame_is_a_group_label(dtype):
    frame = pytest.importorskip("pandas").DataFrame(MIXED)
    counts = {"Oslo": 1, "Bergen": (1, None)}
    for points, metric in ((frame[["age", "height"]], "euclidean"), (frame, "gower")):
        problem = Problem(3, points=points, metric=metric, groups=frame["town"].astype(dtype), counts=counts)
        for solver in ("fair", "exact", "greedy"):
            towns = frame["town"].iloc[solve(problem, solver=solver).indices].tolist()
            assert towns.count("Oslo") == 1
            assert "Bergen" in towns
