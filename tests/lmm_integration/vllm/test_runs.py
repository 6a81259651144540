"""Runs: a prompt is shortened and made whole again, and only what has text around it is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdp.exceptions import InvalidOptionError

pytest.importorskip("torch")

from lmm_integration.vllm.runs import Run, check_separated, shortened, whole

TEXT, VISUAL = 1, 9
PROMPTS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)), max_size=5)


def prompt(pieces):
    """Text and runs in turn, with text at the end; of each run also where it would start after pruning."""
    tokens, runs, start = [], [], 0
    for text, n, k in pieces:
        tokens += [TEXT] * text + [VISUAL] * n
        runs.append(Run(start + text, n, min(n, k)))
        start += text + min(n, k)
    return [*tokens, TEXT], runs


@given(PROMPTS)
def test_shortened_and_whole_again(pieces):
    tokens, runs = prompt(pieces)
    counts = iter(run.k for run in runs)
    short, sizes = shortened(tokens, [token == VISUAL for token in tokens], lambda n: next(counts))
    assert sizes == [(run.n, run.k) for run in runs]
    assert [token for token in short if token == TEXT] == [token for token in tokens if token == TEXT]
    again, columns = whole(short, runs)
    assert again == tokens
    assert [again[column] for column in columns] == short
    assert columns == sorted(set(columns))
    assert [i for i in range(len(tokens)) if tokens[i] == TEXT] == [c for c in columns if tokens[c] == TEXT]


@pytest.mark.parametrize(
    ("tokens", "runs", "message"),
    [
        ([9, 9, 1], [range(2)], "no text before"),
        ([1, 9, 9], [range(1, 3)], "no text after"),
        ([1, 9, 8, 8, 1], [range(1, 2), range(2, 4)], "no text"),
        ([1, 9, 1, 8, 1], [range(1, 2)], "token 3 of the prompt is a placeholder"),
    ],
)
def test_prompts_whose_positions_could_not_be_told_are_refused(tokens, runs, message):
    with pytest.raises(InvalidOptionError, match=message):
        check_separated(tokens, frozenset((8, 9)), runs)


def test_text_around_each_run_is_enough():
    check_separated([1, 9, 9, 1, 8, 1], frozenset((8, 9)), [range(1, 3), range(4, 5)])
