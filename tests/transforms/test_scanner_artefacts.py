"""Noise, contrast and bias: against SciPy, scikit-image and NumPy's polynomials, under `jit` too."""

import numpy as np
import pytest
from scipy import stats
from skimage import exposure

from mia_functional.transforms import bias_field, blur, gamma, noise, random_rician_noise, rician_noise
from mia_functional.transforms.scanner_artefacts import monomials

IMAGE = np.random.default_rng(0).random((7, 8, 9, 2)).astype(np.float32)


def test_noise_is_added(xp):
    field = np.random.default_rng(1).normal(size=IMAGE.shape).astype(np.float32)
    np.testing.assert_allclose(xp.run(noise, IMAGE, field), IMAGE + field, atol=1e-6)
    assert xp.run(noise, np.zeros((2, 2, 1), np.int16), np.full((2, 2, 1), 0.5)).tolist() == [[[0.5]] * 2] * 2


def test_rician_noise_is_the_magnitude_of_a_noisy_complex_signal(xp):
    rng = np.random.default_rng(1)
    real, imaginary = (rng.normal(size=IMAGE.shape).astype(np.float32) for _ in range(2))
    expected = np.abs(IMAGE + real + 1j * imaginary)
    np.testing.assert_allclose(xp.run(rician_noise, IMAGE, real, imaginary), expected, rtol=1e-6)
    whole = np.array([[3], [0]], np.int16)
    assert xp.run(rician_noise, whole, np.array([[0.0], [6.0]]), np.array([[4.0], [8.0]])).tolist() == [[5.0], [10.0]]


@pytest.mark.parametrize("signal", [0.0, 0.5, 1.0, 8.0])
def test_noisy_magnitudes_follow_rices_distribution(signal):
    image = np.full((50, 50, 40, 1), signal)
    draw = random_rician_noise(np.random.default_rng(2), spatial_shape=(50, 50, 40), channels=1, sigma=(0.5, 0.5))
    found = rician_noise(image, *draw).ravel()
    assert stats.kstest(found, stats.rice(signal / 0.5, scale=0.5).cdf).pvalue > 0.01
    if signal == 0:
        assert found.mean() == pytest.approx(0.5 * np.sqrt(np.pi / 2), rel=0.01)


def test_gamma_equals_scikit_image(xp):
    whole = np.stack([(c - c.min()) / np.ptp(c) for c in np.moveaxis(IMAGE, -1, 0)], axis=-1)
    found = xp.run(gamma, whole, np.array([0.7, 1.6]))
    expected = [exposure.adjust_gamma(whole[..., channel], power) for channel, power in enumerate((0.7, 1.6))]
    np.testing.assert_allclose(found, np.stack(expected, axis=-1), atol=2e-6)


def test_gamma_keeps_the_range_and_constants(xp):
    image = np.concatenate([IMAGE * 50 - 20, np.full_like(IMAGE[..., :1], 3)], axis=-1)
    found = xp.run(lambda image: gamma(image, 0.5), image)
    for extreme in (np.min, np.max):
        np.testing.assert_allclose(extreme(found, axis=(0, 1, 2)), extreme(image, axis=(0, 1, 2)), rtol=1e-6)
    assert (found[..., 2] == 3).all()


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_bias_field_equals_numpys_polynomials(xp, degree):
    powers = monomials(3, degree)
    coefficients = np.random.default_rng(degree).uniform(-0.3, 0.3, len(powers))
    grid = np.zeros((degree + 1,) * 3)
    for power, value in zip(powers, coefficients, strict=True):
        grid[power] = value
    lines = [np.linspace(-1, 1, size) for size in IMAGE.shape[:3]]
    expected = IMAGE * np.exp(np.polynomial.polynomial.polygrid3d(*lines, grid))[..., None]
    np.testing.assert_allclose(xp.run(bias_field, IMAGE, coefficients), expected, rtol=2e-5)


def test_monomials_of_degree_three_are_nineteen():
    assert len(monomials(3, 3)) == 19
    assert len({sum(power) for power in monomials(3, 3)}) == 3


@pytest.mark.parametrize(
    "function",
    [
        lambda i: blur(i, 1.0),
        lambda i: gamma(i, 0.8),
        lambda i: bias_field(i, [0.1] * 3),
        lambda i: rician_noise(i, np.ones(i.shape), np.ones(i.shape)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64])
def test_floats_keep_their_dtype_and_others_become_float32(function, dtype):
    image = (IMAGE * 200).astype(dtype)
    found = function(image)
    assert found.dtype == (np.float32 if dtype == np.uint8 else dtype)
    np.testing.assert_allclose(found, function(image.astype(np.float64)), rtol=2 * np.finfo(found.dtype).eps, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: noise(IMAGE, IMAGE[:3]), ValueError, "`field` must have the shape"),
        (lambda: rician_noise(IMAGE, IMAGE[:3], IMAGE), ValueError, "`real` must have the shape"),
        (lambda: rician_noise(IMAGE, IMAGE, IMAGE[:3]), ValueError, "`imaginary` must have the shape"),
        (
            lambda: rician_noise(IMAGE - 1, IMAGE, IMAGE),
            ValueError,
            "`image` must hold magnitudes, from 0 on; got -",
        ),
        (lambda: gamma(IMAGE, [1.0, 1.0, 1.0]), ValueError, "`exponent` must have the shape"),
        (lambda: bias_field(IMAGE, [1.0] * 4), ValueError, "be as many as a polynomial has: 3, 9, 19"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("exponent", [0.5, 0.8, 1.0, 2.0])
def test_the_gradient_of_a_gamma_correction_is_finite_at_the_minimum_and_right_elsewhere(exponent):
    """With u = (x - low) / (high - low) of the middle voxel, p the exponent: by low, by x and by high."""
    import jax
    import torch

    values, u = np.array([[0.0], [1.0], [3.0]], np.float32), 1 / 3
    slope = exponent * u ** (exponent - 1)
    expected = np.array([[1 - u**exponent - slope * (1 - u)], [slope], [u**exponent - slope * u]])
    grad = jax.grad(lambda array, power: gamma(array, power)[1, 0], argnums=(0, 1))
    for way in (grad, jax.jit(grad)):
        found, by_exponent = way(values, np.float32(exponent))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(by_exponent, 3 * u**exponent * np.log(u), rtol=1e-5)
    tensor = torch.tensor(values, requires_grad=True)
    gamma(tensor, torch.tensor(exponent))[1, 0].backward()
    np.testing.assert_allclose(tensor.grad, expected, atol=1e-6)
    # All voxels together: the minimum has no infinity of its own.
    assert np.isfinite(jax.grad(lambda array: gamma(array, exponent).sum())(values)).all()
