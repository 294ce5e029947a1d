"""How arrays get from one library to another, and to the devices of those that they are computed with."""

import sys
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, TypeVar

import array_api_compat as compat
import numpy as np

from mia_functional._array.libraries import (
    array_namespace,
    device_of,
    is_cupy,
    is_jax,
    is_jax_namespace,
    is_numpy,
    is_torch,
)
from mia_functional._array.tracing import in_bytecode, in_torch_program, is_traced
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray, Namespace, Shape, Sliceable

__all__ = [
    "asarray_like",
    "call_gathered",
    "checked_namespace",
    "from_numbers",
    "from_numpy",
    "has_explicit_axes",
    "is_on_mesh",
    "on_own_axes",
    "python_number",
    "read_region",
    "snapshot",
    "to_common_library",
    "to_numpy",
    "whole_number",
]

_Result = TypeVar("_Result")


def _is_array(array: object) -> bool:
    """Return whether an object is an array of a library that is known, or one of the standard."""
    # The first two questions save the others, which take as long as a small patch and warn in `torch.compile`.
    if is_numpy(array) or is_torch(array):
        return True
    # `sparse` follows the standard as far as it can, and then raises in words of its own.
    return compat.is_array_api_obj(array) and not type(array).__module__.startswith("sparse.")


def checked_namespace(function: str, **arrays: Array) -> Namespace:
    """Return the array API namespace that all `arrays` share; keywords are the argument names for messages.

    Raises:
        TypeError: An argument is not an array, or the arrays belong to different libraries.
        ValueError: An array of CuPy lies on another device than the current one.
    """
    namespaces = {}
    for argument, array in arrays.items():
        if not _is_array(array):
            checks.not_an_array(function, argument, array)
        checks.no_hidden_elements(function, argument, array)
        if is_cupy(array):
            _require_current_device(function, argument, arrays[argument])
        namespaces[argument] = array_namespace(array)
    first = next(iter(namespaces.values()))
    if any(xp is not first for xp in namespaces.values()):
        kinds = ", ".join(f"{argument}: {xp.__name__}" for argument, xp in namespaces.items())
        raise TypeError(f"{function}: all arrays must belong to one array library; got {kinds}.")
    return first


def _require_current_device(function: str, argument: str, array: Array) -> None:
    """Raise unless an array of CuPy lies on the current device, on which CuPy makes and computes everything.

    It has no `device=`, which the compatibility layer (1.16) drops without a word: results would lie elsewhere than
    their arguments.
    """
    device, current = compat.device(array), sys.modules["cupy"].cuda.Device()
    if device != current:
        needed = f"lie on the current device of CuPy, {current}; call this within `with array.device:`"
        checks.invalid_value(function, argument, needed, device)


def to_common_library(function: str, **arrays: Array) -> tuple[Namespace, tuple[Array, ...]]:
    """Return the common namespace of `arrays`, and the arrays in one library and on one device.

    A NumPy array beside those of another library is moved to that library and its device.

    Raises:
        TypeError: An argument is not an array, or arrays of two libraries other than NumPy, or on two devices, meet.
    """
    for name, array in arrays.items():
        checks.no_hidden_elements(function, name, array)
    staying = {name: array for name, array in arrays.items() if not is_numpy(array)} or arrays
    xp = checked_namespace(function, **staying)
    if len(staying) > 1 and is_jax_namespace(xp):
        staying = dict(zip(staying, _placed_alike(list(staying.values())), strict=True))
    # A tracer has no device yet: what it is computed on is chosen when the program runs.
    devices = {name: _devices_of(array) for name, array in staying.items() if not is_traced(array)}
    if len(set(map(str, devices.values()))) > 1:
        listing = ", ".join(f"{name}: {device}" for name, device in devices.items())
        raise TypeError(f"{function}: all arrays must lie on one device; got {listing}.")
    model = next(iter(staying.values()))
    return xp, tuple(
        staying[name] if name in staying else from_numpy(np.asarray(array), xp, model) for name, array in arrays.items()
    )


