"""Typical calls of all public functions of arrays, on small arrays of three different sizes and signed labels.

`CASES` has calls by the public name. A name that stands in the `__all__` of a namespace and neither here nor in
`NO_ARRAYS` fails `test_matrix.py`.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import mia_functional as mia

NAMESPACES = ("metrics", "transforms", "assembly", "morphology", "extraction")

NO_ARRAYS = {
    "metrics": "CHANGE_KINDS METRICS AutopetScores BratsLesions BrierDecomposition CalibrationBins Candidates "
    "CenterlineCounts ChangeCounts ComponentCounts ComponentMetrics ConfusionCounts ConfusionMatrix "
    "DetectionCounts FrocCurve InstanceMatches InstanceMetrics InstancePairs Instances IslesScores "
    "LesionChanges Metric PairedMoments PairedSpatialMoments PrecisionRecallCurve ReliabilityCurve "
    "RiskCoverageCurve RocCurve SpatialMoments SurfaceDistances ThresholdCounts TopologyCounts TubeCounts "
    "any_overlap bipartite centroid_within describe find gaussian_window greedy group listing many_to_one "
    "metric table_markdown",
    "transforms": "Sample Transform compose constant edge linear nearest on reflect resample_to to_canonical",
    "assembly": "Placement Reduction Window gaussian hann last maximum mean placements total uniform vote",
    "morphology": "BranchCounts",
    "extraction": "PadMode constant edge reflect",
}
"""Records, tables, and functions of other things than arrays: of samples, of sizes, of NumPy positions."""

ON_HOST = {
    **dict.fromkeys(
        (f"metrics.centerline_{name}" for name in ("counts", "dice", "precision", "sensitivity")), "thins on the host"
    ),
    **dict.fromkeys(("metrics.lesion_changes", "metrics.change_counts"), "finds lesions on the host"),
    **dict.fromkeys(("metrics.feret_diameter", "metrics.instance_scores"), "finds components on the host"),
    **dict.fromkeys(
        (f"metrics.{name}" for name in ("instance_metrics", "panoptic_quality_of", "segmentation_quality_of")),
        "measures each component on the host",
    ),
    **dict.fromkeys(
        (f"metrics.brats_{name}" for name in ("dice", "hausdorff_distance", "lesion_wise", "surface_dice")),
        "dilates lesions on the host",
    ),
    **dict.fromkeys(
        (f"metrics.{name}" for name in ("component_counts", "component_dice", "component_mean", "per_component")),
        "finds the nearest components on the host",
    ),
    **dict.fromkeys(
        ("metrics.branch_error", *(f"metrics.tube_{name}" for name in ("counts", "splits", "merges"))),
        "thins on the host",
    ),
    "morphology.branch_counts": "counts on the host",
    "morphology.skeleton": "thins on the host",
    "metrics.dice_optimal_threshold": "goes over planes one by one, and gives Python's number",
    "assembly.assemble_subjects": "reads a dataset",
    "morphology.bounding_box": "gives Python's slices",
    "morphology.largest_components": "runs on the host",
}
"""What does not trace, and why."""

SHAPE = (8, 7, 6)
SPACING = (3.0, 1.0, 0.5)

ROOM = {"spacing": SPACING, "max_components": 9, "max_pairs": 12}
"""Options of components, whose shapes are fixed in programs."""


class Case(NamedTuple):
    """A call of a public function.

    Args:
        label: What is called, and how.
        call: From arrays to an array, or a tuple of them.
        draw: From a generator to the NumPy arrays of one call.
        keys: Whether the call makes a JAX key of its array, so that eager JAX and not NumPy says what is right.
    """

    label: str
    call: Callable[..., Any]
    draw: Callable[[np.random.Generator], tuple[NDArray[Any], ...]]
    keys: bool = False


def smooth(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a volume of few large blobs."""
    values = rng.normal(size=SHAPE).astype(np.float32)
    for axis in range(3):
        values = values + np.roll(values, 1, axis)
    return values


def masks(rng: np.random.Generator) -> tuple[NDArray[np.bool_], ...]:
    """Return two masks that overlap."""
    values = smooth(rng)
    return values > 1, np.roll(values, 1, 0) > 0.5


