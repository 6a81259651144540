"""Imports go one way, between packages, between the families of solvers and between files; heavy libraries wait."""

import subprocess
import sys

import pytest

from tests.import_graph import ROOT, circles, graph, sources

PACKAGES = ("mmdp", "solvers", "objectives", "lmm_integration", "experiments")  # each may import those before it
LAYERS = {  # inside a package, what each part may import beside itself; a part is a module or a folder
    "mmdp.tables": {"mmdp"},
    "mmdp.validation": {"mmdp", "mmdp.tables"},  # which reads data frames
    "mmdp.result": {"mmdp", "mmdp.tables"},  # which takes rows from what the points came from
    "mmdp": {"mmdp.validation", "mmdp.result"},
    "solvers._framework": set(),
    "solvers._farthest_first": {"solvers._framework"},
    "solvers._local_search": {"solvers._framework", "solvers._farthest_first"},
    "solvers._exact": {"solvers._framework", "solvers._farthest_first", "solvers._local_search"},
    "solvers._ilp": {"solvers._framework", "solvers._exact"},
    "solvers._spread": {"solvers._framework", "solvers._farthest_first", "solvers._exact"},
    "solvers.*": {
        *("solvers._framework", "solvers._farthest_first", "solvers._local_search", "solvers._exact", "solvers._ilp"),
    },
    "solvers._adapters": {"solvers", "solvers._framework"},
    "solvers._command": {"solvers", "solvers._framework"},
    "solvers.__main__": {"solvers", "solvers._framework", "solvers._command"},
    "solvers": {"solvers.*", "solvers._framework", "solvers._farthest_first", "solvers._adapters", "solvers._spread"},
    "objectives": {"objectives"},
}
MEASURED = {  # private parts that an experiment imports because it measures or rebuilds just them
    ("experiments.gpu.checks", "solvers._farthest_first.gpu_launches"),
    ("experiments.gpu.checks", "solvers._farthest_first.tensor_traversal"),
    ("experiments.gpu.peers", "solvers._farthest_first.gpu_launches"),
    ("experiments.gpu.run", "solvers._farthest_first.gpu_launches"),
    ("experiments.gpu.run", "solvers._farthest_first.tensor_traversal"),
    ("experiments.lmm_lab.methods", "solvers._local_search.random_starts"),  # subsets of every quality
    ("experiments.lmm_lab.rules", "solvers._local_search.random_starts"),
}
IMPORTS = graph(sources(*PACKAGES))


def part(module):
    """The longest name in ``LAYERS`` that a module is or lies in; a solver's file is ``solvers.*``."""
    names = [name for name in LAYERS if f"{module}.".startswith(f"{name}.")]
    name = max(names, key=len, default=module.partition(".")[0])
    return "solvers.*" if name == "solvers" and module != "solvers" else name


def breach(module, target, name):
    """Say which rule an import breaks; empty if none."""
    package, other = module.partition(".")[0], target.partition(".")[0]
    if package != other:
        if PACKAGES.index(other) > PACKAGES.index(package):
            return f"{package} is below {other}"
        private = any(piece.startswith("_") for piece in [*target.split("."), name])
        return f"{target} {name} is private to {other}" if private and (module, target) not in MEASURED else ""
    if name.startswith("_") and name.strip("_") == name[1:]:
        return f"{name} is private to {target}"
    here, there = part(module), part(target)
    if here in LAYERS and here != there and there not in LAYERS[here]:
        return f"{here} may not import {there}"
    return ""


def breaches(imports):
    return {
        (module, target): broken
        for module, targets in imports.items()
        for target, name in targets
        if (broken := breach(module, target, name))
    }


def test_packages_and_layers_import_one_way():
    assert breaches(IMPORTS) == {}


def test_no_circle_of_files():
    assert circles(IMPORTS) == []


def test_no_exception_has_outlived_its_reason():
    assert {(module, target) for module, targets in IMPORTS.items() for target, _ in targets} >= MEASURED


WRONG = {
    "a package above": ("mmdp.bounds", "def f():\n    from solvers import solve", "mmdp is below solvers"),
    "an experiment": ("lmm_integration.stats", "import experiments.speed", "lmm_integration is below experiments"),
    "a private module": ("lmm_integration.stats", "from solvers._exact import proof", "private to solvers"),
    "a private name": ("solvers.fair", "from mmdp.bounds import _dsatur", "mmdp.bounds _dsatur is private to mmdp"),
    "a private name next door": ("solvers.fair", "from solvers.gist import _x", "_x is private to solvers.gist"),
    "a solver, from the framework": ("solvers._framework.slices", "import solvers.exact", "may not import solvers.*"),
    "a family, from the framework": (
        "solvers._framework.slices",
        "if True:\n    from solvers._exact.choice_of_proof import prove",
        "solvers._framework may not import solvers._exact",
    ),
    "a solver, from a family": ("solvers._exact.boxes", "from solvers.greedy import Greedy", "import solvers.*"),
    "a later family": (
        "solvers._exact.boxes",
        "from solvers._ilp.interruptible import x",
        "solvers._exact may not import solvers._ilp",
    ),
    "the package itself": ("solvers.fair", "from solvers import solve", "solvers.* may not import solvers"),
    "tables, from below": ("mmdp.bounds", "from mmdp.tables.blocks import Source", "mmdp may not import mmdp.tables"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_breach_is_found(name):
    module, text, message = WRONG[name]
    texts = sources(*PACKAGES)
    texts[module] += f"\n{text}\n"
    added = {place: broken for place, broken in breaches(graph(texts)).items() if place not in breaches(IMPORTS)}
    assert list(added) == [next(place for place in added if place[0] == module)]
    assert message in next(iter(added.values()))


def test_a_circle_is_found():
    texts = sources(*PACKAGES)
    texts["mmdp.metrics"] += "\ndef late():\n    from mmdp.problem import Problem\n"
    assert ["mmdp.metrics", "mmdp.problem"] in [
        [module for module in circle if module in ("mmdp.metrics", "mmdp.problem")]
        for circle in circles(graph(texts))
        if circle not in circles(IMPORTS)
    ]


def test_circles_of_any_length():
    def ring(*arrows):
        names = {name for arrow in arrows for name in arrow.split(">")}
        return circles({name: {(a.split(">")[1], "") for a in arrows if a[0] == name} for name in sorted(names)})

    assert ring("a>b", "b>c", "a>c") == []
    assert ring("a>b", "b>a", "b>c") == [["a", "b"]]
    assert ring("a>b", "b>c", "c>a", "c>d", "d>e", "e>d") == [["d", "e"], ["a", "b", "c"]]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("mmdp", ("torch", "numba", "ortools", "dask", "transformers", "pandas", "matplotlib")),
        ("solvers", ("torch", "numba", "ortools", "dask", "transformers", "pandas", "matplotlib")),
        ("solvers.greedy", ("torch", "ortools", "dask", "transformers")),
        ("objectives", ("torch", "numba", "ortools", "transformers")),
    ],
)
def test_light_imports(module, heavy):
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
