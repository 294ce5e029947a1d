"""Loops over steps, planes and rows that become one compiled loop in JAX.

A Python loop inside of a JAX program is written out step by step, and takes longer to compile with every step. The
loops of `jax.lax` compile their body once.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mia_functional._array.backends import snapshots
from mia_functional._array.compilation import platform_dependent
from mia_functional._array.libraries import array_namespace, is_jax, is_jax_namespace, lax
from mia_functional._array.tracing import known_flag
from mia_functional.typing import Array, Namespace

__all__ = [
    "carry",
    "fold",
    "fori_loop",
    "map_rows",
    "map_slabs",
    "replace_if",
    "scan",
    "slice_along",
    "traced_range_loop",
    "while_loop",
]

_State = TypeVar("_State")

SLAB_PLANES = 8
"""Planes that a JAX program for the CPU works on at a time.

All that it makes of them stays in the second-level cache. XLA allocates larger intermediate results anew in every call,
and the first touch of each of their pages is a page fault.
"""


def carry(step: Callable[[_State], Any], state: _State) -> _State:
    """Return the state before a loop as one that varies over the devices like `step(state)`, the state after a step.

    Within `jax.shard_map`, as it is by default, zeros are the same on all devices and what is added to them is not; the
    loops of JAX (0.10) want to be told. JAX only.
    """
    jax = sys.modules["jax"]

    def axes_of(state: _State) -> list[frozenset[Any]]:
        kinds = map(jax.typeof, jax.tree.leaves(state))
        # Before JAX 0.10 the axes along which an array varies were called `vma`.
        return [kind.vma if hasattr(kind, "vma") else kind.manual_axis_type.varying for kind in kinds]

    # To look at the step means to trace it once more: only where there is something to tell.
    while jax.sharding.get_abstract_mesh().manual_axes:
        before, tree = jax.tree.flatten(state)
        after: list[frozenset[Any]] = []
        jax.eval_shape(lambda state, after=after: after.extend(axes_of(step(state))), state)
        missing = [tuple(new - old) for old, new in zip(axes_of(state), after, strict=True)]
        if not any(missing):
            break
        leaves = [
            jax.lax.pcast(old, axes, to="varying") if axes else old for old, axes in zip(before, missing, strict=True)
        ]
        state = jax.tree.unflatten(tree, leaves)
    return state


def fori_loop(
    xp: Namespace, count: int, body: Callable[[Any, _State], _State], state: _State, *, unroll: int = 4
) -> _State:
    """Return the state after `state = body(step, state)` for each step below `count`; one compiled loop in JAX."""
    if is_jax_namespace(xp):
        # The compiler joins unrolled steps: the state goes through memory once for several of them, which makes a
        # distance transform 1.3 times as fast.
        first = carry(lambda state: body(0, state), state)
        result: _State = sys.modules["jax"].lax.fori_loop(0, count, body, first, unroll=min(unroll, count))
        return result
    for step in range(count):
        state = body(step, state)
    return state


def traced_range_loop(low: Any, high: Any, body: Callable[[Any, _State], _State], state: _State) -> tuple[Any, _State]:
    """Return the end, and the state after `state = body(step, state)` for steps from `low` to `high`, traced; JAX only.

    The end is `high`, but known when the loop is over: of loops that share a state XLA orders those of which one needs
    what another one counted. Where nothing orders a loop that reads an array and one that writes to it, it copies the
    array (JAX 0.10, on the CPU). What is differentiated backwards cannot have such a loop: JAX would have to keep a
    number of states that it does not know.
    """
    first = carry(lambda state: body(low, state), state)
    pair: Any = lax().while_loop(lambda pair: pair[0] < high, lambda pair: (pair[0] + 1, body(*pair)), (low, first))
    return pair[0], pair[1]


def while_loop(condition: Callable[[_State], Array], step: Callable[[_State], _State], state: _State) -> _State:
    """Return the first state of `state = step(state)` of which a condition does not hold; one compiled loop in JAX.

    Args:
        condition: From a state to a single boolean; both are of the library of the arrays.
        step: From a state to the next.
        state: The first state, a tuple of arrays.
    """
    entries: Any = state
    if is_jax(entries[0]):
        first = carry(step, state)
        result: _State = sys.modules["jax"].lax.while_loop(condition, step, first)
        return result
    while bool(condition(state)):
        state = step(state)
    return state


def fold(step: Callable[[_State, Any], _State], state: _State, rows: Any) -> _State:
    """Return the last state of `state = step(state, row)` over the rows of arrays, in one compiled loop; JAX only."""
    jax, own = sys.modules["jax"], snapshots(rows)
    first = carry(lambda state: step(state, jax.tree.map(lambda column: column[0], own)), state)
    result: _State = jax.lax.scan(lambda state, row: (step(state, row), None), first, own)[0]
    return result


def scan(body: Callable[[Array, Array], Array], state: Array, planes: Array, *, backwards: bool = False) -> Array:
    """Return all states of `state = body(state, plane)`, one per plane along the first axis."""
    if is_jax(planes):
        first = carry(lambda state: body(state, planes[0, ...]), state)
        return lax().scan(lambda state, plane: (body(state, plane),) * 2, first, planes, reverse=backwards)[1]
    states = []
    order = range(planes.shape[0])
    for number in reversed(order) if backwards else order:
        state = body(state, planes[number, ...])
        states.append(state)
    return array_namespace(planes).stack(states[::-1] if backwards else states)


def slice_along(array: Array, start: Any, size: int, axis: int) -> Array:
    """Return `size` entries along an axis, counted from the end, from `start` on, which may be traced."""
    if is_jax(array):
        return lax().dynamic_slice_in_dim(array, start, size, axis)
    return array[(..., slice(start, start + size), *(slice(None),) * (-axis - 1))]


def map_slabs(function: Callable[[Array], Array], array: Array) -> Array:
    """Return a function of an array that treats its planes alike; a JAX program for the CPU takes few at a time."""
    if not is_jax(array):
        return function(array)
    # Other devices are fast with the whole, and would wait for the start of each step of a loop.
    return platform_dependent(lambda planes: lax().map(function, planes, batch_size=SLAB_PLANES), function, array)


def replace_if(needed: Array, replacement: Callable[[], Array], value: Array) -> Array:
    """Return `replacement()` if a condition holds, else `value`; under `vmap` too, only what is needed is computed."""
    if not is_jax(needed):
        known = known_flag(needed)
        if known is None:
            return array_namespace(value).where(needed, replacement(), value)
        return replacement() if known else value
    # A loop of one step or none, as `vmap` makes `lax.cond` compute both sides and choose afterwards.
    never = array_namespace(needed).zeros_like(needed)
    return lax().while_loop(lambda state: state[0], lambda _: (never, replacement()), (needed, value))[1]


def map_rows(function: Callable[..., _State], rows: Sequence[tuple[Array, ...]]) -> tuple[_State, ...]:
    """Return `function(*row)` for each row of arrays of one shape; in JAX the code of the function is compiled once."""
    if len(rows) == 1 or not is_jax(rows[0][0]):
        return tuple(function(*row) for row in rows)
    jax = sys.modules["jax"]
    columns = tuple(map(jax.numpy.stack, zip(*rows, strict=True)))
    values = jax.lax.map(lambda row: function(*row), columns)
    return tuple(jax.tree.map(lambda value, row=row: value[row], values) for row in range(len(rows)))
