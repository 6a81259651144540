"""The atlas of optima: value, bound, proof and checked certificate of every problem, beside what is published."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import solvers
from experiments._common.console import Console
from experiments._common.rows import RESULTS, Rows
from experiments.atlas.page import write_page
from experiments.atlas.problems import Entry, entries
from experiments.atlas.records import write_records
from experiments.atlas.summary import write_summary
from experiments.suites import Case
from mmdp import Result, Stop
from mmdp.check_certificate import RejectedError, check
from solvers.exact import Exact

KEY = ("instance", "digest", "k", "limit")
_CERTIFICATES = Path("build/certificates")


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of instance files, with tables of published values.")
    ] = None,
    k: Annotated[list[int] | None, typer.Option(help="Only this k; repeat for several.")] = None,
    seconds: Annotated[float, typer.Option(help="Time limit of one problem.", min=0.0)] = 120.0,
    threads: Annotated[int, typer.Option(help="Threads of one proof.", min=1)] = 1,
    results: Annotated[Path, typer.Option(help="Folder of the rows and the pages.")] = RESULTS,
    certificates: Annotated[Path, typer.Option(help="Folder of the certificates.")] = _CERTIFICATES,
    megabytes: Annotated[float, typer.Option(help="Largest certificate that is written.", min=0.0)] = 64.0,
    fresh: Annotated[bool, typer.Option(help="Prove again what is already in the rows.")] = False,
    merge: Annotated[list[Path] | None, typer.Option(help="Add the rows of this file; repeat for several.")] = None,
    report_only: Annotated[bool, typer.Option(help="Only write the pages, from the rows.")] = False,
) -> None:
    """The atlas of optima: value, bound and checked certificate of every problem, beside what is published.

    Without --data, it solves the literature's generated families. A killed run continues where it stopped, and rows
    of several runs and machines join in one file. Certificates are checked as soon as they are written.
    """
    console, rows = Console(), Rows(results / "atlas.csv", KEY)
    for other in merge or ():
        console.print(f"{rows.merge(other)} rows from {other}")
    if not (report_only or (merge and data is None)):
        for entry in entries(data, k):
            key = {
                "instance": entry.known.instance,
                "digest": Case("atlas", entry.known.instance, entry.problem).digest,
                "k": entry.problem.k,
                "limit": seconds,
            }
            row = None if fresh else rows.find(**key)
            if row is None:
                solver = Exact(threads=threads, certificate_bytes=int(megabytes * 2**20))
                row = rows.add(**key, **_measured(entry, solver, seconds, certificates))
            console.print(_line(row))
    frame = rows.frame()
    for write in (write_page, write_records, write_summary):
        console.print(f"wrote {write(frame, results)}")


def _measured(entry: Entry, solver: Exact, seconds: float, folder: Path) -> dict[str, Any]:
    """Solve first and time that alone; then write the certificate, and check it."""
    result = solvers.solve(entry.problem, solver=solver, stop=Stop(seconds=seconds))
    return {
        "family": entry.family,
        "n": result.n,
        "metric": result.metric,
        "objective": result.objective,
        "upper_bound": result.upper_bound,
        "status": str(result.status),
        "proven_by": result.notes.get("proven_by", ""),
        "seconds": result.runtime,
        "nodes": result.iterations,
        "indices": " ".join(map(str, result.indices.tolist())),
        **_certified(entry, solver, result, folder, seconds),
        **entry.known.columns(result.objective, result.upper_bound),
    }


def _certified(entry: Entry, solver: Exact, result: Result, folder: Path, seconds: float) -> dict[str, Any]:
    """What became of the certificate of a bound: its checksum, its size and its times, or why there is none."""
    if result.notes.get("bounded_by") == "vectors":
        return {"certificate": "", "why_none": "vectors leave none"}
    replace(solver, certificate_file=str(folder)).warm_up(entry.problem)  # which compiles what records, too
    started = time.perf_counter()
    proof = solver.certificate(entry.problem, result.indices, result.upper_bound, Stop(seconds=max(60.0, seconds)))
    recorded = time.perf_counter() - started
    if proof is None:
        return {"certificate": "", "why_none": "too large or too long", "record_seconds": recorded}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{entry.known.instance}_{entry.problem.k}.proof"
    path.write_bytes(proof.content)
    started = time.perf_counter()
    try:
        data = entry.problem.matrix() if proof.metric == "matrix" else entry.problem.points
        verdict = check(path, data)
        checked = "optimal" if verdict.optimal else "bound"
    except RejectedError as error:
        checked = f"REJECTED: {error}"
    return {
        "certificate": hashlib.sha256(proof.content).hexdigest(),
        "file": path.name,
        "bytes": len(proof.content),
        "cells": proof.cells,
        "lemmas": proof.lemmas,
        "record_seconds": recorded,
        "check_seconds": time.perf_counter() - started,
        "checked": checked,
    }


def _line(row: dict[str, str]) -> str:
    bound = "proven" if row["status"] == "optimal" else f"at most {float(row['upper_bound']):.6g}"
    certificate = row.get("checked") or row.get("why_none", "")
    return (
        f"{row['instance']}, k = {row['k']}: {float(row['objective']):.6g}, {bound}, {float(row['seconds']):.2f} s; "
        f"certificate: {certificate}"
    )
