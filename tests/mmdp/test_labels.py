"""Group counts on the command line: labels in a column or in a file, and what is wrong with them."""

import json

import numpy as np
import pytest

from mmdp import DataFileError, InvalidOptionError, InvalidProblemError, Problem
from solvers import solve
from solvers.__main__ import application

pa = pytest.importorskip("pyarrow")
csv = pytest.importorskip("pyarrow.csv")
parquet = pytest.importorskip("pyarrow.parquet")

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
CITIES = np.array(["Oslo", "Bergen", "a=b"])[np.arange(60) % 3]
TYPED = ["Oslo=4", "Bergen=1:2", "a=b=3:"]
COUNTS = {"Oslo": 4, "Bergen": (1, 2), "a=b": (3, None)}


def select(folder, points, *options):
    out = folder / "chosen.npy"
    application(["select", str(points), "-k", "9", *map(str, options), "-o", str(out)], standalone_mode=False)
    return np.load(out)


def typed(counts):
    return [option for count in counts for option in ("--count", count)]


def table(folder, kind, labels, name="city"):
    columns = {"x": X[:, 0], name: labels, "y": X[:, 1], "z": X[:, 2]}
    path = folder / f"points{kind}"
    if kind == ".parquet":
        parquet.write_table(pa.table(columns), path)
    elif kind == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in pa.table(columns).to_pylist()))
    else:
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        path.write_text("\n".join(",".join(map(str, row)) for row in [columns, *rows]))
    return path


def label_file(folder, kind, labels):
    path = folder / f"labels{kind}"
    if kind == ".npy":
        np.save(path, labels)
    elif kind == ".parquet":
        parquet.write_table(pa.table({"city": pa.array(labels.tolist()).dictionary_encode()}), path)
    else:
        path.write_text("\n".join(map(str, labels)) + "\n")
    return path


def expected(solver, labels=CITIES, counts=COUNTS):
    return solve(Problem(9, points=X, groups=labels, counts=counts), solver=solver).indices.tolist()


@pytest.mark.parametrize("solver", ["fair", "ilp"])
@pytest.mark.parametrize("kind", [".csv", ".parquet", ".jsonl"])
def test_a_column_of_the_points(tmp_path, kind, solver):
    options = () if solver == "fair" else ("--solver", solver)
    chosen = select(tmp_path, table(tmp_path, kind, CITIES), "--groups", "city", *typed(TYPED), *options)
    assert chosen.tolist() == expected(solver)


@pytest.mark.parametrize("kind", [".npy", ".csv", ".parquet"])
def test_a_file_of_labels(tmp_path, kind, capsys):
    np.save(tmp_path / "points.npy", X)
    labels = label_file(tmp_path, kind, CITIES)
    assert select(tmp_path, tmp_path / "points.npy", "--groups", labels, *typed(TYPED)).tolist() == expected("fair")
    assert "4 of Oslo" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [".csv", ".parquet"])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_labels_that_are_numbers(tmp_path, kind, dtype):
    labels = (np.arange(60) % 3).astype(dtype)
    chosen = select(tmp_path, table(tmp_path, kind, labels), "--groups", "city", *typed(["1=4", "2=:1"]))
    assert chosen.tolist() == expected("fair", labels, {1: 4, 2: (None, 1)})


def test_rows_are_written_with_their_labels(tmp_path):
    path = table(tmp_path, ".csv", CITIES)
    lines = path.read_text().splitlines()
    out = tmp_path / "chosen.csv"
    command = ["select", str(path), "-k", "9", "--groups", "city", *typed(TYPED), "--rows", str(out)]
    application(command, standalone_mode=False)
    assert out.read_text().splitlines() == [lines[0], *(lines[1 + row] for row in expected("fair"))]


