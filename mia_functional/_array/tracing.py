"""Whether values can be looked at: in programs of JAX and of `torch.compile`, and under `vmap`, they cannot."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeGuard

import numpy as np

from mia_functional._array.libraries import device_of, is_jax, is_numpy, is_torch
from mia_functional.typing import Array

__all__ = [
    "in_bytecode",
    "in_cpu_program",
    "in_host_memory",
    "in_torch_program",
    "is_known_true",
    "is_traced",
    "is_unknown",
    "known_flag",
    "quiet",
]


def is_traced(array: object) -> TypeGuard[Array]:
    """Return whether an array is a placeholder inside a JAX transformation, whose values cannot be looked at."""
    # Another thread may be importing JAX: nothing is traced before it is complete.
    core = getattr(sys.modules.get("jax"), "core", None)
    return isinstance(array, getattr(core, "Tracer", ()))


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
