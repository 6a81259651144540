"""Choosing rows of features: the part of pruning that needs no model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

import solvers
from lmm_integration import selectors
from lmm_integration.budget import retained_count
from lmm_integration.selectors import Context, Selector
from mmdp import Stop
from mmdp.exceptions import InvalidOptionError, InvalidProblemError, SolverContractError, UnknownNameError
from mmdp.problem import selection_problem
from solvers import Solver

_PAIRS_AT_ONCE = 2**26  # of tokens, of all images of one call together: 256 MiB for each matrix in float32
_WARM_UP_ROWS, _WARM_UP_PICKS = 64, 3  # few enough for brute force, and of rows as wide as a model's for every path

Rule = str | Solver | Selector | Callable[[Tensor, int], Any]


@dataclass(frozen=True)
class Chooser:
    """Any rule behind one call: (..., n, d) features to (..., k) distinct indices in ascending order.

    Of a rule that merges: to (..., k, n) weights, in ascending order of the largest in each row.
    """

    rule: Solver | Selector | Callable[[Tensor, int], Any]
    metric: str = "cosine"
    seed: int = 0
    centre: bool = False
    stop: Stop | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields of the :class:`Context` that the rule cannot do without."""
        return self.rule.needs if isinstance(self.rule, Selector) else ()

    @property
    def least_frames(self) -> int:
        """How many frames the rule compares: more than one if it is for videos."""
        return self.rule.least_frames if isinstance(self.rule, Selector) else 1

    def warm_up(self, like: Tensor) -> None:
        """Choose among a few random rows as wide as (n, d) ``like``: a solver compiles, and no clock counts it."""
        if isinstance(self.rule, Solver):
            generator = torch.Generator().manual_seed(0)
            rows = torch.randn(_WARM_UP_ROWS, like.shape[-1], generator=generator, device="cpu")
            self(rows.to(like), _WARM_UP_PICKS, Context())

    def __call__(self, features: Tensor, k: int, context: Context) -> Tensor:
        """Choose, check and sort; all rows if k == n, without asking the rule."""
        n = features.shape[-2]
        if k == n:
            return torch.arange(n, device=features.device).expand(*features.shape[:-2], n)
        if self.centre:
            return replace(self, centre=False)(centred(features), k, context)
        if isinstance(self.rule, Solver) and (k == 1 or not (self.seed or self.stop)):
            chosen = self.rule.select(features.detach(), k, metric=self.metric)
        elif isinstance(self.rule, Selector) and self.rule.batched:
            chosen = self.rule(features, k, context)
        elif features.ndim > 2:
            return torch.stack([self(item, k, context.of_item(i)) for i, item in enumerate(features)])
        elif isinstance(self.rule, Solver):
            rows = features.detach().double().cpu().numpy()
            chosen = self.rule.solve(selection_problem(rows, k, self.metric), self.stop, self.seed).indices
        elif isinstance(self.rule, Selector):
            chosen = self.rule(features, k, context)
        else:
            chosen = self.rule(features.detach(), k)
        return checked(chosen, features, k)


