"""Sums of so many numbers that single precision, added up one by one, would be wrong, or stop at 2^24."""

import math
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mia_functional import metrics
from mia_functional.metrics import ConfusionCounts, ConfusionMatrix, SurfaceDistances

SHAPE = (96, 96, 96)
VALUE = np.float32(0.1)
"""Its sums are rounded to the same side again and again."""

ORDERS = {
    "C": lambda array: array,
    "Fortran": np.asfortranarray,
    "transposed": lambda array: np.ascontiguousarray(array.T).T,
    "backwards": lambda array: np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
    "every other": lambda array: np.repeat(array, 2, axis=1)[:, ::2],
}


def close(found, expected, tolerance=2e-6):
    """Compare with the exact values, whatever the library."""
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=tolerance)


def test_single_precision_added_up_one_by_one_is_wrong():
    naive = np.full((*SHAPE, 2), VALUE).sum(axis=(0, 1, 2))
    assert abs(naive[0] / (float(VALUE) * math.prod(SHAPE)) - 1) > 2e-3


def orders(xp):
    """Return what lays arrays out in memory; other libraries copy them."""
    return ORDERS.values() if xp.name == "numpy" else [ORDERS["C"]]


@pytest.mark.slow
def test_soft_counts_do_not_depend_on_the_order_in_memory(xp):
    number = float(math.prod(SHAPE))
    part = float(VALUE) * number
    reference = np.zeros(SHAPE, np.uint8)
    reference[:48] = 1
    expected = np.array([[part / 2] * 2, [part / 2] * 2, [(number - part) / 2] * 2, [(number - part) / 2] * 2])
    for order in orders(xp):
        probabilities = order(np.full((*SHAPE, 2), VALUE))
        found = xp.run(lambda p, r: metrics.soft_confusion_counts(p, r, labels=(0, 1)), probabilities, reference)
        close(found, expected)
        mask = order(probabilities[..., 0])
        close(xp.run(metrics.soft_confusion_counts, mask, reference), expected[:, 0])
        kept = xp.run(lambda p, r: metrics.soft_confusion_counts(p, r, axis=(0, 1)), mask, reference)
        close(kept, np.repeat(expected[:, :1] / 96, 96, axis=1))


@pytest.mark.full
def test_soft_counts_go_beyond_2_to_the_24():
    probabilities, reference = np.ones((2**24 + 2**20, 2), np.float32), np.zeros(2**24 + 2**20, np.uint8)
    counts = metrics.soft_confusion_counts(probabilities, reference, labels=(0, 1))
    assert float(counts.tp[0]) == float(counts.fp[1]) == len(reference)


@pytest.mark.slow
@pytest.mark.sampled(6)
@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8", "int32"])
def test_moments_of_large_images(xp, dtype):
    if xp.name.startswith("strict") and dtype == "float16":
        dtype = "int16"
    step = 0.1 if dtype.startswith("float") else 1
    values = [np.full(SHAPE, value * step, dtype) for value in (3, 2)]
    values[1][0] = 0
    # In the host's memory, BLAS adds up 2^13 numbers in single precision, 2^8 of them one by one.
    agree = partial(close, tolerance=5e-6)
    for order, axis in product(orders(xp), (None, (0, 1))):
        p, r = (order(array).astype(np.float64) for array in values)
        found = xp.run(lambda p, r, axis=axis: metrics.paired_moments(p, r, axis=axis), *map(order, values))
        axes = axis or (0, 1, 2)
        agree(found.prediction_mean, p.mean(axes))
        agree(found.reference_mean, r.mean(axes))
        agree(found.reference_scatter, ((r - r.mean(axes, keepdims=True)) ** 2).sum(axes))
        agree(found.absolute_error, np.abs(p - r).sum(axes))
        agree(found.squared_error, ((p - r) ** 2).sum(axes))
        assert not found.prediction_scatter.any()


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["numpy", "torch", "jax", "jax-jit"])
def test_means_and_shares_of_many_surface_elements(kind):
    size = 2**22
    distances = np.full(size, VALUE)
    distances[: size // 4] = 3
    weights = np.full(size, np.float32(0.7))
    make = {"numpy": np.asarray, "torch": torch.asarray}.get(kind, jnp.asarray)
    record = SurfaceDistances(*(make(field) for field in (distances, distances, weights, weights)))
    run = jax.jit if kind == "jax-jit" else lambda function: function
    close(run(metrics.average_symmetric_surface_distance)(record), 0.75 * float(VALUE) + 0.75)
    close(run(lambda record: metrics.normalized_surface_dice(record, tolerance=1.0))(record), 0.75)
    found = run(lambda record: metrics.hausdorff_distance(record, percentile=(0, 74.9, 75.1, 100)))(record)
    close(found, [VALUE, VALUE, 3, 3])


@pytest.mark.slow
@pytest.mark.sampled(3)
def test_moments_of_the_positions_of_many_voxels(xp):
    moments = xp.run(lambda mask: metrics.spatial_moments(mask, spacing=(0.1, 0.1, 0.1)), np.ones(SHAPE, bool))
    close(moments.mean, [0.1 * 95 / 2] * 3)
    close(np.diagonal(moments.covariance), [0.01 * (96**2 - 1) / 12] * 3)
    assert abs(moments.covariance - np.diag(np.diagonal(moments.covariance))).max() < 1e-4


@pytest.mark.slow
@pytest.mark.sampled(3)
def test_a_matrix_of_many_classes(xp):
    cells = np.random.default_rng(0).integers(1, 200, (300, 300))
    exact = cells.astype(np.float64)
    found = xp.run(
        lambda counts, outside: metrics.matthews_correlation(ConfusionMatrix(counts, outside)), cells, np.array(0)
    )
    total, diagonal = exact.sum(), np.trace(exact)
    rows, columns = exact.sum(axis=1), exact.sum(axis=0)
    spread = math.sqrt(total**2 - rows @ rows) * math.sqrt(total**2 - columns @ columns)
    expected = (diagonal * total - rows @ columns) / spread
    assert abs(float(found) - expected) < 2e-7
    shared = xp.run(lambda *fields: metrics.weighted_kappa(ConfusionMatrix(*fields)), cells, np.array(0))
    apart = np.abs(np.subtract.outer(np.arange(300), np.arange(300)))
    assert abs(float(shared) - (1 - (apart * exact).sum() * total / (apart * np.outer(rows, columns)).sum())) < 1e-6


def test_many_records_are_merged_in_pairs():
    parts = [ConfusionCounts(*(np.asarray(VALUE),) * 4)] * 2**13
    close(metrics.merge(*parts).tp, float(VALUE) * 2**13)
