"""Cities of the world: the places that name a time zone, great-circle kilometres.

The coordinates are those of ``zone.tab`` in the IANA time zone database (public domain), shipped by ``tzdata``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import numpy as np

from experiments.suites import Case
from mmdp import DataFileError, Problem

_ISO_6709 = re.compile(r"([+-]\d{4}(?:\d{2})?)([+-]\d{5}(?:\d{2})?)")


def cities() -> dict[str, tuple[float, float]]:
    """Latitude and longitude in degrees of every time zone's city."""
    found = {}
    for number, _, coordinates, zone in _zones():
        if (pair := _ISO_6709.fullmatch(coordinates)) is None:
            raise DataFileError(f"zone.tab of tzdata, line {number}: {coordinates!r} is not an ISO 6709 coordinate")
        found[zone] = (_degrees(pair[1]), _degrees(pair[2]))
    return found


def countries() -> list[str]:
    """Country of each of the cities, by its ISO 3166 code of two letters."""
    return [country for _, country, _, _ in _zones()]


def _zones() -> Iterator[tuple[int, str, str, str]]:
    """Line number, country, coordinates and name of each zone."""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for number, line in enumerate(table.splitlines(), 1):
        if not line.startswith("#"):
            country, coordinates, zone, *_ = line.split("\t")
            yield number, country, coordinates, zone


def _degrees(angle: str) -> float:
    """Degrees of +DDMM, +DDMMSS, +DDDMM or +DDDMMSS."""
    width = 3 if len(angle) in (6, 8) else 2
    degrees, minutes, seconds = angle[1 : 1 + width], angle[1 + width : 3 + width], angle[3 + width :]
    size = int(degrees) + int(minutes) / 60 + int(seconds or 0) / 3600
    return -size if angle[0] == "-" else size


def cases() -> list[Case]:
    """Choose 10 and 40 cities."""
    points = np.array(list(cities().values()))
    return [Case("geography", "cities", Problem(k, points=points, metric="haversine")) for k in (10, 40)]
