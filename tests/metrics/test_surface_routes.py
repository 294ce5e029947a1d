"""Every way to the same distances: near and far points on the host, chunks, programs, batches, shards, precisions."""

from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.metrics._kernels import nearest_points
from mia_functional.metrics.boundaries import surfels, voxels
from mia_functional.metrics.distance import (
    average_distance,
    average_surface_distance,
    average_symmetric_surface_distance,
    hausdorff_distance,
)
from mia_functional.metrics.surface import SurfaceDistances, surface_distances
from mia_functional.metrics.surface_agreement import normalized_surface_dice

from .brute_force import SPACINGS

ANISOTROPIC = (0.9, 0.8, 3.0)


def smooth(seed, shape, share=0.3):
    """Return a smooth random mask."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    return field > np.quantile(field, 1 - share)


def exact(points, targets, spacing):
    """Return the distances of flat points by a transform of the whole grid."""
    return ndimage.distance_transform_edt(~targets, sampling=spacing).reshape(-1)[points]


def ball(shape, centre, radius, spacing=(1.0, 1.0, 1.0)):
    axes = np.ogrid[tuple(slice(size) for size in shape)]
    return sum((s * (axis - c)) ** 2 for s, axis, c in zip(spacing, axes, centre, strict=True)) <= radius**2


def scene(name):
    """Return two masks whose distances are found in different ways."""
    shape = (60, 62, 64)
    if name == "near":
        return smooth(1, shape), smooth(1, shape) & smooth(2, shape, 0.9)
    if name == "few far":
        one = smooth(3, shape)
        one[:, :, 40:] = False
        other = one.copy()
        other[30:32, 30:32, 46:48] = True
        return one, other
    if name == "far":
        return ball(shape, (12, 12, 12), 9), ball(shape, (46, 48, 50), 9)
    one = np.zeros(shape, dtype=bool)
    one[::20, ::20, ::20] = True
    return one, ball(shape, (30, 30, 30), 25)


@pytest.mark.parametrize("name", ["near", "few far", "far", "sparse"])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_points_near_and_far_find_the_nearest_target(name, spacing):
    one, other = scene(name)
    targets = nearest_points.pad(one, spacing)
    points = np.flatnonzero(nearest_points.pad(other, spacing))
    np.testing.assert_allclose(
        nearest_points.nearest(points, targets, spacing), exact(points, targets, spacing), rtol=1e-14
    )


@pytest.mark.parametrize("name", ["near", "few far", "far"])
@pytest.mark.parametrize("find", [surface_distances, average_distance])
def test_two_threads_find_what_one_does(monkeypatch, name, find):
    found = []
    for large in (0, 2**60):
        monkeypatch.setattr(nearest_points, "LARGE", large)
        found.append(find(*scene(name), spacing=ANISOTROPIC))
    np.testing.assert_equal(*found)


def test_what_fails_in_either_thread_fails(monkeypatch):
    monkeypatch.setattr(nearest_points, "LARGE", 0)
    masks = (np.ones(3),), (np.zeros(3),)
    for wrong in (0, 1):
        with pytest.raises(ArithmeticError, match=f"mask {wrong}"):
            nearest_points.both(partial(fail_if, wrong), *masks)


def fail_if(value, mask):
    if mask[0] == value:
        raise ArithmeticError(f"mask {value}")


@pytest.mark.parametrize("way", [nearest_points._search_further, nearest_points._tree, nearest_points._transform])
@pytest.mark.parametrize("shape", [(70,), (40, 30), (20, 24, 26)])
def test_each_way_of_the_far_points_is_exact(way, shape):
    rng = np.random.default_rng(5)
    for spacing in (SPACINGS[0][: len(shape)], ANISOTROPIC[: len(shape)]):
        targets = nearest_points.pad(rng.random(shape) < 0.02, spacing)
        points = np.flatnonzero(nearest_points.pad(rng.random(shape) < 0.1, spacing))
        found, wanted = way(points, targets, spacing), exact(points, targets, spacing)
        reached = np.isfinite(found)
        assert reached.mean() > 0.9
        np.testing.assert_allclose(found[reached], wanted[reached], rtol=1e-14)


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


@pytest.mark.parametrize("method", ["auto", "host"])
@pytest.mark.parametrize("boundary", [surfels, voxels], ids=["surfels", "voxels"])
def test_a_program_gives_what_the_host_does_for_more_than_one_chunk(boundary, method):
    import jax

    one, other = smooth(6, (40, 41, 42)), smooth(6, (40, 41, 42), 0.4)
    other[:3, :3, :3] = True
    options = {"spacing": ANISOTROPIC, "boundary": boundary}
    program = jax.jit(lambda p, r: measure(surface_distances(p, r, method=method, **options)))
    wanted = measure(surface_distances(one, other, **options))
    assert_all_close(program(jax.numpy.asarray(one), jax.numpy.asarray(other)), wanted, 1e-6)


@pytest.mark.parametrize("method", ["auto", "host"])
def test_a_batch_by_vmap_equals_its_members(method):
    import jax

    batch = np.stack([smooth(seed, (9, 25, 41)) for seed in range(3)])
    shifted = np.roll(batch, (1, -3), (2, 3))
    shifted[1, :, :20] = False
    options = {"spacing": ANISOTROPIC, "method": method}
    wanted = [measure(surface_distances(*pair, **options)) for pair in zip(batch, shifted, strict=True)]
    function = jax.jit(jax.vmap(lambda p, r: measure(surface_distances(p, r, **options))))
    got = function(jax.numpy.asarray(batch), jax.numpy.asarray(shifted))
    assert_all_close(got, map(np.stack, zip(*wanted, strict=True)))


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


def test_results_stay_in_the_library_and_inputs_as_they_were():
    import jax.numpy as jnp
    import torch

    one, other = smooth(9, (8, 9)), smooth(10, (8, 9))
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
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((4,), ("shards",), axis_types=(kind,))
    for axes in (PartitionSpec(None, None, "shards"), PartitionSpec("shards")):
        pair = [jax.device_put(mask, NamedSharding(mesh, axes)) for mask in (one, other)]
        with jax.set_mesh(mesh):
            compare(distances, pair, 1e-6, jax.jit)
    compare(others, pair, 2e-6, jax.jit)
    compare(distances, pair, 1e-6)
    compare(others, pair, 2e-6)
with jax.enable_x64(True):
    compare(distances, [jax.numpy.asarray(mask) for mask in (one, other)], 1e-12, jax.jit)
print("equal")
"""


def test_shards_on_four_devices_and_double_precision(four_devices):
    assert four_devices(PROGRAM) == "equal\n"
