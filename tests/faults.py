"""Put single faults into the core, one at a time, and report which of them the tests do not notice.

    python -m tests.faults --faults 200          the first 200 faults of a fixed random order
    python -m tests.faults --only solvers/_exact the first of those in some files
    python -m tests.faults --again               those that survived, once more

A fault changes one operator, comparison, constant, condition or statement of a function. It counts as caught if the
tests that belong to its file fail, or take several times as long as without it. Results are kept in ``build/faults``,
so that a run may be stopped and goes on where it ended. Constants of a module are left as they are: most trade time
for time, and those that carry a guarantee have tests of their own.

Each fault is put into a copy of the tree. Numba keeps compiled code by the file a function stands in and does not see
that a function it calls has changed, so the copy has a cache of its own, from which everything that imports the
changed file is taken out first. That is what mutation testers at large do not do: mutmut leaves every decorated
function alone, hence every kernel, and cosmic-ray would run old machine code.
"""

import argparse
import ast
import hashlib
import importlib
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tabulate import tabulate

from tests.import_graph import ROOT, graph, module_name, sources

PACKAGES = ("mmdp", "solvers", "lmm_integration")
WORST = "tests/solvers/test_worst_cases.py"
EXACT = [
    *(f"tests/solvers/test_{name}.py" for name in ("exact_parts", "exact_cells", "worst_cases", "exact")),
    *("tests/mmdp/test_certificate.py", "tests/solvers/test_exact_agreement.py"),
    "tests/solvers/test_counts_agreement.py",
]
PRUNING = [
    f"tests/lmm_integration/{name}.py"
    for name in (
        *("test_pipeline_parts", "_pipeline/test_generation", "_pipeline/test_prepare", "_pipeline/test_forward"),
        *("_pipeline/test_caches", "_pipeline/test_encoder_output", "_pipeline/test_positions", "families/test_oracle"),
    )
]
RECORD = ["tests/mmdp/test_check_certificate.py", *EXACT]
CAPACITIES = ["tests/solvers/test_capacities.py", *EXACT]
ATTENTION = ["tests/lmm_integration/test_attention.py", *PRUNING]
TESTS = {  # of each file or folder, the tests that belong to it, the quickest first
    "mmdp/bounds.py": ["tests/mmdp/test_bounds.py"],
    "mmdp/certificate.py": ["tests/mmdp/test_certificate.py"],
    "mmdp/validation.py": ["tests/mmdp/test_validation.py", "tests/test_errors.py", "tests/solvers/test_greedy.py"],
    "mmdp/stopping.py": ["tests/mmdp/test_stopping.py", "tests/mmdp/test_result.py"],
    "solvers/streaming.py": [WORST, "tests/solvers/test_guarantees.py", "tests/solvers/test_sources.py"],
    "solvers/coreset.py": [WORST, "tests/solvers/test_guarantees.py"],
    "solvers/fair.py": [WORST, "tests/solvers/test_fair.py", "tests/solvers/test_counts.py"],
    "solvers/exact.py": RECORD,
    "solvers/_exact": EXACT,
    "solvers/_exact/certificate_file.py": RECORD,
    "solvers/_exact/recorded_search.py": RECORD,
    "solvers/_exact/packing.py": CAPACITIES,
    "solvers/_exact/weighted_branching.py": CAPACITIES,
    "solvers/_exact/weighted_clique.py": CAPACITIES,
    "lmm_integration/_pipeline": PRUNING,
    "lmm_integration/_pipeline/encoder_attention.py": ATTENTION,
    "lmm_integration/_pipeline/encoding.py": ATTENTION,
    "lmm_integration/_pipeline/mergers.py": ATTENTION,
    "lmm_integration/_pipeline/restore.py": ["tests/lmm_integration/_pipeline/test_restore.py", *PRUNING],
}
EQUIVALENT = ROOT / "tests/faults_equivalent.toml"
PRELOADED = ("numpy", "scipy.cluster.hierarchy", "scipy.spatial", "scipy.sparse.csgraph", "numba", "pytest")
PRELOADED_FOR_PRUNING = ("torch", "transformers")
PATIENCE, GRACE = 3.0, 10.0  # how many times the CPU time without a fault the tests may take, and seconds on top

