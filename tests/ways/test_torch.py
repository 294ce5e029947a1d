"""Every public function of arrays with tensors of PyTorch: batches, tangents and programs keep eager's values.

Right is what NumPy's arrays give, and of derivatives what PyTorch's reverse mode gives.
"""

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from .cases import CASES

CALLS = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases if not case.keys}

NEEDS_VALUES = ("metrics.hausdorff_distance called back", "morphology.distance_transform called back")
"""Calls of which no argument may be a batch of `torch.func.vmap`: NumPy has to know its values."""


def leaves(result):
    """Return all tensors of a result, as NumPy's in double precision."""
    return [leaf.detach().double().numpy() for leaf in torch.utils._pytree.tree_leaves(result)]


def tensors(arrays):
    return [torch.asarray(np.array(array)) for array in arrays]


def assert_same(found, right):
    found, right = leaves(found), [np.asarray(leaf) for leaf in torch.utils._pytree.tree_leaves(right)]
    assert len(found) == len(right)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def draw(case, seed=0):
    return case.draw(np.random.default_rng(seed))


@pytest.mark.slow
@pytest.mark.sampled(16)
@pytest.mark.parametrize("name", sorted(CALLS.keys() - set(NEEDS_VALUES)))
def test_vmap(name):
    members = [draw(CALLS[name], seed) for seed in (0, 1)]
    batch = tensors(np.stack(column) for column in zip(*members, strict=True))
    found = torch.func.vmap(CALLS[name].call)(*batch)
    for row, arrays in enumerate(members):
        assert_same(torch.utils._pytree.tree_map(lambda leaf, row=row: leaf[row], found), CALLS[name].call(*arrays))


@pytest.mark.parametrize("name", NEEDS_VALUES)
def test_a_batch_whose_values_are_needed_is_refused(name):
    batch = tensors(np.stack([array]) for array in draw(CALLS[name]))
    with pytest.raises(TypeError, match=r"^The values of a tensor are needed here, which it does not have within"):
        torch.func.vmap(CALLS[name].call)(*batch)


@pytest.mark.slow
@pytest.mark.sampled(16)
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, of its forward mode
@pytest.mark.parametrize("name", CALLS)
def test_tangents_are_those_of_the_reverse_mode(name):
    given = tensors(draw(CALLS[name]))
    chosen = [number for number, tensor in enumerate(given) if tensor.is_floating_point()]
    values = [given[number].double() for number in chosen]
    rng = np.random.default_rng(1)
    tangents = [torch.asarray(rng.normal(size=tensor.shape)) for tensor in values]

    def total(*floats):
        every = dict(zip(chosen, floats, strict=True))
        result = CALLS[name].call(*(every.get(number, tensor) for number, tensor in enumerate(given)))
        several = [leaf for leaf in torch.utils._pytree.tree_leaves(result) if leaf.is_floating_point()]
        weights = [torch.linspace(0.5, 1.5, leaf.numel()).reshape(leaf.shape) for leaf in several]
        return sum((leaf.double() * weight).sum() for leaf, weight in zip(several, weights, strict=True))

    recorded = [tensor.clone().requires_grad_() for tensor in values]
    result = total(*recorded) if chosen else None
    if result is None or not torch.is_tensor(result) or not result.requires_grad:
        pytest.skip("has no derivative")
    gradients = torch.autograd.grad(result, recorded, allow_unused=True)
    expected = sum(float((g * t).sum()) for g, t in zip(gradients, tangents, strict=True) if g is not None)
    level = torch.func.jvp(total, tuple(values), tuple(tangents))[1]
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(value, tangent) for value, tangent in zip(values, tangents, strict=True)]
        by_dual = forward_ad.unpack_dual(total(*duals)).tangent
    np.testing.assert_allclose([float(by_dual), float(level)], expected, rtol=1e-6, atol=1e-9)
