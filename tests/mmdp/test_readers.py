"""Instance files: every format read back, and every way to break one named with its line."""

import numpy as np
import pytest

from mmdp import DataFileError, InvalidOptionError
from mmdp.instance_readers import read, read_tsplib
from mmdp.instances import FAMILIES, geo, ran

TSP = """NAME : four
TYPE : TSP
DIMENSION : 4
EDGE_WEIGHT_TYPE : EUC_2D
NODE_COORD_SECTION
1 0.0 0.0
2 3.0 4.0
3 0.0 0.0
4 1e1 0
EOF
"""


def coordinates(instance):
    rows = "\n".join(f"{i} " + " ".join(map(repr, map(float, x))) for i, x in enumerate(instance.points))
    return f"{len(instance.points)}\n{instance.points.shape[1]}\n{rows}\n"


def pairs(instance, header="{n}"):
    n = len(instance.distances)
    rows = "\n".join(f"{i} {j} {instance.distances[i, j]}" for i in range(n) for j in range(i + 1, n))
    return header.format(n=n) + f"\n{rows}\n"


def test_coordinates_round_trip(tmp_path):
    (tmp_path / "Geo_20_1.txt").write_text(coordinates(geo(20, seed=1)))
    assert np.array_equal(read(tmp_path / "Geo_20_1.txt").points, geo(20, seed=1).points)


@pytest.mark.parametrize("header", ["{n}", "{n} 5"])
def test_distances_round_trip(tmp_path, header):
    (tmp_path / "Ran.txt").write_text(pairs(ran(9, seed=1), header))
    assert np.array_equal(read(tmp_path / "Ran.txt").distances, ran(9, seed=1).distances)


@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_capacities_round_trip(tmp_path, between):
    D = np.round(geo(12, seed=1).problem(2).matrix(), 1)
    capacity = np.arange(1.0, 13.0)
    rows = "\n".join("\t".join(map(str, row)) + "\t" for row in D)
    path = tmp_path / "GKD-b_11_n12_b02.txt"
    path.write_text(between.join(["12", "30", "\t".join(map(str, capacity)), rows]) + "\n")
    instance = read(path)
    assert instance.name == "GKD-b_11_n12_b02"
    assert np.array_equal(instance.distances, D)
    assert instance.capacity.tolist() == capacity.tolist()
    assert instance.demand == 30
    problem = instance.problem(exclude=[0])
    assert problem.capacities.violation(range(1, 7)).startswith("a capacity of 27 in all")
    assert instance.problem(3).k == 3
    path.write_text(path.read_text().replace("12.0", "many"))
    with pytest.raises(DataFileError, match=r"line \d: could not convert"):
        read(path)


def test_tsplib_drops_repeated_coordinates_unless_told(tmp_path):
    (tmp_path / "four.tsp").write_text(TSP)
    assert read(tmp_path / "four.tsp").points.tolist() == [[0, 0], [3, 4], [10, 0]]
    assert len(read_tsplib(tmp_path / "four.tsp", distinct=False).points) == 4


def test_p_median_files_give_distances_along_their_edges(tmp_path):
    (tmp_path / "pmed0.txt").write_text(" 4 5 2\n 1 2 3\n 3 2 9\n 2 3 4\n 3 4 1\n 1 4 100\n")
    instance = read(tmp_path / "pmed0.txt")
    assert instance.distances.tolist() == [[0, 3, 7, 8], [3, 0, 4, 5], [7, 4, 0, 1], [8, 5, 1, 0]]


