"""The confusion matrix: the statistic of the metrics that judge several exclusive classes together.

Every voxel has one class on either side; the background is a class like any other, if its label is among those given.
"""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_map, label_sets
from mia_functional.metrics._kernels import joint_histogram
from mia_functional.metrics._kernels.joint_histogram import LabelSets
from mia_functional.metrics._kernels.joint_histogram_jax import can_count_codes, joint_matrix_jax
from mia_functional.metrics.confusion import ConfusionCounts, confusion_counts, count_true, map_label_sets
from mia_functional.metrics.inputs import check_countable, map_cells, paired_arrays, prefers_host_loop
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = [
    "ConfusionMatrix",
    "CountsOrMatrix",
    "confusion_matrix",
    "expected_cost",
    "float_matrix",
    "from_counts_or_matrix",
    "one_against_rest",
    "sums_of_others",
    "weighted_kappa",
]


class ConfusionMatrix(NamedTuple):
    """How often each class of the prediction meets each class of the reference.

    Attributes:
        counts: Integers of shape (..., L, L), `counts[p, r]` the voxels of class p in the prediction and r in the
            reference.
        outside: Integers of shape (...): voxels that have none of the classes on one side or both.
    """

    counts: Array
    outside: Array


@_array.one_node
def confusion_matrix(
    prediction: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label],
    axis: int | tuple[int, ...] | None = None,
    mask: Array | None = None,
) -> ConfusionMatrix:
    """Count how often each label of the prediction meets each label of the reference (contingency table).

    Args:
        prediction: Integer label map of any shape.
        reference: Array of the same shape.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one class.
        axis: The axes to count over, all of them by default; the others are kept, in order.
        mask: Mask of the same shape; only voxels inside it count.

    Returns:
        Integer counts, with the axes that are kept in front. The metrics of a matrix are NaN where voxels lie outside
        all classes, which only happens under `jit`, where values cannot be checked.

    Raises:
        TypeError: An argument is not an array, or does not hold labels; arrays of two libraries other than NumPy, or of
            two devices, meet.
        ValueError: The shapes differ or are empty; a label is negative; a voxel has a label of no class, or a label
            belongs to two; the library's integers cannot count so many voxels.

    Example:
        >>> import numpy as np
        >>> confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), labels=(0, 1)).counts.tolist()
        [[1, 1], [0, 2]]

    Agrees with:
        scikit-learn's `confusion_matrix`, transposed.
    """
    name = "confusion_matrix"
    arrays = paired_arrays(name, prediction, reference, mask=mask)
    sets = label_sets(name, labels, *arrays[:2])
    if len({value for one in sets for value in one}) != sum(map(len, sets)):
        checks.invalid_value(name, "labels", "put no label into two classes", sets)
    axes = checks.axes(name, axis, prediction.ndim)
    check_countable(name, arrays[0])
    if prefers_host_loop(arrays, axes):
        matrix = ConfusionMatrix(*map_cells(partial(joint_histogram.joint_matrix, name, sets), arrays, axes))
    else:
        matrix = _device_matrix(name, arrays, sets, axes)
    outside = matrix.outside
    if _array.is_known_true(lambda counts: _array.array_namespace(counts).any(counts > 0), outside):
        checks.invalid_value(name, "labels", "name every label that occurs", f"{sets} and voxels of other labels")
    return matrix


def _device_matrix(function: str, arrays: tuple[Array, ...], sets: LabelSets, axes: tuple[int, ...]) -> ConfusionMatrix:
    """Return the matrix on any device and under `jit`."""
    maps = label_map(function, "prediction", arrays[0]), label_map(function, "reference", arrays[1])
    checked = (*maps, *arrays[2:])
    compare = partial(_compared_matrix, sets, axes)
    if not can_count_codes(checked, sets, axes):
        return compare(*checked)
    return _array.platform_dependent(partial(_counted_matrix, sets), compare, *checked)


def _counted_matrix(sets: LabelSets, *arrays: Array) -> ConfusionMatrix:
    """Return the matrix from the joint counts of the classes."""
    joint = joint_matrix_jax(sets, *arrays)
    counts, xp = joint[:-1, :-1], _array.array_namespace(joint)
    return ConfusionMatrix(counts, xp.sum(joint) - xp.sum(counts))


