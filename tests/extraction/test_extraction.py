"""Extraction: against NumPy's own padding, on every library and on files."""

import tracemalloc
from typing import Any, NamedTuple

import dask.array
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional._core import checks
from mia_functional.extraction import constant, dynamic_patch, edge, extract, extract_batch, reflect

from ..conftest import BACKENDS, host

VOLUME = np.arange(4 * 5 * 6 * 2, dtype=np.float32).reshape(4, 5, 6, 2)
NUMPY_MODE = {constant: "constant", edge: "edge", reflect: "reflect"}


@pytest.mark.parametrize("mode", NUMPY_MODE)
def test_overhanging_patch_equals_numpy_pad_everywhere(xp, mode):
    padded = np.pad(VOLUME, ((3, 3), (3, 3), (3, 3), (0, 0)), mode=NUMPY_MODE[mode])
    index = (slice(-2, 3), slice(1, 8), slice(-3, 9))
    found = xp.run(lambda volume: extract(volume, index, pad_mode=mode), VOLUME)
    np.testing.assert_array_equal(found, padded[1:6, 4:11, 0:12])
    assert found.dtype == np.float32


def test_a_plane_with_margin_is_a_slab_of_its_neighbours(xp):
    index = (0, slice(0, 5), slice(0, 6))
    found = xp.run(lambda volume: extract(volume, index, margin=(1, 0, 0), fill_value=-7), VOLUME)
    assert found.shape == (3, 5, 6, 2)
    assert (found[0] == -7).all()
    np.testing.assert_array_equal(found[1:], VOLUME[:2])


def test_inside_it_is_plain_indexing_and_for_numpy_a_view():
    index = (slice(1, 3), 2, slice(0, 6))
    found = extract(VOLUME, index)
    np.testing.assert_array_equal(found, VOLUME[1:3, 2])
    assert np.shares_memory(found, VOLUME)


def hdf5(folder):
    """Return the volume as a dataset of h5py."""
    with h5py.File(folder / "volume.h5", "w") as file:
        file["volume"] = VOLUME
    return h5py.File(folder / "volume.h5")["volume"]


def memory_map(folder):
    """Return the volume as a memory map."""
    np.save(folder / "volume.npy", VOLUME)
    return np.load(folder / "volume.npy", mmap_mode="r")


def zarr_array(folder):
    """Return the volume as a Zarr array on disk, of several chunks."""
    array = zarr.create_array(folder / "volume.zarr", shape=VOLUME.shape, chunks=(2, 3, 4, 1), dtype=VOLUME.dtype)
    array[...] = VOLUME
    return zarr.open_array(folder / "volume.zarr", mode="r")


def tensor_store(folder):
    """Return the same Zarr array, opened by TensorStore."""
    zarr_array(folder)
    place = {"driver": "file", "path": str(folder / "volume.zarr")}
    return tensorstore.open({"driver": "zarr3", "kvstore": place}, open=True).result()


def dask_array(_):
    """Return the volume as a Dask array of several chunks."""
    return dask.array.from_array(VOLUME, chunks=(2, 3, 4, 1))


SOURCES = (hdf5, memory_map, zarr_array, tensor_store, dask_array)
"""What else than an array can be extracted from, by the real packages."""


