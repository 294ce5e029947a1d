"""Validate masks and label maps, and split label maps into structures."""

import operator
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array, Label, Labels


def binary_mask(function: str, argument: str, array: Array) -> Array:
    """Return a mask as booleans.

    Args:
        function: Name for messages.
        argument: Name of the mask in messages.
        array: Boolean array, or an integer array of zeros and ones.

    Returns:
        Boolean array of the same shape. In a traced integer array, whose values cannot be looked at, all but 0 is True.

    Raises:
        TypeError: The array is neither boolean nor integer.
        ValueError: The array holds other values than 0 and 1.

    Example:
        >>> import numpy as np
        >>> binary_mask("dice", "prediction", np.array([0, 1, 1])).tolist()
        [False, True, True]
    """
    if _array.dtype_kind(array) == "bool":
        return array
    if _array.dtype_kind(array) != "integer":
        requirement = "be a boolean mask or an integer one of 0 and 1; threshold or cast first"
        checks.invalid_kind(function, argument, requirement, f"dtype {array.dtype}")
    xp, array = _array.array_namespace(array), _array.computable(array)
    # Whatever lies between the smallest and the largest value can only be 0 or 1 as well.
    if 0 not in array.shape and _array.is_known_true(lambda mask: (xp.min(mask) < 0) | (xp.max(mask) > 1), array):
        other = next(value for value in (int(xp.min(array)), int(xp.max(array))) if value not in (0, 1))
        raise ValueError(f"{function}: `{argument}` contains {other}; pass `labels` for a label map.")
    if _array.is_numpy(array) and array.dtype.itemsize == 1:
        # The bytes of zeros and ones are those of booleans: no copy, which would take half of the memory of the pair.
        return _array.to_numpy(array).view(np.bool_)
    return array != 0


def label_map(function: str, argument: str, array: Array) -> Array:
    """Return a label map as integers, booleans promoted.

    Args:
        function: Name for messages.
        argument: Name of the label map in messages.
        array: Integer or boolean array.

    Returns:
        Integer array of the same shape, in a dtype that the library computes with.

    Raises:
        TypeError: The array is neither boolean nor integer.
        ValueError: The array holds a negative label.

    Example:
        >>> import numpy as np
        >>> label_map("dice", "prediction", np.array([0, 2])).tolist()
        [0, 2]
    """
    xp = _array.array_namespace(array)
    if _array.dtype_kind(array) == "bool":
        return xp.astype(array, xp.uint8)
    if _array.dtype_kind(array) != "integer":
        checks.invalid_kind(function, argument, "be an integer label map", f"dtype {array.dtype}")
    array = _array.computable(array)
    # Unsigned arrays need no pass over the volume.
    signed = not xp.isdtype(array.dtype, "unsigned integer")
    if signed and 0 not in array.shape and _array.is_known_true(lambda labels: xp.min(labels) < 0, array):
        checks.invalid_value(function, argument, "hold labels from 0 on", f"the label {int(xp.min(array))}")
    return array


def label_sets(function: str, labels: Labels | Iterable[Label], *arrays: Array) -> tuple[tuple[int, ...], ...]:
    """Return one tuple of label values per structure; a merged structure has several.

    Args:
        function: Name for messages.
        labels: Mapping from labels to names, or a sequence of labels; a label is an int or a tuple of ints to merge.
        arrays: The label maps that they are looked for in.

    Returns:
        The label values in the order given.

    Raises:
        TypeError: A label is neither a whole number nor a tuple of them.
        ValueError: There is no label, one is negative, one is given twice, or it is above 1 where an array is Boolean.

    Example:
        >>> label_sets("dice", {1: "liver", 2: "tumour", (1, 2): "whole"})
        ((1,), (2,), (1, 2))
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable) or _array.is_unknown(labels):
        checks.invalid_kind(function, "labels", "be a mapping or a sequence of labels", repr(labels))
    # In a JAX program even the entries of an array from outside are traced.
    listed: Any = labels
    if hasattr(listed, "shape"):
        listed = _array.to_numpy(listed).tolist()
    given: tuple[Any, ...] = tuple(listed.keys() if isinstance(listed, Mapping) else listed)
    keys = tuple(key if isinstance(key, tuple) else (key,) for key in given)
    if any(_array.is_unknown(value) for key in keys for value in key):
        checks.invalid_kind(function, "labels", "hold whole numbers that are known before tracing", repr(given))
    sets = tuple(checks.integer_tuple(function, "labels", key, minimum=0) for key in keys)
    # (1, 2) and (2, 1) are the same structure.
    if not sets or () in sets or len(set(map(frozenset, sets))) != len(sets):
        checks.invalid_value(function, "labels", "name at least one structure, and none of them twice", repr(given))
    # Masks of several structures on an axis of channels would be pooled into label 1.
    if max(map(max, sets)) > 1 and any(_array.dtype_kind(array) == "bool" for array in arrays):
        needed = "be 0 and 1 at most for Boolean arrays, which hold one structure; channels are evaluated one by one"
        checks.invalid_value(function, "labels", needed, repr(given))
    return sets


def label_mask(array: Array, label_set: tuple[int, ...]) -> Array:
    """Return where a label map has one of the values of `label_set`, which merges them into one structure.

    Args:
        array: Integer array, as `label_map` returns it.
        label_set: The values; those that the dtype cannot hold occur nowhere.

    Returns:
        Boolean array of the same shape.

    Example:
        >>> import numpy as np
        >>> label_mask(np.array([0, 1, 2, 3]), (1, 3)).tolist()
        [False, True, False, True]
    """
    xp = _array.array_namespace(array)
    largest = xp.iinfo(array.dtype).max
    # PyTorch and JAX wrap a number that the dtype cannot hold before they compare: in uint8 they would find 300 as 44.
    masks = [array == label for label in label_set if label <= largest]
    return reduce(operator.or_, masks) if masks else xp.zeros_like(array, dtype=xp.bool)
