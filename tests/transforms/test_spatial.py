"""Grids and their content: against NumPy and SimpleITK; the world coordinates of every voxel stay."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from mia_functional.extraction import edge
from mia_functional.geometry import Geometry, index_to_world
from mia_functional.images import from_simpleitk, to_simpleitk
from mia_functional.transforms import (
    crop,
    crop_or_pad,
    flip,
    pad,
    permute,
    rot90,
    shift,
)

VOLUME = np.arange(4 * 5 * 6 * 2, dtype=np.int16).reshape(4, 5, 6, 2)
ROTATION, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
GRID = Geometry(
    shape=(4, 5, 6), spacing=(3.0, 0.5, 1.25), origin=(-7.0, 20.0, 3.5), direction=tuple(map(tuple, ROTATION))
)


def world(grid):
    """Return the world coordinates of every voxel, `(*shape, 3)`."""
    places = [index_to_world(grid, index) for index in itertools.product(*map(range, grid.shape))]
    return np.array(places).reshape(*grid.shape, 3)


CHANGES = {
    "crop": lambda target: crop(target, (1, 0, 2), (2, 5, 3)),
    "crop_or_pad": lambda target: crop_or_pad(target, (3, None, 6)),
    "flip": lambda target: flip(target, (0, 2)),
    "rot90": lambda target: rot90(target, 1, axes=(0, 2)),
    "rot180": lambda target: rot90(target, 2),
    "rot270": lambda target: rot90(target, -1, axes=(2, 1)),
    "permute": lambda target: permute(target, (2, 0, 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_voxel_keeps_its_place_in_the_world(name):
    change = CHANGES[name]
    moved = change(world(GRID))
    grid = change(GRID)
    assert grid.shape == moved.shape[:-1]
    np.testing.assert_allclose(world(grid), moved, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "oracle"),
    [
        (lambda t: flip(t, (0, 1)), lambda i: SimpleITK.Flip(i, (False, True, True))),
        (lambda t: permute(t, (1, 2, 0)), lambda i: SimpleITK.PermuteAxes(i, (2, 0, 1))),
        (lambda t: crop(t, (1, 2, 0), (2, 3, 4)), lambda i: SimpleITK.RegionOfInterest(i, (4, 3, 2), (0, 2, 1))),
        (lambda t: pad(t, ((1, 2), 0, 3), fill_value=-1), lambda i: SimpleITK.ConstantPad(i, (3, 0, 1), (3, 0, 2), -1)),
    ],
    ids=["flip", "permute", "crop", "pad"],
)
def test_simpleitk_gives_the_same_image_and_geometry(change, oracle):
    volume = VOLUME[..., 0]
    expected, grid = from_simpleitk(oracle(to_simpleitk(volume, GRID)))
    np.testing.assert_array_equal(change(volume), expected)
    np.testing.assert_allclose(world(change(GRID)), world(grid), atol=1e-9)


def test_crop_with_a_concrete_and_a_traced_start(xp):
    found = xp.run(lambda volume, start: crop(volume, start, (2, 3, 4)), VOLUME, np.array([2, 1, 0]))
    np.testing.assert_array_equal(found, VOLUME[2:4, 1:4, 0:4])
    found = xp.run(lambda volume: crop(volume, (2, 1), (2, 3)), VOLUME)
    np.testing.assert_array_equal(found, VOLUME[2:4, 1:4])


@pytest.mark.parametrize("start", [(-1, 5, 2), (-4, 4, 9), (9, -9, 0)])
def test_crop_moves_a_traced_start_inside(start):
    import jax

    low = np.clip(start, 0, (2, 2, 2))
    expected = VOLUME[tuple(slice(first, first + size) for first, size in zip(low, (2, 3, 4), strict=True))]
    found = jax.jit(lambda volume, start: crop(volume, start, (2, 3, 4)))(VOLUME, np.array(start))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("together", [lambda start: start, lambda start: [start[0], 1]], ids=["array", "one by one"])
def test_traced_starts_and_offsets_of_every_dtype_are_the_same_places(dtype, together):
    import jax

    image = np.arange(900).reshape(300, 3)
    limits = np.iinfo(dtype)
    box = jax.jit(lambda start: crop(image, together(start), (4, 2)))
    moved = jax.jit(lambda start: shift(image, together(start), fill_value=-9))
    rolled = jax.jit(lambda start: shift(image, together(start), wrap=True))
    for first in (-(2**31), -200, -6, -1, 0, 100, 250, 290, 300, 2**31 - 1, 2**32 - 1):
        if limits.min <= first <= limits.max:
            start, inside = np.array([first, 1], dtype), min(max(first, 0), 296)
            np.testing.assert_array_equal(box(start), image[inside : inside + 4, 1:3])
            step = min(max(first, -300), 300)
            padded = np.full((900, 5), -9)
            padded[300 + step : 600 + step, 1:4] = image
            np.testing.assert_array_equal(moved(start), padded[300:600, :3])
            np.testing.assert_array_equal(rolled(start), np.roll(image, (first % 300, 1), (0, 1)))


def test_pad_and_crop_or_pad_equal_numpy(xp):
    found = xp.run(lambda volume: pad(volume, ((1, 2), 0, 3), fill_value=-7), VOLUME)
    np.testing.assert_array_equal(found, np.pad(VOLUME, ((1, 2), (0, 0), (3, 3), (0, 0)), constant_values=-7))
    found = xp.run(lambda volume: pad(volume, 2, pad_mode=edge), VOLUME)
    np.testing.assert_array_equal(found, np.pad(VOLUME, ((2, 2), (2, 2), (2, 2), (0, 0)), mode="edge"))
    found = xp.run(lambda volume: crop_or_pad(volume, (7, 2, None)), VOLUME)
    np.testing.assert_array_equal(found, np.pad(VOLUME, ((1, 2), (0, 0), (0, 0), (0, 0)))[:, 1:3])


def test_the_predecessors_rule_for_odd_differences():
    assert crop_or_pad(np.arange(5), (2,)).tolist() == [1, 2]
    assert crop_or_pad(np.arange(1, 3), (5,)).tolist() == [0, 1, 2, 0, 0]


@given(st.integers(1, 9), st.integers(1, 9))
def test_crop_or_pad_there_and_back_keeps_the_middle(size, other):
    line = np.arange(1, size + 1)
    there = crop_or_pad(line, (other,))
    assert there.shape == (other,)
    back = crop_or_pad(there, (size,))
    if other >= size:
        np.testing.assert_array_equal(back, line)


def test_shift_fills_or_wraps(xp):
    offset = np.array([1, -2, 0])
    expected = np.full_like(VOLUME, -9)
    expected[1:, :3] = VOLUME[:-1, 2:]
    np.testing.assert_array_equal(xp.run(lambda v, o: shift(v, o, fill_value=-9), VOLUME, offset), expected)
    rolled = xp.run(lambda v, o: shift(v, o, wrap=True), VOLUME, offset)
    np.testing.assert_array_equal(rolled, np.roll(VOLUME, offset, (0, 1, 2)))
    assert rolled.dtype == np.int16
    assert (xp.run(lambda v: shift(v, (4, 0, 0), fill_value=-9), VOLUME) == -9).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: crop(VOLUME, (3, 0, 0), (2, 2, 2)), "`start, shape` must stay below 4 on axis 0"),
        (lambda: crop(GRID, (0, 0), (2, 2)), "`array` must have 2 spatial axes"),
        (lambda: crop(VOLUME, (0, -1, 0), (2, 2, 2)), "`start` must be at least 0"),
        (lambda: crop_or_pad(VOLUME, (0, 2, 2)), "`shape` must be at least 1"),
        (
            lambda: crop_or_pad(VOLUME, (2, 2)),
            "`shape` must have 3 entries, one for each spatial axis, or 4, with one for the channels; got 2",
        ),
        (lambda: pad(VOLUME, -1), "`widths` must be at least 0"),
    ],
)
def test_bad_input(call, text):
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "argument", "kind", "text"),
    [
        (lambda v, s: crop(v, s, (2, 2, 2)), np.zeros(2, int), ValueError, r"`start` must have 3 entries, .*\(2,\)."),
        (lambda v, s: crop(v, s, (2, 2, 2)), np.array(0), ValueError, r"crop: `start` must have 3 entries, .*\(\)."),
        (lambda v, s: crop(v, s, (2, 2, 2)), np.zeros(3), TypeError, "`start` must hold whole numbers, .* float32."),
        (lambda v, s: crop(v, s, (5, 2, 2)), np.zeros(3, int), ValueError, r"fit into the array, \(4, 5, 6, 2\)"),
        (lambda v, s: crop(v, s, (1,) * 5), np.zeros(5, int), ValueError, "crop: `array` must have 5 spatial axes"),
        (shift, np.zeros(3), TypeError, "shift: `offset` must hold whole numbers, one per axis; got dtype float32."),
        (shift, np.array(1), ValueError, r"shift: `offset` must have 1 entries, one per axis; got shape \(\)."),
    ],
)
def test_what_can_be_told_of_a_traced_argument_is_checked(call, argument, kind, text):
    import jax

    with pytest.raises(kind, match=text):
        jax.jit(call)(VOLUME, argument)


def test_positions_may_be_traced_one_by_one():
    image = jnp.arange(24.0).reshape(4, 6)

    def box(row, column):
        return crop(image, (row, column), (2, 3)), shift(image, (row, 1))

    found = jax.jit(box)(1, 2)
    np.testing.assert_array_equal(found[0], image[1:3, 2:5])
    np.testing.assert_array_equal(found[1], shift(np.asarray(image), (1, 1)))