def _compared_matrix(
    sets: LabelSets, axes: tuple[int, ...], prediction: Array, reference: Array, mask: Array | None = None
) -> ConfusionMatrix:
    """Return the matrix by comparing with every pair of classes."""
    xp = _array.array_namespace(prediction)
    inside = xp.ones_like(prediction, dtype=xp.bool) if mask is None else mask

    def row(predicted: Array) -> Array:
        first = predicted & inside
        shared = map_label_sets(lambda referenced: count_true(first & referenced, axes), (reference,), sets)
        return xp.stack(shared, axis=-1)

    counts = xp.stack(map_label_sets(row, (prediction,), sets), axis=-2)
    return ConfusionMatrix(counts, count_true(inside, axes) - xp.sum(counts, axis=(-2, -1)))


def float_matrix(matrix: ConfusionMatrix) -> Array:
    """Return the matrix as floats, NaN where there are voxels outside its classes."""
    counts = matrix.counts
    xp = _array.array_namespace(counts)
    cells = xp.astype(counts, _array.widest_float(xp, counts))
    incomplete = xp.expand_dims(xp.expand_dims(matrix.outside > 0, axis=-1), axis=-1)
    return xp.where(incomplete, math.nan, cells)


def one_against_rest(counts: ConfusionCounts | ConfusionMatrix) -> ConfusionCounts:
    """Return counts as they are, and a matrix as the counts of each class against all others, classes last."""
    if isinstance(counts, ConfusionCounts):
        return counts
    cells = float_matrix(counts)
    xp = _array.array_namespace(cells)
    others = _array.broadcast_along(xp, ~np.eye(cells.shape[-1], dtype=bool), cells.ndim - 2, cells)
    others = xp.astype(others, cells.dtype)
    mistakes = cells * others
    # A sum over the classes that are neither row nor column.
    tn = xp.sum(sums_of_others(cells, -2) * others, axis=-1)
    return ConfusionCounts(xp.sum(cells - mistakes, axis=-1), xp.sum(mistakes, axis=-1), xp.sum(mistakes, axis=-2), tn)


def sums_of_others(cells: Array, axis: int) -> Array:
    """Return for every cell the sum of the others along an axis.

    The total less the cell would cancel for frequent classes, and a matrix product is rounded to fewer digits by some
    devices (JAX on a GPU or TPU).
    """
    xp = _array.array_namespace(cells)
    behind_axis = (slice(None),) * (-1 - axis)
    first, ahead = (..., slice(0, 1), *behind_axis), (..., slice(None, -1), *behind_axis)
    # With `include_initial`, JAX (0.10) puts zeros of one device before sums that lie on a mesh.
    before, behind = (
        xp.concat([xp.zeros_like(rows[first]), xp.cumulative_sum(rows, axis=axis)[ahead]], axis=axis)
        for rows in (cells, xp.flip(cells, axis=axis))
    )
    return before + xp.flip(behind, axis=axis)


CountsOrMatrix: TypeAlias = ConfusionCounts | ConfusionMatrix

from_counts_or_matrix = derived_from(confusion_counts, ConfusionCounts, ConfusionMatrix)
"""Decorator of the metrics of counts and of matrices."""

_from_matrix = derived_from(confusion_matrix, ConfusionMatrix)


