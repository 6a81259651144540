"""Everything this project raises on purpose descends from :class:`MMDPError`.

Each class also inherits the built-in a caller would expect (``ValueError``, ``LookupError``, ...), so code that
knows nothing of this package still catches it.
"""


class MMDPError(Exception):
    """Base of every deliberate error of the project."""


class InvalidProblemError(MMDPError, ValueError):
    """The data, k or the fixed picks do not state a max-min diversity problem."""


class NoSolutionError(MMDPError, RuntimeError):
    """The limits of a run ended it before it had found a solution, and before it was proven that there is none."""


class InvalidOptionError(MMDPError, ValueError):
    """A solver, a :class:`~mmdp.Stop` or a function was given an option that it cannot use."""


class UnknownNameError(MMDPError, LookupError):
    """There is no solver, metric or suite of that name; the message lists those that exist."""


class MissingDependencyError(MMDPError, ImportError):
    """A solver needs a package that is not installed; the message gives the install command."""


class TooLargeError(MMDPError, MemoryError):
    """The request needs more memory than the machine has free."""


class DataFileError(MMDPError, ValueError):
    """A file is missing, damaged or in the wrong format; the message names the file and, where it can, the line."""


class SolverContractError(MMDPError, RuntimeError):
    """A solver returned something that is not a solution, or a bound below its own objective."""
