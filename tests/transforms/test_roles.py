"""Roles, not dtypes: images of integers between voxels, label maps of floats from the nearest one."""

import pickle
from functools import partial

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage

from mia_functional import transforms as t
from mia_functional.geometry import Geometry
from mia_functional.images import to_simpleitk

RNG = np.random.default_rng(0)
CT = RNG.integers(-1024, 3071, (6, 7, 8, 1)).astype(np.int16)
SEGMENTATION = RNG.integers(0, 4, (6, 7, 8, 1)).astype(np.float32)
GRID = Geometry(shape=(6, 7, 8), spacing=(3.0, 2.0, 1.0))
MATRIX = np.array([[0.9, 0.2, 0.0], [-0.1, 1.1, 0.3], [0.05, -0.2, 0.95]])
OFFSET = np.array([0.3, -0.6, 0.2])


def sample(**more):
    """Return a CT of integers and a label map of floats on one grid."""
    return {"images": CT, "labels": SEGMENTATION, "geometry": GRID, **more}


def test_a_ramp_of_integers_and_a_step_of_floats_by_hand():
    ramp = np.array([0, 100, 200, 300], np.int16).reshape(1, 1, 4, 1)
    grid = Geometry(shape=(1, 1, 4), spacing=(1.0, 1.0, 2.0))
    given = {"images": ramp, "labels": (ramp > 150).astype(np.float32) * 2, "geometry": grid}
    after = t.resample_to(("images", "labels"), (1.0, 1.0, 1.0), antialias=True)(given)
    assert after["images"].ravel().tolist() == [0, 25, 75, 125, 175, 225, 275, 300]
    assert after["labels"].ravel().tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert (after["images"].dtype, after["labels"].dtype) == (np.int16, np.float32)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32"])
def test_integers_between_voxels_are_the_rounded_linear_values_of_scipy(xp, dtype):
    info = np.iinfo(dtype)
    size = min(info.max, 30_000)
    values = np.random.default_rng(1).integers(max(info.min, -size), size, (5, 6, 7, 2)).astype(dtype)
    found = xp.run(partial(t.affine, interpolation=t.linear, fill_value=7), values, MATRIX, OFFSET)
    centre = (np.array(values.shape[:3]) - 1) / 2
    start = centre + OFFSET - MATRIX @ centre
    inside = ndimage.affine_transform(np.ones(values.shape[:3]), MATRIX, start, order=1, mode="constant") == 1
    for channel in range(2):
        exact = ndimage.affine_transform(values[..., channel].astype(float), MATRIX, start, order=1)
        # Single precision decides on which side of a half a number lies that is one to four digits.
        off = np.abs(found[..., channel] - exact)[inside]
        assert off.max() <= 0.5 + 0.01
    assert found.dtype == values.dtype
    assert 0.1 < inside.mean() < 1
    assert (found == 7).any()


@pytest.mark.sampled(3)
def test_every_function_rounds_halves_to_even_and_clips(xp):
    line = np.array([0, 1, 2, 255], np.uint8)
    between = np.array([[0.5, 1.5, 2.5, 2.999]])
    assert xp.run(lambda a, p: t.warp(a, p, interpolation=t.linear), line, between).tolist() == [0, 2, 128, 255]

    def overshooting(coordinates, size):
        (first, low), (second, high) = t.linear(coordinates, size)
        return (first, low * 3), (second, high * 3)

    signed = np.array([-100, 0, 100], np.int8)
    found = xp.run(lambda a, p: t.warp(a, p, interpolation=overshooting), signed, np.array([[0.0, 0.9, 1.1, 2.0]]))
    assert found.tolist() == [-128, -30, 30, 127]
    mask = np.array([False, True, True])
    found = xp.run(lambda a, p: t.warp(a, p, interpolation=t.linear), mask, np.array([[0.4, 0.5, 0.6, 2.0]]))
    assert (found.tolist(), found.dtype) == ([False, False, True, True], np.bool_)
    moved = xp.run(partial(t.elastic, interpolation=t.linear), np.array([0, 10, 20], np.int16), np.full((1, 4), 0.25))
    assert moved.tolist() == [2, 12, 20]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_the_largest_integers_stay_within_their_dtype(xp, dtype):
    high = np.iinfo(dtype).max
    line = np.full(3, high, dtype)
    found = xp.run(lambda a, p: t.warp(a, p, interpolation=t.linear), line, np.array([[0.25, 1.5]]))
    # JAX without x64 has 32 bits, and floats of 24: what is rounded is never more than the largest.
    top = np.iinfo(found.dtype).max
    if found.dtype == line.dtype:
        assert (found <= top).all()
        assert (found.astype(float) > 0.999999 * top).all()


