"""How the predictions of a voxel become one value: reductions are records of three functions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array, _check
from mia_functional.assembly.places import Place
from mia_functional.typing import Array, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """How the predictions of a voxel become one value.

    Args:
        name: For messages and displays.
        start: `start(patch, shape) -> state`, from the first patch and the shape of the volume, channels included.
        add: `add(state, patch, place) -> state` brings one patch in, at `place.start`; the patch has an axis for each
            of the volume; the state is its own to change.
        finish: `finish(state) -> volume`.
        weighted: Whether the window matters.
    """

    name: str
    start: Callable[[Array, Shape], Any]
    add: Callable[[Any, Array, Place], Any]
    finish: Callable[[Any], Array]
    weighted: bool = False


def _sums(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of sums."""
    if _array.dtype_kind(patch) in ("complex", "other"):
        _check.invalid_kind("assembly", "patches", "hold real numbers", f"dtype {patch.dtype}")
    return _array.zeros(_array.library(patch), shape, _array.accumulator_dtype(patch), patch)


def _zeros(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of the patch."""
    return _array.zeros(_array.library(patch), shape, patch.dtype, patch)


def _lowest(patch: Array, shape: Shape) -> Array:
    """Return the smallest value of the dtype everywhere."""
    kind = _array.dtype_kind(patch)
    if kind not in ("float", "integer"):
        _check.invalid_kind("maximum", "patches", "hold real numbers", f"dtype {patch.dtype}")
    low = -math.inf if kind == "float" else _array.library(patch).iinfo(patch.dtype).min
    volume = _zeros(patch, shape)
    volume += low
    return volume


def _itself(state: Array) -> Array:
    """Return a state that is the volume already."""
    return state


def _blend(state: Array, patch: Array, place: Place) -> Array:
    """Return means with a patch brought in: each changes by its distance to the patch over `d` (see `places`)."""
    xp = _array.library(state)
    if place.divisor is not None:
        divisor = _array.moved(place.divisor, state)
        divisor = xp.reshape(divisor, (*divisor.shape, *(1,) * (patch.ndim - divisor.ndim)))
        return _array.update_block(state, place.start, partial(_toward, xp), patch, divisor)
    first, *others = [_array.moved(line, state) for line in place.lines]
    base, slopes = _planes(xp, first.shape[0] - 1, others, patch[0, ...])
    for low, high, rises in _steps(place.lines[0], state):
        bring = partial(_toward, xp, divisor=_divisor(base, slopes, rises))
        state = _array.update_block(state, (place.start[0] + low, *place.start[1:]), bring, patch[low:high, ...])
        if high == patch.shape[0]:
            return state
    rises = [xp.reshape(first[row, ...], (-1, *(1,) * (patch.ndim - 1))) for row in (0, *range(2, first.shape[0]))]

    def vary(block: Array, part: Array, *rises: Array) -> Array:
        return _toward(xp, block, part, _divisor(base, slopes, rises))

    return _array.update_block(state, place.start, vary, patch, *rises)


def _steps(line: Array, state: Array) -> list[tuple[int, int, list[float]]]:
    """Return the ranges over which the first axis' lines are constant and their values; none where those are many.

    They are few without a window; `d` is then computed once for many planes that are worked on in turn.
    """
    if not (_array.is_numpy(line) and _array.on_host(state)):
        return []
    size = line.shape[1]
    cuts = [0, *(np.flatnonzero((np.diff(line) != 0).any(axis=0)) + 1).tolist(), size]
    if len(cuts) > 1 + max(1, size // 8):
        return []
    return [(low, high, [float(line[row, low]) for row in (0, *range(2, len(line)))]) for low, high in pairwise(cuts)]


def _divisor(base: Any, slopes: list[Any], rises: Sequence[Any]) -> Any:
    """Return `d` of planes."""
    divisor = base + rises[0] * slopes[0]
    for rise, slope in zip(rises[1:], slopes[1:], strict=True):
        divisor += rise * slope
    return divisor


def _planes(xp: Any, count: int, lines: list[Array], plane: Array) -> tuple[Any, list[Any]]:
    """Return `d` on every plane as a base, and slopes for `count` lines of the first axis."""
    below: Any = 0.0
    slopes: list[Any] = [1.0] * count
    for axis, line in enumerate(lines):
        shape = (*(1,) * axis, -1, *(1,) * (plane.ndim - axis - 1))
        before, *rows = (xp.reshape(line[row, ...], shape) for row in range(line.shape[0]))
        below = before + rows[0] * below
        slopes = [row * slope for row, slope in zip(rows, slopes, strict=True)]
    base = 1 + below
    return (_array.spread(base, plane), [_array.spread(slope, plane) for slope in slopes]) if lines else (base, slopes)


def _toward(xp: Any, block: Array, part: Array, divisor: Array) -> Array:
    """Return means, moved towards new values."""
    step = xp.astype(part, block.dtype, copy=False) - block
    step /= divisor
    step += block
    return step


def _sum(state: Array, patch: Array, place: Place) -> Array:
    """Return sums with a patch added, promoted first."""
    xp = _array.library(state)
    return _array.update_block(
        state, place.start, lambda block, part: block + xp.astype(part, block.dtype, copy=False), patch
    )


def _write(state: Array, patch: Array, place: Place) -> Array:
    """Return a volume with a patch written over what was there."""
    return _array.set_block(state, place.start, patch)


def _raise(state: Array, patch: Array, place: Place) -> Array:
    """Return a volume with the larger of its own values and those of a patch."""
    return _array.update_block(state, place.start, _array.library(state).maximum, patch)


class Votes(NamedTuple):
    """For every label that was predicted, the number of patches that did; the shape and a patch, for more of them."""

    ballots: dict[int, Array]
    shape: Shape
    patch: Array


def _no_votes(patch: Array, shape: Shape) -> Votes:
    """Return the state of a vote before the first patch."""
    if _array.dtype_kind(patch) != "integer":
        _check.invalid_kind("vote", "patches", "hold integer labels", f"dtype {patch.dtype}")
    if _array.is_traced(patch):
        _check.invalid_kind("vote", "patches", "be concrete; reduce one-hot labels with `total` under jit", "a tracer")
    return Votes({}, shape, patch)


def _cast(state: Votes, patch: Array, place: Place) -> Votes:
    """Return votes with those of a patch."""
    xp = _array.library(patch)
    ballots = dict(state.ballots)
    for label in np.unique(_array.to_numpy(patch)).tolist():
        count = ballots[label] if label in ballots else _array.zeros(xp, state.shape, xp.int32, patch)
        ballots[label] = _array.reuse(_sum, count, patch == label, place)
    return state._replace(ballots=ballots)


def _elect(state: Votes) -> Array:
    """Return the label with the most votes; of equal ones the smallest."""
    labels = sorted(state.ballots)
    best = state.ballots[labels[0]]
    xp = _array.library(best)
    winner = _zeros(state.patch, state.shape) + labels[0]
    for label in labels[1:]:
        winner = xp.where(state.ballots[label] > best, xp.full_like(winner, label), winner)
        best = xp.maximum(best, state.ballots[label])
    return winner


mean = Reduction(name="mean", start=_sums, add=partial(_array.reuse, _blend), finish=_itself, weighted=True)
"""The mean of all predictions of a voxel, weighted by the window; not a number where infinite ones meet."""

total = Reduction(name="total", start=_sums, add=partial(_array.reuse, _sum), finish=_itself)
"""The sum of all predictions of a voxel."""

last = Reduction(name="last", start=_zeros, add=partial(_array.reuse, _write), finish=_itself)
"""The prediction that came last."""

maximum = Reduction(name="maximum", start=_lowest, add=partial(_array.reuse, _raise), finish=_itself)
"""The largest prediction of a voxel."""

vote = Reduction(name="vote", start=_no_votes, add=_cast, finish=_elect)
"""The integer label that most predictions of a voxel have; of equally frequent ones the smallest."""
