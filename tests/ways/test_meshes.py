"""Every public function of arrays on several devices: within `shard_map`, and on the explicit axes of a mesh."""

from pathlib import Path

import pytest

from .cases import CASES

SAMPLE = {
    "shard_map": ["assembly.sliding_window", "assembly.merge_planes", "morphology.border"],
    "explicit": ["transforms.shift", "transforms.warp", "extraction.extract", "metrics.area", "assembly.merge_planes"],
}

SORTED = {"transforms.clip_percentile"}
"""What sorts rows that lie in parts on explicit axes, which is an error of JAX yet."""


def run(four_devices, way, names):
    program = f"""
import sys
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
@pytest.mark.parametrize("namespace", ["metrics", "transforms", "assembly", "morphology", "extraction"])
@pytest.mark.parametrize("way", SAMPLE)
def test_all_functions_on_several_devices_give_what_numpy_gives(four_devices, way, namespace):
    names = [name for name in CASES if name.startswith(f"{namespace}.")]
    run(four_devices, way, set(names) - (SORTED if way == "explicit" else set()))
