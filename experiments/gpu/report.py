"""The report of the GPU experiment: what the rows of a run say, as a table, a page and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments._common import figures
from experiments._common.console import Table, table
from experiments._common.rows import Row
from experiments._common.tables import markdown_table, origin

CHECK = "check against float64"
GRAPH, PYTHON, LOOP, FPS = "greedy", "greedy, launched from Python", "DivPrune's loop", "torch_cluster fps"
PRODUCTS, STEPS = "floor: products", "floor: steps"
COLUMNS = ("size", "n, d, k", "batch", "graph", "from Python", "loop", "loop / graph", "floor", "floor / graph")

_Selection = tuple[str, str, str, str, int]  # name, n, d, k, batch


def terminal(rows: Sequence[Row]) -> Table:
    """Return the times for the terminal."""
    columns, *lines = ((name, *numbers) for name, _, *numbers in (COLUMNS, *_lines(rows)))  # narrow without n, d, k
    return table(columns, lines, "Milliseconds of one selection, the whole batch")


def write(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write ``gpu.md`` and ``gpu.png``; return what was written."""
    page, plot = folder / "gpu.md", folder / "gpu.png"
    _draw(_times(rows), plot)
    page.write_text(_markdown(rows), encoding="utf-8")
    return [page, plot]


def _times(rows: Sequence[Row]) -> dict[_Selection, dict[str, float]]:
    """Milliseconds by method of each selection that has a time of ours."""
    times: dict[_Selection, dict[str, float]] = {}
    for row in rows:
        if row["method"] != CHECK:
            selection = row["size"], row["n"], row["d"], row["k"], int(row["batch"])
            times.setdefault(selection, {})[row["method"]] = float(row["milliseconds"])
    return {selection: of for selection, of in times.items() if GRAPH in of}


def _floor(of: dict[str, float]) -> float | None:
    """The product, where there is one, and the steps; None if the run ended before they were timed."""
    return of.get(PRODUCTS, 0.0) + of[STEPS] if STEPS in of else None


def _lines(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for (name, n, d, k, batch), of in _times(rows).items():
        graph, floor, loop = of[GRAPH], _floor(of), of.get(LOOP)
        lines.append(
            (
                name,
                f"{n}, {d}, {k}",
                str(batch),
                _number(graph),
                _number(of.get(PYTHON)),
                _number(loop),
                f"{loop / graph:.0f}" if loop else "",
                _number(floor),
                f"{floor / graph:.0%}" if floor else "",
            )
        )
    return lines


def _number(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.3g}" if milliseconds < 1000 else f"{milliseconds:,.0f}"


def _markdown(rows: Sequence[Row]) -> str:
    timed = [row for row in rows if row["method"] != CHECK]
    devices = ", ".join(dict.fromkeys(row["device"] for row in timed))
    dtypes = ", ".join(dict.fromkeys(row["dtype"] for row in timed))
    peers = [
        f"torch_cluster's `fps` takes {_number(of[FPS])} ms for {name}, batch {batch}."
        for (name, *_, batch), of in _times(rows).items()
        if FPS in of
    ]
    parts = [
        "# Greedy selection on a GPU",
        "Written by `python -m experiments gpu`; the rows behind it are in `gpu.csv`.",
        f"**{devices}**, {dtypes}, random normal points, the cosine distance, and the Euclidean one for point clouds. "
        f"{origin(timed)}",
        *(_agreement(row) for row in rows if row["method"] == CHECK),
        "Milliseconds of one selection, all items of the batch together; medians by device events, each call with "
        "cleared caches.",
        "- *graph*: the replay of a captured CUDA graph; *from Python*: the same call launched from Python.\n"
        "- *loop*: the sequence of torch operations of DivPrune's released code, one item after the other, always\n"
        "  by cosine.\n"
        "- *floor*: the matrix product alone, and one launch of k dependent loads from the L2 cache; *floor / graph* "
        "is the share of our time that they take. A point cloud needs no product.",
        markdown_table(COLUMNS, _lines(rows)),
        *peers,
        f"The time of a batch, in times of one item: {'; '.join(_batch_factors(rows))}.",
        "![Milliseconds for each item of a batch](gpu.png)",
        "Milliseconds for each item of a batch: solid, the graph; dashed, DivPrune's loop.",
    ]
    return "\n\n".join(parts) + "\n"


def _batch_factors(rows: Sequence[Row]) -> Iterator[str]:
    """How many times the graph of one item each batch takes."""
    times = _times(rows)
    for name in dict.fromkeys(name for name, *_ in times):
        graphs = {batch: of[GRAPH] for (of_name, *_, batch), of in times.items() if of_name == name}
        if 1 in graphs and len(graphs) > 1:
            factors = (f"{graph / graphs[1]:.1f} for {batch}" for batch, graph in graphs.items() if batch > 1)
            yield f"{name}, {', '.join(factors)}"


def _agreement(row: Row) -> str:
    inputs, picks, close, wrong = (int(row[name]) for name in ("inputs", "picks", "within_rounding", "wrong"))
    return (
        f"Checked before it was timed: {inputs:,} random and clustered inputs, {picks:,} picks; "
        f"{picks - close - wrong:,} are the float64 oracle's, {close} differ between candidates closer than float32 "
        f"rounding (worst {float(row['worst']):.1e} of the largest distance), {wrong} are wrong."
    )


def _draw(times: dict[_Selection, dict[str, float]], path: Path) -> None:
    figure, axis = figures.figure(figures.WIDTH, 4.2, layout="constrained")
    names = list(dict.fromkeys(name for name, *_ in times))
    for name, colour in figures.colours(names).items():
        curve = [(batch, of) for (of_name, *_, batch), of in times.items() if of_name == name]
        for method, style in ((GRAPH, "o-"), (LOOP, "o--")):
            points = [(batch, of[method] / batch) for batch, of in curve if method in of]
            label = name if method == GRAPH else None
            axis.plot(*zip(*points, strict=True), style, color=colour, markersize=4, label=label)
    batches = sorted({batch for *_, batch in times})
    axis.set(xscale="log", yscale="log", xlabel="items of the batch", ylabel="milliseconds for each item")
    axis.set_xticks(batches, [str(batch) for batch in batches])
    axis.minorticks_off()
    axis.grid(axis="y", color=figures.GRID, linewidth=0.8)
    figure.legend(loc="outside right upper", frameon=False)
    figures.save(figure, path)
