"""Intensities: against SciPy, scikit-image and NumPy, in every library, with masks and without."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats
from skimage import exposure

from mia_functional.transforms import clip_percentile, mask_outside, rescale, standardize

RNG = np.random.default_rng(0)
IMAGE = (RNG.gamma(2.0, 100.0, (5, 6, 7, 2)) * [1.0, 3.0]).astype(np.float32)
MASK = RNG.random((5, 6, 7, 1)) < 0.4


def by_channel(function, image):
    """Apply a function to every channel."""
    return np.stack([function(image[..., channel]) for channel in range(image.shape[-1])], axis=-1)


def test_standardize_equals_scipy(xp):
    found = xp.run(standardize, IMAGE)
    np.testing.assert_allclose(found, by_channel(lambda a: stats.zscore(a, axis=None), IMAGE), atol=2e-6)
    assert found.dtype == np.float32


def test_standardize_inside_of_a_mask(xp):
    found = xp.run(lambda image, mask: standardize(image, mask=mask), IMAGE, MASK)
    inside = by_channel(lambda a: (a - a[MASK[..., 0]].mean()) / a[MASK[..., 0]].std(), IMAGE)
    np.testing.assert_allclose(found, inside, atol=3e-6)


def test_rescale_equals_scikit_image(xp):
    found = xp.run(lambda image: rescale(image, lower=-1.0, upper=3.0), IMAGE)
    expected = by_channel(lambda a: exposure.rescale_intensity(a, out_range=(-1.0, 3.0)), IMAGE)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rescale_by_the_range_inside_of_a_mask(xp):
    found = xp.run(lambda image, mask: rescale(image, mask=mask), IMAGE, MASK)
    for channel in range(2):
        inside = found[..., channel][MASK[..., 0]]
        assert (inside.min(), inside.max()) == (0, 1)
    assert found.max() > 1


@pytest.mark.parametrize("masked", [False, True])
def test_clip_percentile_equals_numpy(xp, masked):
    def clip(image, mask):
        return clip_percentile(image, lower=5, upper=92.5, mask=mask if masked else None)

    def expected(channel):
        low, high = np.percentile(channel[MASK[..., 0]] if masked else channel, (5, 92.5))
        return np.clip(channel, low, high)

    np.testing.assert_allclose(xp.run(clip, IMAGE, MASK), by_channel(expected, IMAGE), rtol=1e-5)


def test_both_percentiles_are_those_of_the_image_before_clipping():
    line = np.array([[0.0], [0.0], [0.0], [100.0]])
    assert clip_percentile(line, lower=90, upper=100)[:, 0].tolist() == [pytest.approx(70.0)] * 3 + [100.0]


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, math.inf, 3], [1.04, math.inf, 3]),
        ([-math.inf, 1, 2, 3], [-math.inf, 1, 2, 2.97]),
        ([math.inf, math.inf], [math.inf] * 2),
        ([1, math.nan, 3], [math.nan] * 3),
    ],
)
def test_infinite_voxels_are_the_largest_and_nan_spreads_in_every_library(xp, values, expected):
    image = np.array(values, np.float32)[:, None]
    np.testing.assert_allclose(xp.run(clip_percentile, image)[:, 0], expected, rtol=1e-6)
    wider, mask = np.concatenate([image, image + 5]), np.arange(2 * len(values))[:, None] < len(values)
    found = xp.run(lambda image, mask: clip_percentile(image, mask=mask), wider, mask)
    np.testing.assert_allclose(found[: len(values), 0], expected, rtol=1e-6)


def test_axis_takes_all_channels_together(xp):
    found = xp.run(lambda image: standardize(image, axis=(0, 1, 2, 3)), IMAGE)
    np.testing.assert_allclose(found, stats.zscore(IMAGE, axis=None), atol=2e-6)
    volume = IMAGE[..., 0]
    found = xp.run(lambda image: clip_percentile(image, upper=80, axis=(0, 1, 2)), volume)
    np.testing.assert_allclose(found, np.clip(volume, *np.percentile(volume, (1, 80))), rtol=1e-5)


@pytest.mark.parametrize("function", [standardize, rescale, clip_percentile])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float64, np.bool_])
def test_floats_keep_their_dtype_and_others_become_float32(function, dtype):
    image = (RNG.random((4, 5, 2)) * 200).astype(dtype)
    found = function(image)
    assert found.dtype == (dtype if np.issubdtype(dtype, np.floating) else np.float32)
    np.testing.assert_allclose(found, function(image.astype(np.float64)), rtol=np.finfo(found.dtype).eps, atol=1e-6)


def test_uint8_does_not_wrap_and_float16_does_not_overflow():
    assert rescale(np.array([[0], [200], [250]], np.uint8), upper=1)[:, 0].tolist() == [0, pytest.approx(0.8), 1]
    large = np.full((64, 64, 1), 60000, np.float16)
    large[0] = 0
    assert abs(standardize(large).astype(np.float64).mean()) < 1e-3


def test_a_constant_channel_has_no_contrast(xp):
    flat = np.full((3, 4, 1), 7.0, dtype=np.float32)
    assert (xp.run(standardize, flat) == 0).all()
    assert (xp.run(lambda image: rescale(image, lower=-2.0), flat) == -2).all()


def test_an_empty_mask_gives_nan(xp):
    nothing = np.zeros_like(MASK)
    for function in (standardize, rescale, clip_percentile):
        found = xp.run(lambda image, mask, function=function: function(image, mask=mask), IMAGE, nothing)
        assert np.isnan(found).all(), function.__name__


def test_a_constant_far_from_zero_is_flat_in_single_precision_too(xp):
    flat = np.full((40, 41, 1), 1234.567, dtype=np.float32)
    assert (xp.run(standardize, flat) == 0).all()


def test_mean_of_many_voxels_far_from_zero():
    image = (RNG.normal(30000, 100, (64, 128, 128, 1))).astype(np.float32)
    found = standardize(image).astype(np.float64)
    assert abs(found.mean()) < 1e-3
    assert abs(found.std() - 1) < 1e-3


def test_mask_outside_keeps_the_dtype(xp):
    image = np.arange(24, dtype=np.int16).reshape(3, 4, 2)
    mask = np.arange(12).reshape(3, 4, 1) % 2
    found = xp.run(lambda image, mask: mask_outside(image, mask, fill_value=-3), image, mask)
    np.testing.assert_array_equal(found, np.where(mask > 0, image, -3))
    assert found.dtype == np.int16


@pytest.mark.slow
@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=4, max_side=5), elements=st.floats(-1e3, 1e3, width=32)))
def test_laws(image):
    standard = standardize(image)
    flat = np.ptp(image, axis=tuple(range(image.ndim - 1))) < 1e-6
    axes = tuple(range(image.ndim - 1))
    np.testing.assert_allclose(standard.mean(axis=axes)[~flat], 0, atol=1e-8)
    np.testing.assert_allclose(standard.std(axis=axes)[~flat], 1, atol=1e-8)
    unit = rescale(image)
    assert unit.min() >= 0
    assert unit.max() <= 1
    np.testing.assert_allclose(rescale(unit)[..., ~flat], unit[..., ~flat], atol=1e-9)
    np.testing.assert_array_equal(clip_percentile(image, lower=0, upper=100), image)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: standardize(np.zeros((2, 2, 1), complex)), TypeError, "`image` must hold real numbers"),
        (lambda: standardize([1.0]), TypeError, "`image` must be an array"),
        (lambda: standardize(np.zeros(3)), ValueError, "have its channels on a last axis"),
        (lambda: standardize(np.zeros((0, 1))), ValueError, "at least one axis and one element"),
        (lambda: rescale(IMAGE, mask=MASK[:4]), ValueError, r"`mask` must have the shape \(5, 6, 7, 2\) or"),
        (lambda: mask_outside(IMAGE, MASK[..., 0]), ValueError, r"got \(5, 6, 7\)"),
        (lambda: clip_percentile(IMAGE, lower=99, upper=1), ValueError, "in order within 0 and 100"),
        (lambda: rescale(IMAGE, axis=(4,)), ValueError, "`axis` must lie within -4 and 3"),
        (lambda: standardize(IMAGE, axis=(0, -4)), ValueError, "standardize: `axis` must name .* none of them twice"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numpy", "torch", "jax"])
def test_percentiles_of_more_voxels_than_single_precision_counts(kind):
    count = 2**24 + 6
    image = np.zeros((count + 2, 1), np.float32)
    # The two largest inside of the mask are told apart, and from what is outside.
    image[0], image[1:4, 0], image[-2:] = -1, (-0.5, 3, 4), 9
    mask = np.ones((count + 2, 1), bool)
    mask[-2:] = False
    make = {"numpy": np.asarray, "torch": torch.asarray, "jax": jnp.asarray}[kind]
    clipped = np.asarray(clip_percentile(make(image), lower=0, upper=100, mask=make(mask)))
    assert (clipped.min(), clipped.max()) == (-1, 4)
    share = 100 / (count - 1)
    clipped = np.asarray(clip_percentile(make(image), lower=2 * share, upper=100 - 2 * share, mask=make(mask)))
    assert (clipped.min(), clipped.max()) == (0, 0)


def test_percentiles_of_half_precision_count_in_whole_numbers():
    image = np.linspace(0, 1, 200000, dtype=np.float16)[:, np.newaxis]
    for lower, upper in ((0, 100), (1, 99)):
        clipped = clip_percentile(image, lower=lower, upper=upper)
        np.testing.assert_allclose((clipped.min(), clipped.max()), (lower / 100, upper / 100), atol=1e-3)
