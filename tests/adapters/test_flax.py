"""Batches on the device of JAX."""

import numpy as np
import pytest

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


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_a_reader_may_fill_its_array_again(ahead):
    buffer = {"x": np.zeros((4, 64, 64), np.float32), "y": np.zeros(3, np.int16)}

    def reader():
        for number in range(20):
            for array in buffer.values():
                array[...] = number
            yield buffer

    found = list(flax.to_device(reader(), ahead=ahead))
    for name, array in buffer.items():
        array[...] = -1
        assert [set(np.asarray(batch[name]).ravel().tolist()) for batch in found] == [{k} for k in range(20)]
        assert not np.shares_memory(np.asarray(found[-1][name]), array)


def test_integers_that_jax_would_cut_are_an_error():
    with pytest.raises(OverflowError, match="holds integers from -2147483648 to 2147483647"):
        list(flax.to_device([{"x": np.array([2**31])}]))
