"""Records of components found slab after slab: those of whole arrays to the bit, in less memory."""

import tracemalloc

import numpy as np
import pytest

from mia_functional.metrics import instance_matches
from mia_functional.metrics.instances import InstanceMatches

from ..morphology.test_components import corridor
from .test_instances import SPACINGS, scene

PLANE_BYTES = 100
"""What a voxel of a slab counts as."""


def assert_same_bits(one, other):
    if not isinstance(one, tuple):
        one, other = np.asarray(one), np.asarray(other)
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
        return
    for field, same in zip(one, other, strict=True):
        assert_same_bits(field, same)


def check(prediction, reference, **options):
    """Check that slabs of one, two and four planes give the record of whole arrays."""
    options = {"spacing": SPACINGS[: prediction.ndim]} | options
    whole = instance_matches(prediction, reference, **options)
    voxels = prediction.size // prediction.shape[0]
    for planes in (1, 2, 4):
        assert_same_bits(
            whole, instance_matches(prediction, reference, memory=planes * voxels * PLANE_BYTES, **options)
        )
    return whole


@pytest.mark.parametrize("connectivity", [1, 2, 3])
@pytest.mark.parametrize("shape", [(9, 8), (11, 7, 6), (5, 1, 6), (1, 7, 8)])
def test_slabs_give_the_record_of_whole_arrays(shape, connectivity):
    for seed, share in ((0, 0.05), (1, 0.25), (2, 0.6)):
        found = check(*scene(seed, shape, share=share), connectivity=min(connectivity, len(shape)))
        assert isinstance(found, InstanceMatches)


def test_components_that_come_together_in_later_slabs_are_one():
    teeth = np.zeros((9, 7, 6), bool)
    teeth[:, ::2] = teeth[-1] = True
    found = check(teeth, corridor()[:, :7, :6])
    assert found.prediction.sizes.tolist() == [teeth.sum()]
    assert check(teeth[::-1], teeth).prediction.boxes.tolist() == [[[0, 9], [0, 7], [0, 6]]]


def test_labels_instances_ignored_voxels_and_lines():
    rng = np.random.default_rng(3)
    prediction, reference = rng.integers(0, 4, (2, 9, 6, 7)).astype(np.uint8)
    ignored = rng.random((9, 6, 7)) < 0.1
    check(prediction, reference, labels=(1, (2, 3)))
    check(prediction, reference, labels=(1, (2, 3)), ignore=ignored)
    check(prediction.astype(np.int32) * 7, reference, instances=True, ignore=ignored)
    check(prediction % 2, reference % 2, max_components=5, max_pairs=4)
    check(prediction[0, 0] > 1, reference[0, 0] > 1)
    check(prediction[0] > 4, reference[0] > 4)


def test_tensors_stay_tensors():
    import torch

    prediction, reference = scene(4, (9, 6, 7))
    expected = instance_matches(prediction, reference, spacing=SPACINGS)
    found = instance_matches(*map(torch.asarray, (prediction, reference)), memory=1, spacing=SPACINGS)
    assert_same_bits(tuple(expected.pairs), tuple(found.pairs))
    assert isinstance(found.pairs.iou, torch.Tensor)


def bytes_per_voxel(prediction, reference, **options):
    """Return the most memory that is held at a time beyond the arrays, for each voxel."""
    tracemalloc.start()
    try:
        instance_matches(prediction, reference, spacing=(1.0, 1.0, 1.0), **options)
        return tracemalloc.get_traced_memory()[1] / prediction.size
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_of_lesions_and_of_noise():
    lesions = np.zeros((2, 128, 128, 128), np.uint8)
    lesions[0, 5::20, 5:9, 5::20] = lesions[1, 6::20, 5:9, 5::20] = 1
    lesions[:, 40:90, 40:90, 40:90] = 1
    instance_matches(*lesions[:, :9], spacing=(1.0, 1.0, 1.0))  # modules that are imported at their first use
    assert bytes_per_voxel(*lesions) < 1.2
    assert bytes_per_voxel(*lesions, labels=(1,)) < 4.5
    assert bytes_per_voxel(*lesions, labels=(1,), memory=2**20) < 1.2
    noise = np.random.default_rng(0).random((2, 64, 64, 64)) < 0.6
    assert bytes_per_voxel(*noise) > 60
    assert bytes_per_voxel(*noise, memory=4 * 64**2 * PLANE_BYTES) < 10
