"""Arrays of dask, which are only described until they are computed: NumPy's values, or one sentence on what to do."""

import re

import numpy as np
import pytest

import mia_functional as mia

from .cases import CASES

CALLS = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases if not case.keys}

ARGUMENTS = {
    **dict.fromkeys(("metrics.hausdorff_distance", "metrics.average_distance"), "prediction"),
    **dict.fromkeys(("metrics.average_symmetric_surface_distance", "metrics.average_surface_distance"), "prediction"),
    **dict.fromkeys(("metrics.mean_average_surface_distance", "metrics.surface_distances"), "prediction"),
    **dict.fromkeys(("metrics.surface_overlap", "metrics.normalized_surface_dice"), "prediction"),
    **dict.fromkeys(("metrics.boundary_iou", "metrics.structural_similarity"), "prediction"),
    **dict.fromkeys(("metrics.instance_matches", "metrics.lesion_recall_by_volume"), "prediction"),
    **dict.fromkeys(("metrics.equivalent_diameter", "metrics.lesion_recall_by_diameter"), "prediction"),
    **dict.fromkeys(
        (f"metrics.lesion_{name}" for name in ("precision", "recall", "f1", "splits", "merges")), "prediction"
    ),
    **dict.fromkeys((f"metrics.{name}_quality" for name in ("recognition", "segmentation", "panoptic")), "prediction"),
    **dict.fromkeys(("metrics.area_under_threshold_curve", "metrics.matches_at_thresholds"), "prediction"),
    **dict.fromkeys(("metrics.detection_counts", "metrics.detection_average_precision"), "prediction"),
    **dict.fromkeys(("metrics.froc_curve", "metrics.froc_score"), "prediction"),
    **dict.fromkeys(("metrics.false_positives_per_case", "metrics.missed_volume"), "prediction"),
    **dict.fromkeys(("metrics.false_volume", "metrics.lesion_count_difference"), "prediction"),
    **dict.fromkeys(("metrics.autopet_scores", "metrics.isles_scores"), "prediction"),
    **dict.fromkeys(
        (f"metrics.{name}risk_coverage_curve" for name in ("", "area_under_", "excess_area_under_")), "uncertainty"
    ),
    "metrics.dice_optimal_mask": "probabilities",
    "transforms.clip_percentile": "image",
    "transforms.standardize_histogram": "image",
    "transforms.swap": "array",
    "transforms.carvemix": "lesions",
    "transforms.label_dilation": "labels",
    "transforms.reshape": "array",
    **dict.fromkeys(("assembly.assemble", "assembly.assemble_planes"), "patches"),
    **dict.fromkeys(("assembly.start", "assembly.add", "assembly.finish"), "patch"),
    "assembly.merge_planes": "volumes",
    **dict.fromkeys(("assembly.sliding_window", "assembly.predict_labels"), "volume"),
    "assembly.tta": "invert",
    **dict.fromkeys(("morphology.distance_transform", "metrics.euler_characteristic"), "mask"),
    "metrics.betti_numbers": "mask",
    **dict.fromkeys((f"metrics.{name}" for name in ("betti_error", "euler_error", "topology_counts")), "prediction"),
}
"""Functions that refuse them, and by which argument: what writes into arrays, and what goes through distances or ranks,
which takes thousands of steps for a hundred voxels."""

SENTENCE = "must be an array in memory; call its `compute()`; got an array of dask."

REFUSED = {
    f"{name} {case.label}": f"`{argument}` {SENTENCE}"
    for name, argument in ARGUMENTS.items()
    for case in CASES[name]
    if case.label not in ("AURC", "EAURC")  # of records, which are counted
}
REFUSED["metrics.merge components"] = f"`prediction` {SENTENCE}"
REFUSED["metrics.calibration_bins of top labels"] = f"`probabilities` {SENTENCE}"
"""The sentence for every call that is refused."""


def dask_array(array):
    """Return an array of dask in two chunks along every axis, without threads."""
    import dask.array

    return dask.array.from_array(array, chunks=tuple(-(-size // 2) for size in array.shape))


def computed(result):
    """Return a result with NumPy arrays in it."""
    if isinstance(result, tuple):
        return tuple(map(computed, result))
    return np.asarray(result.compute(scheduler="synchronous") if hasattr(result, "compute") else result)


@pytest.mark.slow
@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", sorted(CALLS.keys() - REFUSED))
def test_what_is_computed_is_what_numpy_gives(name):
    arrays = CALLS[name].draw(np.random.default_rng(0))
    found, right = computed(CALLS[name].call(*map(dask_array, arrays))), computed(CALLS[name].call(*arrays))
    for one, other in zip(flat(found), flat(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def flat(result):
    """Return the arrays of a result one after the other."""
    return [leaf for entry in result for leaf in flat(entry)] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", REFUSED)
def test_others_say_what_to_do(name):
    arrays = CALLS[name].draw(np.random.default_rng(0))
    with pytest.raises(TypeError, match=rf"^\w+: {re.escape(REFUSED[name])}$"):
        CALLS[name].call(*map(dask_array, arrays))


def test_components_and_boxes_are_those_of_numpy():
    mask = np.random.default_rng(0).random((6, 5, 4)) > 0.6
    mask[:2] = False
    lazy = dask_array(mask)
    assert mia.morphology.bounding_box(lazy) == mia.morphology.bounding_box(mask)
    for function in (mia.morphology.connected_components, mia.morphology.largest_components):
        np.testing.assert_array_equal(computed(function(lazy)), function(mask))