SKIPPED = (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)
TYPED_EMPTY_LISTS = ("[0 for _ in range(0)]",)  # which Numba needs, whatever they are not filled with
COMPARISONS = {"Lt": "LtE", "Gt": "GtE", "Eq": "NotEq", "In": "NotIn", "Is": "IsNot"}
COMPARISONS |= {after: before for before, after in COMPARISONS.items()}
ARITHMETIC = {"Add": "Sub", "Mult": "Div", "BitAnd": "BitOr", "LShift": "RShift"}
ARITHMETIC |= {after: before for before, after in ARITHMETIC.items()} | {"Pow": "Mult", "FloorDiv": "Mult"}
NAMES = {"min": "max", "minimum": "maximum", "argmin": "argmax", "any": "all", "floor": "ceil"}
NAMES |= {after: before for before, after in NAMES.items()}


@dataclass(frozen=True)
class Fault:
    """One change of one file: the bytes from ``start`` to ``end`` become ``text``."""

    file: str
    function: str
    start: int
    end: int
    text: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file} {self.function}: {self.before} -> {self.after}"

    def rank(self, seed: int) -> bytes:
        """Its place in the random order, which does not depend on the other faults."""
        return hashlib.sha256(f"{seed} {self}".encode()).digest()

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]


def faults(file: str, source: bytes) -> list[Fault]:
    """Every fault of a file's functions, in the order of the source; of faults that read the same, the first."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found: dict[str, Fault] = {}
    for function, node, text in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        first, last = starts[node.lineno - 1], starts[node.end_lineno]
        before = " ".join(source[first:last].decode().split())
        after = " ".join((source[first:start] + text.encode() + source[end:last]).decode().split())
        fault = Fault(file, function, start, end, text, before, after)
        if before != after:
            found.setdefault(str(fault), fault)
    return list(found.values())


def is_program(fault: Fault) -> bool:
    """Whether Python can read the file with the fault in it, and reads something else than before."""
    source = (ROOT / fault.file).read_bytes()
    with suppress(SyntaxError):
        return ast.dump(ast.parse(fault.apply(source))) != ast.dump(ast.parse(source))
    return False


def _changes(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST, str]]:
        if isinstance(node, ast.FunctionDef):
            for statement in node.body:
                yield from walk(statement, node.name)
        elif isinstance(node, (ast.Module, ast.ClassDef)):
            for statement in node.body:
                if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    yield from walk(statement, function)
        elif not (isinstance(node, SKIPPED) or ast.unparse(node) in TYPED_EMPTY_LISTS):
            if isinstance(node, (ast.If, ast.While)):
                yield from (
                    (function, node.test, constant) for constant in ("True", "False")[isinstance(node, ast.While) :]
                )
            yield from ((function, node, text) for text in _replacements(node))
            for name, child in ast.iter_fields(node):
                if name != "annotation":
                    for part in child if isinstance(child, list) else [child]:
                        if isinstance(part, ast.AST):
                            yield from walk(part, function)

    return walk(tree, "")


def _replacements(node: ast.AST) -> Iterator[str]:
    """What a node may become, as source."""

    def changed(**fields: object) -> str:
        values = {name: getattr(node, name) for name in node._fields}
        new = type(node)(**{**values, **fields})
        return ast.unparse(new) if isinstance(new, ast.stmt) else f"({ast.unparse(new)})"

    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                other = getattr(ast, COMPARISONS[type(op).__name__])()
                yield changed(ops=[*ops[:i], other, *ops[i + 1 :]])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op).__name__ in ARITHMETIC:
            yield changed(op=getattr(ast, ARITHMETIC[type(op).__name__])())
        case ast.BoolOp(op=op, values=values):
            yield changed(op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for i in range(len(values)):
                rest = [*values[:i], *values[i + 1 :]]
                yield f"({ast.unparse(rest[0])})" if len(rest) == 1 else changed(values=rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield f"({ast.unparse(operand)})"
        case ast.Constant(value=bool(value)):
            yield str(not value)
        case ast.Constant(value=int(value)):
            yield str(value + 1)
            if value > 0:
                yield str(value - 1)
        case ast.Constant(value=float(value)):
            yield repr(2 * value or 1.0)
        case ast.Name(id=name) if name in NAMES:
            yield NAMES[name]
        case ast.Attribute(attr=name) if name in NAMES:
            yield changed(attr=NAMES[name])[1:-1]
        case ast.Slice(lower=lower, upper=upper):
            if lower:
                yield changed(lower=None)[1:-1]
            if upper:
                yield changed(upper=None)[1:-1]
        case ast.IfExp(body=body, orelse=orelse):
            yield f"({ast.unparse(body)})"
            yield f"({ast.unparse(orelse)})"
        case ast.Continue() | ast.Break() | ast.Expr(value=ast.Call()):
            yield "pass"
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield "pass"
    if isinstance(node, ast.AugAssign):
        yield "pass"


def all_faults(only: Sequence[str]) -> list[Fault]:
    files = {  # each once, though some stand in TESTS by their folder and by their name
        path.relative_to(ROOT).as_posix(): None
        for name in TESTS
        for path in ([ROOT / name] if name.endswith(".py") else sorted((ROOT / name).glob("*.py")))
    }
    chosen = [file for file in files if not only or any(file.startswith(prefix) for prefix in only)]
    return [fault for file in chosen for fault in faults(file, (ROOT / file).read_bytes())]


def tests_of(file: str) -> list[str]:
    """The tests that belong to a file: those of its own name, else those of its folder."""
    name = max((name for name in TESTS if file.startswith(name)), key=len)
    return [test for test in TESTS[name] if (ROOT / test).exists()]


class Workshop:
    """A copy of the tree, and a cache of compiled code that knows nothing of any fault."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.cache, self.clean, self.log = (folder / name for name in ("tree", "cache", "clean", "log"))
        folder.mkdir(parents=True, exist_ok=True)
        for path in (self.tree, self.cache, self.clean):
            shutil.rmtree(path, ignore_errors=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        self.clean.mkdir()
        self.users = _users(graph(sources(*PACKAGES)))
        self.slowest = folder / "slowest"
        self.seconds: dict[tuple[str, ...], float] = {}

    def run(self, tests: Sequence[str], limit: float = math.inf, changed: str | None = None) -> tuple[str, float]:
        """Run tests in the copy: "passed", "failed" or "too slow", and the seconds of CPU that it took.

        ``limit`` is in seconds of CPU for one test. After a run without, ``slowest`` is what the slowest took.
        """
        stale = self.users[module_name(ROOT / changed)] if changed else set()
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(
            self.clean, self.cache, ignore=lambda _, names: [name for name in names if name.split(".")[0] in stale]
        )
        begin = time.monotonic()
        child = os.fork()
        if child == 0:
            self._be_pytest(tests, limit)
        done = 0
        while not done and time.monotonic() < begin + PATIENCE * (limit + self.seconds.get(tuple(tests), limit)):
            done, status, used = os.wait4(child, os.WNOHANG)
            time.sleep(0.02)
        with suppress(ProcessLookupError):  # and what the tests started, such as the workers of Dask
            os.killpg(child, signal.SIGKILL)
        if not done:
            _, status, used = os.wait4(child, 0)
        seconds, code = used.ru_utime + used.ru_stime, os.waitstatus_to_exitcode(status)
        if code in (4, 5):  # of pytest: called wrongly, or no tests
            raise SystemExit(f"{tests}: {self.log.read_text()}")
        if changed is None:
            self.seconds[tuple(tests)] = time.monotonic() - begin
        too_slow = not done or code in (-signal.SIGXCPU, -signal.SIGKILL)
        return "too slow" if too_slow else "passed" if code == 0 else "failed", seconds

    def keep_compiled(self) -> None:
        """Let later runs use what the last one compiled."""
        shutil.rmtree(self.clean)
        shutil.copytree(self.cache, self.clean)

    def _be_pytest(self, tests: Sequence[str], limit: float) -> None:
        """Become a fresh process but for the libraries that are imported already."""
        os.setsid()
        with self.log.open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.chdir(self.tree)
        sys.path[:] = [str(self.tree), *(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT)]
        for name in [name for name in sys.modules if name.split(".")[0] in ("tests", *PACKAGES)]:
            del sys.modules[name]
        importlib.invalidate_caches()
        import pytest

        options = ["-x", "-m", "not slow", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = 3
        try:
            code = int(pytest.main([*options, *tests], plugins=[_Watch(limit, self.slowest)]))
        finally:
            sys.stdout.flush()
            os._exit(code)


class _Watch:
    """A pytest plugin that ends the process when one test goes on for too long, or says how long the slowest took."""

    def __init__(self, limit: float, slowest: Path) -> None:
        self._limit, self._file, self._slowest = limit, slowest, 0.0

    def pytest_runtest_setup(self) -> None:
        self._begun = time.process_time()
        if math.isfinite(self._limit):
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(self._begun + self._limit), resource.RLIM_INFINITY))

    def pytest_runtest_teardown(self) -> None:
        self._slowest = max(self._slowest, time.process_time() - self._begun)

    def pytest_sessionfinish(self) -> None:
        if math.isinf(self._limit):
            self._file.write_text(str(self._slowest))


