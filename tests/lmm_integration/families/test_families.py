"""The subpackage of families, and what a file in it may say."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

pytest.importorskip("torch")

import lmm_integration.families as families

FILES = sorted(path.stem for path in Path(families.__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def test_the_subpackage_is_not_hidden_by_a_function() -> None:
    import lmm_integration

    assert lmm_integration.families is families
    assert families.supported_models is lmm_integration.supported_models


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_what_deviates(name: str) -> None:
    family = import_module(f"lmm_integration.families.{name}").FAMILY
    assert family != families.Family()
    assert replace(families.family_of(name), merger=None) == family


def test_a_type_without_a_file_has_no_facts_of_its_own() -> None:
    assert families.family_of("a_new_type") == families.Family()
