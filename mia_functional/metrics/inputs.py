"""From what users hold, masks and label maps, to boolean masks: the one door of every metric on structures."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask, label_map, label_mask, label_sets
from mia_functional.morphology.masks import common_box
from mia_functional.typing import Array, Label, Labels


def pairs_in_turn(
    function: str, prediction: Array, reference: Array, labels: Labels | Iterable[Label] | None
) -> Iterator[tuple[tuple[Array, Array], ...]]:
    """Return the boolean masks of a pair: one pair without labels, else one pair per label, in groups.

    In the host's memory every pair is a group of its own, to hold few at a time; elsewhere all are one group. NumPy
    label maps are cropped to the box around all labels, and lie in C order.

    Args:
        function: Name for messages.
        prediction: Mask, or with `labels` an integer label map.
        reference: Array of the same shape.
        labels: As in `label_sets`, or None for masks.

    Returns:
        Groups of pairs of boolean arrays.

    Raises:
        TypeError: An array is no array or of the wrong kind, or the arrays belong to different libraries or devices.
        ValueError: The shapes differ or are empty, or an array holds values that are not allowed.

    Example:
        >>> import numpy as np
        >>> for group in pairs_in_turn("dice", np.array([0, 0, 2, 1]), np.array([0, 0, 2, 2]), (1, 2)):
        ...     print([(one.tolist(), other.tolist()) for one, other in group])
        [([False, True], [False, False])]
        [([True, False], [True, True])]
    """
    maps, sets = _checked(function, prediction, reference, labels)
    if not all(map(_array.in_host_memory, maps)):
        return iter((_selected(maps, sets),))
    if all(map(_array.is_numpy, maps)) and not any(0 in one for one in sets):
        box = common_box(*maps)
        maps = np.ascontiguousarray(maps[0][box]), np.ascontiguousarray(maps[1][box])
    return (_selected(maps, sets[index : index + 1]) for index in range(max(len(sets), 1)))


def _checked(
    function: str, prediction: Array, reference: Array, labels: Labels | Iterable[Label] | None
) -> tuple[tuple[Array, Array], tuple[tuple[int, ...], ...]]:
    """Return a pair as masks and no labels, or as label maps and the values of each label."""
    _, (prediction, reference) = _array.to_common_library(function, prediction=prediction, reference=reference)
    checks.same_shape(function, prediction.shape, reference.shape)
    checks.not_empty(function, "prediction", prediction.shape)
    door, sets = (binary_mask, ()) if labels is None else (label_map, label_sets(function, labels))
    return (door(function, "prediction", prediction), door(function, "reference", reference)), sets


def _selected(maps: tuple[Array, Array], sets: tuple[tuple[int, ...], ...]) -> tuple[tuple[Array, Array], ...]:
    """Return the pair of masks of each label; the pair itself without labels."""
    return tuple((label_mask(maps[0], one), label_mask(maps[1], one)) for one in sets) or (maps,)


def structures(
    function: str, argument: str, array: Array, labels: Labels | Iterable[Label] | None
) -> tuple[Array, ...]:
    """Return the boolean masks of one array: the array itself without labels, else one mask per label.

    Args:
        function: Name for messages.
        argument: Name of the array in messages.
        array: Mask, or with `labels` an integer label map.
        labels: As in `label_sets`, or None for a mask.

    Returns:
        Boolean arrays of the same shape.

    Raises:
        TypeError: The array is no array or of the wrong kind.
        ValueError: The array is empty or holds values that are not allowed.

    Example:
        >>> import numpy as np
        >>> [one.tolist() for one in structures("volume", "mask", np.array([0, 1, 2]), (2, (1, 2)))]
        [[False, False, True], [False, True, True]]
    """
    _array.checked_namespace(function, **{argument: array})
    checks.not_empty(function, argument, array.shape)
    if labels is None:
        return (binary_mask(function, argument, array),)
    sets = label_sets(function, labels)
    checked = label_map(function, argument, array)
    return tuple(label_mask(checked, one) for one in sets)


FEW_CELLS, LARGE_CELL = 64, 2**12
"""So few numbers, or each of so many voxels, are computed one after the other with NumPy rather than all at once."""


def paired(
    function: str, prediction: Array, reference: Array, *, mask: Array | None = None
) -> tuple[Array, Array, Array | None]:
    """Return a pair, and the mask as booleans: of one shape, in one library and on one device."""
    arrays = {"prediction": prediction, "reference": reference} | ({} if mask is None else {"mask": mask})
    _, (prediction, reference, *masks) = _array.to_common_library(function, **arrays)
    checks.same_shape(function, prediction.shape, reference.shape)
    checks.not_empty(function, "prediction", prediction.shape)
    for given in masks:
        if tuple(given.shape) != tuple(reference.shape):
            requirement = f"have the shape of the pair, {tuple(reference.shape)}"
            checks.invalid_value(function, "mask", requirement, tuple(given.shape))
        return prediction, reference, binary_mask(function, "mask", given)
    return prediction, reference, None


def reduced(function: str, axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Return the axes to reduce, counted from the front: all of them for None."""
    if axis is None:
        return tuple(range(ndim))
    entries = axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(checks.axis(function, entry, ndim) for entry in entries)
    if not axes or len(set(axes)) != len(axes):
        checks.invalid_value(function, "axis", "name at least one axis, and none of them twice", axis)
    return axes


def walkable(arrays: tuple[Array | None, ...], axes: tuple[int, ...]) -> bool:
    """Tell whether arrays lie in the host's memory and what is reduced to one number is large, or such are few."""
    shape = next(array.shape for array in arrays if array is not None)
    cell = math.prod(shape[axis] for axis in axes)
    few = math.prod(shape) <= FEW_CELLS * cell
    return (few or cell >= LARGE_CELL) and all(_array.in_host_memory(array) for array in arrays if array is not None)


def countable(function: str, prediction: Array) -> None:
    """Refuse more voxels than the library's integers can count."""
    xp = _array.array_namespace(prediction)
    limit = int(xp.iinfo(xp.__array_namespace_info__().default_dtypes()["integral"]).max)
    if math.prod(prediction.shape) > limit:
        requirement = f"have at most {limit} voxels without 64-bit integers"
        checks.invalid_value(function, "prediction", requirement, tuple(prediction.shape))
