"""The examples in docstrings give what they show."""

import doctest
import importlib

import pytest

from tests.import_graph import sources

SHOWN = [name for name, text in sources("mmdp", "solvers", "objectives", "lmm_integration").items() if ">>> " in text]
NEEDS = {"lmm_integration": "torch"}


@pytest.mark.parametrize("name", SHOWN)
def test_examples_of_docstrings(name):
    pytest.importorskip(NEEDS.get(name.partition(".")[0], "numpy"))
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
