"""How the axes of an array run: flips, quarter turns, permutations and reshapes.

An array is `(*spatial, channel)`, and axes count from the front. `flip`, `rot90` and `permute` also take a `Geometry`
in place of the array and return that of the result; augmentation by flips and turns needs none. The dtype stays.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry, describe_differences, differences, orientation, regrid
from mia_functional.transforms.arguments import ArrayOrGeometry, Integers, count_spatial, to_python
from mia_functional.typing import Array, Shape

__all__ = ["flip", "permute", "reorient_onto", "reshape", "rot90", "squeeze", "unsqueeze"]


def flip(array: ArrayOrGeometry, axes: Integers) -> ArrayOrGeometry:
    """Reverse the order of voxels along axes (mirror).

    Args:
        array: Array of any library, or a `Geometry`.
        axes: One axis or several; or booleans, one per spatial axis, as a sequence or an array, which may be traced.

    Returns:
        Array of the same shape and dtype, or the geometry of the flipped grid.

    Raises:
        TypeError: The axes are neither whole numbers nor booleans, or they are traced and not booleans.
        ValueError: An axis does not exist, or there are more booleans than axes.

    Example:
        >>> flip(np.array([[1, 2], [3, 4]]), 1).tolist()
        [[2, 1], [4, 3]]
        >>> flip(np.array([[1, 2], [3, 4]]), np.array([True, False])).tolist()
        [[3, 4], [1, 2]]

    Agrees with:
        `numpy.flip`.
    """
    checks.require_shape("flip", "array", array)
    if not isinstance(array, Geometry) and _array.is_unknown(axes):
        return _flip_traced(array, axes)
    reverse, ndim = _axes("flip", axes, len(array.shape)), len(array.shape)
    if not isinstance(array, Geometry):
        xp = _array.checked_namespace("flip", array=array)
        return _array.move(partial(xp.flip, axis=reverse), array) if reverse else array
    first = [array.shape[axis] - 1 if axis in reverse else 0 for axis in range(ndim)]
    return regrid(array, array.shape, first, factors=[-1.0 if axis in reverse else 1.0 for axis in range(ndim)])


def rot90(
    array: ArrayOrGeometry, turns: Integers, *, axes: tuple[int, int] | None = None, spatial_axes: int | None = None
) -> ArrayOrGeometry:
    """Turn by quarters, from the first of two axes towards the second.

    Args:
        array: Array of any library, or a `Geometry`.
        turns: How many quarters: a whole number, or an array of one, which may be traced if the plane is square.
        axes: The plane; by default the last two spatial axes.
        spatial_axes: How many axes are spatial; by default all but the last. `on` hands over what the sample says.

    Returns:
        The turned array or geometry; an odd number of quarters swaps the two sizes.

    Raises:
        ValueError: The plane does not exist, or `turns` is traced and the plane is not square.

    Example:
        >>> rot90(np.array([[1, 2], [3, 4]]), 1, axes=(0, 1)).tolist()
        [[2, 4], [1, 3]]

    Agrees with:
        `numpy.rot90`.
    """
    checks.require_shape("rot90", "array", array)
    spatial = count_spatial("rot90", array, spatial_axes)
    plane = _axes("rot90", (spatial - 2, spatial - 1) if axes is None else axes, len(array.shape))
    if len(plane) != 2:
        checks.invalid_value("rot90", "axes", "be two axes", axes)
    if isinstance(array, Geometry) or not _array.is_unknown(turns):
        quarters = checks.integer("rot90", "turns", to_python("rot90", "turns", turns), minimum=-(2**31))
        return _rot90(array, quarters % 4, plane)
    if array.shape[plane[0]] != array.shape[plane[1]]:
        checks.invalid_value("rot90", "array", "be square in the plane if `turns` is traced", tuple(array.shape))
    # All four results exist at once: the standard has no branch on a traced number.
    xp, (image, traced) = _array.to_common_library("rot90", array=array, turns=turns)
    result = image
    for count in (1, 2, 3):
        result = xp.where(traced % 4 == count, _rot90(image, count, plane), result)
    return result


def permute(array: ArrayOrGeometry, axes: Sequence[int]) -> ArrayOrGeometry:
    """Put the leading axes into another order; further axes stay (transpose).

    Args:
        array: Array of any library, or a `Geometry`.
        axes: For every leading axis of the result the axis of the source. All axes of an array may be named: channels
            come first with `(3, 0, 1, 2)`.

    Returns:
        The permuted array, for NumPy a view, or the geometry of the permuted grid.

    Raises:
        ValueError: The axes are not 0 to the number of axes, each once.

    Example:
        >>> permute(np.zeros((2, 3, 4, 1)), (2, 1, 0)).shape
        (4, 3, 2, 1)
    """
    checks.require_shape("permute", "array", array)
    order = checks.integer_tuple("permute", "axes", axes, minimum=0)
    is_geometry, ndim = isinstance(array, Geometry), len(array.shape)
    if set(order) != set(range(len(order))) or not (ndim if is_geometry else 1) <= len(order) <= ndim:
        checks.invalid_value("permute", "axes", f"hold 0 to at most {ndim - 1}, each once", order)
    if not isinstance(array, Geometry):
        xp = _array.checked_namespace("permute", array=array)
        return xp.permute_dims(array, order + tuple(range(len(order), ndim)))
    return regrid(array, tuple(array.shape[axis] for axis in order), (0,) * ndim, axes=order)


def reorient_onto(array: Array, geometry: Geometry, onto: Geometry) -> Array:
    """Flip and permute the axes of an image so that it lies on another grid; nothing is interpolated.

    For images of one object whose files order voxels differently: a DICOM series, and labels drawn on its conversion
    to NIfTI. Every voxel keeps its value and its place in the world. `resample_onto` takes any two grids.

    Args:
        array: Array `(*spatial, ...)` of any library.
        geometry: Where the array lies.
        onto: The grid of the result.

    Returns:
        Array `(*onto.shape, ...)` of the same dtype, for NumPy a view.

    Raises:
        ValueError: The grids differ in more than flips and permutations of axes (by more than 0.01 voxels, see
            `geometry.same_geometry`), or array and geometry differ in shape.

    Example:
        >>> old = Geometry(shape=(2, 3), spacing=(1.0, 2.0), origin=(4.0, 0.0), direction=((0, -1), (1, 0)))
        >>> new = Geometry(shape=(3, 2), spacing=(2.0, 1.0))
        >>> reorient_onto(np.array([[1, 2, 3], [4, 5, 6]]), old, new).tolist()
        [[3, 6], [2, 5], [1, 4]]

    Agrees with:
        SimpleITK's `Resample` from the nearest voxel.
    """
    for name, grid in (("geometry", geometry), ("onto", onto)):
        checks.require_instance("reorient_onto", name, grid, Geometry, "a geometry")
    checks.require_shape("reorient_onto", "array", array)
    checks.same_shape("reorient_onto", "array", array.shape[: len(geometry.shape)], geometry.shape, of="the geometry")
    if not {"axes", "flip"}.issuperset(differences(geometry, onto)):
        needed = "be that of `onto` but for flips and permutations of axes"
        checks.invalid_value("reorient_onto", "geometry", needed, describe_differences(geometry, onto))
    order, reverse = orientation(geometry, onto=onto)
    with checks.speaking_for("reorient_onto", "flip", "permute"):
        return flip(permute(array, order), reverse)


def reshape(array: Array, shape: Shape) -> Array:
    """Give an array another shape with the same number of elements, in array order.

    Args:
        array: Array of any library.
        shape: The new sizes; one of them may be -1, for the size that follows from the others.

    Raises:
        ValueError: The shape does not hold as many elements.

    Example:
        >>> reshape(np.arange(4), (2, -1)).tolist()
        [[0, 1], [2, 3]]
    """
    xp = _array.checked_namespace("reshape", array=array)
    _array.require_in_memory("reshape", "array", array)  # dask splits and merges axes evenly alone
    size, count = checks.integer_tuple("reshape", "shape", shape, minimum=-1), math.prod(array.shape)
    known = [entry for entry in size if entry != -1]
    product, unknown = math.prod(known), len(size) - len(known)
    if unknown > 1 or (product != count if unknown == 0 else product == 0 or count % product):
        checks.invalid_value("reshape", "shape", f"hold the {count} elements of the array", size)
    return _array.call_gathered(lambda array: xp.reshape(array, size), array)


def squeeze(array: Array, *, axis: int = -1) -> Array:
    """Remove an axis of length one, by default the last (a single channel).

    Args:
        array: Array of any library.
        axis: The axis; negative ones count from the end.

    Raises:
        ValueError: The axis does not exist, or it is longer.

    Example:
        >>> squeeze(np.zeros((2, 3, 1))).shape
        (2, 3)
    """
    checks.require_shape("squeeze", "array", array)
    position = checks.axis("squeeze", axis, array.ndim)
    if array.shape[position] != 1:
        checks.invalid_value("squeeze", "array", f"have length 1 along axis {axis}", f"shape {tuple(array.shape)}")
    return _array.checked_namespace("squeeze", array=array).squeeze(array, axis=position)


def unsqueeze(array: Array, *, axis: int = -1) -> Array:
    """Add an axis of length one, by default behind the last (a single channel).

    Args:
        array: Array of any library.
        axis: Position of the new axis in the result; negative ones count from the end.

    Example:
        >>> unsqueeze(np.zeros((2, 3))).shape
        (2, 3, 1)
    """
    checks.require_shape("unsqueeze", "array", array)
    position = checks.axis("unsqueeze", axis, array.ndim + 1)
    return _array.checked_namespace("unsqueeze", array=array).expand_dims(array, axis=position)


def _axes(function: str, axes: Integers, ndim: int) -> tuple[int, ...]:
    """Return axes that are given as one, as several or as flags: each once, counted from the front."""
    values = to_python(function, "axes", axes)
    entries = (values,) if checks.is_integer(values) else values
    # Flags come first: booleans are integers to Python, and (True, False) would be read as the axes 1 and 0.
    if isinstance(entries, Sequence) and entries and all(isinstance(entry, bool | np.bool) for entry in entries):
        if len(entries) > ndim:
            checks.invalid_value(function, "axes", f"be at most {ndim} booleans, one per axis", f"{len(entries)}")
        return tuple(axis for axis, flag in enumerate(entries) if flag)
    chosen = checks.integer_tuple(function, "axes", entries, minimum=0)
    if len(set(chosen)) != len(chosen) or any(axis >= ndim for axis in chosen):
        checks.invalid_value(function, "axes", f"lie within 0 and {ndim - 1}, each once", chosen)
    return chosen


def _flip_traced(array: Array, axes: Array) -> Array:
    """Return an array flipped along the axes whose traced flag is set."""
    xp, (result, flags) = _array.to_common_library("flip", array=array, axes=axes)
    if _array.dtype_kind(flags) != "bool":
        checks.invalid_kind("flip", "axes", "be booleans, one per axis, where they are traced", f"dtype {flags.dtype}")
    if flags.ndim != 1 or flags.shape[0] > array.ndim:
        needed = f"be at most {array.ndim} booleans, one per axis"
        checks.invalid_value("flip", "axes", needed, f"shape {tuple(flags.shape)}")
    for axis in range(flags.shape[0]):
        result = xp.where(flags[axis], xp.flip(result, axis=axis), result)
    return result


def _rot90(array: ArrayOrGeometry, quarters: int, plane: tuple[int, ...]) -> ArrayOrGeometry:
    """Return an array or a geometry after 0 to 3 quarter turns: flips, and a swap of the axes if they are odd."""
    first, second = plane
    order = list(range(len(array.shape)))
    order[first], order[second] = second, first
    if quarters == 0:
        return array
    if quarters == 1:
        return permute(flip(array, second), order)
    return flip(array, plane) if quarters == 2 else flip(permute(array, order), second)
