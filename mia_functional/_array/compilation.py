"""Compiled programs: what is compiled once, what memory is reused, how a program calls the host."""

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

import array_api_compat as compat

from mia_functional._array.backends import array_namespace, from_numpy, is_traced, to_numpy
from mia_functional.typing import Array


def eval_shape(function: Callable[[Array], Array], argument: Array) -> Any:
    """Return something with the shape and dtype of `function(argument)`; JAX finds them without computing."""
    if compat.is_jax_array(argument):
        return sys.modules["jax"].eval_shape(function, argument)
    return function(argument)


def jit_call_donating(function: Callable[..., Array], state: Array, *arguments: Any) -> Array:
    """Return `function(state, *arguments)`; JAX compiles it once and gives the memory of `state` to the result.

    Args:
        function: A function at the top of a module, or another that stays the same, so that it is compiled once.
        state: The caller's own array, not to be used afterwards.
        arguments: Arrays, or tuples of them.
    """
    if not compat.is_jax_array(state):
        return function(state, *arguments)
    traced = any(map(is_traced, (state, *arguments)))
    return _jit_donating(function, () if traced else (0,))(state, *arguments)


@functools.lru_cache(maxsize=256)
def _jit_donating(function: Callable[..., Any], donated: tuple[int, ...]) -> Callable[..., Any]:
    """Return a function compiled by JAX that may overwrite some of its arguments."""
    result: Callable[..., Any] = sys.modules["jax"].jit(function, donate_argnums=donated)
    return result


def jit_call_network(function: Callable[..., Any], network: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return `function(network, *arguments, **options)`, compiled; JAX only.

    The program of a network that `jax.jit` made is found again by the next call, and is dropped together with the
    network. Any other network is traced anew by every call: it may hold weights that have changed.

    Args:
        function: A function at the top of a module.
        network: What is traced as a part of it.
        arguments: Arrays, or tuples of them.
        options: Hashable keyword arguments.
    """
    jax, static = sys.modules["jax"], tuple(options.items())
    if not isinstance(network, jax.stages.Wrapped):
        return jax.jit(functools.partial(function, network, **options))(*arguments)
    if network not in PROGRAMS:
        alive = weakref.ref(network)
        PROGRAMS[network] = jax.jit(
            lambda function, options, *arguments: function(alive(), *arguments, **dict(options)), static_argnums=(0, 1)
        )
    return PROGRAMS[network](function, static, *arguments)


PROGRAMS: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Programs of functions that `jax.jit` made."""


def platform_dependent(cpu: Callable[..., Any], other: Callable[..., Any], *arrays: Array) -> Any:
    """Return `cpu(*arrays)` in a program for the CPU, and `other(*arrays)` in one for another device; JAX only."""
    return sys.modules["jax"].lax.platform_dependent(*arrays, cpu=cpu, default=other)


def jit_call(function: Callable[..., Any], *arrays: Array, **options: Any) -> Any:
    """Return `function(*arrays, **options)`, computed by one JAX program if the arrays are JAX's.

    Arrays that are sharded over the explicit axes of a mesh are gathered first, as loops cannot be.

    Args:
        function: A function at the top of a module, so that its program is found again.
        arrays: All arrays that the function needs.
        options: Hashable keyword arguments.
    """
    if not all(map(compat.is_jax_array, arrays)):
        return function(*arrays, **options)
    if not any(map(is_traced, arrays)):
        return _program(function, tuple(options.items()))(*arrays)
    return call_gathered(functools.partial(function, **options), *arrays)


def call_gathered(function: Callable[..., Any], *arrays: Array) -> Any:
    """Return `function(*arrays)`; JAX arrays that are sharded over the explicit axes of a mesh are gathered first."""
    if not all(map(compat.is_jax_array, arrays)):
        return function(*arrays)
    sharding = sys.modules["jax"].sharding
    for mesh in (sys.modules["jax"].typeof(array).sharding.mesh for array in arrays):
        if sharding.AxisType.Explicit in mesh.axis_types:
            automatic = sharding.auto_axes(function, out_sharding=sharding.PartitionSpec())
            with sharding.use_abstract_mesh(mesh):
                return automatic(*arrays)
    return function(*arrays)


@functools.lru_cache(maxsize=256)
def _program(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    """Return the program for a function and its options."""
    program: Callable[..., Any] = sys.modules["jax"].jit(lambda *arrays: jit_call(function, *arrays, **dict(options)))
    return program


def call_on_host(function: Callable[..., Any], *arrays: Array, results: Any) -> tuple[Array, ...]:
    """Return the arrays that a function of NumPy arrays makes, from inside a JAX program on the CPU too.

    Args:
        function: Takes NumPy arrays and returns a tuple of them.
        arrays: Arrays of one library.
        results: Tuple of objects with the shape and the dtype of every result of a traced call.
    """
    xp = array_namespace(*arrays)
    if not any(map(is_traced, arrays)):
        return tuple(from_numpy(value, xp, arrays[0]) for value in function(*map(to_numpy, arrays)))
    jax = sys.modules["jax"]
    shapes = tuple(jax.ShapeDtypeStruct(result.shape, result.dtype) for result in results)

    def call(*values: Array) -> tuple[Any, ...]:
        made = function(*map(to_numpy, values))
        return tuple(value.astype(shape.dtype, copy=False) for value, shape in zip(made, shapes, strict=True))

    return tuple(jax.pure_callback(call, shapes, *arrays, vmap_method="sequential"))
