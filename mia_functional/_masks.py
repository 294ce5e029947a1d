"""The one door of every function on masks: what counts as a mask, and the check of its values."""

from mia_functional import _array, _check
from mia_functional.typing import Array


def binary(function: str, argument: str, array: Array) -> Array:
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
        >>> binary("dice", "prediction", np.array([0, 1, 1])).tolist()
        [False, True, True]
    """
    if _array.dtype_kind(array) == "bool":
        return array
    integral(function, argument, array, "a boolean mask or an integer one of 0 and 1; threshold or cast first")
    for value in extremes(array):
        if value not in (0, 1):
            raise ValueError(f"{function}: `{argument}` contains {value}; pass labels= for a label map.")
    return array != 0


def extremes(array: Array) -> tuple[int, ...]:
    """Return the smallest and the largest value of an integer array; nothing where it is traced or without elements."""
    if _array.is_traced(array) or 0 in array.shape:
        return ()
    xp = _array.library(array)
    return int(xp.min(array)), int(xp.max(array))


def integral(function: str, argument: str, array: Array, requirement: str) -> None:
    """Refuse arrays that do not hold integers."""
    if _array.dtype_kind(array) != "integer":
        _check.invalid_kind(function, argument, f"be {requirement}", f"dtype {array.dtype}")
