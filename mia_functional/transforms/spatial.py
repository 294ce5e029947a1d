"""Which part of space a grid covers: crop, pad, and move the content.

An array is `(*spatial, channel)`, and positions count its leading axes in array order `(z, y, x)`; the channels always
stay whole. `crop`, `pad` and `crop_or_pad` also take a `Geometry` in place of the array and return that of the result:
`on(("images", "labels", "geometry"), crop_or_pad, shape=...)` keeps world coordinates true. The dtype stays.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.extraction import PadMode, constant, dynamic_patch, extract
from mia_functional.geometry import Geometry, regrid
from mia_functional.transforms.arguments import ArrayOrGeometry, Integers, count_spatial, to_python
from mia_functional.typing import Array, Shape

__all__ = ["crop", "crop_or_pad", "pad", "shift"]


def crop(array: ArrayOrGeometry, start: Integers, shape: Shape) -> ArrayOrGeometry:
    """Cut out the box of `shape` that begins at `start`.

    Args:
        array: Array of any library, or a `Geometry`.
        start: First voxel along each axis: whole numbers, as a sequence or an array, which may be traced.
        shape: Voxels along each axis; static.

    Returns:
        Array `(*shape, ...)`, for NumPy a view; or the geometry of the box.

    Raises:
        TypeError: The start is not made of whole numbers.
        ValueError: There is not one start per axis, the box is larger than the image, or it reaches out of the image. A
            traced start cannot be looked at: it is moved inside, what is below 0 to 0, in every dtype of integers.

    Example:
        >>> crop(np.arange(5), (1,), (3,)).tolist()
        [1, 2, 3]
    """
    size = checks.integer_tuple("crop", "shape", shape, minimum=1)
    low = _whole_numbers("crop", "start", start, minimum=0, count=len(size))
    room = _leading_sizes("crop", array, len(size))
    if not isinstance(array, Geometry) and any(map(_array.is_unknown, low)):
        with checks.speaking_for("crop", "dynamic_patch", patch_shape="shape"):
            return dynamic_patch(array, low, size)
    low = [to_python("crop", "start", entry) for entry in low]
    for axis, (begin, length, full) in enumerate(zip(low, size, room, strict=True)):
        if begin + length > full:
            checks.invalid_value("crop", "start, shape", f"stay below {full} on axis {axis}", f"{begin} + {length}")
    return regrid(array, size, low) if isinstance(array, Geometry) else _array.take_block(array, low, size)


def pad(
    array: ArrayOrGeometry,
    widths: int | Sequence[int | tuple[int, int]],
    *,
    fill_value: float = 0,
    pad_mode: PadMode = constant,
    spatial_axes: int | None = None,
) -> ArrayOrGeometry:
    """Add voxels around an image.

    Args:
        array: Array of any library, or a `Geometry`.
        widths: Voxels on both sides of all spatial axes; or for every axis a number or (before, after).
        fill_value: What to fill in, with `pad_mode=constant`; the dtype of the array has to hold it.
        pad_mode: `constant`, `edge` or `reflect` of `mia_functional.extraction`.
        spatial_axes: How many axes of an array are spatial; by default all but the last. `on` hands over what the
            sample says.

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
    checks.require_shape("pad", "array", array)
    spatial = count_spatial("pad", array, spatial_axes)
    entries = (widths,) * spatial if checks.is_integer(widths) else widths
    if not isinstance(entries, Sequence):
        checks.invalid_kind("pad", "widths", "be a whole number, or one entry per axis", checks.describe(widths))
    pairs = [
        checks.integer_tuple("pad", "widths", (entry,) * 2 if checks.is_integer(entry) else entry, length=2, minimum=0)
        for entry in entries
    ]
    sizes = _leading_sizes("pad", array, len(pairs))
    shape = tuple(before + size + after for (before, after), size in zip(pairs, sizes, strict=True))
    return _extract_box("pad", array, tuple(-before for before, _ in pairs), shape, fill_value, pad_mode)


def crop_or_pad(
    array: ArrayOrGeometry,
    shape: Sequence[int | None],
    *,
    fill_value: float = 0,
    pad_mode: PadMode = constant,
    spatial_axes: int | None = None,
) -> ArrayOrGeometry:
    """Bring an image to a shape: cut off or fill up on both sides of every axis alike (size correction, resize).

    Of an odd difference, one voxel more is cut off or filled up at the end.

    Args:
        array: Array of any library, or a `Geometry`.
        shape: Voxels along every spatial axis, so that channels stay whole, or along all axes; None leaves an axis as
            it is.
        fill_value: What to fill in, with `pad_mode=constant`; the dtype of the array has to hold it.
        pad_mode: `constant`, `edge` or `reflect` of `mia_functional.extraction`.
        spatial_axes: How many axes of an array are spatial; by default all but the last. `on` hands over what the
            sample says.

    Returns:
        Array `(*shape, ...)`, or the geometry of that shape.

    Raises:
        ValueError: The shape has more or fewer entries: which axes the others would be, it does not say. (Of an array
            without channels and without `spatial_axes`, one entry too few leaves the last axis whole, as channels.)

    Example:
        >>> crop_or_pad(np.arange(5), (2,)).tolist(), crop_or_pad(np.arange(2), (5,), fill_value=9).tolist()
        ([1, 2], [9, 0, 1, 9, 9])
    """
    checks.require_instance("crop_or_pad", "shape", shape, Sequence, "a sequence with an entry per axis")
    sizes = _leading_sizes("crop_or_pad", array, len(shape))
    ndim, spatial = len(array.shape), count_spatial("crop_or_pad", array, spatial_axes)
    if len(shape) not in (spatial, ndim):
        needed = f"have {spatial} entries, one for each spatial axis"
        needed += (
            f", or {ndim}, with one for the channels" if spatial == ndim - 1 else f", or {ndim}, one for each axis"
        )
        checks.invalid_value("crop_or_pad", "shape", needed, len(shape))
    requested = tuple(size if entry is None else entry for entry, size in zip(shape, sizes, strict=True))
    new = checks.integer_tuple("crop_or_pad", "shape", requested, minimum=1)
    # `int` rounds towards zero, so that the odd voxel is cut off and filled up at the end alike.
    start = tuple(int((size - length) / 2) for size, length in zip(sizes, new, strict=True))
    return _extract_box("crop_or_pad", array, start, new, fill_value, pad_mode)