def _placed_alike(arrays: list[Array]) -> list[Array]:
    """Return arrays of JAX, of which some follow others: to their device or mesh, and along its explicit axes."""
    jax, concrete = sys.modules["jax"], [array for array in arrays if not is_traced(array)]
    settled: list[Any] = [array for array in concrete if array.committed]  # type: ignore[attr-defined]
    if settled and len(settled) < len(concrete):
        # JAX moves what nobody has put onto a device as well, but not into functions of its own types of axes.
        arrays = [
            array
            if is_traced(array) or any(array is own for own in settled)
            else jax.device_put(array, device_beside(settled[0], array.shape))
            for array in arrays
        ]
    divided = [array for array in arrays if has_explicit_axes(array) and any(jax.typeof(array).sharding.spec)]
    if not divided:
        return arrays
    # A mask that lies otherwise than the image is a type error of `where`, though not of arithmetic (0.10).
    model, placed = divided[0], jax.typeof(divided[0]).sharding
    # Within `jax.set_mesh` what comes from one device is on the axes as well, but only the results of it say so.
    everywhere = placed.mesh == jax.sharding.get_abstract_mesh()

    def beside(array: Array) -> Array:
        if array.ndim != model.ndim or not (everywhere or has_explicit_axes(array)):
            return array
        sizes = zip(placed.spec, array.shape, model.shape, strict=True)
        spec = jax.sharding.PartitionSpec(*(name if size == own else None for name, size, own in sizes))
        moved: Array = jax.sharding.reshard(array, jax.sharding.NamedSharding(placed.mesh, spec))
        return moved

    return list(map(beside, arrays))


def from_numpy(array: HostArray, xp: Namespace, model: Array) -> Array:
    """Return a NumPy array as an array of the library `xp`, on the device of `model`: a copy, unless that is NumPy.

    Raises:
        OverflowError: The array holds integers that the library would wrap around.
    """
    if in_bytecode():
        # What NumPy computes there are tensors of a program, without an address or a byte order.
        return array if is_numpy(model) else xp.asarray(array, device=device_of(model))
    if is_numpy(model):
        return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    own = snapshot(array, xp)
    if is_traced(model):
        return xp.asarray(own)
    device = device_beside(model, own.shape)
    # On the CPU `device_put` takes over the memory of the copy, where `jnp.asarray` copies once more.
    return xp.asarray(sys.modules["jax"].device_put(own, device) if is_jax(model) else own, device=device)


def from_numbers(values: Any, model: Array) -> Array:
    """Return numbers of Python, one or sequences of them, as floats of NumPy, or of a program of `torch.compile`."""
    if not in_torch_program():
        return np.asarray(values, dtype=np.float64)
    xp = array_namespace(model)
    if isinstance(values, Sequence):
        return xp.stack([from_numbers(entry, model) for entry in values])
    # Not `asarray`, which makes a program for each number.
    return xp.full((), float(values), device=device_of(model))


def whole_number(number: int) -> HostArray:
    """Return a whole number as an array of one entry, to compute with positions of NumPy.

    It may be a size that varies in a program of `torch.compile`: beside a number, what NumPy computes would be compiled
    for each.
    """
    return np.arange(number, number + 1)


def python_number(number: float) -> float:
    """Return a finite number of Python whose digits are needed, as those of a percentage.

    Numbers that vary in a program of `torch.compile` have none, so that this one gets a program of its own.
    """
    if not in_torch_program():
        return float(number)
    numerator, denominator = float(number).as_integer_ratio()
    return numerator / denominator


_SHARED_ALIGNMENT = 64
"""Bytes by which the address of an array has to divide for XLA to take it over; other memory it copies."""

_WORTH_SHARING = 1 << 16
"""Bytes from which a second copy takes longer than to align the first."""


