"""Damaged and hostile pixels: nothing is read that is not complete to the byte, and nothing beyond the limit."""

import gzip
import resource
import time
import zlib

import numpy as np
import pytest
import SimpleITK

from mia_functional import images
from mia_functional.geometry import Geometry

from .cases import META, NRRD, PIXELS, SUFFIXES, oblique, random_array


@pytest.mark.sampled(100)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha", ".nrrd"])
def test_no_truncation_is_read(tmp_path, suffix):
    geometry = oblique((12, 11, 10))
    images.write(tmp_path / f"whole{suffix}", random_array(geometry.shape, "int16"), geometry)
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    lengths = np.random.default_rng(1).choice(len(whole), 100, replace=False)
    for length in [*lengths, len(whole) - 1, 0]:
        (tmp_path / f"cut{suffix}").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="must name a complete, well-formed image file"):
            images.read(tmp_path / f"cut{suffix}")
    (tmp_path / f"cut{suffix}").write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="well-formed"):
        images.read(tmp_path / f"cut{suffix}")


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_no_truncated_data_file_is_read(tmp_path, suffix):
    images.write(tmp_path / f"x{suffix}", random_array((12, 11, 10), "int16"), oblique((12, 11, 10)))
    whole = (tmp_path / "x.raw").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / "x.raw").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"x\.raw"):
            images.read(tmp_path / f"x{suffix}")
    (tmp_path / "x.raw").unlink()
    with pytest.raises(ValueError, match=r"x\.raw is missing"):
        images.read(tmp_path / f"x{suffix}")


@pytest.mark.sampled(100)
@pytest.mark.parametrize("name", ["x.nii.gz", "x.mha", "x.nrrd"])
def test_no_flipped_bit_of_compressed_data_is_read_as_something_else(tmp_path, name):
    array = random_array((12, 11, 10), "int16")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), tmp_path / name, useCompression=True)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(2)
    for place in rng.integers(len(whole) // 2, len(whole), 100):
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.integers(8)
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(ValueError, match="well-formed"):
            images.read(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_max_bytes_is_the_limit(tmp_path, suffix):
    images.write(tmp_path / f"x{suffix}", np.zeros((4, 3, 2), np.int16), Geometry(shape=(4, 3, 2), spacing=(1, 1, 1)))
    assert images.read(tmp_path / f"x{suffix}", max_bytes=48)[0].nbytes == 48
    with pytest.raises(ValueError, match="takes 48 bytes, and `max_bytes` is 47"):
        images.read(tmp_path / f"x{suffix}", max_bytes=47)


def test_gzip_bomb_is_left_early(tmp_path):
    images.write(tmp_path / "x.nii", np.zeros((4, 3, 2), np.int16), Geometry(shape=(4, 3, 2), spacing=(1, 1, 1)))
    raw = (tmp_path / "x.nii").read_bytes()
    (tmp_path / "x.nii").unlink()
    deflate = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    compressed = deflate.compress(raw) + deflate.flush(zlib.Z_FULL_FLUSH)
    # After a full flush, the same compressed bytes may come any number of times: 256 MiB of zeros.
    zeros = deflate.compress(bytes(1 << 24)) + deflate.flush(zlib.Z_FULL_FLUSH)
    (tmp_path / "x.nii.gz").write_bytes(compressed + zeros * 16)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match="and there are more"):
        images.read(tmp_path / "x.nii.gz")
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_members_behind_the_announced_end_are_refused(tmp_path):
    images.write(tmp_path / "x.nii.gz", random_array((5, 4, 3), "int16"), Geometry(shape=(5, 4, 3), spacing=(1, 1, 1)))
    whole = (tmp_path / "x.nii.gz").read_bytes()
    for sizes in ((1,), (3, 3), (1, 50, 2000)):
        (tmp_path / "x.nii.gz").write_bytes(whole + b"".join(gzip.compress(bytes(size)) for size in sizes))
        with pytest.raises(ValueError, match="announces 472 bytes of pixels, and there are more"):
            images.read(tmp_path / "x.nii.gz")


def test_gzip_of_several_members_is_one_file(tmp_path):
    array = random_array((5, 4, 3), "int16")
    images.write(tmp_path / "x.nii", array, Geometry(shape=(5, 4, 3), spacing=(1, 1, 1)))
    raw = (tmp_path / "x.nii").read_bytes()
    (tmp_path / "x.nii").unlink()
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    np.testing.assert_array_equal(images.read(tmp_path / "x.nii.gz")[0], array)
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(raw[:400]) + zlib.compress(raw[400:]))
    with pytest.raises(ValueError, match="damaged"):
        images.read(tmp_path / "x.nii.gz")
    compressed = (NRRD.replace(b"raw", b"gzip"), gzip.compress(PIXELS[:50]), gzip.compress(PIXELS[50:]))
    (tmp_path / "x.nrrd").write_bytes(b"".join(compressed))
    assert images.read(tmp_path / "x.nrrd")[0].ravel().tolist() == list(range(60))
    compressed = (META.replace(b"NDims", b"CompressedData = True\nNDims"), *compressed[1:])
    (tmp_path / "x.mha").write_bytes(b"".join(compressed))
    with pytest.raises(ValueError, match="something follows"):
        images.read(tmp_path / "x.mha")
