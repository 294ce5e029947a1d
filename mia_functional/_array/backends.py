"""Which library an array belongs to, and how arrays get from one library to another.

No library but NumPy is imported here: an array of JAX is the proof that JAX is loaded, so `sys.modules` has it, and
`import mia_functional` stays light. `array_api_compat` recognises libraries in the same way.
"""

import importlib
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import itemgetter
from typing import Any, TypeGuard, TypeVar

import array_api_compat as compat
import numpy as np

from mia_functional._core import checks
from mia_functional.typing import Array, HostArray, Namespace, Shape, Sliceable, Spacing

__all__ = [
    "array_namespace",
    "asarray_like",
    "call_gathered",
    "checked_namespace",
    "cupy_distance_transform",
    "from_numbers",
    "from_numpy",
    "has_cupy_distance_transform",
    "has_explicit_axes",
    "in_bytecode",
    "in_cpu_program",
    "in_host_memory",
    "in_torch_program",
    "is_cupy",
    "is_dask",
    "is_jax",
    "is_known_true",
    "is_numpy",
    "is_on_mesh",
    "is_torch",
    "is_traced",
    "is_unknown",
    "known_flag",
    "on_own_axes",
    "python_number",
    "quiet",
    "read_region",
    "snapshot",
    "to_common_library",
    "to_numpy",
    "whole_number",
]

_Result = TypeVar("_Result")

is_jax_namespace: Callable[..., bool] = compat.is_jax_namespace
"""Whether a namespace is `jax.numpy`."""

_NUMPY_TYPES = (np.ndarray, np.generic)


# Not those of `array_api_compat`: they ask NumPy's arrays for their dtype, which those of a program of `torch.compile`
# lack (2.13), and keep answers in a cache, of which that warns.
def is_numpy(array: object) -> bool:
    """Return whether an object is an array of NumPy, or a number of it."""
    return isinstance(array, _NUMPY_TYPES)


def is_jax(array: object) -> bool:
    """Return whether an object is an array of JAX; traced ones are."""
    return isinstance(array, getattr(sys.modules.get("jax"), "Array", ()))


def is_torch(array: object) -> bool:
    """Return whether an object is a tensor of PyTorch."""
    return isinstance(array, getattr(sys.modules.get("torch"), "Tensor", ()))


def is_cupy(array: object) -> bool:
    """Return whether an object is an array of CuPy."""
    return isinstance(array, getattr(sys.modules.get("cupy"), "ndarray", ()))


def is_dask(array: object) -> bool:
    """Return whether an object is an array of dask."""
    return isinstance(array, getattr(sys.modules.get("dask.array"), "Array", ()))


def array_namespace(*arrays: Array) -> Namespace:
    """Return the array API namespace of arrays that were checked before."""
    # Imported here: NumPy's namespace loads all of NumPy, which would double the time that importing us takes. Neither
    # by `importlib` nor with `typing.cast`, which programs of `torch.compile` cannot trace, or lose track of.
    library: Any
    if arrays and all(map(is_numpy, arrays)):
        import array_api_compat.numpy as numbers

        library = numbers
    elif arrays and all(map(is_torch, arrays)):
        import array_api_compat.torch as tensors

        library = tensors
    else:
        library = compat.array_namespace(*arrays)
    namespace: Namespace = library
    return namespace


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

    def beside(array: Array) -> Array:
        if array.ndim != model.ndim or not has_explicit_axes(array):
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
    dtype = array.dtype.newbyteorder("=")
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


def device_of(array: Array) -> Any:
    """Return the device of a concrete array, as the namespace of its library names it."""
    tensor: Any = array
    return tensor.device if is_torch(array) else compat.device(array)


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


def is_traced(array: object) -> TypeGuard[Array]:
    """Return whether an array is a placeholder inside a JAX transformation, whose values cannot be looked at."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(array, jax.core.Tracer)


def is_unknown(value: object) -> TypeGuard[Array]:
    """Return whether an object is an array whose values cannot be looked at, so that fixed shapes must do.

    These are traced ones of JAX, tensors within `torch.func` and, in a program of `torch.compile`, all tensors and what
    NumPy computes in its bytecode. Numbers of Python are known everywhere.
    """
    if type(value) is int:  # the usual start of a crop: the questions below take a fifth of its time
        return False
    if not is_torch(value):
        return is_traced(value) or (is_numpy(value) and in_bytecode())
    if in_torch_program():
        return True
    tensor: Any = value
    try:
        tensor.data_ptr()  # which waits for no device
    except RuntimeError:
        return True
    return False


def is_known_true(condition: Callable[..., Array], *arrays: Array) -> bool:
    """Return whether a condition of arrays holds, if that can be known: inside of a program or a `vmap` it cannot.

    Every check of values asks here. What decides is the condition that was computed, and not the arrays: those from
    outside of a program have values in it, but whatever is computed from them there has none.
    """
    # Of traced arrays nothing is computed: under `vmap` it would be, only to be thrown away.
    if any(map(is_traced, arrays)) or in_torch_program():
        return False
    return known_flag(condition(*arrays)) is True


def known_flag(flag: Array) -> bool | None:
    """Return whether a single boolean is True, or None where that cannot be known: in a program or a `vmap`."""
    if is_traced(flag) or in_torch_program():
        return None
    if not is_torch(flag):
        return bool(flag)
    try:
        return bool(flag)
    except RuntimeError:  # of `torch.func.vmap`, and of tensors without storage
        return None


def quiet() -> AbstractContextManager[Any]:
    """Return a context without NumPy's warnings about infinities and NaN, which have their meaning in images."""
    # The bytecode that `torch.compile` reads has no NumPy, and cannot take its settings for a part of it.
    return nullcontext() if in_bytecode() else np.errstate(all="ignore")


