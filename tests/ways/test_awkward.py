"""Awkward arrays give what definitions say, in every library and way."""

import numpy as np
import pytest

from .awkward import CASES


def assert_right(found, name):
    right = CASES[name].expected
    for one, other in zip(found, right, strict=True) if isinstance(right, tuple) else [(found, right)]:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.sampled(60)
def test_numpy_gives_what_definitions_say(name):
    assert_right(CASES[name].call(*CASES[name].arrays), name)


@pytest.mark.slow
@pytest.mark.sampled(16)
@pytest.mark.parametrize("way", ["eager", "jit", "vmap", "jit of vmap", "scan", "torch", "strict"])
@pytest.mark.parametrize("name", CASES)
def test_every_way_gives_what_definitions_say(name, way):
    call, arrays, _ = CASES[name]
    if way == "torch":
        import torch

        found = call(*map(torch.asarray, arrays))
    elif way == "strict":
        import array_api_strict

        found = call(*map(array_api_strict.asarray, arrays))
    else:
        from .ways import WAYS

        (found, *_) = WAYS[way](call, [arrays] * 2)
    assert_right(found, name)
