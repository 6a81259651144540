"""The machine instruction that counts the bits of a word."""

from __future__ import annotations

from typing import Any

from numba.extending import intrinsic


def _popcount(typing: Any, word: Any) -> Any:
    """How many bits of an unsigned word are set, as a word of the same width."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return word(word), build


popcount: Any = intrinsic(_popcount)
