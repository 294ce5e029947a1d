"""Programs of `torch.compile`, each one whole graph, give what NumPy's arrays give."""

import pytest
import torch

from .cases import CASES
from .test_torch import assert_same, draw, tensors

GROUPS = [
    "dice",
    "mean_squared_error",
    "structural_similarity",
    "standardize",
    "relabel",
    "reshape",
]
"""Public functions all of whose calls become one graph."""

CALLS = {
    f"{name} {case.label}": case
    for name, cases in CASES.items()
    for case in cases
    if name.partition(".")[2] in GROUPS and case.label != "called back"
}


@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")  # traced, not cached: the same
@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", CALLS)
def test_a_program_of_one_graph_gives_the_values_of_numpy(name):
    arrays = draw(CALLS[name])
    torch._dynamo.reset()
    program = torch.compile(CALLS[name].call, fullgraph=True, backend="aot_eager")
    assert_same(program(*tensors(arrays)), CALLS[name].call(*arrays))
