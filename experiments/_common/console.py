"""The only place that prints with Rich: text comes out as it is, so that brackets are never read as markup.

A folder may be called ``runs [/scratch]`` and an extra is called ``mmdp[scale]``. Style is given by ``style=`` or as
:class:`rich.text.Text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import rich.console
import rich.progress
from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from experiments._common.tables import WORDS

__all__ = ["Cell", "Console", "Live", "Progress", "Table", "Text", "table"]

Cell = str | Text


class Console(rich.console.Console):
    """A console without markup and without emoji codes, for strings, tables, titles and progress alike.

    Strings are left to the terminal to wrap: a path that is copied from the output holds no line break.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """Print as Rich does; see there for the options."""
        if soft_wrap is None:
            soft_wrap = all(isinstance(each, str) for each in objects)
        super().print(*objects, soft_wrap=soft_wrap, **options)


class Progress(rich.progress.Progress):
    """A bar with a count and the time elapsed, gone when the work is done."""

    def __init__(self, console: Console) -> None:
        columns = (
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
        )
        super().__init__(*columns, console=console, transient=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str) -> Table:
    """Return a table for a :class:`Console`; words to the left, numbers to the right."""
    lines = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False, padding=(0, 1, 0, 0)
    )
    for name in columns:
        lines.add_column(name, justify="left" if name in WORDS else "right", no_wrap=name in WORDS)
    for row in rows:
        lines.add_row(*row)
    return lines
