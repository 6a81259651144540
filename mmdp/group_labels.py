"""Labels of groups as they are given, one for each point, and what is said of them, sorted by attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import describe_rows, is_tensor, missing_values, to_numpy
from mmdp.exceptions import InvalidProblemError

_SCALARS = "fiubUS"  # kinds of dtype that are labels as they are
_SHOWN = 8


def rules_by_attribute(groups: Any, rules: Any, name: str, form: str) -> list[tuple[str, Any, Mapping[Any, Any]]]:
    """Title, labels and rules of each attribute.

    Parameters
    ----------
    groups : sequence, or mapping of several
        Labels, or for each attribute its labels.
    rules : mapping, or mapping of several
        Of the labels, or for each attribute those of its labels.
    name, form : str
        What the rules are called, and how they are to be given, for messages.
    """
    if not isinstance(rules, Mapping):
        raise InvalidProblemError(f"{name} = {rules!r}: give a mapping such as {form}")
    if not isinstance(groups, Mapping):
        return [("", groups, rules)]
    if not groups:
        raise InvalidProblemError("groups is an empty mapping: give labels for each attribute, {attribute: labels}")
    if unknown := [attribute for attribute in rules if attribute not in groups]:
        raise InvalidProblemError(
            f"{name} names the attribute {unknown[0]!r}, and groups has no labels for it; known: {few(groups)}"
        )
    for attribute, own in rules.items():
        if not isinstance(own, Mapping):
            raise InvalidProblemError(
                f"{name}[{attribute!r}] = {own!r}: with several attributes, {name} is {{attribute: {form}}}"
            )
    return [(f" of {attribute!r}", labels, rules.get(attribute, {})) for attribute, labels in groups.items()]


def labels_of_points(groups: Any, title: str, n: int) -> NDArray[Any]:
    """Return the labels of one attribute as an (n,) array of numbers or of texts."""
    labels = _labels(groups, title)
    if labels.shape != (n,) or labels.dtype.kind not in _SCALARS:
        raise InvalidProblemError(
            f"groups{title} has shape {labels.shape} and dtype {labels.dtype}: give one number or text for each of {n} "
            "points"
        )
    return labels


def _labels(groups: Any, title: str) -> NDArray[Any]:
    """Labels as an array of numbers or of texts, from lists, tensors and columns of any data frame."""
    labels: NDArray[Any] = to_numpy(groups) if is_tensor(groups) else np.asarray(groups)
    if labels.ndim != 1:
        return labels
    missing = np.flatnonzero(missing_values(labels))
    if len(missing):
        raise InvalidProblemError(f"groups{title}: {describe_rows(missing)} without a label; fill it, or drop them")
    if labels.dtype.kind != "O":
        return labels.astype(str) if labels.dtype.kind == "T" else labels
    if all(isinstance(label, str) for label in labels):
        return labels.astype(str)
    found = np.array(labels.tolist())
    if found.dtype.kind in "USO":
        other = next(row for row, label in enumerate(labels) if type(label) is not type(labels[0]))
        raise InvalidProblemError(
            f"groups{title}: row 0 has the label {labels[0]!r} and row {other} {labels[other]!r}; give numbers "
            "alone or texts alone, as groups.astype(str) does"
        )
    return found


def few(labels: Iterable[Any]) -> str:
    """Some of the labels, for a message."""
    shown = list(islice(labels, _SHOWN + 1))
    return ", ".join(map(repr, shown[:_SHOWN])) + (", ..." if len(shown) > _SHOWN else "")
