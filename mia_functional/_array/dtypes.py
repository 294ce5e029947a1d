"""What kinds of numbers a library has, and the one helper for undefined quotients."""

import math
from typing import Any

import array_api_compat as compat
import numpy as np

from mia_functional._array.backends import is_traced
from mia_functional._core import checks
from mia_functional.typing import Array, Namespace

LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}
"""The largest numbers that narrow floating dtypes hold; NumPy's `finfo` does not know bfloat16."""


def dtype_kind(array: Array) -> str:
    """Return `bool`, `integer`, `float`, `complex` or `other` for the kind of an array's elements."""
    xp = compat.array_namespace(array)
    for kind, name in (("bool", "bool"), ("integral", "integer"), ("real floating", "float")):
        if xp.isdtype(array.dtype, kind):
            return name
    if str(array.dtype).rsplit(".", maxsplit=1)[-1] in ("bfloat16", "float16", "half"):
        return "float"
    return "complex" if xp.isdtype(array.dtype, "complex floating") else "other"


def widest_float(xp: Namespace, array: Array) -> Any:
    """Return the widest floating dtype that the library and the device of `array` offer: float64, else float32."""
    return xp.float64 if has_float64(xp, array) else xp.float32


def has_float64(xp: Namespace, array: Array) -> bool:
    """Tell whether double precision is there: JAX has it only with its x64 mode switched on, some devices never."""
    device = None if is_traced(array) else compat.device(array)
    return "float64" in xp.__array_namespace_info__().dtypes(device=device, kind="real floating")


def index_dtype(xp: Namespace) -> Any:
    """Return the integer dtype in which a library takes positions: 64 bits, or 32 in JAX without x64."""
    return xp.__array_namespace_info__().default_dtypes()["indexing"]


def accumulator_dtype(array: Array) -> Any:
    """Return the dtype in which sums of an array are held: float64 for float64, else float32."""
    xp = compat.array_namespace(array)
    dtype = array.dtype.newbyteorder("=") if compat.is_numpy_array(array) else array.dtype
    return xp.float64 if has_float64(xp, array) and dtype == xp.float64 else xp.float32


def ratio(numerator: Array, denominator: Array, *, zero_division: float = math.nan) -> Array:
    """Return numerator / denominator, and `zero_division` where the denominator is zero.

    Args:
        numerator: Floating array or scalar array.
        denominator: Floating array of the same shape.
        zero_division: The value for an undefined quotient.
    """
    if compat.is_numpy_array(denominator):
        unknown = np.full(np.shape(denominator), zero_division, np.result_type(numerator, denominator))
        return np.divide(numerator, denominator, out=unknown, where=denominator != 0)
    xp = compat.array_namespace(numerator, denominator)
    undefined = denominator == 0
    safe = xp.where(undefined, xp.ones_like(denominator), denominator)
    return xp.where(undefined, xp.full_like(numerator, zero_division), numerator / safe)


def check_fits_dtype(function: str, argument: str, value: float, model: Array) -> None:
    """Refuse a number that the dtype of an array cannot hold: libraries wrap or round it, each in its own way."""
    number, kind = checks.number(function, argument, value), dtype_kind(model)
    if kind not in ("bool", "integer"):
        largest = LARGEST.get(str(model.dtype).rsplit(".", maxsplit=1)[-1], math.inf)
        if math.isfinite(number) and abs(number) > largest:
            needed = f"lie within {-largest:g} and {largest:g}, which {model.dtype} holds"
            checks.invalid_value(function, argument, needed, value)
        return
    info = None if kind == "bool" else compat.array_namespace(model).iinfo(model.dtype)
    low, high = (0, 1) if info is None else (int(info.min), int(info.max))
    if not (number.is_integer() and low <= value <= high):
        needed = f"be a whole number within {low} and {high}, which {model.dtype} holds"
        checks.invalid_value(function, argument, needed, value)