BROKEN = {
    "vertex out of range": ("2 1 1\n0 1 5\n", "line 2: two different vertices from 1 to 2"),
    "vertices apart": ("4 2 1\n1 2 5\n3 4 5\n", "no edges lead from vertex 1 to vertex 3"),
    "edges cut short": ("3 2 1\n1 2 5\n", "line 2: the file is cut short: 2 rows were announced, 1 are there"),
    "empty": ("", "is empty"),
    "cut short": ("3\n2\n0 1 1\n1 2 2\n", "line 4: the file is cut short: 3 rows were announced, 2 are there"),
    "not a number": ("2\n2\n0 1 x\n1 2 2\n", "line 3: could not convert"),
    "a column short": ("2\n2\n0 1\n1 2 2\n", "line 3: 3 numbers were expected, 2 fields"),
    "nan": ("2\n2\n0 1 nan\n1 2 2\n", "line 3: a number is NaN"),
    "wrong index": ("2\n1\n0 1\n5 2\n", "line 4: point 1 was expected, not 5"),
    "pairs cut short": ("3\n0 1 5\n0 2 5\n", "line 3: the file is cut short"),
    "a row too many": ("2\n1\n0 1\n1 2\n2 3\n", "line 5: 2 rows were announced, and here is one more"),
    "a row too many below zero": ("2\n1\n0 1\n1 2\n-2 3\n", "line 5: 2 rows were announced, and here is one more"),
    "a superscript": ("3\n\u00b2\n0 1\n", "line 2: a whole number was expected"),
    "a wide row": ("2\n99999999999\n0 1\n1 2\n", "line 3: 100000000000 numbers were expected, 2 fields"),
    "half an index": ("3\n0 1 5\n0.5 2 5\n1 2 5\n", "line 3: two different indices from 0 to 2"),
    "pair out of range": ("2\n0 2 5\n", "line 2: two different indices from 0 to 1"),
    "pair twice": ("3\n0 1 5\n1 0 5\n1 2 3\n", "no line gives the distance of 0 and 2"),
    "tsp without section": ("NAME : x\nDIMENSION : 3\n", "ends before NODE_COORD_SECTION"),
    "tsp without dimension": ("NAME : x\nNODE_COORD_SECTION\n1 0 0\n", "DIMENSION"),
    "tsp cut short": (TSP.replace("4 1e1 0\n", ""), "cut short: 4 rows"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_its_line(tmp_path, name):
    text, message = BROKEN[name]
    path = tmp_path / "broken.txt"
    path.write_text(text)
    with pytest.raises(DataFileError, match=message) as raised:
        read(path)
    assert "broken.txt" in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataFileError, match="cannot be read"):
        read(tmp_path / "nothing.txt")


@pytest.mark.parametrize("family", FAMILIES)
def test_generators_are_seeded_problems(family):
    one, again, other = (FAMILIES[family](n=12, seed=seed) for seed in (1, 1, 2))
    data = [i.points if i.distances is None else i.distances for i in (one, again, other)]
    assert np.array_equal(data[0], data[1])
    assert not np.array_equal(data[0], data[2])
    assert one.problem(3, include=[0]).n == 12


@pytest.mark.parametrize(
    "draw", [lambda: geo(-1), lambda: geo(5, d=0), lambda: ran(0), lambda: ran(5, low=9, high=3)], ids=range(4)
)
def test_impossible_instances_are_refused(draw):
    with pytest.raises(InvalidOptionError, match=r"at least one|above high"):
        draw()


def test_tsplib_keeps_the_order_of_the_file(tmp_path):
    places = [(9, 9), (1, 1), (9, 9), (5, 5), (1, 1)]
    rows = "\n".join(f"{i} {x} {y}" for i, (x, y) in enumerate(places, 1))
    (tmp_path / "order.tsp").write_text(f"DIMENSION : {len(places)}\nNODE_COORD_SECTION\n{rows}\n")
    assert read(tmp_path / "order.tsp").points.tolist() == [[9, 9], [1, 1], [5, 5]]
    assert read_tsplib(tmp_path / "order.tsp", distinct=False).points.tolist() == [list(place) for place in places]


def test_pairs_in_any_order_and_direction(tmp_path):
    (tmp_path / "pairs.txt").write_text("3\n2 0 7\n1 2 5\n0 1 6\n")
    assert read(tmp_path / "pairs.txt").distances.tolist() == [[0, 6, 7], [6, 0, 5], [7, 5, 0]]
