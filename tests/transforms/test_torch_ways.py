"""Tensors that are warped in the host's memory, or by PyTorch's own kernel, beside the way that all libraries go."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import _array
from mia_functional.geometry import Geometry
from mia_functional.transforms import affine, blur, elastic, linear, nearest, resample, resample_onto, warp

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
TURN = [[0.9, -0.3, 0.1], [0.35, 1.05, 0.0], [0.0, 0.2, 0.8]]


def matrix(axes):
    return [row[:axes] for row in TURN[:axes]]


def points(axes):
    return np.random.default_rng(axes).uniform(-2, 9, (axes, 5, 4))


CALLS = {
    "affine": lambda array, axes, **o: affine(array, matrix(axes), [0.3, -0.7, 1.1][:axes], **o),
    "elastic": lambda array, axes, **o: elastic(
        array, torch.from_numpy(np.random.default_rng(1).normal(0, 1.5, (axes, *(5,) * axes))), **o
    ),
    "warp": lambda array, axes, **o: warp(array, torch.from_numpy(points(axes)), **o),
    "resample": lambda array, axes, interpolation=None, **_: resample(
        array, (0.8, 1.3, 2.0)[:axes], interpolation=interpolation
    ),
    "resample_onto": lambda array, axes, **o: resample_onto(
        array,
        Geometry(shape=tuple(array.shape[:axes]), spacing=(1.0,) * axes),
        Geometry(shape=(6, 7, 5)[:axes], spacing=(1.1, 0.9, 1.3)[:axes], origin=(-0.6, 0.4, 0.2)[:axes]),
        **o,
    ),
}


@contextlib.contextmanager
def without(*names):
    """Leave out ways: that of the host's memory, and PyTorch's kernel."""
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(_array, name, lambda *_: None)
        yield


def three_ways(call):
    """Return what a call gives in the host's memory, by PyTorch's kernel, and by the way of all libraries."""
    host = call()
    with without("computes_on_host"):
        kernel = call()
    with without("computes_on_host", "grid_sample"):
        return host, kernel, call()


def assert_agree(found, expected):
    assert type(found) is torch.Tensor
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    if not expected.dtype.is_floating_point:
        assert (found.to(torch.int64) - expected.to(torch.int64)).abs().max() <= 1  # a half that is rounded either way
        return
    wide = expected.double()
    finite = wide[wide.isfinite()]
    step = {torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7}.get(found.dtype, 0.0)
    extent = float(finite.max() - finite.min()) if finite.numel() else 1.0
    tolerance = {"rtol": 2 * step, "atol": 1e-5 * max(extent, 1e-30)}
    torch.testing.assert_close(found.double(), wide, **tolerance, equal_nan=True)


def image(shape, dtype):
    numbers = np.random.default_rng(2).uniform(0, 100, shape)
    return torch.from_numpy(numbers).to(getattr(torch, dtype))


SHAPES = [((9, 8, 7, 2), 3), ((9, 8, 7), 3), ((8, 9, 1), 2), ((11, 3), 1), ((1, 8, 1, 2), 3)]


@pytest.mark.sampled(30)
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_images_by_all_ways(name, shape, axes, dtype):
    *found, expected = three_ways(lambda: CALLS[name](image(shape, dtype), axes, fill_value=-3))
    for result in found:
        assert_agree(result, expected)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "bool", "uint16", "float32"])
def test_labels_are_the_same_by_all_ways(name, dtype):
    labels = image((9, 8, 7, 1), "float32").floor().to(getattr(torch, dtype))
    *found, expected = three_ways(lambda: CALLS[name](labels, 3, interpolation=nearest))
    for result in found:
        assert result.dtype == labels.dtype
        assert torch.equal(result, expected)


@pytest.mark.parametrize("name", CALLS)
def test_integers_in_between(name):
    *found, expected = three_ways(lambda: CALLS[name](image((9, 8, 7, 2), "int16"), 3, interpolation=linear))
    for result in found:
        assert_agree(result, expected)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_numbers_that_are_no_usual_intensities(name, value):
    given = image((9, 8, 7, 2), "float32")
    given[4, 4, 4, 0] = given[0, 0, 0, 1] = value
    *found, expected = three_ways(lambda: CALLS[name](given, 3))
    for result in found:
        assert_agree(result, expected)


@pytest.mark.parametrize("name", CALLS)
def test_tensors_that_do_not_lie_densely_in_memory(name):
    given = image((7, 9, 8, 4), "float32").permute(1, 2, 0, 3)[..., ::2]
    *found, expected = three_ways(lambda: CALLS[name](given, 3))
    for result in found:
        assert_agree(result, expected)


def test_coordinates_at_the_rim_and_at_ties():
    line = torch.tensor([-0.5001, -0.5, -0.49, 0.0, 0.5, 1.5, 3.0, 3.49, 3.4998, 3.5, np.inf, -np.inf, 1e30])
    given = image((4, 4, 1), "float32")
    grid = torch.stack([line, line.flip(0).clamp(0, 3)])
    for rule in (linear, nearest):
        *found, expected = three_ways(lambda rule=rule: warp(given, grid, interpolation=rule, fill_value=-9))
        for result in found:
            torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=3),
    numbers=st.lists(st.floats(-3, 3), min_size=12, max_size=12),
)
def test_any_map_of_any_shape(shape, numbers):
    axes = len(shape)
    given = image((*shape, 1), "float64")
    columns, offset = np.reshape(numbers[: axes * axes], (axes, axes)), numbers[9 : 9 + axes]
    *found, expected = three_ways(lambda: affine(given, columns, offset))
    for result in found:
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("leaf", ["image", "matrix"])
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # forward mode of torch 2.13
def test_derivatives_of_all_kinds_are_there(leaf):
    given, columns = image((5, 4, 3, 2), "float64"), torch.tensor(TURN, dtype=torch.float64)
    offset = torch.tensor([0.31, -0.17, 0.23], dtype=torch.float64)

    def total(value):
        array, map_ = (value, columns) if leaf == "image" else (given, value)
        return (affine(array, map_, offset) ** 2).sum()

    value = given if leaf == "image" else columns
    by_function = torch.func.grad(total)(value)
    recorded = value.clone().requires_grad_()
    total(recorded).backward()
    torch.testing.assert_close(recorded.grad, by_function)
    step = 1e-6 * torch.from_numpy(np.random.default_rng(3).normal(size=value.shape))
    rise = (total(value + step) - total(value - step)) / 2
    torch.testing.assert_close((by_function * step).sum(), rise, rtol=1e-4, atol=1e-12)
    level, tangent = torch.func.jvp(total, (value,), (step,))
    torch.testing.assert_close((level, tangent), (total(value), rise), rtol=1e-4, atol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(total(recorded), total(value))


def test_a_batch_of_maps():
    given = image((5, 4, 3, 1), "float32")
    offsets = torch.tensor([[0.0, 0.5, 1.0], [1.0, -0.25, 0.0]])
    found = torch.vmap(lambda offset: affine(given, TURN, offset))(offsets)
    torch.testing.assert_close(found, torch.stack([affine(given, TURN, offset) for offset in offsets]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int16"])
def test_blurs_by_both_ways(dtype):
    given = image((9, 8, 7, 2), dtype)
    host, _, expected = three_ways(lambda: blur(given, [0.7, 0.0, 1.4]))
    assert_agree(host, expected)
