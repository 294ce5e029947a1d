"""Array libraries by name, with what each compiles, maps and differentiates by: for laws that compare them."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mia_functional._array.backends import snapshot, to_numpy
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray

__all__ = ["LIBRARY_NAMES", "NamedLibrary", "host_values", "named_library"]

_MODULES = {"numpy": "numpy", "jax": "jax.numpy", "torch": "torch", "strict": "array_api_strict", "cupy": "cupy"}
"""The namespace of each library; "strict" is the reference of the standard, which has nothing beyond it."""

LIBRARY_NAMES = tuple(_MODULES)
"""Names by which libraries are asked for."""


class NamedLibrary(NamedTuple):
    """An array library and its transformations; None for those that it lacks.

    Attributes:
        name: One of `LIBRARY_NAMES`.
        asarray: From a NumPy array to one of the library.
        compiled: From a function of arrays to the same as a program.
        mapped: From a function of arrays to one of batches along their first axes.
        gradient: From a function of arrays that gives a number, and arrays, to its gradient in the first of them.
    """

    name: str
    asarray: Callable[[HostArray], Array]
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    mapped: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    gradient: Callable[..., Array] | None = None


def named_library(function: str, name: str) -> NamedLibrary | None:
    """Return a library by its name, or None if it is not installed.

    Args:
        function: Name for messages.
        name: One of `LIBRARY_NAMES`.
    """
    checks.one_of(function, "xp", name, LIBRARY_NAMES)
    try:
        xp: Any = importlib.import_module(_MODULES[name])
    except ModuleNotFoundError:
        return None
    if name == "numpy":
        return NamedLibrary(name, np.array)

    def asarray(array: HostArray) -> Array:
        own: Array = xp.asarray(snapshot(array, xp) if name == "jax" else np.array(array))
        return own

    if name == "jax":
        jax = importlib.import_module("jax")

        def gradient(function: Callable[..., Any], first: Array, *others: Array) -> Array:
            slope: Array = jax.grad(lambda array: xp.sum(function(array, *others)))(first)
            return slope

        return NamedLibrary(name, asarray, jax.jit, jax.vmap, gradient)
    if name == "torch":
        return NamedLibrary(name, asarray, _compiled_by_torch, None, _gradient_by_torch)
    return NamedLibrary(name, asarray)


def _compiled_by_torch(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose bytecode and derivatives PyTorch compiled: what its generated code adds takes minutes."""
    torch = importlib.import_module("torch")
    program: Callable[..., Any] = torch.compile(function, backend="aot_eager")
    return program


def _gradient_by_torch(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Return the gradient of a number in the first tensor; zeros where it does not depend on it."""
    torch = importlib.import_module("torch")
    leaf = first.detach().clone().requires_grad_()
    value = torch.sum(function(leaf, *others))
    if not value.requires_grad:
        return torch.zeros_like(leaf)
    return torch.autograd.grad(value, leaf)[0]


def host_values(value: Any) -> HostArray:
    """Return a number or array of any library, or a sequence of them, as an array of float64 on the host."""
    if isinstance(value, list | tuple):
        return np.asarray([host_values(entry) for entry in value], dtype=np.float64)
    return np.asarray(to_numpy(value) if hasattr(value, "shape") else value, dtype=np.float64)