@_from_matrix
def weighted_kappa(matrix: ConfusionMatrix, *, power: float = 1.0, zero_division: float = math.nan) -> Array:
    """Return the weighted kappa of ordered classes: agreement beyond chance, where near misses count less.

    Formula: 1 - sum w_pr m_pr / sum w_pr m_p m_r, with the shares m_pr of all voxels, their sums m_p over the reference
    and m_r over the prediction, and the weights w_pr = |p - r|^power of the positions p and r.

    Args:
        matrix: Confusion matrix, or the pair with the options of `confusion_matrix`; classes in their order.
        power: 1 for linear and 2 for quadratic weights; positive.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the axes that were kept, at most 1, 0 for chance; higher is better.

    Undefined:
        All voxels in one class on both sides: NaN.

    Raises:
        ValueError: `power` is not positive and finite.

    Example:
        >>> import numpy as np
        >>> float(weighted_kappa(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]), labels=(0, 1, 2)))
        0.7142857142857143

    Source:
        Cohen 1968, doi 10.1037/h0026256.

    Agrees with:
        scikit-learn's `cohen_kappa_score` with `weights`.
    """
    exponent = checks.positive("weighted_kappa", "power", power)
    positions = np.arange(matrix.counts.shape[-1])
    shares, weights = _shares_and_weights(matrix, np.abs(positions[:, None] - positions) ** exponent)
    xp = _array.array_namespace(shares)
    chance = xp.sum(shares, axis=-1, keepdims=True) * xp.sum(shares, axis=-2, keepdims=True)
    observed, expected = (xp.sum(weights * pairs, axis=(-2, -1)) for pairs in (shares, chance))
    return _array.ratio(expected - observed, expected, zero_division=zero_division)


@_from_matrix
def expected_cost(
    matrix: ConfusionMatrix,
    *,
    costs: Sequence[Sequence[float]] | Literal["inverse_prior"] | None = None,
    normalized: bool = False,
) -> Array:
    """Return the expected cost (EC): what the mistakes cost per voxel on average.

    Formula: sum c_pr m_pr, with the shares m_pr of all voxels and the costs c_pr of predicting p where the reference
    has r. Normalized, it is divided by the cost of the best constant prediction, min over p of sum_r c_pr m_r.

    Args:
        matrix: Confusion matrix, or the pair with the options of `confusion_matrix`.
        costs: One row per predicted class and one column per class of the reference; 0 on the diagonal and 1 elsewhere
            by default, which gives the error rate. `"inverse_prior"`: a mistake costs 1 / (C m_r), with C the number of
            classes and m_r the share of class r in the reference, so that all classes count the same, and the cost is 1
            minus the balanced accuracy.
        normalized: Whether to divide by the cost of the best constant prediction.

    Returns:
        Array of the shape of the axes that were kept, in the unit of the costs, or 1 for a useless prediction if
        normalized; lower is better.

    Undefined:
        Normalized, and a constant prediction costs nothing: NaN. Costs of inverse priors, and a class is not in the
        reference: NaN.

    Raises:
        ValueError: The costs have another shape than the matrix, are not finite, or another word.

    Example:
        >>> import numpy as np
        >>> float(expected_cost(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]), labels=(0, 1, 2)))
        0.25

    Source:
        Ferrer 2022, arXiv 2209.05355; Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.

    Agrees with:
        With `costs="inverse_prior"` Metrics Reloaded, whose default that is.
    """
    checks.booleans("expected_cost", normalized=normalized)
    size = matrix.counts.shape[-1]
    is_by_prior = isinstance(costs, str)
    if is_by_prior:
        checks.one_of("expected_cost", "costs", costs, ("inverse_prior",))
    given: Any = 1.0 - np.eye(size) if costs is None or is_by_prior else costs
    prices = np.asarray(_array.to_numpy(given), np.float64)
    if prices.shape != (size, size) or not np.isfinite(prices).all():
        checks.invalid_value("expected_cost", "costs", f"be {size} x {size} finite numbers", costs)
    shares, weights = _shares_and_weights(matrix, prices)
    xp = _array.array_namespace(shares)
    referenced = xp.sum(shares, axis=-2, keepdims=True)
    if is_by_prior:
        weights = _array.ratio(weights, size * referenced + xp.zeros_like(weights))
    cost = xp.sum(weights * shares, axis=(-2, -1))
    if not normalized:
        return cost
    return _array.ratio(cost, xp.min(xp.sum(weights * referenced, axis=-1), axis=-1))


def _shares_and_weights(matrix: ConfusionMatrix, weights: HostArray) -> tuple[Array, Array]:
    """Return the matrix as shares of all voxels, and the weights of its cells as an array of the same library."""
    cells = float_matrix(matrix)
    xp = _array.array_namespace(cells)
    shares = _array.ratio(cells, xp.zeros_like(cells) + xp.sum(cells, axis=(-2, -1), keepdims=True))
    return shares, xp.astype(_array.broadcast_along(xp, weights, shares.ndim - 2, shares), shares.dtype)
