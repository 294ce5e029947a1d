"""Which values can be looked at, and which arrays NumPy may read as they are."""

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from mia_functional import _array


def test_tensors_with_gradients_are_not_read_by_numpy():
    assert _array.in_host_memory(torch.ones(1))
    assert not _array.in_host_memory(torch.ones(1, requires_grad=True))
    assert not _array.in_host_memory(torch.ones(1, device="meta"))
    assert jax.jit(lambda x: x if _array.in_host_memory(x) else x + 1)(1.0) == 2


@pytest.mark.parametrize("tensor", [torch.ones(2).bfloat16(), torch.ones(2).to_sparse(), torch.ones(2) * 1j], ids=str)
def test_what_numpy_lacks_stays_in_torch(tensor):
    assert not _array.in_host_memory(tensor.conj())


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, of its forward mode
def test_tangents_and_levels_of_torch_are_not_read_by_numpy():
    found = []

    def look(tensor):
        found.append(_array.in_host_memory(tensor))
        return tensor

    ones = torch.ones(2)
    torch.func.vmap(look)(ones)
    torch.func.jvp(look, (ones,), (ones,))
    with forward_ad.dual_level():
        look(forward_ad.make_dual(ones, ones))
        look(ones)
    assert found == [False, False, False, True]


def test_a_condition_is_known_where_it_has_been_computed():
    """Inside of a program even arrays from outside of it lead to traced conditions."""
    outside = jnp.asarray([1, -2])
    answers = []

    def program(traced):
        arrays = (traced, outside, np.asarray(outside))
        answers.extend(_array.is_known_true(lambda values: values.min() < 0, array) for array in arrays)
        return traced

    for array in (outside, -outside):
        assert _array.is_known_true(lambda values: values.min() < 0, array)
    assert not _array.is_known_true(lambda values: values.min() < 0, outside + 2)
    jax.jit(program)(outside)
    jax.vmap(program)(outside[None])
    # Only a whole transformation of all traces: an eager `vmap` computes what does not depend on its batch.
    assert answers == [False, False, True, False, True, True]


@pytest.mark.parametrize("core", [None, types.ModuleType("jax.core")])
def test_nothing_is_traced_while_another_thread_imports_jax(monkeypatch, core):
    half = types.ModuleType("jax")
    if core is not None:
        half.core = core
    monkeypatch.setitem(sys.modules, "jax", half)
    assert not _array.is_traced(np.zeros(1))
