"""The max-min diversity problem: what it is, how a solution is graded, and what bounds it."""

from importlib.metadata import PackageNotFoundError, version

from mmdp.exceptions import (
    DataFileError,
    InvalidOptionError,
    InvalidProblemError,
    MissingDependencyError,
    MMDPError,
    NoSolutionError,
    SolverContractError,
    TooLargeError,
    UnknownNameError,
)
from mmdp.groups import Soft
from mmdp.metrics import METRICS, Metric
from mmdp.problem import Problem
from mmdp.result import Result, Status
from mmdp.stopping import Clock, Incumbent, Stop
from mmdp.subset_measures import Measures, measures

try:
    __version__ = version("mmdp")
except PackageNotFoundError:  # a clone that is on the path and not installed
    __version__ = "0+unknown"

__all__ = [
    "METRICS",
    "Clock",
    "DataFileError",
    "Incumbent",
    "InvalidOptionError",
    "InvalidProblemError",
    "MMDPError",
    "Measures",
    "Metric",
    "MissingDependencyError",
    "NoSolutionError",
    "Problem",
    "Result",
    "Soft",
    "SolverContractError",
    "Status",
    "Stop",
    "TooLargeError",
    "UnknownNameError",
    "__version__",
    "measures",
]