def _users(imports: dict[str, set[tuple[str, str]]]) -> dict[str, set[str]]:
    """Of each module, the file names of all that import it, directly or not, and its own."""
    users = {name: {name} for name in imports}
    grown = True
    while grown:
        grown = False
        for name, targets in imports.items():
            for target, _ in targets:
                if not users[name] <= users[target]:
                    users[target] |= users[name]
                    grown = True
    return {name: {user.rpartition(".")[2] for user in found} for name, found in users.items()}


def run(chosen: Sequence[Fault], folder: Path, minutes: float, again: bool) -> dict[str, str]:
    """The outcome of each fault; those known from earlier runs are taken from the folder."""
    store = folder / "outcomes.json"
    outcomes: dict[str, str] = json.loads(store.read_text()) if store.exists() else {}
    equivalent = equivalents()
    open_outcomes = (None, "passed") if again else (None,)
    waiting = [f for f in chosen if str(f) not in equivalent and outcomes.get(str(f)) in open_outcomes]
    end, limits, workshop = time.monotonic() + 60 * minutes, {}, Workshop(folder)
    for place, fault in enumerate(waiting):
        if time.monotonic() > end:
            break
        tests = tests_of(fault.file)
        if (key := tuple(tests)) not in limits:
            if "_pipeline" in fault.file:
                _preload(PRELOADED_FOR_PRUNING)
            outcome, seconds = workshop.run(tests)
            if outcome != "passed":
                raise SystemExit(f"without a fault, {' '.join(tests)}: {workshop.log.read_text()}")
            workshop.keep_compiled()
            limits[key] = PATIENCE * float(workshop.slowest.read_text()) + GRACE
            print(f"{seconds:.0f} s without a fault, at most {limits[key]:.0f} s a test: {' '.join(tests)}", flush=True)
        path = workshop.tree / fault.file
        source, stamp = path.read_bytes(), path.stat()
        path.write_bytes(fault.apply(source))
        try:
            outcomes[str(fault)], seconds = workshop.run(tests, limits[key], fault.file)
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        print(f"{place + 1}/{len(waiting)} {seconds:.0f} s {outcomes[str(fault)]}: {fault}", flush=True)
        store.write_text(json.dumps(outcomes, indent=1))
    return {str(f): "equivalent" if str(f) in equivalent else outcomes.get(str(f), "not run") for f in chosen}