def in_torch_program() -> bool:
    """Return whether `torch.compile` traces this, whose graph a look at values would break: those of NumPy as well."""
    compiler: Any = getattr(sys.modules.get("torch"), "compiler", None)
    return compiler is not None and bool(compiler.is_compiling())


def in_bytecode() -> bool:
    """Return whether `torch.compile` reads this as bytecode now, rather than running it."""
    compiler: Any = getattr(sys.modules.get("torch"), "compiler", None)
    return compiler is not None and bool(compiler.is_dynamo_compiling())


def in_cpu_program(array: Array) -> bool:
    """Return whether an array is a tensor of a program of `torch.compile` that runs on the CPU."""
    return in_torch_program() and is_torch(array) and device_of(array).type == "cpu"


def is_on_mesh(array: Array) -> bool:
    """Return whether an array, perhaps traced, is known to lie on a mesh of devices, in parts or as copies."""
    return is_jax(array) and not sys.modules["jax"].typeof(array).sharding.mesh.empty


def in_host_memory(array: Array) -> bool:
    """Return whether an array is concrete and lies in the host's memory, so that NumPy can read it without a copy."""
    if is_traced(array):
        return False
    library_array: Any = array
    if is_jax(array):
        return [device.platform for device in library_array.devices()] == ["cpu"]
    return is_numpy(array) or (is_torch(array) and is_plain_tensor(library_array))


def is_plain_tensor(tensor: Any) -> bool:
    """Return whether NumPy sees all that a tensor is: no derivatives, batches or programs that PyTorch keeps of it."""
    # NumPy would read the value of a tensor with a forward tangent, and drop the tangent.
    unpack = sys.modules["torch"].autograd.forward_ad.unpack_dual
    if in_torch_program() or unpack(tensor).tangent is not None:
        return False
    try:
        tensor.numpy()
    except (RuntimeError, TypeError):
        # Gradients, levels of `torch.func`, conjugates, other devices and layouts, bfloat16: PyTorch knows them all.
        return False
    return True


_PADDED_BYTES, _OWN_BYTES = 9, 40
"""Bytes that CuPy's transform takes per voxel of the padded mask, and ours per voxel of the mask itself."""

_ALWAYS_FINE = 2**28
"""Bytes that every GPU has to spare."""

_CUPY_SIDES = {2: 2048, 3: 1024}
"""The longest sides that CuPy's transform is used for, by the number of axes."""


def has_cupy_distance_transform(mask: Array) -> bool:
    """Return whether a mask is CuPy's and has a shape for which its own distance transform is right and fits in memory.

    CuPy (13 and 14) pads a mask to equal sides, a multiple of 32 voxels, and holds a flag and two positions of 4 bytes
    for each voxel of that: 1.2 GB of cubes of 512 for a mask of 40 x 512 x 512, which has a tenth of the voxels. Beyond
    1024 voxels positions have 8 bytes, and beyond 1290 the number of a voxel does not fit into 32 bits. In 2-D it asks
    for at most 64 bands of 32 voxels, and makes more of them for sides above 2048.
    """
    if not is_cupy(mask) or mask.ndim not in _CUPY_SIDES:
        return False
    side = -(-max(mask.shape) // 32) * 32
    most = max(_OWN_BYTES * math.prod(mask.shape), _ALWAYS_FINE)
    return side <= _CUPY_SIDES[mask.ndim] and _PADDED_BYTES * side**mask.ndim <= most


def cupy_distance_transform(mask: Array, spacing: Spacing) -> Array:
    """Return CuPy's exact distances of the voxels of a mask to the nearest voxel outside, for two or three axes."""
    ndimage: Any = importlib.import_module("cupyx.scipy.ndimage")
    distances: Array = ndimage.distance_transform_edt(mask, sampling=spacing)
    return distances


def lax() -> Namespace:
    """Return `jax.lax`; only for arrays of JAX, which prove that it is loaded."""
    functions: Namespace = sys.modules["jax"].lax
    return functions
