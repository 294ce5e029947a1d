"""What calls with arrays on a GPU move to the host, and what they are called with: for stand-ins of libraries."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mia_functional as mia

from .cases import CASES

CALLS = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases if not case.keys}

NOT_RUN: dict[str, str] = {
    "cupy": "there is no GPU: a stand-in over NumPy, which refuses what CuPy 13 and 14 refuse, runs in its place",
    "cupy on several devices": "the stand-in counts devices, and holds all arrays in the memory of the host",
    "torch on cuda": "there is no GPU: a tensor that refuses what one on CUDA refuses runs in its place",
}
"""What was not run, and what was instead."""

REFUSED: dict[str, dict[str, str]] = {
    "cupy": {
        "*": "an array on another device than the current one: call within `with array.device:`",
        "keys": "random numbers come from NumPy's generators, JAX's keys make arrays of JAX",
    }
}
"""By library: which calls are refused, and why."""

MOVED: dict[tuple[int, ...], str] = {
    (1,): "metrics.area, metrics.volume, metrics.prediction_area, metrics.reference_area, metrics.spatial_moments, "
    "metrics.euler_characteristic, metrics.structural_similarity in a mask, metrics.krippendorff_alpha nominal, "
    "metrics.risk_coverage_curve of volumes, metrics.area_under_risk_coverage_curve of volumes, "
    "metrics.excess_area_under_risk_coverage_curve of volumes, metrics.conformal_threshold, "
    "metrics.conformal_set of each label, "
    "transforms.inverse of an affine map, transforms.inverse of exponents, transforms.low_resolution by an array, "
    "transforms.resized_crop labels, transforms.mixup, transforms.carvemix, "
    "metrics.majority_vote, metrics.negative_jacobian_share in a mask, "
    "metrics.paired_moments in a mask, morphology.border, morphology.distance_transform a mask, "
    "transforms.crop by both, transforms.gamma by an array, transforms.one_hot, transforms.relabel, "
    "transforms.resample integers between voxels, "
    "transforms.resample image, transforms.resample smoothed, transforms.resample_onto, transforms.rician_noise, "
    "transforms.rot90 by an array, transforms.warp labels, transforms.contrast image",
    (1, 1): "metrics.dice, metrics.jaccard, metrics.sensitivity, metrics.specificity, metrics.fallout, "
    "metrics.false_negative_rate, metrics.accuracy, metrics.precision, metrics.negative_predictive_value, "
    "metrics.true_positives, metrics.false_positives, metrics.true_negatives, metrics.false_negatives, "
    "metrics.f_measure, metrics.volume_similarity, metrics.balanced_accuracy, metrics.youden_index, "
    "metrics.matthews_correlation, metrics.area_under_curve, metrics.cohen_kappa, metrics.global_consistency_error, "
    "metrics.rand_index, metrics.adjusted_rand_index, metrics.mutual_information, metrics.variation_of_information, "
    "metrics.intraclass_correlation, metrics.probabilistic_distance, metrics.average_distance, "
    "metrics.hausdorff_distance HDRFDST, metrics.hausdorff_distance of labels, "
    "metrics.average_symmetric_surface_distance, metrics.mean_average_surface_distance, "
    "metrics.average_surface_distance, metrics.surface_overlap, metrics.normalized_surface_dice, metrics.boundary_iou, "
    "metrics.mahalanobis_distance, metrics.centroid_distance, metrics.prediction_volume, metrics.reference_volume, "
    "metrics.surface_distances, metrics.confusion_counts of labels, metrics.generalized_dice, "
    "metrics.soft_confusion_counts of a mask, metrics.soft_centerline_counts, metrics.absolute_volume_difference, "
    "metrics.relative_volume_difference, "
    "metrics.interclass_correlation, metrics.identity, metrics.merge places, transforms.affine labels, "
    "metrics.expected_calibration_error, metrics.maximum_calibration_error, metrics.average_calibration_error, "
    "metrics.root_mean_square_calibration_error, metrics.brier_score, metrics.negative_log_likelihood, "
    "metrics.calibration_bins of a mask, metrics.calibration_bins by mass, metrics.brier_decomposition, "
    "metrics.reliability_curve, metrics.roc_curve, metrics.precision_recall_curve, metrics.best_threshold, "
    "metrics.risk_coverage_curve in a mask, "
    "metrics.area_under_risk_coverage_curve AURC, metrics.excess_area_under_risk_coverage_curve EAURC, "
    "metrics.uncertainty_error_dice UEDICE, metrics.decision_counts of a mask, "
    "metrics.threshold_counts of labels, metrics.area_under_roc_curve, metrics.average_precision, "
    "transforms.elastic, transforms.warp image, transforms.warp integers between voxels, "
    "transforms.local_gamma, transforms.brightness, transforms.spikes, transforms.resized_crop image, "
    "transforms.label_dilation",
    (1, 1, 1): "metrics.dice in a mask, metrics.confusion_counts in a mask, metrics.confusion_matrix, "
    "metrics.fleiss_kappa, "
    "metrics.average_distance some ignored, metrics.boundary_iou some ignored, "
    "metrics.paired_spatial_moments in a mask, "
    "metrics.expected_cost, metrics.weighted_kappa, transforms.affine image, "
    "transforms.affine integers between voxels, "
    "metrics.calibration_bins in a mask, metrics.calibration_bins of top labels, "
    "metrics.decision_counts in a mask, "
    "metrics.uncertainty_counts of labels, metrics.uncertainty_error_dice of labels, metrics.error_coverage_curve, "
    "metrics.threshold_counts in a mask, transforms.ghosting by arrays, "
    "transforms.labels_to_image",
    (1, 1, 1, 1): "metrics.merge counts, metrics.uncertainty_counts in a mask",
    (1,) * 9: "transforms.motion",
    (1,) * 7: "metrics.dice_optimal_mask of a volume",
    (1,) * 8: "metrics.dice_optimal_mask in a mask",
    (1, 1, 1, 1, 1, 1): "metrics.pairwise_dice, metrics.merge bins",
    (1,) * 12: "assembly.assemble a vote",
    (3,): "transforms.crop by an array, transforms.flip by an array, transforms.shift by an array, "
    "transforms.shift around, assembly.add at an array, extraction.dynamic_patch",
    (6, 6): "transforms.swap by arrays",
    (1, 3): "transforms.blur by an array",
    (1, 1, 3): "transforms.sharpen by arrays",
    (336,): "morphology.distance_transform called back, morphology.connected_components by corners",
    (1, 1, 336, 336): "metrics.hausdorff_distance called back, metrics.lesion_precision, metrics.lesion_recall, "
    "metrics.lesion_f1, metrics.recognition_quality, metrics.segmentation_quality, metrics.panoptic_quality, "
    "metrics.false_positives_per_case, metrics.lesion_splits, metrics.lesion_merges, metrics.missed_volume, "
    "metrics.false_volume, metrics.lesion_count_difference, metrics.merge components",
    (1, 1, 336, 336, 1, 1): "metrics.autopet_scores, metrics.isles_scores",
    (1, 1, 336, 336, 336, 336): "metrics.instance_matches of labels",
    (1, 1, 336, 336, 12, 12, 12, 12, 9, 9): "metrics.area_under_threshold_curve",
    (336, 336, 1, 9, 9, 9, 12, 12, 12, 9): "metrics.detection_counts of scores, metrics.froc_curve, "
    "metrics.froc_score, metrics.detection_average_precision",
    (336, 336, 12, 12, 12, 12, 9, 9): "metrics.matches_at_thresholds of masks",
    (1, 336, 336): "metrics.instance_matches some ignored, metrics.betti_numbers of labels",
    (336, 336): "metrics.lesion_recall_by_volume of masks, metrics.lesion_recall_by_diameter, "
    "metrics.equivalent_diameter",
    (1, 336): "morphology.connected_components by faces, metrics.betti_numbers of 0 and 1",
    (1, 336, 1, 336): "metrics.betti_error, metrics.euler_error",
    (1, 336, 336, 1, 336, 336): "metrics.topology_counts of labels",
    (): "metrics.dice of bool, metrics.hausdorff_distance counted, metrics.hausdorff_distance pooled",
}
"""How many values each move to the host takes, by calls or functions: all others move none.

