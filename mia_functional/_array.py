"""The one file that knows array libraries: which library an array belongs to, and what differs between them.

Everything else is written against the array API standard with the namespace that comes from here.
"""

import math
import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import numpy as np

from mia_functional import _check
from mia_functional.typing import Array


def namespace(function: str, **arrays: Array) -> Any:
    """Return the array API namespace that all `arrays` share; keywords are the argument names for messages.

    Raises:
        TypeError: An argument is no array, or the arrays belong to different libraries.
    """
    names = {}
    for argument, array in arrays.items():
        if not compat.is_array_api_obj(array):
            _check.invalid_kind(function, argument, "be an array", type(array).__name__)
        names[argument] = compat.array_namespace(array)
    spaces = list(names.values())
    if any(space is not spaces[0] for space in spaces):
        kinds = ", ".join(f"{argument}: {space.__name__}" for argument, space in names.items())
        raise TypeError(f"{function}: all arrays must belong to one array library; got {kinds}.")
    return spaces[0]


def together(function: str, **arrays: Array) -> tuple[Any, tuple[Array, ...]]:
    """Return the common namespace of `arrays`, and the arrays on one library and device.

    A NumPy array beside those of another library is moved to that library and its device.

    Raises:
        TypeError: An argument is no array, or two libraries other than NumPy, or two devices, meet.
    """
    foreign = {name: array for name, array in arrays.items() if not compat.is_numpy_array(array)}
    if len(foreign) in (0, len(arrays)):
        xp = namespace(function, **arrays)
        one_device(function, **arrays)
        return xp, tuple(arrays.values())
    xp = namespace(function, **foreign)
    one_device(function, **foreign)
    model = next(iter(foreign.values()))
    return xp, tuple(
        array if name in foreign else from_numpy(np.asarray(array), xp, model) for name, array in arrays.items()
    )


def one_device(function: str, **arrays: Array) -> None:
    """Refuse concrete arrays that lie on different devices."""
    devices = {name: compat.device(array) for name, array in arrays.items() if not is_traced(array)}
    if len(set(map(str, devices.values()))) > 1:
        places = ", ".join(f"{name}: {place}" for name, place in devices.items())
        raise TypeError(f"{function}: all arrays must lie on one device; got {places}.")


def from_numpy(array: Any, xp: Any, model: Array) -> Array:
    """Return a NumPy array as an array of the library `xp`, on the device of `model`."""
    native = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    if compat.is_torch_array(model):
        native = native.copy()
    if is_traced(model):
        return xp.asarray(native)
    return xp.asarray(native, device=compat.device(model))


def to_numpy(array: Array) -> Any:
    """Return an array of any library as a NumPy array on the host."""
    if compat.is_numpy_array(array):
        return array
    if compat.is_torch_array(array):
        return array.detach().cpu().numpy()
    if compat.is_cupy_array(array):
        return array.get()
    return np.asarray(array)


def is_traced(array: Array) -> bool:
    """Tell whether an array is a placeholder inside a JAX transformation, so that its values cannot be looked at."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(array, jax.core.Tracer)


def is_numpy(array: Array) -> bool:
    """Tell whether an array is NumPy's."""
    return bool(compat.is_numpy_array(array))


def dtype_kind(array: Array) -> str:
    """Return `bool`, `integer`, `float`, `complex` or `other` for the kind of an array's elements."""
    xp = compat.array_namespace(array)
    for kind, name in (("bool", "bool"), ("integral", "integer"), ("real floating", "float")):
        if xp.isdtype(array.dtype, kind):
            return name
    if str(array.dtype).rsplit(".", maxsplit=1)[-1] in ("bfloat16", "float16", "half"):
        return "float"
    return "complex" if xp.isdtype(array.dtype, "complex floating") else "other"


def widest_float(xp: Any, array: Array) -> Any:
    """Return the widest floating dtype that the library and the device of `array` offer: float64, else float32."""
    return xp.float64 if has_float64(xp, array) else xp.float32


def has_float64(xp: Any, array: Array) -> bool:
    """Tell whether double precision is there: JAX has it only with its x64 mode switched on, some devices never."""
    device = None if is_traced(array) else compat.device(array)
    return "float64" in xp.__array_namespace_info__().dtypes(device=device, kind="real floating")


def ratio(numerator: Array, denominator: Array, *, zero_division: float = math.nan) -> Array:
    """Return numerator / denominator, and `zero_division` where the denominator is zero.

    Args:
        numerator: Floating array or scalar array.
        denominator: Floating array of the same shape.
        zero_division: The value for an undefined quotient.
    """
    xp = compat.array_namespace(numerator, denominator)
    undefined = denominator == 0
    safe = xp.where(undefined, xp.ones_like(denominator), denominator)
    return xp.where(undefined, xp.full_like(numerator, zero_division), numerator / safe)


def accumulator_dtype(array: Array) -> Any:
    """Return the dtype in which sums of an array are held: float64 for float64, else float32."""
    xp = compat.array_namespace(array)
    return array.dtype if has_float64(xp, array) and array.dtype == xp.float64 else xp.float32


