"""How the predictions of a voxel become one value: reductions are records of three functions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.placement import Placement
from mia_functional.assembly.running_mean import add_to_mean, broadcast_channels
from mia_functional.typing import Array, Namespace, Shape

__all__ = ["Reduction", "State", "check_reduction", "last", "maximum", "mean", "total", "vote"]

State: TypeAlias = Any
"""What a reduction keeps of the patches so far: an array, or whatever its functions agree on."""

_MOST_VOTES = 2**15 - 1
"""Votes that are counted for a label, the largest int16; further ones change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reduction:
    """How the predictions of a voxel become one value.

    Args:
        name: For messages and displays.
        start: `start(patch, shape) -> state`, from the first patch and the shape of the volume, channels included.
        add: `add(state, patch, placement) -> state` adds one patch at `placement.start`; the patch has an axis for
            each of the volume; the state is its own to change.
        finish: `finish(state) -> volume`.
        weighted: Whether the window matters.
        ordered: Whether the order of the patches matters; `placement.newest` then says where a patch is the latest.
        extra_axes: Axes of the state behind those of the volume.
    """

    name: str
    start: Callable[[Array, Shape], State]
    add: Callable[[State, Array, Placement], State]
    finish: Callable[[State], Array]
    weighted: bool = False
    ordered: bool = False
    extra_axes: int = 0

    def __repr__(self) -> str:
        """Return the name: as a default in `help(assemble)`, all fields would take several lines."""
        return self.name


def check_reduction(function: str, reduction: Reduction) -> None:
    """Raise unless an argument is a reduction."""
    checks.require_instance(function, "reduction", reduction, Reduction, "a Reduction such as `mean` or `vote(labels)`")
    checks.booleans(function, weighted=reduction.weighted, ordered=reduction.ordered)


