"""How the axes of an array run: flips, quarter turns, permutations and reshapes.

An array is `(*spatial, channel)`, and axes count from the front. `flip`, `rot90` and `permute` take a `Geometry` in
place of an array and give that of the result; flips and turns of a patch for training need none. The dtype stays.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry, regrid
from mia_functional.typing import Array, Shape


def flip(target: Any, axes: Any) -> Any:
    """Reverse the order of voxels along axes (mirror).

    Args:
        target: Array of any library, or a `Geometry`.
        axes: One axis or several; or booleans, one per spatial axis, as a sequence or an array, which may be traced.

    Returns:
        Array of the same shape and dtype, or the geometry of the flipped grid.

    Raises:
        TypeError: The axes are neither whole numbers nor booleans, or they are traced and no booleans.
        ValueError: There is no such axis, or there are more booleans than axes.

    Example:
        >>> flip(np.array([[1, 2], [3, 4]]), 1).tolist()
        [[2, 1], [4, 3]]
        >>> flip(np.array([[1, 2], [3, 4]]), np.array([True, False])).tolist()
        [[3, 4], [1, 2]]

    Agrees with:
        `numpy.flip`.
    """
    checks.require_shape("flip", "target", target)
    if _array.is_traced(axes):
        return _flip_traced(target, axes)
    chosen = _axes("flip", axes, len(target.shape))
    if not isinstance(target, Geometry):
        return _array.checked_namespace("flip", target=target).flip(target, axis=chosen) if chosen else target
    places = range(len(target.shape))
    factors = tuple(-1.0 if axis in chosen else 1.0 for axis in places)
    offset = tuple(target.shape[axis] - 1 if axis in chosen else 0 for axis in places)
    return regrid(target, target.shape, offset, factors=factors)


def rot90(target: Any, turns: Any, *, axes: tuple[int, int] | None = None) -> Any:
    """Turn by quarters, from the first of two axes towards the second.

    Args:
        target: Array of any library, or a `Geometry`.
        turns: How many quarters: a whole number, or an array of one, which may be traced if the plane is square.
        axes: The plane; the last two spatial axes where left out.

    Returns:
        The turned array or geometry; an odd number of quarters swaps the two sizes.

    Raises:
        ValueError: There is no such plane, or it is not square and the number of quarters traced.

    Example:
        >>> rot90(np.array([[1, 2], [3, 4]]), 1, axes=(0, 1)).tolist()
        [[2, 4], [1, 3]]

    Agrees with:
        `numpy.rot90`.
    """
    checks.require_shape("rot90", "target", target)
    spatial = len(target.shape) - (not isinstance(target, Geometry))
    plane = _axes("rot90", (spatial - 2, spatial - 1) if axes is None else axes, len(target.shape))
    if len(plane) != 2:
        checks.invalid_value("rot90", "axes", "be two axes", axes)
    if not _array.is_traced(turns):
        quarters = _array.to_numpy(turns).item() if getattr(turns, "shape", None) == () else turns
        return _rot90(target, checks.integer("rot90", "turns", quarters, minimum=-(2**31)) % 4, plane)
    if target.shape[plane[0]] != target.shape[plane[1]]:
        checks.invalid_value("rot90", "target", "be square in the plane if `turns` is traced", tuple(target.shape))
    xp, (array, quarters) = _array.to_common_library("rot90", target=target, turns=turns)
    result = array
    for count in (1, 2, 3):
        result = xp.where(quarters % 4 == count, _rot90(array, count, plane), result)
    return result


def permute(target: Any, axes: Sequence[int]) -> Any:
    """Put the leading axes into another order; further axes stay (transpose).

    Args:
        target: Array of any library, or a `Geometry`.
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
    checks.require_shape("permute", "target", target)
    checks.integer_tuple("permute", "axes", axes, minimum=0)
    count, ndim = len(axes), len(target.shape)
    if sorted(axes) != list(range(count)) or not 0 < count <= ndim or (isinstance(target, Geometry) and count < ndim):
        checks.invalid_value("permute", "axes", f"hold 0 to at most {ndim - 1}, each once", tuple(axes))
    if isinstance(target, Geometry):
        return regrid(target, tuple(target.shape[axis] for axis in axes), (0,) * count, axes=axes)
    xp = _array.checked_namespace("permute", target=target)
    return xp.permute_dims(target, (*axes, *range(count, ndim)))


