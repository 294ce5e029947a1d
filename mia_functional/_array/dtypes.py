"""What kinds of numbers a library and a device have, and which of them to compute in."""

import math
from typing import Any

import array_api_compat as compat

from mia_functional._array.backends import array_namespace, is_numpy, is_traced
from mia_functional._core import checks
from mia_functional.typing import Array, Namespace

__all__ = [
    "accumulator_dtype",
    "check_fits_dtype",
    "dtype_kind",
    "index_dtype",
    "require_integers",
    "require_real",
    "widest_float",
]

# The largest numbers of narrow floating dtypes: no one `finfo` knows those of all libraries (NumPy's lacks bfloat16).
_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}

_NUMPY_KINDS = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "c": "complex"}


def dtype_kind(array: Array) -> str:
    """Return `bool`, `integer`, `float`, `complex` or `other` for the kind of an array's elements."""
    if is_numpy(array):
        # `numpy.isdtype` raises for dtypes of other packages (bfloat16 of ml_dtypes), which are "other" here.
        return _NUMPY_KINDS.get(array.dtype.kind, "other")
    xp = array_namespace(array)
    kinds = {"bool": "bool", "integral": "integer", "real floating": "float", "complex floating": "complex"}
    return next((name for kind, name in kinds.items() if xp.isdtype(array.dtype, kind)), "other")


def widest_float(xp: Namespace, array: Array) -> Any:
    """Return the widest floating dtype that the library and the device of `array` offer: float64, else float32."""
    # JAX has double precision only with its x64 mode switched on, some devices never have it.
    device = None if is_traced(array) else compat.device(array)
    offered = xp.__array_namespace_info__().dtypes(device=device, kind="real floating")
    return xp.float64 if "float64" in offered else xp.float32


def accumulator_dtype(array: Array) -> Any:
    """Return the dtype in which sums of an array are held: float64 for float64, else float32."""
    xp = array_namespace(array)
    # Half precision is not enough for sums (float16 ends at 65504, bfloat16 counts up to 256), and float64 of what was
    # float32 would take twice the memory of a volume. Dtypes of two byte orders do not compare equal.
    dtype = array.dtype.newbyteorder("=") if is_numpy(array) else array.dtype
    return widest_float(xp, array) if dtype == xp.float64 else xp.float32


def index_dtype(xp: Namespace) -> Any:
    """Return the integer dtype in which a library takes positions: 64 bits, or 32 in JAX without x64."""
    return xp.__array_namespace_info__().default_dtypes()["indexing"]


def check_fits_dtype(function: str, argument: str, value: float, model: Array) -> None:
    """Raise unless the dtype of an array holds a number, which libraries would wrap or round, each in its own way."""
    number, kind = checks.number(function, argument, value), dtype_kind(model)
    if kind in ("bool", "integer"):
        info = None if kind == "bool" else array_namespace(model).iinfo(model.dtype)
        low, high = (0, 1) if info is None else (int(info.min), int(info.max))
        # `value`, not `number`: as a float, 2^63 - 1 is 2^63, which int64 does not hold.
        if not (number.is_integer() and low <= value <= high):
            needed = f"be a whole number within {low} and {high}, which {model.dtype} holds"
            checks.invalid_value(function, argument, needed, value)
        return
    largest = _LARGEST.get(str(model.dtype).rsplit(".", maxsplit=1)[-1], math.inf)
    if math.isfinite(number) and abs(number) > largest:
        needed = f"lie within {-largest:g} and {largest:g}, which {model.dtype} holds"
        checks.invalid_value(function, argument, needed, value)


def require_real(function: str, argument: str, array: Array) -> None:
    """Raise unless an array holds booleans, integers or floats."""
    if dtype_kind(array) not in ("bool", "integer", "float"):
        checks.invalid_kind(function, argument, "hold real numbers", f"dtype {array.dtype}")


def require_integers(function: str, argument: str, value: Any) -> None:
    """Raise unless an array, perhaps traced, holds whole numbers; whatever is not an array passes."""
    if hasattr(value, "dtype") and dtype_kind(value) != "integer":
        checks.invalid_kind(function, argument, "hold whole numbers, one per axis", f"dtype {value.dtype}")
