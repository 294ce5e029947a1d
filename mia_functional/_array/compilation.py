"""Compiled programs of JAX: what is compiled once, what memory is reused, how a program calls the host."""

import functools
import importlib
import sys
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from mia_functional._array.backends import call_gathered, from_numpy, has_explicit_axes, snapshots, to_numpy
from mia_functional._array.libraries import array_namespace, is_jax
from mia_functional._array.tracing import is_traced
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray

__all__ = [
    "call_network",
    "call_on_host",
    "eval_shape",
    "jit_call",
    "jit_call_donating",
    "jit_call_network",
    "platform_dependent",
]

_Result = TypeVar("_Result")


def eval_shape(function: Callable[[Array], _Result], argument: Array) -> _Result:
    """Return something with the shape and dtype of `function(argument)`; JAX finds them without computing."""
    if is_jax(argument):
        description: _Result = sys.modules["jax"].eval_shape(function, argument)
        return description
    return function(argument)


def jit_call(function: Callable[..., _Result], *arrays: Array, **options: Any) -> _Result:
    """Return `function(*arrays, **options)`, computed by one JAX program if the arrays are JAX's.

    Arrays that are sharded over the explicit axes of a mesh are gathered first, as loops cannot be.

    Args:
        function: A function at the top of a module, so that its program is found again.
        arrays: All arrays that the function needs.
        options: Hashable keyword arguments.
    """
    if not all(map(is_jax, arrays)):
        return function(*arrays, **options)
    if not any(map(is_traced, arrays)):
        result: _Result = _jitted(jit_call, function, options=tuple(options.items()))(*arrays)
        return result
    return call_gathered(functools.partial(function, **options), *arrays)


def jit_call_donating(function: Callable[..., Array], state: Array, *arguments: Any) -> Array:
    """Return `function(state, *arguments)`; JAX compiles it once and gives the memory of `state` to the result.

    Args:
        function: A function at the top of a module, or another that stays the same, so that it is compiled once.
        state: The caller's own array, not to be used afterwards.
        arguments: Arrays, or tuples of them; those of NumPy may be written to as soon as this returns.
    """
    if not is_jax(state):
        return function(state, *arguments)
    arguments = snapshots(arguments)
    # Inside of a program nothing can be donated: there the compiler itself sees that `state` is not used any more.
    # The result of what is gathered lies elsewhere than the state did.
    keeps = any(map(is_traced, (state, *arguments))) or has_explicit_axes(state)
    donated = () if keeps else (0,)
    result: Array = _jitted(_call_with_leaves_gathered, function, donated=donated)(state, *arguments)
    return result


def _call_with_leaves_gathered(function: Callable[..., Array], *arguments: Any) -> Array:
    """Return `function(*arguments)`, arrays of JAX or tuples of them, with what lies on explicit axes gathered."""
    jax = sys.modules["jax"]
    leaves, tree = jax.tree.flatten(arguments)
    return call_gathered(lambda *leaves: function(*jax.tree.unflatten(tree, leaves)), *leaves)


# JAX finds a program again by the identity of its function: a new `jit` of a new closure is compiled in every call
# (0.4 s for a distance transform that takes 23 ms). The limit keeps closures of users from piling up.
@functools.lru_cache(maxsize=512)
def _jitted(
    function: Callable[..., Any],
    *leading: Hashable,
    options: tuple[tuple[str, Hashable], ...] = (),
    donated: tuple[int, ...] = (),
) -> Callable[..., Any]:
    """Return `function` compiled by JAX, with its leading arguments and options bound."""
    bound = functools.partial(function, *leading, **dict(options))
    program: Callable[..., Any] = sys.modules["jax"].jit(bound, donate_argnums=donated)
    return program


