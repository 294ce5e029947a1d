"""Which library an array belongs to, and how arrays get from one library to another."""

import importlib
import sys
from typing import Any

import array_api_compat as compat
import numpy as np

from mia_functional._core import checks
from mia_functional.typing import Array, Namespace


def checked_namespace(function: str, **arrays: Array) -> Namespace:
    """Return the array API namespace that all `arrays` share; keywords are the argument names for messages.

    Raises:
        TypeError: An argument is no array, or the arrays belong to different libraries.
    """
    names = {}
    for argument, array in arrays.items():
        if not compat.is_array_api_obj(array):
            checks.invalid_kind(function, argument, "be an array", type(array).__name__)
        names[argument] = compat.array_namespace(array)
    spaces = list(names.values())
    if any(space is not spaces[0] for space in spaces):
        kinds = ", ".join(f"{argument}: {space.__name__}" for argument, space in names.items())
        raise TypeError(f"{function}: all arrays must belong to one array library; got {kinds}.")
    return spaces[0]


def to_common_library(function: str, **arrays: Array) -> tuple[Namespace, tuple[Array, ...]]:
    """Return the common namespace of `arrays`, and the arrays on one library and device.

    A NumPy array beside those of another library is moved to that library and its device.

    Raises:
        TypeError: An argument is no array, or two libraries other than NumPy, or two devices, meet.
    """
    foreign = {name: array for name, array in arrays.items() if not compat.is_numpy_array(array)}
    if len(foreign) in (0, len(arrays)):
        xp = checked_namespace(function, **arrays)
        _check_one_device(function, **arrays)
        return xp, tuple(arrays.values())
    xp = checked_namespace(function, **foreign)
    _check_one_device(function, **foreign)
    model = next(iter(foreign.values()))
    return xp, tuple(
        array if name in foreign else from_numpy(np.asarray(array), xp, model) for name, array in arrays.items()
    )


def _check_one_device(function: str, **arrays: Array) -> None:
    """Refuse concrete arrays that lie on different devices."""
    devices = {name: compat.device(array) for name, array in arrays.items() if not is_traced(array)}
    if len(set(map(str, devices.values()))) > 1:
        places = ", ".join(f"{name}: {place}" for name, place in devices.items())
        raise TypeError(f"{function}: all arrays must lie on one device; got {places}.")


def from_numpy(array: Any, xp: Namespace, model: Array) -> Array:
    """Return a NumPy array as an array of the library `xp`, on the device of `model`.

    Raises:
        OverflowError: The array holds integers that the library would wrap around.
    """
    native = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    if native.dtype.kind in "iu" and native.dtype.itemsize == 8 and native.size:
        kind = xp.__array_namespace_info__().default_dtypes()["integral"]
        low, high = int(xp.iinfo(kind).min), int(xp.iinfo(kind).max)
        if not low <= int(native.min()) <= int(native.max()) <= high:
            raise OverflowError(f"{xp.__name__} holds integers from {low} to {high} here; remap the labels first.")
    if compat.is_torch_array(model):
        native = native.copy()
    if is_traced(model):
        return xp.asarray(native)
    device = place(model, native.shape)
    if compat.is_jax_array(model):
        return sys.modules["jax"].device_put(native, device)
    return xp.asarray(native, device=device)


def place(model: Array, shape: tuple[int, ...]) -> Any:
    """Return the device for an array of a shape beside a concrete `model`; only one of the same shape is sharded."""
    device = compat.device(model)
    mesh = getattr(device, "mesh", None)
    if mesh is None or shape == model.shape:
        return device
    sharding = sys.modules["jax"].sharding
    return sharding.NamedSharding(mesh, sharding.PartitionSpec())


def asarray_like(array: Array, model: Array) -> Array:
    """Return an array, NumPy's or the model's, in the library, on the device and in the dtype of `model`."""
    xp = compat.array_namespace(model)
    own = from_numpy(array, xp, model) if compat.is_numpy_array(array) and not compat.is_numpy_array(model) else array
    return xp.astype(own, model.dtype, copy=False)


def to_numpy(array: Array) -> Any:
    """Return an array of any library as a NumPy array on the host."""
    if compat.is_numpy_array(array):
        return array
    if compat.is_torch_array(array):
        return array.detach().cpu().numpy()
    if compat.is_cupy_array(array):
        return array.get()
    return np.asarray(array)


def read_region(source: Any, index: Any) -> Array:
    """Return `source[index]`, read from where it lies if that is no array yet (TensorStore)."""
    part = source[index]
    return part if type(part) is np.ndarray or compat.is_array_api_obj(part) else np.asarray(part)


def array_namespace(*arrays: Array) -> Namespace:
    """Return the array API namespace of arrays that were checked before."""
    return compat.array_namespace(*arrays)


def is_traced(array: Array) -> bool:
    """Tell whether an array is a placeholder inside a JAX transformation, so that its values cannot be looked at."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(array, jax.core.Tracer)


def is_on_mesh(array: Array) -> bool:
    """Tell whether an array, perhaps traced, is known to lie on a mesh of devices, in parts or as copies."""
    return bool(compat.is_jax_array(array)) and not sys.modules["jax"].typeof(array).sharding.mesh.empty


def is_numpy(array: Array) -> bool:
    """Tell whether an array is NumPy's."""
    return bool(compat.is_numpy_array(array))


def is_jax(array: Array) -> bool:
    """Tell whether an array is JAX's, traced or not."""
    return bool(compat.is_jax_array(array))


def is_cupy(array: Array) -> bool:
    """Tell whether an array is CuPy's."""
    return bool(compat.is_cupy_array(array))


def in_host_memory(array: Array) -> bool:
    """Tell whether an array is concrete and lies in the host's memory, so that NumPy can read it without a copy."""
    if is_traced(array):
        return False
    if compat.is_jax_array(array):
        return [device.platform for device in array.devices()] == ["cpu"]
    tracked = getattr(array, "requires_grad", False)
    return is_numpy(array) or (compat.is_torch_array(array) and array.device.type == "cpu" and not tracked)


def cupy_distance_transform(mask: Array, spacing: tuple[float, ...]) -> Array:
    """Return CuPy's exact distances of the voxels of a mask to the nearest voxel outside, for two or three axes."""
    ndimage = importlib.import_module("cupyx.scipy.ndimage")
    return ndimage.distance_transform_edt(mask, sampling=spacing)
