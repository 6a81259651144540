"""Imports go one way, and a heavy library is imported only where it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "mmdp": set(),
    "solvers": {"mmdp"},
    "lmm_integration": {"mmdp", "solvers"},
    "experiments": {"mmdp", "solvers", "lmm_integration"},
}
FILES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    forbidden = set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    assert forbidden.isdisjoint(imported(path))


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("mmdp", ("torch", "numba", "ortools", "dask", "transformers", "pandas", "matplotlib")),
        ("solvers", ("torch", "numba", "ortools", "dask", "transformers", "pandas", "matplotlib")),
        ("solvers.greedy", ("torch", "ortools", "dask", "transformers")),
    ],
)
def test_light_imports(module, heavy):
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
