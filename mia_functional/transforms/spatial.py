"""Which part of space a grid covers: crop, pad, and move the content.

An array is `(*spatial, channel)`, and positions count its leading axes in array order `(z, y, x)`; the channels always
stay whole. `crop`, `pad` and `crop_or_pad` take a `Geometry` in place of an array and give that of the result, so
`on(("images", "labels", "geometry"), crop_or_pad, shape=...)` keeps world coordinates true. The dtype stays.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.extraction import PAD_MODES, PadMode, constant, extract, require_integers
from mia_functional.geometry import Geometry, regrid
from mia_functional.typing import Array, Shape

FARTHEST = -(2**31)
"""The farthest that content moves back."""


def crop(target: Any, start: Any, shape: Shape) -> Any:
    """Cut out the box of `shape` that begins at `start`.

    Args:
        target: Array of any library, or a `Geometry`.
        start: First voxel along each axis: whole numbers, as a sequence or an array, which may be traced.
        shape: Voxels along each axis; static.

    Returns:
        Array `(*shape, ...)`, for NumPy a view; or the geometry of the box.

    Raises:
        TypeError: The start is not made of whole numbers.
        ValueError: There is not one start per axis, the box is larger than the image, or it reaches out of the image. A
            traced start cannot be looked at: it is moved inside.

    Example:
        >>> crop(np.arange(5), (1,), (3,)).tolist()
        [1, 2, 3]
    """
    size = checks.integer_tuple("crop", "shape", shape, minimum=1)
    start = _in_a_row(start)
    if _array.is_traced(start):
        _, (target, start) = _array.to_common_library("crop", target=target, start=start)
        _traced("crop", "start", start, len(size))
        if any(length > full for length, full in zip(size, _spatial("crop", target, len(size)), strict=True)):
            checks.invalid_value("crop", "shape", f"fit into {tuple(target.shape)}", size)
        return _array.take_block(target, [start[axis] for axis in range(len(size))], size)
    first = checks.integer_tuple("crop", "start", _concrete(start), length=len(size), minimum=0)
    for axis, (low, length, full) in enumerate(zip(first, size, _spatial("crop", target, len(size)), strict=True)):
        if low + length > full:
            checks.invalid_value("crop", "start, shape", f"stay below {full} on axis {axis}", f"{low} + {length}")
    return regrid(target, size, first) if isinstance(target, Geometry) else _array.take_block(target, first, size)


def pad(
    target: Any,
    widths: int | Sequence[int | tuple[int, int]],
    *,
    fill_value: float = 0,
    pad_mode: PadMode = constant,
) -> Any:
    """Add voxels around an image.

    Args:
        target: Array of any library, or a `Geometry`.
        widths: Voxels on both sides of all spatial axes; or for every axis a number or (before, after).
        fill_value: What to fill in, with `pad_mode=constant`; the dtype of the array has to hold it.
        pad_mode: `constant`, `edge` or `reflect` of `mia_functional.extraction`.

    Returns:
        The larger array or geometry.

    Raises:
        ValueError: A width is negative.

    Example:
        >>> pad(np.arange(3), ((1, 2),), fill_value=7).tolist()
        [7, 0, 1, 2, 7, 7]

    Agrees with:
        `numpy.pad`.
    """
    checks.require_shape("pad", "target", target)
    count = len(target.shape) - (not isinstance(target, Geometry))
    each = (widths,) * count if checks.is_integer(widths) else widths
    if not isinstance(each, Sequence):
        checks.invalid_kind("pad", "widths", "be a whole number, or one entry per axis", checks.describe(widths))
    pairs = [(entry, entry) if checks.is_integer(entry) else entry for entry in each]
    both = [checks.integer_tuple("pad", "widths", pair, length=2, minimum=0) for pair in pairs]
    sizes = _spatial("pad", target, len(both))
    shape = tuple(before + size + after for (before, after), size in zip(both, sizes, strict=True))
    return _window("pad", target, tuple(-before for before, _ in both), shape, fill_value, pad_mode)


def crop_or_pad(
    target: Any, shape: Sequence[int | None], *, fill_value: float = 0, pad_mode: PadMode = constant
) -> Any:
    """Bring an image to a shape: cut off or fill up on both sides of every axis alike (size correction, resize).

    Of an odd difference, one voxel more is cut off or filled up at the end.

    Args:
        target: Array of any library, or a `Geometry`.
        shape: Voxels along each axis; None leaves an axis as it is.
        fill_value: What to fill in, with `pad_mode=constant`; the dtype of the array has to hold it.
        pad_mode: `constant`, `edge` or `reflect` of `mia_functional.extraction`.

    Returns:
        Array `(*shape, ...)`, or the geometry of that shape.

    Example:
        >>> crop_or_pad(np.arange(5), (2,)).tolist(), crop_or_pad(np.arange(2), (5,), fill_value=9).tolist()
        ([1, 2], [9, 0, 1, 9, 9])
    """
    if not isinstance(shape, Sequence):
        checks.invalid_kind("crop_or_pad", "shape", "be a sequence with an entry per axis", checks.describe(shape))
    sizes = _spatial("crop_or_pad", target, len(shape))
    wanted = tuple(size if entry is None else entry for entry, size in zip(shape, sizes, strict=True))
    new = checks.integer_tuple("crop_or_pad", "shape", wanted, minimum=1)
    start = tuple(int((size - length) / 2) for size, length in zip(sizes, new, strict=True))
    return _window("crop_or_pad", target, start, new, fill_value, pad_mode)


def shift(array: Array, offset: Any, *, fill_value: float = 0, wrap: bool = False) -> Array:
    """Move the content of an image by whole voxels; the grid stays (translate, roll).

    `y[i] = x[i - offset]`.

    Args:
        array: Array `(*spatial, ...)` of any dtype.
        offset: Voxels along each leading axis: whole numbers, as a sequence or an array, which may be traced.
        fill_value: What comes in at the border; the dtype of the array has to hold it.
        wrap: Bring in what left at the opposite border instead.

    Returns:
        Array of the same shape and dtype.

    Raises:
        TypeError: The offset is not made of whole numbers.
        ValueError: There are more offsets than axes.

    Example:
        >>> shift(np.arange(4), (1,), fill_value=9).tolist(), shift(np.arange(4), (1,), wrap=True).tolist()
        ([9, 0, 1, 2], [3, 0, 1, 2])

    Agrees with:
        `numpy.roll` with `wrap`.
    """
    offset = _in_a_row(offset)
    steady = not _array.is_traced(offset)
    given = (
        np.asarray(checks.integer_tuple("shift", "offset", _concrete(offset), minimum=FARTHEST)) if steady else offset
    )
    xp, (array, steps) = _array.to_common_library("shift", array=array, offset=given)
    if not steady:
        _traced("shift", "offset", steps, steps.shape[0] if steps.ndim else 1)
    _array.check_fits_dtype("shift", "fill_value", fill_value, array)
    for axis, size in enumerate(_spatial("shift", array, steps.shape[0], argument="array")):
        places = _array.broadcast_along(xp, np.arange(size), 0, xp.empty_like(steps[:1])) - steps[axis]
        moved = xp.take(array, places % size, axis=axis)
        inside = xp.reshape((places >= 0) & (places < size), (-1, *(1,) * (array.ndim - axis - 1)))
        array = moved if wrap else xp.where(inside, moved, xp.full_like(moved, fill_value))
    return array


def _window(function: str, target: Any, start: Shape, shape: Shape, fill_value: float, pad_mode: PadMode) -> Any:
    """Return the box of a shape from a start on, which may reach outside; or its geometry."""
    checks.require_callable(function, "pad_mode", pad_mode, PAD_MODES)
    if isinstance(target, Geometry):
        return regrid(target, shape, start)
    _array.check_fits_dtype(function, "fill_value", fill_value, target)
    index = tuple(slice(low, low + length) for low, length in zip(start, shape, strict=True))
    return extract(target, index, fill_value=fill_value, pad_mode=pad_mode)


def _spatial(function: str, target: Any, count: int, *, argument: str = "target") -> Shape:
    """Return the first `count` sizes of an array or a geometry."""
    checks.require_shape(function, argument, target)
    if len(target.shape) < count or (isinstance(target, Geometry) and len(target.shape) != count):
        checks.invalid_value(function, argument, f"have {count} spatial axes", f"shape {tuple(target.shape)}")
    return tuple(target.shape[:count])


def _traced(function: str, argument: str, positions: Array, count: int) -> None:
    """Refuse positions that are not `count` whole numbers, as can be told of traced ones too."""
    require_integers(function, argument, positions)
    if tuple(positions.shape) != (count,):
        checks.invalid_value(
            function, argument, f"have {count} entries, one per axis", f"shape {tuple(positions.shape)}"
        )


def _in_a_row(positions: Any) -> Any:
    """Return positions of which some are traced as one array, anything else as it is."""
    traced = [entry for entry in positions if _array.is_traced(entry)] if isinstance(positions, Sequence) else []
    return _array.array_namespace(traced[0]).stack(list(positions)) if traced else positions


def _concrete(values: Any) -> Any:
    """Return the numbers of an array as Python's own, anything else as it is."""
    return _array.to_numpy(values).tolist() if hasattr(values, "shape") else values
