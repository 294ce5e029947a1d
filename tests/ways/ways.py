"""The ways in which a function of arrays is called in JAX, each of which has to give what it gives for NumPy arrays."""

import itertools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import export

import mia_functional as mia

from .drawing import SHAPE, Case

Members: TypeAlias = Sequence[tuple[Any, ...]]
"""The NumPy arrays of several calls, of equal shapes."""

SEEDS = (0, 1)

PLATFORMS = ("cpu", "cuda", "tpu")
"""What programs are exported for: nothing is compiled but for the processor, as the others need not be at hand."""


def check(way: str, case: Case) -> None:
    """Call a case in some way, for two draws of arrays; raise unless it gives what NumPy's arrays give."""
    members = [case.draw(np.random.default_rng(seed)) for seed in SEEDS]
    expected = [_call(case.call, arrays) if case.keys else case.call(*arrays) for arrays in members]
    results = WAYS[way](case.call, members)
    if case.keys and way == "x64":
        # JAX draws in the widest floats there are, so that keys give other numbers.
        expected = results
    for found, right in zip(results, expected, strict=False):
        assert_same(found, right)


def assert_same(found: Any, right: Any) -> None:
    """Raise unless two results are the same number of arrays of equal shapes and, but for rounding, equal values."""
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-5, atol=1e-5)