@pytest.mark.parametrize("source", SOURCES)
def test_files_and_arrays_give_the_same(source, tmp_path):
    volume = source(tmp_path)
    for index, options in (
        ((slice(1, 3), 2, slice(0, 6)), {}),
        ((slice(2, 6), slice(-1, 2), 3), {"margin": (1, 1, 0), "pad_mode": edge}),
        ((slice(-9, -5), slice(0, 5), slice(0, 6)), {"fill_value": 7}),
        ((slice(0, 2), slice(3, 7)), {"channels": (1, 0), "pad_mode": reflect}),
    ):
        found, expected = extract(volume, index, **options), extract(VOLUME, index, **options)
        assert isinstance(found, dask.array.Array if source is dask_array else np.ndarray)
        np.testing.assert_array_equal(found, expected)
    indices = indexing.patches((4, 5, 6), (3, 2, 4), boundary=indexing.overhang)
    found = extract_batch(volume, indices, margin=1)
    np.testing.assert_array_equal(found, extract_batch(VOLUME, indices, margin=1))
    draws = [
        indexing.random_patches_at(np.random.default_rng(0), a[..., :1], (2, 2, 2), count=9) for a in (volume, VOLUME)
    ]
    np.testing.assert_array_equal(indexing.starts(draws[0]), indexing.starts(draws[1]))


@given(st.integers(1, 9), st.integers(-20, 20), st.integers(1, 12), st.sampled_from(tuple(NUMPY_MODE)))
def test_any_position_equals_numpy_pad(size, start, length, mode):
    line = np.arange(size)
    padded = np.pad(line, 40, mode=NUMPY_MODE[mode])
    np.testing.assert_array_equal(
        extract(line, (slice(start, start + length),), pad_mode=mode), padded[40 + start : 40 + start + length]
    )


def test_integers_keep_their_type_when_padded():
    found = extract(np.ones(3, dtype=np.int16), (slice(-1, 4),), fill_value=5)
    assert found.dtype == np.int16
    assert found.tolist() == [5, 1, 1, 1, 5]


def test_every_index_of_a_grid_is_extracted_with_equal_shape():
    indices = indexing.patches((4, 5, 6), (3, 3, 3), boundary=indexing.overhang)
    assert {extract(VOLUME, index).shape for index in indices} == {(3, 3, 3, 2)}


@pytest.mark.parametrize("mode", NUMPY_MODE)
def test_a_margin_on_each_side_of_its_own_size(xp, mode):
    padded = np.pad(VOLUME, ((3, 3), (3, 3), (3, 3), (0, 0)), mode=NUMPY_MODE[mode])
    index = (slice(0, 2), 4, slice(2, 6))
    found = xp.run(lambda volume: extract(volume, index, margin=((3, 0), (0, 2), 1), pad_mode=mode), VOLUME)
    np.testing.assert_array_equal(found, padded[0:5, 7:10, 4:10])


def test_chosen_channels_in_the_order_asked_for(xp):
    volume = np.concatenate([VOLUME, VOLUME + 500], axis=-1)
    index = (slice(1, 3), slice(0, 5), slice(4, 8))
    padded = np.pad(volume, ((0, 0), (0, 0), (0, 2), (0, 0)))[1:3, :, 4:8]
    for chosen in ((2, 0), (1, 2), (3,), (0, 0)):
        found = xp.run(lambda array, chosen=chosen: extract(array, index, channels=chosen), volume)
        np.testing.assert_array_equal(found, padded[..., list(chosen)])


def test_neighbouring_channels_of_an_array_are_a_view():
    assert np.shares_memory(extract(VOLUME, (slice(0, 2), 3), channels=(1,)), VOLUME)


def test_a_batch_equals_its_parts_stacked(xp):
    indices = indexing.patches((4, 5, 6), (3, 2, 4), boundary=indexing.overhang)
    found = xp.run(lambda volume: extract_batch(volume, indices, margin=1, pad_mode=edge, channels=(1, 0)), VOLUME)
    expected = np.stack([extract(VOLUME, index, margin=1, pad_mode=edge, channels=(1, 0)) for index in indices])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


