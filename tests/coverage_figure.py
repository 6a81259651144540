"""Write the share of lines that the tests reach into docs/contributing.md: ``python -m tests.coverage_figure FILE``."""

import json
import re
import sys
from pathlib import Path

from tests.import_graph import ROOT

PAGE = ROOT / "docs/contributing.md"
PLACE = re.compile(r"(?<=<!-- coverage -->).*?(?=<!-- end -->)", re.DOTALL)


def sentence(measured: dict) -> str:
    totals, files = measured["totals"], measured["files"]
    packages = sorted({name.replace("\\", "/").partition("/")[0] for name in files})
    shares = []
    for package in packages:
        of_package = [file["summary"] for name, file in files.items() if name.startswith(package)]
        covered = sum(summary["covered_lines"] for summary in of_package)
        shares.append(f"{100 * covered / sum(s['num_statements'] for s in of_package):.0f} % of `{package}`")
    share = 100 * totals["covered_lines"] / totals["num_statements"]
    return (
        f" The fast tests reach {share:.1f} % of the {totals['num_statements']:,} lines that Python runs "
        f"({', '.join(shares)}); compiled kernels are not counted. "
    )


if __name__ == "__main__":
    text = PAGE.read_text()
    assert PLACE.search(text), f"{PAGE} has no place for the figure"
    PAGE.write_text(PLACE.sub(lambda _: sentence(json.loads(Path(sys.argv[1]).read_text())), text))
    print(sentence(json.loads(Path(sys.argv[1]).read_text())).strip())
