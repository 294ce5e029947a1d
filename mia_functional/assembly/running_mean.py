"""The running mean: how a patch changes the mean of the patches before it.

The mean of a voxel is kept up to date: patch k changes it by `(p_k - mean) / d_k`, with
`d_k = 1 + (w_1 + ... + w_(k-1)) / w_k`. What all patches agree on stays as it is to the last bit, nothing has to be
divided at the end, and there is no volume of weights: for a grid, whose windows are products over the axes, `d_k` is
made of two lines per axis (`Placement.lines`).
"""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import numpy as np

from mia_functional import _array
from mia_functional.assembly.placement import Placement
from mia_functional.typing import Array, Namespace

__all__ = ["add_by_lines", "add_to_mean", "broadcast_channels", "constant_divisor", "mean_divisor", "move_toward"]


def mean_divisor(before: Array, earlier: Iterable[Array], faster: Iterable[Iterable[Array]]) -> Array:
    """Return `d`, by which the step of a mean towards a patch is divided, from the patch's lines.

    Args:
        before: Along the slowest axis: the weight of the patches before it, over its own.
        earlier: Along the slowest axis, for every grid before: the weight of all its patches, over the patch's own.
        faster: For each further axis, the slowest first: the weight of the patches before it and of all of its grid,
            then as many of earlier grids; each over the patch's own, and broadcast against the others.
    """
    # Horner's scheme. Before a patch come those that differ from it on a slower axis, with any step on this one
    # (`everything * before`), and those that are the same on all slower axes and come earlier on this one (`ahead`).
    # Of grids before, all patches come earlier: their weight is a plain product.
    #
    # The law that this form exists for: the mean moves by `(patch - mean) / d`, which is exactly 0 where the two
    # agree, however `d` is rounded. So what all patches agree on stays to the last bit, which sums of products of
    # weights, divided by the sum of the weights, do not give.
    for ahead, everything, *products in faster:
        before = ahead + everything * before
        earlier = [product * line for product, line in zip(earlier, products, strict=True)]
    divisor = 1 + before
    for product in earlier:
        divisor = divisor + product
    return divisor


def move_toward(xp: Namespace, means: Array, patch: Array, divisor: Array | float) -> Array:
    """Return means, moved towards a patch; they may be changed in place."""
    step = xp.astype(patch, means.dtype, copy=False) - means
    step /= divisor
    means += step
    return means


def add_to_mean(state: Array, patch: Array, placement: Placement) -> Array:
    """Return means with a patch added, which moves each towards its own values."""
    xp, start = _array.array_namespace(state), placement.start
    move = partial(move_toward, xp)
    if placement.divisor is not None:
        return _array.update_block(state, start, move, patch, broadcast_channels(placement.divisor, patch, state))
    constant = constant_divisor(placement.lines)
    if constant == 1:
        # The mean of a single patch is that patch: one pass over memory, where a blend takes several.
        return _array.set_block(state, start, xp.astype(patch, state.dtype, copy=False))
    if constant:
        return _array.update_block(state, start, partial(move, divisor=constant), patch)
    return add_by_lines(state, patch, placement)


def add_by_lines(state: Array, patch: Array, placement: Placement) -> Array:
    """Return means with a patch of a grid added, of which `d` is computed from its lines, in the dtype of the means.

    A part of a patch goes this way if the patch does: where `d` happens to be one number in the part, it is rounded
    like everywhere.
    """
    xp, start = _array.array_namespace(state), placement.start
    move = partial(move_toward, xp)
    # Before it meets the channels, `d` is written out in the shape of a plane: on the host, operations on rows of few
    # channels that broadcast take several times as long.
    first, *others = [_array.asarray_like(line, state) for line in placement.lines]
    base, *slopes = _divisor_on_planes(others, first.shape[0] - 1, patch.ndim, state)
    if not _array.is_jax(base):
        # JAX fuses the broadcast with what follows. Elsewhere each of several operations would repeat it, slowly.
        plane = xp.zeros_like(patch[:1, ...], dtype=base.dtype)
        base, *slopes = (plane + term for term in (base, *slopes))
    rows = (0, *range(2, first.shape[0]))
    ranges = _constant_ranges(placement.lines[0]) if _array.in_host_memory(state) else []
    for low, high in ranges:
        divisor = _divisor(base, *slopes, *(first[row, low] for row in rows))
        corner = (start[0] + low, *start[1:])
        state = _array.update_block(state, corner, move, patch[low:high, ...], divisor)
    if ranges:
        return state
    entries = [xp.reshape(first[row, ...], (-1, *(1,) * (patch.ndim - 1))) for row in rows]
    terms = (base, *slopes, *entries)
    return _array.update_block(state, start, lambda old, new, *terms: move(old, new, _divisor(*terms)), patch, *terms)


def constant_divisor(lines: tuple[Array, ...]) -> float:
    """Return `d` if it is known to be the same for the whole patch, as it is for slices; else 0."""
    host = [_array.to_numpy(line) for line in lines if _array.is_numpy(line)]
    if len(host) < len(lines) or any((line != line[:, :1]).any() for line in host):
        return 0.0
    first, *others = [line[:, 0] for line in host]
    return float(mean_divisor(first[0], first[2:], others))


def _divisor_on_planes(others: list[Array], count: int, ndim: int, state: Array) -> list[Array]:
    """Return `d` on a plane, without patches before on the first axis, and its slope for `count` entries of that axis.

    `d` is affine in what the lines of the first axis say, so all that changes from plane to plane is
    `base + sum(entry * slope)`.
    """
    xp = _array.array_namespace(state)
    nothing = _array.zeros(xp, (1,) * ndim, state.dtype, state)
    slopes, axes = [nothing + 1] * count, []
    for axis, line in enumerate(others, start=1):
        shape = (*(1,) * axis, -1, *(1,) * (ndim - axis - 1))
        ahead, *factors = (xp.reshape(line[row, ...], shape) for row in range(line.shape[0]))
        slopes = [factor * slope for factor, slope in zip(factors, slopes, strict=True)]
        axes.append((ahead, factors[0]))
    return [mean_divisor(nothing, (), axes), *slopes]


def _divisor(base: Array, *terms: Array) -> Array:
    """Return `d` where the lines of the first axis have some entries: `terms` are all slopes, then their entries."""
    count = len(terms) // 2
    divisor = base + terms[count] * terms[0]
    for slope, entry in zip(terms[1:count], terms[count + 1 :], strict=True):
        divisor += entry * slope
    return divisor


def _constant_ranges(line: Array) -> list[tuple[int, int]]:
    """Return the ranges over which the first axis' lines are constant; none where those are many.

    They are few without a window: `d` is then computed once for many planes that are worked on in turn.
    """
    if not _array.is_numpy(line):
        return []
    changes = np.flatnonzero((np.diff(_array.to_numpy(line)) != 0).any(axis=0)) + 1
    few = len(changes) < max(1, line.shape[1] // 8)
    return list(pairwise([0, *changes.tolist(), line.shape[1]])) if few else []


def broadcast_channels(values: Array, patch: Array, state: Array) -> Array:
    """Return a value for every voxel in the library and dtype of a state, with all axes of a patch."""
    own = _array.asarray_like(values, state)
    return _array.array_namespace(state).reshape(own, (*own.shape, *(1,) * (patch.ndim - own.ndim)))