A mask or a label map of integers that could be negative is asked once whether it holds what it may, one flag for each
array, as are parameters that are arrays of the library, and images to be interpolated: whether they are finite;
probabilities: whether they lie within 0 and 1; and each step of `dice_optimal_mask`: whether it was the last.
Positions become Python's. Only `method="host"` and what runs on the host (`ON_HOST`) moves arrays.
"""


def leaves(result: Any) -> list[Any]:
    """Return all arrays of a result."""
    return [leaf for entry in result for leaf in leaves(entry)] if isinstance(result, (tuple, list)) else [result]


def draw(name: str) -> tuple[NDArray[Any], ...]:
    """Return the NumPy arrays of a call."""
    return CALLS[name].draw(np.random.default_rng(0))


def moved_by(name: str) -> tuple[int, ...]:
    """Return what a call is known to move to the host."""
    known = {call: counts for counts, calls in MOVED.items() for call in calls.split(", ")}
    return known.get(name, known.get(name.partition(" ")[0], ()))


IMAGE = np.arange(8 * 7 * 6 * 2, dtype=np.float32).reshape(8, 7, 6, 2)
LABELS = (IMAGE[..., 0] % 4).astype(np.int32)
CORNERS = np.array([[1, 2, 3], [0, 0, 0]])

POSITIONS: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "patches_at": lambda f: [*mia.indexing.patches_at(f(CORNERS), (2, 2, None))],
    "starts": lambda f: mia.indexing.starts([(slice(f(np.int64(1)), 3), f(np.int64(2)))]).tolist(),
    "dilate": lambda f: mia.indexing.dilate((slice(f(np.int64(1)), 3), f(np.int64(2))), f(np.array([1, 2]))),
    "random_patches_at": lambda f: [
        *mia.indexing.random_patches_at(np.random.default_rng(0), f(LABELS), (2, 2, 2), count=3, shares={1: 1, 2: 2})
    ],
    "extract": lambda f: mia.extraction.extract(f(IMAGE), (slice(f(np.int64(-1)), f(np.int64(4))), f(np.int64(2)))),
    "extract_batch": lambda f: mia.extraction.extract_batch(f(IMAGE), mia.indexing.patches_at(f(CORNERS), (2, 2, 2))),
    "dynamic_patch": lambda f: mia.extraction.dynamic_patch(f(IMAGE), [f(np.int64(1)), 2, 3], (2, 2, 2)),
    "crop": lambda f: mia.transforms.crop(f(IMAGE), (f(np.int64(1)), 1, 2), (f(np.int64(2)), 2, 2)),
    "shift": lambda f: mia.transforms.shift(f(IMAGE), [f(np.int64(2)), 0, 1]),
    "permute": lambda f: mia.transforms.permute(f(IMAGE), (f(np.int64(2)), 1, 0)),
    "blur": lambda f: mia.transforms.blur(f(IMAGE), f(np.float64(1)), radius=f(np.int64(1))),
    "volume": lambda f: mia.metrics.volume(f(LABELS), labels=f(np.array([1, 2])), spacing=f(np.array([3.0, 1, 0.5]))),
    "area": lambda f: mia.metrics.area(f(LABELS == 1), spacing=(3, 1, 0.5), axis=f(np.int64(1)), index=f(np.int64(2))),
    "expected_cost": lambda f: mia.metrics.expected_cost(
        f(LABELS), f(LABELS[::-1]), labels=(0, 1, 2, 3), costs=f(1 - np.eye(4))
    ),
    "assemble": lambda f: mia.assembly.assemble(
        f(IMAGE[:2, 0]), mia.indexing.patches_at(f(np.array([[0], [3]])), (6,)), (9,)
    ),
    "assemble voxels": lambda f: mia.assembly.assemble(
        f(IMAGE[0, :4, 0]), mia.indexing.patches_at(f(np.indices((2, 2)).reshape(2, -1).T), (None, None)), (2, 2)
    ),
    "largest_components": lambda f: mia.morphology.largest_components(f(LABELS == 1), count=f(np.int64(1))),
    "bounding_box": lambda f: mia.morphology.bounding_box(f(LABELS == 1)),
}
"""Calls with positions, sizes and numbers that `f` makes arrays of the library, on its device."""

SPACING = (2.0, 1.0, 0.5)
PREDICTION, REFERENCE = np.zeros((2, 5, 6, 4), bool)
PREDICTION[1:3, 2:5, 1:3] = REFERENCE[2:4, 2:4, :2] = True


def assert_form(fields: list[NDArray[Any]], form: str, boundary: Callable[..., Any]) -> None:
    """Raise unless the fields hold the right distances and weights in a form."""
    compact = mia.metrics.surface_distances(PREDICTION, REFERENCE, spacing=SPACING, boundary=boundary)
    grid = boundary(PREDICTION, spacing=SPACING).codes.shape
    for distances, weights, own, mass in zip(fields[:2], fields[2:], compact[:2], compact[2:], strict=True):
        assert distances.shape == weights.shape == (own.shape if form == "compact" else grid)
        chosen = distances[weights > 0]
        np.testing.assert_allclose(chosen, own, rtol=1e-6)
        np.testing.assert_allclose(weights[weights > 0], mass, rtol=1e-6)
        if form == "front":
            assert (weights.reshape(-1)[: own.size] > 0).all()
