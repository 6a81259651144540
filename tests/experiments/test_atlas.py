"""The atlas: rows with checked certificates, resuming, merging, and pages that show what is closed or contradicted."""

import csv
import hashlib
import json
import re

import pytest

pytest.importorskip("tabulate")

from experiments import atlas
from experiments._common.rows import RESULTS
from experiments.atlas import page, problems, records
from mmdp.check_certificate import check, read_data
from tests.experiments.test_exact import SQUARE


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "square.tsp").write_text(SQUARE)
    (data / "published.csv").write_text(
        "instance,k,published_lower_bound,published_upper_bound,published_cpu_seconds,source\n"
        "square,2,14,14,1.5,Somebody 2020\nsquare,3,9,11,TL,Somebody 2020\nsquare,4,12,12,2.0,Somebody 2020\n"
    )
    return data


def run(folder, results, **options):
    defaults = {"k": None, "seconds": 5.0, "threads": 1, "megabytes": 1.0, "fresh": False, "merge": None}
    options = {**defaults, "report_only": False, "certificates": results / page.SHIPPED, **options}
    atlas.main(data=folder, results=results, **options)
    return (results / "atlas.csv").read_text()


def rows_of(results):
    text = (results / "atlas.html").read_text()
    return {row["k"]: row for row in json.loads(re.search(r'id="rows">(.*?)</script>', text)[1])}


def test_rows_have_certificates_that_the_checker_accepts(folder, tmp_path):
    results = tmp_path / "results"
    first = run(folder, results)
    assert run(folder, results) == first  # nothing is proven again
    rows = rows_of(results)
    assert sorted(rows) == [2, 3, 4]
    for k, row in rows.items():
        points = read_data(folder / "square.tsp", row["n"])
        verdict = check(results / row["file"], points)
        assert verdict.optimal
        assert (verdict.k, verdict.bound) == (k, row["value"])
    assert rows[3]["closed"]
    assert rows[4]["wrong"]
    assert not rows[2]["wrong"]
    assert rows[2]["source"] == "Somebody 2020"
    text = (results / "atlas_records.md").read_text()
    assert "9 to 11" in text
    assert "12" not in text.split("square")[1].split("|")[4]
    proven, cost = re.findall(r"\| TSPLIB.*", (results / "atlas_summary.md").read_text())
    assert [cell.strip() for cell in proven.split("|")[2:5]] == ["2 to 4", "3", "3"]
    assert cost.split("|")[2].strip() == "3"


def test_rows_of_two_runs_join(folder, tmp_path):
    run(folder, tmp_path / "one", k=[2])
    run(folder, tmp_path / "two", k=[3])
    run(None, tmp_path / "one", merge=[tmp_path / "two" / "atlas.csv"])
    assert sorted(rows_of(tmp_path / "one")) == [2, 3]


def test_a_certificate_that_is_too_large_is_said_to_be(folder, tmp_path):
    run(folder, tmp_path, k=[3], megabytes=0.0)
    assert rows_of(tmp_path)[3]["why"] == "too large or too long"
    assert not rows_of(tmp_path)[3]["file"]
    assert "None among the rows" in (tmp_path / "atlas_records.md").read_text()
    assert "None yet." in (tmp_path / "atlas_summary.md").read_text()


def test_what_is_published_may_have_no_upper_bound():
    assert records.published(165.04, float("inf")) == "at least 165.04"
    assert records.published(9.0, 11.0) == "9 to 11"
    assert records.published(9.0, 9.0) == "9"


def test_the_generated_families_are_those_of_the_literature():
    entries = list(problems.entries(None, [10]))
    families = {entry.family for entry in entries}
    assert {"geo, generated", "ran, generated"} <= families
    assert all(entry.problem.k == 10 for entry in entries)


def test_the_certificates_that_are_shipped_are_those_of_the_rows():
    with (RESULTS / "atlas.csv").open(encoding="utf-8", newline="") as file:
        sums = {row["file"]: row["certificate"] for row in csv.DictReader(file) if row["file"]}
    shipped = sorted((RESULTS / page.SHIPPED).iterdir())
    assert len(shipped) > 20
    for path in shipped:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[path.name], path.name
