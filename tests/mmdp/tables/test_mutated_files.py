"""A few hundred mutated files in each run of the tests; ``python -m tests.mutated_files 10000`` makes more."""

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("pandas")


@pytest.mark.parametrize("first", [0, 200])
def test_mutated_files_are_read_as_others_read_them_or_refused(first):
    from tests.mutated_files import run

    outcomes, wrong = run(200, first)
    assert wrong == []
    assert min(outcomes[f"{kind} {how}"] for kind in (".csv", ".parquet") for how in ("read", "refused")) > 20