def test_an_image_of_integers_onto_another_grid_is_that_of_simpleitk():
    onto = Geometry(shape=(5, 6, 9), spacing=(2.2, 1.7, 0.9), origin=(1.1, 0.4, -0.3))
    found = t.resample_onto(CT, GRID, onto, interpolation=t.linear, fill_value=-1024)[..., 0]
    like = to_simpleitk(np.zeros(onto.shape), onto)
    image = to_simpleitk(CT[..., 0].astype(np.float64), GRID)
    resampled = SimpleITK.Resample(image, like, SimpleITK.Transform(), SimpleITK.sitkLinear, -1024.0)
    exact = SimpleITK.GetArrayFromImage(resampled)
    assert np.abs(found - exact).max() <= 0.501
    assert found.dtype == np.int16


@pytest.mark.sampled(3)
def test_coarser_images_of_integers_are_averaged(xp):
    stripes = np.tile(np.array([0, 100, 100], np.int16), 40)
    plain = partial(t.resample, scale=(4.0,), interpolation=t.linear)
    assert np.ptp(xp.run(plain, stripes)) > 40
    found = xp.run(partial(plain, antialias=True), stripes)
    assert set(found[2:-2].tolist()) <= {66, 67}
    assert found.dtype == np.int16


def test_without_an_interpolation_an_array_is_taken_by_its_dtype():
    np.testing.assert_array_equal(t.resample(CT, (0.5,) * 3), t.resample(CT, (0.5,) * 3, interpolation=t.nearest))
    halves = t.resample(SEGMENTATION, (0.5,) * 3)
    np.testing.assert_array_equal(halves, t.resample(SEGMENTATION, (0.5,) * 3, interpolation=t.linear))


@pytest.mark.parametrize(
    ("sampler", "function"), [(t.random_affine, t.affine), (partial(t.random_elastic, sigma=1.0), t.elastic)]
)
def test_one_draw_moves_images_between_voxels_and_labels_to_the_nearest(sampler, function):
    augment = pickle.loads(pickle.dumps(t.randomly(("images", "labels"), sampler, function)))
    after = augment(sample(rng=np.random.default_rng(3)))
    chance = np.random.default_rng(3)
    chance.random()  # decides whether the transform is applied
    draw = sampler(chance, spatial_shape=GRID.shape)
    exact = function(CT.astype(np.float64), *draw)
    assert np.abs(after["images"] - exact).max() <= 0.51
    assert not np.array_equal(after["images"], function(CT, *draw))
    np.testing.assert_array_equal(after["labels"], function(SEGMENTATION.astype(np.uint8), *draw))
    assert (after["images"].dtype, after["labels"].dtype) == (np.int16, np.float32)


def test_a_role_is_given_or_in_the_sample_or_that_of_the_name():
    bare = {"ct": CT, "truth": SEGMENTATION, "geometry": GRID}
    expected = t.resample_to(("images", "labels"), (1.0,) * 3)(sample())
    roles = {"ct": "image", "truth": "labels"}
    after = t.resample_to(("ct", "truth"), (1.0,) * 3, roles=roles)(bare)
    held = t.resample_to(("ct", "truth"), (1.0,) * 3)({**bare, "roles": roles})
    mixed = t.resample_to(("ct", "truth"), (1.0,) * 3, roles={"ct": "image"})(
        {**bare, "roles": {**roles, "ct": "labels"}}
    )
    for found in (after, held, mixed):
        np.testing.assert_array_equal(found["ct"], expected["images"])
        np.testing.assert_array_equal(found["truth"], expected["labels"])
    singular = t.on(("image", "label"), t.resample, scale=(0.5,) * 3)({"image": CT, "label": SEGMENTATION})
    np.testing.assert_array_equal(singular["image"], t.resample(CT, (0.5,) * 3, interpolation=t.linear))
    np.testing.assert_array_equal(singular["label"], t.resample(SEGMENTATION, (0.5,) * 3, interpolation=t.nearest))


