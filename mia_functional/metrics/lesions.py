"""Metrics of lesions (components, instances): how many are found, how well, and what is missed or invented."""

import math

from mia_functional import _array
from mia_functional.metrics.instances import InstanceMatches, from_instances
from mia_functional.typing import Array

__all__ = [
    "false_positives_per_case",
    "false_volume",
    "lesion_count_difference",
    "lesion_f1",
    "lesion_merges",
    "lesion_precision",
    "lesion_recall",
    "lesion_splits",
    "missed_volume",
    "panoptic_quality",
    "recognition_quality",
    "segmentation_quality",
]


def _tally(matches: InstanceMatches) -> tuple[Array, Array, Array]:
    """Return how many reference components are found, predicted ones false and reference ones missed, as floats.

    What is found is counted on the side of the reference: parts that are matched with one reference find one lesion.
    """
    prediction, reference = matches.prediction, matches.reference
    xp = _array.array_namespace(reference.matched)
    dtype = reference.volumes.dtype
    found, false, missed = (
        xp.sum(xp.astype(flags, dtype), axis=-1)
        for flags in (
            reference.matched,
            (prediction.sizes > 0) & ~prediction.matched,
            (reference.sizes > 0) & ~reference.matched,
        )
    )
    return found, false, missed


def _sum_of_ious(matches: InstanceMatches) -> Array:
    """Return the sum over found reference components of their IoU with the union of what is matched to them."""
    xp = _array.array_namespace(matches.shared)
    shared, claimed, sizes = (
        xp.astype(field, matches.reference.volumes.dtype)
        for field in (matches.shared, matches.claimed, matches.reference.sizes)
    )
    return xp.sum(_array.ratio(shared, claimed + sizes - shared, zero_division=0.0), axis=-1)


@from_instances
def lesion_precision(matches: InstanceMatches, *, zero_division: float = math.nan) -> Array:
    """Return the share of the predicted components that are right: lesion-wise precision.

    Formula: TP / (TP + FP), with TP the reference components that are found, FP the predicted ones and FN the
    reference ones without a match.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        Nothing predicted: NaN, or `zero_division`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(lesion_precision(one, other, spacing=(2.0,)))
        0.6666666666666666

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    found, false, _ = _tally(matches)
    return _array.ratio(found, found + false, zero_division=zero_division)


@from_instances
def lesion_recall(matches: InstanceMatches, *, zero_division: float = math.nan) -> Array:
    """Return the share of the reference components that are found: lesion-wise recall (sensitivity).

    Formula: TP / (TP + FN), with TP the reference components that are found, FP the predicted ones and FN the
    reference ones without a match.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No reference component: NaN, or `zero_division`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(lesion_recall(one, other, spacing=(2.0,)))
        1.0

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    found, _, missed = _tally(matches)
    return _array.ratio(found, found + missed, zero_division=zero_division)


