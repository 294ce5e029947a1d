"""By what each function of arrays is differentiable: calls on tiny arrays, away from kinks.

`CALLS` has, by public name, calls with float64 arrays, which are what they are differentiated by. `KINKS` says where
functions have no derivative. A name neither in `CALLS` nor in `NOT_DIFFERENTIABLE` fails `test_derivatives.py`.
"""

import inspect
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

import mia_functional as mia
from mia_functional import assembly, extraction, metrics, transforms

from .augmentation_derivatives import augmentation_calls
from .cases import CASES
from .public_names import ON_HOST
from .tiny_arrays import SHAPE, Arrays, Draw, channels, inside, joined, labels, uniform

_MASKS = "measures masks or labels, which do not change smoothly"
_CHOICE = "returns labels, masks or codes, which do not change smoothly"
_DRAWN = "returns parameters drawn from a source of randomness"

NOT_DIFFERENTIABLE = {
    **dict.fromkeys((f"metrics.{name}" for name in ("area", "prediction_area", "reference_area", "volume")), _MASKS),
    **dict.fromkeys(
        (
            f"metrics.{name}"
            for name in ("confusion_counts", "confusion_matrix", "boundary_iou", "euler_characteristic")
        ),
        _MASKS,
    ),
    **dict.fromkeys((f"metrics.{name}" for name in ("fleiss_kappa", "pairwise_dice", "majority_vote")), _MASKS),
    **dict.fromkeys((f"metrics.{name}" for name in ("betti_numbers", "betti_error", "euler_error")), _MASKS),
    "metrics.topology_counts": _MASKS,
    "metrics.by_channel": "as the function that it calls",
    "metrics.negative_jacobian_share": "counts voxels",
    "morphology.connected_components": _MASKS,
    **dict.fromkeys(
        (f"metrics.{name}" for name in ("instance_matches", "matches_at_thresholds", "equivalent_diameter")), _MASKS
    ),
    **dict.fromkeys(("metrics.autopet_scores", "metrics.isles_scores"), _MASKS),
    **dict.fromkeys((f"metrics.lesion_recall_by_{size}" for size in ("diameter", "volume")), _MASKS),
    **{f"metrics.{row.name}": _MASKS for row in metrics.METRICS if "instances" in row.groups},
    **dict.fromkeys(("metrics.threshold_counts", "metrics.decision_counts", "metrics.best_threshold"), _CHOICE),
    **dict.fromkeys(("metrics.roc_curve", "metrics.precision_recall_curve"), _CHOICE),
    **dict.fromkeys(("metrics.detection_counts", "metrics.froc_curve"), _CHOICE),
    **dict.fromkeys(("metrics.froc_score", "metrics.detection_average_precision"), _CHOICE),
    **dict.fromkeys(("metrics.area_under_roc_curve", "metrics.average_precision"), _CHOICE),
    **dict.fromkeys(
        (
            f"metrics.{name}"
            for name in ("uncertainty_counts", "uncertainty_error_dice", "error_coverage_curve", "conformal_set")
        ),
        _CHOICE,
    ),
    "metrics.dice_optimal_mask": _CHOICE,
    **dict.fromkeys(("metrics.spatial_moments", "metrics.paired_spatial_moments"), _MASKS),
    **dict.fromkeys(("metrics.average_distance", "metrics.surface_distances", "morphology.distance_transform"), _MASKS),
    **dict.fromkeys(("metrics.surfels", "metrics.voxels", "metrics.solid", "morphology.border"), _CHOICE),
    **dict.fromkeys(
        ("transforms.argmax", "transforms.label_dilation", "transforms.one_hot", "transforms.relabel"), _CHOICE
    ),
    "assembly.predict_labels": _CHOICE,
    **{name: _DRAWN for name in CASES if name.startswith("transforms.random_")},
    **ON_HOST,
}
"""Functions without a derivative, and why."""

