"""Structural similarity against scikit-image and by hand."""

import math
import tracemalloc
from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity as scikit_image

from mia_functional.metrics import gaussian_window, structural_similarity

RNG = np.random.default_rng(41)


def images(shape, *, offset=0.0, dtype=np.float64):
    """Return a noisy and a smooth image of range 1, shifted by an offset."""
    reference = gaussian_filter(RNG.random(shape), 1.5)
    reference = (reference - reference.min()) / np.ptp(reference)
    prediction = reference + 0.1 * RNG.standard_normal(shape)
    return (prediction + offset).astype(dtype), (reference + offset).astype(dtype)


def oracle(prediction, reference, **options):
    """Return scikit-image's value in double precision."""
    return scikit_image(prediction.astype(np.float64), reference.astype(np.float64), **options)


def in_every_window(prediction, reference, data_range):
    """Return the mean similarity by its definition; scikit-image's running sums lose digits behind a large value."""
    p, r = (
        np.lib.stride_tricks.sliding_window_view(one.astype(np.float64), (7, 7, 7)).reshape(-1, 7**3)
        for one in (prediction, reference)
    )
    means = p.mean(axis=1), r.mean(axis=1)
    p, r = p - means[0][:, None], r - means[1][:, None]
    variances, covariance = ((p**2).sum(1) + (r**2).sum(1)) / (7**3 - 1), (p * r).sum(1) / (7**3 - 1)
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    return (luminance * (2 * covariance + c2) / (variances + c2)).mean()


KINDS = [
    ({}, {}),
    ({"sample_covariance": False}, {"use_sample_covariance": False}),
    ({"window": 3}, {"win_size": 3}),
    ({"window": gaussian_window()}, {"gaussian_weights": True}),
    (
        {"window": gaussian_window(sigma=1.0), "sample_covariance": False},
        {"gaussian_weights": True, "sigma": 1.0, "use_sample_covariance": False},
    ),
]


@pytest.mark.sampled(17)
@pytest.mark.parametrize(("ours", "theirs"), KINDS)
@pytest.mark.parametrize("shape", [(13, 17), (13, 17, 15)])
def test_scikit_image_agrees(xp, shape, ours, theirs):
    for offset in (0, 300):
        prediction, reference = images(shape, offset=offset, dtype=np.float32)
        value = xp.run(partial(structural_similarity, data_range=1, **ours), prediction, reference)
        np.testing.assert_allclose(value, oracle(prediction, reference, data_range=1, **theirs), atol=1e-5)


@pytest.mark.parametrize(("ours", "theirs"), KINDS)
@pytest.mark.parametrize("shape", [(400,), (140, 280), (14, 20, 33), (29, 47, 79), (12, 13, 14, 15)])
def test_double_precision_in_one_tile_and_in_many(shape, ours, theirs):
    prediction, reference = images(shape)
    value = structural_similarity(prediction, reference, data_range=2.5, **ours)
    assert math.isclose(value, scikit_image(prediction, reference, data_range=2.5, **theirs), abs_tol=1e-12)


def test_values_far_from_those_around_them_keep_single_precision(xp):
    reference = np.zeros((20, 24, 26))
    reference[..., 13:] = 1
    noise = 0.03 * RNG.standard_normal((2, *reference.shape))
    for offset in (0, 300):
        prediction, target = ((reference + offset + part).astype(np.float32) for part in noise)
        for ours, theirs in (KINDS[0], KINDS[3]):
            value = xp.run(partial(structural_similarity, data_range=1, **ours), prediction, target)
            np.testing.assert_allclose(value, oracle(prediction, target, data_range=1, **theirs), atol=3e-6)


@pytest.mark.parametrize("values", [(3.0, 5.0), (1 / 3, 1 / 7), (100.1, 0.5), (1e4, 1.0), (1e-3, 1e3)])
def test_constant_images_by_the_formula(xp, values):
    mu_p, mu_r = map(np.float32, values)
    images = (np.full((8, 9, 10), value, np.float32) for value in (mu_p, mu_r))
    c1, product = (0.01 * float(mu_r)) ** 2, 2 * float(mu_p) * float(mu_r)
    expected = (product + c1) / (float(mu_p) ** 2 + float(mu_r) ** 2 + c1)
    np.testing.assert_allclose(xp.run(structural_similarity, *images), expected, atol=2e-7)


