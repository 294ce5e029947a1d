"""Typical calls of all public functions of `metrics`: of every row of the table, and of all that is not in it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import mia_functional as mia

from .drawing import (
    ROOM,
    SHAPE,
    SPACING,
    Case,
    bytes_masks,
    field,
    label_maps,
    labels_and_holes,
    labels_and_mask,
    labels_and_volume,
    landmarks,
    masks,
    masks_and_scores,
    one,
    raters,
    signed_masks,
    soft_classes,
    soft_labels,
    soft_labels_and_mask,
    volumes,
    volumes_and_mask,
)
from .public_names import ON_HOST


def metric_cases() -> dict[str, list[Case]]:
    """Return a call of every metric of the table, on arrays that its statistic takes."""
    metrics = mia.metrics
    kinds = {
        metrics.confusion_counts: (label_maps, {"labels": (1, 2, 3)}),
        metrics.surface_distances: (signed_masks, {"spacing": SPACING}),
        metrics.paired_spatial_moments: (signed_masks, {"spacing": SPACING}),
        metrics.paired_moments: (volumes, {}),
        metrics.calibration_bins: (soft_labels, {"labels": (1, 2, 3), "bins": 4}),
        metrics.threshold_counts: (soft_labels, {"labels": (1, 2, 3), "thresholds": 9}),
        metrics.decision_counts: (soft_labels, {"labels": (1, 2, 3), "thresholds": 9}),
        # At this threshold components of the two masks match: a quality without any is NaN in every way.
        metrics.instance_matches: (signed_masks, {**ROOM, "threshold": 0.1}),
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
        if row.statistic is metrics.decision_counts:  # called with a pair, these take uncertainties
            call = partial(_of_decisions, partial(row.function, **dict(row.options)), partial(row.statistic, **options))
        cases.setdefault(f"metrics.{name}", []).append(Case(row.abbreviation, call, draw))
    return cases


def cases_beside_the_table() -> dict[str, list[Case]]:
    """Return the calls of all functions that are not in the table of metrics, and of those in it in other ways."""
    metrics = mia.metrics
    spaced = {"spacing": SPACING}
    surfaces = partial(metrics.surface_distances, spacing=SPACING)
    matrix = partial(metrics.confusion_matrix, labels=(0, 1, 2, 3))
    counted = partial(metrics.threshold_counts, labels=(1, 2, 3), thresholds=9)
    unsure = partial(metrics.uncertainty_counts, thresholds=(1.0, 2.0, 3.0))
    calibrated = partial(metrics.calibration_bins, labels=(1, 2, 3), bins=2)
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
        "metrics.decision_counts": [
            (
                "of a mask",
                partial(metrics.decision_counts, thresholds=9),
                lambda rng: (soft_labels(rng)[0][..., 0], signed_masks(rng)[1]),
            ),
            (
                "in a mask",
                lambda p, r, m: metrics.decision_counts(p, r, labels=(1, (2, 3), 0), thresholds=5, mask=m),
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
        "metrics.expected_cost": [
            ("of labels", partial(metrics.expected_cost, labels=(0, 1, 2, 3)), label_maps),
            (
                "of inverse priors",
                partial(metrics.expected_cost, labels=(0, 1, 2, 3), costs="inverse_prior"),
                label_maps,
            ),
        ],
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
                lambda p, r, i: metrics.instance_matches(
                    p == 2, r == 2, ignore=i, matching=metrics.any_overlap, **ROOM
                ),
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
                lambda r, p: metrics.equivalent_diameter(metrics.instance_matches(p, r, **ROOM).reference),
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
            # The reference comes first, as it alone counts: programs of JAX (0.10) leave out arguments that do not, and
            # then miss the mesh that these alone lie on.
            ("of volumes", lambda r, p: metrics.reference_norm(metrics.paired_moments(p, r)), volumes)
        ],
        "metrics.reference_range": [
            ("of volumes", lambda p, r: metrics.reference_range(metrics.paired_moments(p, r)), volumes)
        ],
    }
    return {name: [Case(*entry) for entry in entries] for name, entries in calls.items()}


def _weighed(record: mia.metrics.SurfaceDistances) -> Any:
    """Return sums of distances and weights, which compact arrays and grids have in common."""
    from mia_functional._array import array_namespace

    xp = array_namespace(*record)
    weights = [xp.astype(array, record[0].dtype) for array in record[2:]]
    products = [xp.where(weight > 0, length * weight, 0.0) for length, weight in zip(record[:2], weights, strict=True)]
    return tuple(xp.sum(array) for array in (*weights, *products))


def _of_decisions(function: Callable[..., Any], statistic: Callable[..., Any], *pair: Any) -> Any:
    """Return a metric of the record that a statistic makes of a pair."""
    return function(statistic(*pair))
