"""Brightness, contrast, sharpness and local contrast: against definitions in double precision, and peers."""

import numpy as np
import pytest

from mia_functional.transforms import (
    blur,
    brightness,
    contrast,
    gamma,
    local_gamma,
    random_brightness,
    random_local_gamma,
    random_sharpen,
    sharpen,
)

IMAGE = np.random.default_rng(0).normal(size=(5, 6, 7, 2)).astype(np.float32)
WIDE = IMAGE.astype(np.float64)
LOW, HIGH = WIDE.min(axis=(0, 1, 2)), WIDE.max(axis=(0, 1, 2))
MEAN = WIDE.mean(axis=(0, 1, 2))


def around(centre, sigma):
    """Return the weights of a Gaussian around a place."""
    grid = np.moveaxis(np.indices(IMAGE.shape[:-1]), 0, -1)
    return np.exp(-0.5 * (((grid - centre) / sigma) ** 2).sum(axis=-1))[..., None]


UNIT = (WIDE - LOW) / (HIGH - LOW)
POWERS = UNIT ** np.array([0.5, 2.0])
DEFINITIONS = {
    "brightness": (lambda i: brightness(i, [0.5, 2.0], [1.0, -1.0]), WIDE * [0.5, 2.0] + [1.0, -1.0]),
    "contrast": (lambda i: contrast(i, [0.5, 2.0]), MEAN + (WIDE - MEAN) * [0.5, 2.0]),
    "contrast in its range": (
        lambda i: contrast(i, 3.0, keep_range=True),
        np.clip(MEAN + (WIDE - MEAN) * 3, LOW, HIGH),
    ),
    "sharpen": (lambda i: sharpen(i, 1.5, (0.5, 1.0, 0.0)), WIDE + 1.5 * (WIDE - blur(WIDE, (0.5, 1.0, 0.0)))),
    "local_gamma": (
        lambda i: local_gamma(i, [1.5, 2.0, 0.0], [2.0, 1.0, 3.0], [0.5, 2.0]),
        LOW + (HIGH - LOW) * (UNIT + around([1.5, 2, 0], [2, 1, 3]) * (POWERS - UNIT)),
    ),
}


@pytest.mark.sampled(12)
@pytest.mark.parametrize("name", DEFINITIONS)
def test_values_are_those_of_the_definitions(xp, name):
    function, expected = DEFINITIONS[name]
    found = xp.run(function, IMAGE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda i: brightness(i, 1.0, 0.0),
        lambda i: contrast(i, [1.0, 1.0]),
        lambda i: contrast(i, 1.0, keep_range=True),
        lambda i: sharpen(i, 0.0, 1.0),
        lambda i: local_gamma(i, [0.0, 0.0, 0.0], 2.0, 1.0),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64])
def test_no_strength_leaves_the_image_as_it_is(function, dtype):
    image = (np.abs(IMAGE) * 50).astype(dtype)
    found = function(image)
    np.testing.assert_array_equal(found, image)
    assert found.dtype == (np.float32 if dtype == np.uint8 else dtype)


def test_local_gamma_is_gamma_where_the_weight_is_one_and_the_image_far_away():
    whole = local_gamma(IMAGE, [0.0, 0.0, 0.0], 1e6, 2.0)
    np.testing.assert_allclose(whole, gamma(IMAGE, 2.0), atol=1e-5)
    near = local_gamma(IMAGE, [2.0, 2.0, 2.0], 0.1, 2.0)
    changed = np.argwhere((near != IMAGE).any(axis=-1))
    assert changed.tolist() == [[2, 2, 2]]


def test_constant_channels_stay():
    flat = np.full((4, 5, 1), 7.0, np.float32)
    for found in (contrast(flat, 3.0), sharpen(flat, 2.0, 1.0), local_gamma(flat, [1.0, 1.0], 1.0, 3.0)):
        np.testing.assert_allclose(found, flat, rtol=1e-6)