def equivalents() -> dict[str, str]:
    """Faults that change no result, and why."""
    return {entry["fault"]: entry["why"] for entry in tomllib.loads(EQUIVALENT.read_text())["equivalent"]}


def report(chosen: Sequence[Fault], outcomes: dict[str, str]) -> str:
    """A line for each file, the share that was caught of those that change behaviour, and what survived."""
    kinds = ("failed", "too slow", "passed", "equivalent", "not run")
    rows = []
    for file in sorted({fault.file for fault in chosen}):
        of_file = [outcomes[str(fault)] for fault in chosen if fault.file == file]
        rows.append([file, *(of_file.count(kind) for kind in kinds)])
    totals = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    headings = ["file", "tests failed", "too slow", "survived", "equivalent", "not run"]
    caught, counted = totals[0] + totals[1], sum(totals[:3])
    survivors = [str(fault) for fault in chosen if outcomes[str(fault)] == "passed"]
    return "\n".join([
        tabulate([*rows, ["all", *totals]], headings),
        f"\n{caught} of {counted} faults that change behaviour are caught: {100 * caught / max(1, counted):.1f} %",
        *(f"  survived: {survivor}" for survivor in survivors),
    ])  # fmt: skip


def _preload(names: Sequence[str]) -> None:
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of their order")
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of file names")
    parser.add_argument("--again", action="store_true", help="run those that survived once more")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no further fault after that time")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/faults", help="for the copy and the outcomes")
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CACHE_DIR": str(options.folder.resolve() / "cache")}
    _preload(PRELOADED)
    ordered = sorted(all_faults(options.only), key=lambda fault: fault.rank(options.seed))
    chosen = list(islice(filter(is_program, ordered), options.faults))
    print(report(chosen, run(chosen, options.folder.resolve(), options.minutes, options.again)))


if __name__ == "__main__":
    main()
