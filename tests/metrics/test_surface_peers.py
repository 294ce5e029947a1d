"""The same pairs through other packages: where they agree with us, and their faults that CORRECTNESS.md names."""

import math

import numpy as np
import pytest
from medpy.metric import binary as medpy
from scipy import ndimage

from mia_functional.metrics.boundaries import solid, surfels, voxels
from mia_functional.metrics.distance import (
    average_distance,
    average_surface_distance,
    average_symmetric_surface_distance,
    hausdorff_distance,
    mean_average_surface_distance,
)
from mia_functional.metrics.surface import surface_distances
from mia_functional.metrics.surface_agreement import boundary_iou, normalized_surface_dice, surface_overlap
from mia_functional.morphology import distance_transform

from .brute_force import blobs

pytestmark = pytest.mark.filterwarnings("ignore")


def pairs(count, seed, ndim=3):
    """Yield random masks of up to eleven voxels along an axis, and a spacing."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        shape = tuple(rng.integers(3, 12, ndim).tolist())
        yield *blobs(seed + number, shape), tuple(rng.uniform(0.4, 4.0, ndim).tolist())


def deepmind(prediction, reference, spacing):
    """Return DeepMind's distances."""
    import surface_distance

    return surface_distance.compute_surface_distances(reference, prediction, spacing)


@pytest.mark.parametrize("shape", [(9, 8), (12, 10, 11)])
@pytest.mark.parametrize("step", [1.0, 0.7])
def test_distances_are_deepminds_bit_by_bit_for_isotropic_spacing(shape, step):
    spacing = (step,) * len(shape)
    for seed in range(20):
        prediction, reference = blobs(seed, shape)
        theirs = deepmind(prediction, reference, spacing)
        ours = surface_distances(prediction, reference, spacing=spacing)
        np.testing.assert_array_equal(np.sort(ours.prediction_to_reference), theirs["distances_pred_to_gt"])
        np.testing.assert_array_equal(np.sort(ours.reference_to_prediction), theirs["distances_gt_to_pred"])


@pytest.mark.slow
@pytest.mark.parametrize("ndim", [2, 3])
def test_metrics_are_deepminds_for_anisotropic_spacing(ndim):
    import surface_distance

    for prediction, reference, spacing in pairs(300, 1000, ndim):
        theirs = deepmind(prediction, reference, spacing)
        ours = surface_distances(prediction, reference, spacing=spacing)
        backward, forward = surface_distance.compute_average_surface_distance(theirs)
        overlap = surface_distance.compute_surface_overlap_at_tolerance(theirs, 1.3)
        got = (
            hausdorff_distance(ours),
            hausdorff_distance(ours, percentile=95),
            average_surface_distance(ours),
            average_surface_distance(ours, direction="reference_to_prediction"),
            surface_overlap(ours, tolerance=1.3),
            normalized_surface_dice(ours, tolerance=1.3),
        )
        wanted = (
            surface_distance.compute_robust_hausdorff(theirs, 100),
            surface_distance.compute_robust_hausdorff(theirs, 95),
            forward,
            backward,
            overlap[1],
            surface_distance.compute_surface_dice_at_tolerance(theirs, 1.3),
        )
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.full
def test_border_voxels_are_those_of_medpy_and_monai():
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    for prediction, reference, spacing in pairs(300, 2000):
        ours = surface_distances(prediction, reference, spacing=spacing, boundary=voxels)
        np.testing.assert_allclose(
            (
                hausdorff_distance(ours),
                hausdorff_distance(ours, percentile=95, pooled=True),
                average_symmetric_surface_distance(ours),
                average_surface_distance(ours),
            ),
            [
                measure(prediction, reference, voxelspacing=spacing)
                for measure in (medpy.hd, medpy.hd95, medpy.assd, medpy.asd)
            ],
            rtol=1e-9,
        )
        batch = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
        theirs = (
            compute_hausdorff_distance(*batch, include_background=True, spacing=spacing),
            compute_hausdorff_distance(*batch, include_background=True, spacing=spacing, percentile=95),
            compute_average_surface_distance(*batch, include_background=True, spacing=spacing, symmetric=True),
            compute_surface_dice(*batch, class_thresholds=[1.3], include_background=True, spacing=spacing),
        )
        got = (
            hausdorff_distance(ours),
            hausdorff_distance(ours, percentile=95),
            average_symmetric_surface_distance(ours),
            normalized_surface_dice(ours, tolerance=1.3),
        )
        np.testing.assert_allclose(got, [float(value) for value in theirs], rtol=1e-5)


def square(shift=0):
    mask = np.zeros((11, 14), dtype=bool)
    mask[3:8, 3 + shift : 8 + shift] = True
    return mask


