"""Every public function of arrays with tensors on CUDA, by a stand-in: values, devices, and what moves to the host."""

import numpy as np
import pytest
import torch

import mia_functional as mia

from . import cuda_stand_in
from .devices import CALLS, POSITIONS, PREDICTION, REFERENCE, SPACING, assert_form, draw, leaves, moved_by

OWN_TRANSFORM = {
    *("metrics.hausdorff_distance", "metrics.average_distance", "metrics.average_symmetric_surface_distance"),
    *("metrics.mean_average_surface_distance", "metrics.average_surface_distance", "metrics.surface_overlap"),
    *("metrics.normalized_surface_dice", "metrics.surface_distances"),
}
"""Functions that ask for each surface whether all of the other one is near: the bounded transform does for those."""


def on_cuda(array):
    return torch.asarray(np.array(array), device="cuda")


def expected_moves(name):
    asks = name.partition(" ")[0] in OWN_TRANSFORM and not name.endswith("called back")
    pairs = 2 if name.endswith(("of labels", "some ignored")) else 1
    return moved_by(name) + asks * (1, 1) * pairs


@pytest.mark.slow
@pytest.mark.sampled(40)
@pytest.mark.parametrize("name", CALLS)
def test_values_are_those_of_numpy_and_few_move_to_the_host(name):
    arrays = draw(name)
    with cuda_stand_in.Cuda():
        given = [on_cuda(array) for array in arrays]
        cuda_stand_in.moved.clear()
        found, right = leaves(CALLS[name].call(*given)), leaves(CALLS[name].call(*arrays))
        assert tuple(cuda_stand_in.moved) == expected_moves(name)
        assert all(leaf.device == cuda_stand_in.DEVICE for leaf in found)
        for one, other in zip(found, right, strict=True):
            np.testing.assert_allclose(one.cpu().numpy(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_may_be_tensors(name):
    with cuda_stand_in.Cuda():
        found, right = POSITIONS[name](on_cuda), POSITIONS[name](np.asarray)
        if isinstance(found, torch.Tensor):
            np.testing.assert_allclose(found.cpu().numpy(), right, rtol=1e-6)
        else:
            assert found == right


def test_the_stand_in_refuses_what_cuda_refuses():
    with cuda_stand_in.Cuda():
        tensor = on_cuda([1.0, 2.0])
        with pytest.raises(TypeError, match="can't convert cuda"):
            np.asarray(tensor)
        with pytest.raises(TypeError, match="can't convert cuda"):
            (tensor + 1).numpy()
        with pytest.raises(RuntimeError, match="same device"):
            tensor + torch.zeros(2)
        with pytest.raises(RuntimeError, match="same device"):
            torch.take(tensor, torch.asarray([0]))
        assert tensor[torch.asarray([1])].tolist() == [2]
        assert (tensor * torch.asarray(2.0)).device == tensor.device
        assert torch.zeros_like(tensor).device == tensor.new_zeros(3).device == tensor.device
        assert torch.zeros(3).device.type == tensor.cpu().device.type == "cpu"


@pytest.mark.parametrize("form", ["grid", "compact"])
def test_surface_distances_fill_a_grid_or_are_compact_by_the_host(form):
    method = "auto" if form == "grid" else "host"
    with cuda_stand_in.Cuda():
        record = mia.metrics.surface_distances(on_cuda(PREDICTION), on_cuda(REFERENCE), spacing=SPACING, method=method)
        fields = [field.cpu().numpy() for field in record]
    assert_form(fields, form, mia.metrics.surfels)
