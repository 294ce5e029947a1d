"""Blurs, gammas, bias fields and noise block by block in the host's memory, beside the way that all libraries go."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mia_functional import _array
from mia_functional._array import host_blocks
from mia_functional._array import random as drawing
from mia_functional._core import processes
from mia_functional.transforms import bias_field, blur, gamma, noise, resample, rician_noise
from mia_functional.transforms.scanner_artefacts import monomials

NOISE = np.random.default_rng(5)


def coefficients(image):
    count = len(monomials(image.ndim - 1, 3))
    return np.random.default_rng(count).uniform(-0.5, 0.5, count)


def field(image, seed):
    return np.random.default_rng(seed).normal(size=image.shape).astype(np.float32)


CALLS = {
    "blur": lambda image: blur(image, [0.7, 1.9, 0.0, 1.2][: image.ndim - 1]),
    "blur as far as the image": lambda image: blur(image, 2.0, radius=9),
    "antialias": lambda image: resample(image.astype(np.float32), (1.7,) * (image.ndim - 1), antialias=True),
    "gamma": lambda image: gamma(image, np.linspace(0.6, 1.7, image.shape[-1])),
    "gamma without end": lambda image: gamma(image, np.inf),
    "bias field": lambda image: bias_field(image, coefficients(image)),
    "noise": lambda image: noise(image, field(image, 1)),
    "Rician noise": lambda image: rician_noise(np.abs(image), field(image, 1), field(image, 2)),
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few voxels, and two threads for all arrays: small images take the way of large ones."""
    monkeypatch.setattr(host_blocks, "_BLOCK_ELEMENTS", 24)
    monkeypatch.setattr(host_blocks, "_WORTH_A_THREAD", 0)
    monkeypatch.setattr("mia_functional.transforms.host_smoothing._PASS_ELEMENTS", 64)


def both_ways(call, image):
    """Return what a call makes of an image block by block, and what it makes by the way that all libraries go."""
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(_array, "computes_on_host", lambda *_: False)
        expected = call(image)
    return call(image), expected


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    finite = expected[np.isfinite(expected)].astype(float)
    extent = np.ptp(finite) if finite.size else 1.0
    # Half precision has steps of 2^-10 of the largest value.
    step = 2.0**-10 * abs(finite).max(initial=0) if found.dtype == np.float16 else 0.0
    np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=1e-6, atol=1e-6 * extent + step)


@pytest.mark.sampled(60)
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float16", "float32", ">f4", "float64", "int16", "bool"])
@pytest.mark.parametrize("shape", [(11, 7, 5, 2), (13, 17, 1), (29, 3), (3, 1, 4, 5, 1)])
def test_blocks_give_the_values_of_the_whole(name, dtype, shape):
    numbers = np.random.default_rng(0).uniform(0, 100, shape)
    image = numbers > 50 if dtype == "bool" else numbers.astype(dtype)
    assert_same(*both_ways(CALLS[name], image))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "view",
    [
        lambda image: image[::-1, :, ::-1],
        lambda image: image.transpose(2, 0, 1, 3),
        lambda image: image.transpose(3, 1, 2, 0),
        lambda image: image[1::2, ..., :1],
    ],
)
def test_images_that_do_not_lie_densely_in_memory(name, view):
    image = np.random.default_rng(1).random((9, 8, 7, 2), np.float32)
    before = image.copy()
    assert_same(*both_ways(CALLS[name], view(image)))
    np.testing.assert_array_equal(image, before)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.2e38, 1e-41])
def test_numbers_that_are_no_usual_intensities(name, value):
    image = np.random.default_rng(2).random((9, 8, 7, 2), np.float32)
    image[4, 3, 2, 0] = image[0, 0, 0, 1] = image[5, 3, 2, 0] = value
    found, expected = both_ways(CALLS[name], image)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    # The logarithm of an intensity 1e-38 of the contrast is rounded to 4e-6.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("small_blocks")
def test_an_infinite_part_of_a_signal_is_the_magnitude_even_beside_nan():
    image = np.full((40, 1), np.inf, np.float32)
    assert np.isinf(rician_noise(image, np.zeros_like(image), np.full_like(image, np.nan))).all()


