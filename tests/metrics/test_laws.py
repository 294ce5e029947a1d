"""Algebra of metrics of one pair, and each row on every library; the laws of each are in `tests/testing`."""

import inspect
from functools import partial

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from mia_functional import metrics, testing
from mia_functional.metrics import METRICS, ConfusionCounts, confusion_counts, paired_moments

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COUNTING = [row for row in METRICS if row.statistic is confusion_counts and not row.needs]
PROBABILITIES = [row for row in METRICS if "calibration" in row.groups]
IMAGES = [row for row in METRICS if row.statistic is paired_moments or row.name == "structural_similarity"]
ROWS = partial(pytest.mark.parametrize, "row", ids=lambda row: row.abbreviation)
SPACINGS = (2.0, 1.0, 0.5)


# With values that float32 holds exactly.
IMAGE_PAIRS = st.tuples(*2 * [testing.images(shape=(7, 8, 7), limits=(-100, 100), dtype="float64")])


def value_of(row, prediction, reference, *, spacing=SPACINGS):
    """Return the value of a row for a pair, called as `evaluate` calls it."""
    step = spacing[: prediction.ndim]
    needed = {"spacing": step, "labels": None}
    needed = {name: needed[name] for name in row.needs}
    options = dict(row.options)
    if row.statistic is None:
        return float(row.function(prediction, reference, **options, **needed))
    known = {"spacing": step} if "spacing" in inspect.signature(row.statistic).parameters else {}
    return float(row.function(row.statistic(prediction, reference, **known), **options, **needed))


@FEW
@given(testing.mask_pairs())
def test_counts_and_their_algebra(pair):
    prediction, reference = pair
    counts = confusion_counts(prediction, reference)
    assert sum(map(int, counts)) == prediction.size
    assert counts.tp + counts.fp == prediction.sum()
    assert counts.tp + counts.fn == reference.sum()
    dice, jaccard = metrics.dice(counts), metrics.jaccard(counts)
    np.testing.assert_allclose(jaccard, dice / (2 - dice), rtol=1e-12)
    np.testing.assert_allclose(metrics.f_measure(counts), dice, rtol=1e-12)
    np.testing.assert_allclose(metrics.false_negative_rate(counts), 1 - metrics.sensitivity(counts), atol=1e-12)
    np.testing.assert_allclose(metrics.fallout(counts), 1 - metrics.specificity(counts), atol=1e-12)
    swapped = confusion_counts(reference, prediction)
    np.testing.assert_allclose(metrics.precision(counts), metrics.sensitivity(swapped), rtol=1e-12)
    np.testing.assert_allclose(metrics.youden_index(counts), 2 * metrics.balanced_accuracy(counts) - 1, atol=1e-12)
    entropy = metrics.mutual_information(prediction, prediction) + metrics.mutual_information(reference, reference)
    variation = entropy - 2 * metrics.mutual_information(counts)
    np.testing.assert_allclose(metrics.variation_of_information(counts), variation, atol=1e-9)


@FEW
@given(IMAGE_PAIRS)
def test_images_and_their_algebra(pair):
    prediction, reference = pair
    one = paired_moments(prediction, reference)
    moved = paired_moments(3 * prediction + 7, 3 * reference + 7)
    np.testing.assert_allclose(metrics.mean_squared_error(moved), 9 * metrics.mean_squared_error(one), rtol=1e-9)
    np.testing.assert_allclose(metrics.root_mean_squared_error(one) ** 2, metrics.mean_squared_error(one), rtol=1e-9)
    for metric in (
        metrics.r_squared,
        metrics.pearson_correlation,
        metrics.concordance_correlation,
        metrics.normalized_root_mean_squared_error,
    ):
        np.testing.assert_allclose(metric(moved), metric(one), rtol=1e-7, atol=1e-9)
    scaled = metrics.structural_similarity(5 * prediction, 5 * reference, data_range=500)
    np.testing.assert_allclose(scaled, metrics.structural_similarity(prediction, reference, data_range=100), atol=1e-9)


@pytest.mark.slow
@pytest.mark.sampled(10)
@ROWS(COUNTING)
def test_vmap_equals_a_loop_and_jit_equals_eager(row):
    import jax

    rng = np.random.default_rng(71)
    prediction, reference = rng.integers(0, 4, (2, 3, 6, 7))
    function = partial(row.function, labels=(1, 2, (1, 3)))
    eager = np.stack([function(p, r) for p, r in zip(prediction, reference, strict=True)])
    np.testing.assert_allclose(jax.jit(jax.vmap(function))(prediction, reference), eager, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.sampled(26)
@ROWS(METRICS)
def test_every_row_runs_on_every_library_with_the_same_value(row):
    import jax.numpy as jnp
    import torch

    rng = np.random.default_rng(72)
    masks, images = rng.random((2, 8, 9)) < 0.6, (100 + rng.random((2, 8, 9))).astype(np.float32)
    pair = images if row in IMAGES else masks
    if row in PROBABILITIES:
        pair = images[0] - 100, masks[1]
    expected = value_of(row, *pair)
    for asarray in (jnp.asarray, torch.asarray):
        np.testing.assert_allclose(value_of(row, *map(asarray, pair)), expected, rtol=2e-6)


@ROWS(COUNTING)
def test_memory_order_and_writing_do_not_matter(row):
    rng = np.random.default_rng(73)
    prediction, reference = rng.integers(0, 3, (2, 5, 6, 7))
    expected = row.function(prediction, reference, labels=(1, 2))
    for p, r in (
        (np.asfortranarray(prediction), reference),
        (prediction.transpose(2, 0, 1).copy().transpose(1, 2, 0), np.asfortranarray(reference)),
        (prediction.astype(np.uint8), reference.astype(np.int16)),
    ):
        p.flags.writeable = False
        np.testing.assert_array_equal(row.function(p, r, labels=(1, 2)), expected)


def test_monotone_growth_inside_the_reference_never_lowers_dice():
    rng = np.random.default_rng(74)
    reference = rng.random(60) < 0.5
    prediction = np.zeros(60, bool)
    last = 0.0
    for index in np.flatnonzero(reference):
        prediction[index] = True
        value = float(metrics.dice(prediction, reference))
        assert value > last
        last = value
    assert last == 1


def test_python_counts_are_scalars():
    assert float(metrics.dice(ConfusionCounts(1, 1, 1, 1))) == 0.5