KINKS = {
    "metrics.target_registration_error": "equal points: 0",
    "metrics.relative_volume_difference": "as many false positives as false negatives: 0",
    "metrics.absolute_volume_difference": "as many false positives as false negatives: 0",
    "metrics.soft_skeleton": "equal neighbours share the derivative",
    "metrics.soft_centerline_counts": "equal neighbours share the derivative",
    "metrics.volume_similarity": "as many false positives as false negatives: the mean of both sides",
    "metrics.global_consistency_error": "both directions equal: the mean of both sides",
    "metrics.mean_absolute_error": "equal voxels: 0",
    "metrics.root_mean_squared_error": "equal images: 0, also of what is made of it",
    "metrics.peak_signal_noise_ratio": "equal images, of which it is infinite: 0",
    **dict.fromkeys(
        (f"metrics.{name}_calibration_error" for name in ("expected", "maximum", "average", "root_mean_square")),
        "bins that are calibrated: 0; by the edges of bins it is 0: a probability is in a bin or not",
    ),
    "metrics.excess_area_under_risk_coverage_curve": "equal losses: that of one of their orders",
    "metrics.conformal_threshold": "equal scores: that of one of them",
    "metrics.pearson_correlation": "constant images, of which it is undefined: 0",
    "metrics.reference_range": "several voxels with the smallest or the largest value share the derivative",
    "metrics.centroid_distance": "equal centroids: 0",
    "metrics.mahalanobis_distance": "equal centroids: 0",
    "metrics.hausdorff_distance": "several elements at the distance that is chosen share the derivative",
    "metrics.surface_overlap": "by distances it is 0: an element is within the tolerance or not",
    "metrics.normalized_surface_dice": "by distances it is 0: an element is within the tolerance or not",
    "transforms.warp": "coordinates at voxel centres: that towards the next voxel, at the last from the one before; "
    "at the border of the image, where the value jumps to that of the outside, the jump is left out",
    "transforms.clip_percentile": "values equal to a percentile share the derivative with it",
    "transforms.rescale": "several voxels with an extreme value share the derivative",
    "transforms.standardize": "constant channels: 0",
    "transforms.low_resolution": "by a factor of 1, which leaves the axis out: 0",
    "transforms.local_gamma": "at the minimum, where it is infinite for exponents below 1: 0",
    "transforms.standardize_histogram": "values equal to a percentile: that above it; constant channels: 0",
    "transforms.gamma": "at the minimum, where it is infinite for exponents below 1: 0",
    "transforms.rician_noise": "magnitude 0: 0",
    "transforms.blur": "by a sigma of 0, which leaves the axis out: 0",
    "assembly.assemble": "by `maximum`, equal predictions share the derivative",
}
"""Where functions have no derivative, and what is returned there."""

GRID = mia.indexing.patches(SHAPE, (3, 2, 2), step=1)
(TABLE,) = assembly.placements(GRID, SHAPE)
OWN = mia.geometry.Geometry(shape=SHAPE, spacing=(3.0, 1.0, 0.5))
ONTO = mia.geometry.Geometry(shape=(3, 4, 2), spacing=(2.0, 0.7, 0.6), origin=(1.03, 0.11, 0.07))
TURNED = transforms.permute(transforms.flip(OWN, 1), (2, 1, 0))
POINTS = np.linspace(0.1, 1.9, 12).reshape(3, 4)


class Call(NamedTuple):
    """A call of a public function.

    Args:
        label: How it is called.
        by: What its float64 arrays are.
        call: From arrays to an array, or a tuple of them.
        draw: From a generator to the NumPy arrays of one call; those of float64 are differentiated by.
    """

    label: str
    by: str
    call: Callable[..., Any]
    draw: Draw


def volumes(rng: np.random.Generator) -> Arrays:
    """Return two volumes that are equal nowhere."""
    first = 1 + rng.permutation(36) / 10
    return first.reshape(SHAPE), (first + rng.choice((-1, 1), 36) * rng.uniform(0.2, 0.5, 36)).reshape(SHAPE)


def patches(rng: np.random.Generator) -> Arrays:
    """Return a patch for every index of the grid."""
    return ((rng.permutation(12 * len(GRID)) / 10).reshape(len(GRID), 3, 2, 2),)


def near_identity(rng: np.random.Generator) -> Arrays:
    """Return a matrix and an offset that bring no voxel to a voxel's centre."""
    return np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3)), rng.uniform(0.05, 0.3, 3)


def between_voxels(rng: np.random.Generator) -> Arrays:
    """Return coordinates of points between voxels."""
    return (rng.integers(0, 2, (3, 3, 2, 2)) + rng.uniform(0.1, 0.9, (3, 3, 2, 2)),)


