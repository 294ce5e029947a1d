"""What the risk is of what is kept, if the least sure cases or voxels are set aside: risk-coverage curves.

Cases have an uncertainty and a loss each, such as 1 - Dice (`risk_coverage_curve`). Voxels are counted at many
thresholds of their uncertainty (`uncertainty_counts`, `decision_counts`, whose records `merge` adds up over cases).
"""

import math
from typing import NamedTuple

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.confusion import float_counts
from mia_functional.metrics.inputs import paired_arrays
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.metrics.thresholds import ThresholdCounts
from mia_functional.typing import Array

__all__ = [
    "RiskCoverageCurve",
    "area_under_risk_coverage_curve",
    "error_coverage_curve",
    "excess_area_under_risk_coverage_curve",
    "risk_coverage_curve",
]

_NEAR_TERMS = 16
"""Terms of a harmonic number that are added one by one; from there on its series is exact to 1e-12."""


class RiskCoverageCurve(NamedTuple):
    """What the risk is if only the surest cases are kept, by rising coverage.

    Cases that are equally sure are kept or set aside together: they are one operating point. Behind the last point it
    is repeated, with a share of 0, as arrays have one length however many cases are equal.

    Attributes:
        coverage: Share of the cases that are kept, floats of shape (..., N) that end with 1.
        risk: Mean loss of those that are kept, floats of shape (..., N); NaN where none is.
        share: Share of the cases that each point adds to those before it, floats of shape (..., N), 1 in all.
        best_area: Area under the curve of the best order, in which small losses come first: floats of shape (...).
    """

    coverage: Array
    risk: Array
    share: Array
    best_area: Array


@_array.one_node
def risk_coverage_curve(uncertainty: Array, losses: Array, *, mask: Array | None = None) -> RiskCoverageCurve:
    """Return the risk-coverage curve: the mean loss of the surest cases, over how many of them are kept.

    Formula: risk r(t) = sum of the losses with u <= t over their number n(t), coverage n(t) / n, with the uncertainty u
    of each of n cases, at every t among the uncertainties.

    Args:
        uncertainty: Real numbers of any shape, one for each case (or voxel), larger for less sure ones; for a
            confidence, pass its negative. Infinite ones are the least or the most sure.
        losses: Real numbers or booleans of that shape: errors, 1 - Dice, absolute errors.
        mask: Mask of that shape; only cases inside it count.

    Returns:
        As many points as there are cases; a point of several is repeated at the end. The curve is differentiable by the
        losses. Cases are sorted, so that millions take seconds: `uncertainty_counts` is for voxels.

    Undefined:
        No cases, or in a program an uncertainty that is NaN: NaN. A loss that is NaN: NaN from its point on.

    Raises:
        TypeError: An argument is not an array of real numbers; arrays of two libraries other than NumPy, or of two
            devices, meet.
        ValueError: The shapes differ or are empty; an uncertainty is NaN.

    Example:
        >>> import numpy as np
        >>> curve = risk_coverage_curve(np.array([0.9, 0.1, 0.5, 0.5]), np.array([1.0, 0.0, 0.0, 1.0]))
        >>> curve.coverage.tolist(), curve.risk.round(3).tolist()
        ([0.25, 0.75, 1.0, 1.0], [0.0, 0.333, 0.5, 0.5])

    Source:
        El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification, JMLR 11.
    """
    name = "risk_coverage_curve"
    xp, (uncertainty, losses) = _array.to_common_library(name, uncertainty=uncertainty, losses=losses)
    _array.require_in_memory(name, "uncertainty", uncertainty)
    _array.require_real(name, "uncertainty", uncertainty)
    _array.require_real(name, "losses", losses)
    checks.same_shape(name, "losses", losses.shape, uncertainty.shape, of="the uncertainty")
    uncertainty, losses, *inside = paired_arrays(name, uncertainty, losses, mask=mask)
    dtype = _array.widest_float(xp, losses)
    # Floats of the widest dtype hold all others, so that nothing equal becomes different or the other way round.
    ranks, costs = (xp.reshape(xp.astype(_array.computable(one), dtype), (-1,)) for one in (uncertainty, losses))
    chosen = xp.reshape(inside[0], (-1,)) if inside else xp.ones_like(ranks, dtype=xp.bool)
    if _array.is_known_true(lambda ranks, chosen: xp.any(xp.isnan(ranks) & chosen), ranks, chosen):
        checks.invalid_value(name, "uncertainty", "be ordered", "NaN")
    return _array.jit_call(_ranked, ranks, costs, chosen)


