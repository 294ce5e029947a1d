"""The same pairs through other packages: where they agree with us, and their faults that CORRECTNESS.md names."""

import numpy as np
import pytest
from medpy.metric import binary as medpy

from mia_functional.metrics.distance import (
    average_surface_distance,
    average_symmetric_surface_distance,
    hausdorff_distance,
)
from mia_functional.metrics.surface import surface_distances, voxels
from mia_functional.metrics.tolerance import normalized_surface_dice, surface_overlap

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
