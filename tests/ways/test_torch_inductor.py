"""Programs that PyTorch's own compiler makes of ten functions, with eager's values; losses with eager's gradients."""

import shutil

import numpy as np
import pytest
import torch

import mia_functional as mia

from .drawing import SHAPE, SPACING, image, in_steps, label_maps, masks, parts, volumes
from .test_torch import assert_same, tensors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.filterwarnings("ignore:.torch.jit.script"),  # PyTorch's own (2.13)
    pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="there is no C++ compiler"),
]


def soft_dice(probabilities, reference):
    return mia.metrics.dice(mia.metrics.soft_confusion_counts(probabilities, reference))


def shares(rng):
    return rng.uniform(size=SHAPE).astype(np.float32), masks(rng)[1]


FUNCTIONS = {
    "dice": (lambda p, r: mia.metrics.dice(p, r, labels=(1, 2)), label_maps),
    "soft dice": (soft_dice, shares),
    "jaccard": (mia.metrics.jaccard, masks),
    "mean squared error": (mia.metrics.mean_squared_error, volumes),
    "mean absolute error": (mia.metrics.mean_absolute_error, volumes),
    "structural similarity": (lambda p, r: mia.metrics.structural_similarity(p, r, window=3), volumes),
    "peak signal to noise": (mia.metrics.peak_signal_noise_ratio, volumes),
    "standardize": (mia.transforms.standardize, image),
    "assembly": (in_steps, parts),
    "hausdorff": (lambda p, r: mia.metrics.hausdorff_distance(p, r, spacing=SPACING, percentile=(50, 95, 100)), masks),
}

LOSSES = ("soft dice", "mean squared error", "mean absolute error", "structural similarity")


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_eager(name, dynamic):
    function, draw = FUNCTIONS[name]
    given = tensors(draw(np.random.default_rng(0)))
    torch._dynamo.reset()
    found = torch.compile(function, fullgraph=True, dynamic=dynamic)(*given)
    assert_same(found, torch.utils._pytree.tree_map(lambda leaf: leaf.numpy(), function(*given)))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_eager(name):
    function, draw = FUNCTIONS[name]
    given = tensors(draw(np.random.default_rng(0)))
    torch._dynamo.reset()

    def gradient(call):
        prediction = given[0].clone().requires_grad_()
        return torch.autograd.grad(call(prediction, given[1]), prediction)[0]

    found = gradient(torch.compile(function, fullgraph=True))
    torch.testing.assert_close(found, gradient(function), rtol=1e-4, atol=1e-6)
