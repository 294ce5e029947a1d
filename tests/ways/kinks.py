"""Arguments at which functions have no derivative, or no value: the gradients there are numbers all the same.

Left out is what is undefined as a whole: statistics inside an empty mask, distances to an empty surface by its weights,
and Mahalanobis distances of flat structures.
"""

import inspect
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mia_functional import assembly, metrics, transforms

from .augmentation_cases import LANDMARKS
from .derivatives import (
    GRID,
    OF_MATRIX,
    RULES,
    SHAPE,
    Arrays,
    fields,
    needed,
    of_matrix,
    of_moments,
    of_places,
    of_record,
    of_soft_counts,
)

Entry: TypeAlias = tuple[str, Callable[..., Any], Arrays]

RAMP, FLAT = np.arange(36.0).reshape(SHAPE), np.full(SHAPE, 2.0)
LABELS = (np.arange(36) % 2).reshape(SHAPE).astype(np.int32)
CERTAIN = np.stack([label == LABELS for label in range(3)], axis=-1).astype(np.float64)
EYES, APART = np.stack([np.eye(3)] * 2), np.array([[0.0, 1, 2], [1, 1, 2]])

SOFT_COUNTS = {
    "a label absent": (0.9 * CERTAIN + [0.05, 0.05, 0.0], LABELS),
    "certain": (CERTAIN, LABELS),
    "undecided": (0 * CERTAIN + 0.5, LABELS),
    "nothing found": (0 * CERTAIN, 0 * LABELS),
    "all found": (0 * CERTAIN + 1, 0 * LABELS),
}
COUNTS = {
    "both empty": ([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [9.0, 4.0]),
    "one empty": ([0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [9.0, 9.0]),
    "full": ([5.0, 5.0], [0.0, 3.0], [0.0, 0.0], [0.0, 0.0]),
    "equal": ([5.0, 3.0], [0.0, 0.0], [0.0, 0.0], [5.0, 1.0]),
    "independent": ([2.0, 4.0], [2.0, 4.0], [2.0, 2.0], [2.0, 2.0]),
    "one voxel": ([1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]),
    "no voxel": ([0.0], [0.0], [0.0], [0.0]),
}
CELLS = {
    "a class absent": np.array([[3.0, 1, 0], [2, 4, 0], [0, 0, 0]]),
    "a class not predicted": np.array([[3.0, 1, 2], [2, 4, 1], [0, 0, 0]]),
    "a class not in the reference": np.array([[3.0, 1, 0], [2, 4, 0], [1, 2, 0]]),
    "one class": np.diag([5.0, 0, 0]),
    "no voxel": np.zeros((3, 3)),
}
IMAGES = {
    "equal": (RAMP, RAMP),
    "constant": (FLAT, FLAT + 1),
    "constant and equal": (FLAT, FLAT),
    "zero": (0 * FLAT, 0 * FLAT),
    "prediction constant": (FLAT, RAMP),
    "reference constant": (RAMP, FLAT),
    "reference zero": (RAMP, 0 * RAMP),
    "opposite": (RAMP, -RAMP),
    "ties": (RAMP // 9, RAMP // 6),
}
SURFACES = {
    "equal": ([0.0, 0.0, 0.0], [0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 2.0]),
    "ties": ([1.0, 2.0, 2.0], [2.0, 2.0], [1.0, 1.0, 1.0], [1.0, 2.0]),
    "weightless elements": ([1.0, 2.0, 3.0], [2.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0]),
    "both empty": ([0.0, 0.0, 0.0], [0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0]),
}
PLACES = {
    "equal": ([9.0, 4.0], np.ones((2, 3)), EYES),
    "one empty": ([0.0, 4.0], APART, EYES * [[[0.0]], [[1.0]]]),
}
CHANNELS = {
    "different": np.stack([RAMP, np.sin(RAMP)], axis=-1),
    "ties": np.stack([RAMP // 6, FLAT], axis=-1),
    "zero": np.zeros((*SHAPE, 2)),
}


def _metric_entries(row: metrics.Metric) -> Iterator[Entry]:
    """Yield the calls of a metric of the table, with each value where it is undefined."""
    name, function = row.abbreviation, row.function
    has = "zero_division" in inspect.signature(function).parameters
    for zero_division in (0.0, None) if has else (None,):
        options = dict(row.options) | ({} if zero_division is None else {"zero_division": zero_division})
        kinds: list[tuple[Callable[..., Any], dict[str, Any]]] = []
        if row.statistic is metrics.confusion_counts:
            options |= needed(function)
            kinds += [(partial(of_soft_counts, function, **options), SOFT_COUNTS)]
            kinds += [(partial(of_record, metrics.ConfusionCounts, function, **options), COUNTS)]
        if row.statistic is metrics.paired_moments:
            kinds += [(partial(function, **options), IMAGES)]
        if row.statistic is metrics.surface_distances:
            kinds += [(partial(of_record, metrics.SurfaceDistances, function, **options), SURFACES)]
        if row.statistic is metrics.calibration_bins:
            # Two bins are equally far off there: which of them has the largest difference is a matter of rounding.
            several = {key: arrays for key, arrays in SOFT_COUNTS.items() if (name, key) != ("MCE", "a label absent")}
            kinds += [(partial(function, labels=range(3), bins=4, **options), several)]
        if row.statistic is metrics.paired_spatial_moments:
            kinds += [(partial(of_places, function), PLACES)]
        for number, (call, cases) in enumerate(kinds):
            for key, arrays in cases.items():
                yield f"{name} {key} {number} {zero_division}", call, tuple(map(np.asarray, arrays))


def _more_metric_entries() -> Iterator[Entry]:
    """Yield the calls of metrics with other options, and of other statistics."""
    for key, cells in CELLS.items():
        for name in OF_MATRIX:
            function = getattr(metrics, name)
            has = "zero_division" in inspect.signature(function).parameters
            yield f"{name} {key}", partial(of_matrix, function, **({"zero_division": 0.0} if has else {})), (cells,)
        yield f"expected cost {key}", partial(of_matrix, metrics.expected_cost, normalized=True), (cells,)
    for key, arrays in COUNTS.items():
        dice = partial(metrics.generalized_dice, power=0.5, zero_division=0.0)
        yield (
            f"generalized_dice {key}",
            partial(of_record, metrics.ConfusionCounts, dice),
            tuple(map(np.asarray, arrays)),
        )
    ssim, merged = metrics.structural_similarity, metrics.pearson_correlation
    for key, arrays in IMAGES.items():
        yield f"SSIM {key}", partial(ssim, window=3), arrays
        yield f"SSIM in a range {key}", partial(ssim, window=3, data_range=5.0), arrays
        yield f"moments {key}", partial(of_moments, fields), arrays
        yield f"ICC {key}", partial(of_moments, metrics.intraclass_correlation, zero_division=0.0), arrays
        yield f"norm {key}", partial(of_moments, metrics.reference_norm), arrays
        yield f"merged {key}", partial(of_moments, lambda moments: merged(metrics.merge(moments, moments))), arrays
        for rule in RULES:
            call = partial(metrics.normalized_root_mean_squared_error, normalization=rule, zero_division=0.0)
            yield f"{rule.__name__} {key}", call, arrays


def _transform_entries() -> Iterator[Entry]:
    """Yield the calls of transforms."""
    t, some = transforms, RAMP[..., None] > 20
    borders = np.array([[-0.5, 0, 3, 3.5, 7], [0, 0, 2, 1, 1.0], [1.5, 1, 2, 2, np.inf]])
    for key, image in CHANNELS.items():
        for exponent in (0.5, 1.0, 2.0):
            yield f"gamma {key} {exponent}", t.gamma, (image, np.asarray(exponent))
        for function, mask in itertools.product((t.standardize, t.rescale, t.clip_percentile), (None, some)):
            yield f"{function.__name__} {key} {mask is None}", partial(function, mask=mask), (image,)
        yield f"local_gamma {key}", t.local_gamma, (image, np.ones(3), np.ones(3), np.asarray(0.5))
        yield f"contrast {key}", partial(t.contrast, keep_range=True), (image, np.ones(2))
        yield f"standardize_histogram {key}", partial(t.standardize_histogram, landmarks=LANDMARKS), (image,)
        yield f"clip_percentile ends {key}", partial(t.clip_percentile, lower=0, upper=100), (image,)
        yield f"blur {key}", partial(t.blur, radius=2), (image, np.array([0.0, 0.5, 0.0]))
        yield f"affine identity {key}", t.affine, (image, np.eye(3), np.zeros(3))
        yield f"affine half a voxel {key}", t.affine, (image, np.eye(3), np.full(3, 0.5))
        yield f"affine outside {key}", t.affine, (image, np.eye(3), np.full(3, 10.0))
        yield f"elastic zero {key}", t.elastic, (image, np.zeros((3, 4, 4, 4)))
        yield f"warp {key}", t.warp, (image, borders)
        yield f"bias_field {key}", t.bias_field, (image, np.zeros(9))
        yield f"resample same {key}", partial(t.resample, scale=(1.0, 1.0, 1.0), antialias=True), (image,)
        yield f"resample {key}", partial(t.resample, scale=(2.0, 0.5, 1.0), antialias=True), (image,)
    zero = np.zeros((*SHAPE, 2))
    yield "rician_noise zero", t.rician_noise, (zero, zero, zero)
    yield "rician_noise not imaginary", t.rician_noise, (zero + 1, zero, zero)
    yield "rician_noise not real", t.rician_noise, (zero + 1, zero - 1, zero + 2)
    parts = np.ones((len(GRID), 3, 2, 2))
    for reduction in (assembly.maximum, assembly.mean):
        yield (
            f"assemble {reduction}",
            partial(assembly.assemble, indices=GRID, shape=SHAPE, reduction=reduction),
            (parts,),
        )


_ENTRIES = itertools.chain(*map(_metric_entries, metrics.METRICS), _more_metric_entries(), _transform_entries())

AT_KINKS = {name: (call, arrays) for name, call, arrays in _ENTRIES}
"""Calls, and their arrays, by name."""