def of_record(kind: Callable[..., Any], function: Callable[..., Any], *fields: Any, **options: Any) -> Any:
    """Return what a metric makes of a record of some fields."""
    return function(kind(*fields), **options)


def of_soft_counts(function: Callable[..., Any], probabilities: Any, reference: Any, **options: Any) -> Any:
    """Return what a metric makes of soft counts of three labels."""
    return function(metrics.soft_confusion_counts(probabilities, reference, labels=range(3)), **options)


def of_matrix(function: Callable[..., Any], cells: Any, **options: Any) -> Any:
    """Return what a metric makes of a confusion matrix without voxels outside of its classes."""
    return function(metrics.ConfusionMatrix(cells, 0 * cells[0, 0]), **options)


def of_places(function: Callable[..., Any], counts: Any, means: Any, roots: Any) -> Any:
    """Return what a metric makes of two structures, from their numbers of voxels, means, and roots of covariances."""
    records = (
        metrics.SpatialMoments(counts[row], means[row, ...], roots[row, ...] @ roots[row, ...].T) for row in range(2)
    )
    return function(metrics.PairedSpatialMoments(*records))


def of_moments(function: Callable[..., Any], *images: Any, **options: Any) -> Any:
    """Return what a function makes of the moments of two images."""
    return function(metrics.paired_moments(*images), **options)


def of_percentiles(counted: str, forward: Any, backward: Any, **options: Any) -> Any:
    """Return percentiles of distances of counted elements, or of areas."""
    kind = bool if counted == "counted" else np.float64
    xp = array_namespace(forward)
    weights = (xp.asarray(np.linspace(1, 2, size).astype(kind)) for size in (9, 7))
    record = metrics.SurfaceDistances(forward, backward, *weights)
    return metrics.hausdorff_distance(record, percentile=(0, 33, 95, 100), **options)


def fields(moments: Any) -> Any:
    """Return all fields of moments but the scales, which jump from one power of two to another."""
    return tuple(moments)[:-2]


def _merged_moments(prediction: Any, reference: Any) -> Any:
    rows = [metrics.paired_moments(prediction[row, ...], reference[row, ...]) for row in range(3)]
    return fields(metrics.merge(metrics.identity(rows[0]), *rows))


def _of_bins(function: Callable[..., Any], probabilities: Any, reference: Any) -> Any:
    """Return the floats of what a function makes of bins, of which none is empty."""
    result = function(metrics.calibration_bins(probabilities, reference, labels=range(3), bins=2))
    return tuple(result)[:2] if isinstance(result, metrics.ReliabilityCurve) else tuple(result)


def _merged_counts(*counts: Any) -> Any:
    return tuple(metrics.merge(*[metrics.ConfusionCounts(*counts)] * 3))


def _merged_places(moments: Any) -> Any:
    return tuple(metrics.merge(*moments))


def _in_steps(parts: Any, *, reduction: Any = assembly.mean) -> Any:
    state = assembly.start(parts[0, ...], SHAPE, reduction=reduction)
    for row in range(parts.shape[0]):
        placement = assembly.Placement(TABLE.start[row], tuple(line[row] for line in TABLE.lines))
        state = assembly.add(state, parts[row, ...], placement, reduction=reduction)
    return assembly.finish(state, reduction=reduction)


def _soft_lines(probabilities: Any, reference: Any) -> Any:
    return tuple(metrics.soft_centerline_counts(probabilities, reference, labels=range(3), iterations=1))


def _listed(function: Callable[..., Any], parts: Any) -> Any:
    return function([parts[row, ...] for row in range(parts.shape[0])], list(GRID), SHAPE)


def _planes(*arguments: Any) -> Any:
    return tuple(plane for _, plane in assembly.assemble_planes(*arguments))


def _randomly(image: Any) -> Any:
    apply = transforms.randomly("images", transforms.random_flip, transforms.flip, probability=1.0)
    return apply({"images": image, "rng": np.random.default_rng(0)})["images"]


