"""What a transform is given besides the image: numbers, sequences or arrays, brought to the library of the image."""

from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array, Shape


def together(function: str, image: Array, **parameters: Any) -> tuple[Any, Array, list[Array]]:
    """Return the namespace, the image, and parameters as floats of its library and device, in the dtype of its sums."""
    given = {name: numbers(function, name, value) for name, value in parameters.items()}
    xp, (array, *rest) = _array.to_common_library(function, array=image, **given)
    kind = _array.accumulator_dtype(array)
    return xp, array, [xp.astype(value, kind, copy=False) for value in rest]


def numbers(function: str, argument: str, value: Any) -> Array:
    """Return an array as it is, and numbers or sequences of them as NumPy floats."""
    if hasattr(value, "shape"):
        return value
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        checks.invalid_kind(function, argument, "be a number, or an array or a sequence of numbers", repr(value))


def has_shape(function: str, argument: str, array: Array, *shapes: tuple[int, ...]) -> None:
    """Refuse a parameter of none of the given shapes."""
    if tuple(array.shape) not in shapes:
        wanted = " or ".join(map(str, shapes))
        checks.invalid_value(function, argument, f"have the shape {wanted}", tuple(array.shape))


def finite(function: str, **parameters: Array) -> None:
    """Refuse parameters that hold NaN or infinity; traced ones cannot be looked at."""
    for name, array in parameters.items():
        xp = _array.array_namespace(array)
        if known(xp.any(~xp.isfinite(array))):
            checks.invalid_value(function, name, "be finite", "NaN or infinity")


def known(condition: Array) -> bool:
    """Tell whether a condition is known to be true; of what is computed inside of `jit` nothing is known."""
    return not _array.is_traced(condition) and bool(condition)


def image_shape(function: str, shape: Any, *, axes: int) -> Shape:
    """Return the shape that a sampler is given, as a sequence or an array; refuse one of fewer axes."""
    size = checks.integer_tuple(function, "shape", shape.tolist() if hasattr(shape, "tolist") else shape, minimum=1)
    if len(size) < axes:
        checks.invalid_value(function, "shape", f"have at least {axes} axes, (*spatial, channel)", size)
    return size


def each(function: str, argument: str, value: Any, count: int) -> Any:
    """Return one number, or one per axis, as `count` NumPy floats that are not negative."""
    entries = _array.to_numpy(numbers(function, argument, value))
    if entries.shape not in ((), (count,)):
        checks.invalid_value(function, argument, f"be one number or {count}", value)
    if not (np.isfinite(entries) & (entries >= 0)).all():
        checks.invalid_value(function, argument, "be finite and not negative", value)
    return np.broadcast_to(entries, (count,))


def between(function: str, argument: str, value: tuple[float, float]) -> tuple[float, float]:
    """Return a range from a number that is not negative to one that is not smaller."""
    if np.shape(value) != (2,):
        checks.invalid_value(function, argument, "be the smallest and the largest", value)
    low, high = each(function, argument, value, 2).tolist()
    if low > high:
        checks.invalid_value(function, argument, "be in order", value)
    return low, high
