"""Print the dependencies of pyproject.toml pinned at their lower bounds: ``python -m tests.lowest EXTRA ...``."""

import re
import sys
import tomllib
from collections.abc import Iterator

from tests.import_graph import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BOUND = re.compile(r"(?P<name>[\w-]+(\[[\w,]+\])?)>=(?P<version>[\w.]+)")


def pinned(extras: list[str]) -> Iterator[str]:
    """Requirements of the project and of some extras, those of ``mmdp[...]`` in their place, as ``name==version``."""
    for requirement in [*PROJECT["dependencies"], *(r for e in extras for r in PROJECT["optional-dependencies"][e])]:
        if own := re.fullmatch(r"mmdp\[([\w,-]+)\]", requirement):
            yield from pinned(own[1].split(","))
        else:
            found = BOUND.match(requirement)
            assert found, f"{requirement} has no lower bound"
            yield f"{found['name']}=={found['version']}"


if __name__ == "__main__":
    print("\n".join(sorted(set(pinned(sys.argv[1:])))))
