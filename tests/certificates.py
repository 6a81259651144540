"""Certificates in tests: recorded for a known optimum, opened, and checked against the data they are about."""

import json
import lzma

import numpy as np

from mmdp import Clock, Stop
from mmdp.check_certificate import check
from solvers._exact.cell_proof import BOX_FORMS
from solvers._exact.certificate_file import recorded_proof


def recorded(problem, picks, bound, on_cells):
    return recorded_proof(problem, np.array(picks), bound, on_cells, Clock(Stop())).content


def ways(problem):
    """Whether a proof is on cells: both ways, where there are boxes."""
    return (False, True) if problem.points is not None and problem.geometry.form in BOX_FORMS else (False,)


def opened(content):
    header, _, body = lzma.decompress(content).partition(b"\n")
    return json.loads(header), body


def closed(header, body):
    return lzma.compress(json.dumps(header).encode() + b"\n" + body, preset=0)


def symmetric(D):
    return np.minimum(D, D.T)


def data_of(problem, content):
    """What the certificate is about: the points, or all distances."""
    if opened(content)[0]["metric"] == "matrix":
        return symmetric(problem.matrix())
    return np.asarray(problem.points, dtype=float)


def verdicts(problem, best):
    """What the checker says of the certificates of an optimum."""
    for on_cells in ways(problem):
        content = recorded(problem, best.indices, best.objective, on_cells)
        yield check(content, data_of(problem, content), problem.include, problem.exclude)
