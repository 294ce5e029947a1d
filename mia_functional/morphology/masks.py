"""Shapes of masks: exact distances, borders and boxes.

All axes of a mask are spatial, one to three of them; `spacing[k]` is the distance between voxel centres along array
axis k in millimetres. A mask is boolean, or holds the integers 0 and 1.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask
from mia_functional.morphology.euclidean import METHODS, Method, euclidean_distances
from mia_functional.typing import Array, Spacing

__all__ = [
    "DIMENSIONS",
    "border",
    "bounding_box",
    "common_box",
    "distance_transform",
    "pad_mask",
    "spatial_mask",
]

DIMENSIONS = (1, 2, 3)
"""Numbers of axes that a mask may have."""


@_array.one_node
def distance_transform(mask: Array, *, spacing: Spacing, cap: float | None = None, method: Method = "auto") -> Array:
    """Return the distance of every voxel to the nearest voxel of a mask (exact Euclidean distance transform).

    `d(x) = min over y in mask of |x - y|`, with centres of voxels in millimetres: 0 on the mask itself, positive
    outside of it. The distance of the inside to the outside is that of the inverted mask.

    Args:
        mask: Mask of one to three axes (bool, or integers 0 and 1).
        spacing: Millimetres between voxel centres along each axis.
        cap: Distances above this many millimetres are given as inf; that saves time under `jit` and on a GPU.
        method: "auto" takes the fastest exact code for the array (CuPy's own where a mask padded to equal sides takes
            no more memory than our way); "host" computes with SciPy on the host, which a program under `jit` on the CPU
            calls back.

    Returns:
        Distances in millimetres, of the shape of the mask, in the widest floating dtype of the library.

    Undefined:
        The mask is empty: inf everywhere.

    Raises:
        TypeError: The mask is not an array, or neither boolean nor integer.
        ValueError: The mask has no axes or more than three, no voxels, or values besides 0 and 1; a spacing or the cap
            is not positive; the method is unknown.

    Example:
        >>> import numpy as np
        >>> distance_transform(np.array([[1, 0, 0], [0, 0, 0]]), spacing=(2.0, 1.5)).tolist()
        [[0.0, 1.5, 3.0], [2.0, 2.5, 3.605551275463989]]

    Source:
        P. F. Felzenszwalb and D. P. Huttenlocher, Distance transforms of sampled functions, 2012,
        doi 10.4086/toc.2012.v008a019.

    Agrees with:
        `scipy.ndimage.distance_transform_edt` of the inverted mask, which is wrong for an empty mask.
    """
    name = "distance_transform"
    mask = spatial_mask(name, mask)
    _array.require_in_memory(name, "mask", mask)
    step = checks.spacing(name, spacing, mask.ndim)
    limit = math.inf if cap is None else float(cap)
    if not limit > 0:
        checks.invalid_value(name, "cap", "be positive", cap)
    checks.one_of(name, "method", method, METHODS)
    return euclidean_distances(mask, step, cap=limit, method=method)


@_array.one_node
def border(mask: Array) -> Array:
    """Return the border voxels of a mask: those with a face neighbour outside of it (inner boundary).

    `border = mask minus erosion(mask)`, with the erosion by 2, 4 or 6 face neighbours in one, two or three
    dimensions. What lies beyond the image counts as outside.

    Args:
        mask: Mask of one to three axes (bool, or integers 0 and 1).

    Returns:
        Boolean array of the shape of the mask.

    Raises:
        TypeError: The mask is not an array, or neither boolean nor integer.
        ValueError: The mask has no axes or more than three, no voxels, or values besides 0 and 1.

    Example:
        >>> import numpy as np
        >>> border(np.ones((3, 4), dtype=bool)).astype(int).tolist()
        [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]

    Agrees with:
        `mask & ~scipy.ndimage.binary_erosion(mask)`.
    """
    mask = spatial_mask("border", mask)
    if _array.is_numpy(mask):
        return _border_on_host(_array.to_numpy(mask))
    return _array.call_gathered(_border_by_shifts, mask)


def _border_by_shifts(mask: Array) -> Array:
    """Return the border of a mask of any library, with static shapes."""
    xp = _array.array_namespace(mask)
    inner = mask
    for axis, size in enumerate(mask.shape):
        before = (slice(None),) * axis
        edge = xp.zeros_like(mask[(*before, slice(0, 1), ...)])
        above = xp.concat([mask[(*before, slice(1, size), ...)], edge], axis=axis)
        below = xp.concat([edge, mask[(*before, slice(0, size - 1), ...)]], axis=axis)
        inner = inner & above & below
    return mask & ~inner


def _border_on_host(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the border of a NumPy mask."""
    # One copy, changed in place, where shifted arrays would be two per axis. The views along one axis do not overlap
    # with what they are combined with: `lines` belongs to the copy, `source` to the mask.
    inner = mask.copy()
    for axis in range(mask.ndim):
        lines, source = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        lines[1:] &= source[:-1]
        lines[:-1] &= source[1:]
        lines[0] = lines[-1] = False
    return np.logical_xor(mask, inner, out=inner)


