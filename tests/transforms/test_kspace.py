"""Ghosts, spikes and motion: against Fourier transforms in double precision, and TorchIO."""

import jax
import numpy as np
import pytest
import torch

from mia_functional.transforms import affine, ghosting, linear, motion, random_ghosting, random_motion, spikes

IMAGE = np.random.default_rng(0).random((6, 5, 8, 2)).astype(np.float32)
WIDE = IMAGE.astype(np.float64)
TURN = np.array([[1.0, -0.1, 0.0], [0.1, 1.0, 0.0], [0.0, 0.0, 1.0]])
POSES = (np.stack([TURN, np.eye(3), TURN.T]), np.array([[0.5, 0.0, 0.0], [0.0, -1.0, 0.5], [0.0, 0.0, 1.0]]))


def in_kspace(image, change, axis):
    """Return the real part of an image whose lines of k-space were changed."""
    return np.fft.ifft(change(np.fft.fft(image, axis=axis)), axis=axis).real


def weaken(axis, strength, ghosts):
    """Return what weakens every so many lines of k-space, but the centre."""
    lines = np.round(np.fft.fftfreq(IMAGE.shape[axis]) * IMAGE.shape[axis])
    weights = np.where((lines % ghosts == 0) & (lines != 0), 1 - strength, 1.0)
    return lambda spectrum: spectrum * weights.reshape([-1 if k == axis else 1 for k in range(4)])


def moved(image, matrices, offsets, times, axis):
    """Return the definition of motion, with lines in the order in which they are taken."""
    size = image.shape[axis]
    spectra = [np.fft.fftshift(np.fft.fft(image, axis=axis), axes=axis)]
    for matrix, offset in zip(matrices, offsets, strict=True):
        pose = affine(image, matrix, offset, interpolation=linear)
        spectra.append(np.fft.fftshift(np.fft.fft(pose, axis=axis), axes=axis))
    piece = [sum(time <= line / size for time in times) for line in range(size)]
    centre, mixed = piece[size // 2], np.array(spectra[0])
    for line in range(size):
        if piece[line] != centre:
            number = piece[line] - (piece[line] > centre)
            where = (*(slice(None),) * axis, line)
            mixed[where] = spectra[1 + number][where]
    return np.fft.ifft(np.fft.ifftshift(mixed, axes=axis), axis=axis).real


@pytest.mark.sampled(7)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_ghosts_are_weak_lines_of_kspace(xp, axis):
    for ghosts in (2, 3):
        strength = 0.7 * np.eye(3)[axis]
        found = xp.run(lambda image, s, number=ghosts: ghosting(image, s, number), IMAGE, strength)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, in_kspace(WIDE, weaken(axis, 0.7, ghosts), axis), atol=1e-6)


@pytest.mark.sampled(7)
def test_ghosts_along_several_axes(xp):
    expected = WIDE
    for axis, (strength, ghosts) in enumerate(zip((0.5, 1.0, 0.0), (2, 2, 4), strict=True)):
        expected = in_kspace(expected, weaken(axis, strength, ghosts), axis)
    found = xp.run(ghosting, IMAGE, np.array([0.5, 1.0, 0.0]), np.array([2, 2, 4]))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_ghosts_are_copies_moved_by_the_same_distance_and_the_mean_stays():
    bar = np.zeros((24, 1))
    bar[10:12] = 1
    ghosts = bar - ghosting(bar, 1.0, 4)
    copies = sum(np.roll(bar, 6 * number, axis=0) for number in range(4)) / 4
    np.testing.assert_allclose(ghosts, copies - bar.mean(), atol=1e-12)
    np.testing.assert_allclose(ghosting(WIDE, 0.8, 3).mean(axis=(0, 1, 2)), WIDE.mean(axis=(0, 1, 2)), rtol=1e-12)


@pytest.mark.sampled(7)
def test_spikes_are_points_of_kspace(xp):
    frequencies, heights = np.array([[2, -1, 0], [0, 0, 3]]), np.array([0.5, -0.25])
    spectrum = np.fft.fftn(WIDE, axes=(0, 1, 2))
    for place, height in zip(frequencies, heights, strict=True):
        spectrum[tuple(place)] += height * np.abs(spectrum).max(axis=(0, 1, 2))
    expected = np.fft.ifftn(spectrum, axes=(0, 1, 2)).real
    found = xp.run(spikes, IMAGE, frequencies, heights)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_motion_is_kspace_in_pieces(xp, axis):
    for times in (np.array([0.1, 0.45, 0.8]), np.array([0.6, 0.7, 0.9]), np.array([0.0, 0.25, 0.5])):
        found = xp.run(lambda image, *draw: motion(image, *draw, axis=axis), IMAGE, *POSES, times)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, moved(WIDE, *POSES, times, axis), atol=2e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64])
