"""MkDocs hook: committed results become pages, and tables of pages are made from committed rows."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
from mkdocs.structure.files import File, Files
from tabulate import tabulate

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results"
_LINK = re.compile(r"\]\((?:\.\./)?experiments/results/")
_TO_PAGE = re.compile(r"\]\((?:\.\./)*docs/")  # from a report or from the changelog
_TABLE = re.compile(r"<!-- table: (\w+) -->")
_ROLE = re.compile(r":(?:attr|class|func|meth|mod):<code>(~?)([\w.]+)</code>")


def on_files(files: Files, config: Any) -> Files:
    """Add every committed result to the site, under ``results/``."""
    for path in sorted(RESULTS.rglob("*")):
        if path.suffix in (".md", ".png", ".csv", ".html", ".proof"):
            name = f"results/{path.relative_to(RESULTS).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    for name in ("CHANGELOG.md", "SECURITY.md"):
        files.append(File.generated(config, name.lower(), abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at the pages and files of the site, and put tables where a page asks for them."""
    up = "../" * page.file.src_uri.count("/")
    linked = _TO_PAGE.sub(f"]({up}", _LINK.sub(f"]({up}results/", markdown))
    return _TABLE.sub(lambda found: TABLES[found[1]](), linked)


def on_page_content(html: str, **_: Any) -> str:
    """Turn the roles of docstrings, such as ``:class:`~mmdp.Problem```, into links."""
    return _ROLE.sub(_reference, html)


def _reference(role: re.Match[str]) -> str:
    shown = role[2].rpartition(".")[2] if role[1] else role[2]
    return f'<autoref optional identifier="{role[2]}"><code>{shown}</code></autoref>'


def gap_summary() -> str:
    """The summary of the gap report, as its run wrote it from its rows."""
    return _summary("gaps")


def exact_summary() -> str:
    """The summary of the report on proven optima."""
    return _summary("exact")


def _summary(report: str) -> str:
    text = (RESULTS / f"{report}.md").read_text(encoding="utf-8")
    return text.partition("## Summary\n")[2].partition("\n## ")[0].strip()


def capacities() -> str:
    """The table of the report on capacities."""
    report = (RESULTS / "capacities.md").read_text(encoding="utf-8").splitlines()
    return "\n".join([line for line in report if line.startswith("|")])


def gpu_times() -> str:
    """The times on a GPU and the device, as the report has them, without the floor."""
    report = (RESULTS / "gpu.md").read_text(encoding="utf-8").splitlines()
    device = next(line for line in report if line.startswith("**"))
    cells = [line.strip("|").split("|")[:-2] for line in report if line.startswith("|")]
    return "\n".join([device, "", *(f"|{'|'.join(line)}|" for line in cells)])


def serving() -> str:
    """The table of the report on serving, and where it was measured."""
    report = (RESULTS / "serving.md").read_text(encoding="utf-8").splitlines()
    return "\n".join([line for line in report if line.startswith("|")])


def lab_in_short() -> str:
    """The paragraph that sums up the lab's report."""
    report = (RESULTS / "lmm_lab.md").read_text(encoding="utf-8")
    return next(line for line in report.splitlines() if line.startswith("**In short**"))


def rules_in_short() -> str:
    """The verdict of the registered study, and a line on what it covers."""
    report = (RESULTS / "lmm_rules.md").read_text(encoding="utf-8").splitlines()
    verdict = next(line for line in report if line.startswith("**Primary hypothesis**"))
    missing = next((line for line in report if line.startswith("Not measured yet: ")), "")
    return f"{verdict}\n\n{missing}".strip()


