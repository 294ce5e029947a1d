"""Segmentations with names, whatever the format: which files have them, and what is said of those that have none."""

import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import Geometry

from .fuzzing import dicom_bytes

GRID = Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 1.0))


def test_files_without_segments_say_so(tmp_path):
    images.write(tmp_path / "a.nii.gz", np.ones(GRID.shape, np.uint8), GRID)
    assert images.read_segments(tmp_path / "a.nii.gz") is None
    with pytest.raises(
        ValueError, match=r"^read_segmentation: `path` must end in .*\.dcm.*, whose files name segments"
    ):
        images.read_segmentation(tmp_path / "a.nii.gz")
    one = images.Segmentation(np.ones(GRID.shape, np.uint8), (images.Segment(label=1, name="a"),), GRID)
    with pytest.raises(ValueError, match=r"^write_segmentation: `path` must end in .*, whose files name segments"):
        images.write_segmentation(tmp_path / "b.nii.gz", one)
    with pytest.raises(TypeError, match=r"^write_segmentation: `segmentation` must be a segmentation"):
        images.write_segmentation(tmp_path / "b.dcm", one.array)
    with pytest.raises(FileNotFoundError):
        images.read_segments(tmp_path / "c.dcm")


@pytest.mark.parametrize("name", ["slice.dcm", "IM0001", "1.2.840"])
def test_a_file_that_begins_as_dicom_is_one_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(dicom_bytes())
    with pytest.warns(UserWarning, match="one slice"):
        assert images.read(tmp_path / name)[1].shape == (1, 4, 5)
    assert images.read_segments(tmp_path / name) is None
    with pytest.raises(ValueError, match=rf"^read_segmentation: .*{name}: it is one of images, which name no segments"):
        images.read_segmentation(tmp_path / name)
    with pytest.raises(ValueError, match="must end in"):
        images.write(tmp_path / name, np.ones(GRID.shape, np.uint8), GRID)


def test_a_folder_that_ends_in_dcm_is_a_series_and_its_grid_needs_no_pixels(tmp_path):
    folder = tmp_path / "series.dcm"
    folder.mkdir()
    (folder / "1").write_bytes(dicom_bytes())
    with pytest.warns(UserWarning, match="one slice"):
        array, grid = images.read(folder)
    with pytest.warns(UserWarning, match="one slice"):
        assert images.read_geometry(folder) == grid
    assert array.shape == grid.shape
    assert images.read_segments(folder) is None