def _start_sums(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of sums."""
    if _array.dtype_kind(patch) in ("complex", "other"):
        checks.invalid_kind("start", "patch", "hold real numbers", f"dtype {patch.dtype}")
    # Small floats stop counting early (float16 at 2048) and integers have no fractions: both are summed in float32.
    return _array.zeros(_array.array_namespace(patch), shape, _array.accumulator_dtype(patch), patch)


def _start_zeros(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of the patch."""
    return _array.zeros(_array.array_namespace(patch), shape, patch.dtype, patch)


def _start_lowest(patch: Array, shape: Shape) -> Array:
    """Return the smallest value of the dtype everywhere."""
    kind = _array.dtype_kind(patch)
    if kind not in ("float", "integer"):
        checks.invalid_kind("start", "patch", "hold real numbers", f"dtype {patch.dtype}")
    volume = _start_zeros(patch, shape)
    volume += -math.inf if kind == "float" else _array.integer_range(patch)[0]
    return volume


def _same(state: Array) -> Array:
    """Return a state that is the volume already."""
    return state


def _add_values(xp: Namespace, block: Array, values: Array) -> Array:
    """Return a block with values added in place, promoted first."""
    block += xp.astype(values, block.dtype, copy=False)
    return block


def _add_to_sums(state: Array, patch: Array, placement: Placement) -> Array:
    """Return sums with a patch added."""
    return _array.update_block(state, placement.start, partial(_add_values, _array.array_namespace(state)), patch)


def _overwrite(state: Array, patch: Array, placement: Placement) -> Array:
    """Return a volume with a patch written over what was there, except where that comes later."""
    if placement.newest is None:
        return _array.set_block(state, placement.start, patch)
    xp, start = _array.array_namespace(state), placement.start
    newest = xp.astype(broadcast_channels(placement.newest, patch, state), xp.bool)
    return _array.update_block(state, start, lambda old, new, newest: xp.where(newest, new, old), patch, newest)


def _add_to_maximum(state: Array, patch: Array, placement: Placement) -> Array:
    """Return a volume with the larger of its own values and those of a patch."""
    return _array.update_block(state, placement.start, _array.array_namespace(state).maximum, patch)


def _start_votes(labels: tuple[int, ...], patch: Array, shape: Shape) -> Array:
    """Return a count of zero for every voxel and label."""
    xp = _array.array_namespace(patch)
    if _array.dtype_kind(patch) != "integer":
        checks.invalid_kind("start", "patch", "hold integer labels", f"dtype {patch.dtype}")
    low, high = _array.integer_range(patch)
    if any(not low <= label <= high for label in labels):
        checks.invalid_value("vote", "labels", f"be numbers that patches of {patch.dtype} can hold", labels)
    return _array.zeros(xp, (*shape, len(labels)), xp.int16, patch)


def _add_votes(labels: tuple[int, ...], state: Array, patch: Array, placement: Placement) -> Array:
    """Return counts with the votes of a patch; raise for other labels where values can be looked at."""
    xp = _array.array_namespace(patch)
    votes = xp.stack([patch == label for label in labels], axis=-1)
    if _array.is_known_true(lambda chosen: ~xp.all(xp.any(chosen, axis=-1)), votes):
        others = sorted(set(np.unique(_array.to_numpy(patch)).tolist()).difference(labels))
        checks.invalid_value("add", "patch", f"hold only the labels {labels}", others)
    # Only the count is compiled, with the memory of the state: a compiled program could not check the labels.
    return _array.jit_call_donating(_count_votes, state, votes, placement)


def _count_votes(state: Array, votes: Array, placement: Placement) -> Array:
    """Return counts with votes added, up to the largest that the dtype holds."""
    start, add = placement.start, partial(_add_values, _array.array_namespace(state))
    return _array.update_block(state, start, lambda counts, new: add(counts, new & (counts < _MOST_VOTES)), votes)


def _elect(labels: tuple[int, ...], state: Array) -> Array:
    """Return the label with the most votes; of equal ones the first."""
    xp = _array.array_namespace(state)
    most = state[..., 0]
    winner = xp.full_like(most, labels[0], dtype=xp.int32)
    # Label by label: `argmax` and a look-up would hold a position of 8 bytes for every voxel in NumPy.
    for number, label in enumerate(labels[1:], start=1):
        count = state[..., number]
        winner = xp.where(count > most, xp.full_like(winner, label), winner)
        most = xp.maximum(most, count)
    return winner


_donating = partial(partial, _array.jit_call_donating)
"""Makes of a function a program of JAX that gives the memory of the old state to the new one."""


mean = Reduction(name="mean", start=_start_sums, add=_donating(add_to_mean), finish=_same, weighted=True)
"""The mean of all predictions of a voxel, weighted by the window; not a number where infinite ones meet."""

total = Reduction(name="total", start=_start_sums, add=_donating(_add_to_sums), finish=_same)
"""The sum of all predictions of a voxel."""

last = Reduction(name="last", start=_start_zeros, add=_donating(_overwrite), finish=_same, ordered=True)
"""The prediction that comes last in the order of the indices."""

maximum = Reduction(name="maximum", start=_start_lowest, add=_donating(_add_to_maximum), finish=_same)
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
        ValueError: There are no labels, some are equal or too large, or patches hold others.

    Example:
        >>> vote((0, 1)).name
        'vote'
    """
    distinct = checks.integer_tuple("vote", "labels", labels, minimum=-(2**31))
    if not distinct or len(set(distinct)) < len(distinct) or max(distinct) >= 2**31:
        checks.invalid_value("vote", "labels", "be different whole numbers of at most 32 bits", distinct)
    # `torch.compile` warns of caches.
    return (_vote_for if _array.in_bytecode() else _kept_vote)(distinct)


def _vote_for(labels: tuple[int, ...]) -> Reduction:
    """Return the reduction for some labels."""
    start, add, finish = partial(_start_votes, labels), partial(_add_votes, labels), partial(_elect, labels)
    return Reduction(name="vote", start=start, add=add, finish=finish, extra_axes=1)


_kept_vote = lru_cache(maxsize=32)(_vote_for)
"""The same reduction again for the same labels, so that programs made with it are found again."""