def shift(array: Array, offset: Integers, *, fill_value: float = 0, wrap: bool = False) -> Array:
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
    checks.booleans("shift", wrap=wrap)
    # Content may move beyond the border: the limit is that of the integers of JAX.
    steps = _whole_numbers("shift", "offset", offset, minimum=-(2**31))
    unknown = next(filter(_array.is_unknown, steps), array)
    xp, (result, _) = _array.to_common_library("shift", array=array, offset=unknown)
    _array.check_fits_dtype("shift", "fill_value", fill_value, array)
    sizes = _leading_sizes("shift", array, len(steps))
    for axis, (step, size) in enumerate(zip(steps, sizes, strict=True)):
        # Within the size of the axis: a number near the end of its dtype would wrap around below.
        within = _array.remainder(step, size) if wrap else _array.limit(step, size)
        source = _array.from_numpy(np.arange(size), xp, result) - within
        move = partial(_take_along, axis=axis, fill_value=None if wrap else fill_value)
        result = _array.call_gathered(move, result, source)
    return result


def _take_along(array: Array, source: Array, *, axis: int, fill_value: float | None) -> Array:
    """Return an array with every layer along an axis taken from a position; those outside are filled, or wrap."""
    xp, size = _array.array_namespace(array), array.shape[axis]
    # A gather, and no slices, whose bounds may not be traced.
    taken = _array.take(array, source % size, axis)
    if fill_value is None:
        return taken
    inside = xp.reshape((source >= 0) & (source < size), (-1, *(1,) * (array.ndim - axis - 1)))
    return xp.where(inside, taken, xp.full_like(taken, fill_value))


def _extract_box(
    function: str, array: ArrayOrGeometry, start: Shape, shape: Shape, fill_value: float, pad_mode: PadMode
) -> ArrayOrGeometry:
    """Return the box of `shape` that begins at `start` and may reach outside; or its geometry."""
    checks.require_callable(function, "pad_mode", pad_mode, "`constant`, `edge` or `reflect`")
    if isinstance(array, Geometry):
        return regrid(array, shape, start)
    _array.check_fits_dtype(function, "fill_value", fill_value, array)
    index = tuple(slice(low, low + length) for low, length in zip(start, shape, strict=True))
    with checks.speaking_for(function, "extract", source="array"):
        return extract(array, index, fill_value=fill_value, pad_mode=pad_mode)


def _leading_sizes(function: str, array: Array | Geometry, count: int) -> Shape:
    """Return the first `count` sizes of an array, or all of a geometry; raise if there are not as many."""
    if not isinstance(array, Geometry):
        _array.checked_namespace(function, array=array)
    if len(array.shape) < count or (isinstance(array, Geometry) and len(array.shape) != count):
        checks.invalid_value(function, "array", f"have {count} spatial axes", f"shape {tuple(array.shape)}")
    return tuple(array.shape[:count])


def _whole_numbers(function: str, argument: str, values: Any, *, minimum: int, count: int | None = None) -> list[Any]:
    """Return whole numbers, `count` if it is given: those of Python, and arrays without axes that are unknown."""
    if not _array.is_unknown(values) and not (isinstance(values, Sequence) and any(map(_array.is_unknown, values))):
        entries = to_python(function, argument, values)
        return list(checks.integer_tuple(function, argument, entries, length=count, minimum=minimum))
    # Kind and number are known of such an array, too.
    for entry in (values,) if _array.is_unknown(values) else values:
        _array.require_integers(function, argument, entry)
    shape = tuple(values.shape) if _array.is_unknown(values) else (len(values),)
    expected = ((shape[0] if shape else 1) if count is None else count,)
    if shape != expected:
        checks.invalid_value(function, argument, f"have {expected[0]} entries, one per axis", f"shape {shape}")
    # Not one array of all of them: beside a traced int8, JAX would make int8 of 300.
    return [
        entry if _array.is_unknown(entry) else checks.integer(function, argument, entry, minimum=minimum)
        for entry in (values[axis] for axis in range(len(values)))
    ]
