"""How the predictions of a voxel become one value: reductions are records of three functions."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array, _check
from mia_functional.typing import Array, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """How the predictions of a voxel become one value.

    Args:
        name: For messages and displays.
        start: `start(patch, shape) -> state`, from the first patch and the shape of the volume, channels included.
        add: `add(state, index, patch) -> state` brings one patch in; the state is its own to change.
        finish: `finish(state) -> volume`.
        weighted: Whether patches come multiplied by the window, and the volume is divided by the sum of the weights.
    """

    name: str
    start: Callable[[Array, Shape], Any]
    add: Callable[[Any, Any, Array], Any]
    finish: Callable[[Any], Array]
    weighted: bool = False


def sums(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of sums."""
    return _array.zeros(_array.library(patch), shape, _array.accumulator_dtype(patch), patch)


def _zeros(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of the patch."""
    return _array.zeros(_array.library(patch), shape, patch.dtype, patch)


def _lowest(patch: Array, shape: Shape) -> Array:
    """Return the smallest value of the dtype everywhere."""
    xp = _array.library(patch)
    low = -math.inf if _array.dtype_kind(patch) == "float" else xp.iinfo(patch.dtype).min
    return xp.full_like(_zeros(patch, shape), low)


def _itself(state: Array) -> Array:
    """Return a state that is the volume already."""
    return state


def _add(state: Array, index: Any, patch: Array) -> Array:
    """Return sums with a patch added, promoted first."""
    return _array.add_at(state, index, _array.library(patch).astype(patch, state.dtype))


Votes: TypeAlias = tuple[Shape, dict[int, Array]]
"""The shape of a volume, and per label the number of patches that predicted it."""


def _no_votes(patch: Array, shape: Shape) -> Votes:
    """Return the state of a vote before the first patch."""
    if _array.dtype_kind(patch) != "integer":
        _check.invalid_kind("vote", "patches", "hold integer labels", f"dtype {patch.dtype}")
    if _array.is_traced(patch):
        _check.invalid_kind("vote", "patches", "be concrete; reduce one-hot labels with `total` under jit", "a tracer")
    return shape, {}


def _cast(state: Votes, index: Any, patch: Array) -> Votes:
    """Return votes with those of a patch."""
    shape, votes = state
    xp = _array.library(patch)
    for label in np.unique(_array.to_numpy(patch)).tolist():
        ballots = votes[label] if label in votes else _array.zeros(xp, shape, xp.int32, patch)
        votes = {**votes, label: _array.add_at(ballots, index, xp.astype(patch == label, xp.int32))}
    return shape, votes


def _elect(state: Votes) -> Array:
    """Return the label with the most votes; of equal ones the smallest."""
    _, votes = state
    labels = sorted(votes)
    best, winner = votes[labels[0]], None
    xp = _array.library(best)
    winner = xp.full_like(best, labels[0])
    for label in labels[1:]:
        winner = xp.where(votes[label] > best, xp.full_like(winner, label), winner)
        best = xp.maximum(best, votes[label])
    return winner


mean = Reduction(name="mean", start=sums, add=_add, finish=_itself, weighted=True)
"""The mean of all predictions of a voxel, weighted by the window."""

total = Reduction(name="total", start=sums, add=_add, finish=_itself)
"""The sum of all predictions of a voxel."""

last = Reduction(name="last", start=_zeros, add=_array.set_at, finish=_itself)
"""The prediction that came last."""

maximum = Reduction(name="maximum", start=_lowest, add=_array.maximum_at, finish=_itself)
"""The largest prediction of a voxel."""

vote = Reduction(name="vote", start=_no_votes, add=_cast, finish=_elect)
"""The integer label that most predictions of a voxel have; of equally frequent ones the smallest."""
