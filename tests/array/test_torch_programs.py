"""Calls that are one node of a program of `torch.compile`: arguments, results, derivatives, operations of our own."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch

import mia_functional as mia
from mia_functional import _array

pytestmark = pytest.mark.slow


class Pair(NamedTuple):
    one: torch.Tensor
    other: torch.Tensor


@dataclass(frozen=True)
class Grid:
    spacing: tuple[float, ...]


@_array.one_node
def weigh(pair, arrays=(), *, factors, grid=None, function=abs):
    # NumPy and Python compute here, which bytecode of a program may not.
    assert not _array.in_bytecode()
    weights = np.cumsum(np.asarray(list(factors.values())))
    assert isinstance(weights, np.ndarray)
    scale = 1.0 if grid is None else float(np.prod(grid.spacing))
    total = pair.one * float(weights[0]) + pair.other * float(weights[-1])
    for array in arrays:
        total = total + array
    return Pair(function(total * scale), weights)


def program(function, *, dynamic=False):
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=dynamic)


@pytest.mark.parametrize("dynamic", [False, True])
def test_arguments_of_all_kinds_arrive(dynamic):
    def call(x, y, factor):
        grid = Grid(spacing=(2.0, factor))
        listed = weigh(Pair(x, y), [x, y], factors={"a": 1, "b": factor}, grid=grid, function=torch.square)
        return weigh(listed._replace(other=y), iter([x]), factors={"a": factor}), listed.other

    x, y = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5])
    (found, _), weights = program(call, dynamic=dynamic)(x, y, 3.0)
    (right, _), _ = call(x, y, 3.0)
    torch.testing.assert_close(found, right)
    assert weights.tolist() == [1.0, 4.0]


def test_another_number_is_another_program():
    compiled = program(lambda x, factor: weigh(Pair(x, x), factors={"a": factor}).one, dynamic=True)
    assert [compiled(torch.ones(2), factor).tolist() for factor in (2.0, 5.0, 2.0)] == [[4, 4], [10, 10], [4, 4]]


def test_gradients_pass_through():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = torch.tensor([3.0, 0.5], requires_grad=True)
    program(lambda x, y: weigh(Pair(x, y), factors={"a": 2, "b": 1}).one.sum())(x, y).backward()
    assert x.grad.tolist() == [2, -2]
    assert y.grad.tolist() == [3, -3]


def test_errors_keep_their_sentence():
    one, other = torch.zeros(3, dtype=torch.bool), torch.zeros(2, dtype=torch.bool)
    with pytest.raises(Exception, match=r"dice: `prediction` must have the shape of the reference"):
        program(mia.metrics.dice)(one, other)


@pytest.mark.parametrize(
    "call", [mia.morphology.bounding_box, mia.morphology.connected_components, mia.morphology.largest_components]
)
def test_what_runs_on_the_host_is_refused(call):
    with pytest.raises(Exception, match=r"The values of a tensor are needed here, which it does not have within"):
        program(call)(torch.ones((2, 3), dtype=torch.bool))


def test_operations_of_our_own_take_batches():
    masks = torch.asarray(np.random.default_rng(0).random((3, 4, 5)) < 0.2)

    def distances(mask):
        return mia.morphology.distance_transform(mask, spacing=(2.0, 1.0), cap=3.0)

    found = program(torch.func.vmap(distances))(masks)
    torch.testing.assert_close(found, torch.stack([distances(mask) for mask in masks]))
    assert found.dtype == torch.float64
