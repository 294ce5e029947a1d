"""Parts of an image that are cut out, swapped, enlarged, or taken from another image.

An array is `(*spatial, ...)` of any dtype, which stays; regions are boxes of voxels along the leading axes. Everything
traces under `jit`, with traced boxes; shapes of what is cut are static.
"""

import math
import operator
from collections.abc import Sequence
from functools import partial, reduce

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry, regrid
from mia_functional.transforms.arguments import (
    ArrayOrGeometry,
    Integers,
    Numbers,
    require_parameter_shape,
    require_valid,
    to_python,
    with_parameters,
)
from mia_functional.transforms.interpolation import (
    Interpolation,
    interpolate_in_turn,
    open_grid,
    restore_values,
    rule_and_values,
)
from mia_functional.typing import Array, Shape

__all__ = ["box_mask", "cutout", "resized_crop", "swap"]


def cutout(array: Array, start: Integers, size: Integers, *, fill_value: float = 0) -> Array:
    """Cover boxes of an image (random erasing, coarse dropout); what lies outside of the image does not count.

    Args:
        array: Array `(*spatial, ...)` of any dtype.
        start: First voxel of each box along each spatial axis, `(boxes, spatial)`, or of one box `(spatial,)`; may be
            traced.
        size: Voxels of each box along each axis, of the same shape; may be traced.
        fill_value: What is written there; the dtype of the array has to hold it.

    Returns:
        Array of the same shape and dtype.

    Raises:
        ValueError: The shapes do not fit.

    Example:
        >>> cutout(np.arange(6), [[1], [5]], [[2], [9]], fill_value=9).tolist()
        [0, 9, 9, 3, 4, 9]

    Source:
        DeVries and Taylor 2017, Improved regularization of convolutional neural networks with cutout, arXiv 1708.04552.
    """
    xp, array, (first, voxels) = with_parameters("cutout", array=array, start=start, size=size)
    _array.check_fits_dtype("cutout", "fill_value", fill_value, array)
    covered = box_mask("cutout", array, first, voxels)
    return xp.where(covered, xp.full_like(array, fill_value), array)


def box_mask(function: str, array: Array, start: Array, size: Array) -> Array:
    """Return where the voxels of an array lie in one of some boxes, as booleans that broadcast against it."""
    spatial = start.shape[-1] if start.ndim in (1, 2) else 0
    if not 1 <= spatial <= array.ndim:
        checks.invalid_value(function, "start", "have the shape (boxes, spatial axes)", tuple(start.shape))
    require_parameter_shape(function, "size", size, tuple(start.shape))
    xp = _array.array_namespace(start)
    boxes = [xp.reshape(entry, (-1, spatial)) for entry in (start, size)]
    grid = open_grid(map(np.arange, array.shape[:spatial]), array.ndim, start)

    def inside(number: int) -> Array:
        along = (
            (line >= boxes[0][number, axis]) & (line < boxes[0][number, axis] + boxes[1][number, axis])
            for axis, line in enumerate(grid)
        )
        return reduce(operator.and_, along)

    mask: Array = reduce(operator.or_, map(inside, range(boxes[0].shape[0])))
    return mask


def swap(array: Array, first: Integers, second: Integers, *, patch_shape: Shape) -> Array:
    """Exchange pairs of patches, one pair after the other: for networks that learn where parts belong.

    Args:
        array: Array `(*spatial, ...)` of any dtype.
        first: First voxel of one patch of each pair, `(pairs, spatial)`; may be traced.
        second: First voxel of the other patch, of the same shape; where both patches overlap, the first one wins.
        patch_shape: Voxels of a patch along each spatial axis; static.

    Returns:
        Array of the same shape and dtype.

    Raises:
        TypeError: The voxels are not whole numbers.
        ValueError: The shapes do not fit, or a patch reaches out of the image (a traced one is moved inside).

    Example:
        >>> swap(np.arange(6), [[0]], [[4]], patch_shape=(2,)).tolist()
        [4, 5, 2, 3, 0, 1]

    Source:
        Chen et al. 2019, Self-supervised learning for medical image analysis using image context restoration,
        doi 10.1016/j.media.2019.101539.
    """
    size = checks.integer_tuple("swap", "patch_shape", patch_shape, minimum=1)
    checks.require_shape("swap", "array", array)
    if len(size) > array.ndim or any(length > full for length, full in zip(size, array.shape, strict=False)):
        checks.invalid_value("swap", "patch_shape", f"fit into {tuple(array.shape)}", size)
    _array.checked_namespace("swap", array=array)
    _array.require_in_memory("swap", "array", array)
    pairs = [_patch_starts(name, entry, array, size) for name, entry in (("first", first), ("second", second))]
    if len(pairs[0]) != len(pairs[1]):
        checks.invalid_value("swap", "second", f"have {len(pairs[0])} entries, as `first`", len(pairs[1]))

    def exchange(own: Array, *starts: Array) -> Array:
        xp = _array.array_namespace(own)
        # `concat` copies in all libraries, and PyTorch records gradients through it.
        own = xp.concat([own], axis=0)
        rows = iter(starts)
        for one, other in zip(*([next(rows) if row is None else row for row in side] for side in known), strict=True):
            if unknown and _array.is_jax(own):
                own = _exchange_at_unknown(own, one, other, size)
                continue
            held, taken = (xp.concat([_array.take_block(own, begin, size)], axis=0) for begin in (one, other))
            own = _array.set_block(_array.set_block(own, other, held), one, taken)
        return own

    known = [[None if _array.is_unknown(row) else row for row in side] for side in pairs]
    unknown = [row for side in pairs for row in side if _array.is_unknown(row)]
    return _array.call_gathered(exchange, array, *unknown)


