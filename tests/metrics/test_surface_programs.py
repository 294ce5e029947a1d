"""Every way to the same surface distances: chunks, programs, batches, shards, precisions, libraries."""

from functools import partial

import numpy as np
import pytest

from mia_functional.metrics.boundaries import surfels, voxels
from mia_functional.metrics.distance import (
    average_surface_distance,
    average_symmetric_surface_distance,
    hausdorff_distance,
)
from mia_functional.metrics.surface import SurfaceDistances, surface_distances
from mia_functional.metrics.surface_agreement import normalized_surface_dice

from .brute_force import ANISOTROPIC, smooth_mask


def measure(record):
    return (
        hausdorff_distance(record, percentile=(0, 5, 50, 95, 100)),
        hausdorff_distance(record, percentile=(37.5, 95), pooled=True),
        average_symmetric_surface_distance(record),
        average_surface_distance(record),
        normalized_surface_dice(record, tolerance=(0.0, 0.9, 2.0)),
    )


def assert_all_close(got, wanted, tolerance=1e-6):
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance)


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("method", ["auto", "host"])
@pytest.mark.parametrize("boundary", [surfels, voxels], ids=["surfels", "voxels"])
def test_a_program_gives_what_the_host_does_for_more_than_one_chunk(boundary, method):
    import jax

    one, other = smooth_mask(6, (40, 41, 42)), smooth_mask(6, (40, 41, 42), 0.4)
    other[:3, :3, :3] = True
    options = {"spacing": ANISOTROPIC, "boundary": boundary}
    program = jax.jit(lambda p, r: measure(surface_distances(p, r, method=method, **options)))
    wanted = measure(surface_distances(one, other, **options))
    assert_all_close(program(jax.numpy.asarray(one), jax.numpy.asarray(other)), wanted, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "host"])
def test_a_batch_by_vmap_equals_its_members(method):
    import jax

    batch = np.stack([smooth_mask(seed, (9, 25, 41)) for seed in range(3)])
    shifted = np.roll(batch, (1, -3), (2, 3))
    shifted[1, :, :20] = False
    options = {"spacing": ANISOTROPIC, "method": method}
    wanted = [measure(surface_distances(*pair, **options)) for pair in zip(batch, shifted, strict=True)]
    function = jax.jit(jax.vmap(lambda p, r: measure(surface_distances(p, r, **options))))
    got = function(jax.numpy.asarray(batch), jax.numpy.asarray(shifted))
    assert_all_close(got, map(np.stack, zip(*wanted, strict=True)))


@pytest.mark.slow
def test_labels_in_a_program_equal_the_masks():
    import jax

    rng = np.random.default_rng(8)
    maps = [jax.numpy.asarray(rng.integers(0, 4, (6, 7, 8))) for _ in range(2)]
    function = partial(surface_distances, spacing=ANISOTROPIC, labels=(1, 3, (1, 2)))
    for got, wanted in zip(jax.jit(function)(*maps), function(*map(np.asarray, maps)), strict=True):
        assert isinstance(got, SurfaceDistances)
        assert_all_close(measure(got), measure(wanted), 1e-6)


@pytest.mark.parametrize(
    ("spacing", "steps"),
    [((1.0, 1.0, 1.0), (1, 1, 0)), ((0.5, 0.5, 1.5), (1, 1, 0)), ((0.7,) * 3, (3, 0, 0)), ((0.3,) * 3, (1, 2, 2))],
)
def test_a_distance_that_is_the_tolerance_is_within_it_in_single_precision(xp, spacing, steps):
    one, other = np.zeros((2, 5, 5, 5), dtype=bool)
    one[0, 0, 0] = other[steps] = True
    tolerance = float(np.linalg.norm(np.multiply(spacing, steps)))
    options = {"spacing": spacing, "boundary": voxels}
    assert xp.run(partial(normalized_surface_dice, tolerance=tolerance, **options), one, other) == 1.0
    assert xp.run(partial(normalized_surface_dice, tolerance=tolerance * (1 - 1e-6), **options), one, other) == 0.0


