"""Volumes of FreeSurfer: numbers and places of nibabel, FreeSurfer's place where none is stated, hostile headers."""

import gzip
import struct

import nibabel
import numpy as np
import pytest

from mia_functional import images
from mia_functional.images import mgh

from .cases import oblique, patched, random_array, ras_affine

TYPES = ("uint8", "int16", "int32", "float32", "uint16")


def written(path, array, affine=None):
    """Write an array of axes (z, y, x[, frames]) with nibabel."""
    order = (2, 1, 0, 3)[: array.ndim]
    image = nibabel.MGHImage(np.transpose(array, order), np.eye(4) if affine is None else affine)
    image.header.set_data_dtype(array.dtype)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
def test_numbers_and_places_are_those_of_nibabel(tmp_path, suffix, dtype):
    for seed in range(3):
        geometry = oblique((5, 4, 3), seed=seed, mirrored=seed == 1)
        array = random_array(geometry.shape, dtype, seed)
        path = written(tmp_path / f"x{suffix}", array, ras_affine(geometry))
        again, place = images.read(path)
        assert again.dtype == dtype
        np.testing.assert_array_equal(again, array)
        raw = path.read_bytes() if suffix == ".mgh" else gzip.decompress(path.read_bytes())
        # From bytes, as nibabel 5.4 leaves `.mgh` files open.
        np.testing.assert_allclose(ras_affine(place), nibabel.MGHImage.from_bytes(raw).affine, atol=1e-4)
        np.testing.assert_allclose(ras_affine(place), ras_affine(geometry), atol=1e-4)
        assert images.read_geometry(path) == place
        assert images.scale(path) == (1.0, 0.0)


def test_frames_are_channels_and_notes_follow(tmp_path):
    array = random_array((5, 4, 3, 2), "float32")
    path = written(tmp_path / "x.mgz", array)
    raw = gzip.decompress(path.read_bytes())
    for notes in (b"", b"\0" * 20, b"\0" * 20 + b"a command of FreeSurfer " * 99):
        for name, packed in (("x.mgz", True), ("x.mgh.gz", True), ("x.mgh", False)):
            whole = raw[: 284 + array.nbytes] + notes
            (tmp_path / name).write_bytes(gzip.compress(whole) if packed else whole)
            again, geometry = images.read(tmp_path / name)
            np.testing.assert_array_equal(again, array)
            assert geometry.shape == (5, 4, 3)
    (tmp_path / "x.mgh").write_bytes(raw + bytes(1 << 20))
    with pytest.raises(ValueError, match="the header announces 480 bytes of pixels, and there are more"):
        images.read(tmp_path / "x.mgh")


def test_without_a_place_columns_go_left_rows_down_and_slices_to_the_front(tmp_path):
    """FreeSurfer's `setDirectionCosine` of coronal slices; nibabel 5.4 turns rows and slices the other way round."""
    path = written(tmp_path / "x.mgh", random_array((5, 4, 3), "uint8"), np.diag([3.0, 3, 3, 1]))
    patched(path, 28, struct.pack(">h", 0))
    expected = [[-1, 0, 0, 1.5], [0, 0, 1, -2.5], [0, -1, 0, 2], [0, 0, 0, 1]]
    np.testing.assert_array_equal(ras_affine(images.read(path)[1]), expected)


HOSTILE = {
    "version": (0, struct.pack(">i", 2), "of version 1"),
    "bytes turned": (0, struct.pack("<i", 1), "of version 1"),
    "no width": (4, struct.pack(">i", 0), r"has \[0, 4, 5\] voxels in 1 frames"),
    "width below 0": (4, struct.pack(">i", -3), "voxels in 1 frames"),
    "no frames": (16, struct.pack(">i", 0), "in 0 frames"),
    "two below 0": (4, struct.pack(">ii", -3, -4), "voxels in 1 frames"),
    "huge": (4, struct.pack(">iii", 2**31 - 1, 2**31 - 1, 2**31 - 1), "the image takes .* and `max_bytes` is"),
    "many frames": (16, struct.pack(">i", 2**31 - 1), "the image takes .* and `max_bytes` is"),
    "more slices": (12, struct.pack(">i", 600), "the header announces 7[0-9]+ bytes of pixels, and there are"),
    "type of tensors": (20, struct.pack(">i", 6), "its type is 6"),
    "type below 0": (20, struct.pack(">i", -1), "its type is -1"),
    "flag 2": (28, struct.pack(">h", 2), "goodRASFlag is 2"),
    "flag -1": (28, struct.pack(">h", -1), "goodRASFlag is -1"),
    "step 0": (30, struct.pack(">f", 0), "its steps are"),
    "step below 0": (30, struct.pack(">f", -1), "its steps are"),
    "step NaN": (34, struct.pack(">f", np.nan), "its steps are"),
    "step infinite": (34, struct.pack(">f", np.inf), "its steps are"),
    "axis NaN": (42, struct.pack(">f", np.nan), "its axes .*nan"),
    "no axis": (42, struct.pack(">fff", 0, 0, 0), "its matrix of axes has an axis without a direction"),
    "two axes alike": (42, struct.pack(">6f", 1, 0, 0, 1, 0, 0), "its matrix of axes is sheared"),
    "sheared": (54, struct.pack(">fff", 0.6, 0.8, 0), "its matrix of axes is sheared"),
    "centre infinite": (78, struct.pack(">f", np.inf), "its centre"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_one_sentence(tmp_path, name):
    start, raw, words = HOSTILE[name]
    path = written(tmp_path / "x.mgh", random_array((5, 4, 3), "uint8"))
    # Without the notes, so that sizes are what they are.
    path.write_bytes(path.read_bytes()[: 284 + 60])
    patched(path, start, raw)
    for file in (path, tmp_path / "x.mgz"):
        file.write_bytes(gzip.compress(path.read_bytes()) if file != path else path.read_bytes())
        with pytest.raises(ValueError, match=rf"^read: .*{file.name}: .*{words}") as caught:
            images.read(file, max_bytes=1 << 20)
        assert "\n" not in str(caught.value)


def test_files_that_are_cut_off_damaged_or_swell(tmp_path):
    path = written(tmp_path / "x.mgz", random_array((5, 4, 3), "int16"))
    raw, packed = gzip.decompress(path.read_bytes())[: 284 + 120], path.read_bytes()
    for content in (b"", packed[:9], packed[:60], packed[:-1], gzip.compress(raw[:-1]), gzip.compress(raw[:100]), raw):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"^read: .*x\.mgz: "):
            images.read(path)
    # A bomb: two gigabytes behind the pixels.
    bomb = gzip.compress(bytes(1 << 24))
    path.write_bytes(gzip.compress(raw) + bomb * 4)
    with pytest.raises(ValueError, match=r"the header announces .* bytes of pixels, and there are more"):
        images.read(path)


def test_only_known_types_are_listed():
    assert {np.dtype(kind).newbyteorder("=").name for kind in mgh._MGH_TYPES.values()} == set(TYPES)