def choose_of_each(
    choose: Chooser, items: Sequence[Tensor], ks: Sequence[int], contexts: Sequence[Context]
) -> list[Tensor]:
    """Choose from several (n, d) items: one call for all of one shape and layout that bring nothing else.

    On an accelerator such a call takes about as long as that of one item, and on a CPU its items share the cores.
    """
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, (features, k, context) in enumerate(zip(items, ks, contexts, strict=True)):
        of_its_own = any(extra is not None for extra in (context.prompt, context.attention, context.keys))
        alike[len(features), k, context.grid, place if of_its_own else None].append(place)
    found: dict[int, Tensor] = {}
    for (n, k, *_), places in alike.items():
        most = max(1, _PAIRS_AT_ONCE // n**2)
        for part in (places[i : i + most] for i in range(0, len(places), most)):
            features = items[part[0]] if len(part) == 1 else torch.stack([items[place] for place in part])
            chosen = choose(features, k, contexts[part[0]])
            found.update({part[0]: chosen} if len(part) == 1 else zip(part, chosen, strict=True))
    return [found[place] for place in range(len(items))]


def centred(features: Tensor) -> Tensor:
    """Subtract from (..., n, d) features their mean over the n rows; half precisions are widened to float32.

    Features of one image share a large common part, which makes all their cosines high and nearly equal. Taking it off
    is one half of Centering before Pruning (arXiv 2608.30263), which reports that this half alone makes pruning worse;
    :class:`~lmm_integration.selectors.centred_greedy.CentredGreedy` is the whole rule. O(n d) time.
    """
    wide = features.detach().to(torch.promote_types(features.dtype, torch.float32))
    return wide - wide.mean(-2, keepdim=True)


def checked(chosen: Any, features: Tensor, k: int) -> Tensor:
    """Return ``chosen`` as sorted int64 indices on the features' device, or as weights sorted by their places.

    Raises
    ------
    SolverContractError
        If they are neither k distinct integers in [0, n), nor (k, n) finite weights, the largest of each in a column
        of its own.
    """
    found = chosen if isinstance(chosen, Tensor) else np.asarray(chosen)
    expected = (*features.shape[:-2], k)
    if tuple(found.shape) == (*expected, features.shape[-2]) and "float" in str(found.dtype):
        return _checked_weights(torch.as_tensor(found, device=features.device))
    if tuple(found.shape) != expected or "int" not in str(found.dtype):
        raise SolverContractError(
            f"the rule returned {found.dtype} of shape {tuple(found.shape)}; expected integers of {expected}, or to "
            f"merge tokens floats of {(*expected, features.shape[-2])}"
        )
    indices = torch.as_tensor(found, device=features.device).long().sort(dim=-1).values
    outside = (indices < 0) | (indices >= features.shape[-2])
    if bool(outside.any() | (indices.diff(dim=-1) == 0).any()):
        raise SolverContractError(f"the rule must return {k} distinct indices below {features.shape[-2]}: {indices}")
    return indices


def _checked_weights(weights: Tensor) -> Tensor:
    places, order = weights.argmax(-1).sort(dim=-1)
    if not bool(weights.isfinite().all()) or bool((places.diff(dim=-1) == 0).any()):
        raise SolverContractError(
            "weights must be finite, and the largest of each merged token in a column of its own, where the token "
            f"goes; the largest are in columns {places.tolist()}"
        )
    return weights.gather(-2, order[..., None].expand_as(weights))


def chooser(
    solver: Rule,
    metric: str = "cosine",
    seed: int = 0,
    *,
    centre: bool = False,
    stop: Stop | None = None,
    **options: Any,
) -> Chooser:
    """Resolve a solver's or selector's name, an instance, or any callable ``(features, k) -> k distinct indices``.

    Raises
    ------
    UnknownNameError
        If neither a solver nor a selector has the name.
    InvalidOptionError
        If ``options``, ``metric`` or ``stop`` do not fit the rule, or it is no rule at all.
    """
    rule: Solver | Selector | Callable[[Tensor, int], Any]
    if isinstance(solver, str) and solver in selectors.names():
        rule = selectors.make(solver, **options)
    elif isinstance(solver, str) and solver not in solvers.names():
        raise UnknownNameError(
            f"no solver or selector named {solver!r}; solvers: {', '.join(solvers.names())}; "
            f"selectors: {', '.join(selectors.names())}"
        )
    elif isinstance(solver, (str, Solver)):
        rule = solvers.make(solver, **options)
    elif not callable(solver) or isinstance(solver, type):
        raise InvalidOptionError(
            f"solver={solver!r} is neither a name, a Solver, a Selector, nor a callable (features, k) -> indices"
        )
    elif options:
        raise InvalidOptionError(
            f"options {sorted(options)} go with a solver's name; bind them to the callable instead"
        )
    else:
        rule = solver
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise InvalidOptionError(f"seed = {seed!r}: give a whole number >= 0")
    if not isinstance(centre, bool):
        raise InvalidOptionError(f"centre = {centre!r}: write True or False")
    if metric != "cosine" and not isinstance(rule, Solver):
        raise InvalidOptionError(
            f"metric={metric!r} is for solvers, and {solver!r} is none; choose one of solvers.names(), or drop metric"
        )
    if stop is not None and not isinstance(rule, Solver):
        raise InvalidOptionError(f"stop limits solvers, and {solver!r} is none; choose one of solvers.names()")
    return Chooser(rule, metric, int(seed), centre, stop)


def select_tokens(
    features: Tensor,
    keep: float | int,
    solver: Rule = "greedy",
    *,
    metric: str = "cosine",
    seed: int = 0,
    centre: bool = False,
    stop: Stop | None = None,
    prompt: Tensor | None = None,
    attention: Tensor | None = None,
    grid: selectors.Grid | None = None,
    keys: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Choose the feature rows that stay, for your own forward pass.

    Parameters
    ----------
    features : Tensor of shape (..., n, d)
        Embeddings of visual tokens, any floating dtype and device.
    keep : float or int
        How many rows stay: a float in (0, 1] is a fraction, an int is a count.
    solver : str, Solver, Selector or callable
        A keyword of ``solvers.names()`` or ``lmm_integration.selectors.names()``, an instance, or any
        ``(features (n, d), k) -> k distinct indices``.
    metric : str
        Distance for the solvers; selectors have their own.
    seed : int
        Seed of random choices.
    centre : bool
        Whether the rule sees the features minus their mean over the rows; a prompt is not changed.
    stop : Stop, optional
        Limits of a solver, for each item; its ``default_stop`` if not given.
    prompt, attention, grid, keys
        For the selectors that need them, see :class:`~lmm_integration.selectors.Context`; all but the grid may also
        have the leading dimensions of the features.
    **options
        Options of the solver or selector.

    Returns
    -------
    Tensor of shape (..., k)
        Distinct row indices in ascending order, int64, on the device of the features. A rule that merges, such as
        "visionzip", gives floats of shape (..., k, n) instead: the tokens that stay are ``weights @ features``, in the
        places of the largest weights.

    Raises
    ------
    InvalidOptionError, UnknownNameError
        If an argument is invalid, or no solver or selector has the name.
    InvalidProblemError
        If a feature, or what a selector needs besides, is NaN or infinite.
    SolverContractError
        If a callable returned anything but k distinct indices.

    Examples
    --------
    >>> import torch
    >>> select_tokens(torch.eye(4), keep=0.5).shape
    torch.Size([2])
    """
    if not isinstance(features, Tensor):
        raise InvalidOptionError(
            f"features is a {type(features).__name__}; pass a torch tensor, such as torch.as_tensor(x)"
        )
    if features.ndim < 2 or not features.numel():
        raise InvalidOptionError(f"features of shape {tuple(features.shape)}; expected (..., n, d) with n, d >= 1")
    if features.is_sparse or features.is_complex() or (features.is_floating_point() and features.itemsize == 1):
        raise InvalidOptionError(
            f"features are {features.dtype} in the layout {features.layout}; make them dense, and float32, float16 or "
            "bfloat16"
        )
    if not all(bool(end.isfinite()) for end in features.aminmax()):  # NaN reaches both ends, and no mask is built
        bad = (~features.isfinite().all(-1)).nonzero()[0].tolist()
        raise InvalidProblemError(f"features[{', '.join(map(str, bad))}] has a NaN or an infinity; check the encoder")
    choose = chooser(solver, metric, seed, centre=centre, stop=stop, **options)
    k = retained_count(features.shape[-2], keep)
    if features.ndim == 2:
        return choose(features, k, Context(prompt, attention, grid, seed, keys))
    context = Context(_flat(prompt, 2), _flat(attention, 1), grid, seed, _flat(keys, 2))
    chosen = choose(features.flatten(0, -3), k, context)
    return chosen.reshape(*features.shape[:-2], *chosen.shape[1:])


def _flat(extra: Tensor | None, dimensions: int) -> Tensor | None:
    """Leading dimensions joined into one, as those of the features are."""
    return extra.flatten(0, -dimensions - 1) if isinstance(extra, Tensor) and extra.ndim > dimensions else extra
