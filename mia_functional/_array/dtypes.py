"""What kinds of numbers a library and a device have, and which of them to compute in."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mia_functional._array.libraries import array_namespace, device_of, is_jax, is_numpy, is_torch
from mia_functional._array.tracing import in_torch_program, is_traced
from mia_functional._core import checks
from mia_functional.typing import Array, Namespace

__all__ = [
    "accumulator_dtype",
    "check_fits_dtype",
    "computable",
    "dtype_kind",
    "index_dtype",
    "integer_range",
    "move",
    "native_dtype",
    "require_integers",
    "require_real",
    "take",
    "take_along",
    "widest_float",
]

# The largest numbers of narrow floating dtypes: no one `finfo` knows those of all libraries (NumPy's lacks bfloat16).
_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}

_NUMPY_KINDS = {"b": "bool", "i": "integer", "u": "integer", "f": "float", "c": "complex"}

_ML_KINDS = {"bfloat16": "float", "int4": "integer", "uint4": "integer", "int2": "integer", "uint2": "integer"}
"""Kinds of the dtypes that ml_dtypes adds to NumPy, which is what arrays of JAX become on the host."""

_TOO_NARROW = ("float8_", "float6_", "float4_")
"""Floats of which libraries store arrays, and hardly compute with them."""

_WIDER = {
    "bfloat16": "float32",
    **dict.fromkeys(("int2", "int4"), "int8"),
    **dict.fromkeys(("uint2", "uint4"), "uint8"),
}
"""Dtypes that NumPy lacks, and the smallest of its own that hold all their values."""

_TORCH_WIDER = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}
"""Integers of which PyTorch stores tensors, but finds no smallest, largest or chosen ones (2.13)."""

_ORDERED = {"bool": "uint8"}
"""Of booleans the standard has no largest."""


def dtype_kind(array: Array) -> str:
    """Return `bool`, `integer`, `float`, `complex` or `other` for the kind of an array's elements."""
    if _name(array.dtype).startswith(_TOO_NARROW):
        return "other"
    if is_numpy(array) or is_jax(array):
        # `numpy.isdtype` raises for dtypes of other packages, and JAX's takes a third of what adding a patch does.
        dtype: Any = array.dtype
        return _NUMPY_KINDS.get(getattr(dtype, "kind", "")) or _ML_KINDS.get(dtype.name, "other")
    xp = array_namespace(array)
    kinds = {"bool": "bool", "integral": "integer", "real floating": "float", "complex floating": "complex"}
    return next((name for kind, name in kinds.items() if xp.isdtype(array.dtype, kind)), "other")


def _plain_name(dtype: Any) -> str:
    """Return the name of a dtype of any library, without that of the library."""
    return str(dtype).rsplit(".", maxsplit=1)[-1]


# NumPy composes the text anew every time, which takes as long as a division of two small arrays. By type too, as dtypes
# of the strict library, whose hashes are NumPy's, warn when they are compared with those.
_kept_name = lru_cache(maxsize=64, typed=True)(_plain_name)


def _name(dtype: Any) -> str:
    """Return the name of a dtype, from a cache but in a program of `torch.compile`, which warns of caches."""
    return (_plain_name if in_torch_program() else _kept_name)(dtype)


def computable(array: Array) -> Array:
    """Return an array in a dtype that its library computes with, which holds the same values: mostly as it is.

    Of PyTorch's unsigned integers of 64 bits, those above the largest signed one become negative.
    """
    name = _name(array.dtype)
    if is_numpy(array):
        wider = _WIDER.get(name)
    elif is_jax(array):
        wider = _WIDER.get(name) if name.endswith(("int2", "int4")) else None
    else:
        wider = _ORDERED.get(name, _TORCH_WIDER.get(name) if is_torch(array) else None)
    if wider is None:
        return array
    xp = array_namespace(array)
    return xp.astype(array, getattr(xp, wider))


def move(function: Callable[[Array], Array], array: Array) -> Array:
    """Return `function(array)`, which moves and chooses entries, of tensors of any dtype.

    PyTorch has no kernels for that of unsigned integers (2.13), but those of signed ones move the same bits.
    """
    if not is_torch(array) or (name := _name(array.dtype)) not in _TORCH_WIDER:
        return function(array)
    tensor: Any = array
    moved: Any = function(tensor.view(getattr(array_namespace(array), name.removeprefix("u"))))
    bits: Array = moved.view(tensor.dtype)
    return bits


