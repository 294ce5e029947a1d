"""Gaussian smoothing: against SciPy, in every library."""

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.transforms import blur

IMAGE = np.random.default_rng(0).random((7, 8, 9, 2)).astype(np.float32)


def test_blur_equals_scipy(xp):
    sigma = np.array([0.8, 0.0, 1.7])
    found = xp.run(lambda image, sigma: blur(image, sigma, radius=7), IMAGE, sigma)
    for channel in range(2):
        expected = ndimage.gaussian_filter(IMAGE[..., channel], sigma, mode="nearest", radius=(7, 7, 7))
        np.testing.assert_allclose(found[..., channel], expected, atol=2e-6)


def test_an_axis_of_deviation_zero_stays_as_it_is(xp):
    line = np.array([1.0, np.nan, 3.0, np.inf, 5.0], dtype=np.float32)[:, None]
    found = xp.run(lambda image, sigma: blur(image, sigma, radius=2), line, np.array(0.0))
    np.testing.assert_array_equal(found, line)


def test_blur_reaches_four_deviations_where_no_radius_is_given(xp):
    found = xp.run(lambda image: blur(image, 1.3), IMAGE)
    expected = ndimage.gaussian_filter(IMAGE[..., 0], 1.3, mode="nearest")
    np.testing.assert_allclose(found[..., 0], expected, atol=2e-6)


def test_a_traced_deviation_needs_a_radius():
    import jax

    with pytest.raises(TypeError, match="`radius` must be given"):
        jax.jit(blur)(IMAGE, 1.0)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: blur(IMAGE, [1.0, 1.0]), ValueError, "`sigma` must have the shape"),
        (lambda: blur([1.0], 1.0), TypeError, "be an array"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