def masks_and_scores(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return two masks that overlap, and a score for each predicted component that there is room for."""
    return *masks(rng), rng.random(ROOM["max_components"]).astype(np.float32)


def signed_masks(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two masks of 0 and 1 that could be negative."""
    return tuple(mask.astype(np.int32) for mask in masks(rng))


def bytes_masks(rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """Return two masks of 0 and 1 in bytes."""
    return tuple(mask.astype(np.uint8) for mask in masks(rng))


def label_maps(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two label maps of the labels 0 to 3."""
    values = smooth(rng)
    return tuple(np.digitize(array, (-1, 0.5, 1.5)).astype(np.int32) for array in (values, 0.3 + np.roll(values, 1, 0)))


def labels_and_mask(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two label maps and a signed mask."""
    return *label_maps(rng), (smooth(rng) > -1).astype(np.int32)


def labels_and_holes(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two label maps and a signed mask of few voxels."""
    return *label_maps(rng), (smooth(rng) < -1.5).astype(np.int32)


def volumes(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return two volumes of positive intensities."""
    values = 3 + smooth(rng)
    return np.abs(values).astype(np.float32), np.abs(values + rng.normal(size=SHAPE)).astype(np.float32)


def volumes_and_mask(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return two volumes and a signed mask of all voxels but those in a corner, in which windows have room."""
    mask = np.ones(SHAPE, dtype=np.int32)
    mask[:2, :2, :2] = 0
    return *volumes(rng), mask


def soft_labels(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return the probabilities of three labels, and a label map of the labels 0 to 3."""
    scores = np.exp(np.stack([smooth(rng) for _ in range(4)], axis=-1) / 3)
    return (scores / scores.sum(axis=-1, keepdims=True))[..., 1:].astype(np.float32), label_maps(rng)[0]


def soft_labels_and_mask(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return the probabilities of three labels, a label map and a signed mask."""
    return *soft_labels(rng), (smooth(rng) > -1).astype(np.int32)


def labels_and_volume(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return two label maps and a volume of what is not negative."""
    return *label_maps(rng), volumes(rng)[0]


def soft_classes(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return the probabilities of three classes, and a label map of the labels 1 to 3."""
    probabilities, reference = soft_labels(rng)
    return probabilities, np.maximum(reference, 1)


def image(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return an image of two channels, not negative."""
    return (np.abs(np.stack([smooth(rng), smooth(rng)], axis=-1)),)


def raters(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return the label maps of two raters in one array."""
    return (np.stack(label_maps(rng)),)


def landmarks(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return two lists of points."""
    return tuple(rng.normal(size=(2, 9, 3)).astype(np.float32))


def field(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return a displacement field that folds here and there."""
    return (rng.normal(size=(*SHAPE, 3)).astype(np.float32),)


def with_image(
    *others: Callable[[np.random.Generator], NDArray[Any]],
) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return what draws an image, and other arrays."""
    return lambda rng: (*image(rng), *(other(rng) for other in others))


def one(draw: Callable[[np.random.Generator], tuple[Any, ...]]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return what draws the first array alone."""
    return lambda rng: draw(rng)[:1]


def integers(*high: int) -> Callable[[np.random.Generator], NDArray[np.int32]]:
    """Return what draws a whole number for each axis, up to some of them."""
    return lambda rng: rng.integers(0, high, endpoint=True).astype(np.int32)


def floats(*shape: int, low: float, high: float) -> Callable[[np.random.Generator], NDArray[np.float32]]:
    """Return what draws numbers within two others."""
    return lambda rng: rng.uniform(low, high, shape).astype(np.float32)


def nearly_identity(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a matrix that turns and stretches a little."""
    return np.eye(3, dtype=np.float32) + floats(3, 3, low=-0.1, high=0.1)(rng)


def seed(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return what a key is made of."""
    return (rng.integers(0, 2**31 - 1, dtype=np.int32),)


def drawn(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a call of a sampler with a key of JAX, and with what it needs of an image."""
    sizes = {"spatial_shape": SHAPE, "channels": 2}
    needed = {name: size for name, size in sizes.items() if name in inspect.signature(function).parameters}

    def call(number: Any) -> Any:
        import jax

        return tuple(function(jax.random.key(number), **needed, **options))

    return call


GRID = mia.indexing.patches(SHAPE, (4, 4, 4), step=3)
(TABLE,) = mia.assembly.placements(GRID, SHAPE)


def parts(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return a patch of two channels for every index of the grid."""
    return (rng.normal(size=(len(GRID), 4, 4, 4, 2)).astype(np.float32),)


def placed(row: int) -> mia.assembly.Placement:
    """Return one row of the placements."""
    return mia.assembly.Placement(TABLE.start[row], tuple(line[row] for line in TABLE.lines))


def in_steps(patches: Any, *, reduction: Any = mia.assembly.mean) -> Any:
    """Return what `start`, `add` and `finish` make of the first three patches."""
    state = mia.assembly.start(patches[0, ...], SHAPE, reduction=reduction)
    for row in range(3):
        state = mia.assembly.add(state, patches[row, ...], placed(row), reduction=reduction)
    return mia.assembly.finish(state, reduction=reduction)


def together(patches: Any) -> Any:
    """Return what `add` makes of all patches at once."""
    state = mia.assembly.start(patches[0, ...], SHAPE)
    return mia.assembly.finish(mia.assembly.add(state, patches, TABLE))


def traced_start(patches: Any, start: Any) -> Any:
    """Return what `add` makes of a patch whose start is an array of its own."""
    state = mia.assembly.start(patches[0, ...], SHAPE, reduction=mia.assembly.total)
    placement = mia.assembly.Placement(start, placed(0).lines)
    return mia.assembly.add(state, patches[0, ...], placement, reduction=mia.assembly.total)


def planes(patches: Any) -> Any:
    """Return the planes of `assemble_planes` as one array."""
    from mia_functional._array import array_namespace

    listed = [patches[row, ...] for row in range(patches.shape[0])]
    stacked = [plane for _, plane in mia.assembly.assemble_planes(listed, GRID, SHAPE)]
    return array_namespace(*stacked).stack(stacked)


VOXELS = mia.indexing.patches_at(np.argwhere(np.ones(SHAPE)), (None, None, None))


def _metric_cases() -> dict[str, list[Case]]:
    """Return a call of every metric of the table, on arrays that its statistic takes."""
    metrics = mia.metrics
    kinds = {
        metrics.confusion_counts: (label_maps, {"labels": (1, 2, 3)}),
        metrics.surface_distances: (signed_masks, {"spacing": SPACING}),
        metrics.paired_spatial_moments: (signed_masks, {"spacing": SPACING}),
        metrics.paired_moments: (volumes, {}),
        metrics.calibration_bins: (soft_labels, {"labels": (1, 2, 3), "bins": 4}),
        metrics.threshold_counts: (soft_labels, {"labels": (1, 2, 3), "thresholds": 9}),
        metrics.instance_matches: (signed_masks, ROOM),
        metrics.topology_counts: (signed_masks, {}),
        None: (signed_masks, {"spacing": SPACING}),
    }
    cases: dict[str, list[Case]] = {}
    for row in metrics.METRICS:
        name = row.function.__name__
        if f"metrics.{name}" in ON_HOST:
            continue
        draw, options = (volumes, {"window": 3}) if name == "structural_similarity" else kinds[row.statistic]
        needed = {"spacing": SPACING} if "spacing" in row.needs else {}
        call = partial(row.function, **options | needed | dict(row.options))
        cases.setdefault(f"metrics.{name}", []).append(Case(row.abbreviation, call, draw))
    return cases


def _other_cases() -> dict[str, list[Case]]:
    """Return the calls of all that is not in the table of metrics."""
    metrics, transforms, assembly = mia.metrics, mia.transforms, mia.assembly
    spaced = {"spacing": SPACING}
    surfaces = partial(metrics.surface_distances, spacing=SPACING)
    matrix = partial(metrics.confusion_matrix, labels=(0, 1, 2, 3))
    counted = partial(metrics.threshold_counts, labels=(1, 2, 3), thresholds=9)
    unsure = partial(metrics.uncertainty_counts, thresholds=(1.0, 2.0, 3.0))
    calibrated = partial(metrics.calibration_bins, labels=(1, 2, 3), bins=2)
    affine = nearly_identity, floats(3, low=-0.5, high=0.5)
    calls: dict[str, list[tuple[str, Callable[..., Any], Any]]] = {
        "metrics.dice": [
            ("of bool", metrics.dice, masks),
            ("of 0 and 1", metrics.dice, signed_masks),
            ("of bytes", metrics.dice, bytes_masks),
            ("in a mask", lambda p, r, m: metrics.dice(p, r, labels=(1, 2), mask=m), labels_and_mask),
            ("of planes", partial(metrics.dice, axis=(1, 2)), signed_masks),
            ("of a record", lambda p, r: metrics.dice(metrics.confusion_counts(p, r)), signed_masks),
        ],
        "metrics.hausdorff_distance": [
            ("of labels", partial(metrics.hausdorff_distance, labels=(1, 2), **spaced), label_maps),
            (
                "counted",
                lambda p, r: metrics.hausdorff_distance(surfaces(p, r, boundary=metrics.voxels), percentile=95),
                masks,
            ),
            ("pooled", partial(metrics.hausdorff_distance, percentile=(50, 95), pooled=True, **spaced), masks),
            ("called back", partial(metrics.hausdorff_distance, method="host", **spaced), signed_masks),
        ],
        "metrics.average_distance": [
            ("of labels", partial(metrics.average_distance, labels=(1, 2), **spaced), label_maps),
            (
                "some ignored",
                lambda p, r, i: metrics.average_distance(p, r, labels=(1, 2), ignore=i, **spaced),
                labels_and_holes,
            ),
        ],
        "metrics.boundary_iou": [
            ("of labels", partial(metrics.boundary_iou, labels=(1, 2), **spaced), label_maps),
            (
                "some ignored",
                lambda p, r, i: metrics.boundary_iou(p, r, labels=(1, 2), ignore=i, **spaced),
                labels_and_holes,
            ),
        ],
        "metrics.surface_distances": [("summed", lambda p, r: _weighed(surfaces(p, r)), signed_masks)],
        "metrics.surfels": [("codes", lambda mask: metrics.surfels(mask, spacing=SPACING).codes, one(masks))],
        "metrics.voxels": [("codes", lambda mask: metrics.voxels(mask, spacing=SPACING).codes, one(masks))],
        "metrics.solid": [("codes", lambda mask: metrics.solid(mask, spacing=SPACING).codes, one(masks))],
        "metrics.area": [
            ("middle", partial(metrics.area, **spaced), one(signed_masks)),
            ("of labels", partial(metrics.area, labels=(1, 2), axis=1, index=3, **spaced), one(label_maps)),
        ],
        "metrics.euler_characteristic": [
            ("of 0 and 1", metrics.euler_characteristic, one(signed_masks)),
            ("of labels", partial(metrics.euler_characteristic, labels=(1, 2), connectivity=1), one(label_maps)),
        ],
        "metrics.betti_numbers": [
            ("of 0 and 1", metrics.betti_numbers, one(signed_masks)),
            ("of labels", partial(metrics.betti_numbers, labels=(1, 2), connectivity=1), one(label_maps)),
        ],
        "metrics.topology_counts": [
            ("of labels", partial(metrics.topology_counts, labels=(1, 2)), label_maps),
        ],
        "metrics.volume": [
            ("of 0 and 1", partial(metrics.volume, **spaced), one(signed_masks)),
            ("of labels", partial(metrics.volume, labels=(1, 2), **spaced), one(label_maps)),
        ],
        "metrics.structural_similarity": [
            ("in a range", partial(metrics.structural_similarity, window=3, data_range=9.0), volumes),
            ("weighted", partial(metrics.structural_similarity, window=(1.0, 2.0, 1.0)), volumes),
            ("in a mask", lambda p, r, m: metrics.structural_similarity(p, r, window=3, mask=m), volumes_and_mask),
        ],
        "metrics.confusion_counts": [
            ("of labels", partial(metrics.confusion_counts, labels=(1, (2, 3))), label_maps),
            ("in a mask", lambda p, r, m: metrics.confusion_counts(p, r, labels=(1, 2), mask=m), labels_and_mask),
        ],
        "metrics.soft_confusion_counts": [
            (
                "of a mask",
                metrics.soft_confusion_counts,
                lambda rng: (volumes(rng)[0] / 20, signed_masks(rng)[1]),
            ),
        ],
        "metrics.calibration_bins": [
            (
                "of a mask",
                partial(metrics.calibration_bins, bins=4),
                lambda rng: (soft_labels(rng)[0][..., 0], signed_masks(rng)[1]),
            ),
            (
                "in a mask",
                lambda p, r, m: metrics.calibration_bins(p, r, labels=(1, (2, 3), 0), bins=4, mask=m),
                soft_labels_and_mask,
            ),
            ("by mass", partial(metrics.calibration_bins, labels=(1, 2, 3), bins=4, by="mass"), soft_labels),
            (
                "of top labels",
                partial(metrics.calibration_bins, labels=(1, 2, 3), bins=4, top_label=True),
                soft_classes,
            ),
        ],
        "metrics.threshold_counts": [
            (
                "in a mask",
                lambda p, r, m: metrics.threshold_counts(p, r, labels=(1, (2, 3), 0), thresholds=5, mask=m),
                soft_labels_and_mask,
            ),
        ],
        "metrics.roc_curve": [("of labels", lambda p, r: metrics.roc_curve(counted(p, r))[1:], soft_labels)],
        "metrics.precision_recall_curve": [
            ("of labels", lambda p, r: metrics.precision_recall_curve(counted(p, r)), soft_labels)
        ],
        "metrics.best_threshold": [
            ("of labels", lambda p, r: metrics.best_threshold(counted(p, r), metric=metrics.dice), soft_labels)
        ],
        "metrics.uncertainty_counts": [
            ("of labels", lambda p, r, u: unsure(p, r, uncertainty=u), labels_and_volume),
            (
                "in a mask",
                lambda p, r, m, u: unsure(p, r, uncertainty=u, mask=m),
                lambda rng: (*labels_and_mask(rng), volumes(rng)[0]),
            ),
        ],
        "metrics.uncertainty_error_dice": [
            (
                "of labels",
                lambda p, r, u: metrics.uncertainty_error_dice(p, r, uncertainty=u, thresholds=(1.0, 2.0)),
                labels_and_volume,
            )
        ],
        "metrics.error_coverage_curve": [
            ("of labels", lambda p, r, u: metrics.error_coverage_curve(unsure(p, r, uncertainty=u)), labels_and_volume)
        ],
        "metrics.risk_coverage_curve": [
            ("of volumes", metrics.risk_coverage_curve, volumes),
            ("in a mask", lambda u, e, m: metrics.risk_coverage_curve(u, e, mask=m), volumes_and_mask),
        ],
        "metrics.area_under_risk_coverage_curve": [("of volumes", metrics.area_under_risk_coverage_curve, volumes)],
        "metrics.excess_area_under_risk_coverage_curve": [
            ("of volumes", metrics.excess_area_under_risk_coverage_curve, volumes)
        ],
        "metrics.conformal_threshold": [
            ("of columns", partial(metrics.conformal_threshold, miscoverage=0.25), one(volumes))
        ],
        "metrics.conformal_set": [
            ("of one threshold", lambda p: metrics.conformal_set(p, 0.7), one(soft_labels)),
            (
                "of each label",
                metrics.conformal_set,
                lambda rng: (soft_labels(rng)[0], rng.uniform(0.5, 0.9, 3).astype(np.float32)),
            ),
        ],
        "metrics.dice_optimal_mask": [
            ("of a volume", metrics.dice_optimal_mask, lambda rng: (volumes(rng)[0] / 20,)),
            (
                "in a mask",
                lambda p, m: metrics.dice_optimal_mask(p, mask=m, zero_division=1),
                lambda rng: (volumes(rng)[0] / 20, signed_masks(rng)[0]),
            ),
        ],
        "metrics.brier_decomposition": [
            ("of labels", lambda p, r: metrics.brier_decomposition(calibrated(p, r)), soft_labels)
        ],
        "metrics.reliability_curve": [
            ("of labels", lambda p, r: metrics.reliability_curve(calibrated(p, r)), soft_labels)
        ],
        "metrics.soft_centerline_counts": [
            (
                "of a mask",
                partial(metrics.soft_centerline_counts, iterations=2),
                lambda rng: (volumes(rng)[0] / 20, signed_masks(rng)[1]),
            ),
        ],
        "metrics.soft_skeleton": [
            ("of a volume", partial(metrics.soft_skeleton, iterations=2), lambda rng: (volumes(rng)[0] / 20,))
        ],
        "metrics.by_channel": [
            ("dice", partial(metrics.by_channel, metrics.dice), lambda rng: tuple(rng.random((2, *SHAPE, 2)) < 0.5)),
        ],
        "metrics.fleiss_kappa": [("of labels", partial(metrics.fleiss_kappa, labels=(0, 1, 2, 3)), raters)],
        "metrics.krippendorff_alpha": [
            ("nominal", partial(metrics.krippendorff_alpha, labels=(0, 1, 2)), raters),
            ("interval", metrics.krippendorff_alpha, lambda rng: (np.stack(volumes(rng)),)),
        ],
        "metrics.majority_vote": [("of labels", partial(metrics.majority_vote, labels=(0, 1, 2, 3)), raters)],
        "metrics.pairwise_dice": [("of labels", partial(metrics.pairwise_dice, labels=(1, 2)), raters)],
        "metrics.target_registration_error": [
            ("in voxels", partial(metrics.target_registration_error, spacing=SPACING), landmarks)
        ],
        "metrics.jacobian_determinant": [("of a field", partial(metrics.jacobian_determinant, **spaced), field)],
        "metrics.negative_jacobian_share": [
            ("of a field", partial(metrics.negative_jacobian_share, **spaced), field),
            (
                "in a mask",
                lambda u, m: metrics.negative_jacobian_share(u, mask=m, **spaced),
                lambda rng: (*field(rng), signed_masks(rng)[0]),
            ),
        ],
        "metrics.confusion_matrix": [("of labels", matrix, label_maps)],
        "metrics.generalized_dice": [("of labels", partial(metrics.generalized_dice, labels=(1, 2)), label_maps)],
        "metrics.interclass_correlation": [("of 0 and 1", metrics.interclass_correlation, signed_masks)],
        "metrics.expected_cost": [("of labels", partial(metrics.expected_cost, labels=(0, 1, 2, 3)), label_maps)],
        "metrics.weighted_kappa": [
            ("of labels", partial(metrics.weighted_kappa, labels=(0, 1, 2, 3)), label_maps),
            ("of planes", partial(metrics.weighted_kappa, labels=(0, 1, 2, 3), axis=(1, 2)), label_maps),
            ("of classes", lambda p, r: metrics.matthews_correlation(matrix(p, r, axis=(1, 2))), label_maps),
        ],
        "metrics.identity": [
            ("of counts", lambda p, r: metrics.identity(metrics.confusion_counts(p, r)), signed_masks)
        ],
        "metrics.instance_matches": [
            (
                "of labels",
                lambda p, r: metrics.instance_matches(p, r, labels=(1, 3), matching=metrics.many_to_one, **ROOM)[1],
                label_maps,
            ),
            (
                "some ignored",
                lambda p, r, i: metrics.instance_matches(p > 1, r > 1, ignore=i, matching=metrics.any_overlap, **ROOM),
                labels_and_holes,
            ),
        ],
        **{
            f"metrics.{function.__name__}": [
                (
                    "of scores",
                    lambda p, r, s, function=function: function(
                        metrics.detection_counts(metrics.instance_matches(p, r, **ROOM), s)
                    ),
                    masks_and_scores,
                )
            ]
            for function in (metrics.froc_curve, metrics.froc_score, metrics.detection_average_precision)
        },
        "metrics.detection_counts": [
            (
                "of scores",
                lambda p, r, s: metrics.detection_counts(metrics.instance_matches(p, r, **ROOM), s),
                masks_and_scores,
            )
        ],
        "metrics.equivalent_diameter": [
            (
                "of masks",
                lambda p, r: metrics.equivalent_diameter(metrics.instance_matches(p, r, **ROOM).reference),
                masks,
            )
        ],
        "metrics.lesion_recall_by_diameter": [
            (
                "of masks",
                lambda p, r: metrics.lesion_recall_by_diameter(metrics.instance_matches(p, r, **ROOM), edges=(4,)),
                masks,
            )
        ],
        "metrics.lesion_recall_by_volume": [
            (
                "of masks",
                lambda p, r: metrics.lesion_recall_by_volume(
                    metrics.instance_matches(p, r, matching=metrics.centroid_within, threshold=3.0, **ROOM), edges=(15,)
                ),
                masks,
            )
        ],
        "metrics.autopet_scores": [("of masks", partial(metrics.autopet_scores, **ROOM), signed_masks)],
        "metrics.isles_scores": [("of masks", partial(metrics.isles_scores, **ROOM), signed_masks)],
        "metrics.matches_at_thresholds": [
            (
                "of masks",
                lambda p, r: metrics.matches_at_thresholds(
                    metrics.instance_matches(p, r, **ROOM), thresholds=(0.1, 0.4)
                ),
                masks,
            )
        ],
        "metrics.merge": [
            ("components", lambda p, r: metrics.merge(*[metrics.instance_matches(p, r, **ROOM)] * 2), signed_masks),
            ("counts", lambda p, r: metrics.merge(*[metrics.confusion_counts(p, r)] * 3), signed_masks),
            ("moments", lambda p, r: metrics.merge(*[metrics.paired_moments(p, r)] * 3), volumes),
            ("bins", lambda p, r: metrics.merge(*[calibrated(p, r)] * 3), soft_labels),
            ("places", lambda p, r: metrics.merge(*[metrics.paired_spatial_moments(p, r, **spaced)] * 3), signed_masks),
        ],
        "metrics.paired_moments": [
            ("of volumes", metrics.paired_moments, volumes),
            ("in a mask", lambda p, r, m: metrics.paired_moments(p, r, mask=m), volumes_and_mask),
        ],
        "metrics.paired_spatial_moments": [
            ("of masks", partial(metrics.paired_spatial_moments, **spaced), masks),
            (
                "in a mask",
                lambda p, r, m: metrics.paired_spatial_moments(p, r, labels=(1, 2), mask=m, **spaced),
                labels_and_mask,
            ),
        ],
        "metrics.spatial_moments": [("of a mask", partial(metrics.spatial_moments, **spaced), one(signed_masks))],
        "metrics.reference_mean": [
            ("of volumes", lambda p, r: metrics.reference_mean(metrics.paired_moments(p, r)), volumes)
        ],
        "metrics.reference_norm": [
            ("of volumes", lambda p, r: metrics.reference_norm(metrics.paired_moments(p, r)), volumes)
        ],
        "metrics.reference_range": [
            ("of volumes", lambda p, r: metrics.reference_range(metrics.paired_moments(p, r)), volumes)
        ],
        "transforms.affine": [
            ("image", transforms.affine, with_image(*affine)),
            ("labels", transforms.affine, lambda rng: (label_maps(rng)[0], *(draw(rng) for draw in affine))),
        ],
        "transforms.argmax": [("of scores", transforms.argmax, image)],
        "transforms.bias_field": [("image", transforms.bias_field, with_image(floats(3, low=-0.3, high=0.3)))],
        "transforms.blur": [
            ("by numbers", partial(transforms.blur, sigma=(0.0, 1.0, 0.5)), image),
            ("by an array", partial(transforms.blur, radius=2), with_image(floats(3, low=0.5, high=1.0))),
        ],
        "transforms.clip_percentile": [
            ("image", transforms.clip_percentile, image),
            (
                "in a mask",
                lambda x, m: transforms.clip_percentile(x, mask=m[..., None]),
                lambda rng: (*image(rng), signed_masks(rng)[0]),
            ),
        ],
        "transforms.crop": [
            ("by numbers", partial(transforms.crop, start=(1, 2, 0), shape=(4, 3, 2)), image),
            ("by an array", partial(transforms.crop, shape=(4, 3, 2)), with_image(integers(4, 4, 4))),
            ("by both", lambda x, s: transforms.crop(x, (s[0], 1, 2), (4, 3, 2)), with_image(integers(4, 4, 4))),
        ],
        "transforms.crop_or_pad": [("image", partial(transforms.crop_or_pad, shape=(5, 9, 6)), image)],
        "transforms.elastic": [("image", transforms.elastic, with_image(floats(3, 4, 4, 5, low=-1, high=1)))],
        "transforms.flip": [
            ("by numbers", partial(transforms.flip, axes=(0, 2)), image),
            ("by an array", transforms.flip, lambda rng: (*image(rng), rng.random(3) < 0.5)),
        ],
        "transforms.gamma": [
            ("by a number", partial(transforms.gamma, exponent=1.5), image),
            ("by an array", transforms.gamma, with_image(floats(2, low=0.5, high=2))),
        ],
        "transforms.mask_outside": [
            ("image", transforms.mask_outside, lambda rng: (*image(rng), signed_masks(rng)[0][..., None]))
        ],
        "transforms.noise": [("image", transforms.noise, with_image(lambda rng: image(rng)[0]))],
        "transforms.one_hot": [("labels", lambda x: transforms.one_hot(x[..., None], (1, (2, 3))), one(label_maps))],
        "transforms.pad": [
            ("zeros", partial(transforms.pad, widths=((1, 0), (0, 2), 1)), image),
            ("edge", partial(transforms.pad, widths=2, pad_mode=mia.extraction.edge), image),
        ],
        "transforms.permute": [("image", partial(transforms.permute, axes=(2, 0, 1)), image)],
        "transforms.randomly": [("by a key", _randomly, lambda rng: (*image(rng), *seed(rng)))],
        "transforms.relabel": [("labels", partial(transforms.relabel, mapping={1: 2, (2, 3): 1}), one(label_maps))],
        "transforms.reorient_onto": [("image", _reorient_onto, image)],
        "transforms.resample": [
            ("image", partial(transforms.resample, scale=(2.0, 0.7, 1.0)), image),
            ("smoothed", partial(transforms.resample, scale=(2.0, 1.0, 1.5), antialias=True), image),
            ("labels", partial(transforms.resample, scale=(2.0, 0.7, 1.0)), one(label_maps)),
        ],
        "transforms.resample_onto": [("image", _resample_onto, image)],
        "transforms.rescale": [("image", transforms.rescale, image)],
        "transforms.reshape": [("image", partial(transforms.reshape, shape=(7, -1)), image)],
        "transforms.rician_noise": [("image", transforms.rician_noise, with_image(*[lambda rng: image(rng)[0]] * 2))],
        "transforms.rot90": [
            ("by a number", partial(transforms.rot90, turns=1), image),
            ("by an array", lambda x, n: transforms.rot90(x[:, :6, ...], n[0]), with_image(integers(3))),
        ],
        "transforms.shift": [
            ("by numbers", partial(transforms.shift, offset=(1, -2, 0)), image),
            ("by an array", transforms.shift, with_image(integers(3, 3, 3))),
            ("around", partial(transforms.shift, wrap=True), with_image(integers(3, 3, 3))),
        ],
        "transforms.squeeze": [("image", lambda x: transforms.squeeze(x[..., :1]), image)],
        "transforms.standardize": [
            ("image", transforms.standardize, image),
            (
                "in a mask",
                lambda x, m: transforms.standardize(x, mask=m[..., None]),
                lambda rng: (*image(rng), signed_masks(rng)[0]),
            ),
        ],
        "transforms.unsqueeze": [("image", transforms.unsqueeze, image)],
        "transforms.warp": [
            ("image", transforms.warp, with_image(floats(3, 4, 5, 3, low=-1, high=8))),
            ("labels", transforms.warp, lambda rng: (label_maps(rng)[0], floats(3, 4, 5, 3, low=-1, high=8)(rng))),
        ],
        "assembly.assemble": [
            ("a mean", lambda x: assembly.assemble(x, GRID, SHAPE, window=assembly.gaussian), parts),
            ("a list", lambda x: assembly.assemble([x[k, ...] for k in range(len(GRID))], list(GRID), SHAPE), parts),
            ("a maximum", lambda x: assembly.assemble(x, GRID, SHAPE, reduction=assembly.maximum), parts),
            ("the last", lambda x: assembly.assemble(x, GRID, SHAPE, reduction=assembly.last), parts),
            ("a vote", _votes, lambda rng: (rng.integers(0, 3, (len(GRID), 4, 4, 4), dtype=np.int32),)),
            ("voxels", lambda x: assembly.assemble(x, VOXELS, SHAPE), lambda rng: (image(rng)[0].reshape(-1, 2),)),
        ],
        "assembly.assemble_planes": [("a mean", planes, parts)],
        "assembly.start": [("a mean", in_steps, parts)],
        "assembly.add": [
            ("a total", partial(in_steps, reduction=assembly.total), parts),
            ("all at once", together, parts),
            ("at an array", traced_start, lambda rng: (*parts(rng), integers(4, 3, 2)(rng))),
        ],
        "assembly.finish": [("a maximum", partial(in_steps, reduction=assembly.maximum), parts)],
        "assembly.merge_planes": [("a mean", lambda p, r: assembly.merge_planes([p, r]), volumes)],
        "assembly.sliding_window": [
            ("one by one", lambda x: assembly.sliding_window(lambda batch: batch[..., 1:], x, (4, 4, 4)), image),
            ("in batches", lambda x: assembly.sliding_window(lambda b: b[..., :1], x, (4, 4, 9), batch_size=4), image),
        ],
        "morphology.connected_components": [
            ("by faces", mia.morphology.connected_components, one(signed_masks)),
            ("by corners", partial(mia.morphology.connected_components, connectivity=3), one(masks)),
        ],
        "morphology.border": [("a mask", mia.morphology.border, one(signed_masks))],
        "morphology.distance_transform": [
            ("a mask", partial(mia.morphology.distance_transform, **spaced), one(signed_masks)),
            ("capped", partial(mia.morphology.distance_transform, cap=2.0, **spaced), one(masks)),
            ("called back", partial(mia.morphology.distance_transform, method="host", **spaced), one(masks)),
        ],
        "extraction.dynamic_patch": [
            ("by an array", partial(mia.extraction.dynamic_patch, patch_shape=(4, 3, 2)), with_image(integers(4, 4, 4)))
        ],
        "extraction.extract": [
            ("inside", partial(mia.extraction.extract, index=(slice(1, 4), 3)), image),
            ("beyond", partial(mia.extraction.extract, index=(slice(-2, 4), slice(5, 9))), image),
            ("channels", partial(mia.extraction.extract, index=(slice(0, 4),), channels=(1, 0)), image),
        ],
        "extraction.extract_batch": [("of a grid", partial(mia.extraction.extract_batch, indices=list(GRID)), image)],
    }
    samplers: dict[str, dict[str, Any]] = {
        "affine": {"rotation": (5, 0, 10), "spacing": SPACING},
        "bias_field": {"degree": 2},
        "blur": {},
        "crop": {"patch_shape": (4, 4, 4)},
        "elastic": {"points": 5},
        "flip": {"probability": (0.5, 0.0, 1.0)},
        "gamma": {},
        "noise": {},
        "rician_noise": {"sigma": (0.1, 0.2)},
        "rot90": {},
        "shift": {"max_offset": (2, 0, 1)},
    }
    cases = {name: [Case(*entry) for entry in entries] for name, entries in calls.items()}
    cases["transforms.randomly"] = [case._replace(keys=True) for case in cases["transforms.randomly"]]
    for name, options in samplers.items():
        function = getattr(transforms, f"random_{name}")
        cases[f"transforms.random_{name}"] = [Case("by a key", drawn(function, **options), seed, keys=True)]
    return cases


def _weighed(record: mia.metrics.SurfaceDistances) -> Any:
    """Return sums of distances and weights, which compact arrays and grids have in common."""
    from mia_functional._array import array_namespace

    xp = array_namespace(*record)
    weights = [xp.astype(array, record[0].dtype) for array in record[2:]]
    products = [xp.where(weight > 0, length * weight, 0.0) for length, weight in zip(record[:2], weights, strict=True)]
    return tuple(xp.sum(array) for array in (*weights, *products))


def _votes(patches: Any) -> Any:
    """Return the majority of labels."""
    return mia.assembly.assemble(patches, GRID, SHAPE, reduction=mia.assembly.vote((0, 1, 2)))


def _reorient_onto(array: Any) -> Any:
    """Return an image with its axes in another order, one of them turned around."""
    own = mia.geometry.Geometry(shape=SHAPE, spacing=SPACING)
    onto = mia.transforms.permute(mia.transforms.flip(own, 1), (2, 1, 0))
    return mia.transforms.reorient_onto(array, own, onto)


def _resample_onto(array: Any) -> Any:
    """Return an image on a grid that is turned by a little and shifted."""
    own = mia.geometry.Geometry(shape=SHAPE, spacing=SPACING)
    return mia.transforms.resample_onto(
        array, own, mia.geometry.Geometry(shape=(5, 6, 7), spacing=(2.0, 1.5, 0.7), origin=(1.0, 0.5, 0.2))
    )


def _randomly(array: Any, number: Any) -> Any:
    """Return an image with a random flip in it, by chance."""
    import jax

    apply = mia.transforms.randomly("images", mia.transforms.random_flip, mia.transforms.flip, probability=0.5)
    return apply({"images": array, "rng": jax.random.key(number)})["images"]


def _joined(*parts: dict[str, list[Case]]) -> dict[str, tuple[Case, ...]]:
    """Return all cases by name."""
    names = {name: None for entries in parts for name in entries}
    return {name: tuple(case for entries in parts for case in entries.get(name, ())) for name in names}


CASES = _joined(_metric_cases(), _other_cases())
