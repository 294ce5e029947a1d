"""Counts as they are, and rates of one row or column of the confusion table.

Each metric takes `ConfusionCounts`, or the pair `(prediction, reference)` and the options of `confusion_counts`. Rates
have the shape of the counts and are float64, or the widest float of the library. P is the prediction, R the reference.
"""

import math

from mia_functional import _array
from mia_functional.metrics.confusion import ConfusionCounts, float_counts, from_counts
from mia_functional.typing import Array

__all__ = [
    "accuracy",
    "fallout",
    "false_negative_rate",
    "false_negatives",
    "false_positives",
    "negative_predictive_value",
    "precision",
    "sensitivity",
    "specificity",
    "true_negatives",
    "true_positives",
]


@from_counts
def true_positives(counts: ConfusionCounts) -> Array:
    """Return the number of voxels that are in both P and R.

    Formula: TP.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.

    Returns:
        Integer array of the shape of the counts, at least 0; higher is better.

    Example:
        >>> import numpy as np
        >>> int(true_positives(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 1, 1])))
        1

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    return counts.tp


@from_counts
def false_positives(counts: ConfusionCounts) -> Array:
    """Return the number of voxels that are in P but not in R.

    Formula: FP.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.

    Returns:
        Integer array of the shape of the counts, at least 0; lower is better.

    Example:
        >>> import numpy as np
        >>> int(false_positives(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 1, 1])))
        2

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    return counts.fp


@from_counts
def false_negatives(counts: ConfusionCounts) -> Array:
    """Return the number of voxels that are in R but not in P.

    Formula: FN.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.

    Returns:
        Integer array of the shape of the counts, at least 0; lower is better.

    Example:
        >>> import numpy as np
        >>> int(false_negatives(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 1, 1])))
        3

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    return counts.fn


@from_counts
def true_negatives(counts: ConfusionCounts) -> Array:
    """Return the number of voxels that are in neither P nor R.

    Formula: TN.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.

    Returns:
        Integer array of the shape of the counts, at least 0; higher is better.

    Example:
        >>> import numpy as np
        >>> int(true_negatives(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 1, 1])))
        0

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    return counts.tn


@from_counts
def sensitivity(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the sensitivity (recall, true positive rate, TPR): the share of the reference that is predicted.

    Formula: TP / (TP + FN).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the denominator is 0.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Reference empty: NaN.

    Example:
        >>> import numpy as np
        >>> float(sensitivity(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])))
        0.5

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `recall_score`.
    """
    tp, _, fn, _ = float_counts(counts)
    return _array.ratio(tp, tp + fn, zero_division=zero_division)


@from_counts
def specificity(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the specificity (true negative rate, TNR): the share of the background that is predicted as such.

    Formula: TN / (TN + FP).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the denominator is 0.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Reference full: NaN.

    Example:
        >>> import numpy as np
        >>> float(specificity(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])))
        0.5

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `recall_score` of the background.
    """
    _, fp, _, tn = float_counts(counts)
    return _array.ratio(tn, tn + fp, zero_division=zero_division)


@from_counts
def fallout(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the fallout (false positive rate, FPR): the share of the background that is predicted as structure.

    Formula: FP / (FP + TN).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the denominator is 0.

    Returns:
        Array of the shape of the counts, from 0 to 1; lower is better.

    Undefined:
        Reference full: NaN.

    Example:
        >>> import numpy as np
        >>> float(fallout(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])))
        0.5

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        1 - `specificity`.
    """
    _, fp, _, tn = float_counts(counts)
    return _array.ratio(fp, fp + tn, zero_division=zero_division)


@from_counts
def false_negative_rate(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the false negative rate (FNR, miss rate): the share of the reference that is missed.

    Formula: FN / (FN + TP).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the denominator is 0.

    Returns:
        Array of the shape of the counts, from 0 to 1; lower is better.

    Undefined:
        Reference empty: NaN.

    Example:
        >>> import numpy as np
        >>> float(false_negative_rate(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])))
        0.5

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        1 - `sensitivity`.
    """
    tp, _, fn, _ = float_counts(counts)
    return _array.ratio(fn, fn + tp, zero_division=zero_division)


@from_counts
def accuracy(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the accuracy: the share of all voxels that are predicted correctly.

    Formula: (TP + TN) / (TP + FP + FN + TN).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the denominator is 0.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> float(accuracy(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])))
        0.5

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `accuracy_score`.
    """
    tp, fp, fn, tn = float_counts(counts)
    return _array.ratio(tp + tn, tp + fp + fn + tn, zero_division=zero_division)


@from_counts
def precision(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the precision (positive predictive value, PPV): the share of the prediction that is correct.

    Formula: TP / (TP + FP).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the denominator is 0.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Prediction empty: NaN.

    Example:
        >>> import numpy as np
        >>> float(precision(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])))
        0.3333333333333333

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `precision_score`.
    """
    tp, fp, _, _ = float_counts(counts)
    return _array.ratio(tp, tp + fp, zero_division=zero_division)


@from_counts
def negative_predictive_value(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the negative predictive value (NPV): the share of the predicted background that is correct.

    Formula: TN / (TN + FN).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the denominator is 0.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Prediction full: NaN.

    Example:
        >>> import numpy as np
        >>> float(negative_predictive_value(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 0, 0, 1, 0, 0])))
        0.6666666666666666

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `precision_score` of the background.
    """
    _, _, fn, tn = float_counts(counts)
    return _array.ratio(tn, tn + fn, zero_division=zero_division)
