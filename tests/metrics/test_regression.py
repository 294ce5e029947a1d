"""Moments of pairs of images, and the errors and correlations that follow from them."""

import math
from contextlib import nullcontext
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import scipy.stats
from skimage import metrics as skimage_metrics
from sklearn import metrics as sklearn_metrics

from mia_functional import metrics
from mia_functional.metrics import METRICS, PairedMoments, moments, paired_moments

RNG = np.random.default_rng(31)
ROWS = [row for row in METRICS if row.statistic is paired_moments]


def images(shape=(5, 6, 7), *, offset=0.0, scale=1.0, dtype=np.float64):
    """Return a pair of correlated images."""
    reference = RNG.random(shape)
    prediction = reference + 0.2 * RNG.standard_normal(shape)
    return (scale * prediction + offset).astype(dtype), (scale * reference + offset).astype(dtype)


def exact_moments(prediction, reference):
    """Return the moments by exact fractions, as floats."""
    p, r = ([Fraction(float(value)) for value in array.ravel()] for array in (prediction, reference))
    n = len(p)
    mean = sum(p) / n, sum(r) / n
    pairs = list(zip(p, r, strict=True))
    fields = (
        n,
        *mean,
        sum((a - mean[0]) ** 2 for a in p),
        sum((b - mean[1]) ** 2 for b in r),
        sum((a - mean[0]) * (b - mean[1]) for a, b in pairs),
        sum(abs(a - b) for a, b in pairs),
        sum((a - b) ** 2 for a, b in pairs),
        min(r),
        max(r),
        1,
        1,
    )
    return np.array([float(field) for field in fields])


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (3e4, 1), (-3e4, 100), (1e-3, 1e-6)])
def test_moments_equal_exact_fractions_whatever_the_offset(xp, offset, scale):
    prediction, reference = images(offset=offset, scale=scale, dtype=np.float32)
    value = xp.run(paired_moments, prediction, reference)
    np.testing.assert_allclose(np.stack(value), exact_moments(prediction, reference), rtol=2e-6)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int64, bool, np.float16])
def test_every_kind_of_number_is_promoted_before_it_is_subtracted(xp, dtype):
    if dtype in (np.uint16, np.float16) and xp.name.startswith(("strict", "torch")):
        dtype = np.int16
    limit = 2 if dtype is bool else 100
    prediction, reference = RNG.integers(0, limit, (2, 4, 5)).astype(dtype)
    value = xp.run(paired_moments, prediction, reference)
    np.testing.assert_allclose(np.stack(value), exact_moments(prediction, reference), rtol=2e-6, atol=1e-6)
    assert value.squared_error.dtype in (np.float32, np.float64)


def test_many_small_cells_are_reduced_at_once_to_the_same():
    prediction, reference = images((9, 10, 11))
    prediction[0, 0] = math.inf
    value = paired_moments(prediction, reference, axis=2)
    for index in ((1, 0), (8, 9), (4, 4)):
        expected = exact_moments(prediction[index], reference[index])
        np.testing.assert_allclose([field[index] for field in value], expected, rtol=1e-12)
    assert np.isnan(value.prediction_scatter[0, 0])


def test_uint8_never_wraps():
    zero, one = np.zeros(4, np.uint8), np.ones(4, np.uint8)
    assert metrics.mean_absolute_error(zero, one) == 1
    assert metrics.mean_squared_error(zero, 255 * one) == 255**2


def test_double_precision_is_used_in_host_memory():
    prediction, reference = images(offset=1e8)
    np.testing.assert_allclose(
        np.stack(paired_moments(prediction, reference)), exact_moments(prediction, reference), rtol=1e-12
    )


def test_an_outlier_does_not_spoil_the_scatter():
    reference = np.full(40_000, 1e6) + RNG.random(40_000)
    reference[0] = 0
    value = paired_moments(reference, reference).reference_scatter
    assert math.isclose(value, np.var(reference.astype(np.longdouble)) * 40_000, rel_tol=1e-13)


def test_chunks_of_any_size_and_memory_order_give_the_same(monkeypatch):
    prediction, reference = images((9, 10, 11))
    expected = exact_moments(prediction, reference)
    for chunk in (7, 64, 990, 2**14):
        monkeypatch.setattr(moments, "_MOMENT_CHUNK", chunk)
        for p, r in (
            (prediction, reference),
            (np.asfortranarray(prediction), reference),
            (np.repeat(prediction, 2, axis=0)[::2], reference[:, ::-1][:, ::-1]),
            (prediction.astype(">f8"), reference),
        ):
            np.testing.assert_allclose(np.stack(paired_moments(p, r)), expected, rtol=1e-12)


def test_many_small_cells_of_either_byte_order_keep_double_precision():
    prediction, reference = images((90, 5), offset=1000)
    fields = paired_moments(prediction.astype(">f8"), reference.astype(">f8"), axis=1)
    expected = [exact_moments(p, r) for p, r in zip(prediction, reference, strict=True)]
    np.testing.assert_allclose(np.stack(fields, axis=1), expected, rtol=1e-12)


