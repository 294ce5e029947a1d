"""Probabilities at many thresholds: curves, the areas under them, and the threshold that is best for a metric.

`threshold_counts` goes once over probabilities and reference. Its record has the confusion counts of every threshold,
so that all metrics of counts can be had at all thresholds, and `merge` adds it up over cases: of voxels or of subjects.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.confusion import ConfusionCounts, count_true, float_counts
from mia_functional.metrics.inputs import check_countable
from mia_functional.metrics.probabilities import (
    device_pair,
    host_pieces,
    probability_pair,
    runs_on_host,
)
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = [
    "PrecisionRecallCurve",
    "RocCurve",
    "ThresholdCounts",
    "area_under_roc_curve",
    "average_precision",
    "best_threshold",
    "count_on_device",
    "count_on_host",
    "given_thresholds",
    "precision_recall_curve",
    "roc_curve",
    "threshold_counts",
]


class ThresholdCounts(NamedTuple):
    """Confusion counts at thresholds.

    Attributes:
        thresholds: Floats of shape (T,), increasing.
        counts: Confusion counts of shape (..., T); `...` is L with labels. What is at a threshold or above is positive.
    """

    thresholds: Array
    counts: ConfusionCounts


class RocCurve(NamedTuple):
    """Points from (0, 0) on, by falling thresholds, the first of which is infinite: (T + 1,) and (..., T + 1)."""

    thresholds: Array
    false_positive_rate: Array
    true_positive_rate: Array


class PrecisionRecallCurve(NamedTuple):
    """Points by falling thresholds: (T,) and (..., T)."""

    thresholds: Array
    precision: Array
    recall: Array


@_array.one_node
def threshold_counts(
    probabilities: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None = None,
    mask: Array | None = None,
    thresholds: int | Sequence[float] | Array = 201,
) -> ThresholdCounts:
    """Count true and false positives and negatives at many thresholds: the statistic of curves over thresholds.

    Args:
        probabilities: Floats from 0 to 1, of the shape of the reference; with `labels`, one last axis of length L more.
        reference: Mask (bool, or integers 0 and 1); with `labels`, an integer label map.
        labels: Mapping from labels to names, or a sequence of labels, in the order of the last axis of `probabilities`.
        mask: Mask of the reference's shape; only voxels inside it count.
        thresholds: Increasing numbers from 0 to 1; all values that occur (`numpy.unique`) give the exact curves. Or how
            many, at equal steps from 0 to 1. They are rounded to the dtype of the probabilities.

    Returns:
        Integer counts for every threshold, the last axis.

    Raises:
        TypeError: `probabilities` does not hold floats; the reference holds floats; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes do not fit; probabilities are NaN, or lie outside of 0 and 1 as logits do; thresholds do
            not increase within 0 and 1.

    Example:
        >>> import numpy as np
        >>> record = threshold_counts(np.array([0.1, 0.5, 0.9]), np.array([0, 1, 1]), thresholds=(0.25, 0.75))
        >>> record.counts.tp.tolist(), record.counts.fp.tolist()
        ([2, 1], [0, 0])
    """
    name = "threshold_counts"
    pair = probability_pair(name, probabilities, reference, labels=labels, mask=mask)
    check_countable(name, pair.reference)
    given = given_thresholds(name, thresholds, within=(0, 1))
    if runs_on_host(pair):
        rows = 1 if pair.sets is None else len(pair.sets)
        record = count_on_host(host_pieces(name, pair), pair.probabilities, given, rows=rows)
    else:
        record = count_on_device(*device_pair(name, pair), given, dtype=pair.probabilities.dtype)
    if pair.sets is None:
        record = record._replace(counts=ConfusionCounts(*(field[0, ...] for field in record.counts)))
    return record


def given_thresholds(function: str, thresholds: Any, *, within: tuple[float, float]) -> HostArray:
    """Return thresholds as float64; a number of them lies at equal steps from 0 to 1."""
    if not checks.has_shape(thresholds) and not isinstance(thresholds, Sequence):
        count = checks.integer(function, "thresholds", thresholds, minimum=2)
        return np.arange(count) / (count - 1)
    is_array = checks.has_shape(thresholds)
    listed: Any = _array.to_numpy(thresholds) if is_array else checks.float_tuple(function, "thresholds", thresholds)
    values = np.asarray(listed, np.float64)
    increases = values.ndim == 1 and values.size > 0 and bool((np.diff(values) > 0).all())
    if not (increases and values[0] >= within[0] and values[-1] <= within[1]):
        needed = "be a number of thresholds, or numbers that increase"
        limits = "" if math.isinf(within[1]) else f" within {within[0]} and {within[1]}"
        checks.invalid_value(function, "thresholds", needed + limits, checks.describe(values))
    return values


def count_on_host(
    pieces: Iterable[tuple[HostArray, HostArray]], model: Array, thresholds: HostArray, *, rows: int
) -> ThresholdCounts:
    """Return the counts of pieces of numbers and of what is true, both (voxels, rows), in the library of `model`."""
    xp, size = _array.array_namespace(model), len(thresholds) + 1
    own = thresholds.astype(_array.to_numpy(model).dtype)
    counts = np.zeros(2 * rows * size, np.int64)
    for values, known in pieces:
        # How many thresholds a number reaches.
        codes = np.searchsorted(own, values, "right") + np.arange(rows) * size
        counts += np.bincount((codes + known * (rows * size)).reshape(-1), minlength=counts.size)
    reached = counts.reshape(2, rows, size)[..., ::-1].cumsum(axis=-1)[..., ::-1]
    (fp, tp), (negatives, positives) = reached[..., 1:], reached[..., :1]
    fields = [_array.from_numpy(np.array(one), xp, model) for one in (tp, fp, positives - tp, negatives - fp)]
    edges = xp.astype(_array.from_numpy(own.astype(np.float64), xp, model), _array.widest_float(xp, model))
    return ThresholdCounts(edges, ConfusionCounts(*fields))


def count_on_device(values: Array, known: Array, mask: Array, thresholds: HostArray, *, dtype: Any) -> ThresholdCounts:
    """Return the counts of numbers, of what is true and of what counts, each with a last axis of rows, on any device.

    Args:
        values: Floats.
        known: Boolean array, True only where the mask is.
        mask: Boolean array that broadcasts against the others.
        thresholds: What the numbers are compared with.
        dtype: The dtype that thresholds are rounded to, that of the numbers as they were given.
    """
    xp = _array.array_namespace(values)
    own = xp.astype(_array.from_numpy(thresholds, xp, values), dtype)
    return _array.jit_call(_counted, values, known, mask, xp.astype(own, values.dtype))


def _counted(p: Array, known: Array, mask: Array, thresholds: Array) -> ThresholdCounts:
    """Return the counts of arrays with a last axis of labels."""
    xp, axes = _array.array_namespace(p), tuple(range(p.ndim - 1))
    lines = xp.reshape(thresholds, (-1, *(1,) * p.ndim))

    def count(line: Array) -> tuple[Array, Array]:
        found = (p >= line) & mask
        return count_true(found & known, axes), count_true(found & ~known, axes)

    rows = _array.map_rows(count, tuple((lines[k, ...],) for k in range(thresholds.shape[0])))
    tp, fp = (xp.stack(column, axis=-1) for column in zip(*rows, strict=True))
    positives = xp.expand_dims(count_true(known, axes), axis=-1)
    every = xp.expand_dims(count_true(mask, axes), axis=-1)
    return ThresholdCounts(thresholds, ConfusionCounts(tp, fp, positives - tp, every - positives - fp))


_from_thresholds = derived_from(threshold_counts, ThresholdCounts)


def _falling(record: ThresholdCounts) -> tuple[Array, Array, Array, Array]:
    """Return true and false positives by falling thresholds, and all positives and negatives, as floats."""
    xp = _array.array_namespace(record.counts.tp)
    tp, fp, fn, tn = (xp.flip(field, axis=-1) for field in float_counts(record.counts))
    return tp, fp, tp + fn, fp + tn


def roc_curve(record: ThresholdCounts) -> RocCurve:
    """Return the receiver operating characteristic: the share of positives that are found over that of false ones.

    Args:
        record: Counts at thresholds.

    Returns:
        Points from (0, 0) on by falling thresholds; NaN where there are no positives or no negatives.

    Raises:
        TypeError: `record` is no `ThresholdCounts`.

    Example:
        >>> import numpy as np
        >>> curve = roc_curve(threshold_counts(np.array([0.2, 0.4, 0.8]), np.array([0, 1, 1]), thresholds=(0, 0.5)))
        >>> curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist()
        ([0.0, 0.0, 1.0], [0.0, 0.5, 1.0])

    Source:
        Fawcett 2006, doi 10.1016/j.patrec.2005.10.010.
    """
    checks.require_instance("roc_curve", "record", record, ThresholdCounts, "ThresholdCounts")
    xp = _array.array_namespace(record.counts.tp)
    tp, fp, positives, negatives = _falling(record)
    falling = xp.flip(record.thresholds)
    first = xp.full_like(falling[:1], math.inf)
    rates = [_array.ratio(found, every) for found, every in ((fp, negatives), (tp, positives))]
    starts = [xp.zeros_like(rate[..., :1]) for rate in rates]
    points = [xp.concat([start, rate], axis=-1) for start, rate in zip(starts, rates, strict=True)]
    return RocCurve(xp.concat([first, falling]), *points)


def precision_recall_curve(record: ThresholdCounts) -> PrecisionRecallCurve:
    """Return the precision-recall curve: how many of what is found is right, over how much is found.

    Args:
        record: Counts at thresholds.

    Returns:
        Points by falling thresholds. Where nothing is found the precision is 1, as its limit is taken to be; where
        there are no positives the recall is NaN.

    Raises:
        TypeError: `record` is no `ThresholdCounts`.

    Example:
        >>> import numpy as np
        >>> record = threshold_counts(np.array([0.2, 0.4, 0.8]), np.array([0, 1, 1]), thresholds=(0, 0.5))
        >>> curve = precision_recall_curve(record)
        >>> curve.precision.round(3).tolist(), curve.recall.tolist()
        ([1.0, 0.667], [0.5, 1.0])

    Source:
        Davis and Goadrich 2006, doi 10.1145/1143844.1143874.
    """
    checks.require_instance("precision_recall_curve", "record", record, ThresholdCounts, "ThresholdCounts")
    tp, fp, positives, _ = _falling(record)
    precision = _array.ratio(tp, tp + fp, zero_division=1)
    return PrecisionRecallCurve(
        _array.array_namespace(tp).flip(record.thresholds), precision, _array.ratio(tp, positives)
    )


@_from_thresholds
def area_under_roc_curve(record: ThresholdCounts, *, zero_division: float = math.nan) -> Array:
    """Return the area under the ROC curve (AUROC) over all thresholds: how well probabilities tell what is so.

    Formula: sum (x_k - x_(k-1)) (y_k + y_(k-1)) / 2, with the false positive rates x and the true positive rates y by
    falling thresholds, from (0, 0) to (1, 1).

    Args:
        record: Counts at thresholds, or probabilities and reference with the options of `threshold_counts`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 to 1, 0.5 for chance; higher is better.

    Undefined:
        Reference empty or full: NaN.

    Example:
        >>> import numpy as np
        >>> float(area_under_roc_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])))
        0.75

    Source:
        Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747.

    Agrees with:
        scikit-learn's `roc_auc_score`, where every probability has a threshold of its own.
    """
    xp = _array.array_namespace(record.counts.tp)
    tp, fp, positives, negatives = _falling(record)
    x, y = (_array.ratio(found, every, zero_division=0) for found, every in ((fp, negatives), (tp, positives)))
    ends = xp.zeros_like(x[..., :1]), xp.ones_like(x[..., :1])
    x, y = (xp.concat([ends[0], rate, ends[1]], axis=-1) for rate in (x, y))
    area = xp.sum((x[..., 1:] - x[..., :-1]) * (y[..., 1:] + y[..., :-1]), axis=-1) / 2
    return xp.where((positives[..., 0] > 0) & (negatives[..., 0] > 0), area, zero_division)


@_from_thresholds
def average_precision(record: ThresholdCounts, *, zero_division: float = math.nan) -> Array:
    """Return the average precision (AP): the precision at each threshold, weighted by what it adds to the recall.

    Formula: sum (r_k - r_(k-1)) p_k, with the precisions p and the recalls r by falling thresholds, from a recall of 0
    on.

    Args:
        record: Counts at thresholds, or probabilities and reference with the options of `threshold_counts`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 to 1, the share of positives for chance; higher is better.

    Undefined:
        Reference empty: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))), 4)
        0.8333

    Source:
        Zhu 2004, Recall, precision and average precision; Boyd, Eng and Page 2013, doi 10.1007/978-3-642-40994-3_29.

    Agrees with:
        scikit-learn's `average_precision_score`, where every probability has a threshold of its own.
    """
    xp = _array.array_namespace(record.counts.tp)
    tp, fp, positives, _ = _falling(record)
    recall = _array.ratio(tp, positives, zero_division=0)
    before = xp.concat([xp.zeros_like(recall[..., :1]), recall[..., :-1]], axis=-1)
    area = xp.sum((recall - before) * _array.ratio(tp, tp + fp, zero_division=1), axis=-1)
    return xp.where(positives[..., 0] > 0, area, zero_division)


def best_threshold(record: ThresholdCounts, *, metric: Callable[[ConfusionCounts], Array]) -> Array:
    """Return for each label the threshold at which a metric of counts is highest, on a validation set say.

    Args:
        record: Counts at thresholds, merged over the cases: the metric is that of all their voxels together.
        metric: From counts of shape (..., T) to values of that shape, higher is better: `dice`, `youden_index`.

    Returns:
        Thresholds, the lowest of equally good ones. Where the metric is undefined (NaN) it is not the best; where it is
        at all thresholds, the lowest.

    Raises:
        TypeError: `record` is no `ThresholdCounts`, or `metric` no function.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import dice
        >>> record = threshold_counts(np.array([0.2, 0.4, 0.8]), np.array([0, 1, 1]), thresholds=(0, 0.25, 0.5))
        >>> float(best_threshold(record, metric=dice))
        0.25
    """
    checks.require_instance("best_threshold", "record", record, ThresholdCounts, "ThresholdCounts")
    checks.require_callable("best_threshold", "metric", metric, "`dice`")
    values = metric(record.counts)
    xp = _array.array_namespace(values)
    best = xp.argmax(xp.where(xp.isnan(values), -math.inf, values), axis=-1)
    chosen = xp.take(record.thresholds, xp.reshape(best, (-1,)), axis=0)
    return xp.reshape(chosen, best.shape)
