"""The instances are what their names say, black patches are counted, and the data comes with the packages."""

from importlib.metadata import files

import numpy as np
import pytest

pytest.importorskip("skimage")

from experiments import suites
from experiments.suites import geography, image_tokens
from mmdp import Problem, UnknownNameError

ALL = [case for name in suites.names() for case in suites.load(name)]


def test_every_suite_is_found_by_its_file():
    assert {"digits", "geography", "image_tokens", "literature", "tiny"} <= set(suites.names())
    with pytest.raises(UnknownNameError, match="choose one of digits"):
        suites.load("nothing")


def test_names_and_data_identify_a_case():
    keys = [(case.suite, case.name, case.problem.k) for case in ALL]
    assert len(set(keys)) == len(keys)
    assert len({case.digest for case in ALL}) == len({(case.suite, case.name) for case in ALL})


@pytest.mark.parametrize("name", suites.names())
def test_cases_are_the_same_every_time(name):
    assert [case.digest for case in suites.load(name)] == [case.digest for case in suites.load(name)]


def test_the_digest_changes_with_one_coordinate_and_with_the_metric():
    X = np.arange(12.0).reshape(6, 2) + 1
    digests = {
        suites.Case("s", "n", Problem(2, points=p, metric=m)).digest
        for p in (X, X + 1e-12)
        for m in ("euclidean", "cosine")
    }
    assert len(digests) == 4


@pytest.mark.parametrize("photo", image_tokens.PHOTOS)
def test_photographs_give_one_token_for_each_patch_that_is_not_black(photo):
    tokens = image_tokens.tokens(photo)
    assert tokens.image.shape == (336, 336, 3)
    assert tokens.vectors.shape == (576 - tokens.black, 588)
    for cell, vector in list(zip(tokens.cells, tokens.vectors, strict=True))[::57]:
        row, column = divmod(int(cell), 24)
        patch = tokens.image[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
        assert np.array_equal(patch.ravel(), vector)


def test_black_patches_are_left_out_and_said():
    image = np.full((336, 336, 3), 9, dtype=np.uint8)
    image[:14, :28] = 0
    tokens = image_tokens.cut(image)
    assert tokens.black == 2
    assert tokens.cells[0] == 2
    astronaut = [case for case in ALL if case.name == "astronaut"]
    black = image_tokens.tokens("astronaut").black
    assert black > 0
    assert all(f"{black} of 576 patches are all black" in case.note for case in astronaut)


@pytest.mark.parametrize("distribution", ["scikit-image", "scikit-learn"])
def test_the_photographs_ship_inside_the_wheels(distribution):
    shipped = {file.as_posix() for file in files(distribution) or ()}
    package = {"scikit-image": "skimage", "scikit-learn": "sklearn"}[distribution]
    wanted = {f"{owner}/{file}" for owner, file in image_tokens._SOURCES.values() if owner == package}
    assert wanted
    assert wanted <= shipped


def test_cities_are_where_they_are():
    cities = geography.cities()
    assert len(cities) >= 400
    assert cities["Europe/Paris"] == pytest.approx((48 + 52 / 60, 2 + 20 / 60))
    assert cities["America/New_York"] == pytest.approx((40 + 42 / 60 + 51 / 3600, -(74 + 23 / 3600)))


def test_tiny_cases_are_small_enough_to_enumerate():
    assert all(case.problem.n <= 25 for case in ALL if case.suite == "tiny")