def test_double_precision_that_single_precision_spoils_is_not_lost_silently():
    import jax
    import torch

    for metric in (metrics.mean_squared_error, metrics.structural_similarity):
        for offset, warned in ((1e4, True), (-1e4, True), (500, False)):
            prediction, reference = images((8, 9), offset=offset)
            for arrays in ((jax.numpy.asarray(prediction), reference), (prediction, jax.numpy.asarray(reference))):
                with pytest.warns(RuntimeWarning, match="becomes float32") if warned else nullcontext():
                    metric(*arrays)
    prediction, reference = images((8, 9), offset=1e4)
    value = metrics.mean_squared_error(torch.asarray(prediction), reference)
    np.testing.assert_allclose(value, np.mean((prediction - reference) ** 2), rtol=1e-12)
    single = jax.numpy.asarray(prediction)
    metrics.mean_squared_error(single, reference.astype(np.float32))
    metrics.mean_squared_error(single, np.full((8, 9), 1e4))


@pytest.mark.parametrize("axis", [(1, 2), 0, (0, -1)])
def test_axes_that_are_kept(xp, axis):
    prediction, reference = images((3, 4, 5), dtype=np.float32)
    value = xp.run(partial(paired_moments, axis=axis), prediction, reference)
    reduced = tuple(entry % 3 for entry in (axis if isinstance(axis, tuple) else (axis,)))
    kept = [entry for entry in range(3) if entry not in reduced]
    p, r = (np.moveaxis(array, kept, range(len(kept))) for array in (prediction, reference))
    for index in np.ndindex(p.shape[: len(kept)]):
        np.testing.assert_allclose([field[index] for field in value], exact_moments(p[index], r[index]), rtol=2e-6)


SKLEARN = {
    "mean_absolute_error": sklearn_metrics.mean_absolute_error,
    "mean_squared_error": sklearn_metrics.mean_squared_error,
    "root_mean_squared_error": sklearn_metrics.root_mean_squared_error,
    "r_squared": sklearn_metrics.r2_score,
    "pearson_correlation": lambda r, p: scipy.stats.pearsonr(p, r).statistic,
    "normalized_mean_squared_error": lambda r, p: np.linalg.norm(p - r) ** 2 / np.linalg.norm(r) ** 2,
    "concordance_correlation": lambda r, p: (
        2 * np.cov(p, r, bias=True)[0, 1] / (np.var(p) + np.var(r) + (p.mean() - r.mean()) ** 2)
    ),
    "normalized_root_mean_squared_error": partial(skimage_metrics.normalized_root_mse, normalization="min-max"),
    "peak_signal_noise_ratio": lambda r, p: skimage_metrics.peak_signal_noise_ratio(r, p, data_range=r.max()),
}


def test_every_metric_of_moments_has_an_oracle():
    assert {row.name for row in ROWS} == SKLEARN.keys()


@pytest.mark.sampled(18)
@pytest.mark.parametrize("name", SKLEARN)
def test_oracles_agree(xp, name):
    for offset in (0.0, 50.0):
        prediction, reference = images(offset=offset, dtype=np.float32)
        value = xp.run(getattr(metrics, name), prediction, reference)
        p, r = prediction.ravel().astype(np.float64), reference.ravel().astype(np.float64)
        np.testing.assert_allclose(value, SKLEARN[name](r, p), rtol=2e-6)


@pytest.mark.sampled(3)
def test_concordance_of_a_sample(xp):
    """Moments over n - 1: twice the covariance over both variances and the squared difference of the means."""
    prediction, reference = images((3, 4), offset=5.0, dtype=np.float32)
    reference = reference + np.float32(0.3)
    value = xp.run(partial(metrics.concordance_correlation, sample_covariance=True), prediction, reference)
    p, r = (array.ravel().astype(np.float64) for array in (prediction, reference))
    covariance = np.cov(p, r)
    expected = 2 * covariance[0, 1] / (np.trace(covariance) + (p.mean() - r.mean()) ** 2)
    np.testing.assert_allclose(value, expected, rtol=5e-6)
    assert abs(value - metrics.concordance_correlation(prediction, reference)) > 0.01


def test_concordance_of_two_voxels_and_of_constants():
    pair = np.array([1.0, 3.0]), np.array([2.0, 6.0])
    # Covariance 4, variances 2 and 8 over n - 1; means 2 and 4.
    assert metrics.concordance_correlation(*pair, sample_covariance=True) == 8 / (2 + 8 + 4)
    assert metrics.concordance_correlation(*pair) == 4 / (1 + 4 + 4)
    assert math.isnan(metrics.concordance_correlation(np.ones(3), np.ones(3), sample_covariance=True))


@pytest.mark.parametrize(("kind", "by"), [("euclidean", metrics.reference_norm), ("mean", metrics.reference_mean)])
def test_normalizations_are_scikit_images(kind, by):
    prediction, reference = images(offset=2.0)
    value = metrics.normalized_root_mean_squared_error(prediction, reference, normalization=by)
    expected = skimage_metrics.normalized_root_mse(reference, prediction, normalization=kind)
    assert math.isclose(value, expected, rel_tol=1e-12)


