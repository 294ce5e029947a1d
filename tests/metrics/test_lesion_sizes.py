"""Diameters of components against all pairs of voxels and SimpleITK; recall of each class of size."""

import itertools
from functools import partial

import jax
import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics import equivalent_diameter, feret_diameter, instance_matches, merge

from .test_instances import PREDICTION, REFERENCE, SHAPES, SPACINGS, scene, voxel_sets


def largest_distance(voxels, spacing):
    """Return the largest distance between voxels, of all pairs."""
    places = np.array(sorted(voxels)) * spacing
    return max(float(np.linalg.norm(one - other)) for one, other in itertools.product(places, repeat=2))


@pytest.mark.sampled(8)
@pytest.mark.parametrize("shape", SHAPES)
def test_diameters_equal_all_pairs_of_voxels(xp, shape):
    if xp.name == "jax-jit":
        pytest.skip("runs on the host")
    mask, _ = scene(4, shape)
    step = SPACINGS[: len(shape)]
    for connectivity in (1, len(shape)):
        found = xp.run(partial(feret_diameter, spacing=step, connectivity=connectivity), mask)
        right = [largest_distance(component, step) for component in voxel_sets(mask, connectivity)]
        np.testing.assert_allclose(found, right, rtol=1e-6)


def shapes_of_many_voxels():
    """Yield masks of one component each, whose hulls are solid, flat or a line."""
    places = np.indices((24, 23, 22))
    yield ((places - 11) ** 2).sum(axis=0) < 100
    yield places[0] == places[1]  # oblique planes
    yield places.sum(axis=0) == 33
    yield (places[0] == 5) & (((places[1:] - 11) ** 2).sum(axis=0) < 90)
    yield np.ones((9, 400), bool)
    line = np.zeros((300, 300), bool)
    np.fill_diagonal(line, val=True)
    yield line


def test_diameters_of_many_voxels_equal_all_pairs_of_those_on_the_border():
    for mask in shapes_of_many_voxels():
        step = SPACINGS[: mask.ndim]
        inner = np.stack([np.roll(mask, by, axis) for axis in range(mask.ndim) for by in (-1, 1)]).all(axis=0)
        edges = [np.take(np.argwhere(mask), [0, -1], axis=0), np.argwhere(mask & ~inner)]
        places = np.concatenate(edges) * step
        right = max(float(np.linalg.norm(places - place, axis=1).max()) for place in places)
        np.testing.assert_allclose(feret_diameter(mask, spacing=step), [right], rtol=1e-12)


def test_diameters_of_simpleitk():
    import SimpleITK

    mask = scene(2, (9, 8, 7), share=0.15)[0]
    step = (2.0, 1.0, 0.5)
    found = instance_matches(mask, mask, spacing=step)
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(step[::-1])
    shape = SimpleITK.LabelShapeStatisticsImageFilter()
    shape.ComputeFeretDiameterOn()
    shape.Execute(SimpleITK.ConnectedComponent(image, True))  # noqa: FBT003
    numbers = shape.GetLabels()
    assert len(numbers) == len(found.reference.sizes)
    for value, name, scale in (
        (feret_diameter(mask, spacing=step), "GetFeretDiameter", 1),
        (equivalent_diameter(found.reference), "GetEquivalentSphericalRadius", 2),
    ):
        np.testing.assert_allclose(value, [scale * getattr(shape, name)(number) for number in numbers], rtol=1e-9)


def of_record(function, record):
    """Return a function of the arrays of a record that calls one of the record, and these arrays."""
    leaves, kind = jax.tree.flatten(record)
    return lambda *arrays: function(jax.tree.unflatten(kind, arrays)), leaves


def test_equivalent_diameters(xp):
    """The disc and the ball of the diameter have the area and the volume, and a stretch is as long as it is."""
    right = {1: 6.0, 2: 2 * np.sqrt(12 / np.pi), 3: (6 * 36 / np.pi) ** (1 / 3)}
    for ndim, diameter in right.items():
        mask = np.zeros((5,) * ndim, bool)
        mask[(slice(1, 4), *(slice(1, 3),) * (ndim - 1))] = True
        found = instance_matches(mask, mask, spacing=(2.0, 1.0, 1.5)[:ndim])
        call, arrays = of_record(equivalent_diameter, found.reference)
        np.testing.assert_allclose(xp.run(call, *arrays), [diameter], rtol=1e-6)


def test_maps_of_instances_and_empty_masks():
    assert feret_diameter(np.array([7, 3, 0, 3, 7]), spacing=(2.0,), instances=True).tolist() == [4.0, 8.0]
    assert feret_diameter(np.zeros((3, 4), bool), spacing=(1, 1)).shape == (0,)


def test_recall_by_size():
    found = instance_matches(PREDICTION, REFERENCE, spacing=(2.0,))
    shares = metrics.lesion_recall_by_volume(found, edges=(4.0, 6.0, 8.0))
    np.testing.assert_allclose(shares, [0.0, 0.0, 0.5, 0.5])
    assert np.isnan(metrics.lesion_recall_by_volume(found, edges=(100.0,))[1])
    # In one dimension volumes are lengths, and voxels at both ends are one spacing less apart.
    np.testing.assert_allclose(metrics.lesion_recall_by_diameter(found, edges=(4.0, 6.0, 8.0)), shares)
    longest = feret_diameter(REFERENCE, spacing=(2.0,))
    recall = partial(metrics.lesion_recall_by_diameter, edges=(2.0, 4.0, 6.0))
    np.testing.assert_allclose(recall(found, diameters=longest), shares)
    np.testing.assert_allclose(recall(merge(found, found), diameters=np.concatenate([longest, longest])), shares)


def test_recall_by_diameter_in_every_library(xp):
    found = instance_matches(PREDICTION, REFERENCE, spacing=(2.0,))
    call, arrays = of_record(partial(metrics.lesion_recall_by_diameter, edges=(4.0, 8.0)), found)
    np.testing.assert_allclose(xp.run(call, *arrays), [0.0, 1 / 3, 0.5], rtol=1e-6)


def test_wrong_arguments():
    mask = np.ones((2, 3), bool)
    found = instance_matches(mask, mask, spacing=(1, 1))
    with pytest.raises(TypeError, match="feret_diameter: `array` must be a boolean mask"):
        feret_diameter(mask * 0.5, spacing=(1, 1))
    with pytest.raises(ValueError, match="feret_diameter: `spacing` must have 2 entries"):
        feret_diameter(mask, spacing=(1,))
    with pytest.raises(ValueError, match="feret_diameter: `connectivity` must be at most 2"):
        feret_diameter(mask, spacing=(1, 1), connectivity=3)
    with pytest.raises(TypeError, match="feret_diameter: `array` must have values"):
        jax.jit(partial(feret_diameter, spacing=(1, 1)))(mask)
    with pytest.raises(TypeError, match="equivalent_diameter: `instances` must be the `prediction` or `reference` of"):
        equivalent_diameter(found)
    with pytest.raises(TypeError, match="lesion_recall_by_volume: `matches` must be a record of `instance_matches`"):
        metrics.lesion_recall_by_volume((1, 2), edges=(1,))
    with pytest.raises(ValueError, match="lesion_recall_by_diameter: `edges` must ascend"):
        metrics.lesion_recall_by_diameter(found, edges=(2, 1))
    with pytest.raises(ValueError, match="`diameters` must have the shape of the reference components"):
        metrics.lesion_recall_by_diameter(found, edges=(2,), diameters=np.ones(3))