def test_groups_with_rows_left_out(tmp_path):
    path = table(tmp_path, ".csv", CITIES)
    lines = path.read_text().splitlines()
    cells = lines[11].split(",")
    path.write_text("\n".join([*lines[:11], ",".join(["", *cells[1:]]), *lines[12:]]))
    kept = np.delete(np.arange(60), 10)
    problem = Problem(9, points=X[kept], groups=CITIES[kept], counts=COUNTS)
    chosen = select(tmp_path, path, "--groups", "city", *typed(TYPED), "--drop-null")
    assert chosen.tolist() == kept[solve(problem, solver="fair").indices].tolist()


@pytest.mark.parametrize("kind", [".npy", ".csv", ".parquet"])
def test_labels_of_all_rows_are_told_from_those_with_a_header(tmp_path, kind):
    gaps = X.copy()
    gaps[10, 0] = np.nan
    points = tmp_path / f"points{kind}"
    if kind == ".npy":
        np.save(points, gaps)
    else:
        columns = pa.table(
            {name: pa.array(values, mask=np.isnan(values)) for name, values in zip("xyz", gaps.T, strict=True)}
        )
        parquet.write_table(columns, points) if kind == ".parquet" else csv.write_csv(columns, points)
    (tmp_path / "labels.csv").write_text("\n".join(CITIES))
    kept = np.delete(np.arange(60), 10)
    problem = Problem(9, points=X[kept], groups=CITIES[kept], counts=COUNTS)
    chosen = select(tmp_path, points, "--groups", tmp_path / "labels.csv", *typed(TYPED), "--drop-null")
    assert chosen.tolist() == kept[solve(problem, solver="fair").indices].tolist()
    (tmp_path / "headed.csv").write_text("\n".join(["city", *CITIES]))
    for metric in ("euclidean", "gower"):
        with pytest.raises(DataFileError, match="61 values for 60 points; its first line must not be a header"):
            select(
                tmp_path, points, "--groups", tmp_path / "headed.csv", *typed(TYPED), "--drop-null", "--metric", metric
            )