@from_instances
def lesion_f1(matches: InstanceMatches, *, zero_division: float = math.nan) -> Array:
    """Return the lesion-wise F1 score: the harmonic mean of precision and recall of components.

    Formula: 2 TP / (2 TP + FP + FN), with TP the reference components that are found, FP the predicted ones and FN
    the reference ones without a match.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No component in either: NaN, or `zero_division`. In one only: 0.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(lesion_f1(one, other, spacing=(2.0,)))
        0.8

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    found, false, missed = _tally(matches)
    return _array.ratio(2 * found, 2 * found + false + missed, zero_division=zero_division)


@from_instances
def recognition_quality(matches: InstanceMatches, *, zero_division: float = math.nan) -> Array:
    """Return the recognition quality (RQ), the factor of the panoptic quality that says how many components are found.

    Formula: TP / (TP + FP / 2 + FN / 2), with TP the reference components that are found, FP the predicted ones and
    FN the reference ones without a match.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No component in either: NaN, or `zero_division`. In one only: 0.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(recognition_quality(one, other, spacing=(2.0,)))
        0.8

    Source:
        Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.
    """
    found, false, missed = _tally(matches)
    return _array.ratio(found, found + (false + missed) / 2, zero_division=zero_division)


@from_instances
def segmentation_quality(matches: InstanceMatches, *, zero_division: float = math.nan) -> Array:
    """Return the segmentation quality (SQ), the factor of the panoptic quality that says how well they are segmented.

    Formula: sum IoU / TP, over the TP reference components that are found, with the union of the predicted ones
    that are matched to each.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No component found: NaN, or `zero_division`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(segmentation_quality(one, other, spacing=(2.0,)))
        0.8333333333333333

    Source:
        Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.
    """
    found, _, _ = _tally(matches)
    return _array.ratio(_sum_of_ious(matches), found, zero_division=zero_division)


@from_instances
def panoptic_quality(matches: InstanceMatches, *, zero_division: float = math.nan) -> Array:
    """Return the panoptic quality (PQ): segmentation quality times recognition quality.

    Formula: sum IoU / (TP + FP / 2 + FN / 2), with TP the reference components that are found, FP the predicted
    ones and FN the reference ones without a match.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No component in either: NaN, or `zero_division`. In one only: 0.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(panoptic_quality(one, other, spacing=(2.0,)))
        0.6666666666666666

    Source:
        Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.
    """
    found, false, missed = _tally(matches)
    return _array.ratio(_sum_of_ious(matches), found + (false + missed) / 2, zero_division=zero_division)


@from_instances
def false_positives_per_case(matches: InstanceMatches) -> Array:
    """Return the number of predicted components without a match, per case.

    Formula: FP / n, with the number n of cases.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.

    Returns:
        0 or more; lower is better.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(false_positives_per_case(one, other, spacing=(2.0,)))
        1.0

    Source:
        van Ginneken et al. 2010, doi 10.1016/j.media.2010.05.005.
    """
    _, false, _ = _tally(matches)
    xp = _array.array_namespace(false)
    return false / xp.astype(matches.cases, false.dtype)


@from_instances
def lesion_splits(matches: InstanceMatches) -> Array:
    """Return the number of reference components that several predicted ones share voxels with.

    Formula: number of r with more than one p that meets r, for reference components r and predicted ones p.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.

    Returns:
        0 or more; lower is better.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(lesion_splits(one, other, spacing=(2.0,)))
        0.0

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    xp = _array.array_namespace(matches.shared)
    return xp.sum(xp.astype(matches.reference.partners > 1, matches.reference.volumes.dtype), axis=-1)


@from_instances
def lesion_merges(matches: InstanceMatches) -> Array:
    """Return the number of predicted components that share voxels with several reference ones.

    Formula: number of p with more than one r that meets p, for reference components r and predicted ones p.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.

    Returns:
        0 or more; lower is better.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(lesion_merges(one, other, spacing=(2.0,)))
        0.0

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    xp = _array.array_namespace(matches.shared)
    return xp.sum(xp.astype(matches.prediction.partners > 1, matches.prediction.volumes.dtype), axis=-1)


@from_instances
def lesion_count_difference(matches: InstanceMatches) -> Array:
    """Return by how much the numbers of predicted and of reference components differ.

    Formula: |P - R|, with P predicted components and R of the reference.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.

    Returns:
        0 or more; lower is better.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(lesion_count_difference(one, other, spacing=(2.0,)))
        1.0

    Source:
        Hernandez Petzsche et al. 2022, ISLES 2022, doi 10.1038/s41597-022-01875-5.
    """
    xp = _array.array_namespace(matches.shared)
    counts = [
        xp.sum(xp.astype(side.sizes > 0, matches.reference.volumes.dtype), axis=-1)
        for side in (matches.prediction, matches.reference)
    ]
    return xp.abs(counts[0] - counts[1])


@from_instances
def missed_volume(matches: InstanceMatches) -> Array:
    """Return the volume of the reference components without a match.

    Formula: sum of the volumes of the FN components.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.

    Returns:
        Cubic millimetres, 0 or more; lower is better.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(missed_volume(one, other, spacing=(2.0,)))
        0.0

    Source:
        Gatidis et al. 2024, autoPET, doi 10.1038/s42256-024-00912-9.
    """
    xp = _array.array_namespace(matches.shared)
    reference = matches.reference
    return xp.sum(xp.where(reference.matched, 0.0, reference.volumes), axis=-1)


@from_instances
def false_volume(matches: InstanceMatches) -> Array:
    """Return the volume of the predicted components without a match.

    Formula: sum of the volumes of the FP components.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`; several records are
            pooled by `merge`.

    Returns:
        Cubic millimetres, 0 or more; lower is better.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> float(false_volume(one, other, spacing=(2.0,)))
        2.0

    Source:
        Gatidis et al. 2024, autoPET, doi 10.1038/s42256-024-00912-9.
    """
    xp = _array.array_namespace(matches.shared)
    prediction = matches.prediction
    return xp.sum(xp.where(prediction.matched, 0.0, prediction.volumes), axis=-1)
