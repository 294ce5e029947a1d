"""Split conformal prediction: sets of labels that hold the right one as often as was asked for, whatever the network.

The guarantee is that of cases that are exchangeable with those of the calibration: on average over such calibrations
and cases, the right label is in its set with a probability of at least 1 - miscoverage, and of less than 1 / (n + 1)
more if no scores are equal. Voxels of one image are not exchangeable with those of another; scores of subjects are.
"""

import math
from typing import Any

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array

__all__ = ["conformal_set", "conformal_threshold"]


@_array.one_node
def conformal_threshold(scores: Array, *, miscoverage: float) -> Array:
    """Return the score within which a share of 1 - miscoverage of new cases lies: the conformal quantile.

    Formula: the k-th smallest of n scores, k = ceil((n + 1) (1 - miscoverage)), by exact rank and without
    interpolation.

    Args:
        scores: Nonconformity of n cases of a calibration set, real numbers of shape (n, ...), larger for cases that fit
            worse: for `conformal_set`, 1 - the probability of the right label; for regression, |prediction -
            reference|, of which the interval is prediction +- threshold.
        miscoverage: Share of new cases that may lie outside, between 0 and 1; its decimal text counts: 0.1 is 1/10.

    Returns:
        Floats of shape (...), each the quantile along the first axis.

    Undefined:
        n is too small, k > n: inf, which keeps the promise by sets of all labels. A score that is NaN in a program
        counts as inf.

    Raises:
        TypeError: The scores are not an array of real numbers.
        ValueError: There are no scores, or one is NaN; `miscoverage` does not lie between 0 and 1.

    Example:
        >>> import numpy as np
        >>> scores = np.array([0.1, 0.5, 0.2, 0.9, 0.3])
        >>> float(conformal_threshold(scores, miscoverage=0.4)), float(conformal_threshold(scores, miscoverage=0.1))
        (0.5, inf)

    Source:
        Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world; Lei et al. 2018,
        doi 10.1080/01621459.2017.1307116; Angelopoulos and Bates 2021, arXiv 2107.07511.

    Agrees with:
        MAPIE's `SplitConformalRegressor`, which refuses small n: fewer than 1 / miscoverage scores.
    """
    from fractions import Fraction  # here: it brings decimal numbers with it, which are slow to import

    name = "conformal_threshold"
    xp = _array.checked_namespace(name, scores=scores)
    _array.require_real(name, "scores", scores)
    checks.not_empty(name, "scores", scores.shape)
    if not 0 < checks.number(name, "miscoverage", miscoverage) < 1:
        checks.invalid_value(name, "miscoverage", "lie between 0 and 1", miscoverage)
    share = Fraction(str(_array.python_number(miscoverage)))
    kind = _array.dtype_kind(scores)
    values = _array.computable(scores) if kind == "float" else xp.astype(scores, _array.widest_float(xp, scores))
    if _array.is_known_true(lambda values: xp.any(xp.isnan(values)), values):
        checks.invalid_value(name, "scores", "be ordered", "NaN")
    number = values.shape[0]
    # In whole numbers: as floats, (n + 1) (1 - 0.1) may lie above the whole number that it is.
    rank = number + 1 - (number + 1) * share.numerator // share.denominator
    if rank > number:
        return xp.full_like(values[0, ...], math.inf)

    def score_of_rank(values: Array) -> Array:
        # In a program, in which nothing is known to be NaN, it counts as infinite.
        return xp.sort(xp.where(xp.isnan(values), math.inf, values), axis=0)[rank - 1, ...]

    return _array.call_gathered(score_of_rank, values)


@_array.one_node
def conformal_set(probabilities: Array, threshold: float | Array) -> Array:
    """Return which labels belong to the prediction set of each case: those whose score is within the threshold.

    Formula: label k is in the set if 1 - p_k <= threshold.

    Args:
        probabilities: Floats from 0 to 1 of shape (..., L), a probability for each label. Scores are computed in their
            dtype, at least in single precision; those of the calibration should be, too.
        threshold: What `conformal_threshold` returns; of shape (L,) for a threshold of each label, which keeps the
            promise within the cases of each.

    Returns:
        Booleans of shape (..., L). Sets may be empty, or hold all labels.

    Raises:
        TypeError: `probabilities` does not hold floats; arrays of two libraries other than NumPy, or of two devices,
            meet.
        ValueError: The shapes do not fit; the threshold is NaN.

    Example:
        >>> import numpy as np
        >>> conformal_set(np.array([[0.75, 0.25, 0.0], [0.5, 0.25, 0.25]]), 0.5).tolist()
        [[True, False, False], [True, False, False]]

    Source:
        Sadinle, Lei and Wasserman 2019, doi 10.1080/01621459.2017.1395341; Angelopoulos and Bates 2021, arXiv
        2107.07511.
    """
    name = "conformal_set"
    xp = _array.checked_namespace(name, probabilities=probabilities)
    if _array.dtype_kind(probabilities) != "float":
        checks.invalid_kind(name, "probabilities", "hold floats", f"dtype {probabilities.dtype}")
    checks.not_empty(name, "probabilities", probabilities.shape)
    p = _array.computable(probabilities)
    scores = 1 - xp.astype(p, _array.accumulator_dtype(p), copy=False)
    given: Any = threshold
    if not checks.has_shape(given):
        limit = checks.number(name, "threshold", given)
        if math.isnan(limit):
            checks.invalid_value(name, "threshold", "be a number", limit)
        return scores <= limit
    xp, (scores, limits) = _array.to_common_library(name, scores=scores, threshold=given)
    _array.require_real(name, "threshold", limits)
    if tuple(limits.shape) not in ((), (scores.shape[-1],)):
        needed = f"be one number or one for each of {scores.shape[-1]} labels"
        checks.invalid_value(name, "threshold", needed, checks.describe(given))
    if _array.is_known_true(lambda limits: xp.any(limits != limits), limits):
        checks.invalid_value(name, "threshold", "be numbers", "NaN")
    if limits.dtype != scores.dtype:
        # The wider dtype holds both: rounded to the narrower one, a score could leave its own threshold.
        wide = _array.widest_float(xp, scores)
        scores, limits = xp.astype(scores, wide), xp.astype(limits, wide)
    return scores <= xp.reshape(limits, (1,) * (scores.ndim - limits.ndim) + tuple(limits.shape))