def test_large_offsets_do_not_spoil_the_correlations(xp):
    prediction, reference = images((12, 13), offset=3e4, dtype=np.float32)
    for name in ("r_squared", "pearson_correlation", "concordance_correlation"):
        value = xp.run(getattr(metrics, name), prediction, reference)
        p, r = (array.ravel().astype(np.float64) for array in (prediction, reference))
        np.testing.assert_allclose(value, SKLEARN[name](r, p), rtol=2e-6)


CONSTANT = np.full((3, 4), 2.0)
VARIED = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    "name", ["r_squared", "pearson_correlation", "concordance_correlation", "normalized_root_mean_squared_error"]
)
def test_a_constant_reference_is_undefined(xp, name):
    metric = getattr(metrics, name)
    for prediction in (CONSTANT, VARIED):
        assert np.isnan(xp.run(metric, prediction, CONSTANT))
        assert xp.run(partial(metric, zero_division=-3.0), prediction, CONSTANT) == -3


@pytest.mark.parametrize("name", ["pearson_correlation", "concordance_correlation"])
def test_a_constant_prediction_has_no_correlation(xp, name):
    assert np.isnan(xp.run(getattr(metrics, name), CONSTANT, VARIED))


def test_edges_of_the_reconstruction_metrics(xp):
    zero = np.zeros((3, 4))
    assert xp.run(metrics.peak_signal_noise_ratio, VARIED, VARIED) == math.inf
    assert np.isnan(xp.run(metrics.peak_signal_noise_ratio, VARIED, zero))
    assert np.isnan(xp.run(metrics.peak_signal_noise_ratio, zero, zero))
    assert xp.run(partial(metrics.peak_signal_noise_ratio, data_range=2.0), zero, zero) == math.inf
    assert np.isnan(xp.run(metrics.normalized_mean_squared_error, VARIED, zero))
    assert xp.run(metrics.r_squared, VARIED, VARIED) == 1
    assert xp.run(metrics.concordance_correlation, VARIED, VARIED) == 1


def test_signal_to_noise_by_hand_and_with_a_range(xp):
    prediction, reference = images(dtype=np.float32)
    for limit in (1, 2.5, 1000):
        value = xp.run(partial(metrics.peak_signal_noise_ratio, data_range=limit), prediction, reference)
        expected = skimage_metrics.peak_signal_noise_ratio(
            reference.astype(float), prediction.astype(float), data_range=limit
        )
        np.testing.assert_allclose(value, expected, rtol=2e-6)


@pytest.mark.parametrize("limit", [0, -1.0, math.inf, math.nan])
def test_bad_data_range(limit):
    for metric in (metrics.peak_signal_noise_ratio, metrics.structural_similarity):
        with pytest.raises(ValueError, match="`data_range` must be positive"):
            metric(np.ones((7, 7)), np.ones((7, 7)), data_range=limit)


def test_not_a_number_is_not_hidden(xp):
    spoiled = VARIED.copy()
    spoiled[1, 2] = math.nan
    for row in ROWS:
        assert np.isnan(xp.run(row.function, spoiled, VARIED)), row.name
        assert np.isnan(xp.run(row.function, VARIED, spoiled)), row.name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.abbreviation)
def test_pair_and_moments_give_the_same(row):
    prediction, reference = images((3, 4, 5))
    value = row.function(prediction, reference, axis=(1, 2))
    np.testing.assert_array_equal(value, row.function(paired_moments(prediction, reference, axis=(1, 2))))
    for index in range(3):
        np.testing.assert_allclose(row.function(prediction[index], reference[index]), value[index], rtol=1e-12)


@pytest.mark.parametrize(
    ("prediction", "reference", "error", "words"),
    [
        (VARIED, VARIED[:1], ValueError, "have the shape of the reference"),
        (np.zeros((0, 3)), np.zeros((0, 3)), ValueError, "at least one axis and one element"),
        (np.zeros(()), np.zeros(()), ValueError, "at least one axis"),
        (VARIED + 1j, VARIED, TypeError, "`prediction` must hold real numbers"),
        (VARIED, VARIED.astype(object), TypeError, "reference"),
        (VARIED, VARIED.astype(str), TypeError, "reference"),
        ([1.0], VARIED, TypeError, "must be an array; got list"),
    ],
)
def test_bad_input(prediction, reference, error, words):
    with pytest.raises(error, match=words):
        paired_moments(prediction, reference)
    with pytest.raises(error):
        metrics.structural_similarity(prediction, reference, window=1)


def test_inputs_are_not_changed():
    prediction, reference = images()
    copies = prediction.copy(), reference.copy()
    paired_moments(prediction, reference)
    np.testing.assert_array_equal((prediction, reference), copies)


def test_fields_are_those_of_the_docstring():
    assert all(f"{field}:" in PairedMoments.__doc__ for field in PairedMoments._fields)
