"""Programs of `torch.compile`, each one whole graph, give what NumPy's arrays give."""

import pytest
import torch

from .test_torch import CALLS, assert_same, draw, tensors

CANNOT: dict[str, str] = {}
"""Calls that no program can make, and what they say."""

NOT_YET = {
    "transforms.affine image",
    "transforms.blur by numbers",
    "transforms.blur by an array",
    "transforms.clip_percentile image",
    "transforms.clip_percentile in a mask",
    "transforms.crop by numbers",
    "transforms.crop by an array",
    "transforms.crop by both",
    "transforms.crop_or_pad image",
    "transforms.elastic image",
    "transforms.flip by an array",
    "transforms.gamma by a number",
    "transforms.mask_outside image",
    "transforms.pad zeros",
    "transforms.pad edge",
    "transforms.permute image",
    "transforms.reorient_onto image",
    "transforms.resample image",
    "transforms.resample smoothed",
    "transforms.resample labels",
    "transforms.resample_onto image",
    "transforms.reshape image",
    "transforms.rot90 by a number",
    "transforms.rot90 by an array",
    "transforms.shift by an array",
    "transforms.shift around",
    "transforms.warp image",
    "transforms.warp labels",
    "extraction.dynamic_patch by an array",
    "extraction.extract beyond",
    "extraction.extract channels",
}
"""Calls that break the graph, or end in words of PyTorch."""

CAN = sorted(CALLS.keys() - CANNOT.keys() - NOT_YET)

pytestmark = pytest.mark.slow


def compiled(call, *, dynamic):
    torch._dynamo.reset()
    return torch.compile(call, fullgraph=True, backend="aot_eager", dynamic=dynamic)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", CAN)
def test_a_program_of_one_graph_gives_the_values_of_numpy(name, dynamic):
    arrays = draw(CALLS[name])
    program = compiled(CALLS[name].call, dynamic=dynamic)
    assert_same(program(*tensors(arrays)), CALLS[name].call(*arrays))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", CANNOT)
def test_what_no_program_can_do_is_said_in_one_sentence(name):
    program = compiled(CALLS[name].call, dynamic=False)
    with pytest.raises(Exception, match=CANNOT[name]):
        program(*tensors(draw(CALLS[name])))
