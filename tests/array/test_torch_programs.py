"""Calls that are one node of a program of `torch.compile`: arguments, results, derivatives, operations of our own."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch

import mia_functional as mia
from mia_functional import _array
from mia_functional._array import torch_programs

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


TABLE = np.arange(3.0)
TABLE.flags.writeable = False


@_array.one_node
def look_up(tensor):
    return tensor + 1, TABLE


def test_tables_that_are_kept_become_tensors_without_a_warning():
    torch.set_warn_always(True)
    try:
        one, table = program(look_up)(torch.ones(2))
    finally:
        torch.set_warn_always(False)
    assert one.tolist() == [2, 2]
    assert table.tolist() == [0, 1, 2]


def test_another_number_is_another_program():
    compiled = program(lambda x, factor: weigh(Pair(x, x), factors={"a": factor}).one, dynamic=True)
    assert [compiled(torch.ones(2), factor).tolist() for factor in (2.0, 5.0, 2.0)] == [[4, 4], [10, 10], [4, 4]]


@dataclass(frozen=True)
class Table:
    entries: np.ndarray


def choose(factor):
    return lambda array: array * factor


@_array.one_node
def use(x, *, table, index, function, flag):
    return function(x[index]) * float(table.entries.sum()) + flag


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_what_is_traced_again_finds_its_calls(backend):
    table, other = Table(np.ones(2)), Table(np.ones(3))

    def call(x):
        one = use(x, table=table, index=slice(0, 2), function=lambda array: array + 1, flag=True)
        two = use(x, table=table, index=slice(1, 3), function=lambda array: array + 2, flag=True)
        three = use(x, table=other, index=slice(1, 3), function=partial(torch.add, alpha=2, other=3), flag=False)
        return torch.stack([one, two, three])

    x = torch.tensor([1.0, 2.0, 4.0])
    counts, kept = [], []
    for _ in range(4):
        torch._dynamo.reset()
        kept.append(torch.compile(call, fullgraph=True, backend=backend))
        for compiled in kept:
            assert compiled(x).tolist() == [[5, 7], [9, 13], [24, 30]]
        counts.append(len(torch_programs._CALLS))
    assert counts[0] == counts[-1]


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, array):
        return array * self.factor


def scale_by_default(factor):
    def scale(array, by=factor):
        return array * by

    return scale


@pytest.mark.parametrize(
    "make",
    [
        choose,
        Scale,
        scale_by_default,
        lambda factor: Scale(factor).__call__,
        lambda factor: partial(torch.mul, other=factor),
        lambda factor: partial(torch.mul, torch.tensor(factor)),
        lambda factor: partial(choose(factor)),
    ],
    ids=["closure", "object", "default", "method", "partial", "partial of a tensor", "partial of a closure"],
)
def test_programs_of_one_code_keep_functions_apart_that_hold_other_things(make):
    torch._dynamo.reset()

    def program_of(function):
        return torch.compile(
            lambda x: use(x, table=table, index=slice(None), function=function, flag=False),
            fullgraph=True, backend="eager",
        )  # fmt: skip

    table, x = Table(np.ones(1)), torch.tensor([1.0, 2.0])
    double, triple = program_of(make(2.0)), program_of(make(3.0))
    assert [program(x).tolist() for program in (double, triple, double)] == [[2.0, 4.0], [3.0, 6.0], [2.0, 4.0]]


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_calls_that_differ_in_one_value_stay_apart(backend):
    table = Table(np.ones(1))
    functions = [choose(2.0), partial(torch.mul, other=4), partial(torch.add, other=4), torch.square]
    programs = [
        torch.compile(
            lambda x, own=function: use(x, table=table, index=slice(None), function=own, flag=False),
            fullgraph=True, backend=backend,
        )
        for function in functions
    ]  # fmt: skip
    torch._dynamo.reset()
    x = torch.tensor([1.0, 2.0])
    for program_of, function in zip(programs * 2, functions * 2, strict=True):
        torch.testing.assert_close(program_of(x), function(x))


@pytest.mark.parametrize("kinds", [(1, True), (0.0, -0.0), ("a", b"a"), (slice(1), slice(1, None)), ((1,), (1.0,))])
def test_values_that_are_equal_but_not_the_same_have_keys_of_their_own(kinds):
    one, other = map(torch_programs._key_of_value, kinds)
    assert one != other


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


@pytest.mark.parametrize("call", [mia.morphology.bounding_box, mia.morphology.largest_components])
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
