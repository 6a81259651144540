"""A small sample of the quick committed rows comes out the same, and a row that does not is noticed."""

from dataclasses import replace

import pytest

pytest.importorskip("pandas")
pytest.importorskip("skimage")

from tests import same_rows


@pytest.fixture(scope="module")
def quick():
    return [claim for claim in same_rows.claims([]) if claim.seconds < 0.005 and "/tiny/" in f"/{claim.name[10:]}"]


def test_quick_rows_come_out_the_same(quick, capsys):
    solvers = {claim.run[4]: claim for claim in quick}  # the newest row of each
    assert len(solvers) >= 8
    assert same_rows.check(solvers.values()) == {same_rows.SAME: len(solvers)}, capsys.readouterr().out


def test_a_row_that_says_something_else_is_noticed(quick, capsys):
    greedy = next(claim for claim in quick if claim.run[4] == "greedy")
    said = greedy.said
    wrong = (
        replace(said, objective=said.objective * (1 + 1e-6)),
        replace(said, upper_bound=said.upper_bound + 1),
        replace(said, picks=said.picks[::-1]),
    )
    assert same_rows.check(replace(greedy, said=other, newest=other) for other in wrong) == {same_rows.DIFFERENT: 3}
    assert same_rows.check(replace(greedy, said=other) for other in wrong) == {same_rows.SUPERSEDED: 3}
    assert "picks differ from place 0 on" in capsys.readouterr().out


def test_a_row_without_its_file_is_not_counted_as_the_same():
    published = next(claim for claim in same_rows.claims([]) if claim.name.startswith("search.csv"))
    assert same_rows.check([published]) == {same_rows.NOT_TRIED: 1}
