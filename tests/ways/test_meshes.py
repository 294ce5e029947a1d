"""Every public function of arrays on several devices: within `shard_map`, and on the explicit axes of a mesh."""

from pathlib import Path

import pytest

from .cases import CASES

SAMPLE = {
    "shard_map": ["assembly.sliding_window", "assembly.merge_planes", "morphology.border"],
    "explicit": ["transforms.shift", "extraction.extract", "metrics.area"],
}

WAYS = ["shard_map", "shard_map unchecked", "pmap", "explicit", "auto"]

# Programs of all functions take a quarter of an hour to compile: a process has a few of them.
NAMES = sorted(CASES)
PORTIONS = 12


def run(four_devices, way, names):
    # What is tested is who computes what. It takes half the time to compile if single loops may be slow.
    program = f"""
import os, sys
os.environ["XLA_FLAGS"] += " --xla_backend_optimization_level=0"
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.ways.meshes import failures
print(failures({way!r}, {sorted(names)!r}))
"""
    assert four_devices(program) == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize("way", SAMPLE)
def test_several_devices_give_what_numpy_gives(four_devices, way):
    run(four_devices, way, SAMPLE[way])


@pytest.mark.full
@pytest.mark.parametrize("portion", range(PORTIONS))
@pytest.mark.parametrize("way", WAYS)
def test_all_functions_on_several_devices_give_what_numpy_gives(four_devices, way, portion):
    run(four_devices, way, NAMES[portion::PORTIONS])


@pytest.mark.full
def test_arrays_of_a_mesh_meet_those_that_functions_make_of_them(four_devices):
    program = """
import jax, jax.numpy as jnp, numpy as np, mia_functional as mia
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
whole = np.zeros((8, 6, 5), bool)
whole[2:5, 1:4, 1:4] = True
far = jnp.asarray(np.roll(whole, 2, 0))
def scores(mask):
    moved = mia.transforms.shift(mask, (1, 0, 0))
    image = mask[..., None] * 1.0
    cleared = mia.transforms.mask_outside(image, moved[..., None]).sum()
    clipped = mia.transforms.clip_percentile(image, mask=far[..., None]).sum()
    return *(mia.metrics.dice(mask, other) for other in (moved, far)), cleared, clipped
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((4,), ("x",), axis_types=(kind,))
    for spec in (P("x"), P()):
        given = jax.device_put(whole, NamedSharding(mesh, spec))
        for call in (scores, jax.jit(scores)):
            print([round(float(score), 4) for score in call(given)])
"""
    # Of three planes of nine voxels, one step leaves two in common and two steps one.
    assert four_devices(program).splitlines() == ["[0.6667, 0.3333, 18.0, 27.0]"] * 8
