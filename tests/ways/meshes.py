"""The ways of calling a function on several devices; for a process of its own, in which JAX has four of them."""

import tempfile
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from .cases import CASES
from .compiled_once import compiled_once
from .drawing import Case
from .ways import assert_same

Members: TypeAlias = list[tuple[Any, ...]]

DEVICES = 4


def in_shards(case: Case, members: Members, expected: list[Any], *, checked: bool) -> None:
    """Call with a case per device, within `shard_map`, which by default checks what varies over the devices."""
    mesh = jax.make_mesh((DEVICES,), ("x",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("x")

    def on_device(*arrays: Any) -> Any:
        result = case.call(*(array[0] for array in arrays))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], result)

    program = jax.jit(jax.shard_map(on_device, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=checked))
    assert_rows(program(*columns(members)), expected)


def on_each_device(case: Case, members: Members, expected: list[Any]) -> None:
    """Call with a case per device, by `pmap`."""
    assert_rows(jax.pmap(case.call)(*columns(members)), expected)


def columns(members: Members) -> list[Any]:
    """Return the arguments of all calls, stacked."""
    return [np.stack(column) for column in zip(*members, strict=True)]


def assert_rows(results: Any, expected: list[Any]) -> None:
    """Raise unless every row of some results is the result of the call of the same number."""
    for row, right in enumerate(expected):
        assert_same(jax.tree.map(lambda leaf, row=row: leaf[row], results), right)


def on_axes(case: Case, members: Members, expected: list[Any], *, kind: AxisType) -> None:
    """Call with arrays on a mesh: all in parts, all as copies, or the first in parts beside others of one device."""
    mesh = jax.make_mesh((DEVICES,), ("x",), axis_types=(kind,))
    for placing in ("parts", "copies", "one in parts"):
        arrays = []
        for number, array in enumerate(members[0]):
            # Patches stay whole: a loop takes them one by one.
            divides = placing != "copies" and 0 < array.ndim < 5 and array.shape[0] % DEVICES == 0
            placed = NamedSharding(mesh, PartitionSpec("x") if divides else PartitionSpec())
            alone = number and placing == "one in parts"
            arrays.append(jnp.asarray(array) if alone else jax.device_put(array, placed))
        assert_same(case.call(*arrays), expected[0])
        assert_same(jax.jit(case.call)(*arrays), expected[0])
        if kind == AxisType.Explicit:
            with jax.set_mesh(mesh):
                assert_same(jax.jit(case.call)(*arrays), expected[0])


WAYS: dict[str, Callable[[Case, Members, list[Any]], None]] = {
    "shard_map": partial(in_shards, checked=True),
    "shard_map unchecked": partial(in_shards, checked=False),
    "pmap": on_each_device,
    "explicit": partial(on_axes, kind=AxisType.Explicit),
    "auto": partial(on_axes, kind=AxisType.Auto),
}


def failures(way: str, names: Iterable[str]) -> list[str]:
    """Return what fails of the cases with some names, in a way of calling them on several devices."""
    assert len(jax.devices()) == DEVICES
    found = []
    with tempfile.TemporaryDirectory() as folder, compiled_once(folder):
        for name in names:
            found += [text for case in CASES[name] for text in _failure(way, name, case)]
            # Programs of all functions at once are more than a process may have (LLVM finds no memory).
            jax.clear_caches()
    return found


def _failure(way: str, name: str, case: Case) -> list[str]:
    """Return what fails of a case: one text, or none."""
    members = [case.draw(np.random.default_rng(seed)) for seed in range(DEVICES)]
    call = (lambda *arrays: case.call(*map(jnp.asarray, arrays))) if case.keys else case.call
    try:
        WAYS[way](case, members, [call(*arrays) for arrays in members])
    except Exception as error:
        frames = [f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        inner = [frame for frame in frames if not frame.startswith(("api", "pjit", "traceback_util"))]
        return [f"{name} [{case.label}]: {type(error).__name__} {str(error)[:300]} at {inner[-8:]}"]
    return []