def reshape(array: Array, shape: Shape) -> Array:
    """Give an array another shape of as many elements, in array order; -1 stands for one size that follows.

    Args:
        array: Array of any library.
        shape: The new sizes.

    Raises:
        ValueError: The shape does not hold as many elements.

    Example:
        >>> reshape(np.arange(4), (2, -1)).tolist()
        [[0, 1], [2, 3]]
    """
    xp = _array.checked_namespace("reshape", array=array)
    size, count = checks.integer_tuple("reshape", "shape", shape, minimum=-1), math.prod(array.shape)
    known = math.prod(entry for entry in size if entry != -1)
    if size.count(-1) > 1 or (known != count if -1 not in size else known == 0 or count % known):
        checks.invalid_value("reshape", "shape", f"hold the {count} elements of the array", size)
    return xp.reshape(array, size)


def squeeze(array: Array, *, axis: int = -1) -> Array:
    """Remove an axis of length one: the last (a single channel) where none is named.

    Args:
        array: Array of any library.
        axis: The axis; negative ones count from the end.

    Raises:
        ValueError: There is no such axis, or it is longer.

    Example:
        >>> squeeze(np.zeros((2, 3, 1))).shape
        (2, 3)
    """
    checks.require_shape("squeeze", "array", array)
    place = checks.axis("squeeze", axis, array.ndim)
    if array.shape[place] != 1:
        checks.invalid_value("squeeze", "array", f"have length 1 along axis {axis}", f"shape {tuple(array.shape)}")
    return _array.checked_namespace("squeeze", array=array).squeeze(array, axis=place)


def unsqueeze(array: Array, *, axis: int = -1) -> Array:
    """Add an axis of length one: the last (a single channel) where no place is named.

    Args:
        array: Array of any library.
        axis: Place of the new axis in the result; negative ones count from the end.

    Example:
        >>> unsqueeze(np.zeros((2, 3))).shape
        (2, 3, 1)
    """
    checks.require_shape("unsqueeze", "array", array)
    place = checks.axis("unsqueeze", axis, array.ndim + 1)
    return _array.checked_namespace("unsqueeze", array=array).expand_dims(array, axis=place)


def _axes(function: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Return axes that are given as one, as several or as flags; each once, counted from the front."""
    values = _array.to_numpy(axes).tolist() if hasattr(axes, "shape") else axes
    entries = (values,) if checks.is_integer(values) else values
    if isinstance(entries, Sequence) and entries and all(isinstance(entry, bool | np.bool) for entry in entries):
        _flags(function, (len(entries),), ndim)
        return tuple(axis for axis, flag in enumerate(entries) if flag)
    chosen = checks.integer_tuple(function, "axes", entries, minimum=0)
    if len(set(chosen)) != len(chosen) or any(axis >= ndim for axis in chosen):
        checks.invalid_value(function, "axes", f"lie within 0 and {ndim - 1}, each once", chosen)
    return chosen


def _flags(function: str, shape: Shape, ndim: int) -> None:
    """Refuse booleans that are not at most one per axis in a row."""
    if len(shape) != 1 or shape[0] > ndim:
        checks.invalid_value(function, "axes", f"be at most {ndim} booleans, one per axis", f"shape {shape}")


def _flip_traced(target: Array, flags: Array) -> Array:
    """Return an array flipped along the axes whose traced flag is set."""
    xp, (array, flags) = _array.to_common_library("flip", target=target, axes=flags)
    if _array.dtype_kind(flags) != "bool":
        checks.invalid_kind("flip", "axes", "be booleans, one per axis, where they are traced", f"dtype {flags.dtype}")
    _flags("flip", tuple(flags.shape), array.ndim)
    for axis in range(flags.shape[0]):
        array = xp.where(flags[axis], xp.flip(array, axis=axis), array)
    return array


def _rot90(target: Any, turns: int, plane: tuple[int, ...]) -> Any:
    """Return an array or a geometry after 0 to 3 quarter turns: flips, and a swap if they are odd."""
    first, second = plane
    order = list(range(len(target.shape)))
    order[first], order[second] = second, first
    if turns == 0:
        return target
    if turns == 1:
        return permute(flip(target, second), order)
    return flip(target, plane) if turns == 2 else flip(permute(target, order), second)
