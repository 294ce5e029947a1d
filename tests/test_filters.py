"""Filters: the same as SimpleITK gives when it is called directly; registration finds a motion that was made."""

import numpy as np
import pytest
import SimpleITK

from mia_functional import filters, phantoms
from mia_functional.geometry import Geometry, index_to_world
from mia_functional.images import to_simpleitk
from mia_functional.morphology import connected_components, largest_components
from mia_functional.transforms import affine, on, relabel, resample_onto, rescale, standardize

HEAD = phantoms.head((24, 28, 24), spacing=(2.0, 1.5, 2.0), rng=np.random.default_rng(0), bias=0.4)
CLEAN = phantoms.head((24, 28, 24), spacing=(2.0, 1.5, 2.0))
GRID = HEAD.geometry
T1 = to_simpleitk(HEAD.t1, GRID)
HOLED = np.where(np.arange(24) == 12, np.nan, HEAD.t1)
FLAT = Geometry(shape=(28, 24), spacing=(1.5, 2.0))
THIN = Geometry(shape=(3, 24), spacing=(1.5, 2.0))


def array_of(image):
    """Return the voxels of a SimpleITK image."""
    return SimpleITK.GetArrayFromImage(image)


def spread(image):
    """Return how much the white matter varies, as part of its mean."""
    white = HEAD.labels == 1
    return image[white].std() / image[white].mean()


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


def moved(image, geometry, rotation, shift, fill_value=0.0):
    """Return an image whose content is rotated about axis 0 by degrees and shifted by voxels."""
    angle, spacing = np.radians(rotation), np.array(geometry.spacing)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return affine(image, turn * spacing / spacing[:, None], np.array(shift, float), fill_value=fill_value)


@pytest.mark.parametrize("whole", [False, True], ids=["rigid", "affine"])
def test_register_undoes_a_motion_across_modalities(whole):
    moving = moved(CLEAN.t2, GRID, 6.0, (1.0, -2.0, 1.5))
    labels = moved(CLEAN.labels, GRID, 6.0, (1.0, -2.0, 1.5))
    place = filters.register((moving, GRID), (CLEAN.t1, GRID), affine=whole, seed=3, sampling=1.0, shrink=(2, 1))
    back = resample_onto(labels, place, GRID)

    def overlap(found):
        return 2 * ((found == 1) & (CLEAN.labels == 1)).sum() / ((found == 1).sum() + (CLEAN.labels == 1).sum())

    assert overlap(labels) < 0.85
    assert overlap(back) > (0.95 if whole else 0.97)
    if not whole:
        assert place.spacing == pytest.approx(GRID.spacing)
        centre = index_to_world(place, (11.5, 13.5, 11.5))
        away = np.array(index_to_world(GRID, (11.5, 13.5, 11.5))) - centre
        assert np.linalg.norm(away) == pytest.approx(np.linalg.norm([2.0, 3.0, 3.0]), abs=0.8)


@pytest.mark.parametrize("whole", [False, True], ids=["rigid", "affine"])
def test_register_repeats_itself_to_the_bit_with_the_same_seed_however_many_threads_there_are(whole):
    moving = moved(CLEAN.t1, GRID, 3.0, (0.0, 1.0, 0.0))
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    found = []
    for seed, threads in ((0, 1), (0, 2), (0, 4), (1, 2)):
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        found.append(filters.register((moving, GRID), (CLEAN.t1, GRID), affine=whole, seed=seed))
        assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert found[0] == found[1] == found[2] != found[3]


def test_register_in_two_dimensions():
    grid = Geometry(shape=(28, 24), spacing=(1.5, 2.0))
    fixed = CLEAN.t1[10]
    place = filters.register((np.roll(fixed, 2, axis=0), grid), (fixed, grid), shrink=(2, 1), sampling=1.0)
    assert place.origin == pytest.approx((-3.0, 0.0), abs=0.3)


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
        (lambda: filters.correct_bias(HEAD.t1, GRID.spacing), TypeError, "`geometry` must be a Geometry; got tuple"),
        (lambda: filters.diffuse(HEAD.t1, GRID, conductance=0), ValueError, "`conductance` must be positive"),
        (lambda: filters.threshold(HEAD.t1, above="x"), TypeError, "`above` must be a number; got 'x'"),
        (lambda: filters.threshold(HEAD.t1 * np.nan), ValueError, "`image` must be finite"),
        (lambda: filters.threshold(HEAD.t1 * 1j), TypeError, "hold real numbers"),
        (lambda: filters.register(HEAD.t1, (HEAD.t1, GRID)), TypeError, "`moving` must be an image and its Geometry"),
        (lambda: filters.register((HEAD.t1 * 0, GRID), (HEAD.t1, GRID)), ValueError, "`moving` must be finite and not"),
        (lambda: filters.register((HEAD.t1, GRID), (HEAD.t1, GRID), shrink=()), ValueError, "`shrink` must hold a"),
        (lambda: filters.diffuse(HOLED, GRID), ValueError, "diffuse: `image` must be finite; got NaN or infinite"),
        (lambda: filters.correct_bias(HOLED, GRID), ValueError, "correct_bias: `image` must be finite; got NaN or"),
        (lambda: filters.match_histogram(HEAD.t1, HOLED), ValueError, "`reference` must be finite"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, mask=HEAD.mask[1:]), ValueError, "`mask` must have the shape"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, mask=3), TypeError, "`mask` must be an array; got int"),
        (lambda: filters.correct_bias(HEAD.t1, GRID, mask=HEAD.t1 * 1j), TypeError, "`mask` must hold real numbers"),
        (
            lambda: filters.register((HEAD.t1, GRID), (HEAD.t1, GRID), shrink=(64,)),
            ValueError,
            "`shrink, sampling` must",
        ),
        (
            lambda: filters.register((HEAD.t1[10, :3], THIN), (HEAD.t1[10], FLAT)),
            ValueError,
            "`moving` must have at least 4",
        ),
        (lambda: filters.register((HEAD.t1, GRID), (HEAD.t1, GRID), sampling=0), ValueError, "`sampling` must lie"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
