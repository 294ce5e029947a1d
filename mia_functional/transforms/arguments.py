"""Arguments of transforms: check them, and bring numbers to the library of the image."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Number
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
    "count_spatial",
    "log_uniform",
    "non_negative_per_axis",
    "non_negative_range",
    "require_finite",
    "require_parameter_shape",
    "require_valid",
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
    given: dict[str, Any] = {name: image, **{key: as_numbers(function, key, value, image) for key, value in others}}
    xp, (array, *parameters) = _array.to_common_library(function, **given)
    # Parameters are as wide as the sums of the image: float64 parameters of a float32 image would promote it in NumPy,
    # and half precision is too coarse for coordinates.
    dtype = _array.accumulator_dtype(array)
    return xp, array, [xp.astype(parameter, dtype, copy=False) for parameter in parameters]


def as_numbers(function: str, argument: str, value: Any, model: Any) -> Array:
    """Return an array as it is, and numbers or sequences of them as floats, which `_array` can bring to a `model`."""
    if checks.has_shape(value):
        array: Array = value
        return array
    try:
        # NumPy reads images of ITK and Pillow as numbers, too. Those of programs of PyTorch are symbols.
        if not (isinstance(value, Number | Sequence) or _array.in_torch_program()):
            raise TypeError(type(value))
        return _array.from_numbers(value, model)
    except (TypeError, ValueError):
        checks.invalid_kind(function, argument, "be a number, or an array or a sequence of numbers", repr(value))


def to_python(function: str, argument: str, value: Any) -> Any:
    """Return an array as Python's own numbers and anything else as it is; raise for an array of unknown values."""
    if _array.is_unknown(value):
        checks.invalid_kind(function, argument, "be known where a Geometry is transformed", "a traced array")
    return _array.to_numpy(value).tolist() if checks.has_shape(value) else value


def require_parameter_shape(function: str, argument: str, array: Array, *shapes: Shape) -> None:
    """Raise unless a parameter has one of the given shapes."""
    if tuple(array.shape) not in shapes:
        allowed = " or ".join(map(str, dict.fromkeys(shapes)))
        checks.invalid_value(function, argument, f"have the shape {allowed}", tuple(array.shape))


def require_valid(
    function: str,
    argument: str,
    given: Numbers,
    array: Array,
    is_valid: Callable[[Any], Any],
    *,
    needed: str,
    actual: str | None = None,
) -> None:
    """Raise if a parameter is known to hold a number that is not valid.

    Args:
        function: For the message, as is `argument`.
        argument: The name of the parameter.
        given: What the user gave.
        array: The array that was made of it.
        is_valid: From an array, or a number of Python, to booleans.
        needed: What is needed, in words.
        actual: What came, in words; what was given by default.
    """
    if _array.in_torch_program() and not checks.has_shape(given):
        # What a program makes of numbers is unknown there, and the numbers themselves are not.
        known = all(map(is_valid, _flat(given)))
    else:
        known = not _array.is_known_true(partial(_holds_invalid, is_valid, given), array)
    if not known:
        checks.invalid_value(function, argument, needed, actual or checks.describe(given))


def _holds_invalid(is_valid: Callable[[Any], Any], given: Numbers, array: Array) -> Array:
    """Return whether a parameter holds a number that is not valid.

    Numbers that came from the host are looked at there: on a GPU the answer would have to be waited for.
    """
    entries = as_numbers("", "", given, array)
    if _array.is_numpy(entries):
        with _array.quiet():  # what is too large for the dtype is infinite, there too
            array = _array.to_numpy(entries).astype(str(array.dtype).rpartition(".")[2], copy=False)
    return ~_array.array_namespace(array).all(is_valid(array))


def require_finite(function: str, argument: str, given: Numbers, array: Array) -> None:
    """Raise if a parameter, as it was given and as an array, is known to hold NaN or infinity."""
    words = {"needed": "be finite", "actual": "NaN or infinity"}
    require_valid(function, argument, given, array, lambda number: abs(number) < math.inf, **words)


def _flat(numbers: Any) -> list[float]:
    """Return numbers, one or sequences of them, as one list."""
    if not isinstance(numbers, Sequence):
        return [float(numbers)]
    return [number for entry in numbers for number in _flat(entry)]


def shape_and_rngs(function: str, rng: Rng, spatial_shape: Integers, *, count: int = 1) -> tuple[Shape, list[Any]]:
    """Return the spatial shape that a sampler got, of one axis at least, and `count` sources of randomness."""
    # An image instead of its shape would fill the message with its voxels.
    if len(getattr(spatial_shape, "shape", (1,))) != 1:
        checks.invalid_kind(function, "spatial_shape", "be a sequence of whole numbers", checks.describe(spatial_shape))
    sizes = to_python(function, "spatial_shape", spatial_shape)
    size = checks.integer_tuple(function, "spatial_shape", sizes, minimum=1)
    if not size:
        checks.invalid_value(function, "spatial_shape", "have at least one axis", size)
    return size, _array.split_rng(function, rng, count)


def log_uniform(function: str, source: Rng, max_change: float, shape: Shape) -> Array:
    """Return random factors up to `1 + max_change` whose logarithm is uniform, so that less and more are as likely."""
    most = math.log1p(float(non_negative_per_axis(function, "max_change", max_change, 1)[0]))
    powers = _array.random_uniform(source, -most, most, shape)
    return _array.array_namespace(powers).exp(powers)


def count_spatial(function: str, array: Array | Geometry, given: int | None) -> int:
    """Return how many axes are spatial: those of a geometry, as many as given, or all but the last."""
    ndim = len(array.shape)
    if isinstance(array, Geometry):
        return ndim
    if given is None:
        return ndim - 1
    if checks.integer(function, "spatial_axes", given, minimum=1) > ndim:
        checks.invalid_value(function, "spatial_axes", f"be at most {ndim}, the axes of the array", given)
    return int(given)


def non_negative_per_axis(function: str, argument: str, value: Numbers, count: int) -> HostArray:
    """Return one number, or one per axis, as `count` NumPy floats that are finite and not negative."""
    entries = _array.to_numpy(as_numbers(function, argument, value, None))
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