def snapshot(array: HostArray, xp: Namespace) -> HostArray:
    """Return a copy of a NumPy array that nobody else can change, for the library `xp`: what was given is what is used.

    Every NumPy array that becomes one of another library goes through here. JAX neither copies it nor waits until it
    has been read: on the CPU `device_put` and the arguments of compiled programs share its memory or read it in another
    thread, on other devices the transfer goes on when the call is over. A buffer that is filled again right after the
    call changed 42 of 50 arrays (JAX 0.10.2). PyTorch and the strict library share the memory for good.

    The copy takes 0.1 ms for a patch of 84^3 voxels of 2 channels in float32 and 3 ms for a head of 181 x 217 x 181;
    with the address that XLA asks for it is the only one (0.3 and 3 ms until JAX is done, as without the copy).

    Raises:
        OverflowError: The array holds integers that the library would wrap around.
    """
    # PyTorch takes neither foreign byte orders nor negative strides, JAX no foreign byte order.
    dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
    if dtype.kind in "iu" and dtype.itemsize == 8 and array.size:
        # Without x64 JAX keeps the low 32 bits of 64-bit integers, without a word.
        kind = str(xp.__array_namespace_info__().default_dtypes()["integral"]).rpartition(".")[2]
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        if not low <= int(array.min()) <= int(array.max()) <= high:
            raise OverflowError(f"{xp.__name__} holds integers from {low} to {high} here; remap the labels first.")
    if dtype.hasobject or array.nbytes < _WORTH_SHARING:
        return np.array(array, dtype, order="C")  # objects are for the library to refuse
    memory = np.empty(array.size * dtype.itemsize + _SHARED_ALIGNMENT, dtype=np.uint8)
    begin = -memory.ctypes.data % _SHARED_ALIGNMENT
    own: HostArray = np.ndarray(array.shape, dtype, memory, begin)
    own[...] = array
    return own


def snapshots(arrays: Any) -> Any:
    """Return arrays for JAX, or tuples of them, with `snapshot` of all that are NumPy's."""
    if isinstance(arrays, np.ndarray):
        return snapshot(arrays, sys.modules["jax"].numpy)
    if not isinstance(arrays, tuple):
        return arrays
    # By hand: `jax.tree.map` takes three times as long, a sixth of what it takes to add a small patch.
    entries = map(snapshots, arrays)
    return arrays._make(entries) if hasattr(arrays, "_make") else tuple(entries)


def _devices_of(array: Array) -> object:
    """Return the device of a concrete array, or all devices of one of JAX, however it is divided among them."""
    sharded: Any = array
    if not is_jax(array):
        return device_of(array)
    places = sorted(sharded.devices(), key=str)
    return places[0] if len(places) == 1 else places


def device_beside(model: Array, shape: Shape) -> object:
    """Return the device for an array of a shape that is computed with together with a concrete `model`."""
    device = device_of(model)
    mesh = getattr(device, "mesh", None)
    if mesh is None or shape == model.shape:
        return device
    # The axes of another shape need not divide by those of the mesh: every device gets a copy instead.
    sharding: Namespace = sys.modules["jax"].sharding
    return sharding.NamedSharding(mesh, sharding.PartitionSpec())


def asarray_like(array: Array, model: Array) -> Array:
    """Return an array, NumPy's or the model's, in the library, on the device and in the dtype of `model`."""
    xp = array_namespace(model)
    if is_numpy(array) and not is_numpy(model):
        array = from_numpy(np.asarray(array), xp, model)
    return xp.astype(array, model.dtype, copy=False)