def _exchange_at_unknown(own: Array, one: Array | Shape, other: Array | Shape, size: Shape) -> Array:
    """Return an array with two patches exchanged, by where each voxel comes from; JAX only.

    Within `shard_map`, XLA for the CPU (JAX 0.10.2) gives wrong values where slices at traced starts that overlap are
    read and then written to (`findings/jax_shard_map_exchanged_slices.sh`).
    """
    xp, shape = _array.array_namespace(own), own.shape[: len(size)]
    flat = step = _array.zeros(xp, (1,) * len(size), _array.index_dtype(xp), own)
    in_one = in_other = flat == 0
    for axis, (length, full) in enumerate(zip(size, shape, strict=True)):
        # Of the library, as sizes may be symbols.
        line = xp.reshape(xp.arange(full, dtype=flat.dtype), (*(1,) * axis, full, *(1,) * (len(size) - axis - 1)))
        low, high = (xp.asarray(_array.clamp(start[axis], full - length), dtype=flat.dtype) for start in (one, other))
        in_one = in_one & (line >= low) & (line < low + length)
        in_other = in_other & (line >= high) & (line < high + length)
        stride = math.prod(shape[axis + 1 :])
        flat, step = flat + line * stride, step + (high - low) * stride
    position = xp.where(in_one, flat + step, xp.where(in_other, flat - step, flat))
    rows = xp.reshape(own, (-1, *own.shape[len(size) :]))
    return xp.reshape(_array.take(rows, xp.reshape(position, (-1,)), 0), own.shape)


def _patch_starts(argument: str, starts: Integers, array: Array, size: Shape) -> list[Array | Shape]:
    """Return the first voxels of patches: tuples of Python's numbers, or arrays where they are unknown."""
    if _array.is_unknown(starts):
        _array.require_integers("swap", argument, starts)
        if starts.ndim != 2 or starts.shape[1] != len(size):
            checks.invalid_value("swap", argument, f"have the shape (pairs, {len(size)})", tuple(starts.shape))
        return [starts[number, ...] for number in range(starts.shape[0])]
    rows = to_python("swap", argument, starts)
    if not isinstance(rows, Sequence):
        checks.invalid_kind("swap", argument, "be a sequence of first voxels", checks.describe(starts))
    result: list[Array | Shape] = []
    for row in rows:
        begin = checks.integer_tuple("swap", argument, row, length=len(size), minimum=0)
        for axis, (low, length, full) in enumerate(zip(begin, size, array.shape, strict=False)):
            if low + length > full:
                needed = f"begin patches that stay below {full} on axis {axis}"
                checks.invalid_value("swap", argument, needed, f"{low} + {length}")
        result.append(begin)
    return result


def resized_crop(
    array: ArrayOrGeometry, start: Numbers, size: Numbers, *, shape: Shape, interpolation: Interpolation | None = None
) -> ArrayOrGeometry:
    """Cut out a box whose borders need not lie between voxels, and resample it to a shape (crop and zoom).

    `y[i] = x(start + (i + 1 / 2) size / m - 1 / 2)` along each axis, for m voxels of the result: the box of `size`
    voxels from the border `start` on, where 0 is the border of the image.

    Args:
        array: Array `(*spatial, ...)` of any dtype, or a `Geometry`.
        start: Voxels before the box along each spatial axis; may be traced.
        size: Voxels of the box along each axis, positive; may be traced.
        shape: Voxels of the result along each axis; static.
        interpolation: `linear`, `nearest` or a function like them; by default linear for floats, else nearest.

    Returns:
        Array `(*shape, ...)` of the same dtype, or the geometry of that grid. Beyond the image its edge is
        repeated.

    Raises:
        ValueError: There is not one start and one size per axis, or a size is not positive.

    Example:
        >>> resized_crop(np.array([0.0, 2.0, 4.0, 6.0]), [1.0], [2.0], shape=(4,)).tolist()
        [1.5, 2.5, 3.5, 4.5]
    """
    new = checks.integer_tuple("resized_crop", "shape", shape, minimum=1)
    if isinstance(array, Geometry):
        given = (to_python("resized_crop", name, entry) for name, entry in (("start", start), ("size", size)))
        begin, extent = (checks.float_tuple("resized_crop", "start, size", entry) for entry in given)
        if not len(begin) == len(extent) == len(new) == len(array.shape) or min(extent) <= 0:
            checks.invalid_value("resized_crop", "size", "be positive, one per axis", extent)
        steps = [length / count for length, count in zip(extent, new, strict=True)]
        return regrid(array, new, [low + step / 2 - 0.5 for low, step in zip(begin, steps, strict=True)], factors=steps)
    _, array, (first, voxels) = with_parameters("resized_crop", array=array, start=start, size=size)
    if len(new) > array.ndim:
        checks.invalid_value("resized_crop", "shape", f"have at most {array.ndim} entries", new)
    checks.not_empty("resized_crop", "array", array.shape)
    for name, entry in (("start", first), ("size", voxels)):
        require_parameter_shape("resized_crop", name, entry, (len(new),))
    require_valid("resized_crop", "size", size, voxels, partial(operator.lt, 0), needed="be positive")
    rule, values = rule_and_values("resized_crop", array, interpolation)

    def resample_in_turn(values: Array, first: Array, voxels: Array) -> Array:
        lines = [
            _array.asarray_like((np.arange(count) + 0.5) / _array.whole_number(count), first) * voxels[axis]
            + (first[axis] - 0.5)
            for axis, count in enumerate(new)
        ]
        # Boxes are not turned: 2 taps per axis, one axis after the other, instead of 8 in all.
        taps = [rule(line, length) for line, length in zip(lines, values.shape, strict=False)]
        return interpolate_in_turn(values, taps)

    return restore_values(_array.call_gathered(resample_in_turn, values, first, voxels), array)