def lab_training() -> str:
    """How the lab's checkpoints were trained: size, time and what they learnt, from what the training wrote."""
    lab = ROOT / "experiments" / "lmm_lab"
    folders = {"digits-0": lab / "checkpoint"} | {path.name: path for path in sorted((lab / "checkpoints").glob("*"))}
    heads = ("checkpoint", "weights", "minutes", "threads", "first 500 steps", "last 500 steps", "commit")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, folder in folders.items():
        if not (folder / "recipe.json").exists():  # which is written last
            continue
        recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        with (folder / "model.safetensors").open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        weights = sum(math.prod(tensor["shape"]) for key, tensor in header.items() if key != "__metadata__")
        log = pd.read_csv(folder / "log.csv")
        share = log[log["stage"] == "language"]["accuracy"]
        rows = 500 // recipe["recipe"]["every"]
        learnt = f"{share.head(rows).mean():.0%} | {share.tail(rows).mean():.0%}"
        steps = log["seconds"].diff().fillna(log["seconds"])
        minutes = steps.where(steps >= 0, log["seconds"]).sum() / 60  # an interrupted training counts from 0 again
        lines.append(f"| {name} | {weights:,} | {minutes:.0f} | {recipe['threads']} | {learnt} | {recipe['commit']} |")
    return "\n".join(lines)


def photograph_gaps() -> str:
    """The lines of the gap summary on patches of photographs, best last, without the columns that are alike."""
    lines = [line.strip("|").split("|") for line in gap_summary().splitlines() if line.startswith("|")]
    shown = lines[:2] + [line for line in lines if line[0].strip() == "image_tokens"]
    return "\n".join(f"|{'|'.join([cells[1], *cells[3:]])}|" for cells in shown)


def speed() -> str:
    """Rows of the last speed run; a sampler that beats greedy there gets a footnote."""
    rows = pd.read_csv(RESULTS / "speed.csv")
    rows = rows[rows.code == rows.code.iloc[-1]].drop_duplicates(["sampler", "n", "d", "k", "threads"], keep="last")
    cells, slower = [], False
    for row in rows.itertuples():
        regression = row.ratio < 1
        slower |= regression
        cells.append(
            (
                f"{row.n:,} x {row.d:,}",
                row.k,
                row.threads,
                row.sampler + (" [^slower]" if regression else ""),
                f"{1e3 * row.median_s:.3g} ms",
                f"{row.ratio:.2f}",
                f"{row.agreement:.0%}",
            )
        )
    columns = ("points", "k", "threads", "sampler", "median", "time of greedy = 1", "same picks")
    note = "\n\n[^slower]: Here greedy is the slower one." if slower else ""
    return tabulate(cells, headers=columns, tablefmt="github") + note + "\n\n" + _origin(rows)


def proof_times() -> str:
    """Median seconds to proof by method and size; unproven runs count at their limit and are footnoted."""
    rows = pd.read_csv(RESULTS / "proof_times.csv")
    rows = rows[rows.code == rows.code.iloc[-1]]
    cells = []
    for (n, k, method), of in rows.groupby(["n", "k", "method"], sort=False):
        open_ = int((~of.proven.astype(bool)).sum())
        mark = " [^open]" if open_ else ""
        cells.append((n, k, f"{method}{mark}", f"{of.seconds.median():.3g} s", f"{len(of) - open_} of {len(of)}"))
    table = tabulate(cells, headers=("n", "k", "method", "median", "proven"), tablefmt="github")
    note = "\n\n[^open]: Some runs ended at the limit without a proof, and count with the time they took."
    return table + (note if "[^open]" in table else "") + "\n\n" + _origin(rows)


def _origin(rows: pd.DataFrame) -> str:
    newest = rows.sort_values("timestamp").iloc[-1]
    return f"{newest.cpu}, {newest.cores} cores; {newest.packages}; commit {newest.commit}; {newest.timestamp}."


TABLES = {
    f.__name__: f
    for f in (
        gap_summary,
        photograph_gaps,
        exact_summary,
        gpu_times,
        lab_in_short,
        rules_in_short,
        lab_training,
        speed,
        proof_times,
        serving,
        capacities,
    )
}
