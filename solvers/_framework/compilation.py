"""Numba's compiler with a cache on disk that never holds stale code.

Numba looks at the file of a function alone to tell whether what it kept is current, and a compiled function contains
those that it calls from other files. Here the key is all sources of compiled functions and the versions that compile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba

_FOLDER = Path(__file__).parents[1]


@cache
def sources_key() -> str:
    """Return a digest of every file that holds or builds compiled functions, and of what compiles them."""
    digest = hashlib.sha256(" ".join(version(name) for name in ("numba", "llvmlite", "numpy")).encode())
    for path in sorted(_FOLDER.rglob("*.py")):
        source = path.read_bytes()
        if b"jit" in source or b"intrinsic" in source:
            digest.update(path.relative_to(_FOLDER).as_posix().encode() + source)
    return digest.hexdigest()


if TYPE_CHECKING:
    from numba import njit as njit  # which type checkers know
else:

    def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
        """As ``numba.njit``; with ``cache=True`` an edit of any of the sources, or an upgrade, compiles anew."""

        def compiled(function: Callable[..., Any]) -> Any:
            dispatcher = numba.njit(**options)(function)
            if options.get("cache"):
                index = dispatcher._cache._cache_file
                if not hasattr(index, "_source_stamp"):  # of a Numba that keeps it elsewhere: no cache is never stale
                    return numba.njit(**{**options, "cache": False})(function)
                index._source_stamp = sources_key()
            return dispatcher

        return compiled
