"""Uncertainties of voxels beside errors: what is wrong should be uncertain.

An uncertainty is any number that is larger where a prediction is less sure: an entropy, a variance, 1 - p of a
confidence p. Errors are voxels that a segmentation gets wrong, or that probabilities get wrong once they are decided
on. Records of counts are added up over cases by `merge`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_map
from mia_functional.metrics.confusion import ConfusionCounts
from mia_functional.metrics.inputs import check_countable, paired_arrays
from mia_functional.metrics.overlap import dice
from mia_functional.metrics.probabilities import device_pair, host_pieces, probability_pair, runs_on_host
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.metrics.thresholds import ThresholdCounts, count_on_device, count_on_host, given_thresholds
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = ["decision_counts", "uncertainty_counts", "uncertainty_error_dice"]

_VOXELS_OF_A_PIECE = 2**16
"""Voxels at a time in the host's memory."""

# Most voxels of a volume are sure: near 0 the steps are ratios of 2^(1/4), down to the least float16.
_THRESHOLDS = (0.0, *(2.0 ** (step / 4) for step in range(-96, -30)), *(step / 200 for step in range(1, 201)))
"""Thresholds of the uncertainty of decisions, from 0 to 1."""


@_array.one_node
def uncertainty_counts(
    prediction: Array,
    reference: Array,
    *,
    uncertainty: Array,
    mask: Array | None = None,
    thresholds: int | Sequence[float] | Array = 201,
) -> ThresholdCounts:
    """Count, at many thresholds of the uncertainty, which voxels are uncertain and which are wrong.

    A voxel is wrong where prediction and reference differ, and uncertain where its uncertainty is at the threshold or
    above. `merge` adds records up over cases; `roc_curve` and `area_under_roc_curve` of one say how well the
    uncertainty finds errors, `best_threshold` where a metric of counts is highest, `error_coverage_curve` what the risk
    is of what is kept.

    Args:
        prediction: Mask (bool, or integers 0 and 1) or integer label map. For one structure, pass its masks.
        reference: Array of the same shape.
        uncertainty: Real numbers of that shape, larger for less sure voxels.
        mask: Mask of that shape; only voxels inside it count: a region, the box around a structure.
        thresholds: Increasing numbers; all values that occur (`numpy.unique`) give the exact curves. Or how many, at
            equal steps from 0 to 1, for an uncertainty within these. They are rounded to the dtype of the uncertainty.

    Returns:
        Integer counts of shape (T,): true positives are wrong and uncertain, false positives right and uncertain.

    Raises:
        TypeError: The pair holds floats, `uncertainty` no real numbers; arrays of two libraries other than NumPy, or of
            two devices, meet.
        ValueError: The shapes differ or are empty; an uncertainty is NaN; thresholds do not increase.

    Example:
        >>> import numpy as np
        >>> pair, unsure = (np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])), np.array([0.0, 0.3, 0.6, 0.5])
        >>> record = uncertainty_counts(*pair, uncertainty=unsure, thresholds=(0.25, 0.5))
        >>> record.counts.tp.tolist(), record.counts.fp.tolist()
        ([1, 1], [2, 1])

    Source:
        Jungo and Reyes 2019, doi 10.1007/978-3-030-32245-8_6.
    """
    name = "uncertainty_counts"
    prediction, reference, *inside = paired_arrays(name, prediction, reference, mask=mask)
    arrays = {"reference": reference, "prediction": prediction, "uncertainty": uncertainty}
    xp, (reference, prediction, uncertainty) = _array.to_common_library(name, **arrays)
    checks.same_shape(name, "uncertainty", uncertainty.shape, reference.shape)
    _array.require_real(name, "uncertainty", uncertainty)
    check_countable(name, reference)
    given = given_thresholds(name, thresholds, within=(-math.inf, math.inf))
    found, known = label_map(name, "prediction", prediction), label_map(name, "reference", reference)
    is_float = _array.dtype_kind(uncertainty) == "float"
    values = _array.computable(
        uncertainty if is_float else xp.astype(uncertainty, _array.widest_float(xp, uncertainty))
    )
    if all(map(_array.in_host_memory, (found, known, values, *inside))):
        pieces = _wrong_voxels(name, found, known, values, inside[0] if inside else None)
        record = count_on_host(pieces, values, given, rows=1)
    else:
        chosen = inside[0] if inside else xp.ones_like(found, dtype=xp.bool)
        if _array.is_known_true(lambda values, chosen: xp.any(xp.isnan(values) & chosen), values, chosen):
            checks.invalid_value(name, "uncertainty", "be numbers", "NaN")
        wide = xp.astype(values, _array.accumulator_dtype(values))
        numbers, wrong, own = (xp.expand_dims(one, axis=-1) for one in (wide, (found != known) & chosen, chosen))
        record = count_on_device(numbers, wrong, own, given, dtype=values.dtype)
    return record._replace(counts=ConfusionCounts(*(field[0, ...] for field in record.counts)))


def _wrong_voxels(
    function: str, prediction: Array, reference: Array, uncertainty: Array, mask: Array | None
) -> Iterator[tuple[HostArray, HostArray]]:
    """Yield the uncertainties of some voxels at a time and whether they are wrong, both of shape (voxels, 1)."""
    flat = [_array.to_numpy(array).reshape(-1) for array in (prediction, reference, uncertainty)]
    inside = None if mask is None else _array.to_numpy(mask).reshape(-1)
    for begin in range(0, flat[0].size, _VOXELS_OF_A_PIECE):
        part = slice(begin, begin + _VOXELS_OF_A_PIECE)
        found, known, values = (array[part] for array in flat)
        wrong = found != known
        if inside is not None:
            wrong, values = wrong[inside[part]], values[inside[part]]
        if np.isnan(values).any():
            checks.invalid_value(function, "uncertainty", "be numbers", "NaN")
        yield values[:, None], wrong[:, None]


