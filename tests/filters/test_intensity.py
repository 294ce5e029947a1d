"""Filters: the same as SimpleITK gives when it is called directly."""

import numpy as np
import pytest
import SimpleITK

from mia_functional import filters, phantoms
from mia_functional.images import to_simpleitk
from mia_functional.morphology import connected_components, largest_components
from mia_functional.transforms import on, relabel, rescale, standardize

HEAD = phantoms.head((24, 28, 24), spacing=(2.0, 1.5, 2.0), rng=np.random.default_rng(0), bias=0.4)
GRID = HEAD.geometry
T1 = to_simpleitk(HEAD.t1, GRID)
HOLED = np.where(np.arange(24) == 12, np.nan, HEAD.t1)


def array_of(image):
    """Return the voxels of a SimpleITK image."""
    return SimpleITK.GetArrayFromImage(image)


def spread(image):
    """Return how much the white matter varies, as part of its mean."""
    white = HEAD.labels == 1
    return image[white].std() / image[white].mean()


@pytest.mark.slow
def test_correct_bias_equals_simpleitk_and_flattens_white_matter():
    found = filters.correct_bias(HEAD.t1, GRID, mask=HEAD.mask, iterations=(20, 10))
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations((20, 10))
    np.testing.assert_allclose(found, array_of(n4.Execute(T1, to_simpleitk(HEAD.mask, GRID))), rtol=1e-4, atol=1e-2)
    assert spread(found) < 0.85 * spread(HEAD.t1)
    shrunken = filters.correct_bias(HEAD.t1, GRID, mask=HEAD.mask[..., None], iterations=(20, 10), shrink=2)
    assert spread(shrunken) < 0.85 * spread(HEAD.t1)


def test_correct_bias_takes_otsus_foreground_where_no_mask_is_given():
    found = filters.correct_bias(HEAD.t1, GRID, iterations=(5,))
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations((5,))
    expected = n4.Execute(T1, SimpleITK.OtsuThreshold(T1, 0, 1, 200))
    np.testing.assert_allclose(found, array_of(expected), rtol=1e-4, atol=1e-2)


def test_diffuse_equals_simpleitk_channel_by_channel():
    both = np.stack([HEAD.t1, HEAD.t2], axis=-1)
    found = filters.diffuse(both, GRID, iterations=3, conductance=2.0)
    for channel, image in enumerate((HEAD.t1, HEAD.t2)):
        expected = SimpleITK.GradientAnisotropicDiffusion(to_simpleitk(image, GRID), 1.5 / 16, 2.0, 1, 3)
        np.testing.assert_allclose(found[..., channel], array_of(expected), rtol=1e-6)
    assert found.dtype == np.float32


def test_match_histogram_equals_simpleitk():
    found = filters.match_histogram(HEAD.t1, HEAD.t2, levels=128, points=5)
    expected = SimpleITK.HistogramMatching(T1, to_simpleitk(HEAD.t2, GRID), 128, 5, thresholdAtMeanIntensity=True)
    np.testing.assert_allclose(found, array_of(expected), rtol=1e-6)
    other = filters.match_histogram(HEAD.t1[..., None], HEAD.t2[:12, :, :, None])
    assert other.shape == (24, 28, 24, 1)


def test_threshold_by_value_and_by_otsu(xp):
    below_zero = HEAD.t1 - 400
    found = xp.run(lambda image: filters.threshold(image, above=-10.0), below_zero)
    np.testing.assert_array_equal(found, below_zero > -10)
    if xp.name != "jax-jit":
        expected = array_of(SimpleITK.OtsuThreshold(T1, 0, 1, 256)) == 1
        np.testing.assert_array_equal(xp.run(filters.threshold, HEAD.t1), expected)


def test_what_the_other_modules_do_equals_simpleitk():
    volume = np.asarray(HEAD.t1, np.float64)
    expected = array_of(SimpleITK.Normalize(to_simpleitk(volume, GRID)))
    np.testing.assert_allclose(standardize(volume[..., None])[..., 0], expected, rtol=1e-3, atol=1e-4)
    expected = array_of(SimpleITK.RescaleIntensity(T1, -1.0, 2.0))
    np.testing.assert_allclose(rescale(HEAD.t1[..., None], lower=-1.0, upper=2.0)[..., 0], expected, atol=1e-5)
    mask = HEAD.labels >= 3
    components = SimpleITK.RelabelComponent(SimpleITK.ConnectedComponent(to_simpleitk(mask, GRID)))
    np.testing.assert_array_equal(largest_components(mask, count=2), np.isin(array_of(components), (1, 2)))
    assert connected_components(mask).max() == array_of(components).max()
    mapping = {float(old): float(new) for old, new in ((1, 2), (2, 1), (3, 0))}
    expected = array_of(SimpleITK.ChangeLabel(to_simpleitk(HEAD.labels, GRID), mapping))
    np.testing.assert_array_equal(relabel(HEAD.labels, {1: 2, 2: 1, 3: 0}), expected)


