"""Draws that undo draws, on every library, stored and traced."""

import json

import jax
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import assembly
from mia_functional import transforms as t
from mia_functional.transforms import random_parameters as parameters

SPATIAL = (6, 6, 6)
IMAGE = np.random.default_rng(0).random((*SPATIAL, 2)).astype(np.float32)


def exact(name, rng):
    """Return a draw whose inverse brings back every voxel, and its function."""
    return {
        "flip": (t.random_flip(rng, spatial_shape=SPATIAL), t.flip),
        "rot90": (parameters.Rot90(np.asarray(1)), t.rot90),
        "shift": (t.random_shift(rng, spatial_shape=SPATIAL, max_offset=4), lambda x, o: t.shift(x, o, wrap=True)),
        "affine": (parameters.Affine(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.zeros(3)), t.affine),
        "swap": (
            t.random_swap(rng, spatial_shape=SPATIAL, patch_shape=(3, 2, 2), swaps=5),
            lambda x, one, other: t.swap(x, one, other, patch_shape=(3, 2, 2)),
        ),
        "brightness": (t.random_brightness(rng, channels=2, max_offset=0.5), t.brightness),
        "contrast": (t.random_contrast(rng, channels=2), t.contrast),
        "gamma": (t.random_gamma(rng, channels=2), t.gamma),
        "bias_field": (t.random_bias_field(rng, spatial_shape=SPATIAL), t.bias_field),
        "noise": (t.random_noise(rng, spatial_shape=SPATIAL, channels=2), t.noise),
    }[name]


NAMES = ("flip", "rot90", "shift", "swap", "affine", "brightness", "contrast", "gamma", "bias_field", "noise")


@pytest.mark.sampled(14)
@pytest.mark.parametrize("name", NAMES)
def test_the_inverse_brings_the_image_back(xp, name):
    draw, function = exact(name, np.random.default_rng(3))
    assert not np.array_equal(function(IMAGE, *draw), IMAGE)
    kind = type(draw)

    def there_and_back(image, *entries):
        undone = t.inverse(kind(*entries))
        assert type(undone) is kind
        return function(function(image, *entries), *undone)

    np.testing.assert_allclose(xp.run(there_and_back, IMAGE, *draw), IMAGE, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_inverse_of_the_inverse_is_the_draw_and_a_stored_draw_has_the_same(name):
    draw, function = exact(name, np.random.default_rng(5))
    back = t.inverse(t.inverse(draw))
    if name == "rot90":
        assert int(back.turns) % 4 == int(draw.turns)
    else:
        for one, other in zip(back, draw, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-12)
    stored = type(draw)(*json.loads(json.dumps([np.asarray(entry).tolist() for entry in draw])))
    np.testing.assert_allclose(
        function(IMAGE, *t.inverse(stored)), function(IMAGE, *t.inverse(draw)), rtol=1e-5, atol=1e-6
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 4))
def test_an_affine_map_and_its_inverse_are_those_of_linear_algebra(seed, size):
    rng = np.random.default_rng(seed)
    matrix, offset = np.eye(size) + rng.uniform(-0.2, 0.2, (size, size)), rng.normal(size=size)
    found = t.inverse(parameters.Affine(matrix, offset))
    np.testing.assert_allclose(found.matrix, np.linalg.inv(matrix), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.offset, np.linalg.solve(matrix, -offset), rtol=1e-9, atol=1e-12)


def test_a_turn_that_is_interpolated_comes_back_inside():
    """Of a linear ramp, interpolation is exact: all voxels whose place stays inside come back."""
    ramp = np.add.outer(np.arange(20.0), 3 * np.arange(20.0))[..., None]
    draw = t.random_affine(np.random.default_rng(1), spatial_shape=(20, 20), rotation=20.0, translation=2.0)
    back = t.affine(t.affine(ramp, *draw), *t.inverse(draw))
    np.testing.assert_allclose(back[7:13, 7:13], ramp[7:13, 7:13], rtol=1e-9)


def test_quarters_and_offsets_keep_their_kind_and_unsigned_ones_do_not_wrap():
    assert [int(t.inverse(parameters.Rot90(turns)).turns) for turns in (0, 1, 2, 3)] == [0, 3, 2, 1]
    assert int(t.inverse(parameters.Rot90(np.asarray(1, np.uint8))).turns) == 3
    assert t.inverse(parameters.Shift(np.asarray([1, 200], np.uint8))).offset.tolist() == [-1, -200]
    assert t.inverse(parameters.Shift(torch.asarray([1, 0], dtype=torch.uint8))).offset.tolist() == [-1, 0]
    assert t.inverse(parameters.Shift([2, -3])).offset == (-2, 3)


@pytest.mark.slow
def test_a_program_undoes_what_it_drew():
    def undone(key, image):
        draw = t.random_affine(key, spatial_shape=SPATIAL, translation=1.0)
        mirror = t.random_flip(key, spatial_shape=SPATIAL)
        back = t.flip(t.flip(image, *mirror), *t.inverse(mirror))
        return t.inverse(t.inverse(draw)).matrix - draw.matrix, back

    keys = jax.random.split(jax.random.key(0), 2)
    difference, back = jax.jit(jax.vmap(undone, (0, None)))(keys, IMAGE)
    np.testing.assert_allclose(difference, 0, atol=1e-6)
    np.testing.assert_array_equal(back, np.stack([IMAGE] * 2))


@pytest.mark.parametrize(
    ("draw", "kind", "text"),
    [
        (parameters.Blur(np.ones(3)), TypeError, r"`draw` must be one that can be undone \(Flip, .*\); got Blur"),
        (parameters.Crop(np.zeros(3, int)), TypeError, "got Crop"),
        (np.eye(3), TypeError, "got ndarray"),
        (parameters.Affine(np.zeros((2, 2)), np.zeros(2)), ValueError, "can be inverted; got a singular one"),
        (parameters.Affine(np.zeros((2, 3)), np.zeros(2)), ValueError, "have the shape"),
        (parameters.Affine(np.eye(2), np.zeros(3)), ValueError, "have the shape"),
        (parameters.Contrast(np.array([0.0])), ValueError, "be positive"),
        (parameters.Gamma(np.array([0.0])), ValueError, "be positive"),
        (parameters.Rot90(0.5), TypeError, "be a whole number"),
        (parameters.Shift(np.array([0.5])), TypeError, "hold whole numbers"),
    ],
)
def test_what_cannot_be_undone_is_one_sentence(draw, kind, text):
    with pytest.raises(kind, match=f"^inverse: .*{text}"):
        t.inverse(draw)


def test_augmentation_at_test_time_undoes_draws_on_predictions():
    """A network whose prediction turns with the image: all draws give the same."""
    rng = np.random.default_rng(0)
    flips = [t.random_flip(rng, spatial_shape=SPATIAL) for _ in range(3)]
    turns = [parameters.Rot90(np.asarray(number)) for number in range(4)]
    for draws, function in ((flips, t.flip), (turns, t.rot90)):
        found = assembly.tta(
            lambda volume: volume[..., :1] ** 2,
            IMAGE,
            draws,
            apply=lambda volume, draw, function=function: function(volume, *draw),
            invert=lambda prediction, draw, function=function: function(prediction, *t.inverse(draw)),
        )
        np.testing.assert_array_equal(found, IMAGE[..., :1] ** 2)
