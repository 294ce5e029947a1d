"""Headers beside their pixels: NIfTI pairs, ANALYZE 7.5 and SPM's fields, as nibabel reads them; what is not read."""

import gzip
import struct

import nibabel
import numpy as np
import pytest

from mia_functional import images
from mia_functional.images.file_states import detached_pixels, file_states

from .cases import oblique, patched, random_array, ras_affine

ENDINGS = (".hdr", ".img")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pairs_of_nifti_lie_where_nibabel_places_them(tmp_path, kind, order):
    geometry = oblique((5, 4, 3), seed=3)
    array = random_array(geometry.shape, "int16")
    header = kind.header_class(endianness=order)
    nibabel.save(kind(array.T, ras_affine(geometry), header), tmp_path / "x.img")
    for ending in ENDINGS:
        again, place = images.read(tmp_path / f"x{ending}")
        np.testing.assert_array_equal(again, array)
        np.testing.assert_allclose(ras_affine(place), nibabel.load(tmp_path / f"x{ending}").affine, atol=1e-4)
        np.testing.assert_allclose(ras_affine(place), ras_affine(geometry), atol=1e-4)
        assert images.read_geometry(tmp_path / f"x{ending}") == place
    assert detached_pixels(tmp_path / "x.hdr") == [tmp_path / "x.img"]
    assert detached_pixels(tmp_path / "x.img") == [tmp_path / "x.hdr"]
    assert file_states(tmp_path / "x.img") == file_states(tmp_path / "x.hdr")[::-1]


def analyze(folder, array, *, order="<", pixdim=(0.5, 2.0, 3.0), kind=nibabel.AnalyzeImage, **fields):
    """Write a pair of ANALYZE 7.5; return its header."""
    header = kind.header_class(endianness=order)
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.T.shape)
    header["pixdim"][1:4] = pixdim
    for name, value in fields.items():
        header[name] = value
    (folder / "x.hdr").write_bytes(header.binaryblock)
    (folder / "x.img").write_bytes(array.astype(array.dtype.newbyteorder(order)).tobytes())
    return folder / "x.hdr"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_analyze_lies_where_nibabel_places_it(tmp_path, dtype, order):
    array = random_array((5, 4, 3), dtype)
    path = analyze(tmp_path, array, order=order)
    again, place = images.read(path)
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, array)
    np.testing.assert_array_equal(ras_affine(place), nibabel.load(path).affine)
    # The centre is at 0, and the first axis points to the left.
    np.testing.assert_array_equal(ras_affine(place)[:3, 3], [0.5, -3, -6])
    assert place.spacing == (3.0, 2.0, 0.5)


@pytest.mark.parametrize("origin", [(2, 3, 4), (1, 1, 1), (-1, 2, 2), (0, 0, 0), (9, 9, 9), (400, 1, 1)])
def test_the_origin_of_spm_counts_where_it_can_be_one(tmp_path, origin):
    path = analyze(tmp_path, random_array((5, 4, 3), "uint8"), kind=nibabel.Spm99AnalyzeImage, origin=(*origin, 0, 0))
    np.testing.assert_allclose(ras_affine(images.read(path)[1]), nibabel.load(path).affine, atol=1e-12)


def test_the_factor_of_spm(tmp_path):
    array = random_array((5, 4, 3), "uint8")
    path = analyze(tmp_path, array, kind=nibabel.Spm99AnalyzeImage, scl_slope=0.25)
    again, _ = images.read(path)
    np.testing.assert_array_equal(again, array * np.float32(0.25))
    np.testing.assert_array_equal(again, np.asarray(nibabel.load(path).dataobj).T)
    assert images.scale(path) == (0.25, 0.0)
    np.testing.assert_array_equal(images.read_stored(path)[0], array)
    for slope in (0, np.nan):
        path = analyze(tmp_path, array, kind=nibabel.Spm99AnalyzeImage, scl_slope=slope, cal_max=255, glmax=255)
        np.testing.assert_array_equal(images.read(path)[0], array)


def test_times_and_units(tmp_path):
    array = random_array((2, 5, 4, 3), "int16")
    path = analyze(tmp_path, array, vox_units=b"cm")
    again, place = images.read(path)
    np.testing.assert_array_equal(again, array)
    assert place.spacing == (1.0, 30.0, 20.0, 5.0)
    analyze(tmp_path, array, vox_units=b"pix")
    with pytest.raises(ValueError, match="vox_units are 'pix'; units of length are read"):
        images.read(path)


