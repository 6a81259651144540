"""Everything this project raises on purpose descends from :class:`MMDPError`.

Each class also inherits the built-in a caller would expect (``ValueError``, ``LookupError``, ...), so code that
knows nothing of this package still catches it.
"""


class MMDPError(Exception):
    """Base of every deliberate error of the project."""


class InvalidProblemError(MMDPError, ValueError):
    """The data, k or the fixed picks do not state a max-min diversity problem."""


class InvalidOptionError(MMDPError, ValueError):
    """A solver, a stop rule or a function was given an option it cannot honour."""


class UnknownNameError(MMDPError, LookupError):
    """No solver, metric or suite goes by that name; the message lists those that exist."""


class MissingDependencyError(MMDPError, ImportError):
    """A solver needs a package that is not installed; the message gives the install command."""


class TooLargeError(MMDPError, MemoryError):
    """The request would need more memory than the machine has left."""


class DataFileError(MMDPError, ValueError):
    """An instance file breaks its format; the message names the file and the line."""


class SolverContractError(MMDPError, RuntimeError):
    """A solver returned something that is not a solution, or a bound that its own solution refutes."""
