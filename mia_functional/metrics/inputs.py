"""From what users hold, masks and label maps, to boolean masks and checked pairs: the input of all metrics."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask, label_map, label_mask, label_sets
from mia_functional.morphology.masks import DIMENSIONS, common_box
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = [
    "check_countable",
    "map_cells",
    "paired_arrays",
    "pairs_in_turn",
    "prefers_host_loop",
    "structure_masks",
]

_FEW_CELLS, _LARGE_CELL = 64, 2**12
"""So few numbers, or each of so many voxels, are computed one after the other with NumPy rather than all at once."""


def pairs_in_turn(
    function: str, prediction: Array, reference: Array, labels: Labels | Iterable[Label] | None, *others: Array
) -> Iterator[tuple[tuple[Array, ...], ...]]:
    """Return the boolean masks of a pair: one pair without labels, else one pair per label, in groups.

    In the host's memory every pair is a group of its own, to hold few at a time; elsewhere all are one group. NumPy
    label maps are cropped to the box around all labels and others, and lie in C order.

    Args:
        function: Name for messages.
        prediction: Mask, or with `labels` an integer label map.
        reference: Array of the same shape.
        labels: As in `label_sets`, or None for masks.
        others: Masks of the same shape and library, which follow each pair.

    Returns:
        Groups of pairs of boolean arrays, with the others behind.

    Raises:
        TypeError: An argument is not an array or is of the wrong kind; arrays of two libraries other than NumPy, or of
            two devices, meet.
        ValueError: The shapes differ or are empty, or an array holds values that are not allowed.

    Example:
        >>> import numpy as np
        >>> for group in pairs_in_turn("dice", np.array([0, 0, 2, 1]), np.array([0, 0, 2, 2]), (1, 2)):
        ...     print([(one.tolist(), other.tolist()) for one, other in group])
        [([False, True], [False, False])]
        [([True, False], [True, True])]
    """
    pair = paired_arrays(function, prediction, reference)
    for argument, array in zip(("prediction", "reference"), pair, strict=True):
        _array.require_in_memory(function, argument, array)
    checks.dimensions(function, "prediction", pair[0].shape, DIMENSIONS)
    check, sets = (binary_mask, ()) if labels is None else (label_map, label_sets(function, labels, *pair))
    maps = check(function, "prediction", pair[0]), check(function, "reference", pair[1])

    groups = [sets[index : index + 1] for index in range(max(len(sets), 1))]
    if not all(map(_array.in_host_memory, maps)):
        groups = [sets]
    elif all(map(_array.is_numpy, maps)) and not any(0 in one for one in sets):
        first, second = map(_array.to_numpy, maps)
        box = common_box(first, second, *map(_array.to_numpy, others))
        maps = np.ascontiguousarray(first[box]), np.ascontiguousarray(second[box])
        others = tuple(np.ascontiguousarray(_array.to_numpy(other)[box]) for other in others)
    return (
        tuple((label_mask(maps[0], one), label_mask(maps[1], one), *others) for one in group) or ((*maps, *others),)
        for group in groups
    )


def structure_masks(
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
        TypeError: The argument is not an array or is of the wrong kind.
        ValueError: The array is empty or holds values that are not allowed.

    Example:
        >>> import numpy as np
        >>> [one.tolist() for one in structure_masks("volume", "mask", np.array([0, 1, 2]), (2, (1, 2)))]
        [[False, False, True], [False, True, True]]
    """
    _array.checked_namespace(function, **{argument: array})
    checks.not_empty(function, argument, array.shape)
    if labels is None:
        return (binary_mask(function, argument, array),)
    sets = label_sets(function, labels, array)
    checked = label_map(function, argument, array)
    return tuple(label_mask(checked, one) for one in sets)


def paired_arrays(
    function: str, prediction: Array, reference: Array, *, mask: Array | None = None, name: str = "mask"
) -> tuple[Array, ...]:
    """Return a pair, and the mask as booleans if there is one: of one shape, in one library and on one device."""
    arrays = {"prediction": prediction, "reference": reference} | ({} if mask is None else {name: mask})
    _, (prediction, reference, *masks) = _array.to_common_library(function, **arrays)
    for argument, array in zip(arrays, (prediction, reference, *masks), strict=True):
        if getattr(array.dtype, "hasobject", False):  # NumPy's loops would stop at them in words of their own
            checks.invalid_kind(function, argument, "hold numbers or booleans", "Python objects")
    checks.same_shape(function, "prediction", prediction.shape, reference.shape)
    checks.not_empty(function, "prediction", prediction.shape)
    for given in masks:
        checks.same_shape(function, name, given.shape, reference.shape, of="the pair")
    return prediction, reference, *(binary_mask(function, name, given) for given in masks)


def prefers_host_loop(arrays: tuple[Array, ...], axes: tuple[int, ...]) -> bool:
    """Return whether a loop over cells is faster: arrays in the host's memory, and cells that are large or few.

    A cell is what is reduced to one number.
    """
    # First, as the sizes of other arrays may be symbols.
    if not all(map(_array.in_host_memory, arrays)):
        return False
    shape = arrays[0].shape
    cell = math.prod([shape[axis] for axis in axes])
    return math.prod(shape) <= _FEW_CELLS * cell or cell >= _LARGE_CELL


def map_cells(
    function: Callable[[list[HostArray]], tuple[Any, ...]], arrays: tuple[Array, ...], axes: tuple[int, ...]
) -> list[Array]:
    """Return what a function of NumPy arrays makes of every cell: one array per result, with the kept axes in front."""
    kept = [axis for axis in range(arrays[0].ndim) if axis not in axes]
    ordered = [np.moveaxis(_array.to_numpy(array), kept, range(len(kept))) for array in arrays]
    shape, xp = ordered[0].shape[: len(kept)], _array.array_namespace(arrays[0])
    rows = [function([array[index] for array in ordered]) for index in np.ndindex(shape)]
    columns = (np.array(column) for column in zip(*rows, strict=True))
    return [_array.from_numpy(column.reshape(shape + column.shape[1:]), xp, arrays[0]) for column in columns]


def check_countable(function: str, prediction: Array) -> None:
    """Raise if there are more voxels than the library's integers can count."""
    xp = _array.array_namespace(prediction)
    # 32 bits in JAX without x64, where larger counts would wrap silently.
    limit = int(xp.iinfo(xp.__array_namespace_info__().default_dtypes()["integral"]).max)
    if math.prod(prediction.shape) > limit:
        requirement = f"have at most {limit} voxels without 64-bit integers"
        checks.invalid_value(function, "prediction", requirement, tuple(prediction.shape))