# Weak keys: a program lives as long as its network. A dictionary that kept networks would keep their weights in memory.
_PROGRAMS: weakref.WeakKeyDictionary[Callable[..., Any], Callable[..., Any]] = weakref.WeakKeyDictionary()


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
    jax = sys.modules["jax"]
    if not isinstance(network, jax.stages.Wrapped):
        return jax.jit(functools.partial(function, network, **options))(*arguments)
    if network not in _PROGRAMS:
        # A program that refers to its network strongly would be a value that keeps its own weak key alive.
        reference = weakref.ref(network)
        _PROGRAMS[network] = jax.jit(
            lambda function, options, *arguments: function(reference(), *arguments, **dict(options)),
            static_argnums=(0, 1),
        )
    return _PROGRAMS[network](function, tuple(options.items()), *arguments)


def call_network(function: str, network: Callable[[Array], Any], batch: Array) -> Any:
    """Return what a network of the caller's makes of a batch; tensors of TensorFlow become arrays of NumPy.

    That is what Keras returns for a batch of NumPy.

    Raises:
        TypeError: The batch is traced, and the network does not trace.
    """
    try:
        output = network(batch)
    except TypeError as error:
        if not is_traced(batch) or not isinstance(error, sys.modules["jax"].errors.TracerArrayConversionError):
            raise
        needed = "be traceable where the volume is an array of JAX (Keras with TensorFlow takes volumes of NumPy)"
        raise TypeError(checks.message(function, "function", needed, "a function that asks for values")) from error
    is_tensor = type(output).__module__.startswith("tensorflow.") and hasattr(output, "numpy")
    return output.numpy() if is_tensor else output


def platform_dependent(cpu: Callable[..., _Result], other: Callable[..., _Result], *arrays: Array) -> _Result:
    """Return `cpu(*arrays)` in a program for the CPU, and `other(*arrays)` in one for another device; JAX only."""
    # A traced array does not know its device: the choice is made when the program is lowered.
    result: _Result = sys.modules["jax"].lax.platform_dependent(*arrays, cpu=cpu, default=other)
    return result


def call_on_host(
    function: Callable[..., tuple[Any, ...]], *arrays: Array, results: tuple[Array, ...]
) -> tuple[Array, ...]:
    """Return the arrays that a function of NumPy arrays makes, from inside a JAX program on the CPU too.

    Args:
        function: Takes NumPy arrays and returns a tuple of them. It must not call JAX: a callback that waits for a
            program while its own waits for the callback never returns.
        arrays: Arrays of one library.
        results: Tuple of objects with the shape and the dtype of every result of a traced call.
    """
    xp = array_namespace(*arrays)
    if not any(map(is_traced, arrays)):
        return tuple(from_numpy(value, xp, arrays[0]) for value in function(*map(to_numpy, arrays)))
    jax = sys.modules["jax"]
    shapes = tuple(jax.ShapeDtypeStruct(result.shape, result.dtype) for result in results)

    def callback(*values: Array) -> tuple[HostArray, ...]:
        # SciPy computes in float64, which a program without x64 cannot take back.
        pairs = zip(function(*map(to_numpy, values)), shapes, strict=True)
        return tuple(value.astype(shape.dtype, copy=False) for value, shape in pairs)

    first = _refused_by_export().bind(arrays[0])
    # "sequential": the function takes one case, and is called once per member of a batch under `vmap`.
    from_host: tuple[Array, ...] = jax.pure_callback(callback, shapes, first, *arrays[1:], vmap_method="sequential")
    return from_host


@functools.cache
def _refused_by_export() -> Any:
    """Return an operation of JAX that changes nothing, and of which no program can be exported.

    JAX says of a callback to the host only that it is not implemented (0.10).
    """
    mlir, batching = (importlib.import_module(f"jax.interpreters.{name}") for name in ("mlir", "batching"))
    operation = importlib.import_module("jax.extend.core").Primitive("calls_the_host")
    operation.def_impl(lambda array: array)
    operation.def_abstract_eval(lambda array: array)
    batching.primitive_batchers[operation] = lambda arrays, axes: (operation.bind(*arrays), axes[0])

    def lower(context: Any, array: Any) -> list[Any]:
        if context.module_context.lowering_parameters.for_export:
            raise TypeError('A program that calls the host back cannot be exported: leave out `method="host"`.')
        return [array]

    mlir.register_lowering(operation, lower)
    return operation
