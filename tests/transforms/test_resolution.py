"""Coarse voxels on the grid of the image: against a walk over voxels in double precision."""

import jax
import numpy as np
import pytest

from mia_functional.transforms import (
    ghosting,
    linear,
    low_resolution,
    nearest,
    on,
    random_anisotropy,
    random_low_resolution,
    randomly,
    sharpen,
)

IMAGE = np.random.default_rng(0).random((7, 8, 6, 2)).astype(np.float32)
LABELS = (IMAGE[..., :1] * 9).astype(np.uint8)


def coarse(line, factor):
    """Return the means of coarse voxels along a line, by the share of each voxel that they cover."""
    size = len(line)
    count = max(1, round(size / factor))
    means = []
    for number in range(count):
        centre = (number - (count - 1) / 2) * factor + (size - 1) / 2
        shares = [max(0.0, min(centre + factor / 2, k + 0.5) - max(centre - factor / 2, k - 0.5)) for k in range(size)]
        means.append(np.dot(shares, line) / sum(shares))
    return means


def walked(line, factor):
    """Return a line after coarse voxels, and interpolated back."""
    size, means = len(line), coarse(line, factor)
    places = (np.arange(size) - (size - 1) / 2) / factor + (len(means) - 1) / 2
    return np.interp(places, np.arange(len(means)), means)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("factors", [(2.0, 2.0, 2.0), (1.0, 3.3, 1.0), (20.0, 1.5, 2.7)])
def test_images_are_averaged_and_interpolated(xp, factors):
    expected = IMAGE.astype(np.float64)
    for axis, factor in enumerate(factors):
        expected = expected if factor == 1 else np.apply_along_axis(walked, axis, expected, factor)
    found = xp.run(low_resolution, IMAGE, np.array(factors))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.sampled(7)
def test_labels_stay_labels_and_come_from_the_centre_of_coarse_voxels(xp):
    found = xp.run(low_resolution, LABELS, np.array([1.0, 3.0, 2.0]))
    assert found.dtype == LABELS.dtype
    # Of 8 voxels there are 3 coarse ones, whose centres are the voxels 0.5, 3.5 and 6.5: of two the later.
    np.testing.assert_array_equal(found, LABELS[:, [1, 1, 4, 4, 4, 7, 7, 7]][:, :, [1, 1, 3, 3, 5, 5]])
    assert set(np.unique(found)) <= set(np.unique(LABELS))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float16, np.float64])
def test_factors_of_one_change_nothing(dtype):
    array = (IMAGE * 9).astype(dtype)
    for interpolation in (None, linear, nearest):
        found = low_resolution(array, 1.0, interpolation=interpolation)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == dtype
        traced = jax.jit(lambda x, f, rule=interpolation: low_resolution(x, f, interpolation=rule))
        if dtype != np.float64:
            np.testing.assert_array_equal(traced(array, np.ones(3, np.float32)), array)


def test_constants_stay_and_huge_factors_average_all():
    np.testing.assert_allclose(low_resolution(np.full((5, 6, 1), 3.0), (2.2, 1.7)), 3.0, rtol=1e-12)
    wide = IMAGE.astype(np.float64)
    mean = np.broadcast_to(wide.mean(axis=(0, 1, 2)), wide.shape)
    np.testing.assert_allclose(low_resolution(wide, 1e6), mean, rtol=1e-9)


def test_axes_behind_the_spatial_ones_are_left_alone():
    series = IMAGE.reshape(7, 8, 3, 4)
    given = {"images": series, "spatial_axes": {"images": 2}}
    for function, options in (
        (low_resolution, {"factor": 2.0}),
        (sharpen, {"strength": 1.0, "sigma": 1.0}),
        (ghosting, {"strength": 0.5, "ghosts": 2}),
    ):
        found = on("images", function, **options)(given)["images"]
        for time in range(3):
            np.testing.assert_allclose(found[:, :, time], function(series[:, :, time], **options), atol=1e-6)


def test_integers_that_are_averaged_are_rounded():
    found = low_resolution(np.array([[0], [3], [10], [13]], np.int16), 2.0, interpolation=linear)
    assert found[:, 0].tolist() == [2, 4, 9, 12]
    assert found.dtype == np.int16


def test_roles_decide_and_a_draw_is_shared():
    apply = randomly(("images", "labels"), random_anisotropy, low_resolution, factor=(3.0, 3.0))
    sample = {"images": (IMAGE * 100).astype(np.int16), "labels": LABELS, "rng": np.random.default_rng(4)}
    after = apply(sample)
    assert set(np.unique(after["labels"])) <= set(np.unique(LABELS))
    assert len(np.unique(after["images"])) > len(np.unique(after["labels"]))
    fixed = on(("images", "labels"), low_resolution, factor=(1.0, 1.0, 2.0))(sample)
    assert fixed["images"].dtype == np.int16


def test_draws_stay_within_their_ranges():
    rng = np.random.default_rng(0)
    thick = np.array([random_anisotropy(rng, spatial_shape=(4, 5, 6), factor=(2.0, 3.0)).factor for _ in range(100)])
    assert ((thick > 1).sum(axis=1) == 1).all()
    assert (thick > 1).any(axis=0).all()
    assert (thick.max(axis=1) >= 2).all()
    assert (thick.max(axis=1) <= 3).all()
    low = np.array([random_low_resolution(rng, spatial_shape=(4, 5), max_factor=(2.0, 3.0)).factor for _ in range(100)])
    np.testing.assert_allclose(low[:, 1] - 1, 2 * (low[:, 0] - 1), rtol=1e-12)
    assert ((low >= 1) & (low <= [2, 3])).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: low_resolution(IMAGE, 0.5), "`factor` must be finite and at least 1"),
        (lambda: low_resolution(IMAGE, np.inf), "`factor` must be finite and at least 1"),
        (lambda: low_resolution(IMAGE, [1.0, 2.0]), "`factor` must have the shape"),
        (lambda: low_resolution(IMAGE, 2.0, interpolation=abs), "`interpolation` must be `linear` or `nearest`"),
    ],
)
def test_bad_input_is_one_sentence(call, text):
    with pytest.raises(ValueError, match=f"^low_resolution: {text}"):
        call()