@_array.one_node
def decision_counts(
    probabilities: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None = None,
    mask: Array | None = None,
    thresholds: int | Sequence[float] | Array | None = None,
) -> ThresholdCounts:
    """Count, at many thresholds of the uncertainty of probabilities, which decisions are uncertain and which are wrong.

    A voxel is decided to have a label where its probability p is 0.5 or more, and as uncertain as min(2 p, 2 - 2 p): 0
    where p is 0 or 1, and 1 where it is 0.5. It is uncertain at a threshold where that is at the threshold or above.

    Args:
        probabilities: Floats from 0 to 1, of the shape of the reference; with `labels`, one last axis of length L more.
        reference: Mask (bool, or integers 0 and 1); with `labels`, an integer label map.
        labels: Mapping from labels to names, or a sequence of labels, in the order of the last axis of `probabilities`;
            each is decided on against the rest.
        mask: Mask of the reference's shape; only voxels inside it count.
        thresholds: Increasing numbers from 0 to 1, by default 267 with steps of 0.005, and finer ones below. Or how
            many, at equal steps from 0 to 1. They are rounded to the dtype of the probabilities.

    Returns:
        Integer counts for every threshold, the last axis: true positives are wrong and uncertain, false positives right
        and uncertain. `error_coverage_curve`, `uncertainty_error_dice` and `area_under_roc_curve` take the record.

    Raises:
        TypeError: `probabilities` does not hold floats; the reference holds floats; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes do not fit; probabilities are NaN, or lie outside of 0 and 1 as logits do; thresholds do
            not increase within 0 and 1.

    Example:
        >>> import numpy as np
        >>> record = decision_counts(np.array([0.1, 0.4, 0.9, 0.75]), np.array([0, 1, 1, 1]), thresholds=(0.25, 0.75))
        >>> record.counts.tp.tolist(), record.counts.fp.tolist()
        ([1, 1], [1, 0])

    Source:
        Hendrycks and Gimpel 2017, arXiv 1610.02136, whose confidence is the largest probability, 1 - u / 2.
    """
    name = "decision_counts"
    pair = probability_pair(name, probabilities, reference, labels=labels, mask=mask)
    check_countable(name, pair.reference)
    given = given_thresholds(name, _THRESHOLDS if thresholds is None else thresholds, within=(0, 1))
    # 1 - p is exact where it is the smaller one, so that p and 1 - p are equally sure in any dtype.
    if runs_on_host(pair):
        pieces = ((2 * np.minimum(p, 1 - p), (p >= 0.5) != known) for p, known in host_pieces(name, pair))
        record = count_on_host(pieces, pair.probabilities, given, rows=1 if pair.sets is None else len(pair.sets))
    else:
        p, structures, inside = device_pair(name, pair)
        unsure, wrong = 2 * _array.array_namespace(p).minimum(p, 1 - p), ((p >= 0.5) != structures) & inside
        record = count_on_device(unsure, wrong, inside, given, dtype=pair.probabilities.dtype)
    if pair.sets is None:
        record = record._replace(counts=ConfusionCounts(*(field[0, ...] for field in record.counts)))
    return record


@derived_from(uncertainty_counts, ThresholdCounts)
def uncertainty_error_dice(
    record: ThresholdCounts, *, threshold: float | None = None, zero_division: float = math.nan
) -> Array:
    """Return the uncertainty-error overlap (U-E): the Dice coefficient of what is uncertain and what is wrong.

    Formula: 2 |U and E| / (|U| + |E|), with the voxels U whose uncertainty is at a threshold or above, and E where
    prediction and reference differ.

    Args:
        record: Counts at thresholds, or prediction and reference with the options of `uncertainty_counts`; of
            probabilities, the record of `decision_counts`. The best threshold of a set is `best_threshold(record,
            metric=dice)` of its merged record.
        threshold: Only at the threshold of the record that is nearest to this number.
        zero_division: The value where nothing is wrong and nothing uncertain.

    Returns:
        A value for each threshold, (..., T), or without that axis for one, from 0 to 1; higher is better.

    Undefined:
        Nothing is wrong and nothing uncertain: NaN.

    Raises:
        TypeError: As `uncertainty_counts`; or `threshold` is no number.
        ValueError: As `uncertainty_counts`; or `threshold` is not finite.

    Example:
        >>> import numpy as np
        >>> pair, unsure = (np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])), np.array([0.0, 0.3, 0.6, 0.5])
        >>> uncertainty_error_dice(*pair, uncertainty=unsure, thresholds=(0.25, 0.5, 0.75)).round(3).tolist()
        [0.5, 0.667, 0.0]

    Source:
        Jungo and Reyes 2019, Assessing reliability and challenges of uncertainty estimations for medical image
        segmentation, doi 10.1007/978-3-030-32245-8_6.
    """
    values = dice(record.counts, zero_division=zero_division)
    if threshold is None:
        return values
    xp, wanted = _array.array_namespace(values), checks.number("uncertainty_error_dice", "threshold", threshold)
    if not math.isfinite(wanted):
        checks.invalid_value("uncertainty_error_dice", "threshold", "be finite", threshold)
    nearest = xp.argmin(xp.abs(record.thresholds - wanted))
    return xp.take(values, xp.reshape(nearest, (1,)), axis=-1)[..., 0]
