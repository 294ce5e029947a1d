"""Image files: what is written comes back, complete or not at all, or an error says why not."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mia_functional import geometry as geometries
from mia_functional import images
from mia_functional.geometry import Geometry

from .cases import SUFFIXES, oblique, random_array

DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")


@pytest.mark.sampled(33)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_of_every_format_and_dtype(tmp_path, suffix, dtype):
    geometry = oblique((5, 4, 3), seed=DTYPES.index(dtype), mirrored=dtype.startswith("u"))
    array = random_array(geometry.shape, dtype)
    images.write(tmp_path / f"x{suffix}", array, geometry)
    again, place = images.read(tmp_path / f"x{suffix}")
    assert again.dtype == ("uint8" if dtype == "bool" else dtype)
    np.testing.assert_array_equal(again, array)
    assert geometries.same_geometry(place, geometry, tolerance=2e-5)
    assert sorted(os.listdir(tmp_path)) == (
        ["x.mhd", "x.raw"] if suffix == ".mhd" else ["x.nhdr", "x.raw"] if suffix == ".nhdr" else [f"x{suffix}"]
    )


@pytest.mark.sampled(56)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (5, 4, 3), (1, 4, 3), (5, 1, 3), (1, 1, 1), (3, 5, 4, 2)])
@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,)])
def test_round_trip_of_every_rank_with_and_without_channels(tmp_path, suffix, shape, channels):
    space = oblique(shape[-3:], seed=len(shape))
    geometry = space
    if len(shape) == 4:
        rows = ((1.0, 0.0, 0.0, 0.0), *((0.0, *row) for row in space.direction))
        geometry = Geometry(shape=shape, spacing=(2.5, *space.spacing), origin=(7.0, *space.origin), direction=rows)
    array = random_array((*shape, *channels), "float32")
    images.write(tmp_path / f"x{suffix}", array, geometry)
    again, place = images.read(tmp_path / f"x{suffix}")
    assert again.shape == (shape if channels == (1,) else shape + channels)
    np.testing.assert_array_equal(again.reshape(array.shape), array)
    assert geometries.same_geometry(place, geometry, tolerance=2e-5)


def test_an_axial_slice_with_channels_at_height_0_is_a_plane_in_nifti(tmp_path):
    geometry = Geometry(shape=(1, 4, 3), spacing=(3.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="must name a format for float32"):
        images.write(tmp_path / "x.nii", random_array((1, 4, 3, 2), "float32"), geometry)
    higher = Geometry(shape=(1, 4, 3), spacing=(3.0, 1.0, 1.0), origin=(5.0, 0.0, 0.0))
    images.write(tmp_path / "x.nii", random_array((1, 4, 3, 2), "float32"), higher)
    assert images.read(tmp_path / "x.nii")[1] == higher


def test_every_library_is_written(tmp_path, xp):
    if xp.name == "jax-jit":
        pytest.skip("a file cannot be written from inside a compiled function")
    array = random_array((4, 3, 2), "int32")
    xp.run(lambda given: images.write(tmp_path / "x.mha", given, Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))), array)
    np.testing.assert_array_equal(images.read(tmp_path / "x.mha")[0], array)


def test_views_and_foreign_byte_orders_are_written(tmp_path):
    array = random_array((6, 4, 8), "int16")
    for number, view in enumerate((array[::-1, :, ::2], array.transpose(2, 0, 1), array.astype(">i2"))):
        images.write(tmp_path / f"{number}.nrrd", view, Geometry(shape=view.shape, spacing=(1, 1, 1)))
        np.testing.assert_array_equal(images.read(tmp_path / f"{number}.nrrd")[0], view)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_overwritten_unasked(tmp_path, suffix):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    images.write(tmp_path / f"x{suffix}", np.zeros((4, 3, 2), np.int16), geometry)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FileExistsError, match=f"x{suffix} exists already; `overwrite=True` replaces it"):
        images.write(tmp_path / f"x{suffix}", np.ones((4, 3, 2), np.int16), geometry)
    assert not images.read(tmp_path / f"x{suffix}")[0].any()
    images.write(tmp_path / f"x{suffix}", np.ones((4, 3, 2), np.uint8), geometry, overwrite=True)
    assert images.read(tmp_path / f"x{suffix}")[0].all()
    assert sorted(os.listdir(tmp_path)) == before


def test_pixels_of_another_image_are_not_overwritten(tmp_path):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    (tmp_path / "y.raw").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"y\.raw"):
        images.write(tmp_path / "y.mhd", np.zeros((4, 3, 2)), geometry)
    images.write(tmp_path / "x.mhd", np.zeros((4, 3, 2)), geometry)
    with pytest.raises(FileExistsError, match=r"x\.mhd exists already, and readers would take the one"):
        images.write(tmp_path / "x.nhdr", np.ones((4, 3, 2)), geometry, overwrite=True)
    assert (tmp_path / "y.raw").read_bytes() == b"mine"


def test_what_files_do_not_hold_is_a_type_error(tmp_path):
    geometry = Geometry(shape=(2, 3), spacing=(1, 1))
    for dtype in (np.float16, np.complex64, np.complex128, object, "U3", np.longdouble):
        with pytest.raises(TypeError, match="`array` must hold integers, float32, float64 or booleans; got"):
            images.write(tmp_path / "x.mha", np.zeros((2, 3), dtype), geometry)
    with pytest.raises(TypeError, match="`array` must be an array; got list"):
        images.write(tmp_path / "x.mha", [[1, 2, 3], [4, 5, 6]], geometry)
    assert os.listdir(tmp_path) == []


def test_shapes_must_be_those_of_the_geometry(tmp_path):
    geometry = Geometry(shape=(2, 3, 4), spacing=(1, 1, 1))
    for shape in ((4, 3, 2), (2, 3), (2, 3, 4, 5, 6), (2, 3, 4, 0)):
        with pytest.raises(ValueError, match=r"`array` must have the shape of the geometry, \(2, 3, 4\); got shape"):
            images.write(tmp_path / "x.mha", np.zeros(shape), geometry)
    with pytest.raises(ValueError, match="2 or 3 or 4 axes"):
        images.write(tmp_path / "x.mha", np.zeros(3), Geometry(shape=(3,), spacing=(1,)))


def test_a_format_that_would_change_the_image_is_refused(tmp_path, capfd):
    sheared = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1), direction=((1, 0, 0), (0, 1, 0.5), (0, 0, 0.75**0.5)))
    images.write(tmp_path / "x.mha", np.zeros((4, 3, 2)), sheared)
    assert geometries.same_geometry(images.read(tmp_path / "x.mha")[1], sheared, tolerance=1e-12)
    with pytest.raises(ValueError, match="keeps the geometry"):
        images.write(tmp_path / "x.nii", np.zeros((4, 3, 2)), sheared)
    with pytest.raises(ValueError, match=r"name a format for float64 \(1, 4, 3, 2\)"):
        images.write(tmp_path / "x.nii", np.zeros((1, 4, 3, 2)), Geometry(shape=(1, 4, 3, 2), spacing=(1, 1, 1, 1)))
    assert os.listdir(tmp_path) == ["x.mha"]
    assert capfd.readouterr() == ("", "")


def test_arguments_of_another_kind_are_type_errors(tmp_path):
    images.write(tmp_path / "x.mha", np.zeros((2, 3)), Geometry(shape=(2, 3), spacing=(1, 1)))
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    for name, limit in product(("x.mha", "x.npy"), ("9", None, [1])):
        with pytest.raises(TypeError, match=r"^read: `max_bytes` must be a number; got"):
            images.read(tmp_path / name, max_bytes=limit)
    for grid in (None, (1, 1), (2, 3)):
        with pytest.raises(TypeError, match=r"^write: `geometry` must be a geometry; got"):
            images.write(tmp_path / "y.mha", np.zeros((2, 3)), grid)


def test_missing_folder_and_folder_without_permission(tmp_path):
    geometry = Geometry(shape=(2, 3), spacing=(1, 1))
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        images.write(tmp_path / "nowhere" / "x.mha", np.zeros((2, 3)), geometry)
    if os.geteuid() == 0:
        with pytest.raises(OSError, match="/proc"):
            images.write("/proc/x.mha", np.zeros((2, 3)), geometry)
        return
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        images.write(tmp_path / "x.mha", np.zeros((2, 3)), geometry)


FULL_DISK = """
import os, resource, signal, sys
import numpy as np
from mia_functional import images
from mia_functional.geometry import Geometry
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
array = np.random.default_rng(0).integers(0, 30000, (32, 32, 32)).astype(np.int16)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
for path in sys.argv[2:]:
    try:
        images.write(path, array, Geometry(shape=array.shape, spacing=(1, 1, 1)))
    except OSError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 20000])