def zeros(xp: Any, shape: tuple[int, ...], dtype: Any, model: Array) -> Array:
    """Return zeros on the device of `model`."""
    return (
        xp.zeros(shape, dtype=dtype) if is_traced(model) else xp.zeros(shape, dtype=dtype, device=compat.device(model))
    )


def along(xp: Any, values: Any, axis: int, model: Array) -> Array:
    """Return NumPy `values` as an array of the library that broadcasts against `model` from `axis` on."""
    shape = (1,) * axis + values.shape + (1,) * (model.ndim - axis - values.ndim)
    return from_numpy(values.reshape(shape), xp, model)


def add_at(array: Array, index: Any, values: Array) -> Array:
    """Return `array` with `values` added at `index`; the array is the caller's own and may be changed in place."""
    if compat.is_jax_array(array):
        return array.at[index].add(values)
    array[index] += values
    return array


def set_at(array: Array, index: Any, values: Array) -> Array:
    """Return `array` with `values` written at `index`; the array is the caller's own and may be changed in place."""
    if compat.is_jax_array(array):
        return array.at[index].set(values)
    array[index] = values
    return array


def on_host(array: Array) -> bool:
    """Tell whether an array is concrete and lies in the host's memory, so that NumPy can read it without a copy."""
    if is_traced(array):
        return False
    if compat.is_jax_array(array):
        return [device.platform for device in array.devices()] == ["cpu"]
    return is_numpy(array) or (compat.is_torch_array(array) and array.device.type == "cpu")


def loop(xp: Any, count: int, body: Callable[[Any, Any], Any], value: Any) -> Any:
    """Return `value` after `value = body(step, value)` for each step below `count`; one compiled loop in JAX."""
    if compat.is_jax_namespace(xp):
        return sys.modules["jax"].lax.fori_loop(0, count, body, value, unroll=min(8, count))
    for step in range(count):
        value = body(step, value)
    return value


def library(*arrays: Array) -> Any:
    """Return the array API namespace of arrays that were checked before."""
    return compat.array_namespace(*arrays)


def is_jax(array: Array) -> bool:
    """Tell whether an array is JAX's, traced or not."""
    return bool(compat.is_jax_array(array))


def smallest_float(dtype: Any, reached: Callable[[Array], Array]) -> Array:
    """Return the smallest float >= 0 that satisfies a monotone condition, else inf; JAX only, exact to the bit.

    Floats that are not negative are ordered like the integers of the same bits, so halving the range of bits finds it.
    """
    jax = sys.modules["jax"]
    whole = jax.numpy.int64 if dtype == jax.numpy.float64 else jax.numpy.int32
    top = jax.lax.bitcast_convert_type(jax.numpy.asarray(math.inf, dtype=dtype), whole)

    def halve(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = low + (high - low) // 2
        enough = reached(jax.lax.bitcast_convert_type(middle, dtype))
        return jax.numpy.where(enough, low, middle + 1), jax.numpy.where(enough, middle, high)

    steps = jax.numpy.iinfo(whole).bits
    _, found = jax.lax.fori_loop(0, steps, halve, (jax.numpy.zeros_like(top), top))
    return jax.lax.bitcast_convert_type(found, dtype)


def maximum_at(array: Array, index: Any, values: Array) -> Array:
    """Return `array` with the larger of its own and `values` at `index`; it may be changed in place."""
    return set_at(array, index, library(array).maximum(array[index], values))


def block(array: Array, start: Any, shape: tuple[int, ...]) -> Array:
    """Return the block of `shape` along the leading axes that begins at `start`, which may be traced."""
    if compat.is_jax_array(array):
        lax = sys.modules["jax"].lax
        rest = array.shape[len(shape) :]
        return lax.dynamic_slice(array, (*start, *(0,) * len(rest)), (*shape, *rest))
    return array[(*(slice(int(low), int(low) + size) for low, size in zip(start, shape, strict=True)), ...)]


def add_block(array: Array, start: Any, values: Array) -> Array:
    """Return `array` with `values` added to the block that begins at `start`, which may be traced.

    The array is the caller's own: it is changed in place, or for JAX inside `jit` reused by the compiler. No scatter is
    used, which is many times slower on the CPU.
    """
    shape = values.shape[: len(start)]
    if compat.is_jax_array(array):
        lax = sys.modules["jax"].lax
        place = (*start, *(0,) * (array.ndim - len(shape)))
        return lax.dynamic_update_slice(array, lax.dynamic_slice(array, place, values.shape) + values, place)
    place = tuple(slice(int(low), int(low) + size) for low, size in zip(start, shape, strict=True))
    array[(*place, ...)] += values
    return array


def result_like(function: Callable[[Array], Array], argument: Array) -> Any:
    """Return something with the shape and dtype of `function(argument)`; JAX finds them without computing."""
    if compat.is_jax_array(argument):
        return sys.modules["jax"].eval_shape(function, argument)
    return function(argument)
