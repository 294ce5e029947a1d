"""Archives of probabilities: nnU-Net's two kinds, others of one array, and what is damaged or too large."""

import zipfile

import numpy as np
import pytest

from mia_functional.images.npz import load_probabilities

ARRAY = np.random.default_rng(0).random((3, 4, 5, 6)).astype(np.float16)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("name", ["probabilities", "softmax", "arr_0"])
def test_the_array_is_what_was_written(tmp_path, name, save):
    for array in (ARRAY, np.asfortranarray(ARRAY), ARRAY.astype(">f4"), ARRAY.astype(float)[0]):
        save(tmp_path / "a.npz", **{name: array})
        found = load_probabilities(tmp_path / "a.npz", 10**6)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_of_several_arrays_the_probabilities_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", properties=np.zeros(3), probabilities=ARRAY)
    np.testing.assert_array_equal(load_probabilities(tmp_path / "a.npz", 10**6), ARRAY)


def refused(path, words, *, max_bytes=10**6):
    with pytest.raises(ValueError, match=f"^read: `path` must name a complete, well-formed image file; got .*{words}"):
        load_probabilities(path, max_bytes)


def test_what_cannot_be_read_is_one_sentence(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"no archive")
    refused(path, "it is not an archive of NumPy, or damaged")
    np.savez(path, a=ARRAY, b=ARRAY)
    refused(path, "it holds the arrays a, b; `probabilities` is read")
    for array in (np.zeros((3, 4), np.int32), np.zeros(3), np.zeros((2,) * 5), np.array([[None]])):
        np.savez(path, array)
        refused(path, "floats of up to three axes and channels are read")
    np.savez(path, ARRAY)
    refused(path, "the array takes 720 bytes, and `max_bytes` is 719", max_bytes=719)
    whole = path.read_bytes()
    for size in (100, len(whole) - 30, len(whole) // 2):
        path.write_bytes(whole[:size])
        refused(path, "it is not an archive of NumPy, or damaged")
    path.write_bytes(whole.replace(bytes(ARRAY[0, 0, 0]), bytes(ARRAY[0, 0, 1])))
    refused(path, "it is not an archive of NumPy, or damaged")


def test_an_array_that_is_shorter_or_longer_than_it_says_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    data = (tmp_path / "a.npy").read_bytes()
    for changed in (data[:-1], data + b"0"):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("probabilities.npy", changed)
        refused(tmp_path / "a.npz", "its header announces 360 numbers, and its size does not fit them")
    for changed in (data[:20], b"\x93NUMPY\x01\x00\x08\x00[}][}][}"):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("probabilities.npy", changed)
        with pytest.raises(ValueError, match="must name a complete, well-formed image file"):
            load_probabilities(tmp_path / "a.npz", 10**6)
