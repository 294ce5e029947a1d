"""Values between voxels: an interpolation says which voxels along an axis count, and how much; nothing else.

Coordinates are in voxels: 0 is the centre of the first voxel. Within half a voxel of the outermost centres the edge is
repeated, since a voxel reaches that far; what lies farther out is outside. Half a voxel belongs to what follows: before
the first centre it is inside, behind the last one outside, and between two centres the later is the nearest. That is
ITK's rule. What misses half a voxel by 0.0001 or less counts as half, as coordinates are rounded: those of float64 and
of float32 (at voxel 1000 by 0.00003) in different directions, where images and labels of one sample have to agree.
Values come back in the dtype of the array: between integers they are rounded and clipped to it.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from typing import TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray

__all__ = [
    "TOLERANCE",
    "Interpolation",
    "Taps",
    "interpolate",
    "interpolate_axes",
    "interpolate_in_turn",
    "linear",
    "nearest",
    "open_grid",
    "restore_values",
    "rule_and_values",
    "taps_of_lines",
]

Taps: TypeAlias = tuple[tuple[Array, Array | None], ...]
"""Voxels along an axis (integer positions) and the weight of each; None for a single voxel of weight 1."""

Interpolation: TypeAlias = Callable[[Array, int], Taps]
"""From coordinates along an axis (floats) and the size of the axis: taps, all within the axis."""

_EXACT_IN_FLOAT32 = 1 << 24
"""Up to here single precision holds all whole numbers."""

TOLERANCE = 1e-4
"""Voxels by which a coordinate may miss half a voxel and still be taken for it, the same for all dtypes."""


def nearest(coordinates: Array, size: int) -> Taps:
    """Take the nearest voxel, of two equally near ones the later: the only way for labels.

    Args:
        coordinates: Floats of any shape.
        size: Voxels along the axis.

    Example:
        >>> import numpy as np
        >>> nearest(np.array([-3.0, 0.4, 0.5, 9.0]), 3)[0][0].tolist()
        [0, 0, 1, 2]
    """
    xp = _array.array_namespace(coordinates)
    # Not `round`, which takes halves to even numbers: every second voxel would win.
    later = xp.floor(coordinates + (0.5 + TOLERANCE))
    return ((xp.astype(_array.clip_to(later, 0, size - 1), _array.index_dtype(xp)), None),)


def linear(coordinates: Array, size: int) -> Taps:
    """Weigh the two voxels around a point by how near they are.

    Args:
        coordinates: Floats of any shape.
        size: Voxels along the axis.

    Example:
        >>> import numpy as np
        >>> [(voxel.tolist(), weight.tolist()) for voxel, weight in linear(np.array([0.25, 7.0]), 3)]
        [([0, 1], [0.75, 0.0]), ([1, 2], [0.25, 1.0])]
    """
    xp = _array.array_namespace(coordinates)
    # Clipping the coordinates repeats the edge: that is the value within the outer half of the border voxels.
    inside = _array.clip_to(coordinates, 0, size - 1)
    low = _array.clip_to(xp.floor(inside), 0, max(size - 2, 0))
    fraction = inside - low
    first = xp.astype(low, _array.index_dtype(xp))
    # An axis of one voxel has no second one: both taps are the same.
    return ((first, 1 - fraction), (_array.clip_to(first + 1, 0, size - 1), fraction))


def rule_and_values(function: str, array: Array, interpolation: Interpolation | None) -> tuple[Interpolation, Array]:
    """Return how an array is interpolated, by default linearly for floats and nearest for all else, and its values.

    What is not taken from the nearest voxel becomes floats, in the dtype of sums: weights of half precision would be
    too coarse, and float32 for integers of 32 bits or more.
    """
    kind = _array.dtype_kind(array)
    if kind == "other":
        checks.invalid_kind(function, "array", "hold numbers that are computed with", f"dtype {array.dtype}")
    if interpolation is not None:
        checks.require_callable(function, "interpolation", interpolation, "`linear` or `nearest`")
    is_float = kind == "float"
    rule = interpolation or (linear if is_float else nearest)
    if rule is nearest and not is_float:
        return rule, array
    xp = _array.array_namespace(array)
    is_wide = kind == "integer" and max(map(abs, _array.integer_range(array))) > _EXACT_IN_FLOAT32
    dtype = _array.widest_float(xp, array) if is_wide else _array.accumulator_dtype(array)
    return rule, xp.astype(array, dtype, copy=False)


def restore_values(values: Array, array: Array) -> Array:
    """Return interpolated values in the dtype of an array: for integers rounded, halves to even, and clipped."""
    kind = _array.dtype_kind(array)
    xp = _array.array_namespace(values)
    if kind != "float" and _array.dtype_kind(values) == "float":
        low, high = (0, 1) if kind == "bool" else _array.integer_range(array)
        # The largest number of 32 or 64 bits is rounded up as a float, which the conversion would wrap around.
        wide = np.float64 if values.dtype == xp.float64 else np.float32
        limit = wide(high)
        top = limit if int(limit) <= high else np.nextafter(limit, wide(0))
        values = _array.clip_to(xp.round(values), float(low), float(top))
    return xp.astype(values, array.dtype, copy=False)


def interpolate(rule: Interpolation, fill_value: float, array: Array, *coordinates: Array) -> Array:
    """Return the values of an array `(*spatial, ...)` at points, and `fill_value` outside.

    The points are given by one array of coordinates per spatial axis; these broadcast against each other.
    """
    xp = _array.array_namespace(array)
    result = _interpolate_inside(array, coordinates, rule)
    # NaN compares as neither, and is outside.
    within = (
        (line >= -0.5 - TOLERANCE) & (line < size - 0.5 - TOLERANCE)
        for line, size in zip(coordinates, array.shape, strict=False)
    )
    inside = reduce(operator.and_, within)
    inside = xp.reshape(inside, (*inside.shape, *(1,) * (array.ndim - len(coordinates))))
    return xp.where(inside, result, xp.full_like(result, fill_value))


def _interpolate_inside(array: Array, coordinates: Sequence[Array], rule: Interpolation) -> Array:
    """Return the values of an array at points, with its edge repeated outside."""
    is_finite = _is_known_finite(array)
    sampled = _array.grid_sample(array, coordinates) if rule is linear and is_finite else None
    if sampled is not None:
        return sampled
    xp = _array.array_namespace(array)
    count = len(coordinates)
    shape, channels = array.shape[:count], array.shape[count:]
    # One `take` from the flattened volume is what every library has, traced as well. Positions are summed axis by axis,
    # so that those of outer axes stay small until the inner ones broadcast them.
    flat = xp.reshape(array, (math.prod(shape), *channels))
    steps = [math.prod(shape[axis + 1 :]) for axis in range(count)]
    taps = [
        tuple((voxel * step, weight) for voxel, weight in rule(line, size))
        for line, size, step in zip(coordinates, shape, steps, strict=True)
    ]

    def gather(axis: int, position: Array) -> Array:
        if axis == count:
            voxels = _array.take(flat, xp.reshape(position, (-1,)), 0)
            return xp.reshape(voxels, (*position.shape, *channels))
        return _weigh(taps[axis], lambda voxel: gather(axis + 1, position + voxel), len(channels), is_finite=is_finite)

    return gather(0, _array.zeros(xp, (1,) * coordinates[0].ndim, _array.index_dtype(xp), array))


def interpolate_axes(array: Array, lines: Sequence[HostArray], rule: Interpolation) -> Array:
    """Return the values of an array on a grid that is neither turned nor bent: at a line of coordinates for each axis.

    It takes 2 taps per axis, one axis after the other, instead of 8 in all.
    """
    return _array.call_gathered(lambda array: interpolate_in_turn(array, taps_of_lines(array, lines, rule)), array)


def taps_of_lines(array: Array, lines: Sequence[HostArray], rule: Interpolation) -> list[Taps]:
    """Return the taps of a line of coordinates along each axis of an array."""
    xp = _array.array_namespace(array)
    wide = [line.astype(np.float64 if array.dtype == xp.float64 else np.float32) for line in lines]
    return [rule(_array.from_numpy(line, xp, array), size) for line, size in zip(wide, array.shape, strict=False)]


def interpolate_in_turn(array: Array, taps: Sequence[Taps]) -> Array:
    """Return the weighted sums of an array along one axis after the other, at the taps of each."""
    # Asked once, as it takes a pass and, on a GPU, waiting: weighted means of finite values are finite.
    is_finite = _is_known_finite(array)
    for axis, along in enumerate(taps):
        values_at = partial(_array.take, array, axis=axis)
        array = _weigh(along, values_at, array.ndim - axis - 1, is_finite=is_finite)
    return array


def _is_known_finite(array: Array) -> bool:
    """Return whether an array is known to hold neither NaN nor infinity."""
    if _array.dtype_kind(array) != "float":
        return True
    xp = _array.array_namespace(array)
    return _array.is_known_true(lambda values: xp.all(xp.isfinite(values)), array)


def _weigh(taps: Taps, values_at: Callable[[Array], Array], trailing: int, *, is_finite: bool) -> Array:
    """Return the weighted sum of the values at all taps; weights lack axes of the values, `trailing` behind."""

    def weighted(tap: tuple[Array, Array | None]) -> Array:
        voxel, weight = tap
        values = values_at(voxel)
        if weight is None:
            return values
        xp = _array.array_namespace(weight)
        leading = values.ndim - weight.ndim - trailing
        factor = xp.reshape(weight, (*(1,) * leading, *weight.shape, *(1,) * trailing))
        if leading and trailing and _array.is_numpy(factor):
            # NumPy would run over the channels of each voxel in a loop of their own.
            dense = np.broadcast_to(_array.to_numpy(factor), (*(1,) * leading, *values.shape[leading:]))
            factor = np.ascontiguousarray(dense)
        # 0 times NaN or infinity is NaN: an image on its own grid would lose the neighbours of such voxels. Finite
        # values are always multiplied, so that derivatives by the coordinates stay true where a weight is 0.
        return (values if is_finite else xp.where((factor == 0) & ~xp.isfinite(values), 0.0, values)) * factor

    return reduce(operator.add, map(weighted, taps))


def open_grid(lines: Iterable[HostArray], ndim: int, model: Array) -> list[Array]:
    """Return the coordinates along each axis as arrays of `ndim` axes that broadcast to the grid (open mesh).

    They have the library, the device and the dtype of `model`.
    """
    xp = _array.array_namespace(model)
    shaped = (line.reshape((1,) * axis + (-1,) + (1,) * (ndim - axis - 1)) for axis, line in enumerate(lines))
    return [xp.astype(_array.from_numpy(line, xp, model), model.dtype, copy=False) for line in shaped]
