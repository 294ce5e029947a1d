"""Detection of lesions by scores: how many are found, and how many invented, at every threshold of the score.

A predicted component has a score, such as the largest probability inside. `detection_counts` goes once over the
components of all cases, which `merge` pools first; the FROC curve and the average precision follow from its record.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels.numbered_runs import numbered_runs
from mia_functional.metrics.instances import InstanceMatches
from mia_functional.typing import Array, HostArray

__all__ = [
    "DetectionCounts",
    "FrocCurve",
    "detection_average_precision",
    "detection_counts",
    "froc_curve",
    "froc_score",
    "instance_scores",
]

_BetweenRates: TypeAlias = Literal["linear", "step"]

_BetweenRecalls: TypeAlias = Literal["all-point", "101-point", "11-point", "none"]

_RECALLS = {"101-point": 101, "11-point": 11}
"""At how many recalls from 0 to 1 precisions are read."""


class DetectionCounts(NamedTuple):
    """What is found at falling thresholds of the score. Those of several cases need their records merged first.

    Attributes:
        thresholds: The scores of all predicted components, falling, shape (P,). Equal ones are one operating point,
            which stands there as often.
        found: Reference components that a prediction of that score or a higher one is matched with, shape (P,).
        false: Predicted components without a match of that score or a higher one, shape (P,).
        references: How many reference components there are.
        cases: How many pairs of arrays there were.
        overflow: How many of them had more components or pairs than the record of matches holds: metrics are NaN then.
    """

    thresholds: Array
    found: Array
    false: Array
    references: Array
    cases: Array
    overflow: Array


class FrocCurve(NamedTuple):
    """Points from (0, 0) on by falling thresholds, the first of which is infinite; all of shape (P + 1,)."""

    thresholds: Array
    false_positives_per_case: Array
    sensitivity: Array


@_array.one_node
def instance_scores(
    probabilities: Array,
    array: Array,
    *,
    connectivity: int | None = None,
    instances: bool = False,
    reduction: Callable[[HostArray], float] = np.max,
) -> Array:
    """Return the score of each component: what a function makes of the probabilities inside. It runs on the host.

    Args:
        probabilities: Floats of the shape of the array.
        array: The predicted mask (bool, or integers 0 and 1) of one to three axes; with `instances`, a map of instance
            numbers.
        connectivity: As in `instance_matches`.
        instances: Whether the array holds instance numbers.
        reduction: From the probabilities of one component, as a flat array of NumPy, to its score: `numpy.max`,
            `numpy.mean`.

    Returns:
        Floats of shape (N,), in the order of `instance_matches`.

    Raises:
        TypeError: An argument is not an array or has no values, as in a program; the array holds floats; the reduction
            is no function.
        ValueError: The shapes differ; the array is empty or has more than three axes; a mask holds other values than 0
            and 1.

    Example:
        >>> import numpy as np
        >>> probabilities, mask = np.array([0.5, 0.75, 0.25, 1.0]), np.array([1, 1, 0, 1])
        >>> instance_scores(probabilities, mask).tolist()
        [0.75, 1.0]
        >>> instance_scores(probabilities, mask, reduction=np.mean).tolist()
        [0.625, 1.0]
    """
    name = "instance_scores"
    checks.booleans(name, instances=instances)
    xp = _array.checked_namespace(name, probabilities=probabilities, array=array)
    checks.same_shape(name, "probabilities", probabilities.shape, array.shape, of="the array")
    checks.require_callable(name, "reduction", reduction, "`numpy.max`")
    components = numbered_runs(name, "array", array, connectivity=connectivity, instances=instances)
    runs, order = components.runs, np.argsort(components.numbers, kind="stable")
    starts, lengths = runs.start[order], (runs.stop - runs.start)[order]
    behind = np.cumsum(lengths)
    positions = np.arange(int(lengths.sum())) + np.repeat(starts - behind + lengths, lengths)
    values = _array.to_numpy(probabilities).reshape(-1)[positions]
    sizes = np.bincount(components.numbers, weights=runs.stop - runs.start, minlength=components.total)
    bounds = itertools.pairwise([0, *np.cumsum(sizes.astype(np.int64))])
    scores = np.array([float(reduction(values[low:high])) for low, high in bounds])
    return _array.from_numpy(scores, xp, array)


@_array.one_node
def detection_counts(matches: InstanceMatches, scores: Array) -> DetectionCounts:
    """Count the lesions that are found, and those that are invented, at every threshold of a score.

    A reference component is found at a threshold if a prediction of that score or a higher one is matched with it: of
    several that are, the best counts, and the others are no false positives.

    Args:
        matches: Components that were matched; several records are pooled by `merge`.
        scores: Finite floats, one for each predicted component, shape (P,): `instance_scores`, of merged records one
            after the other. What fills up a fixed shape may have any.

    Returns:
        Integer counts for every threshold.

    Raises:
        TypeError: `matches` is not a record of `instance_matches`, or `scores` no array of floats of its library or of
            NumPy.
        ValueError: There is not one score for each predicted component; a score is not finite.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> found = instance_matches(np.array([1, 0, 1, 0, 1]), np.array([1, 0, 1, 0, 0]), spacing=(1.0,))
        >>> counts = detection_counts(found, np.array([0.9, 0.6, 0.7]))
        >>> counts.thresholds.tolist(), counts.found.tolist(), counts.false.tolist()
        ([0.9, 0.7, 0.6], [1, 1, 2], [0, 1, 1])
    """
    name = "detection_counts"
    checks.require_instance(name, "matches", matches, InstanceMatches, "a record of `instance_matches`")
    prediction, reference, pairs = matches[:3]
    # In one place, as the components may lie on a mesh of devices.
    xp, (scores, _) = _array.to_common_library(name, scores=scores, matches=prediction.sizes)
    checks.same_shape(name, "scores", scores.shape, prediction.sizes.shape, of="the predicted components")
    if _array.dtype_kind(scores) != "float":
        checks.invalid_kind(name, "scores", "hold floats", scores.dtype)
    if scores.ndim != 1:
        checks.invalid_value(name, "matches", "be a record of one threshold", tuple(prediction.sizes.shape))
    there = prediction.sizes > 0
    if _array.is_known_true(lambda one, flags: xp.any(flags & ~xp.isfinite(one)), scores, there):
        checks.invalid_value(name, "scores", "be finite", "others")
    known = xp.astype(scores, pairs.iou.dtype), there, prediction.matched, pairs.prediction, pairs.reference
    given = *known, pairs.matched, reference.sizes
    if _array.is_traced(scores) or _array.is_traced(there):
        thresholds, found, false = _count_detections(*given)
    else:
        count = scores.shape[0]
        if _array.is_unknown(scores) or _array.is_unknown(there):
            form = {"shape": (3 * count,), "dtype": pairs.iou.dtype}
            packed = _array.call_opaquely(name, _packed_counts, *given, **form)
        else:
            packed = _packed_counts(*given)
        thresholds, counted = packed[:count], xp.astype(packed[count:], prediction.sizes.dtype)
        found, false = counted[:count], counted[count:]
    total = xp.sum(xp.astype(reference.sizes > 0, reference.sizes.dtype))
    return DetectionCounts(thresholds, found, false, total, matches.cases, matches.overflow)


def _packed_counts(*given: Array) -> Array:
    """Return thresholds and counts in one array, found on the host."""
    flat = np.concatenate([_array.to_numpy(column) for column in _count_detections(*map(_array.to_numpy, given))])
    return _array.from_numpy(flat, _array.array_namespace(given[0]), given[0])


def _count_detections(
    scores: Array, there: Array, matched: Array, first: Array, second: Array, pairs_matched: Array, sizes: Array
) -> tuple[Array, Array, Array]:
    """Return falling thresholds, and how many are found and false at each, with arrays of NumPy or JAX.

    Args:
        scores: Scores of the predicted components, (P,).
        there: Which of them are no filling.
        matched: Which of them are matched.
        first: Position of the predicted component of each pair, (K,).
        second: Position of the reference component.
        pairs_matched: Which pairs are matched.
        sizes: Voxels of each reference component, (R,).
    """
    xp = _array.array_namespace(scores)
    if scores.shape[0] == 0:
        return scores, xp.zeros_like(sizes[:0]), xp.zeros_like(sizes[:0])
    # From here on all is negative, so that what comes first is what has a high score, and infinities come last.
    infinities = xp.full_like(scores, math.inf)
    negative = xp.where(there, -scores, infinities)
    false = xp.where(matched, infinities, negative)
    best = xp.full_like(sizes, math.inf, dtype=scores.dtype)
    if 0 not in (first.shape[0], sizes.shape[0]):
        places = [xp.maximum(index, xp.zeros_like(index)) for index in (first, second)]
        values = xp.take(negative, places[0])
        best = _array.lower_at(best, places[1], xp.where(pairs_matched, values, xp.full_like(values, math.inf)))
    # What fills up a fixed shape repeats the last threshold; without any component there is none that is passed.
    last = xp.max(xp.where(there, -scores, -infinities))
    levels = xp.sort(xp.where(there, negative, last))
    found, lost = (
        xp.astype(xp.searchsorted(xp.sort(values), levels, side="right"), sizes.dtype) for values in (best, false)
    )
    return -levels, found, lost


@_array.one_node
def froc_curve(counts: DetectionCounts) -> FrocCurve:
    """Return the free-response ROC curve (FROC): the share of lesions that are found over the false ones per case.

    Args:
        counts: What is found at falling thresholds.

    Returns:
        Points from (0, 0) on by falling thresholds. The sensitivity is NaN where there is no reference component, or
        where components are missing from the record.

    Raises:
        TypeError: `counts` is no `DetectionCounts`.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> found = instance_matches(np.array([1, 0, 1, 0, 1]), np.array([1, 0, 1, 0, 0]), spacing=(1.0,))
        >>> curve = froc_curve(detection_counts(found, np.array([0.9, 0.6, 0.7])))
        >>> curve.false_positives_per_case.tolist(), curve.sensitivity.tolist()
        ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])

    Source:
        Bunch et al. 1977, A free response approach to the measurement and characterization of radiographic observer
        performance, doi 10.1117/12.955926.
    """
    _require_counts("froc_curve", counts)
    return _array.jit_call(_curve, *counts)


def _curve(*counts: Array) -> FrocCurve:
    """Return the FROC curve of the fields of a record."""
    xp = _array.array_namespace(counts[0])
    found, false, references, cases = (xp.astype(field, counts[0].dtype) for field in counts[1:5])
    start = _array.zeros(xp, (1,), found.dtype, found)
    rates = [
        _array.ratio(xp.concat([start, column]), xp.broadcast_to(total, (found.shape[0] + 1,)))
        for column, total in ((false, cases), (found, references))
    ]
    sensitivity = xp.where(counts[5] > 0, math.nan, rates[1])
    return FrocCurve(xp.concat([start + math.inf, counts[0]]), rates[0], sensitivity)


@_array.one_node
def froc_score(
    counts: DetectionCounts,
    *,
    at: Sequence[float] = (0.125, 0.25, 0.5, 1, 2, 4, 8),
    interpolation: _BetweenRates = "linear",
) -> Array:
    """Return the mean sensitivity at some rates of false positives per case: the FROC score, or CPM.

    Formula: sum s(f) / n over the n rates f, with the sensitivity s of the FROC curve.

    Args:
        counts: What is found at falling thresholds.
        at: Numbers of false positives per case. The default are those of LUNA16, the competition performance metric;
            those of CAMELYON16 are (0.25, 0.5, 1, 2, 4, 8).
        interpolation: "linear" goes straight from one point of the curve to the next, from (0, 0) on, as LUNA16 does;
            "step" takes the best point that has not more false positives. Beyond the last point all have its value.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No reference component: NaN.

    Raises:
        TypeError: `counts` is no `DetectionCounts`, or the rates are no numbers.
        ValueError: There is no rate, or one is negative or not finite; the interpolation is unknown.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> found = instance_matches(np.array([1, 0, 1, 0, 1]), np.array([1, 0, 1, 0, 0]), spacing=(1.0,))
        >>> counts = detection_counts(found, np.array([0.9, 0.6, 0.7]))
        >>> float(froc_score(counts, at=(0.5, 1))), float(froc_score(counts, at=(0.5,), interpolation="step"))
        (0.75, 0.5)

    Source:
        Niemeijer et al. 2011, On combining computer-aided detection systems, doi 10.1109/TMI.2010.2072789; Setio et al.
        2017, LUNA16, doi 10.1016/j.media.2017.06.015.

    Agrees with:
        LUNA16's evaluation; MONAI's `compute_froc_score`, but for its points: see CORRECTNESS.md.
    """
    _require_counts("froc_score", counts)
    rates = checks.float_tuple("froc_score", "at", at)
    if not rates or not all(0 <= rate < math.inf for rate in rates):
        checks.invalid_value("froc_score", "at", "be rates from 0 on", at)
    checks.one_of("froc_score", "interpolation", interpolation, get_args(_BetweenRates))
    return _array.jit_call(_mean_sensitivity, *counts, rates=rates, straight=interpolation == "linear")


def _mean_sensitivity(*counts: Array, rates: tuple[float, ...], straight: bool) -> Array:
    """Return the mean of the FROC curve of the fields of a record at some rates, straight between points or not."""
    _, x, y = _curve(*counts)
    xp = _array.array_namespace(x)
    wanted = xp.astype(_array.from_numpy(np.asarray(rates), xp, x), x.dtype)
    # The last point that has not more false positives, and the one behind it.
    low = xp.sum(xp.astype(x[None, :] <= wanted[:, None], _array.index_dtype(xp)), axis=1) - 1
    high = xp.minimum(low + 1, xp.full_like(low, x.shape[0] - 1))
    (x0, x1), (y0, y1) = ([xp.take(values, index) for index in (low, high)] for values in (x, y))
    if straight:
        y0 = y0 + (y1 - y0) * _array.ratio(wanted - x0, x1 - x0, zero_division=0.0)
    return xp.mean(y0)


@_array.one_node
def detection_average_precision(
    counts: DetectionCounts, *, interpolation: _BetweenRecalls = "all-point", zero_division: float = math.nan
) -> Array:
    """Return the average precision (AP) of lesions: the area under the precision over the recall of their detection.

    Formula: sum (r_k - r_(k-1)) p_k, with the recalls r and the precisions p by falling thresholds, from a recall of 0
    on; or the mean of p at recalls in equal steps.

    Args:
        counts: What is found at falling thresholds.
        interpolation: "all-point" takes as the precision at a recall the best one at it or beyond (PASCAL VOC from 2010
            on); "101-point" so at the recalls 0, 0.01, ... 1 (COCO), "11-point" at 0, 0.1, ... 1 (PASCAL VOC 2007);
            "none" takes each precision as it is, as `average_precision` does for voxels.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No reference component: NaN, or `zero_division`.

    Raises:
        TypeError: `counts` is no `DetectionCounts`.
        ValueError: The interpolation is unknown.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> found = instance_matches(np.array([1, 0, 1, 0, 1]), np.array([1, 0, 1, 0, 0]), spacing=(1.0,))
        >>> round(float(detection_average_precision(detection_counts(found, np.array([0.9, 0.6, 0.7])))), 6)
        0.833333

    Source:
        Everingham et al. 2010, The PASCAL visual object classes challenge, doi 10.1007/s11263-009-0275-4; Lin et al.
        2014, Microsoft COCO, doi 10.1007/978-3-319-10602-1_48.

    Agrees with:
        pycocotools at one IoU above 0.5, where scores differ; scikit-learn's `average_precision_score` with "none",
        where all are found.
    """
    name = "detection_average_precision"
    _require_counts(name, counts)
    checks.one_of(name, "interpolation", interpolation, get_args(_BetweenRecalls))
    return _array.jit_call(_area_below, *counts, interpolation=interpolation, zero_division=float(zero_division))


def _area_below(*counts: Array, interpolation: str, zero_division: float) -> Array:
    """Return the average precision of the fields of a record."""
    xp = _array.array_namespace(counts[0])
    found, false, references = (xp.astype(field, counts[0].dtype) for field in counts[1:4])
    recall = _array.ratio(found, xp.broadcast_to(references, found.shape), zero_division=0.0)
    precision = _array.ratio(found, found + false, zero_division=0.0)
    if interpolation != "none":
        precision = _best_from_here_on(precision)
    if interpolation in _RECALLS:
        steps = _RECALLS[interpolation]
        wanted = xp.astype(_array.from_numpy(np.linspace(0, 1, steps), xp, found), found.dtype)
        # The precision at the first point that has a recall, 0 where none has.
        padded = xp.concat([precision, xp.zeros_like(wanted[:1])])
        behind = xp.astype(recall[None, :] < wanted[:, None], _array.index_dtype(xp))
        area = xp.mean(xp.take(padded, xp.sum(behind, axis=1)))
    else:
        before = xp.concat([xp.zeros_like(recall[:1]), recall[:-1]])
        area = xp.sum((recall - before) * precision)
    area = xp.where(references > 0, area, zero_division)
    return xp.where(counts[5] > 0, math.nan, area)


def _best_from_here_on(values: Array) -> Array:
    """Return for each position the largest value at it or behind it: the standard has no cumulative maximum."""
    xp, step = _array.array_namespace(values), 1
    while step < values.shape[0]:
        values = xp.concat([xp.maximum(values[:-step], values[step:]), values[-step:]])
        step *= 2
    return values


def _require_counts(function: str, counts: object) -> None:
    """Raise unless a function was given what `detection_counts` gives it."""
    checks.require_instance(function, "counts", counts, DetectionCounts, "the record of `detection_counts`")