def _ranked(ranks: Array, costs: Array, chosen: Array) -> RiskCoverageCurve:
    """Return the curve of flat arrays: uncertainties and losses as floats, and which of them count."""
    xp, dtype = _array.array_namespace(costs), costs.dtype
    unordered = xp.any(xp.isnan(ranks) & chosen)
    # What does not count comes last and adds nothing.
    keys, costs = xp.where(chosen, ranks, math.inf), xp.where(chosen, costs, 0.0)
    order = xp.argsort(keys)
    ordered, own, costs_in_order = (_array.take_along(one, order, axis=0) for one in (keys, chosen, costs))
    number = xp.astype(xp.cumulative_sum(xp.astype(own, _array.index_dtype(xp))), dtype)
    total = xp.cumulative_sum(costs_in_order)
    place = xp.cumulative_sum(xp.ones_like(order)) - 1
    # Positions at which the next uncertainty is another one, in front; behind them the last position.
    is_end = xp.concat([ordered[1:] != ordered[:-1], xp.ones_like(chosen[:1])])
    ends = xp.sort(xp.where(is_end, place, place[-1]))
    reached, lost = (_array.take_along(one, ends, axis=0) for one in (number, total))
    every = xp.zeros_like(number) + number[-1]
    before = xp.concat([xp.zeros_like(reached[:1]), reached[:-1]])
    # In the best order, the smallest losses come first.
    rank = xp.astype(place + 1, dtype)
    smallest = xp.cumulative_sum(xp.sort(xp.where(chosen, costs, math.inf))) / rank
    best = xp.sum(xp.where(rank <= every, smallest, 0.0))
    curve = (
        _array.ratio(reached, every),
        _array.ratio(lost, reached),
        _array.ratio(reached - before, every),
        _array.ratio(best, every[0]),
    )
    return RiskCoverageCurve(*(xp.where(unordered, math.nan, field) for field in curve))


_from_curve = derived_from(risk_coverage_curve, RiskCoverageCurve, ThresholdCounts)


@_from_curve
def area_under_risk_coverage_curve(
    curve: RiskCoverageCurve | ThresholdCounts, *, zero_division: float = math.nan
) -> Array:
    """Return the area under the risk-coverage curve (AURC): the mean risk over all numbers of cases that may be kept.

    Formula: sum r(u_i) / n, with the risk r(u_i) of all cases that are as sure as case i, or surer.

    Args:
        curve: A risk-coverage curve, or uncertainties and losses; of voxels, the record of `uncertainty_counts` or
            `decision_counts`, which is that of `error_coverage_curve`.
        zero_division: The value where the area is undefined.

    Returns:
        One number (one for each curve), within the range of the losses; lower is better. It depends on the risk of all
        cases as well as on their order: see `excess_area_under_risk_coverage_curve`.

    Undefined:
        No cases: NaN.

    Raises:
        TypeError: As `risk_coverage_curve`.
        ValueError: As `risk_coverage_curve`.

    Example:
        >>> import numpy as np
        >>> float(area_under_risk_coverage_curve(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 0, 1, 0])))
        0.14583333333333331

    Source:
        Geifman, Uziel and El-Yaniv 2019, Bias-reduced uncertainty estimation for deep neural classifiers, arXiv
        1805.08206.

    Differs from:
        torch-uncertainty's `AURC` and implementations that sort, of which equally sure cases come in the order of the
        arrays; those that integrate by trapezoids weigh the first and last point by a half.
    """
    if isinstance(curve, ThresholdCounts):
        curve = error_coverage_curve(curve, zero_division=0.0)
    return _mean_risk(curve, zero_division)


