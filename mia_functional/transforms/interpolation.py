"""Values between voxels: an interpolation says which voxels along an axis count, and how much; nothing else.

Places are given in voxels: 0 is the centre of the first voxel. Within half a voxel of the outermost centres the edge is
repeated, since a voxel reaches that far; what lies farther out is outside. That is ITK's rule.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms.arguments import known
from mia_functional.typing import Array

Taps: TypeAlias = tuple[tuple[Array, Array | None], ...]
"""Voxels along an axis (integer positions) and the weight of each; None where there is one of weight 1."""

Interpolation: TypeAlias = Callable[[Array, int], Taps]
"""From places along an axis (floats) and the size of the axis: taps, all within the axis."""


def nearest(places: Array, size: int) -> Taps:
    """Take the nearest voxel, of two equally near ones the later: the only way for labels.

    Args:
        places: Floats of any shape.
        size: Voxels along the axis.

    Example:
        >>> import numpy as np
        >>> nearest(np.array([-3.0, 0.4, 0.5, 9.0]), 3)[0][0].tolist()
        [0, 0, 1, 2]
    """
    xp = _array.array_namespace(places)
    return ((xp.astype(xp.clip(xp.floor(places + 0.5), 0, size - 1), _array.index_dtype(xp)), None),)


def linear(places: Array, size: int) -> Taps:
    """Weigh the two voxels around a place by how near they are.

    Args:
        places: Floats of any shape.
        size: Voxels along the axis.

    Example:
        >>> import numpy as np
        >>> [(voxel.tolist(), weight.tolist()) for voxel, weight in linear(np.array([0.25, 7.0]), 3)]
        [([0, 1], [0.75, 0.0]), ([1, 2], [0.25, 1.0])]
    """
    xp = _array.array_namespace(places)
    inside = xp.clip(places, 0, size - 1)
    low = xp.clip(xp.floor(inside), 0, max(size - 2, 0))
    part = inside - low
    first = xp.astype(low, _array.index_dtype(xp))
    return ((first, 1 - part), (xp.clip(first + 1, 0, size - 1), part))


def interpolation_of(function: str, array: Array, interpolation: Interpolation | None) -> Interpolation:
    """Return the interpolation of an array: linear for floats, nearest for labels, unless another one is allowed."""
    floating = _array.dtype_kind(array) == "float"
    if interpolation is None:
        return linear if floating else nearest
    checks.require_callable(function, "interpolation", interpolation, "`linear` or `nearest`")
    if not floating and interpolation is not nearest:
        needed = "hold floats, or be interpolated by `nearest` (cast an image first; take `one_hot` of labels)"
        checks.invalid_kind(function, "array", needed, f"dtype {array.dtype}")
    return interpolation


def sample(array: Array, places: Sequence[Array], interpolation: Interpolation) -> Array:
    """Return the values of an array `(*spatial, ...)` at places, one array per spatial axis, that broadcast."""
    xp = _array.array_namespace(array)
    count = len(places)
    shape = array.shape[:count]
    flat = xp.reshape(array, (-1, *array.shape[count:]))
    steps = [math.prod(shape[axis + 1 :]) for axis in range(count)]
    taps = [
        tuple((voxel * step, weight) for voxel, weight in interpolation(place, size))
        for place, size, step in zip(places, shape, steps, strict=True)
    ]

    finite = is_finite(array)

    def gather(axis: int, position: Any) -> Array:
        if axis == count:
            taken = xp.take(flat, xp.reshape(position, (-1,)), axis=0)
            return xp.reshape(taken, (*position.shape, *array.shape[count:]))
        return combine(taps[axis], lambda voxel: gather(axis + 1, position + voxel), array.ndim - count, finite=finite)

    return gather(0, _array.zeros(xp, (1,) * places[0].ndim, _array.index_dtype(xp), array))


def sample_axis(array: Array, places: Array, axis: int, interpolation: Interpolation) -> Array:
    """Return the values of an array at places along one axis."""
    xp = _array.array_namespace(array)
    taps = interpolation(places, array.shape[axis])
    return combine(taps, lambda voxel: xp.take(array, voxel, axis=axis), array.ndim - axis - 1, finite=is_finite(array))


def is_finite(array: Array) -> bool:
    """Tell whether an array is known to hold neither NaN nor infinity."""
    if _array.dtype_kind(array) != "float":
        return True
    xp = _array.array_namespace(array)
    return known(xp.all(xp.isfinite(array)))


def combine(taps: Taps, values: Callable[[Array], Array], trailing: int, *, finite: bool) -> Array:
    """Return the weighted sum of the values at all taps; the weights lack the `trailing` axes of the values.

    NaN and infinity count nothing where their weight is 0; `finite` tells that there are none. All else is multiplied,
    so that derivatives by the weights stay true.
    """
    result = None
    for voxel, weight in taps:
        part = values(voxel)
        if weight is not None:
            xp = _array.array_namespace(weight)
            factor = xp.reshape(weight, (*weight.shape, *(1,) * trailing))
            part = (part if finite else xp.where((factor == 0) & ~xp.isfinite(part), 0.0, part)) * factor
        result = part if result is None else result + part
    return result


def outside(places: Sequence[Array], shape: tuple[int, ...]) -> Array:
    """Return where places lie more than half a voxel beyond the outermost centres."""
    beyond = [(place < -0.5) | (place >= size - 0.5) for place, size in zip(places, shape, strict=True)]
    result = beyond[0]
    for part in beyond[1:]:
        result = result | part
    return result
