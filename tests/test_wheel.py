"""The wheel, built from a copy of the sources and installed into an environment of its own, without a network."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mmdp", "solvers", "objectives", "lmm_integration")
README_BLOCK = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build it as a release would, from the files of the repository alone."""
    sources = tmp_path_factory.mktemp("sources")
    for package in (*PACKAGES, "experiments"):
        ignored = shutil.ignore_patterns("__pycache__", "results", "checkpoint")
        shutil.copytree(ROOT / package, sources / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=sources, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Return the folder of commands of a fresh environment that finds the dependencies installed for the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    scheme = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    dependencies = Path(sysconfig.get_path("purelib"))
    (site / "dependencies.pth").write_text(f"{dependencies}\n")  # a path, so that no editable install is followed
    python = Path(sysconfig.get_path("scripts", "venv", vars=scheme)) / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True, env=_clean())
    return python.parent


def _clean():
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}


def _run(environment, folder, *command):
    env = _clean() | {"NUMBA_CACHE_DIR": str(folder / "numba")}
    done = subprocess.run([environment / command[0], *command[1:]], cwd=folder, env=env, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout


def test_it_holds_the_three_packages_with_their_types_and_no_experiments(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    files = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert files <= set(names)


def test_it_is_installed_and_not_the_clone(environment, tmp_path):
    code = "import mmdp, solvers; print(mmdp.__version__, mmdp.__file__, solvers.__file__)"
    version, *files = _run(environment, tmp_path, "python", "-c", code).split()
    assert version == PROJECT["version"]
    assert all(Path(file).is_relative_to(environment.parent) for file in files)


def test_the_first_block_of_the_readme_runs(environment, tmp_path):
    (tmp_path / "first.py").write_text(README_BLOCK)
    printed = _run(environment, tmp_path, "python", "first.py")
    assert "greedy: 10 of 500 points" in printed
    assert "local_search: 10 of 500 points" in printed


def test_the_command_runs(environment, tmp_path):
    assert "select" in _run(environment, tmp_path, "mmdp", "--help")
    (tmp_path / "points.csv").write_text("0,0\n1,0\n5,5\n")
    assert _run(environment, tmp_path, "mmdp", "select", "points.csv", "-k", "2").split() == ["2", "0"]
