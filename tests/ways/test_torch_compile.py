"""Programs of `torch.compile`, each one whole graph, give what NumPy's arrays give."""

import re

import numpy as np
import pytest
import torch

from mia_functional import extraction, metrics, transforms

from .drawing import SHAPE
from .test_torch import CALLS, assert_same, draw, tensors

pytestmark = pytest.mark.slow


def compiled(call, *, dynamic):
    torch._dynamo.reset()
    return torch.compile(call, fullgraph=True, backend="aot_eager", dynamic=dynamic)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_program_of_one_graph_gives_the_values_of_numpy(name, dynamic):
    arrays = draw(CALLS[name])
    program = compiled(CALLS[name].call, dynamic=dynamic)
    assert_same(program(*tensors(arrays)), CALLS[name].call(*arrays))


OF_ONE_SHAPE = {
    "transforms.crop_or_pad image": "cuts or pads, as the shape asks for",
    "transforms.reorient_onto image": "lies on a grid of one shape",
    "transforms.resample_onto image": "lies on a grid of one shape",
    "transforms.reshape image": "of a size that divides by 7",
    "transforms.rot90 by an array": "of a square plane",
    "extraction.extract_batch of a grid": "at indices of one grid",
}
"""Calls on images of one shape, or whose programs are made for some of the shapes."""

VARYING = sorted(name for name in CALLS if name.startswith(("transforms.", "extraction.")) and name not in OF_ONE_SHAPE)


def longer(array, by):
    """Return an array of the shape of the volumes with the first voxels along each axis once more at its end."""
    if array.shape[:3] != SHAPE:
        return array
    for axis in range(3):
        array = np.concatenate([array, np.take(array, range(by), axis=axis)], axis=axis)
    return array


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", VARYING)
def test_one_program_serves_all_shapes(name):
    program = compiled(CALLS[name].call, dynamic=True)
    torch._dynamo.utils.counters.clear()
    for seed, by in enumerate((0, 2, 5)):
        arrays = [longer(array, by) for array in draw(CALLS[name], seed)]
        assert_same(program(*tensors(arrays)), CALLS[name].call(*arrays))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        (transforms.gamma, (0.5, 1.5, 2.5)),
        (lambda x, number: transforms.affine(x, [[number, 0.0], [0.1, 1.0]], [0.0, number]), (0.5, 1.5, 2.5)),
        (lambda x, number: transforms.pad(x, 1, fill_value=number), (0.5, 1.5, 2.5)),
        (lambda x, number: transforms.clip_percentile(x, lower=number), (5.5, 10.5, 20.0)),
        (lambda x, number: transforms.blur(x, number), (0.5, 1.5, 2.5)),
    ],
    ids=["gamma", "affine", "pad", "clip_percentile", "blur"],
)
def test_numbers_of_python_may_vary(call, numbers):
    image = np.random.default_rng(0).random((8, 7, 2), dtype=np.float32)
    program = compiled(call, dynamic=None)
    for number in numbers:
        assert_same(program(torch.asarray(image), number), call(image, number))


IMAGE = torch.ones(4, 5, 2)

REFUSED = {
    "blur: `radius` must be given if `sigma` is traced": lambda x: transforms.blur(x, x[0, 0, 0]),
    "blur: `sigma` must lie within 0 and 100,000 voxels; got -1": lambda x: transforms.blur(x, -1),
    "gamma: `exponent` must be positive; got 0": lambda x: transforms.gamma(x, 0),
    "affine: `matrix` must be finite": lambda x: transforms.affine(x, [[1.0, 0.0], [0.0, np.inf]], (0.0, 0.0)),
    "flip: `axes` must be booleans": lambda x: transforms.flip(x, x[0, 0].to(torch.int64)),
    "rot90: `array` must be square in the plane": lambda x: transforms.rot90(x, x[0, 0, 0].to(torch.int64)),
    "crop: `start` must hold whole numbers": lambda x: transforms.crop(x, x[0, 0], (2, 2)),
    "crop: `start, shape` must stay below 4 on axis 0": lambda x: transforms.crop(x, (3, 0), (2, 2)),
    "dynamic_patch: `patch_shape` must fit": lambda x: extraction.dynamic_patch(x, x[0, 0].to(torch.int64), (5, 5)),
    "pad: `fill_value` must be a whole number": lambda x: transforms.pad(x.to(torch.uint8), 1, fill_value=0.5),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_wrong_is_said_in_a_program_too(sentence):
    with pytest.raises(Exception, match=f"Error\\(['\"]{re.escape(sentence)}"):
        compiled(REFUSED[sentence], dynamic=False)(IMAGE)


def test_metrics_that_are_variables_have_programs_of_their_own():
    """PyTorch (2.13) takes two functions of one code for the same, and all metrics of a statistic have one."""
    torch._dynamo.reset()
    pair = tensors(np.random.default_rng(75).random((2, 5, 6)) < 0.5)

    def program_of(metric):
        return torch.compile(lambda prediction, reference: metric(prediction, reference), backend="aot_eager")

    chosen = metrics.dice, metrics.jaccard, metrics.sensitivity
    assert [float(program_of(metric)(*pair)) for metric in chosen] == [float(metric(*pair)) for metric in chosen]
