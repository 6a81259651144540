"""Which file imports which, read from the source: imports inside functions and under conditions count too."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
Graph = Mapping[str, set[tuple[str, str]]]  # of each module, the (module, name) pairs it imports; "" for no name


def sources(*packages: str) -> dict[str, str]:
    """Module name to source text, of every file of the packages."""
    paths = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return {module_name(path): path.read_text() for path in paths}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def graph(texts: Mapping[str, str]) -> Graph:
    """What each module imports of the others; ``from a import b`` means the module a.b if there is one."""
    return {name: set(_imports(ast.parse(text), texts)) - {(name, "")} for name, text in texts.items()}


def _imports(tree: ast.Module, modules: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if submodule in modules:
                    yield submodule, ""
                elif node.module in modules:
                    yield str(node.module), alias.name


def circles(imports: Graph) -> list[list[str]]:
    """Groups of modules that reach each other (strongly connected components, by Tarjan), the smallest first."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target, _ in imports[module]:
            if target not in order:
                visit(target)
            if target in stack:
                lowest[module] = min(lowest[module], lowest[target])
        if lowest[module] == order[module]:
            place = stack.index(module)
            if len(stack) - place > 1:
                found.append(sorted(stack[place:]))
            del stack[place:]

    for module in imports:
        if module not in order:
            visit(module)
    return sorted(found, key=len)