@pytest.mark.parametrize("image", [0, 1])
def test_one_voxel_that_is_far_too_large_leaves_the_other_windows(xp, image):
    pair = images((12, 13, 14), dtype=np.float32)
    pair[image][6, 6, 6] = 1e9
    value = xp.run(partial(structural_similarity, data_range=100.0), *pair)
    np.testing.assert_allclose(value, in_every_window(*pair, data_range=100.0), atol=3e-7)


def test_the_memory_of_large_images_is_not_doubled():
    prediction, reference = images((90, 90, 100))
    tracemalloc.start()
    for window in (7, gaussian_window()):
        structural_similarity(prediction, reference, window=window)
    assert tracemalloc.get_traced_memory()[1] < prediction.nbytes
    tracemalloc.stop()


def test_neither_the_order_in_memory_nor_that_of_the_bytes_counts():
    prediction, reference = images((20, 40, 70))
    value = structural_similarity(prediction, reference)
    for change in (np.asfortranarray, lambda image: image.astype(">f8"), lambda image: image[::-1].copy()[::-1]):
        assert math.isclose(structural_similarity(change(prediction), change(reference)), value, rel_tol=1e-13)


def test_default_range_is_the_largest_value_of_the_reference(xp):
    prediction, reference = images((9, 10), dtype=np.float32)
    value = xp.run(structural_similarity, prediction, 3 * reference)
    np.testing.assert_allclose(value, oracle(prediction, 3 * reference, data_range=3.0), atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_slices_are_compared_one_by_one(xp, axis):
    prediction, reference = images((8, 9, 10), dtype=np.float32)
    value = xp.run(partial(structural_similarity, slice_axis=axis), prediction, reference)
    limit = reference.max()
    pairs = zip(np.moveaxis(prediction, axis, 0), np.moveaxis(reference, axis, 0), strict=True)
    np.testing.assert_allclose(value, np.mean([oracle(p, r, data_range=limit) for p, r in pairs]), atol=1e-6)


@pytest.mark.sampled(9)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, bool, np.float16])
def test_every_kind_of_number_is_promoted(xp, dtype):
    if dtype is np.float16 and xp.name.startswith(("strict", "torch")):
        dtype = np.int32
    prediction, reference = RNG.integers(0, 2 if dtype is bool else 120, (2, 9, 9)).astype(dtype)
    value = xp.run(partial(structural_similarity, data_range=255), prediction, reference)
    np.testing.assert_allclose(value, oracle(prediction, reference, data_range=255), atol=1e-5)


def test_one_window_by_hand(xp):
    prediction, reference = np.array([[1.0, 2.0, 3.0]] * 3), np.array([[2.0, 2.0, 5.0]] * 3)
    p, r = prediction.mean(), reference.mean()
    covariance = np.cov(prediction.ravel(), reference.ravel())
    low, high = (0.01 * 4) ** 2, (0.03 * 4) ** 2
    expected = (2 * p * r + low) * (2 * covariance[0, 1] + high)
    expected /= (p * p + r * r + low) * (covariance[0, 0] + covariance[1, 1] + high)
    value = xp.run(partial(structural_similarity, data_range=4, window=3), prediction, reference)
    np.testing.assert_allclose(value, expected, rtol=2e-6)


def test_a_window_is_an_average_however_its_weights_are_scaled():
    prediction, reference = images((12, 13))
    for weights in ((1, 1, 1), (3.0, 3.0, 3.0), 3):
        value = structural_similarity(prediction, reference, window=weights)
        assert math.isclose(value, structural_similarity(prediction, reference, window=3), rel_tol=1e-13)
    assert math.isclose(math.fsum(gaussian_window(sigma=2.0)), 1)
    assert len(gaussian_window()) == 11