def take(array: Array, positions: Array, axis: int) -> Array:
    """Return the entries at some positions along an axis, of arrays of any dtype."""
    xp = array_namespace(array)
    return move(lambda own: xp.take(own, positions, axis=axis), array)


def take_along(array: Array, positions: Array, axis: int) -> Array:
    """Return the entries at positions of their own for each row along an axis; the other axes are of one size."""
    tensor: Any = array
    # `take_along_dim` of PyTorch broadcasts first, by which `torch.compile` makes a program for each size (2.13).
    return (
        tensor.gather(axis, positions)
        if is_torch(array)
        else array_namespace(array).take_along_axis(array, positions, axis=axis)
    )


def integer_range(array: Array) -> tuple[int, int]:
    """Return the smallest and the largest number that an array of integers can hold."""
    xp, name = array_namespace(array), _name(array.dtype)
    # `numpy.iinfo` does not know the dtypes of four bits.
    own = getattr(xp, _WIDER[name]) if name in _WIDER else array.dtype
    info = xp.iinfo(own)
    unused = info.bits - int(name[-1]) if name in _WIDER else 0
    return int(info.min) >> unused, int(info.max) >> unused


def widest_float(xp: Namespace, array: Array) -> Any:
    """Return the widest floating dtype that the library and the device of `array` offer: float64, else float32."""
    if is_numpy(array):  # whose answer takes longer than the sum of a small array
        return xp.float64
    # JAX has double precision only with its x64 mode switched on, some devices never have it.
    device = None if is_traced(array) else device_of(array)
    offered = xp.__array_namespace_info__().dtypes(device=device, kind="real floating")
    return xp.float64 if "float64" in offered else xp.float32


def accumulator_dtype(array: Array) -> Any:
    """Return the dtype in which sums of an array are held: float64 for float64, else float32."""
    xp = array_namespace(array)
    # Half precision is not enough for sums (float16 ends at 65504, bfloat16 counts up to 256), and float64 of what was
    # float32 would take twice the memory of a volume.
    return widest_float(xp, array) if native_dtype(array) == xp.float64 else xp.float32


def native_dtype(array: Array) -> Any:
    """Return the dtype of an array in the machine's byte order: dtypes of two byte orders do not compare equal."""
    return array.dtype.newbyteorder("=") if is_numpy(array) else array.dtype


def index_dtype(xp: Namespace) -> Any:
    """Return the integer dtype in which a library takes positions: 64 bits, or 32 in JAX without x64."""
    return xp.__array_namespace_info__().default_dtypes()["indexing"]


def check_fits_dtype(function: str, argument: str, value: float, model: Array) -> None:
    """Raise unless the dtype of an array holds a number, which libraries would wrap or round, each in its own way."""
    number, kind = checks.number(function, argument, value), dtype_kind(model)
    if kind in ("bool", "integer"):
        low, high = (0, 1) if kind == "bool" else integer_range(model)
        # `value`, not `number`: as a float, 2^63 - 1 is 2^63, which int64 does not hold.
        if not (number.is_integer() and low <= value <= high):
            needed = f"be a whole number within {low} and {high}, which {model.dtype} holds"
            checks.invalid_value(function, argument, needed, value)
        return
    largest = _LARGEST.get(_name(model.dtype), math.inf)
    if largest < abs(number) < math.inf:
        needed = f"lie within {-largest:g} and {largest:g}, which {model.dtype} holds"
        checks.invalid_value(function, argument, needed, value)


def require_real(function: str, argument: str, array: Array) -> None:
    """Raise unless an array holds booleans, integers or floats."""
    if dtype_kind(array) not in ("bool", "integer", "float"):
        checks.invalid_kind(function, argument, "hold real numbers", f"dtype {array.dtype}")


def require_integers(function: str, argument: str, value: Any) -> None:
    """Raise unless an array, perhaps traced, holds whole numbers; whatever is not an array passes."""
    if checks.has_shape(value) and dtype_kind(value) != "integer":
        checks.invalid_kind(function, argument, "hold whole numbers, one per axis", f"dtype {value.dtype}")