@pytest.mark.slow
def test_results_stay_in_the_library_and_inputs_as_they_were():
    import jax.numpy as jnp
    import torch

    one, other = smooth_mask(9, (8, 9)), smooth_mask(10, (8, 9))
    copies = one.copy(), other.copy()
    for asarray, kind in ((jnp.asarray, jnp.ndarray), (torch.asarray, torch.Tensor), (np.asarray, np.ndarray)):
        record = surface_distances(asarray(one), other, spacing=(1.0, 1.0))
        assert all(isinstance(field, kind) for field in record)
        assert isinstance(hausdorff_distance(record), kind | np.generic)
    np.testing.assert_array_equal(copies, (one, other))


PROGRAM = """
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from mia_functional import morphology
from mia_functional.metrics import confusion, distance, spatial, surface, surface_agreement, volume

one, other = np.random.default_rng(0).random((2, 8, 12, 16)) < 0.2
spacing = (0.9, 0.8, 3.0)

def distances(prediction, reference):
    record = surface.surface_distances(prediction, reference, spacing=spacing)
    return (*confusion.confusion_counts(prediction, reference),
            morphology.distance_transform(prediction, spacing=spacing),
            distance.hausdorff_distance(record, percentile=(95, 100)),
            distance.average_symmetric_surface_distance(record),
            surface_agreement.normalized_surface_dice(record))

def others(prediction, reference):
    moments = spatial.paired_spatial_moments(prediction, reference, spacing=spacing)
    return (morphology.distance_transform(prediction, spacing=spacing, method="host"),
            distance.hausdorff_distance(prediction, reference, spacing=spacing, method="host"),
            distance.average_distance(prediction, reference, spacing=spacing),
            surface_agreement.boundary_iou(prediction, reference, spacing=spacing),
            spatial.centroid_distance(moments),
            spatial.mahalanobis_distance(moments),
            volume(prediction, spacing=spacing))

def compare(function, pair, tolerance, run=lambda function: function):
    for got, value in zip(run(function)(*pair), function(one, other), strict=True):
        np.testing.assert_allclose(np.asarray(got), value, rtol=tolerance)

assert len(jax.devices()) == 4
THOROUGH = True
for kind in (AxisType.Auto, AxisType.Explicit) if THOROUGH else (AxisType.Explicit,):
    mesh = jax.make_mesh((4,), ("shards",), axis_types=(kind,))
    for axes in (PartitionSpec(None, None, "shards"), PartitionSpec("shards")):
        pair = [jax.device_put(mask, NamedSharding(mesh, axes)) for mask in (one, other)]
        with jax.set_mesh(mesh):
            if THOROUGH or axes == PartitionSpec("shards"):
                compare(distances, pair, 1e-6, jax.jit)
    if THOROUGH:
        compare(others, pair, 2e-6, jax.jit)
        compare(distances, pair, 1e-6)
        compare(others, pair, 2e-6)
if THOROUGH:
    with jax.enable_x64(True):
        compare(distances, [jax.numpy.asarray(mask) for mask in (one, other)], 1e-12, jax.jit)
print("equal")
"""


@pytest.mark.full
def test_shards_on_four_devices_and_double_precision(four_devices):
    assert four_devices(PROGRAM) == "equal\n"


@pytest.mark.slow
def test_shards_along_the_first_axis_of_an_explicit_mesh(four_devices):
    """The sample of the program above in the default part: explicit axes are those that have to be gathered."""
    assert four_devices(PROGRAM.replace("THOROUGH = True", "THOROUGH = False")) == "equal\n"


@pytest.mark.slow
def test_double_precision_in_a_program():
    import jax

    one, other = np.random.default_rng(0).random((2, 8, 12, 16)) < 0.2
    program = jax.jit(lambda p, r: measure(surface_distances(p, r, spacing=ANISOTROPIC)))
    with jax.enable_x64(new_val=True):
        got = program(*map(jax.numpy.asarray, (one, other)))
    assert_all_close(got, measure(surface_distances(one, other, spacing=ANISOTROPIC)), 1e-12)