@pytest.mark.parametrize("packed", [(".hdr.gz", ".img.gz"), (".hdr", ".img.gz"), (".HDR", ".IMG")])
def test_packed_pairs_and_names_in_upper_case(tmp_path, packed):
    array = random_array((5, 4, 3), "int16")
    analyze(tmp_path, array)
    for ending, other in zip(ENDINGS, packed, strict=True):
        raw = (tmp_path / f"x{ending}").read_bytes()
        (tmp_path / f"x{ending}").unlink()
        (tmp_path / f"x{other}").write_bytes(gzip.compress(raw) if other.endswith(".gz") else raw)
    for other in packed:
        np.testing.assert_array_equal(images.read(tmp_path / f"x{other}")[0], array)
    (tmp_path / "x.img").touch()
    (tmp_path / "x.img.gz").touch()
    with pytest.raises(ValueError, match="lie beside it, and readers confuse them"):
        images.read(tmp_path / f"x{packed[0]}")


HOSTILE = {
    "size": (0, struct.pack("<i", 349), "not a header of NIfTI or ANALYZE"),
    "zero": (0, bytes(348), "not a header of NIfTI or ANALYZE"),
    "single file": (344, b"n+1\0", None),
    "no axes": (40, struct.pack("<h", 0), "dim is"),
    "many axes": (40, struct.pack("<h", 8), "dim is"),
    "six axes": (40, struct.pack("<8h", 6, 1, 1, 1, 1, 3, 20, 0), "dim is"),
    "axis below 0": (42, struct.pack("<h", -3), "dim is"),
    "empty axis": (44, struct.pack("<h", 0), "dim is"),
    "huge": (42, struct.pack("<3h", 32767, 32767, 32767), "the image takes"),
    "one slice more": (46, struct.pack("<h", 6), "announces 144 bytes of pixels, and there are 120"),
    "one slice less": (46, struct.pack("<h", 4), "announces 96 bytes of pixels, and there are more"),
    "bits": (70, struct.pack("<h", 1), "datatype is 1"),
    "complex": (70, struct.pack("<h", 32), "datatype is 32"),
    "colours": (70, struct.pack("<h", 128), "datatype is 128"),
    "step 0": (80, struct.pack("<f", 0), "pixdim is"),
    "step below 0": (80, struct.pack("<f", -1), "pixdim is"),
    "step NaN": (84, struct.pack("<f", np.nan), "pixdim is"),
    "offset": (108, struct.pack("<f", -4), "vox_offset is -4"),
    "offset NaN": (108, struct.pack("<f", np.nan), "vox_offset is nan"),
    "far offset": (108, struct.pack("<f", 1e9), "vox_offset is 1000000000"),
    "half an offset": (108, struct.pack("<f", 0.5), "vox_offset is 0.5"),
    "ranges": (124, struct.pack("<ff3iii", 1, 0, 0, 0, 0, 255, 0), "do not agree whether they are a scale"),
    "coronal": (252, b"\1", r"its slices are coronal \(orient 1\), which readers do not agree on"),
    "units": (56, b"Hz\0\0", "units of length are read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_one_sentence(tmp_path, name):
    start, raw, words = HOSTILE[name]
    path = analyze(tmp_path, random_array((5, 4, 3), "int16"))
    patched(path, start, raw)
    if words is None:  # read as a header of ANALYZE, which has no magic
        assert images.read(path)[0].shape == (5, 4, 3)
        return
    with pytest.raises(ValueError, match=rf"^read: .*x\.(hdr|img): .*{words}"):
        images.read(path, max_bytes=1 << 20)


def test_other_files_beside(tmp_path):
    path = analyze(tmp_path, random_array((5, 4, 3), "int16"))
    (tmp_path / "x.mat").touch()
    with pytest.raises(ValueError, match=r"x\.mat beside it says where it lies, which is not read"):
        images.read(path)
    (tmp_path / "x.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"y\.hdr"):
        images.read(tmp_path / "y.hdr")
    (tmp_path / "x.img").rename(tmp_path / "secret")
    with pytest.raises(ValueError, match=r"x\.img is missing beside it"):
        images.read(path)
    (tmp_path / "inner").mkdir()
    path.rename(tmp_path / "inner" / "x.hdr")
    (tmp_path / "inner" / "x.img").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="which is not an ordinary file beside it"):
        images.read(tmp_path / "inner" / "x.hdr")
    for size in (0, 100, 347):
        (tmp_path / "z.hdr").write_bytes((tmp_path / "inner" / "x.hdr").read_bytes()[:size])
        (tmp_path / "z.img").touch()
        with pytest.raises(ValueError, match=r"z\.hdr: it is not a header of NIfTI or ANALYZE"):
            images.read(tmp_path / "z.hdr")
