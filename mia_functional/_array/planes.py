"""Passes over the planes of an array, as one compiled loop in JAX, and how a program gets out of JAX to the host."""

import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat

from mia_functional._array.libraries import from_numpy, is_traced, library, to_numpy
from mia_functional.typing import Array

SLAB = 8
"""How many planes are worked on at once on the CPU, so that they stay in its cache."""


def scan(body: Callable[[Array, Array], Array], value: Array, planes: Array, *, backwards: bool = False) -> Array:
    """Return all values of `value = body(value, plane)`, one per plane along the first axis."""
    if compat.is_jax_array(planes):

        def step(carried: Array, plane: Array) -> tuple[Array, Array]:
            following = body(carried, plane)
            return following, following

        return sys.modules["jax"].lax.scan(step, value, planes, reverse=backwards)[1]
    values = []
    positions = range(planes.shape[0])
    for position in reversed(positions) if backwards else positions:
        value = body(value, planes[position, ...])
        values.append(value)
    return library(planes).stack(values[::-1] if backwards else values)


def window(array: Array, start: Any, size: int, axis: int) -> Array:
    """Return `size` entries along an axis, counted from the end, from `start` on, which may be traced."""
    if compat.is_jax_array(array):
        return sys.modules["jax"].lax.dynamic_slice_in_dim(array, start, size, axis)
    return array[(..., slice(start, start + size), *(slice(None),) * (-axis - 1))]


def in_slabs(function: Callable[[Array], Array], array: Array) -> Array:
    """Return a function of an array that treats its planes alike; a JAX program for the CPU takes few at a time."""
    if not compat.is_jax_array(array):
        return function(array)
    lax = sys.modules["jax"].lax
    return lax.platform_dependent(
        array, cpu=lambda planes: lax.map(function, planes, batch_size=SLAB), default=function
    )


def replace_if(needed: Array, replacement: Callable[[], Array], value: Array) -> Array:
    """Return `replacement()` if a condition holds, else `value`; under `vmap` too, only that is computed."""
    if not compat.is_jax_array(needed):
        return replacement() if bool(needed) else value
    jax = sys.modules["jax"]

    def replaced(_: tuple[Array, Array]) -> tuple[Array, Array]:
        return jax.numpy.zeros_like(needed), replacement()

    return jax.lax.while_loop(lambda state: state[0], replaced, (needed, value))[1]


def each(function: Callable[..., Any], rows: tuple[tuple[Array, ...], ...]) -> tuple[Any, ...]:
    """Return `function(*row)` for each row of arrays of one shape; in JAX the code of the function is compiled once."""
    if len(rows) == 1 or not compat.is_jax_array(rows[0][0]):
        return tuple(function(*row) for row in rows)
    jax = sys.modules["jax"]
    columns = tuple(map(jax.numpy.stack, zip(*rows, strict=True)))
    values = jax.lax.map(lambda row: function(*row), columns)
    return tuple(jax.tree.map(lambda value, row=row: value[row], values) for row in range(len(rows)))


def compiled(function: Callable[..., Any], *arrays: Array, **options: Any) -> Any:
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
    return gathered(functools.partial(function, **options), *arrays)


def gathered(function: Callable[..., Any], *arrays: Array) -> Any:
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
    program: Callable[..., Any] = sys.modules["jax"].jit(lambda *arrays: compiled(function, *arrays, **dict(options)))
    return program


def host_call(function: Callable[..., Any], *arrays: Array, results: Any) -> tuple[Array, ...]:
    """Return the arrays that a function of NumPy arrays makes, from inside a JAX program on the CPU too.

    Args:
        function: Takes NumPy arrays and returns a tuple of them.
        arrays: Arrays of one library.
        results: Tuple of objects with the shape and the dtype of every result of a traced call.
    """
    xp = library(*arrays)
    if not any(map(is_traced, arrays)):
        return tuple(from_numpy(value, xp, arrays[0]) for value in function(*map(to_numpy, arrays)))
    jax = sys.modules["jax"]
    shapes = tuple(jax.ShapeDtypeStruct(result.shape, result.dtype) for result in results)

    def call(*values: Array) -> tuple[Any, ...]:
        made = function(*map(to_numpy, values))
        return tuple(value.astype(shape.dtype, copy=False) for value, shape in zip(made, shapes, strict=True))

    return tuple(jax.pure_callback(call, shapes, *arrays, vmap_method="sequential"))


def cupy_distances(mask: Array, spacing: tuple[float, ...]) -> Array:
    """Return CuPy's exact distances of the voxels of a mask to the nearest voxel outside, for two or three axes."""
    ndimage = importlib.import_module("cupyx.scipy.ndimage")
    return ndimage.distance_transform_edt(mask, sampling=spacing)