def _call(function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
    """Call a function with arrays of JAX."""
    return function(*map(jnp.asarray, arrays))


def _one_by_one(change: Callable[..., Callable[..., Any]], function: Callable[..., Any], members: Members) -> list[Any]:
    """Call the function that `change` makes with one member after the other."""
    changed = change(function)
    return [_call(changed, arrays) for arrays in members]


def _at_once(change: Callable[..., Callable[..., Any]], function: Callable[..., Any], members: Members) -> list[Any]:
    """Call the function that `change` makes with a batch of all members."""
    results = _call(change(function), [np.stack(column) for column in zip(*members, strict=True)])
    return [jax.tree.map(lambda leaf, row=row: leaf[row], results) for row in range(len(members))]


def _mixed(function: Callable[..., Any], members: Members) -> list[Any]:
    """Call with every choice of arrays that are arguments of a program, while the others are constants in it."""
    arrays = [jnp.asarray(array) for array in members[0]]
    results = []
    for traced in itertools.product((False, True), repeat=len(arrays)):
        given = [array for array, chosen in zip(arrays, traced, strict=True) if chosen]

        def program(_: Any, given: list[Any], traced: tuple[bool, ...] = traced) -> Any:
            rest = iter(given)
            return function(*(next(rest) if chosen else array for array, chosen in zip(arrays, traced, strict=True)))

        if not all(traced):
            results.append(jax.jit(program)(0.0, given))
    return results


def _mixtures_equal(function: Callable[..., Any], members: Members) -> list[Any]:
    """Return one of the results of all mixtures, which have to be equal."""
    results = _mixed(function, members)
    for other in results[1:]:
        assert_same(other, results[0])
    return results[:1]


def _gradients(function: Callable[..., Any], members: Members) -> list[Any]:
    """Return the results, after the gradients by every array of floats were found finite, compiled and not."""
    arrays = [jnp.asarray(array) for array in members[0]]
    for number, array in enumerate(arrays):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            continue

        def total(values: Any, number: int = number) -> Any:
            result = function(*(values if k == number else other for k, other in enumerate(arrays)))
            leaves = [leaf for leaf in jax.tree.leaves(result) if jnp.issubdtype(leaf.dtype, jnp.floating)]
            # Weighted, as the sum over a standardised image is 0 for every image.
            return sum(
                ((leaf * jnp.sin(jnp.arange(1.0, leaf.size + 1)).reshape(leaf.shape)).sum() for leaf in leaves), 0.0
            )

        eager, compiled = jax.grad(total)(array), jax.jit(jax.grad(total))(array)
        assert bool(jnp.isfinite(eager).all())
        np.testing.assert_allclose(compiled, eager, rtol=1e-3, atol=1e-4 * float(1e-30 + abs(eager).max()))
    return [function(*arrays)]


def _within(
    context: Callable[[], AbstractContextManager[Any]], function: Callable[..., Any], members: Members
) -> list[Any]:
    """Call eagerly and compiled in a mode of JAX."""
    with context():
        eager = _call(function, members[0])
        assert_same(_call(jax.jit(function), members[0]), eager)
        return [eager]


def _scan(function: Callable[..., Any], members: Members) -> list[Any]:
    """Call once per step of a compiled loop, which counts its steps."""

    def loop(*arrays: Any) -> Any:
        return jax.lax.scan(lambda count, row: (count + 1, function(*row)), 0, arrays)[1]

    return _at_once(lambda _: jax.jit(loop), function, members)


def _watched(function: Callable[..., Any], members: Members) -> list[Any]:
    """Call while JAX looks for NaN, for tracers that leak and, of the compiled program, for hidden transfers."""
    arrays = [jnp.asarray(array) for array in members[0]]
    with jax.debug_nans(new_val=True), jax.checking_leaks():
        eager = function(*arrays)
        with jax.transfer_guard("disallow"):
            compiled = jax.jit(function)(*arrays)
    assert_same(compiled, eager)
    return [eager]


def _exported(function: Callable[..., Any], members: Members) -> list[Any]:
    """Write a program for three platforms to bytes, read it, and call it."""
    mia.adapters.flax.register_records()
    arrays = [jnp.asarray(array) for array in members[0]]
    program = export.export(jax.jit(function), platforms=PLATFORMS)(*arrays)
    return [export.deserialize(program.serialize()).call(*arrays)]


def _of_any_batch(function: Callable[..., Any], members: Members) -> list[Any]:
    """Call an exported program of batches whose size is a symbol."""
    (size,) = export.symbolic_shape("size")
    columns = [np.stack(column) for column in zip(*members, strict=True)]
    kinds = [jnp.asarray(column).dtype for column in columns]
    shapes = [
        jax.ShapeDtypeStruct((size, *column.shape[1:]), kind) for column, kind in zip(columns, kinds, strict=True)
    ]
    program = export.export(jax.jit(jax.vmap(function)))(*shapes)
    return _at_once(lambda _: program.call, function, members)


def _of_any_size(function: Callable[..., Any], members: Members) -> list[Any]:
    """Call an exported program of images whose sizes are symbols, of two shapes."""
    limits = [f"{size} {bound}" for size in "nmk" for bound in (">= 6", "<= 512")]
    sizes = export.symbolic_shape("n, m, k", constraints=limits)
    given = [np.asarray(array) for array in members[0]]
    places = [array.shape[:3] == SHAPE for array in given]
    shapes = [
        jax.ShapeDtypeStruct((*sizes, *array.shape[3:]) if is_image else array.shape, jnp.asarray(array).dtype)
        for array, is_image in zip(given, places, strict=True)
    ]
    program = export.export(jax.jit(function))(*shapes)
    longer = [
        np.pad(array, [(0, axis + 1 if axis < 3 else 0) for axis in range(array.ndim)], mode="edge")
        if is_image
        else array
        for array, is_image in zip(given, places, strict=True)
    ]
    assert_same(_call(program.call, longer), function(*longer))
    return [_call(program.call, given)]


WAYS: dict[str, Callable[[Callable[..., Any], Members], list[Any]]] = {
    "eager": partial(_one_by_one, lambda function: function),
    "jit": partial(_one_by_one, jax.jit),
    "vmap": partial(_at_once, jax.vmap),
    "jit of vmap": partial(_at_once, lambda function: jax.jit(jax.vmap(function))),
    "map": partial(_at_once, lambda function: jax.jit(lambda *arrays: jax.lax.map(lambda row: function(*row), arrays))),
    "scan": _scan,
    "nnx.jit": partial(_one_by_one, nnx.jit),
    "mixtures": _mixtures_equal,
    "gradients": _gradients,
    "x64": partial(_within, partial(jax.enable_x64, new_val=True)),
    "strict promotion": partial(_within, partial(jax.numpy_dtype_promotion, "strict")),
    "rank promotion": partial(_within, partial(jax.numpy_rank_promotion, "raise")),
    "watched": _watched,
    "export": _exported,
    "export of any batch": _of_any_batch,
    "export of any size": _of_any_size,
}
"""From a call and the arrays of two calls to the results, of the first or of both."""
