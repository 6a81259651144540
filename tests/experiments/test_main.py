"""The command line finds experiments by file and says what is missing and how to get it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("typer")

from experiments import __main__ as command
from mmdp import UnknownNameError

ROOT = Path(__file__).parents[2]


def test_every_public_file_with_a_main_is_listed_with_its_help():
    listed = command.catalogue()
    assert {"gaps", "speed"} <= set(listed)
    assert all(not name.startswith("_") and help_line for name, help_line in listed.items())


def test_a_new_file_is_an_experiment(tmp_path):
    (tmp_path / "mine.py").write_text('import nonexistent\n\n\ndef main() -> None:\n    """Say it.\n\n    More."""\n')
    (tmp_path / "helper.py").write_text("def helper(): ...\n")
    (tmp_path / "_private.py").write_text("def main(): ...\n")
    assert command.catalogue(tmp_path) == {"mine": "Say it."}


def test_listing_imports_no_experiment():
    code = (
        "import sys; sys.argv = ['experiments', '--help']\n"
        "from experiments.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'matplotlib', 'fpsample', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "gaps" in done.stdout


@pytest.mark.parametrize(
    ("package", "extra"), [("fpsample", "rivals"), ("rich.table", "experiments"), ("lmms_eval", "eval")]
)
def test_a_missing_package_is_named_with_its_command(monkeypatch, package, extra):
    def missing(_):
        raise ModuleNotFoundError(name=package)

    monkeypatch.setattr(command, "run", missing)
    with pytest.raises(SystemExit, match=rf"needs {package.partition('.')[0]},.*pip install 'mmdp\[{extra}\]'"):
        command.main()


def test_a_missing_module_of_the_project_is_a_defect_and_not_hidden(monkeypatch):
    def broken(_):
        raise ModuleNotFoundError(name="mmdp.nothing")

    monkeypatch.setattr(command, "run", broken)
    with pytest.raises(ModuleNotFoundError):
        command.main()


def test_errors_of_the_project_are_one_line(monkeypatch):
    def wrong(_):
        raise UnknownNameError("no suite named 'x'")

    monkeypatch.setattr(command, "run", wrong)
    with pytest.raises(SystemExit, match="UnknownNameError: no suite named 'x'"):
        command.main()