@pytest.mark.parametrize(
    "function",
    [
        lambda i: ghosting(i, 0.0, 4),
        lambda i: spikes(i, [[1, 1, 1]], 0.0),
        lambda i: motion(i, [np.eye(3)], [[0.0, 0.0, 0.0]], [0.3]),
        lambda i: motion(i, *POSES, [1.0, 1.0, 1.0]),
    ],
)
def test_no_strength_leaves_the_image_as_it_is(function, dtype):
    image = (IMAGE * 50).astype(dtype)
    found = function(image)
    np.testing.assert_array_equal(found, image)
    assert found.dtype == (np.float32 if dtype == np.uint8 else dtype)


def test_traced_numbers_of_no_strength_leave_the_image_as_it_is():
    np.testing.assert_array_equal(jax.jit(ghosting)(IMAGE, np.zeros(3), np.asarray(4)), IMAGE)


def test_what_moves_after_the_last_line_or_stands_still_at_the_centre_plays_no_part():
    early = motion(WIDE, POSES[0][:1], POSES[1][:1], [0.001])
    centre = motion(WIDE, POSES[0][:1], POSES[1][:1], [0.5])
    assert np.abs(early - WIDE).max() < np.abs(centre - WIDE).max()
    # The mean is that of the centre of k-space, which is of the image itself.
    for result in (early, centre):
        np.testing.assert_allclose(result.sum(axis=0).mean(), WIDE.sum(axis=0).mean(), rtol=1e-9)


def test_draws_stay_within_their_ranges():
    rng = np.random.default_rng(0)
    draws = [random_ghosting(rng, spatial_shape=(8, 9, 10), ghosts=(3, 5), strength=(0.2, 0.4)) for _ in range(100)]
    strengths = np.array([draw.strength for draw in draws])
    assert {int(draw.ghosts) for draw in draws} == {3, 4, 5}
    assert ((strengths > 0).sum(axis=1) == 1).all()
    assert (strengths > 0).any(axis=0).all()
    assert (strengths.max(axis=1) >= 0.2).all()
    assert (strengths.max(axis=1) <= 0.4).all()
    poses = [random_motion(rng, spatial_shape=(8, 9), movements=4, rotation=3.0, translation=1.0) for _ in range(50)]
    for draw in poses:
        assert (np.diff(draw.times) >= 0).all()
        angles = np.degrees(np.arctan2(draw.matrices[:, 1, 0], draw.matrices[:, 0, 0]))
        assert (np.abs(angles) <= 3).all()
        assert (np.abs(draw.offsets) <= 1).all()


@pytest.mark.slow
def test_ghosts_and_spikes_are_those_of_torchio():
    """TorchIO 1.2.1, where half the lines are a multiple of the ghosts, as it counts from the first line."""
    import torchio

    even = np.random.default_rng(1).random((8, 8, 12, 1)).astype(np.float32)
    given = torch.asarray(even.T.copy())
    ghosts = torchio.Ghosting(num_ghosts=2, axis=0, intensity=0.6, restore=None)
    np.testing.assert_allclose(ghosting(even, (0.0, 0.0, 0.6), 2), ghosts(given).numpy().T, atol=1e-5)
    spike = torchio.Spike(spikes_positions=np.array([[0.75, 0.5, 0.25]]), intensity=0.4)
    # Positions are shares of the shifted spectrum along x, y and z: 12 / 4, 0 and -8 / 4 waves.
    np.testing.assert_allclose(spikes(even, [[-2, 0, 3]], [0.4]), spike(given).numpy().T, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ghosting(IMAGE, [1.0, 1.0], 2), "ghosting: `strength` must have the shape"),
        (lambda: ghosting(IMAGE, 1.0, [2, 2]), "ghosting: `ghosts` must have the shape"),
        (lambda: ghosting(IMAGE, np.nan, 2), "ghosting: `strength` must be finite"),
        (lambda: ghosting(IMAGE, 1.0, 1), "ghosting: `ghosts` must be at least 2"),
        (lambda: spikes(IMAGE, [[1, 1]], 1.0), r"spikes: `frequencies` must have the shape \(spikes, 3\)"),
        (lambda: spikes(IMAGE, [[1, 1, 1]], [1.0, 2.0]), "spikes: `intensity` must have the shape"),
        (lambda: motion(IMAGE, *POSES, [0.5]), "motion: `matrices` must have the shape"),
        (lambda: motion(IMAGE, POSES[0], POSES[1][:, :2], [0.1, 0.2, 0.3]), "motion: `offsets` must have the shape"),
        (lambda: motion(IMAGE, *POSES, [0.1, 0.2, 0.3], axis=3), "motion: `axis` must lie within -3 and 2"),
        (lambda: random_ghosting(np.random.default_rng(0), spatial_shape=(4, 4), ghosts=(5, 4)), "be in order"),
    ],
)
def test_bad_input_is_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()
