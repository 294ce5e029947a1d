"""How far several raters agree: kappa of many, alpha with missing ratings, overlap of all pairs, and their majority.

Ratings are arrays whose first axis is the raters and whose other axes are the units, which are voxels of label maps, or
subjects. No rater is the reference.
"""

import itertools
import math
from collections.abc import Iterable

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_map, label_mask, label_sets
from mia_functional.metrics.confusion import confusion_counts
from mia_functional.metrics.contingency import confusion_matrix
from mia_functional.metrics.overlap import dice
from mia_functional.typing import Array, Label, Labels

__all__ = ["fleiss_kappa", "krippendorff_alpha", "majority_vote", "pairwise_dice"]


@_array.one_node
def fleiss_kappa(
    ratings: Array, *, labels: Labels | Iterable[Label], mask: Array | None = None, zero_division: float = math.nan
) -> Array:
    """Return Fleiss' kappa: the agreement of several raters beyond what chance alone would produce.

    Formula: (p_o - p_e) / (1 - p_e), with the share p_o of equal ratings over all pairs of raters, and the sum p_e of
    the squared shares of the labels in all ratings.

    Args:
        ratings: Integers of shape (raters, ...), two raters or more.
        labels: All labels that occur: a mapping to names, or a sequence; a tuple is merged into one class.
        mask: Mask of the shape of one rating; only units inside it count.
        zero_division: The value where the kappa is undefined.

    Returns:
        One number, at most 1, 0 for chance; higher is better.

    Undefined:
        All ratings have one label: NaN.

    Raises:
        TypeError: The ratings are not an array, or hold no labels.
        ValueError: There are fewer than two raters; a rating has a label that is not named; else as `confusion_matrix`.

    Example:
        >>> import numpy as np
        >>> round(float(fleiss_kappa(np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1]]), labels=(0, 1))), 6)
        0.657143

    Source:
        Fleiss 1971, doi 10.1037/h0031619.

    Agrees with:
        statsmodels' `fleiss_kappa`.
    """
    name = "fleiss_kappa"
    rows = _raters_of(name, ratings)
    sets = label_sets(name, labels, ratings)
    with checks.speaking_for(name, "confusion_matrix", prediction="ratings", reference="ratings"):
        matrices = [
            confusion_matrix(one, other, labels=sets, mask=mask) for one, other in itertools.combinations(rows, 2)
        ]
    xp = _array.array_namespace(ratings)
    dtype = _array.widest_float(xp, ratings)
    # Every rater is in as many pairs, so that the labels of all pairs are those of all ratings.
    cells = [xp.astype(matrix.counts, dtype) for matrix in matrices]
    number = xp.sum(cells[0])
    shares = sum((xp.sum(one, axis=0) + xp.sum(one, axis=1) for one in cells), start=xp.zeros_like(cells[0][0, :]))
    shares = _array.ratio(shares, xp.zeros_like(shares) + 2 * len(cells) * number)
    # Sums of what differs, as one less the others would cancel where nearly all ratings have one label.
    apart = _off_diagonal(cells[0].shape[0], cells[0])
    disagreement = sum((xp.sum(one * apart) for one in cells), start=xp.zeros_like(number)) / len(cells)
    chance = xp.sum(shares[:, None] * shares[None, :] * apart)
    known = xp.where(matrices[0].outside > 0, math.nan, _array.ratio(disagreement, number))
    kappa = _array.ratio(chance - known, chance, zero_division=zero_division)
    return xp.where(xp.isnan(known), math.nan, kappa)