def test_identity_and_undefined(xp):
    prediction, reference = images((8, 8), dtype=np.float32)
    np.testing.assert_allclose(xp.run(structural_similarity, reference, reference), 1, rtol=1e-6)
    assert np.isnan(xp.run(structural_similarity, prediction, 0 * reference))
    assert np.isnan(xp.run(structural_similarity, prediction, -1 - reference))
    spoiled = prediction.copy()
    for value in (math.nan, math.inf):
        spoiled[4, 4] = value
        assert np.isnan(xp.run(structural_similarity, spoiled, reference))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"window": 4}, ValueError, "odd size"),
        ({"window": 0}, ValueError, "at least 1"),
        ({"window": 2.5}, TypeError, "whole number"),
        ({"window": "uniform"}, TypeError, "numbers"),
        ({"window": (1, -1, 1)}, ValueError, "not negative"),
        ({"window": (1, 2, 3)}, ValueError, "symmetric weights"),
        ({"window": (0, 0, 0)}, ValueError, "window"),
        ({"window": 9}, ValueError, r"at least 9 voxels along every axis of the window; got shape \(8, 9\)"),
        ({"slice_axis": 2}, ValueError, "axis"),
    ],
)
def test_bad_options(options, error, words):
    with pytest.raises(error, match=words):
        structural_similarity(np.ones((8, 9)), np.ones((8, 9)), **options)


def test_bad_sigma():
    with pytest.raises(ValueError, match="gaussian_window: `sigma` must be positive"):
        gaussian_window(sigma=0)


@pytest.mark.slow
@pytest.mark.sampled(1)
@pytest.mark.parametrize("window", [7, gaussian_window()])
@pytest.mark.parametrize("planes", [24, 29])
def test_compiled_programs_take_few_planes_at_a_time(planes, window):
    import jax

    theirs = {} if window == 7 else {"gaussian_weights": True}
    function = partial(structural_similarity, data_range=1.0, window=window)
    for offset in (0, 300):
        prediction, reference = images((2, planes, 12, 13), offset=offset, dtype=np.float32)
        values = jax.jit(jax.vmap(function))(prediction, reference)
        expected = [oracle(p, r, data_range=1.0, **theirs) for p, r in zip(prediction, reference, strict=True)]
        np.testing.assert_allclose(values, expected, atol=1e-5)
    prediction, reference = images((planes, 12, 13), dtype=np.float32)
    gradient = jax.jit(jax.grad(function))(prediction, reference)
    ahead = RNG.standard_normal(prediction.shape)
    high, low = (function(prediction + sign * 1e-6 * ahead, reference.astype(np.float64)) for sign in (1, -1))
    np.testing.assert_allclose(np.sum(gradient * ahead), (high - low) / 2e-6, rtol=1e-4)


@pytest.mark.slow
def test_many_equal_similarities_keep_single_precision():
    import jax

    reference = np.full((40, 200, 200), 0.5, np.float32)
    value = jax.jit(partial(structural_similarity, data_range=1.0))(reference + np.float32(0.125), reference)
    np.testing.assert_allclose(value, (2 * 0.625 * 0.5 + 1e-4) / (0.625**2 + 0.25 + 1e-4), rtol=5e-7)


@pytest.mark.slow
def test_it_is_a_loss_with_a_gradient():
    import jax
    import torch

    prediction, reference = images((9, 9), dtype=np.float32)
    gradient = jax.grad(lambda p: structural_similarity(p, reference, data_range=1.0))(jax.numpy.asarray(prediction))
    step = np.zeros((9, 9))
    step[4, 5] = 1e-6
    double = prediction.astype(np.float64), reference.astype(np.float64)
    high, low = (structural_similarity(double[0] + sign * step, double[1], data_range=1.0) for sign in (1, -1))
    np.testing.assert_allclose(gradient[4, 5], (high - low) / 2e-6, atol=1e-6)
    tensor = torch.tensor(double[0], requires_grad=True)
    structural_similarity(tensor, torch.tensor(double[1]), data_range=1.0).backward()
    np.testing.assert_allclose(tensor.grad[4, 5], (high - low) / 2e-6, atol=1e-8)
