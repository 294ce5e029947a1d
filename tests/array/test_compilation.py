"""Programs of JAX: compiled once, donated memory, dropped with their network."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional import _array

TRACES = []


def shifted(array, *, offset):
    TRACES.append(offset)
    return array + offset


def added(state, array):
    TRACES.append("added")
    return state + array


def applied(network, array, *, power):
    TRACES.append("applied")
    return network(array) ** power


def test_a_function_is_traced_once_per_options_and_shape():
    TRACES.clear()
    for offset in (1, 1, 2, 1):
        assert _array.jit_call(shifted, jnp.ones(2), offset=offset).tolist() == [1 + offset] * 2
    assert TRACES == [1, 2]
    assert _array.jit_call(shifted, np.ones(2), offset=1).tolist() == [2, 2]
    assert jax.jit(jax.vmap(lambda x: _array.jit_call(shifted, x, offset=1)))(jnp.ones((2, 1))).tolist() == [[2], [2]]


def test_memory_of_the_state_goes_to_the_result():
    TRACES.clear()
    state = jnp.zeros(4)
    for _ in range(3):
        previous, state = state, _array.jit_call_donating(added, state, jnp.ones(4))
        assert previous.is_deleted()
    assert state.tolist() == [3, 3, 3, 3]
    assert TRACES == ["added"]
    assert jax.jit(lambda s: _array.jit_call_donating(added, s, s) + s)(jnp.ones(1)).tolist() == [3]


@pytest.mark.slow
def test_the_program_of_a_jitted_network_is_found_again_and_dropped_with_it():
    TRACES.clear()
    network = jax.jit(lambda array: array * 2)
    for _ in range(2):
        assert _array.jit_call_network(applied, network, jnp.ones(2), power=3).tolist() == [8, 8]
    assert TRACES == ["applied"]
    for _ in range(2):
        _array.jit_call_network(applied, lambda array: array, jnp.ones(2), power=1)
    assert TRACES == ["applied"] * 3
    alive = weakref.ref(network)
    del network
    gc.collect()
    assert alive() is None


def test_the_host_computes_in_a_program_with_the_dtypes_of_the_program():
    def squares(array):
        return (array.astype(np.float64) ** 2,)

    def on_host(array):
        return _array.call_on_host(squares, array, results=(array,))[0]

    array = jnp.arange(6.0).reshape(2, 3)
    for function in (jax.jit(on_host), jax.vmap(on_host)):
        result = function(array)
        assert result.dtype == jnp.float32
        np.testing.assert_array_equal(result, np.asarray(array) ** 2)
    np.testing.assert_array_equal(on_host(np.arange(3.0)), [0, 1, 4])


def _add(state, arrays):
    """Return a sum."""
    return state + arrays[0]


def test_buffers_may_be_filled_again_as_soon_as_a_program_was_called():
    buffer = np.empty((64, 64, 64), np.float32)
    for _ in range(50):
        buffer[:] = 1
        found = _array.jit_call_donating(_add, jax.numpy.zeros(buffer.shape), (buffer,))
        buffer[:] = 7
        assert float(found.max()) == 1


def test_a_program_keeps_the_numbers_that_it_was_traced_with():
    buffer, zeros = np.ones(3, np.float32), jax.numpy.zeros(3)
    traces = [
        jax.jit(lambda state: _array.jit_call_donating(_add, state, (buffer,))).trace(zeros),
        jax.jit(lambda state: _array.fold(lambda state, row: state + row[0], state, (buffer,))).trace(zeros),
    ]
    buffer[:] = 7
    assert [trace.lower().compile()(zeros).tolist() for trace in traces] == [[1.0] * 3, [3.0] * 3]