@_array.one_node
def krippendorff_alpha(
    ratings: Array, *, labels: Labels | Iterable[Label] | None = None, zero_division: float = math.nan
) -> Array:
    """Return Krippendorff's alpha: one minus the disagreement that is observed over the one that chance expects.

    Formula: 1 - D_o / D_e. With labels (nominal), two ratings disagree by 1 or 0; without (interval), by the square of
    their difference. D_o is the mean over all pairs within units, where each unit with m ratings counts m times and
    those with fewer than two not at all; D_e the mean over all pairs of the ratings in these units.

    Args:
        ratings: Array of shape (raters, ...), two raters or more. Missing are numbers that are not among the labels,
            and NaN in ratings without labels.
        labels: The labels of nominal ratings: a mapping to names, or a sequence; a tuple is merged into one class. None
            for ratings on an interval scale, which are floats or integers.
        zero_division: The value where alpha is undefined.

    Returns:
        One number, at most 1, 0 for chance; higher is better.

    Undefined:
        No unit has two ratings, or all ratings are equal: NaN.

    Raises:
        TypeError: The ratings are not an array, or with `labels` hold floats.
        ValueError: There are fewer than two raters; a label is negative.

    Example:
        >>> import numpy as np
        >>> float(krippendorff_alpha(np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, np.nan]])))
        1.0

    Source:
        Krippendorff 2011, Computing Krippendorff's alpha-reliability; Hayes and Krippendorff 2007,
        doi 10.1080/19312450709336664.

    Agrees with:
        The package krippendorff.
    """
    name = "krippendorff_alpha"
    _raters_of(name, ratings)
    xp = _array.array_namespace(ratings)
    if labels is None:
        observed, expected = _interval_disagreement(name, ratings)
    else:
        checked, sets = label_map(name, "ratings", ratings), label_sets(name, labels, ratings)
        observed, expected = _nominal_disagreement([label_mask(checked, one) for one in sets])
    alpha = 1 - _array.ratio(observed, expected, zero_division=math.nan)
    return xp.where(xp.isnan(alpha), zero_division, alpha)


def _interval_disagreement(function: str, ratings: Array) -> tuple[Array, Array]:
    """Return the observed and the expected mean square of differences."""
    xp = _array.array_namespace(ratings)
    if _array.dtype_kind(ratings) not in ("float", "integer", "bool"):
        checks.invalid_kind(function, "ratings", "hold real numbers", f"dtype {ratings.dtype}")
    values = xp.astype(ratings, _array.widest_float(xp, ratings))
    given = ~xp.isnan(values)
    count = xp.sum(xp.astype(given, values.dtype), axis=0)
    given = given & (count > 1)[None, ...]
    weights = xp.astype(given, values.dtype)
    values, count = xp.where(given, values, xp.zeros_like(values)), xp.sum(weights, axis=0)
    total = xp.sum(count)
    means = _array.ratio(xp.sum(values, axis=0), count, zero_division=0)
    within = xp.sum(weights * (values - means[None, ...]) ** 2, axis=0)
    observed = _array.ratio(xp.sum(_array.ratio(2 * count * within, count - 1, zero_division=0)), total)
    mean = _array.ratio(xp.sum(values), total, zero_division=0)
    return observed, _array.ratio(2 * xp.sum(weights * (values - mean) ** 2), total - 1)


def _nominal_disagreement(masks: list[Array]) -> tuple[Array, Array]:
    """Return the observed and the expected share of unequal ratings."""
    xp = _array.array_namespace(*masks)
    dtype = _array.widest_float(xp, masks[0])
    counts = [xp.sum(xp.astype(mask, dtype), axis=0) for mask in masks]
    count = sum(counts[1:], start=counts[0])
    counts = [xp.where(count > 1, one, xp.zeros_like(one)) for one in counts]
    count = xp.where(count > 1, count, xp.zeros_like(count))
    totals, total = xp.stack([xp.sum(one) for one in counts]), xp.sum(count)
    unequal = sum((one * (count - one) for one in counts), start=xp.zeros_like(count))
    observed = _array.ratio(xp.sum(_array.ratio(unequal, count - 1, zero_division=0)), total)
    shares = _array.ratio(totals, xp.zeros_like(totals) + total)
    apart = _off_diagonal(len(counts), totals)
    chance = xp.sum(shares[:, None] * shares[None, :] * apart)
    return observed, chance * _array.ratio(total, total - 1)