def test_other_libraries_get_their_own_arrays_back_and_samples_work():
    import torch

    found = filters.diffuse(torch.asarray(HEAD.t1), GRID, iterations=1)
    assert isinstance(found, torch.Tensor)
    sample = {"images": np.stack([HEAD.t1, HEAD.t2], axis=-1), "geometry": GRID}
    smooth = on("images", filters.diffuse, given={"geometry": "geometry"}, iterations=1)
    np.testing.assert_array_equal(smooth(sample)["images"][..., 0], found.numpy())


def test_torchs_bfloat16_is_filtered_as_float32_is():
    import torch

    exact = torch.asarray(HEAD.t1).bfloat16()
    plain = exact.float().numpy()
    filtered = (
        lambda image: filters.diffuse(image, GRID, iterations=1),
        lambda image: filters.correct_bias(image, GRID, iterations=(2,)),
        lambda image: filters.match_histogram(image, HEAD.t2),
        filters.threshold,
    )
    for function in filtered:
        np.testing.assert_array_equal(function(exact).numpy(), function(plain))


def test_a_numpy_image_beside_that_of_another_library_is_moved():
    import jax
    import torch

    expected = filters.match_histogram(HEAD.t1, HEAD.t2)
    for first, second in (
        (torch.asarray, np.asarray),
        (np.asarray, jax.numpy.asarray),
        (jax.numpy.asarray, np.asarray),
    ):
        found = filters.match_histogram(first(HEAD.t1), second(HEAD.t2))
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


@pytest.mark.sampled(14)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64"])
def test_a_threshold_of_integers_is_exact(xp, dtype):
    image = np.array([0, 1, 2**24, 2**24 + 1]).astype(dtype)
    for above in (-np.inf, -1, 0, 0.5, 1, 2.0**24, 300, 1e30, np.inf, np.nan):
        found = xp.run(lambda image, above=above: filters.threshold(image, above=above), image)
        np.testing.assert_array_equal(found, image.astype(np.float64) > above)
    if dtype == "uint8" and xp.name != "jax-jit":
        np.testing.assert_array_equal(
            xp.run(filters.threshold, np.array([1, 2, 9, 10], np.uint8)), [False] * 2 + [True] * 2
        )


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: filters.diffuse(HEAD.t1[1:], GRID), ValueError, r"`image` must have the shape \(24, 28, 24\)"),
        (lambda: filters.diffuse(HEAD.t1, GRID, time_step=0.5), ValueError, "`time_step` must be positive and at most"),
        (lambda: filters.diffuse(HEAD.t1 * 1j, GRID), TypeError, "hold real numbers"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, shrink=0), ValueError, "`shrink` must be at least 1"),
        (lambda: filters.match_histogram(HEAD.t1, HEAD.t1[0]), ValueError, "as many axes and channels"),
        (lambda: filters.match_histogram(HEAD.t1 * np.nan, HEAD.t1), ValueError, "`image` must be finite"),
        (lambda: filters.correct_bias(HEAD.t1 - 900, GRID), ValueError, "`image` must not be negative; got -"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, mask=HEAD.mask * 0), ValueError, "`mask` must hold voxels"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, shrink=9), ValueError, "`shrink` must leave at least 4 voxels"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, iterations=()), ValueError, "`iterations` must hold a number"),
        (lambda: filters.correct_bias(HEAD.t1, GRID.spacing), TypeError, r"`geometry` must be a Geometry; got \("),
        (lambda: filters.diffuse(HEAD.t1, GRID, conductance=0), ValueError, "`conductance` must be positive"),
        (lambda: filters.threshold(HEAD.t1, above="x"), TypeError, "`above` must be a number; got 'x'"),
        (lambda: filters.threshold(HEAD.t1 * np.nan), ValueError, "`image` must be finite"),
        (lambda: filters.threshold(HEAD.t1 * 1j), TypeError, "hold real numbers"),
        (lambda: filters.diffuse(HOLED, GRID), ValueError, "diffuse: `image` must be finite; got NaN or infinite"),
        (lambda: filters.correct_bias(HOLED, GRID), ValueError, "correct_bias: `image` must be finite; got NaN or"),
        (lambda: filters.match_histogram(HEAD.t1, HOLED), ValueError, "`reference` must be finite"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, mask=HEAD.mask[1:]), ValueError, "`mask` must have the shape"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, mask=3), TypeError, "`mask` must be an array; got int"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, mask=HEAD.t1 * 1j), TypeError, "`mask` must hold real numbers"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
