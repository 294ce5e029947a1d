"""Batches on the device of JAX."""

import numpy as np

from mia_functional import dataset
from mia_functional.adapters import flax


def test_batches_come_to_the_device_in_order_and_compile(samples):
    import jax

    total = jax.jit(lambda batch: batch["images"].sum())
    batches = dataset.prefetch(samples, batch_size=4)
    found = [float(total(batch)) for batch in flax.to_device(batches, ahead=2)]
    expected = [sum(float(samples[k + i]["images"].sum()) for i in range(4)) for k in range(0, 16, 4)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert list(flax.to_device([], ahead=1)) == []