@_array.one_node
def pairwise_dice(
    ratings: Array, *, labels: Labels | Iterable[Label] | None = None, mask: Array | None = None,
    zero_division: float = math.nan,
) -> Array:  # fmt: skip
    """Return the Dice similarity coefficient of every pair of raters.

    Formula: 2 |A and B| / (|A| + |B|), with the structures A and B of two raters.

    Args:
        ratings: Masks (bool, or integers 0 and 1) of shape (raters, ...); with `labels`, integer label maps.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        mask: Mask of the shape of one rating; only units inside it count.
        zero_division: The value if both structures are empty.

    Returns:
        Array of shape (raters, raters), with labels (raters, raters, L), from 0 to 1; higher is better. It is
        symmetric, and 1 on the diagonal where the structure is not empty.

    Undefined:
        Both structures empty: NaN. One empty: 0.

    Raises:
        TypeError: The ratings are not an array, or hold floats.
        ValueError: There are fewer than two raters; else as `confusion_counts`.

    Example:
        >>> import numpy as np
        >>> pairwise_dice(np.array([[1, 1, 0], [1, 0, 0]])).round(3).tolist()
        [[1.0, 0.667], [0.667, 1.0]]

    Source:
        Dice 1945, doi 10.2307/1932409.
    """
    name = "pairwise_dice"
    rows = _raters_of(name, ratings)
    sets = None if labels is None else label_sets(name, labels, ratings)
    with checks.speaking_for(name, "confusion_counts", prediction="ratings", reference="ratings"):
        values = {
            pair: dice(
                confusion_counts(rows[pair[0]], rows[pair[1]], labels=sets, mask=mask), zero_division=zero_division
            )
            for pair in itertools.combinations_with_replacement(range(len(rows)), 2)
        }
    xp = _array.array_namespace(ratings)
    numbers = range(len(rows))
    return xp.stack([xp.stack([values[min(a, b), max(a, b)] for b in numbers]) for a in numbers])


@_array.one_node
def majority_vote(ratings: Array, *, labels: Labels | Iterable[Label]) -> Array:
    """Return the label that most raters have given to each unit; of equally many, the one that is named first.

    Args:
        ratings: Integers of shape (raters, ...).
        labels: The labels that compete: a mapping to names, or a sequence of whole numbers.

    Returns:
        Array of the shape of one rating, in the dtype of the ratings; the first label where no rater gave any of them.

    Raises:
        TypeError: The ratings are not an array, or hold no labels; a label is a tuple, which is no number to return.
        ValueError: There are fewer than two raters; a label is negative, or larger than the dtype of the ratings holds.

    Example:
        >>> import numpy as np
        >>> majority_vote(np.array([[0, 1, 2], [0, 1, 1], [2, 0, 2]]), labels=(0, 1, 2)).tolist()
        [0, 1, 2]
    """
    name = "majority_vote"
    _raters_of(name, ratings)
    sets = label_sets(name, labels, ratings)
    if any(len(one) > 1 for one in sets):
        checks.invalid_kind(name, "labels", "be whole numbers", sets)
    checked, xp = label_map(name, "ratings", ratings), _array.array_namespace(ratings)
    largest = xp.iinfo(checked.dtype).max
    if max(map(max, sets)) > largest:
        checks.invalid_value(name, "labels", f"be at most {largest}, the largest number of {checked.dtype}", sets)
    winner = xp.full_like(checked[0, ...], sets[0][0])
    votes = _votes(checked, sets[0])
    for one in sets[1:]:
        others = _votes(checked, one)
        winner = xp.where(others > votes, xp.full_like(winner, one[0]), winner)
        votes = xp.maximum(votes, others)
    return xp.astype(winner, ratings.dtype, copy=False)


def _votes(ratings: Array, label_set: tuple[int, ...]) -> Array:
    """Return how many raters gave a label."""
    return _array.array_namespace(ratings).count_nonzero(label_mask(ratings, label_set), axis=0)


def _raters_of(function: str, ratings: Array) -> list[Array]:
    """Return the ratings of each rater."""
    _array.checked_namespace(function, ratings=ratings)
    checks.not_empty(function, "ratings", ratings.shape)
    if ratings.ndim < 2 or ratings.shape[0] < 2:
        needed = "have the raters, two or more, on its first axis, and units on others"
        checks.invalid_value(function, "ratings", needed, f"shape {tuple(ratings.shape)}")
    return [ratings[row, ...] for row in range(ratings.shape[0])]


def _off_diagonal(size: int, model: Array) -> Array:
    """Return a matrix of 1 beside the diagonal, and 0 on it."""
    xp = _array.array_namespace(model)
    return xp.astype(_array.broadcast_along(xp, ~np.eye(size, dtype=bool), 0, model), model.dtype)
