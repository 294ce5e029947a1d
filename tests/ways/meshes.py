"""The ways of calling a function on several devices; for a process of its own, in which JAX has four of them."""

import traceback
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from .cases import CASES, Case
from .ways import assert_same

DEVICES = 4


def in_shards(case: Case, members: list[tuple[Any, ...]], expected: list[Any]) -> None:
    """Call with a case per device, within `shard_map` as it is by default."""
    mesh = jax.make_mesh((DEVICES,), ("x",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("x")

    def on_device(*arrays: Any) -> Any:
        result = case.call(*(array[0] for array in arrays))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], result)

    program = jax.jit(jax.shard_map(on_device, mesh=mesh, in_specs=spec, out_specs=spec))
    results = program(*(np.stack(column) for column in zip(*members, strict=True)))
    for row, right in enumerate(expected):
        assert_same(jax.tree.map(lambda leaf, row=row: leaf[row], results), right)


def on_explicit_axes(case: Case, members: list[tuple[Any, ...]], expected: list[Any]) -> None:
    """Call with arrays that lie in parts on the explicit axes of a mesh, and with copies on all devices."""
    mesh = jax.make_mesh((DEVICES,), ("x",), axis_types=(AxisType.Explicit,))
    for divide in (True, False):
        arrays = []
        for array in members[0]:
            # Patches stay whole: a loop takes them one by one.
            divides = divide and 0 < array.ndim < 5 and array.shape[0] % DEVICES == 0
            spec = PartitionSpec("x") if divides else PartitionSpec()
            arrays.append(jax.device_put(array, NamedSharding(mesh, spec)))
        assert_same(jax.jit(case.call)(*arrays), expected[0])
        assert_same(case.call(*arrays), expected[0])
        with jax.set_mesh(mesh):
            assert_same(jax.jit(case.call)(*arrays), expected[0])


WAYS: dict[str, Callable[[Case, list[tuple[Any, ...]], list[Any]], None]] = {
    "shard_map": in_shards,
    "explicit": on_explicit_axes,
}


def failures(way: str, names: Iterable[str]) -> list[str]:
    """Return what fails of the cases with some names, in a way of calling them on several devices."""
    assert len(jax.devices()) == DEVICES
    found = []
    for name in names:
        for case in CASES[name]:
            members = [case.draw(np.random.default_rng(seed)) for seed in range(DEVICES)]
            call = (lambda *arrays, case=case: case.call(*map(jnp.asarray, arrays))) if case.keys else case.call
            try:
                WAYS[way](case, members, [call(*arrays) for arrays in members])
            except Exception as error:
                frames = [
                    f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)
                ]
                inner = [frame for frame in frames if not frame.startswith(("api", "pjit", "traceback_util"))]
                found.append(f"{name} [{case.label}]: {type(error).__name__} {str(error)[:300]} at {inner[-8:]}")
    return found