def test_draws_stay_within_their_ranges():
    rng = np.random.default_rng(0)
    draws = [random_brightness(rng, channels=3, max_change=0.25, max_offset=0.5) for _ in range(200)]
    factors, offsets = (np.array(column) for column in zip(*draws, strict=True))
    assert 0.8 <= factors.min() < 0.81 < 1.24 < factors.max() <= 1.25
    assert -0.5 <= offsets.min() < -0.48 < 0.48 < offsets.max() <= 0.5
    places = [random_local_gamma(rng, spatial_shape=(4, 9), sigma=(0.5, 1.0)) for _ in range(200)]
    centres, widths = np.array([draw.centre for draw in places]), np.array([draw.sigma for draw in places])
    assert (centres >= 0).all()
    assert (centres <= [3, 8]).all()
    assert ((widths >= [2, 4.5]) & (widths <= [4, 9])).all()
    amounts = [random_sharpen(rng, max_strength=2.0, sigma=(1.0, 1.0)) for _ in range(50)]
    assert all(0 <= draw.strength <= 2 and draw.sigma == 1 for draw in amounts)


@pytest.mark.slow
def test_contrast_and_brightness_are_those_of_nnunet():
    """batchgeneratorsv2 0.3.6, whose channels come first and which changes tensors in place."""
    import torch
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform

    given = torch.asarray(np.moveaxis(IMAGE, -1, 0).copy())
    for keep_range in (False, True):
        theirs = ContrastTransform((2.5, 2.5), keep_range, synchronize_channels=False)(image=given.clone())["image"]
        expected = np.moveaxis(theirs.numpy(), 0, -1)
        np.testing.assert_allclose(contrast(IMAGE, 2.5, keep_range=keep_range), expected, rtol=1e-5, atol=1e-5)
    brighter = MultiplicativeBrightnessTransform((1.5, 1.5), synchronize_channels=False)(image=given.clone())["image"]
    np.testing.assert_allclose(brightness(IMAGE, 1.5, 0.0), np.moveaxis(brighter.numpy(), 0, -1), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: brightness(IMAGE, [1.0] * 3, 0.0), ValueError, "brightness: `factor` must have the shape"),
        (lambda: brightness(IMAGE, 1.0, [1.0] * 3), ValueError, "brightness: `offset` must have the shape"),
        (lambda: contrast(IMAGE[..., :1], [1.0] * 3), ValueError, r"contrast: `factor` .* shape \(\) or \(1,\); got"),
        (lambda: contrast(IMAGE, [1.0] * 3), ValueError, "contrast: `factor` must have the shape"),
        (lambda: sharpen(IMAGE, [1.0, 2.0], 1.0), ValueError, "sharpen: `strength` must have the shape"),
        (lambda: sharpen(IMAGE, 1.0, -1.0), ValueError, "sharpen: `sigma` must lie within 0 and 100,000 voxels"),
        (lambda: sharpen(IMAGE, float("inf"), 1.0), ValueError, "sharpen: `strength` must be finite; got NaN or inf"),
        (lambda: brightness(IMAGE, float("nan"), 0.0), ValueError, "brightness: `factor` must be finite"),
        (lambda: brightness(IMAGE, 1.0, float("inf")), ValueError, "brightness: `offset` must be finite"),
        (lambda: contrast(IMAGE, [1.0, float("nan")]), ValueError, "contrast: `factor` must be finite"),
        (lambda: local_gamma(IMAGE, [1.0], 1.0, 1.0), ValueError, "local_gamma: `centre` must have the shape"),
        (lambda: local_gamma(IMAGE, [1.0] * 3, 0.0, 1.0), ValueError, "local_gamma: `sigma` must be positive"),
        (lambda: local_gamma(IMAGE, [1.0] * 3, 1.0, 0.0), ValueError, "local_gamma: `exponent` must be positive"),
    ],
)
def test_bad_input_is_one_sentence(call, kind, text):
    with pytest.raises(kind, match=f"^{text}"):
        call()