def test_what_binds_an_interpolation_or_takes_none_needs_no_role():
    turn = {"matrix": MATRIX, "offset": OFFSET}
    bound = t.on("ct", partial(t.affine, interpolation=t.nearest), **turn)({"ct": CT})["ct"]
    np.testing.assert_array_equal(bound, t.affine(CT, MATRIX, OFFSET, interpolation=t.nearest))
    option = t.on("ct", t.affine, interpolation=t.linear, **turn)({"ct": CT})["ct"]
    np.testing.assert_array_equal(option, t.affine(CT, MATRIX, OFFSET, interpolation=t.linear))
    assert t.on("ct", np.negative)({"ct": CT})["ct"][0, 0, 0, 0] == -CT[0, 0, 0, 0]
    flipped = t.randomly("ct", partial(t.random_flip, probability=1.0), t.flip)({"ct": CT, "rng": RNG})["ct"]
    np.testing.assert_array_equal(flipped, CT[::-1, ::-1, ::-1])


@pytest.mark.parametrize("roles", [None, {"ct": "numbers"}, {"ct": "text"}])
def test_nothing_is_guessed_of_a_category_without_a_role(roles):
    actual = "no role" if roles is None else roles["ct"]
    message = f"`roles` must say whether 'ct' is an `image` or `labels`, to be interpolated; got {actual}\\.$"
    calls = {
        "on": t.on("ct", t.resample, roles=roles, scale=(1.0,) * 3),
        "randomly": t.randomly("ct", t.random_affine, t.affine, roles=roles),
        "resample_to": t.resample_to("ct", (1.0,) * 3, roles=roles),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"^{name}: {message}"):
            call({"ct": CT, "geometry": GRID, "rng": RNG})


@pytest.mark.parametrize(
    ("sampler", "function"),
    [
        (t.random_gamma, t.gamma),
        (t.random_brightness, t.brightness),
        (t.random_contrast, t.contrast),
        (t.random_noise, t.noise),
        (t.random_rician_noise, t.rician_noise),
        (t.random_blur, t.blur),
        (t.random_bias_field, t.bias_field),
        (t.random_sharpen, partial(t.sharpen, radius=2)),
        (t.random_local_gamma, t.local_gamma),
        (t.random_ghosting, t.ghosting),
        (t.random_spikes, t.spikes),
        (t.random_motion, partial(partial(t.motion, axis=1), fill_value=0)),
    ],
)
def test_intensities_of_labels_are_not_changed_at_random(sampler, function):
    given = {"images": CT, "labels": SEGMENTATION, "rng": np.random.default_rng(0)}
    for more, category in (({}, "labels"), ({"roles": {"images": "labels"}}, "images")):
        with pytest.raises(ValueError, match=f"randomly: `categories` must hold no labels where .*; got '?{category}"):
            t.randomly(category, sampler, function)({**given, **more})
    blended = t.randomly("labels", sampler, function, roles={"labels": "image"})({**given, "labels": abs(CT)})
    assert blended["labels"].dtype == np.float32


def test_what_moves_or_reads_labels_is_not_taken_for_a_change_of_intensities():
    given = {"labels": SEGMENTATION.astype(np.uint8), "rng": np.random.default_rng(0)}
    paint = partial(t.labels_to_image, values=range(4))
    assert t.randomly("labels", t.random_labels_to_image, paint, values=range(4))(given)["labels"].dtype == np.float32
    for sampler, function in ((t.random_flip, t.flip), (t.random_low_resolution, t.low_resolution)):
        assert t.randomly("labels", sampler, function)(given)["labels"].dtype == np.uint8

    def noisy(image):
        return image + 0.5

    assert t.randomly("labels", lambda *_: (), noisy)(given)["labels"].dtype == np.float64
