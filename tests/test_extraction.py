"""Extraction: against NumPy's own padding, on every library and on files."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.extraction import constant, edge, extract, reflect

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
    found = xp.run(lambda volume: extract(volume, index, margin=(1, 0, 0), pad_value=-7), VOLUME)
    assert found.shape == (3, 5, 6, 2)
    assert (found[0] == -7).all()
    np.testing.assert_array_equal(found[1:], VOLUME[:2])


def test_inside_it_is_plain_indexing_and_for_numpy_a_view():
    index = (slice(1, 3), 2, slice(0, 6))
    found = extract(VOLUME, index)
    np.testing.assert_array_equal(found, VOLUME[1:3, 2])
    assert np.shares_memory(found, VOLUME)


def test_files_and_arrays_give_the_same(tmp_path):
    path = tmp_path / "volume.h5"
    with h5py.File(path, "w") as file:
        file["volume"] = VOLUME
    np.save(tmp_path / "volume.npy", VOLUME)
    mapped = np.load(tmp_path / "volume.npy", mmap_mode="r")
    index = (slice(2, 6), slice(-1, 2), 3)
    expected = extract(VOLUME, index, margin=(1, 1, 0), pad_mode=edge)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(extract(file["volume"], index, margin=(1, 1, 0), pad_mode=edge), expected)
    np.testing.assert_array_equal(extract(mapped, index, margin=(1, 1, 0), pad_mode=edge), expected)


@given(st.integers(1, 9), st.integers(-20, 20), st.integers(1, 12), st.sampled_from(tuple(NUMPY_MODE)))
def test_any_position_equals_numpy_pad(size, start, length, mode):
    line = np.arange(size)
    padded = np.pad(line, 40, mode=NUMPY_MODE[mode])
    np.testing.assert_array_equal(
        extract(line, (slice(start, start + length),), pad_mode=mode), padded[40 + start : 40 + start + length]
    )


def test_integers_keep_their_type_when_padded():
    found = extract(np.ones(3, dtype=np.int16), (slice(-1, 4),), pad_value=5)
    assert found.dtype == np.int16
    assert found.tolist() == [5, 1, 1, 1, 5]


def test_every_index_of_a_grid_is_extracted_with_equal_shape():
    indices = indexing.patches((4, 5, 6), (3, 3, 3), boundary=indexing.overhang)
    assert {extract(VOLUME, index).shape for index in indices} == {(3, 3, 3, 2)}


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="`index` must have at most 4 entries"):
        extract(VOLUME, (0,) * 5)
    with pytest.raises(ValueError, match="`margin` must be at least 0"):
        extract(VOLUME, (0,), margin=-1)
    with pytest.raises(ValueError, match="must lie within 0 and 3 where it is an integer; got 4"):
        extract(VOLUME, (4,))
