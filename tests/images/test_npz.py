"""Archives of probabilities: nnU-Net's two kinds, others of one array, and what is damaged or too large."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import Geometry
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
    for array in (np.zeros((3, 4), np.int32), np.zeros(3), np.zeros((2,) * 5)):
        np.savez(path, array)
        refused(path, "floats of up to three axes and channels are read")
    np.savez(path, np.array([[None]]))
    refused(path, "it holds object of shape .*; arrays of integers and floats are read")
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


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
def test_the_only_array_of_an_archive_is_an_image(tmp_path, dtype):
    array = (ARRAY * 9).astype(dtype)
    np.savez_compressed(tmp_path / "a.npz", array)
    found, geometry = images.read(tmp_path / "a.npz", spacing=(3.0, 2.0, 1.0))
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, geometry) == (dtype, Geometry(shape=(3, 4, 5), spacing=(3.0, 2.0, 1.0)))
    found[:] = 0  # it is the caller's
    np.savez(tmp_path / "a.npz", array[0, 0, 0])
    assert images.read_geometry(tmp_path / "a.npz").shape == (6,)


def member(folder, content, name="a.npy"):
    """Write an archive of one member."""
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return folder / "a.npz"


def header(shape, dtype="<f4"):
    """Return the header of an array."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_hostile_archives_are_one_sentence(tmp_path):
    np.savez(tmp_path / "two.npz", a=ARRAY, b=ARRAY)
    np.savez(tmp_path / "none.npz")
    for name, words in (("two.npz", "holds the arrays a, b; one is read"), ("none.npz", "the arrays of nothing")):
        with pytest.raises(ValueError, match=rf"^read: .*{name}: .*{words}"):
            images.read(tmp_path / name)
    bomb = header((2, 3)) + bytes(1 << 23)
    cases = {
        header((2, 3), "|O") + b"cos\nsystem\n(S'false'\ntR.": "it holds object of shape",
        header((2, 3), "<c8") + bytes(48): "it holds complex64",
        header((2, 3), "<U1") + bytes(24): "arrays of integers and floats are read",
        header((2, 3), "<f16") + bytes(96): "arrays of integers and floats are read",
        header((2, 0)): "arrays of integers and floats are read",
        header(()) + bytes(4): "arrays of integers and floats are read",
        header((1,) * 40) + bytes(4): "arrays of integers and floats are read",
        header((2**40, 2**40)): "`max_bytes` is",
        header((2, 3)) + bytes(23): "announces 6 numbers, and its size does not fit",
        header((2, 3)) + bytes(25): "announces 6 numbers, and its size does not fit",
        header((2, 3))[:30]: "its header is damaged",
        b"\x93NUMPY\x01\x00\x08\x00[}][}][}": "its header is damaged",
        b"no array": "its header is damaged",
        b"": "its header is damaged",
        bomb: "announces 6 numbers, and its size does not fit",
    }
    tracemalloc.start()
    for content, words in cases.items():
        path = member(tmp_path, content)
        tracemalloc.reset_peak()
        with pytest.raises(ValueError, match=rf"^read: .*a\.npz: .*{words}"):
            images.read(path)
        assert tracemalloc.get_traced_memory()[1] - len(bomb) < 1 << 21
    tracemalloc.stop()
    for name in ("a.txt", "../a.txt"):
        with pytest.raises(ValueError, match="holds the arrays of nothing"):
            images.read(member(tmp_path, b"x", name))


def test_a_damaged_archive_is_one_sentence(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", ARRAY)
    raw = (tmp_path / "a.npz").read_bytes()
    for content in (raw[: len(raw) // 2], raw[:-5], b"", raw[:60] + bytes(40) + raw[100:]):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"^read: .*a\.npz: it is not an archive of NumPy, or damaged|header"):
            images.read(tmp_path / "a.npz")
