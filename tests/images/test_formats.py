"""The table of formats: extensions, the files that are confused with each other, and what is no image file."""

import gzip
import os

import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import Geometry

from .cases import SUFFIXES, random_array


def test_nii_beside_nii_gz_is_refused_and_never_made(tmp_path):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    images.write(tmp_path / "x.nii", np.zeros((4, 3, 2), np.int16), geometry)
    with pytest.raises(FileExistsError, match=r"x\.nii exists"):
        images.write(tmp_path / "x.nii.gz", np.ones((4, 3, 2), np.int16), geometry, overwrite=True)
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress((tmp_path / "x.nii").read_bytes()))
    for one, other in (("x.nii", "x.nii.gz"), ("x.nii.gz", "x.nii")):
        with pytest.raises(ValueError, match=f"/{one}: {other} lies beside it"):
            images.read(tmp_path / one)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
def test_names_that_are_no_text_and_files_that_are_none_are_refused(tmp_path, suffix):
    grid = Geometry(shape=(2, 2), spacing=(1, 1))
    name = tmp_path / os.fsdecode(b"x\xff" + suffix.encode())
    name.touch()
    for call in (images.read, lambda path: images.write(path, np.zeros((2, 2)), grid)):
        with pytest.raises(ValueError, match=r"must be text of Unicode|must end in|it is not a NumPy file"):
            call(name)
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with pytest.raises(ValueError, match="it is not a regular file"):
        images.read(tmp_path / f"pipe{suffix}")


def test_what_is_no_image_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.nii\.gz"):
        images.read(tmp_path / "nothing.nii.gz")
    (tmp_path / "folder.mha").mkdir()
    os.mkfifo(tmp_path / "pipe.nrrd")
    for name in ("folder.mha", "pipe.nrrd"):
        with pytest.raises(ValueError, match="not a regular file"):
            images.read(tmp_path / name)
    np.save(tmp_path / "number.npy", 3.0)
    with pytest.raises(ValueError, match="it holds a single number; arrays are read"):
        images.read(tmp_path / "number.npy")
    for name in ("x.gif", "x.bmp", "x.gz", "nii"):
        with pytest.raises(ValueError, match=r"`path` must end in \.nii, \.nii\.gz"):
            images.read(tmp_path / name)
        with pytest.raises(ValueError, match=r"`path` must end in \.nii, \.nii\.gz"):
            images.write(tmp_path / name, np.zeros((2, 2)), Geometry(shape=(2, 2), spacing=(1, 1)))
    assert sorted(os.listdir(tmp_path)) == ["folder.mha", "number.npy", "pipe.nrrd"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_upper_case_extensions_are_read(tmp_path, suffix):
    array = random_array((5, 4, 3), "int16")
    images.write(tmp_path / f"x{suffix}", array, Geometry(shape=(5, 4, 3), spacing=(1, 1, 1)))
    (tmp_path / f"x{suffix}").rename(tmp_path / f"x{suffix.upper()}")
    np.testing.assert_array_equal(images.read(tmp_path / f"x{suffix.upper()}")[0], array)


def test_errors_name_the_function_that_was_called(tmp_path):
    (tmp_path / "x.nii").write_bytes(b"no image")
    for function in (images.read, images.read_stored, images.read_channels, images.read_labels, images.scale):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: `path` must name a complete.*x\.nii: "):
            function(tmp_path / "x.nii")
        with pytest.raises(TypeError, match=rf"^{function.__name__}\(\) got an unexpected keyword argument"):
            function(tmp_path / "x.nii", paht=1)
        if function is not images.scale:
            with pytest.raises(ValueError, match=rf"^{function.__name__}: `path` must end in \.nii,.*\.npy.*; got"):
                function(tmp_path / "x.gif")
    grid = Geometry(shape=(2, 2), spacing=(1, 1))
    for name in ("x.gif", "x.npy"):
        with pytest.raises(ValueError, match=r"^write: `path` must end in \.nii, .*, \.zarr; got"):
            images.write(tmp_path / name, np.zeros((2, 2)), grid)
    with pytest.raises(ValueError, match=r"^write: `array` must have the shape of the geometry"):
        images.write(tmp_path / "x.mha", np.zeros((3, 2)), grid)
    with pytest.raises(ValueError, match=r"^from_itk: `spacing` must lie within"):
        images.from_itk((2, 2), (0.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
