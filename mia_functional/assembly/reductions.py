"""How the predictions of a voxel become one value: reductions are records of three functions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.placement import Placement
from mia_functional.typing import Array, Namespace, Shape

VOTES = 2**15 - 1
"""Votes that are counted for a label; further ones change nothing."""


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
        ordered: Whether the order of the patches matters; `place.newest` then says where a patch is the latest.
        extra_axes: Axes of the state behind those of the volume.
    """

    name: str
    start: Callable[[Array, Shape], Any]
    add: Callable[[Any, Array, Placement], Any]
    finish: Callable[[Any], Array]
    weighted: bool = False
    ordered: bool = False
    extra_axes: int = 0


def check_reduction(function: str, reduction: object) -> None:
    """Refuse what is no reduction."""
    if not isinstance(reduction, Reduction):
        needed = "be a Reduction such as `mean` or `vote(labels)`"
        checks.invalid_kind(function, "reduction", needed, checks.describe(reduction))


def _sums(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of sums."""
    if _array.dtype_kind(patch) in ("complex", "other"):
        checks.invalid_kind("assembly", "patches", "hold real numbers", f"dtype {patch.dtype}")
    return _array.zeros(_array.array_namespace(patch), shape, _array.accumulator_dtype(patch), patch)


def _zeros(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of the patch."""
    return _array.zeros(_array.array_namespace(patch), shape, patch.dtype, patch)


def _lowest(patch: Array, shape: Shape) -> Array:
    """Return the smallest value of the dtype everywhere."""
    kind = _array.dtype_kind(patch)
    if kind not in ("float", "integer"):
        checks.invalid_kind("maximum", "patches", "hold real numbers", f"dtype {patch.dtype}")
    low = -math.inf if kind == "float" else _array.array_namespace(patch).iinfo(patch.dtype).min
    volume = _zeros(patch, shape)
    volume += low
    return volume


def _itself(state: Array) -> Array:
    """Return a state that is the volume already."""
    return state


def _blend(state: Array, patch: Array, place: Placement) -> Array:
    """Return means with a patch brought in: each changes by its distance to the patch over `d` (see `places`)."""
    xp = _array.array_namespace(state)
    if place.divisor is not None:
        return _array.update_block(state, place.start, partial(toward, xp), patch, _beside(place.divisor, patch, state))
    even = _even(place.lines)
    if even == 1:
        return _array.set_block(state, place.start, xp.astype(patch, state.dtype, copy=False))
    if even:
        return _array.update_block(state, place.start, partial(toward, xp, divisor=even), patch)
    first, *others = [_array.asarray_like(line, state) for line in place.lines]
    nothing = _array.zeros(xp, (1,) * patch.ndim, state.dtype, state)
    base, *slopes = (
        _array.broadcast_like(part, patch[:1, ...]) for part in _planes(nothing, others, first.shape[0] - 1)
    )
    for low, high, rises in _steps(place.lines[0], state):
        part, begin = patch[low:high, ...], (place.start[0] + low, *place.start[1:])
        state = _array.update_block(state, begin, partial(toward, xp), part, _divisor(base, slopes, rises))
        if high == patch.shape[0]:
            return state
    rises = [xp.reshape(first[row, ...], (-1, *(1,) * (patch.ndim - 1))) for row in (0, *range(2, first.shape[0]))]
    count = len(rises)

    def vary(block: Array, part: Array, base: Array, *lines: Array) -> Array:
        return toward(xp, block, part, _divisor(base, lines[count:], lines[:count]))

    return _array.update_block(state, place.start, vary, patch, base, *rises, *slopes)


def _even(lines: tuple[Array, ...]) -> float:
    """Return `d` if it is known to be the same for the whole patch, as it is for slices; else 0."""
    if not all(_array.is_numpy(line) and (line == line[:, :1]).all() for line in lines):
        return 0.0
    below, others = 0.0, 1.0
    for line in lines:
        below = line[0, 0] + line[1, 0] * below
        others = others * line[2:, 0]
    return float(1 + below + np.sum(others))


def _beside(values: Array, patch: Array, state: Array) -> Array:
    """Return a value for every voxel in the library and dtype of a state, with all axes of a patch."""
    own = _array.asarray_like(values, state)
    return _array.array_namespace(state).reshape(own, (*own.shape, *(1,) * (patch.ndim - own.ndim)))


def _steps(line: Array, state: Array) -> list[tuple[int, int, list[float]]]:
    """Return the ranges over which the first axis' lines are constant and their values; none where those are many.

    They are few without a window; `d` is then computed once for many planes that are worked on in turn.
    """
    if not (_array.is_numpy(line) and _array.in_host_memory(state)):
        return []
    size = line.shape[1]
    cuts = [0, *(np.flatnonzero((np.diff(line) != 0).any(axis=0)) + 1).tolist(), size]
    if len(cuts) > 1 + max(1, size // 8):
        return []
    return [(low, high, [float(line[row, low]) for row in (0, *range(2, len(line)))]) for low, high in pairwise(cuts)]


def _divisor(base: Array, slopes: Sequence[Array], rises: Sequence[Any]) -> Array:
    """Return `d` of planes."""
    divisor = base + rises[0] * slopes[0]
    for rise, slope in zip(rises[1:], slopes[1:], strict=True):
        divisor += rise * slope
    return divisor


def _planes(nothing: Array, lines: list[Array], count: int) -> list[Array]:
    """Return `d` on a plane as a base, and slopes for `count` lines of the first axis."""
    xp = _array.array_namespace(nothing)
    below, slopes = nothing, [nothing + 1] * count
    for axis, line in enumerate(lines, start=1):
        shape = (*(1,) * axis, -1, *(1,) * (nothing.ndim - axis - 1))
        before, *rows = (xp.reshape(line[row, ...], shape) for row in range(line.shape[0]))
        below = before + rows[0] * below
        slopes = [row * slope for row, slope in zip(rows, slopes, strict=True)]
    return [1 + below, *slopes]


def toward(xp: Namespace, block: Array, part: Array, divisor: Array) -> Array:
    """Return means, moved towards new values."""
    step = xp.astype(part, block.dtype, copy=False) - block
    step /= divisor
    block += step
    return block


def _sum(state: Array, patch: Array, place: Placement) -> Array:
    """Return sums with a patch added, promoted first."""
    return _array.update_block(state, place.start, partial(_plus, _array.array_namespace(state)), patch)


def _plus(xp: Namespace, block: Array, part: Array) -> Array:
    """Return a block with a part added."""
    block += xp.astype(part, block.dtype, copy=False)
    return block


def _write(state: Array, patch: Array, place: Placement) -> Array:
    """Return a volume with a patch written over what was there, except where that comes later."""
    if place.newest is None:
        return _array.set_block(state, place.start, patch)
    xp = _array.array_namespace(state)
    newest = xp.astype(_beside(place.newest, patch, state), xp.bool)
    return _array.update_block(
        state, place.start, lambda block, part, newest: xp.where(newest, part, block), patch, newest
    )


def _raise(state: Array, patch: Array, place: Placement) -> Array:
    """Return a volume with the larger of its own values and those of a patch."""
    return _array.update_block(state, place.start, _array.array_namespace(state).maximum, patch)


def _no_votes(labels: tuple[int, ...], patch: Array, shape: Shape) -> Array:
    """Return a count of zero for every voxel and label."""
    xp = _array.array_namespace(patch)
    if _array.dtype_kind(patch) != "integer":
        checks.invalid_kind("vote", "patches", "hold integer labels", f"dtype {patch.dtype}")
    if any(not xp.iinfo(patch.dtype).min <= label <= xp.iinfo(patch.dtype).max for label in labels):
        checks.invalid_value("vote", "labels", f"be numbers that patches of {patch.dtype} can hold", labels)
    return _array.zeros(xp, (*shape, len(labels)), xp.int16, patch)


def _cast(labels: tuple[int, ...], state: Array, patch: Array, place: Placement) -> Array:
    """Return counts with the votes of a patch; refuse other labels where they can be seen."""
    xp = _array.array_namespace(patch)
    votes = xp.stack([patch == label for label in labels], axis=-1)
    if not _array.is_traced(patch) and not bool(xp.all(xp.any(votes, axis=-1))):
        others = sorted(set(np.unique(_array.to_numpy(patch)).tolist()).difference(labels))
        checks.invalid_value("vote", "patches", f"hold only the labels {labels}", others)
    return _array.jit_call_donating(_count, state, votes, place)


def _count(state: Array, votes: Array, place: Placement) -> Array:
    """Return counts with votes added."""
    xp = _array.array_namespace(state)
    return _array.update_block(state, place.start, lambda block, part: _plus(xp, block, part & (block < VOTES)), votes)


def _elect(labels: tuple[int, ...], state: Array) -> Array:
    """Return the label with the most votes; of equal ones the first."""
    xp = _array.array_namespace(state)
    best = state[..., 0]
    winner = xp.full_like(best, labels[0], dtype=xp.int32)
    for place, label in enumerate(labels[1:], start=1):
        count = state[..., place]
        winner = xp.where(count > best, xp.full_like(winner, label), winner)
        best = xp.maximum(best, count)
    return winner


mean = Reduction(name="mean", start=_sums, add=partial(_array.jit_call_donating, _blend), finish=_itself, weighted=True)
"""The mean of all predictions of a voxel, weighted by the window; not a number where infinite ones meet."""

total = Reduction(name="total", start=_sums, add=partial(_array.jit_call_donating, _sum), finish=_itself)
"""The sum of all predictions of a voxel."""

last = Reduction(name="last", start=_zeros, add=partial(_array.jit_call_donating, _write), finish=_itself, ordered=True)
"""The prediction that comes last in the order of the indices."""

maximum = Reduction(name="maximum", start=_lowest, add=partial(_array.jit_call_donating, _raise), finish=_itself)
"""The largest prediction of a voxel."""


def vote(labels: Sequence[int]) -> Reduction:
    """Return the reduction to the label that most predictions of a voxel have (majority vote).

    It counts in 2 bytes per voxel and label, up to 32,767 votes each.

    Args:
        labels: All labels that occur, different whole numbers of at most 32 bits; of equally frequent ones the first
            in this order wins. Under `jit`, where values cannot be looked at, other labels do not count.

    Returns:
        A reduction of integer patches, the same record for the same labels. Its volume has the dtype of the patches
        (from `finish` int32).

    Raises:
        ValueError: The labels are none, not different, too large, or others come.

    Example:
        >>> vote((0, 1)).name
        'vote'
    """
    chosen = checks.integer_tuple("vote", "labels", labels, minimum=-(2**31))
    if not chosen or len(set(chosen)) < len(chosen) or max(chosen) >= 2**31:
        checks.invalid_value("vote", "labels", "be different whole numbers of at most 32 bits", chosen)
    return _vote(chosen)


@lru_cache(maxsize=32)
def _vote(labels: tuple[int, ...]) -> Reduction:
    """Return the reduction for some labels; the same again, so that programs made with it are found again."""
    return Reduction(
        name="vote",
        start=partial(_no_votes, labels),
        add=partial(_cast, labels),
        finish=partial(_elect, labels),
        extra_axes=1,
    )
