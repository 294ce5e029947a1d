"""Flips, turns, permutations and reshapes: against NumPy, traced and not."""

import itertools
from functools import partial

import jax
import numpy as np
import pytest

from mia_functional.geometry import Geometry
from mia_functional.transforms import (
    crop,
    flip,
    permute,
    reshape,
    rot90,
    squeeze,
    unsqueeze,
)

VOLUME = np.arange(4 * 5 * 6 * 2, dtype=np.int16).reshape(4, 5, 6, 2)
CUBE = np.arange(4 * 5 * 5 * 1, dtype=np.float32).reshape(4, 5, 5, 1)
ROTATION, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
GRID = Geometry(
    shape=(4, 5, 6), spacing=(3.0, 0.5, 1.25), origin=(-7.0, 20.0, 3.5), direction=tuple(map(tuple, ROTATION))
)


def test_flip_by_axes_and_by_flags(xp):
    for axes in (0, (1,), (0, 2), ()):
        expected = np.flip(VOLUME, axes) if axes != () else VOLUME
        np.testing.assert_array_equal(xp.run(lambda volume, axes=axes: flip(volume, axes), VOLUME), expected)
    for flags in itertools.product((False, True), repeat=3):
        expected = np.flip(VOLUME, np.flatnonzero(flags).tolist())
        np.testing.assert_array_equal(xp.run(flip, VOLUME, np.array(flags)), expected)


def test_rot90_equals_numpy(xp):
    for turns, axes in itertools.product((-1, 0, 1, 2, 3, 4), ((0, 1), (2, 0), (1, 2))):
        found = xp.run(lambda volume, turns=turns, axes=axes: rot90(volume, turns, axes=axes), VOLUME)
        np.testing.assert_array_equal(found, np.rot90(VOLUME, turns, axes))
    for turns in range(4):
        np.testing.assert_array_equal(xp.run(rot90, CUBE, np.array(turns)), np.rot90(CUBE, turns, (1, 2)))


def test_permute_reshape_squeeze_unsqueeze(xp):
    np.testing.assert_array_equal(xp.run(lambda v: permute(v, (2, 0, 1)), VOLUME), VOLUME.transpose(2, 0, 1, 3))
    np.testing.assert_array_equal(xp.run(lambda v: permute(v, (3, 0, 1, 2)), VOLUME), np.moveaxis(VOLUME, -1, 0))
    np.testing.assert_array_equal(xp.run(lambda v: reshape(v, (20, -1)), VOLUME), VOLUME.reshape(20, 12))
    assert xp.run(unsqueeze, VOLUME).shape == (4, 5, 6, 2, 1)
    assert xp.run(lambda v: unsqueeze(v, axis=0), VOLUME).shape == (1, 4, 5, 6, 2)
    np.testing.assert_array_equal(xp.run(squeeze, CUBE), CUBE[..., 0])


def test_flags_are_booleans_in_any_sequence():
    expected = np.flip(VOLUME, (0, 2))
    for flags in ([True, False, True], (True, False, True), (np.True_, np.False_, np.True_), np.array([1, 0, 1], bool)):
        np.testing.assert_array_equal(flip(VOLUME, flags), expected)
    assert flip(GRID, [True, False, True]) == flip(GRID, (0, 2))
    for wrong in ([False] * 5, np.zeros(5, bool)):
        with pytest.raises(ValueError, match="`axes` must be at most 4 booleans"):
            flip(VOLUME, wrong)


def test_a_traced_turn_needs_a_square_plane():

    with pytest.raises(ValueError, match="be square in the plane"):
        jax.jit(rot90)(VOLUME, 1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: flip(VOLUME, 4), "`axes` must lie within 0 and 3"),
        (lambda: flip(GRID, -1), "`axes` must be at least 0"),
        (lambda: rot90(VOLUME, 1, axes=(1, 1)), "each once"),
        (lambda: permute(GRID, (0, 1)), "`axes` must hold 0 to at most 2"),
        (lambda: squeeze(VOLUME), "have length 1 along axis -1"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "argument", "kind", "text"),
    [
        (
            flip,
            np.array([0, 1]),
            TypeError,
            "flip: `axes` must be booleans, .* where they are traced; got dtype int32.",
        ),
        (flip, np.ones(5, bool), ValueError, r"flip: `axes` must be at most 4 booleans, .*; got shape \(5,\)."),
        (flip, np.array(1) > 0, ValueError, r"flip: `axes` must be at most 4 booleans, .*; got shape \(\)."),
    ],
)
def test_what_can_be_told_of_a_traced_argument_is_checked(call, argument, kind, text):

    with pytest.raises(kind, match=text):
        jax.jit(call)(VOLUME, argument)


def test_a_geometry_needs_known_arguments():
    import jax

    calls = {"flip: `axes`": flip, "rot90: `turns`": rot90, "crop: `start`": lambda g, s: crop(g, s, (1, 1, 1))}
    for named, call in calls.items():
        with pytest.raises(TypeError, match=f"{named} must be known where a Geometry is transformed; got a tr"):
            jax.jit(partial(call, GRID))(np.zeros(3, int))
