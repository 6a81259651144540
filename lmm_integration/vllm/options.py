"""What an operator asks for, as ``visual_pruning`` in the model's configuration, and a request as ``keep``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import solvers
from lmm_integration.budget import capped_count, check_keep
from lmm_integration.selection import Chooser, chooser
from mmdp import Stop
from mmdp.exceptions import InvalidOptionError
from mmdp.metrics import resolve

MODALITIES = ("image", "video")
_UNAVAILABLE = {
    "prompt": "reads the prompt, but vLLM keeps the features of an image for every prompt that shows it",
    "attention": "ranks by the encoder's attention, which vLLM's encoders do not return",
}


@dataclass(frozen=True)
class Options:
    """How the visual tokens of a served model are pruned.

    Parameters
    ----------
    keep : float or int
        How many tokens of each image stay: a float in (0, 1] is a fraction, an int is a count.
    solver, metric, seed, centre
        As for :func:`lmm_integration.prune`; the solver by its name.
    max_keep : float or int, optional
        The most that one request may ask for; by default ``keep``. vLLM reserves memory for that many tokens.
    modalities : tuple of {"image", "video"}
        What to prune.
    stop : dict
        Limits of a solver that searches, as for :class:`mmdp.Stop`.
    allow_untested : bool
        Whether to run with a version of vLLM that the tests have not run with.
    rule : dict
        Options of the solver or selector.

    Examples
    --------
    >>> options = Options.of({"keep": 0.25, "solver": "greedy"})
    >>> options.count(576), options.asked({"keep": 0.1}).count(576)
    (144, 58)
    """

    keep: float | int
    solver: str = "greedy"
    metric: str = "cosine"
    seed: int = 0
    centre: bool = False
    max_keep: float | int | None = None
    modalities: tuple[str, ...] = MODALITIES
    stop: Mapping[str, Any] = field(default_factory=dict)
    allow_untested: bool = False
    rule: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Any) -> Options:
        """Read the value of ``visual_pruning``; what is no option of pruning is one of the solver.

        Raises
        ------
        InvalidOptionError, UnknownNameError
            If something is missing, unknown or cannot be done while serving.
        """
        if not isinstance(given, Mapping) or "keep" not in given:
            raise InvalidOptionError(
                f"visual_pruning={given!r} does not say how many tokens to keep; "
                'give --hf-overrides \'{"visual_pruning": {"keep": 0.1}, ...}\''
            )
        named = {known.name for known in fields(cls)} - {"rule"}
        own = {name: value for name, value in given.items() if name in named}
        rest = {name: value for name, value in given.items() if name not in named}
        if rest.pop("scope", "image") != "image":
            raise InvalidOptionError(
                f"scope={given['scope']!r}: vLLM caches each image by itself, so each has its own budget; drop scope"
            )
        if rest.pop("positions", "auto") != "auto":
            raise InvalidOptionError(
                f"positions={given['positions']!r}: vLLM counts positions as the model does; drop positions"
            )
        if "modalities" in own:
            own["modalities"] = tuple([own["modalities"]] if isinstance(own["modalities"], str) else own["modalities"])
        options = cls(**own, rule=rest)
        options._check()
        return options

    def _check(self) -> None:
        check_keep(self.keep)
        if self.max_keep is not None:
            check_keep(self.max_keep)
            if isinstance(self.keep, int) != isinstance(self.max_keep, int):
                raise InvalidOptionError(
                    f"keep={self.keep!r} and max_keep={self.max_keep!r}: give two counts (integers) or two fractions "
                    "(floats); which one is larger would depend on the image"
                )
            if self.keep > self.max_keep:
                raise InvalidOptionError(f"keep={self.keep!r} is above max_keep={self.max_keep!r}")
        if not isinstance(self.solver, str):
            raise InvalidOptionError(f"solver={self.solver!r}: give the name of a solver or selector")
        for name in ("centre", "allow_untested"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidOptionError(f"{name}={getattr(self, name)!r}: write true or false")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise InvalidOptionError(f"seed={self.seed!r} is not a whole number")
        if not self.modalities or set(self.modalities) - set(MODALITIES):
            raise InvalidOptionError(f"modalities={list(self.modalities)}; choose from {list(MODALITIES)}")
        resolve(self.metric)
        if self.solver not in solvers.names():  # those import Numba, and vLLM's engine on CPUs has to come first
            if self.choose.least_frames > 1 and "image" in self.modalities:
                raise InvalidOptionError(
                    f"solver={self.solver!r} compares the frames of a video; to leave images whole, give modalities "
                    '["video"]'
                )
            for need in self.choose.needs:
                if need in _UNAVAILABLE:
                    raise InvalidOptionError(f"solver={self.solver!r} cannot be served: it {_UNAVAILABLE[need]}")

    @cached_property
    def choose(self) -> Chooser:
        """The rule: features and a count to indices."""
        try:
            stop = Stop(**self.stop) if self.stop else None
        except TypeError as error:
            raise InvalidOptionError(f"stop={dict(self.stop)!r}: {error}") from error
        try:
            return chooser(self.solver, self.metric, self.seed, centre=self.centre, stop=stop, **self.rule)
        except InvalidOptionError as error:
            if not self.rule:
                raise
            own = ", ".join(known.name for known in fields(self) if known.name != "rule")
            raise InvalidOptionError(f"visual_pruning: {error}; options of pruning itself are {own}") from error

    def asked(self, request: Mapping[str, Any]) -> Options:
        """Return the options of one request, whose ``mm_processor_kwargs`` may name a ``keep`` of its own.

        Raises
        ------
        InvalidOptionError
            If it is not a budget, or stands where it would have no effect, or if the request names another option of
            pruning, which only the server has.
        """
        for name in request:
            if name in _SERVERS_OWN:
                raise InvalidOptionError(f"a request cannot change {name}, which is the server's; it may name keep")
            if name != "keep" and get_close_matches(name.lower(), ["keep"], cutoff=0.7):
                raise InvalidOptionError(f"{name} has no effect; did you mean keep?")
        for scope, value in request.items():
            if isinstance(value, Mapping) and "keep" in value:
                raise InvalidOptionError(f"{scope}.keep has no effect; write keep at the top of mm_processor_kwargs")
        if "keep" not in request:
            return self
        return replace(self, keep=check_keep(request["keep"]), max_keep=self.max_keep or self.keep)

    @staticmethod
    def check_configured(request: Mapping[str, Any]) -> None:
        """Refuse a ``keep`` in the processor's options of the whole server, which says it in ``visual_pruning``."""
        if any("keep" in named for named in (request, *(v for v in request.values() if isinstance(v, Mapping)))):
            raise InvalidOptionError(
                "keep in --mm-processor-kwargs: for the whole server, write --keep, or keep in visual_pruning"
            )

    def count(self, n: int, modality: str = "image") -> int:
        """How many of n tokens in a row stay; an image of fewer tokens than a count keeps all, as with ``prune``.

        Raises
        ------
        InvalidOptionError
            If that is more than a request may ask for.
        """
        if modality not in self.modalities:
            return n
        k = capped_count(n, self.keep)
        if self.max_keep is not None and k > (limit := capped_count(n, self.max_keep)):
            raise InvalidOptionError(
                f"keep={self.keep!r} asks for {k} of {n} tokens, and this server allows {limit}: "
                f"ask for less, or start it with --max-keep {self.keep!r}"
            )
        return k

    def most_of(self, n: int, runs: int, modality: str) -> int:
        """At most how many stay of n tokens in up to so many runs, whatever ``keep`` a request names."""
        most = replace(self, keep=self.max_keep or self.keep, max_keep=None)
        if runs == 1 or modality not in self.modalities:
            return most.count(n, modality)
        return min(n, most.keep * runs if isinstance(most.keep, int) else most.count(n, modality) + runs)

    @property
    def identity(self) -> str:
        """What distinguishes features chosen with these options from others, for cache keys."""
        named = {known.name: getattr(self, known.name) for known in fields(self)}
        for name in ("max_keep", "allow_untested"):
            del named[name]
        return repr(
            [(name, sorted(value.items()) if isinstance(value, Mapping) else value) for name, value in named.items()]
        )


_SERVERS_OWN = frozenset(known.name for known in fields(Options)) - {"keep", "rule"} | {"visual_pruning"}
"""What a request may not name among its processor options."""