def test_a_batch_is_one_allocation():
    volume = np.zeros((80, 80, 80), dtype=np.float32)
    extract_batch(volume, indexing.patches((80, 80, 80), (40, 40, 40)))  # what the first use loads does not count
    tracemalloc.start()
    batch = extract_batch(volume, indexing.patches((80, 80, 80), (40, 40, 40)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batch.shape == (8, 40, 40, 40)
    assert peak < 1.02 * batch.nbytes


def test_files_give_channels_and_batches_too(tmp_path):
    indices = list(indexing.slices((4, 5, 6), axis=(0, 2)))[:4]
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file["volume"] = VOLUME
        found = extract_batch(file["volume"], indices, margin=(1, 0, 0), channels=(1, 0))
    np.testing.assert_array_equal(found, extract_batch(VOLUME, indices, margin=(1, 0, 0))[..., ::-1])
    assert isinstance(found, np.ndarray)


class Chunks(NamedTuple):
    """A source that knows nothing but its shape and how to read one block, like an array in the cloud."""

    array: Any

    @property
    def shape(self):
        return self.array.shape

    def __getitem__(self, index):
        assert all(part is Ellipsis or isinstance(part, int) or part.step is None for part in index)
        return np.array(self.array[index])


def test_any_source_with_a_shape_and_blocks_will_do():
    index = (slice(-1, 3), 2, slice(3, 8))
    for mode in NUMPY_MODE:
        found = extract(Chunks(VOLUME), index, pad_mode=mode, channels=(1,))
        np.testing.assert_array_equal(found, extract(VOLUME, index, pad_mode=mode)[..., 1:])


def test_a_dynamic_patch_is_the_slice_and_stays_inside(xp):
    for start, inside in (((1, 2, 3), (1, 2, 3)), ((-4, 0, 9), (0, 0, 3)), ((9, 9, -1), (2, 2, 0))):
        found = xp.run(lambda volume, start=start: dynamic_patch(volume, start, (2, 3, 3)), VOLUME)
        z, y, x = inside
        np.testing.assert_array_equal(found, VOLUME[z : z + 2, y : y + 3, x : x + 3])
        assert found.shape == (2, 3, 3, 2)


def test_a_dynamic_patch_takes_a_traced_start_and_maps_over_a_batch():
    starts = np.array([[0, 0, 0], [2, 1, 3], [-5, 7, 1]], dtype=np.int32)
    batch = jax.jit(jax.vmap(dynamic_patch, in_axes=(None, 0, None)), static_argnums=2)(
        jnp.asarray(VOLUME), jnp.asarray(starts), (2, 3, 3)
    )
    expected = [dynamic_patch(VOLUME, start, (2, 3, 3)) for start in starts]
    np.testing.assert_array_equal(batch, expected)


@pytest.mark.parametrize("together", [lambda start: start, tuple])
def test_a_patch_of_a_numpy_volume_at_a_traced_start(together):
    first = jax.numpy.array([1, 2, 3])
    found = jax.jit(lambda start: dynamic_patch(VOLUME, together(start), (2, 3, 3)))(first)
    np.testing.assert_array_equal(found, VOLUME[1:3, 2:5, 3:6])
    # A start from outside of the program: its entries are traced all the same.
    constant = jax.jit(lambda rise: rise + dynamic_patch(VOLUME, together(first), (2, 3, 3)))(0)
    np.testing.assert_array_equal(constant, VOLUME[1:3, 2:5, 3:6])


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="`index` must have at most 4 entries"):
        extract(VOLUME, (0,) * 5)
    with pytest.raises(ValueError, match="`margin` must be at least 0"):
        extract(VOLUME, (0,), margin=-1)
    with pytest.raises(ValueError, match="must lie within 0 and 3 where it is an integer; got 4"):
        extract(VOLUME, (4,))
    with pytest.raises(ValueError, match="`margin` must be a number or have 1 entries"):
        extract(VOLUME, (0,), margin=(1, 2))
    with pytest.raises(ValueError, match="`channels` must be some of the 2 on the last axis"):
        extract(VOLUME, (0,), channels=(0, 2))
    with pytest.raises(ValueError, match="`channels` must be some of the 2 on the last axis"):
        extract(VOLUME, (0,), channels=())
    with pytest.raises(ValueError, match="`channels` must be None where the index uses up all axes"):
        extract(VOLUME[..., 0], (0, 0, 0), channels=(0,))
    with pytest.raises(ValueError, match="`indices` must hold at least one index"):
        extract_batch(VOLUME, [])
    with pytest.raises(ValueError, match=r"`indices` must give parts of one shape, \(2, 5, 6, 2\)"):
        extract_batch(VOLUME, [(slice(0, 2),), (slice(2, 3),)])
    with pytest.raises(ValueError, match="`patch_shape` must fit into the array"):
        dynamic_patch(VOLUME, (0, 0), (2, 6))
    with pytest.raises(ValueError, match="`start` must have 2 entries, one per axis; got 1"):
        dynamic_patch(VOLUME, (0,), (2, 2))
    with pytest.raises(TypeError, match="`array` must be an array"):
        dynamic_patch([1, 2], (0,), (1,))


def of_library(name):
    """Return a function that gives the volume as an array of a library."""
    return lambda _: next(backend for backend in BACKENDS if backend.name == name).asarray(VOLUME)


EVERY_SOURCE = {source.__name__: source for source in SOURCES} | {
    name: of_library(name) for name in ("numpy", "strict", "jax", "torch")
}


@pytest.mark.parametrize("source", EVERY_SOURCE)
def test_slices_mean_one_thing_in_every_source(source, tmp_path):
    """Python's where it says the same, one sentence where it would count from the end or run backwards."""
    volume = EVERY_SOURCE[source](tmp_path)
    for entry in (
        slice(None), slice(2, None), slice(None, 3), slice(1, 4, 1), slice(3, 3), slice(4, 4), slice(9, None),
        slice(9, 9), np.uint8(3), slice(np.int8(1), np.int8(3)),
    ):  # fmt: skip
        found = host(extract(volume, (slice(0, 2), slice(0, 5), entry)))
        np.testing.assert_array_equal(found, VOLUME[0:2, 0:5, entry])
        assert found.dtype == VOLUME.dtype
    for entry, kind in (
        (slice(6, 2), ValueError), (slice(None, -2), ValueError), (slice(-3, None), ValueError),
        (slice(-1, -4), ValueError), (slice(3, -1), ValueError), (slice(0, 6, 2), TypeError),
        (slice(None, None, -1), TypeError), (slice(0, 6, 0), TypeError), (True, TypeError), (..., TypeError),
        (None, TypeError), (-1, ValueError), (6, ValueError), (np.array([0, 1]), TypeError),
    ):  # fmt: skip
        for margin in (0, (0, 0, 2)):
            if margin and checks.is_integer(entry):
                continue
            with pytest.raises(kind, match=r"^extract: `index` must (hold|lie within)"):
                extract(volume, (slice(0, 2), slice(0, 5), entry), margin=margin)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int64"])
def test_positions_in_narrow_integers_do_not_wrap(dtype):
    line = np.arange(300)
    number, most = np.dtype(dtype).type, np.iinfo(dtype).max
    position = min(int(most), 290)
    assert extract(line, (number(position),)) == position
    assert extract(line, (number(position),), margin=5).tolist() == list(range(position - 5, position + 6))
    first = slice(number(1), number(3))
    assert extract(line, (first,), margin=2, fill_value=-1).tolist() == [-1, 0, 1, 2, 3, 4]


@pytest.mark.sampled(14)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_starts_of_patches_of_every_dtype_are_the_same_places(xp, dtype):
    line = np.arange(300, dtype=np.int32)
    limits = np.iinfo(dtype)
    for first in (-400, -6, -1, 0, 100, 250, 290, 297, 400):
        if limits.min <= first <= limits.max:
            inside = min(max(first, 0), 296)
            found = xp.run(lambda line, start: dynamic_patch(line, start, (4,)), line, np.array([first], dtype))
            assert found.tolist() == list(range(inside, inside + 4))