def needed(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the options that a metric of counts or images cannot be called without."""
    return {"spacing": (2.0, 1.0, 0.5)} if "spacing" in inspect.signature(function).parameters else {}


def _calls_of_metric(row: metrics.Metric) -> list[Call]:
    """Return calls of a metric of the table."""
    name, function, options = row.abbreviation, row.function, dict(row.options)
    if row.statistic is metrics.confusion_counts:
        options |= needed(function)
        soft, counts = partial(of_soft_counts, function), partial(of_record, metrics.ConfusionCounts, function)
        return [
            Call(f"{name} of soft counts", "probabilities", partial(soft, **options), joined(SOFT, labels)),
            Call(f"{name} of counts", "counts", partial(counts, **options), COUNTS),
        ]
    if row.statistic is metrics.paired_moments:
        return [Call(name, "images", partial(function, **options), volumes)]
    if row.statistic is metrics.surface_distances:
        call = partial(of_record, metrics.SurfaceDistances, function, **options)
        draw = joined(uniform((9,), (7,), low=0, high=4), uniform((9,), (7,), low=0.5, high=2))
        return [Call(name, "distances, areas", call, draw)]
    if row.statistic is metrics.calibration_bins:
        return [
            Call(name, "probabilities", partial(function, labels=range(3), bins=2, **options), joined(SOFT, labels))
        ]
    if row.statistic is metrics.paired_spatial_moments:
        return [Call(name, "moments", partial(of_places, function), PLACES)]
    return []


SOFT = uniform((*SHAPE, 3))
RANKED = joined(lambda rng: (rng.integers(0, 5, 12).astype(np.int32),), lambda rng: (rng.permutation(12) / 10,))
SOFT_LABELS = joined(SOFT, labels)
COUNTS = uniform((3,), (3,), (3,), (3,), low=3, high=30)
CELLS = uniform((3, 3), low=2, high=9)
PLACES = joined(uniform((2,), low=5, high=20), uniform((2, 3), (2, 3, 3)))
RULES = (metrics.reference_mean, metrics.reference_norm)
OF_MOMENTS = (
    *("reference_mean", "reference_norm", "reference_range"),
    *("intraclass_correlation", "interclass_correlation"),
)
OF_MATRIX = (
    *("balanced_accuracy", "matthews_correlation", "cohen_kappa", "weighted_kappa", "expected_cost"),
    *("rand_index", "adjusted_rand_index", "mutual_information", "variation_of_information"),
)


def _metric_calls() -> list[tuple[str, *tuple[Any, ...]]]:
    ssim, generalized = metrics.structural_similarity, metrics.generalized_dice
    nrmse, psnr = metrics.normalized_root_mean_squared_error, metrics.peak_signal_noise_ratio
    ccc = metrics.concordance_correlation
    soft_counts, draw = partial(of_soft_counts, tuple), uniform((9,), (7,), low=0, high=4)
    by_volume = partial(of_record, metrics.ConfusionCounts, generalized, power=1.0)
    return [
        ("structural_similarity", "of images", "images", partial(ssim, window=3), volumes),
        ("structural_similarity", "of slices", "images", partial(ssim, window=(1.0, 2.0, 1.0), slice_axis=0), volumes),
        ("structural_similarity", "in a range", "images", partial(ssim, window=3, data_range=5.0), volumes),
        ("soft_confusion_counts", "of labels", "probabilities", soft_counts, joined(SOFT, labels)),
        ("calibration_bins", "of labels", "probabilities", partial(_of_bins, lambda record: record[3:]), SOFT_LABELS),
        (
            "brier_decomposition",
            "of labels",
            "probabilities",
            partial(_of_bins, metrics.brier_decomposition),
            SOFT_LABELS,
        ),
        ("reliability_curve", "of labels", "probabilities", partial(_of_bins, metrics.reliability_curve), SOFT_LABELS),
        *(
            (name, "by losses", "losses", getattr(metrics, name), RANKED)
            for name in ("area_under_risk_coverage_curve", "excess_area_under_risk_coverage_curve")
        ),
        (
            "risk_coverage_curve",
            "by losses",
            "losses",
            lambda u, e: tuple(metrics.risk_coverage_curve(u, e))[1],
            RANKED,
        ),
        (
            "conformal_threshold",
            "of columns",
            "scores",
            partial(metrics.conformal_threshold, miscoverage=0.3),
            lambda rng: (rng.permutation(30).reshape(10, 3) / 10,),
        ),
        ("krippendorff_alpha", "interval", "ratings", metrics.krippendorff_alpha, uniform((3, 7))),
        ("target_registration_error", "all", "points", metrics.target_registration_error, uniform((5, 3), (5, 3))),
        (
            "jacobian_determinant",
            "of a field",
            "displacement",
            partial(metrics.jacobian_determinant, spacing=(3.0, 1.0, 0.5)),
            uniform((*SHAPE, 3)),
        ),
        ("soft_skeleton", "of an image", "image", partial(metrics.soft_skeleton, iterations=2), uniform(SHAPE)),
        ("soft_centerline_counts", "of labels", "probabilities", _soft_lines, joined(SOFT, labels)),
        ("paired_moments", "all", "images", partial(of_moments, fields), volumes),
        ("generalized_dice", "by volume", "counts", by_volume, COUNTS),
        ("peak_signal_noise_ratio", "in a range", "images", partial(psnr, data_range=3.0), volumes),
        ("merge", "moments", "moments", _merged_moments, volumes),
        ("merge", "counts", "counts", _merged_counts, COUNTS),
        ("merge", "places", "moments", partial(of_places, _merged_places), PLACES),
        ("identity", "moments", "moments", _merged_moments, volumes),
        ("expected_cost", "normalized", "cells", partial(of_matrix, metrics.expected_cost, normalized=True), CELLS),
        ("expected_cost", "priors", "cells", partial(of_matrix, metrics.expected_cost, costs="inverse_prior"), CELLS),
        ("concordance_correlation", "of a sample", "images", partial(ccc, sample_covariance=True), volumes),
        *((name, "of a matrix", "cells", partial(of_matrix, getattr(metrics, name)), CELLS) for name in OF_MATRIX),
        *((name, "of moments", "images", partial(of_moments, getattr(metrics, name)), volumes) for name in OF_MOMENTS),
        *((nrmse.__name__, rule.__name__, "images", partial(nrmse, normalization=rule), volumes) for rule in RULES),
        *(
            ("hausdorff_distance", f"{kind} {pooled}", "distances", partial(of_percentiles, kind, pooled=pooled), draw)
            for kind, pooled in itertools.product(("counted", "areas"), (False, True))
        ),
    ]


def _image_calls() -> list[tuple[str, *tuple[Any, ...]]]:
    """Return calls of functions of an image and nothing else."""
    t, e = transforms, extraction
    calls: dict[str, list[Callable[..., Any]]] = {
        "transforms.blur": [partial(t.blur, sigma=(0.0, 1.0, 0.5))],
        "transforms.clip_percentile": [partial(t.clip_percentile, lower=11, upper=83)],
        "transforms.crop": [partial(t.crop, start=(1, 1, 0), shape=(2, 2, 2))],
        "transforms.crop_or_pad": [partial(t.crop_or_pad, shape=(2, 5, 3))],
        "transforms.flip": [partial(t.flip, axes=(0, 2))],
        "transforms.pad": [partial(t.pad, widths=2, pad_mode=mode) for mode in (e.constant, e.edge, e.reflect)],
        "transforms.permute": [partial(t.permute, axes=(2, 0, 1))],
        "transforms.randomly": [_randomly],
        "transforms.reorient_onto": [lambda image: t.reorient_onto(image, OWN, TURNED)],
        "transforms.resample": [
            partial(t.resample, scale=(2.0, 0.7, 1.0)),
            partial(t.resample, scale=(2.0, 1.0, 1.5), antialias=True),
        ],
        "transforms.resample_onto": [lambda image: t.resample_onto(image, OWN, ONTO)],
        "transforms.rescale": [partial(t.rescale, upper=3.0)],
        "transforms.reshape": [partial(t.reshape, shape=(6, -1))],
        "transforms.rot90": [partial(t.rot90, turns=1, axes=(1, 2))],
        "transforms.shift": [partial(t.shift, offset=(1, -2, 0), wrap=wrap) for wrap in (False, True)],
        "transforms.squeeze": [lambda image: t.squeeze(image[..., :1])],
        "transforms.standardize": [t.standardize],
        "transforms.unsqueeze": [t.unsqueeze],
        "transforms.warp": [lambda image: t.warp(image, POINTS, interpolation=t.nearest)],
        "assembly.tta": [lambda image: assembly.tta(lambda v: v * v, image, (0, 1), apply=t.flip, invert=t.flip)],
        "assembly.sliding_window": [
            lambda image: assembly.sliding_window(lambda batch: batch * batch, image, (3, 2, 2))
        ],
        "extraction.dynamic_patch": [partial(e.dynamic_patch, start=(1, 0, 1), patch_shape=(2, 3, 2))],
        "extraction.extract": [partial(e.extract, index=(slice(-2, 4), slice(1, 5)))],
        "extraction.extract_batch": [partial(e.extract_batch, indices=list(GRID))],
    }
    return [(name, f"image {k}", "image", call, channels) for name, own in calls.items() for k, call in enumerate(own)]


def _other_calls() -> list[tuple[str, *tuple[Any, ...]]]:
    """Return calls of functions of an image and parameters, and of patches."""
    t, a, masked = transforms, assembly, joined(channels, inside)
    whole = {name: partial(a.assemble, indices=GRID, shape=SHAPE, reduction=getattr(a, name)) for name in REDUCTIONS}
    return [
        ("transforms.affine", "linear", "image, matrix, offset", t.affine, joined(channels, near_identity)),
        ("transforms.bias_field", "cubic", "image, coefficients", t.bias_field, joined(channels, uniform((19,)))),
        (
            "transforms.blur",
            "by an array",
            "sigma",
            partial(t.blur, radius=2),
            joined(channels, uniform((3,), low=0.5)),
        ),
        ("transforms.elastic", "linear", "control", t.elastic, joined(channels, uniform((3, 4, 4, 5), high=0.3))),
        (
            "transforms.gamma",
            "by an array",
            "image, exponent",
            t.gamma,
            joined(channels, uniform((2,), low=0.5, high=2)),
        ),
        ("transforms.noise", "of an image", "image, field", t.noise, joined(channels, channels)),
        ("transforms.rician_noise", "of an image", "image, fields", t.rician_noise, joined(*[channels] * 3)),
        ("transforms.warp", "linear", "image, coordinates", t.warp, joined(channels, between_voxels)),
        ("transforms.mask_outside", "in a mask", "image", t.mask_outside, masked),
        (
            "transforms.clip_percentile",
            "in a mask",
            "image",
            lambda x, m: t.clip_percentile(x, lower=9, mask=m),
            masked,
        ),
        ("transforms.rescale", "in a mask", "image", lambda x, m: t.rescale(x, mask=m), masked),
        ("transforms.standardize", "in a mask", "image", lambda x, m: t.standardize(x, mask=m), masked),
        *(("assembly.assemble", name, "patches", call, patches) for name, call in whole.items()),
        ("assembly.assemble", "gaussian", "patches", partial(whole["mean"], window=a.gaussian), patches),
        ("assembly.assemble", "a list", "patches", partial(_listed, a.assemble), patches),
        ("assembly.assemble_planes", "mean", "patches", partial(_listed, _planes), patches),
        ("assembly.start", "mean", "patches", _in_steps, patches),
        ("assembly.add", "total", "patches", partial(_in_steps, reduction=a.total), patches),
        ("assembly.add", "maximum", "patches", partial(_in_steps, reduction=a.maximum), patches),
        ("assembly.finish", "last", "patches", partial(_in_steps, reduction=a.last), patches),
        ("assembly.merge_planes", "mean", "volumes", lambda one, other: a.merge_planes([one, other]), volumes),
    ]


REDUCTIONS = ("mean", "total", "last", "maximum")


def _all_calls() -> dict[str, list[Call]]:
    calls: dict[str, list[Call]] = {}
    for row in metrics.METRICS:
        calls.setdefault(f"metrics.{row.function.__name__}", []).extend(_calls_of_metric(row))
    entries = [(f"metrics.{name}", *rest) for name, *rest in _metric_calls()]
    for name, *rest in (*entries, *_image_calls(), *_other_calls(), *augmentation_calls()):
        calls.setdefault(name, []).append(Call(*rest))
    return {name: own for name, own in calls.items() if own}


CALLS = _all_calls()

DIFFERENTIABLE = {
    name: ", ".join(dict.fromkeys(word for call in calls for word in call.by.split(", ")))
    for name, calls in CALLS.items()
}
"""By which floats each function is differentiable, in words."""