def to_numpy(array: Array) -> HostArray:
    """Return an array of any library as a NumPy array on the host.

    Raises:
        TypeError: The array has no values to look at.
    """
    source: Any = array
    if is_traced(array):
        raise TypeError("The values of an array are needed here, which has none within a program or vmap of JAX.")
    if is_torch(array):
        # PyTorch refuses to convert what it records gradients of, or what lies on another device.
        source = source.detach().cpu()
        if str(source.dtype).startswith(("torch.bfloat16", "torch.float8_")):
            source = source.float()  # NumPy lacks these; float32 holds their values
    elif is_cupy(array):
        source = source.get()  # CuPy refuses to be converted implicitly
    try:
        host: HostArray = source if is_numpy(source) else np.asarray(source)
    except RuntimeError as error:
        if not is_torch(array):
            raise
        return _listed_values(source, error)
    return host


def _listed_values(tensor: Any, error: RuntimeError) -> HostArray:
    """Return the values of a tensor that NumPy cannot read, by way of Python; raise for one that has none.

    Within `torch.func.grad` and `jvp` no tensor shows NumPy its memory, not even one from outside (2.13), but all have
    values. Those of `vmap` have none.
    """
    try:
        if not in_torch_program():
            return np.asarray(tensor.tolist(), str(tensor.dtype).removeprefix("torch.")).reshape(tensor.shape)
    except RuntimeError:
        pass
    needed = "The values of a tensor are needed here, which it does not have within torch.func.vmap or torch.compile."
    raise TypeError(needed) from error


def call_gathered(function: Callable[..., _Result], *arrays: Array) -> _Result:
    """Return `function(*arrays)`; JAX arrays that are sharded over the explicit axes of a mesh are gathered first."""
    if not all(map(is_jax, arrays)):
        return function(*arrays)
    explicit = next(filter(has_explicit_axes, arrays), None)
    if explicit is None:
        return function(*arrays)
    # Explicit axes are what `jax.make_mesh` makes by default (0.10): scans, pads and gathers along them are type
    # errors, so the compiler may shard as it likes inside, and the result is whole on every device.
    jax = sys.modules["jax"]
    automatic = jax.sharding.auto_axes(function, out_sharding=jax.sharding.PartitionSpec())
    with jax.sharding.use_abstract_mesh(jax.typeof(explicit).sharding.mesh):
        gathered: _Result = automatic(*arrays)
    return gathered


def has_explicit_axes(array: Array) -> bool:
    """Return whether an array of JAX, perhaps traced, lies on a mesh with explicit axes."""
    jax, concrete = sys.modules["jax"], not is_traced(array)
    placed: Any = array
    # Most arrays lie on one device, and asking for the type of an array takes as long as adding a small patch.
    if concrete and isinstance(placed.sharding, jax.sharding.SingleDeviceSharding):
        return False
    return jax.sharding.AxisType.Explicit in jax.typeof(array).sharding.mesh.axis_types


def on_own_axes(function: Callable[[Array], Any], model: Array) -> Callable[[Array], Any]:
    """Return a function to be called within `call_gathered`, but on the explicit axes of the mesh of `model`; JAX only.

    A network of the caller holds weights that lie on these axes; it gets a batch that is whole on every device.
    """
    jax = sys.modules["jax"]
    if not has_explicit_axes(model):
        return function
    explicit: Callable[[Array], Any] = jax.sharding.explicit_axes(function, in_sharding=jax.sharding.PartitionSpec())
    return explicit


def read_region(source: Sliceable, index: Any) -> Array:
    """Return `source[index]` as an array."""
    sliced: Any = source
    # Arrays of NumPy first: every further question takes a tenth of the time of a small patch.
    region: Array = sliced[index] if type(source) is np.ndarray else call_gathered(itemgetter(index), sliced)
    # TensorStore answers with a description of the region, which is read when it is converted.
    return region if _is_array(region) else np.asarray(region)


def is_on_mesh(array: Array) -> bool:
    """Return whether an array, perhaps traced, is known to lie on a mesh of devices, in parts or as copies."""
    return is_jax(array) and not sys.modules["jax"].typeof(array).sharding.mesh.empty