def test_a_full_disk_leaves_nothing(tmp_path, limit):
    paths = [tmp_path / f"{number}{suffix}" for number, suffix in enumerate(SUFFIXES)]
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(limit), *map(str, paths)],
        capture_output=True, encoding="utf-8", timeout=60, cwd=Path(__file__).parents[2], check=True,
    )  # fmt: skip
    lines = result.stdout.splitlines()
    assert len(lines) == len(paths)
    for line, path in zip(lines, paths, strict=True):
        assert line.startswith(f"OSError write: {path} could not be written completely: ")
    assert os.listdir(tmp_path) == []


def test_an_interrupted_overwrite_leaves_the_old_file_or_none(tmp_path, monkeypatch):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    for suffix in SUFFIXES:
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        images.write(folder / f"x{suffix}", np.zeros((4, 3, 2)), geometry)
        before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}

        def fail(_, target):
            raise OSError(f"no rename to {target}")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", fail)
            with pytest.raises(OSError, match="no rename"):
                images.write(folder / f"x{suffix}", np.ones((4, 3, 2)), geometry, overwrite=True)
        after = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
        assert after == {
            name: raw for name, raw in before.items() if name.endswith(".raw") or suffix not in (".mhd", ".nhdr")
        }


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("spacing", [(3e-6, 1e-6, 1e-6), (2500.0, 1e6, 1e3)])
def test_voxels_of_a_nanometre_and_of_a_kilometre(tmp_path, suffix, spacing):
    geometry = Geometry(shape=(4, 3, 2), spacing=spacing, origin=(-spacing[0], 7 * spacing[1], 0))
    images.write(tmp_path / f"x{suffix}", np.zeros((4, 3, 2), np.uint8), geometry)
    place = images.read(tmp_path / f"x{suffix}")[1]
    assert geometries.same_geometry(place, geometry, tolerance=1e-5)
    np.testing.assert_allclose(place.spacing, spacing, rtol=1e-6)


def test_an_empty_path_is_no_folder():
    with pytest.raises(ValueError, match=r"^read: `path` must name a file; got an empty text\.$"):
        images.read("")
