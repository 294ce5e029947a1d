"""Arguments of transforms: check them, and bring numbers to the library of the image."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.typing import Array, HostArray, Namespace, Rng, Shape

__all__ = [
    "ArrayOrGeometry",
    "Integers",
    "Numbers",
    "as_numbers",
    "is_known_any",
    "non_negative_per_axis",
    "non_negative_range",
    "require_finite",
    "require_parameter_shape",
    "shape_and_rngs",
    "to_python",
    "with_parameters",
]

ArrayOrGeometry = TypeVar("ArrayOrGeometry", Array, Geometry)
"""What transforms of the grid take and return: the voxels, or where they lie."""

Numbers: TypeAlias = Array | float | Sequence[float] | Sequence[Sequence[float]]
"""A parameter: one number, one per axis or channel, or a matrix; as an array it may be traced."""

Integers: TypeAlias = Array | int | Sequence[int]
"""Whole numbers, one or several; as an array they may be traced."""


def with_parameters(function: str, **arguments: Numbers) -> tuple[Namespace, Array, list[Array]]:
    """Return the namespace, the image, and its parameters as floats of its library and device.

    The first of `arguments` is the image, the others are its parameters.
    """
    (name, image), *others = arguments.items()
    # The image is not converted: a list of numbers is a parameter, but not an image.
    given: dict[str, Any] = {name: image, **{key: as_numbers(function, key, value) for key, value in others}}
    xp, (array, *parameters) = _array.to_common_library(function, **given)
    # Parameters are as wide as the sums of the image: float64 parameters of a float32 image would promote it in NumPy,
    # and half precision is too coarse for coordinates.
    dtype = _array.accumulator_dtype(array)
    return xp, array, [xp.astype(parameter, dtype, copy=False) for parameter in parameters]


def as_numbers(function: str, argument: str, value: Any) -> Array:
    """Return an array as it is, and numbers or sequences of them as NumPy floats."""
    if hasattr(value, "shape"):
        array: Array = value
        return array
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        checks.invalid_kind(function, argument, "be a number, or an array or a sequence of numbers", repr(value))


def to_python(function: str, argument: str, value: Any) -> Any:
    """Return an array as Python's own numbers and anything else as it is; raise for a traced array."""
    if _array.is_traced(value):
        checks.invalid_kind(function, argument, "be known where a Geometry is transformed", "a traced array")
    return _array.to_numpy(value).tolist() if hasattr(value, "shape") else value


def require_parameter_shape(function: str, argument: str, array: Array, *shapes: Shape) -> None:
    """Raise unless a parameter has one of the given shapes."""
    if tuple(array.shape) not in shapes:
        allowed = " or ".join(map(str, shapes))
        checks.invalid_value(function, argument, f"have the shape {allowed}", tuple(array.shape))


def is_known_any(condition: Callable[[Array], Array], parameter: Array, given: Numbers) -> bool:
    """Return whether a condition is known to hold for a number of a parameter, which was `given` to `with_parameters`.

    Numbers that came from the host are looked at there: on a GPU the answer would have to be waited for.
    """

    def holds(array: Array) -> Array:
        entries = as_numbers("", "", given)
        if _array.is_numpy(entries):
            with _array.quiet():  # what is too large for the dtype is infinite, there too
                array = _array.to_numpy(entries).astype(str(array.dtype).rpartition(".")[2])
        return _array.array_namespace(array).any(condition(array))

    return _array.is_known_true(holds, parameter)


def require_finite(function: str, argument: str, parameter: Array, given: Numbers) -> None:
    """Raise if a parameter, which was `given` to `with_parameters`, is known to hold NaN or infinity."""
    if is_known_any(lambda values: ~_array.array_namespace(values).isfinite(values), parameter, given):
        checks.invalid_value(function, argument, "be finite", "NaN or infinity")


def shape_and_rngs(function: str, rng: Rng, shape: Integers, *, axes: int, count: int = 1) -> tuple[Shape, list[Any]]:
    """Return the image shape that a sampler got, of `axes` axes at least, and `count` sources of randomness."""
    size = checks.integer_tuple(function, "shape", to_python(function, "shape", shape), minimum=1)
    if len(size) < axes:
        checks.invalid_value(function, "shape", f"have at least {axes} axes, (*spatial, channel)", size)
    return size, _array.split_rng(function, rng, count)


def non_negative_per_axis(function: str, argument: str, value: Numbers, count: int) -> HostArray:
    """Return one number, or one per axis, as `count` NumPy floats that are finite and not negative."""
    entries = _array.to_numpy(as_numbers(function, argument, value))
    if entries.shape not in ((), (count,)):
        checks.invalid_value(function, argument, f"be one number or {count}", value)
    if not (np.isfinite(entries) & (entries >= 0)).all():
        checks.invalid_value(function, argument, "be finite and not negative", value)
    return np.broadcast_to(entries, (count,))


def non_negative_range(function: str, argument: str, value: tuple[float, float]) -> tuple[float, float]:
    """Return the smallest and the largest number of a range that begins at 0 or above."""
    if np.shape(value) != (2,):
        checks.invalid_value(function, argument, "be the smallest and the largest", value)
    low, high = non_negative_per_axis(function, argument, value, 2).tolist()
    if low > high:
        checks.invalid_value(function, argument, "be in order", value)
    return low, high