def test_one_pair_under_each_convention():
    """The table of CORRECTNESS.md: a square of 5 x 5 pixels of 1 mm; grown by three columns, with a spike of two."""
    one = square()
    other = one | square(3)
    other[5, 11:13] = True
    table = {}
    for boundary in (surfels, voxels):
        record = surface_distances(one, other, spacing=(1.0, 1.0), boundary=boundary)
        table[boundary] = [
            float(value)
            for value in (
                hausdorff_distance(record),
                hausdorff_distance(record, percentile=95),
                hausdorff_distance(record, percentile=95, pooled=True),
                average_symmetric_surface_distance(record),
                mean_average_surface_distance(record),
                normalized_surface_dice(record),
            )
        ]
    assert table[surfels] == pytest.approx([5.0, 5.0, 4.0, 0.894, 0.802, 0.737], abs=5e-4)
    assert table[voxels] == pytest.approx([5.0, 3.9, 3.1, 0.795, 0.712, 0.769], abs=5e-4)
    assert medpy.hd95(one, other) == pytest.approx(table[voxels][2])
    assert float(average_distance(one, other, spacing=(1.0, 1.0))) == pytest.approx(0.929, abs=5e-4)
    assert float(boundary_iou(one, other, spacing=(1.0, 1.0))) == 0.5


def test_deepmind_loses_a_distance_that_is_the_tolerance():
    import surface_distance

    one, other = np.zeros((2, 3, 3, 8), dtype=bool)
    one[1, 1, 1] = other[1, 1, 4] = True
    theirs = deepmind(one, other, (0.1, 0.1, 0.1))
    assert surface_distance.compute_surface_dice_at_tolerance(theirs, 0.3) == pytest.approx(0.5)
    assert float(normalized_surface_dice(one, other, spacing=(0.1, 0.1, 0.1), tolerance=0.3)) == 1.0


def test_squares_in_single_precision_lose_a_distance_that_is_the_tolerance():
    """The square of the rounded root is less than two; the root of two is not more than the rounded root."""
    tolerance, square_of_distance = np.float32(math.sqrt(2)), np.float32(2)
    assert square_of_distance > tolerance * tolerance
    assert np.sqrt(square_of_distance) <= tolerance


def test_itk_averages_the_two_directions_where_the_definition_takes_the_larger():
    import SimpleITK

    one, other = np.zeros((2, 1, 1, 12), dtype=bool)
    one[..., 1:3] = other[..., 1:9] = True
    itk = SimpleITK.HausdorffDistanceImageFilter()
    itk.Execute(*(SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (one, other)))
    assert float(average_distance(one, other, spacing=(1.0, 1.0, 1.0))) == 21 / 8
    assert itk.GetAverageHausdorffDistance() == pytest.approx(21 / 16)


def test_itk_and_scikit_image_measure_sets_of_voxels_and_not_surfaces():
    import SimpleITK
    from skimage.metrics import hausdorff_distance as scikit_image

    disc = np.zeros((21, 21), dtype=bool)
    disc[2:19, 2:19] = True
    ring = disc.copy()
    ring[5:16, 5:16] = False
    itk = SimpleITK.HausdorffDistanceImageFilter()
    itk.Execute(*(SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (disc, ring)))
    assert itk.GetHausdorffDistance() == scikit_image(disc, ring) == 6.0
    ours = [float(hausdorff_distance(disc, ring, spacing=(1.0, 1.0), boundary=b)) for b in (surfels, voxels, solid)]
    assert ours == [3.0, 2.0, 6.0]
    assert medpy.hd(disc, ring) == 2.0


@pytest.mark.slow
def test_monai_forgets_a_missed_structure_and_a_percentile_of_zero():
    import torch
    from monai.metrics import compute_hausdorff_distance

    full, empty = np.ones((2, 4, 4), dtype=bool)
    empty[:] = False
    missed = [torch.from_numpy(mask)[None, None].float() for mask in (empty, full)]
    assert math.isinf(compute_hausdorff_distance(*missed, include_background=True))
    assert math.isnan(compute_hausdorff_distance(*missed, include_background=True, percentile=95))
    assert math.isinf(hausdorff_distance(empty, full, spacing=(1.0, 1.0), percentile=95))
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (square(), square(3))]
    assert float(compute_hausdorff_distance(*pair, include_background=True, percentile=0)) == 3.0
    assert float(hausdorff_distance(square(), square(3), spacing=(1.0, 1.0), boundary=voxels, percentile=0)) == 0.0


def test_medpy_has_no_value_for_a_missed_structure():
    with pytest.raises(RuntimeError):
        medpy.hd(np.zeros((3, 3), dtype=bool), np.ones((3, 3), dtype=bool))


def test_transforms_of_others_find_a_phantom_where_there_is_no_background():
    import SimpleITK

    full = np.ones((2, 3), dtype=bool)
    assert np.all(ndimage.distance_transform_edt(full) > 0)
    image = SimpleITK.GetImageFromArray(full.astype(np.uint8))
    assert np.all(abs(SimpleITK.GetArrayFromImage(SimpleITK.SignedMaurerDistanceMap(image))) > 1e18)
    assert np.all(np.isinf(distance_transform(~full, spacing=(1.0, 1.0))))
