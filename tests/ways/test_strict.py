"""Every public function of arrays with arrays of the strict library; and which arrays hold surface distances."""

import array_api_strict
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import mia_functional as mia

from .devices import CALLS, PREDICTION, REFERENCE, SPACING, assert_form, draw, leaves


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.sampled(40)
def test_values_are_those_of_numpy(name, dynamic):
    arrays = draw(name)
    with array_api_strict.ArrayAPIStrictFlags(data_dependent_shapes=dynamic, boolean_indexing=dynamic):
        found = leaves(CALLS[name].call(*map(array_api_strict.asarray, arrays)))
        for one, other in zip(found, leaves(CALLS[name].call(*arrays)), strict=True):
            assert type(one) is type(array_api_strict.asarray(0))
            np.testing.assert_allclose(np.asarray(one.__array__()), other, rtol=1e-5, atol=1e-5)


ROUTES = {
    "numpy": (np.asarray, {}, "compact"),
    "numpy, host": (np.asarray, {"method": "host"}, "compact"),
    "torch on the host": (torch.asarray, {}, "compact"),
    "jax on the host": (jnp.asarray, {}, "compact"),
    "jax, host": (jnp.asarray, {"method": "host"}, "compact"),
    "jit": (jnp.asarray, {}, "grid"),
    "jit, host": (jnp.asarray, {"method": "host"}, "front"),
    "strict": (array_api_strict.asarray, {}, "grid"),
    "strict, host": (array_api_strict.asarray, {"method": "host"}, "compact"),
}
"""How arrays are made, options, and what holds the distances; of GPUs in `test_cupy.py` and `test_cuda.py`."""


@pytest.mark.slow
@pytest.mark.sampled(12)
@pytest.mark.parametrize("boundary", [mia.metrics.surfels, mia.metrics.voxels, mia.metrics.solid])
@pytest.mark.parametrize("route", ROUTES)
def test_surface_distances_are_compact_or_a_grid(route, boundary):
    convert, options, form = ROUTES[route]

    def measure(prediction, reference):
        return mia.metrics.surface_distances(prediction, reference, spacing=SPACING, boundary=boundary, **options)

    call = jax.jit(measure) if route.startswith("jit") else measure
    record = call(convert(PREDICTION), convert(REFERENCE))
    fields = [np.asarray(field.__array__()) for field in record]
    assert_form(fields, form, boundary)
