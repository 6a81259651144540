"""The exact experiment on files: rows, resuming, and a report that marks what is closed and what is contradicted."""

import re

import pytest

pytest.importorskip("tabulate")

from experiments import exact
from mmdp import DataFileError

SQUARE = """NAME : square
TYPE : TSP
DIMENSION : 6
EDGE_WEIGHT_TYPE : EUC_2D
NODE_COORD_SECTION
1 0 0
2 10 0
3 0 10
4 10 10
5 5 5
6 1 1
EOF
"""


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "square.tsp").write_text(SQUARE)
    (data / "published.csv").write_text(
        "instance,k,published_lower_bound,published_upper_bound,published_cpu_seconds\n"
        "square,2,14,14,1.5\nsquare,3,9,11,TL\nsquare,4,12,12,2.0\n"
    )
    return data


def run(folder, results, **options):
    exact.main(data=folder, k=None, seconds=5.0, results=results, fresh=False, **options)
    return (results / "exact.csv").read_text(), (results / "exact.md").read_text()


def test_report_marks_closed_gaps_and_contradictions_and_a_second_run_measures_nothing(folder, tmp_path):
    rows, report = run(folder, tmp_path / "results")
    assert "| TSPLIB and national maps | 2, 3, 4 | 3 of 3 |" in re.sub(" +", " ", report)
    assert "1 of 3 published values contradicted" in report
    assert "**9 to 11**" in report
    assert run(folder, tmp_path / "results") == (rows, report)


def test_tables_that_name_none_of_the_files_are_refused(folder, tmp_path):
    (folder / "square.tsp").rename(folder / "other.tsp")
    with pytest.raises(DataFileError, match=r"gives a k for other\.tsp"):
        run(folder, tmp_path / "results")
