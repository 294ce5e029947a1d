"""Memory of batches: used again when nobody holds it, and never before."""

import gc
import platform
import weakref

import numpy as np
import pytest

from mia_functional import dataset
from mia_functional.dataset import buffer_pool

SHAPE = (4, 64, 64, 64)
FLOAT = np.dtype(np.float32)


@pytest.fixture(autouse=True)
def nothing_is_kept():
    """Begin and end without memory of other tests."""
    gc.collect()
    buffer_pool._FREE.clear()
    yield
    buffer_pool._FREE.clear()


def address(array):
    """Where an array begins."""
    return array.ctypes.data


def test_memory_is_used_again_for_the_same_size():
    first = buffer_pool.pooled_array(SHAPE, FLOAT)
    place = address(first)
    del first
    assert len(buffer_pool._FREE) == 1
    assert address(buffer_pool.pooled_array((4, 64), FLOAT)) != place
    larger = buffer_pool.pooled_array((2, *SHAPE), FLOAT)
    again = buffer_pool.pooled_array((*SHAPE, 2), np.dtype(np.uint16))
    assert (address(again), again.shape, again.dtype) == (place, (*SHAPE, 2), np.uint16)
    assert len({address(array) for array in (again, larger, buffer_pool.pooled_array(SHAPE, FLOAT))}) == 3


def to_torch(array):
    """A tensor."""
    return pytest.importorskip("torch").from_numpy(array)


def to_jax(array):
    """A JAX array that shares the memory, which has to be aligned for that."""
    jax = pytest.importorskip("jax")
    flat = array.reshape(-1)
    part = flat[-address(array) % 64 // array.itemsize :]
    found = jax.device_put(part)
    assert found.unsafe_buffer_pointer() == address(part)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "hold",
    [
        lambda a: a[1:],
        lambda a: a.reshape(-1)[::2][3:],
        memoryview,
        lambda a: a.view(np.uint8).T,
        to_torch,
        to_jax,
    ],
)
def test_whatever_shares_the_memory_keeps_it(hold):
    array = buffer_pool.pooled_array(SHAPE, FLOAT)
    array[...] = 3
    place, gone = address(array), weakref.ref(array)
    held = hold(array)
    del array
    gc.collect()
    assert len(buffer_pool._FREE) == 0
    other = buffer_pool.pooled_array(SHAPE, FLOAT)
    other[...] = 5
    assert address(other) != place
    assert np.asarray(held).max() == (64 if np.asarray(held).dtype == np.uint8 else 3)
    del held
    gc.collect()
    assert gone() is None
    assert address(buffer_pool.pooled_array(SHAPE, FLOAT)) == place


def test_only_so_much_is_kept_and_objects_never():
    arrays = [buffer_pool.pooled_array(SHAPE, FLOAT) for _ in range(12)]
    arrays.clear()
    assert len(buffer_pool._FREE) == buffer_pool._FREE.maxlen == 8
    assert buffer_pool.pooled_array(SHAPE, np.dtype(object)).dtype == object


def test_batches_that_are_held_stay_what_they_are():
    samples = [{"x": np.full((64, 64, 16), number, np.float32)} for number in range(80)]
    places, held = [], []
    for number, batch in enumerate(dataset.prefetch(samples, batch_size=4)):
        places.append(address(batch["x"]))
        if number % 5 == 0:
            held.append(batch["x"][1:3])
    assert [part[:, 0, 0, 0].tolist() for part in held] == [[4 * k + 1, 4 * k + 2] for k in range(0, 20, 5)]
    assert all((part == part[:, :1, :1, :1]).all() for part in held)
    assert len(set(places)) < 15


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators decide otherwise")
def test_memory_of_freed_samples_stays_with_the_process():
    resource = pytest.importorskip("resource")  # not on Windows

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        arrays = [np.ones(80_000, np.float32) for _ in range(32)]
        assert len(arrays) == 32
        del arrays
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    buffer_pool.keep_freed_memory()
    faults()
    faults()
    # All 32 arrays have 2,500 pages.
    assert min(faults() for _ in range(5)) < 250