def pad_mask(mask: Array, width: int) -> Array:
    """Return a mask with `width` more voxels, all outside of it, at both ends of every axis."""
    xp = _array.array_namespace(mask)
    for axis in range(mask.ndim):
        margin = _array.zeros(xp, (*mask.shape[:axis], width, *mask.shape[axis + 1 :]), mask.dtype, mask)
        mask = xp.concat([margin, mask, margin], axis=axis)
    return mask


@_array.one_node
def bounding_box(mask: Array) -> tuple[slice, ...]:
    """Return the smallest box around a mask, as slices. The values are read on the host, so it does not trace.

    Args:
        mask: Mask of one to three axes (bool, or integers 0 and 1).

    Returns:
        One slice per axis, for use as `array[box]`; `slice(0, 0)` on every axis for an empty mask.

    Raises:
        TypeError: The mask is not an array, or neither boolean nor integer.
        ValueError: The mask has no axes or more than three, no voxels, or values besides 0 and 1.

    Example:
        >>> import numpy as np
        >>> bounding_box(np.array([[0, 0, 0, 0], [0, 1, 1, 0]]))
        (slice(1, 2, None), slice(1, 3, None))
    """
    return _box_on_host(_array.to_numpy(spatial_mask("bounding_box", mask)))


def _box_on_host(array: NDArray[Any]) -> tuple[slice, ...]:
    """Return the smallest box around the nonzero entries of a NumPy array of booleans or integers."""
    # Axes are reduced in the order of memory, slowest first, so that rows of any layout are read as they lie; what is
    # left of the array is cut to the box at each step, and gets smaller by an axis.
    order = np.argsort(array.strides, stable=True)[::-1].tolist()
    rest, box = array.transpose(order), [slice(0, 0)] * array.ndim
    for axis in order:
        planes = np.flatnonzero(np.bitwise_or.reduce(rest.reshape(rest.shape[0], -1), axis=1))
        if not planes.size:
            return (slice(0, 0),) * array.ndim
        box[axis] = slice(int(planes[0]), int(planes[-1]) + 1)
        rest = np.bitwise_or.reduce(rest[box[axis]], axis=0)
    return tuple(box)


def common_box(*arrays: NDArray[Any], margin: int = 0) -> tuple[slice, ...]:
    """Return the smallest box around the nonzero entries of NumPy arrays of one shape; one entry if there are none.

    Args:
        arrays: The arrays.
        margin: How many entries more the box has on every side, as far as there are any.
    """
    boxes = [box for box in map(_box_on_host, arrays) if box[0].stop > 0]
    if not boxes:
        return (slice(0, 1),) * arrays[0].ndim
    around = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*boxes, strict=True))
    return tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in around)


def spatial_mask(name: str, mask: Array) -> Array:
    """Return a mask of one to three axes as booleans."""
    _array.checked_namespace(name, mask=mask)
    checks.dimensions(name, "mask", mask.shape, DIMENSIONS)
    checks.not_empty(name, "mask", mask.shape)
    return binary_mask(name, "mask", mask)
