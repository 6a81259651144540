"""What was open in the literature and is closed here, each with the checksum of its certificate."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from experiments._common.tables import markdown_table

_COLUMNS = ("instance", "n", "k", "optimum", "published", "source", "certificate (SHA-256)", "bytes", "checked in")
_HEAD = """# Records

Problems that the literature left open and that are proven here, with certificates that the checker accepts.
Generate a certificate and check it with nothing but the checker:

```
python -m experiments atlas --data FOLDER
sha256sum build/certificates/NAME_K.proof
python mmdp/check_certificate.py FOLDER/NAME.tsp build/certificates/NAME_K.proof
```

[How a certificate is read](../../docs/certificates.md)
"""


def newest_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The newest row of each problem, a proven one before all others."""
    proven = frame.assign(proven=frame["status"] == "optimal").sort_values("proven", kind="stable")
    return proven.drop_duplicates(["instance", "digest", "k"], keep="last").sort_values(["family", "instance", "k"])


def published(low: float, high: float) -> str:
    """Say where the literature has the optimum: a value, two bounds, or a value that nothing bounds from above."""
    if math.isinf(high):
        return f"at least {low:g}"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def write_records(frame: pd.DataFrame, folder: Path) -> Path:
    """Write atlas_records.md from the rows that close a published gap."""
    rows = newest_of(frame)
    columns = ["published_low", "published_high", "published_source", "checked"]
    rows = rows.reindex(columns=[*rows.columns, *(name for name in columns if name not in rows)])
    closed = rows[rows["proven"] & (rows["checked"] == "optimal") & (rows["published_low"] < rows["published_high"])]
    lines = [
        (
            str(row["instance"]),
            f"{row['n']:,}",
            str(row["k"]),
            f"{row['objective']:.10g}",
            published(row["published_low"], row["published_high"]),
            "" if pd.isna(row["published_source"]) else str(row["published_source"]),
            f"`{row['certificate']}`",
            f"{row['bytes']:,.0f}",
            f"{row['check_seconds']:.2f} s",
        )
        for row in closed.to_dict("records")
    ]
    text = markdown_table(_COLUMNS, lines) if lines else "None among the rows so far."
    path = folder / "atlas_records.md"
    path.write_text(f"{_HEAD}\n{text}\n", encoding="utf-8")
    return path