@_from_curve
def excess_area_under_risk_coverage_curve(
    curve: RiskCoverageCurve | ThresholdCounts, *, zero_division: float = math.nan
) -> Array:
    """Return the excess area under the risk-coverage curve (E-AURC): by how much the order could be better.

    Formula: AURC - AURC*, with the area AURC* of the order in which small losses come first.

    Args:
        curve: A risk-coverage curve, or uncertainties and losses; of voxels, the record of `uncertainty_counts` or
            `decision_counts`, which is that of `error_coverage_curve`.
        zero_division: The value where the area is undefined.

    Returns:
        One number (one for each curve), 0 or more; lower is better.

    Undefined:
        No cases: NaN.

    Raises:
        TypeError: As `risk_coverage_curve`.
        ValueError: As `risk_coverage_curve`.

    Example:
        >>> import numpy as np
        >>> order, errors = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 0, 1, 0])
        >>> round(float(excess_area_under_risk_coverage_curve(order, errors)), 6)
        0.083333

    Source:
        Geifman, Uziel and El-Yaniv 2019, arXiv 1805.08206, which take (1 - r) log(1 - r) + r for AURC* of errors, its
        limit for many cases with the risk r of all.
    """
    if isinstance(curve, ThresholdCounts):
        curve = error_coverage_curve(curve, zero_division=0.0)
    best = _array.array_namespace(curve.best_area).expand_dims(curve.best_area, axis=-1)
    return _mean_risk(curve._replace(risk=curve.risk - best), zero_division)


def _mean_risk(curve: RiskCoverageCurve, zero_division: float) -> Array:
    """Return the mean risk, each point as often as its share says; where there are no cases it is undefined."""
    xp = _array.array_namespace(curve.share)
    # A point at which nothing is kept has no risk, and no share.
    risk = xp.where(curve.share == 0, xp.zeros_like(curve.risk), curve.risk)
    return xp.where(xp.isnan(curve.coverage[..., -1]), zero_division, xp.sum(risk * curve.share, axis=-1))


def error_coverage_curve(record: ThresholdCounts, *, zero_division: float = math.nan) -> RiskCoverageCurve:
    """Return the risk-coverage curve of errors: what share of the voxels that are kept as certain is wrong.

    Formula: at each threshold, coverage (TN + FN) / n and risk FN / (TN + FN): voxels below it are kept, FN of which
    are wrong. The last point keeps all.

    Args:
        record: What `uncertainty_counts` returns, merged over cases perhaps. With all uncertainties that occur as
            thresholds the curve is that of `risk_coverage_curve`; with others, voxels between two are equally sure.
        zero_division: The risk where no voxel is kept.

    Returns:
        T + 1 points, which `area_under_risk_coverage_curve` and its excess take.

    Undefined:
        No voxels: NaN. The risk where none is kept: NaN.

    Raises:
        TypeError: `record` is no `ThresholdCounts`.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import uncertainty_counts
        >>> pair, unsure = (np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])), np.array([0.0, 0.3, 0.6, 0.5])
        >>> curve = error_coverage_curve(uncertainty_counts(*pair, uncertainty=unsure, thresholds=(0.25, 0.55)))
        >>> curve.coverage.tolist(), curve.risk.tolist()
        ([0.25, 0.75, 1.0], [0.0, 0.0, 0.25])

    Source:
        Geifman, Uziel and El-Yaniv 2019, arXiv 1805.08206.
    """
    checks.require_instance("error_coverage_curve", "record", record, ThresholdCounts, "ThresholdCounts")
    tp, fp, fn, tn = float_counts(record.counts)
    xp = _array.array_namespace(tp)
    wrong, right = (tp + fn)[..., :1], (fp + tn)[..., :1]
    kept, missed = xp.concat([tn + fn, wrong + right], axis=-1), xp.concat([fn, wrong], axis=-1)
    every = xp.zeros_like(kept) + kept[..., -1:]
    before = xp.concat([xp.zeros_like(wrong), kept[..., :-1]], axis=-1)
    return RiskCoverageCurve(
        _array.ratio(kept, every),
        _array.ratio(missed, kept, zero_division=zero_division),
        _array.ratio(kept - before, every),
        _best_area(wrong[..., 0], right[..., 0]),
    )


def _best_area(wrong: Array, right: Array) -> Array:
    """Return the area of the best order of so many errors among so many voxels: all that is right comes first."""
    # sum k / (right + k) / n over k = 1, ..., wrong, with the difference of two harmonic numbers, whose series are
    # subtracted term by term: in single precision the numbers themselves would lose all that counts.
    xp = _array.array_namespace(wrong)
    every = wrong + right
    low, high = right + _NEAR_TERMS, every + _NEAR_TERMS
    near = sum((wrong / ((right + k) * (every + k)) for k in range(1, _NEAR_TERMS + 1)), start=xp.zeros_like(wrong))
    series = xp.log1p(wrong / low) - wrong / (2 * low * high)
    low, high = 1 / low, 1 / high
    for power, divisor in ((2, 12), (4, -120), (6, 252)):
        series = series + (low**power - high**power) / divisor
    return _array.ratio(wrong - right * (series + near), every)