BAD = {
    "neither count nor file": (["--groups", "city"], InvalidOptionError, "or none of them"),
    "no groups": (["--count", "Oslo=3"], InvalidOptionError, "or none of them"),
    "unknown group": (["--groups", "city", "--count", "Rome=3"], InvalidProblemError, "'Rome', but no point.*'Bergen'"),
    "unknown column": (["--groups", "town", "--count", "Oslo=3"], DataFileError, "no column 'town'; it has x, city"),
    "missing file": (["--groups", "town.csv", "--count", "Oslo=3"], DataFileError, "no such file"),
    "no number": (["--groups", "city", "--count", "Oslo=many"], InvalidOptionError, "Oslo=many: give LABEL=N"),
    "no limit": (["--groups", "city", "--count", "Oslo=:"], InvalidOptionError, "give LABEL=N"),
    "no label": (["--groups", "city", "--count", "3"], InvalidOptionError, "give LABEL=N"),
    "no group can have it": (
        ["--groups", "city", "--count", f"Oslo={10**30}"],
        InvalidProblemError,
        "'Oslo', but only",
    ),
    "twice": (["--groups", "city", *typed(["Oslo=1:", "Oslo=:3"])], InvalidOptionError, "Oslo has a count already"),
    "reversed": (["--groups", "city", "--count", "Oslo=5:2"], InvalidProblemError, "at least <= at most"),
    "too many": (["--groups", "city", "--count", "Oslo=10:"], InvalidProblemError, "at least 10 points.*k = 9"),
    "too few there": (["--groups", "city", "--count", "Oslo=21"], InvalidProblemError, "'Oslo', but only 20 can"),
    "solver": (
        ["--groups", "city", *typed(TYPED), "--solver", "gist"],
        InvalidOptionError,
        "gist does not keep group counts",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(tmp_path, name):
    options, error, message = BAD[name]
    with pytest.raises(error, match=message):
        select(tmp_path, table(tmp_path, ".csv", CITIES), *options)


@pytest.mark.parametrize("kind", [".npy", ".csv", ".parquet"])
def test_a_file_of_another_length_is_named(tmp_path, kind):
    np.save(tmp_path / "points.npy", X)
    labels = label_file(tmp_path, kind, CITIES[:50])
    with pytest.raises(DataFileError, match=f"labels{kind}: 50 values for 60 points"):
        select(tmp_path, tmp_path / "points.npy", "--groups", labels, *typed(TYPED))


def test_a_label_that_no_byte_can_be_is_an_unknown_group(tmp_path):
    np.save(tmp_path / "points.npy", X)
    np.save(tmp_path / "bytes.npy", np.arange(60, dtype=np.uint8))
    with pytest.raises(InvalidProblemError, match="'300', but no point is in that group"):
        select(tmp_path, tmp_path / "points.npy", "--groups", tmp_path / "bytes.npy", "--count", "300=1")


def test_files_that_hold_no_labels_are_named(tmp_path):
    points = table(tmp_path, ".csv", CITIES)
    np.save(tmp_path / "array.npy", X)
    parquet.write_table(pa.table({"a": ["x", None]}), tmp_path / "holes.parquet")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    for file, groups, message in (
        (tmp_path / "array.npy", "city", "an array has no column 'city'"),
        (tmp_path / "none.csv", "city", "no such file"),
        (points, points, "one column is needed, a value for each row, not 4"),
        (points, tmp_path / "holes.parquet", "row 1 has no label"),
        (points, tmp_path / "cut.npy", "cut.npy: not a whole .npy file"),
    ):
        with pytest.raises(DataFileError, match=message):
            select(tmp_path, file, "--groups", groups, *typed(TYPED))


SIZES = np.array(["s", "l"])[np.arange(60) // 30]
BEDS = 1 + np.arange(60) % 7


def sites(folder):
    columns = {"x": X[:, 0], "city": CITIES, "size": SIZES, "beds": BEDS, "y": X[:, 1]}
    path = folder / "sites.csv"
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    path.write_text("\n".join(",".join(map(str, row)) for row in [columns, *rows]))
    return path


def run(folder, *options):
    out = folder / "chosen.npy"
    application(
        ["select", str(sites(folder)), "--columns", "x,y", *map(str, options), "-o", str(out)], standalone_mode=False
    )
    return np.load(out).tolist()


def test_counts_of_several_attributes(tmp_path, capsys):
    options = ("--groups", "city", "--groups", "size", *typed(["city:Oslo=4", "city:a=b=3:", "size:l=:2"]))
    chosen = run(tmp_path, "-k", 9, *options, "--solver", "exact")
    counts = {"city": {"Oslo": 4, "a=b": (3, None)}, "size": {"l": (None, 2)}}
    problem = Problem(9, points=X[:, :2].astype(float), groups={"city": CITIES, "size": SIZES}, counts=counts)
    assert sorted(chosen) == sorted(solve(problem, solver="exact").indices.tolist())
    assert "2 of l, 7 of s of size" in capsys.readouterr().err


def test_groups_apart(tmp_path):
    chosen = run(tmp_path, "-k", 6, "--groups", "size", "--apart", "s,l=2.5", "--solver", "exact")
    problem = Problem(6, points=X[:, :2].astype(float), groups=SIZES, apart={("s", "l"): 2.5})
    assert sorted(chosen) == sorted(solve(problem, solver="exact").indices.tolist())
    assert not problem.too_close(chosen)
    assert problem.too_close(solve(X[:, :2], 6, solver="exact").indices)
    both = run(tmp_path, "-k", 6, "--groups", "size", "--apart", "s,l=2.5", "--count", "l=2")
    assert sum(SIZES[i] == "l" for i in both) == 2


@pytest.mark.parametrize("solver", [None, "exact"])
def test_capacities_and_a_demand(tmp_path, capsys, solver):
    named = () if solver is None else ("--solver", solver)
    chosen = run(tmp_path, "--capacity", "beds", "--demand", 40, *named)
    problem = Problem(points=X[:, :2].astype(float), capacity=BEDS, demand=40)
    best = solve(problem, solver="exact")
    assert problem.objective(chosen)[0] == pytest.approx(best.objective, rel=1e-6)
    assert f"capacity     {BEDS[chosen].sum()}  (at least 40)" in capsys.readouterr().err


def test_capacities_of_the_rows_that_are_kept(tmp_path):
    np.save(tmp_path / "beds.npy", BEDS)
    path = sites(tmp_path)
    lines = path.read_text().splitlines()
    cells = lines[11].split(",")
    path.write_text("\n".join([*lines[:11], ",".join(["", *cells[1:]]), *lines[12:]]))
    out = tmp_path / "chosen.npy"
    options = ["--columns", "x,y", "--drop-null", "--solver", "exact", "--demand", "40", "-o", str(out)]
    found = []
    for capacity in ("beds", str(tmp_path / "beds.npy")):
        application(["select", str(path), *options, "--capacity", capacity], standalone_mode=False)
        found.append(np.load(out).tolist())
    assert found[0] == found[1]
    assert 10 not in found[0]
    assert BEDS[found[0]].sum() >= 40


def test_the_column_of_capacities_is_no_coordinate(tmp_path, capsys):
    options = ["--drop", "city,size", "--capacity", "beds", "--demand", "40"]
    application(["select", str(sites(tmp_path)), *options], standalone_mode=False)
    assert "coordinates  x, y\n" in capsys.readouterr().err


BAD_LIMITS = {
    "k and a demand": (["-k", 3, "--capacity", "beds", "--demand", 9], InvalidOptionError, "give one of them"),
    "neither": ([], InvalidOptionError, "give one of them"),
    "no capacity": (["--demand", 9], InvalidOptionError, "--capacity .of each row. and --demand"),
    "too much": (["--capacity", "beds", "--demand", 999], InvalidProblemError, "demand = 999 is more than 234"),
    "no numbers": (["--capacity", "city", "--demand", 9], InvalidProblemError, "give one number for each"),
    "which attribute": (
        ["-k", 3, "--groups", "city", "--groups", "size", "--count", "Oslo=1"],
        InvalidOptionError,
        "begin with the name of one and a colon: city:",
    ),
    "twice": (
        ["-k", 3, "--groups", "size", "--apart", "s,l=1", "--apart", "l,s=2"],
        InvalidOptionError,
        "have a distance already",
    ),
    "no pair": (["-k", 3, "--groups", "size", "--apart", "s=1"], InvalidOptionError, "give LABEL,LABEL=DISTANCE"),
    "no distance": (["-k", 3, "--groups", "size", "--apart", "s,l"], InvalidOptionError, "give LABEL,LABEL=DISTANCE"),
    "unknown label": (
        ["-k", 3, "--groups", "size", "--apart", "s,m=1"],
        InvalidProblemError,
        "names 'm', but no point",
    ),
    "same names": (
        ["-k", 3, "--groups", "size", "--groups", "size", "--count", "s=1"],
        InvalidOptionError,
        "two of them have the same name",
    ),
    "a solver that takes k": (
        ["--capacity", "beds", "--demand", 9, "--solver", "greedy"],
        InvalidOptionError,
        "greedy chooses k points",
    ),
    "checkpoint": (
        ["--capacity", "beds", "--demand", 9, "--checkpoint", "c.json", "--solver", "greedy"],
        InvalidOptionError,
        "nothing is saved",
    ),
}


@pytest.mark.parametrize("name", BAD_LIMITS)
def test_what_is_wrong_with_a_limit_is_named(tmp_path, name):
    options, error, message = BAD_LIMITS[name]
    with pytest.raises(error, match=message):
        run(tmp_path, *options)
