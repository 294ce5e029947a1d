"""TIFF, volumes of FreeSurfer and cases of nnU-Net as we write them: they come back, and peers read the same."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import blosc2
import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile

from mia_functional import images
from mia_functional.geometry import Geometry, corner_displacement

from . import nnunet_cases
from .cases import oblique, random_array, ras_affine
from .test_files import FULL_DISK

TIFF = ("a.tif", "a.ome.tiff")
FREESURFER = ("a.mgh", "a.mgz", "a.mgh.gz")
HELD = {
    "tif": ("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"),
    "mgz": ("bool", "uint8", "int16", "uint16", "int32", "float32"),
    "b2nd": ("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"),
}
CASES = [(name, dtype) for name in ("tif", "mgz", "b2nd") for dtype in HELD[name]]


def place(name, shape):
    """A grid that a format holds: spacings without an end where it keeps them."""
    if name.startswith("mg"):
        return oblique(shape, seed=7)
    spacing = (1.0, 1.0, 1.0) if name == "b2nd" else (1 / 3, 0.7, 0.123456789)
    return Geometry(shape=shape, spacing=spacing[: len(shape)])


@pytest.mark.sampled(9)
@pytest.mark.filterwarnings("ignore:read. preprocessed cases:UserWarning")
@pytest.mark.filterwarnings("ignore:read. B2ND files without:UserWarning")
@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 2), (4, 1, 6, 3), (70, 33, 40)])
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_images_come_back(tmp_path, name, dtype, shape):
    array, grid = random_array(shape, dtype), place(name, shape[:3])
    images.write(tmp_path / f"a.{name}", array, grid)
    found, geometry = images.read(tmp_path / f"a.{name}")
    assert found.dtype == (np.uint8 if dtype == "bool" else dtype)
    np.testing.assert_array_equal(found, array)
    # The header of FreeSurfer has floats of 32 bits: 100 mm have steps of 7.6e-6 mm.
    assert corner_displacement(geometry, grid).millimetres < (2e-5 if name == "mgz" else 1e-9)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3), (5, 6, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pictures_of_tiff(tmp_path, dtype, shape):
    array, grid = random_array(shape, dtype), place("tif", shape[:2])
    images.write(tmp_path / "a.tiff", array, grid)
    found, geometry = images.read(tmp_path / "a.tiff")
    np.testing.assert_array_equal(found, array)
    assert geometry == grid
    with tifffile.TiffFile(tmp_path / "a.tiff") as opened:
        is_colour = opened.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
        pages = np.moveaxis(array, -1, 0) if shape[2:] and not is_colour else array
        np.testing.assert_array_equal(opened.asarray(), pages)
    assert is_colour == (shape[2:] == (3,) and dtype == "uint8")


def test_peers_read_stacks_of_tiff(tmp_path):
    array, grid = random_array((4, 5, 6), "uint16"), place("tif", (4, 5, 6))
    for name in TIFF:
        images.write(tmp_path / name, array, grid)
        with tifffile.TiffFile(tmp_path / name) as opened:
            np.testing.assert_array_equal(opened.asarray(), array)
            assert opened.is_ome
            assert 'PhysicalSizeY="0.7" PhysicalSizeYUnit="mm"' in opened.ome_metadata
        again = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(tmp_path / name))
        np.testing.assert_array_equal(again, array)


def test_nibabel_reads_volumes_of_freesurfer(tmp_path):
    grid, array = oblique((4, 5, 6), seed=3), random_array((4, 5, 6, 2), "int16")
    for name in FREESURFER[:2]:  # nibabel leaves uncompressed files open, given their name
        images.write(tmp_path / name, array, grid)
        raw = (tmp_path / name).read_bytes()
        peer = nibabel.MGHImage.from_bytes(gzip.decompress(raw) if name == "a.mgz" else raw)
        np.testing.assert_array_equal(np.asarray(peer.dataobj).transpose(2, 1, 0, 3), array)
        np.testing.assert_allclose(peer.affine, ras_affine(grid), atol=2e-5)
    assert gzip.decompress((tmp_path / "a.mgz").read_bytes()) == (tmp_path / "a.mgh").read_bytes()
    images.write(tmp_path / "b.mgz", array, grid)
    assert (tmp_path / "b.mgz").read_bytes() == (tmp_path / "a.mgz").read_bytes()


@pytest.mark.filterwarnings("ignore:read. preprocessed cases:UserWarning")
def test_cases_of_nnunet_have_the_place_of_their_plans(tmp_path):
    home = nnunet_cases.dataset(tmp_path)
    for name in ("case.b2nd", "case_seg.b2nd"):
        array, grid = images.read(home / name)
        images.write(home / f"new_{name}", array, grid)
        again, geometry = images.read(home / f"new_{name}")
        np.testing.assert_array_equal(again, array)
        assert geometry == grid
        # nnU-Net opens its cases so.
        ours, theirs = (
            blosc2.open(urlpath=str(home / f"{new}{name}"), mode="r", mmap_mode="r") for new in ("new_", "")
        )
        np.testing.assert_array_equal(ours[:], theirs[:])
    found = images.read_segmentation(home / "new_case_seg.b2nd")
    assert [own.name for own in found.segments] == ["liver", "tumour"]
    words = r"`geometry` must be .* for `\.b2nd`, which holds no place: .*; got corners"
    for other in (Geometry(shape=grid.shape, spacing=grid.spacing), oblique(grid.shape, seed=1)):
        with pytest.raises(ValueError, match=words):
            images.write(home / "x.b2nd", array, other)
    with pytest.raises(ValueError, match="or 1, and the origin 0; got corners"):
        images.write(tmp_path / "x.b2nd", array, grid)


REFUSED = {
    "time in TIFF": ("a.tif", (2, 3, 4, 5), "uint8", "have 2 or 3 axes for TIFF"),
    "64 bits in TIFF": ("a.tif", (3, 4, 5), "int64", "hold integers of up to 32 bits or floats for TIFF; got int64"),
    "one slice in TIFF": ("a.tif", (1, 4, 5), "uint8", r"name a format for uint8 \(1, 4, 5\)"),
    "two axes of FreeSurfer": ("a.mgz", (4, 5), "uint8", "have 3 axes for FreeSurfer's volumes"),
    "doubles of FreeSurfer": ("a.mgh", (3, 4, 5), "float64", "hold uint8, .*, uint16 for FreeSurfer; got float64"),
    "two axes of nnU-Net": ("a.b2nd", (4, 5), "uint8", "have 3 axes for `.b2nd`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_format_does_not_hold_is_one_sentence(tmp_path, case):
    name, shape, dtype, words = REFUSED[case]
    with pytest.raises(ValueError, match=f"^write: `(array|geometry|path)` must .*{words}"):
        images.write(tmp_path / name, random_array(shape, dtype), Geometry(shape=shape, spacing=(1.0,) * len(shape)))
    assert os.listdir(tmp_path) == []


def test_places_that_would_be_lost_are_refused(tmp_path):
    array = random_array((4, 5, 6), "uint8")
    sheared = Geometry(shape=(4, 5, 6), spacing=(1, 1, 1), direction=((1, 0, 0), (0, 1, 0.5), (0, 0, 0.75**0.5)))
    moved = Geometry(shape=(4, 5, 6), spacing=(1, 1, 1), origin=(0.0, 0.0, 3.0))
    for name, grid in (("a.tif", moved), ("a.tif", oblique((4, 5, 6), seed=2))):
        with pytest.raises(ValueError, match="begin at 0 and have axes along those of the world for TIFF"):
            images.write(tmp_path / name, array, grid)
    with pytest.raises(ValueError, match="have axes at right angles for FreeSurfer's volumes"):
        images.write(tmp_path / "a.mgz", array, sheared)
    for options in ({"intent": 1006}, {"drop_direction": True}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
            images.write(tmp_path / "a.tif", array, Geometry(shape=(4, 5, 6), spacing=(1, 1, 1)), **options)
    assert os.listdir(tmp_path) == []


@pytest.mark.filterwarnings("ignore:read. preprocessed cases:UserWarning")
@pytest.mark.filterwarnings("ignore:read. B2ND files without:UserWarning")
@pytest.mark.parametrize("name", ["a.tif", "a.mgz", "a.b2nd"])
def test_files_are_whole_or_as_they_were(tmp_path, monkeypatch, name):
    grid = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    images.write(tmp_path / name, np.zeros((4, 3, 2), np.int16), grid)
    with pytest.raises(FileExistsError, match=f"{name} exists already"):
        images.write(tmp_path / name, np.ones((4, 3, 2), np.int16), grid)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=f"write: .*{name} could not be written: No space left"):
            images.write(tmp_path / name, np.ones((4, 3, 2), np.int16), grid, overwrite=True)
    assert os.listdir(tmp_path) == [name]
    assert not images.read(tmp_path / name)[0].any()
    images.write(tmp_path / name, np.ones((4, 3, 2), np.uint8), grid, overwrite=True)
    assert images.read(tmp_path / name)[0].all()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.full
@pytest.mark.parametrize("limit", [100, 20000])
def test_a_full_disk_leaves_nothing(tmp_path, limit):
    paths = [tmp_path / name for name in ("a.tif", "a.mgh", "a.mgz", "a.b2nd")]
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(limit), *map(str, paths)],
        capture_output=True, encoding="utf-8", timeout=60, cwd=Path(__file__).parents[2], check=True,
    )  # fmt: skip
    lines = result.stdout.splitlines()
    assert [line.partition(" could")[0].rpartition(" ")[2] for line in lines] == list(map(str, paths))
    assert all("could not be written: File too large" in line for line in lines)
    assert os.listdir(tmp_path) == []