@settings(deadline=None, max_examples=40)
@given(
    shape=st.lists(st.integers(1, 7), min_size=2, max_size=4),
    sigma=st.lists(st.floats(0, 3), min_size=3, max_size=3),
    seed=st.integers(0, 1000),
)
def test_any_shape_is_blurred_and_stretched_the_same(shape, sigma, seed):
    image = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_blocks, "_BLOCK_ELEMENTS", 10)
        patch.setattr("mia_functional.transforms.host_smoothing._PASS_ELEMENTS", 30)
        assert_same(*both_ways(lambda image: blur(image, sigma[: image.ndim - 1]), image))
        for name in ("gamma", "bias field"):
            assert_same(*both_ways(CALLS[name], image))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["blur", "gamma", "bias field", "noise"])
def test_tensors_in_the_memory_of_the_host_go_the_same_way(name):
    import torch

    image = np.random.default_rng(3).random((9, 8, 7, 2), np.float32)
    tensor = torch.from_numpy(image.copy())
    found = CALLS[name](tensor)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.numpy(), CALLS[name](image))


@pytest.mark.parametrize("name", ["blur", "gamma", "bias field"])
def test_memory_beyond_input_and_output_is_less_than_a_third_of_a_volume(name):
    image = NOISE.random((96, 96, 96, 2), np.float32)
    CALLS[name](image[:2])
    tracemalloc.start()
    try:
        CALLS[name](image)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * image.nbytes


def test_a_blur_that_changes_nothing_returns_an_array_of_its_own():
    image = np.ones((4, 4, 1), np.float32)
    assert not np.shares_memory(blur(image, 0.0), image)


def test_an_error_in_the_other_thread_is_raised(monkeypatch):
    monkeypatch.setattr(host_blocks, "_WORTH_A_THREAD", 0)

    def work(pieces):
        for piece in pieces:
            raise ValueError(f"the piece {piece}")

    with pytest.raises(ValueError, match="the piece"):
        host_blocks.run_in_threads(work, [0, 1], 10)


def test_a_thread_that_never_begins_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(host_blocks, "_WORTH_A_THREAD", 0)
    kept, done = [], []
    monkeypatch.setattr(host_blocks._thread, "start_new_thread", lambda work, _: kept.append(work))
    host_blocks.run_in_threads(done.extend, [0, 1, 2], 10)
    assert done == [0, 1, 2]
    kept[0]()  # when it begins at last, there is nothing to do
    assert done == [0, 1, 2]


def test_a_process_that_shares_the_cores_starts_no_thread(monkeypatch):
    monkeypatch.setattr(host_blocks, "_WORTH_A_THREAD", 0)
    monkeypatch.setattr(processes, "available_cores", lambda: 2)
    started = []
    monkeypatch.setattr(host_blocks._thread, "start_new_thread", lambda work, _: started.append(work))
    for sharing, threads in ((1, 1), (2, 0), (3, 0)):
        monkeypatch.setattr(processes, "_sharing", sharing)
        started.clear()
        done = []
        host_blocks.run_in_threads(done.extend, [0, 1], 10)
        assert (done, len(started)) == ([0, 1], threads)


def test_many_normal_numbers_are_normal_and_independent():
    drawn = drawing.random_normal(np.random.default_rng(0), (3, 70_001), 2.0) / 2
    numbers = drawn.reshape(-1)
    assert drawn.dtype == np.float32
    assert stats.kstest(numbers, "norm").pvalue > 0.01
    half = drawing._PAIRS  # the sines and the cosines of one length lie so far apart
    for function in (lambda numbers: numbers, np.square):
        values = function(numbers)
        for lag in (1, half, drawing._CHUNK_NUMBERS):
            assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 5 / np.sqrt(values.size - lag)


def test_many_normal_numbers_do_not_depend_on_threads(monkeypatch):
    shared = drawing.random_normal(np.random.default_rng(7), (600, 601), 1.0)
    monkeypatch.setattr(host_blocks, "_WORTH_A_THREAD", 2**40)
    np.testing.assert_array_equal(drawing.random_normal(np.random.default_rng(7), (600, 601), 1.0), shared)
    assert not np.array_equal(drawing.random_normal(np.random.default_rng(8), (600, 601), 1.0), shared)
