"""Which library an array belongs to.

No library but NumPy is imported here: an array of JAX is the proof that JAX is loaded, so `sys.modules` has it, and
`import mia_functional` stays light. `array_api_compat` recognises libraries in the same way.
"""

import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import numpy as np

from mia_functional.typing import Array, Namespace

__all__ = ["array_namespace", "is_cupy", "is_dask", "is_jax", "is_numpy", "is_torch"]

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


def device_of(array: Array) -> Any:
    """Return the device of a concrete array, as the namespace of its library names it."""
    tensor: Any = array
    return tensor.device if is_torch(array) else compat.device(array)


def lax() -> Namespace:
    """Return `jax.lax`; only for arrays of JAX, which prove that it is loaded."""
    functions: Namespace = sys.modules["jax"].lax
    return functions
