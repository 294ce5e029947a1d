"""The spacing of DICOM series: what their tags say, what a caller says, and never an invented millimetre."""

import re

import numpy as np
import pytest
from pydicom import uid

from mia_functional import images
from mia_functional.geometry import Geometry

from .dicom_cases import heights, write_slice, write_stack

CLASSES = (
    "CTImageStorage", "MRImageStorage", "XRayAngiographicImageStorage", "XRayRadiofluoroscopicImageStorage",
    "ComputedRadiographyImageStorage", "DigitalXRayImageStorageForPresentation", "RTImageStorage",
    "SecondaryCaptureImageStorage", "UltrasoundImageStorage", "NuclearMedicineImageStorage",
    "XRay3DAngiographicImageStorage", "DigitalMammographyXRayImageStorageForPresentation",
)  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_pixel_spacing_counts_in_every_class_of_objects(tmp_path, name):
    write_stack(tmp_path, heights([0, 3, 6]), SOPClassUID=getattr(uid, name))
    assert images.read(tmp_path)[1].spacing == (3.0, 0.75, 0.5)


@pytest.mark.parametrize("tag", ["ImagerPixelSpacing", "NominalScannedPixelSpacing", "ImagePlanePixelSpacing"])
@pytest.mark.parametrize("absent", [None, ""])
def test_other_tags_count_where_there_is_no_pixel_spacing(tmp_path, tag, absent):
    write_stack(tmp_path, heights([0, 3, 6]), **{"PixelSpacing": absent, tag: [0.2, 0.1]})
    assert images.read(tmp_path)[1].spacing == (3.0, 0.2, 0.1)


def test_pixel_spacing_comes_before_that_of_the_detector(tmp_path):
    tags = {"ImagerPixelSpacing": [0.2, 0.1], "NominalScannedPixelSpacing": [9, 9], "ImagePlanePixelSpacing": [8, 8]}
    write_stack(tmp_path, heights([0, 3]), SOPClassUID=uid.XRayAngiographicImageStorage, **tags)
    assert images.read(tmp_path)[1].spacing == (3.0, 0.75, 0.5)
    write_stack(tmp_path, heights([0, 3]), PixelSpacing=None, **tags)
    assert images.read(tmp_path)[1].spacing == (3.0, 0.2, 0.1)


UNUSABLE = {
    "missing": (None, "it has no PixelSpacing"),
    "empty": ("", "it has no PixelSpacing"),
    "zero": (["0", "0"], r"its PixelSpacing is '0\0'"),
    "one zero": (["0.5", "0"], r"its PixelSpacing is '0.5\0'"),
    "negative": (["-1", "1"], r"its PixelSpacing is '-1\1'"),
    "one number": ("2", "its PixelSpacing is '2'"),
    "three numbers": (["2", "2", "2"], r"its PixelSpacing is '2\2\2'"),
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("kind", ["CTImageStorage", "RTImageStorage"])
def test_no_millimetre_is_invented(tmp_path, capfd, name, kind):
    value, words = UNUSABLE[name]
    write_stack(tmp_path, heights([0, 3, 6]), PixelSpacing=value, SOPClassUID=getattr(uid, kind))
    cure = f"000.dcm: {words}; state it by `spacing=(slices, rows, columns)` in millimetres."
    for function in (images.read, images.read_stored):
        with pytest.raises(ValueError, match=f"^{function.__name__}: .*{re.escape(cure)}$"):
            function(tmp_path)
        array, grid = function(tmp_path, spacing=(3, 0.75, 0.5))
        assert array.shape == (3, 3, 4)
        assert grid.spacing == (3.0, 0.75, 0.5)
    with pytest.raises(ValueError, match=r"`spacing` must be what .* states, \(3\.0, 0\.75, 0\.5\); got \(2\.0, 0\.75"):
        images.read(tmp_path, spacing=(2, 0.75, 0.5))
    assert capfd.readouterr() == ("", "")


def test_a_given_spacing_does_not_override_what_is_stated(tmp_path):
    write_stack(tmp_path, heights([0, 3, 6]))
    assert images.read(tmp_path, spacing=(3, 0.7501, 0.4999))[1].spacing == (3.0, 0.75, 0.5)
    for spacing in ((3, 0.76, 0.5), (3, 0.5, 0.75), (9, 0.75, 0.5)):
        with pytest.raises(ValueError, match=r"^read: `spacing` must be what .* states, \(3\.0, 0\.75, 0\.5\); got"):
            images.read(tmp_path, spacing=spacing)


@pytest.mark.parametrize(
    ("tags", "noted", "distance"),
    [
        ({"SpacingBetweenSlices": "4.5"}, "SpacingBetweenSlices, 4.5 mm", 4.5),
        ({"SpacingBetweenSlices": "-2.5"}, "SpacingBetweenSlices, -2.5 mm", 2.5),
        ({"SpacingBetweenSlices": ""}, "SliceThickness, 9.0 mm", 9.0),
        ({"SpacingBetweenSlices": "0"}, "SliceThickness, 9.0 mm", 9.0),
        ({}, "SliceThickness, 9.0 mm", 9.0),
    ],
)
def test_a_single_slice_has_its_thickness_and_a_note_says_so(tmp_path, tags, noted, distance):
    pixels = np.arange(12, dtype=np.int16).reshape(3, 4)
    write_slice(tmp_path / "a.dcm", pixels, (1, 2, 3), **tags)
    with pytest.warns(UserWarning, match=rf"^{tmp_path}/a\.dcm is a series of one slice: its {noted}, is taken"):
        array, grid = images.read(tmp_path)
    np.testing.assert_array_equal(array, pixels[np.newaxis])
    assert (grid.spacing, grid.origin) == ((distance, 0.75, 0.5), (3.0, 2.0, 1.0))
    # Said by the caller, nothing has to be noted.
    assert images.read(tmp_path, spacing=(7, 0.75, 0.5))[1].spacing == (7.0, 0.75, 0.5)


@pytest.mark.parametrize("thickness", [None, "", "0"])
def test_a_single_slice_without_thickness_is_refused(tmp_path, thickness):
    write_stack(tmp_path, heights([0]), SliceThickness=thickness)
    with pytest.raises(ValueError, match=r"one slice without SpacingBetweenSlices or SliceThickness; state it by"):
        images.read(tmp_path)
    assert images.read(tmp_path, spacing=(7, 0.75, 0.5))[1].spacing == (7.0, 0.75, 0.5)


def test_several_slices_do_not_care_about_their_thickness(tmp_path):
    write_stack(tmp_path, heights([0, 3, 6]), SliceThickness="1", SpacingBetweenSlices="2")
    assert images.read(tmp_path)[1].spacing == (3.0, 0.75, 0.5)


def test_an_array_without_a_place_takes_the_spacing(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 5)))
    assert images.read(tmp_path / "x.npy", spacing=(3, 0.75, 0.5))[1].spacing == (3.0, 0.75, 0.5)
    assert images.read(tmp_path / "x.npy")[1].spacing == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="`spacing` must have 3 entries, one per axis"):
        images.read(tmp_path / "x.npy", spacing=(1, 1, 1, 1))


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
def test_files_that_state_a_spacing_have_to_agree(tmp_path, suffix):
    images.write(tmp_path / f"x{suffix}", np.zeros((2, 3, 4)), Geometry(shape=(2, 3, 4), spacing=(3, 0.75, 0.5)))
    assert images.read(tmp_path / f"x{suffix}", spacing=(3, 0.75, 0.5))[1].spacing == (3.0, 0.75, 0.5)
    with pytest.raises(ValueError, match=r"^read_stored: `spacing` must be what .* states, \(3\.0, 0\.75, 0\.5\); got"):
        images.read_stored(tmp_path / f"x{suffix}", spacing=(3, 0.75, 0.75))


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (1, 1, np.nan), (-3, 0.75, 0.5), "abc", 3, (None, 1, 1)])
def test_a_spacing_that_is_none_is_refused_in_one_sentence(tmp_path, spacing):
    (tmp_path / "series").mkdir()
    write_stack(tmp_path / "series", heights([0, 3]))
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4)))
    images.write(tmp_path / "x.mha", np.zeros((2, 3, 4)), Geometry(shape=(2, 3, 4), spacing=(1, 1, 1)))
    for name in ("series", "x.npy", "x.mha"):
        with pytest.raises((TypeError, ValueError), match=r"^read: `spacing` must [^.]+"):
            images.read(tmp_path / name, spacing=spacing)


@pytest.mark.parametrize("series", [None, ""])
def test_a_single_file_is_a_series_without_saying_so(tmp_path, series):
    pixels = np.arange(12, dtype=np.int16).reshape(3, 4)
    write_slice(tmp_path / "x.dcm", pixels, (1, 2, 3), SeriesInstanceUID=series, SpacingBetweenSlices=4)
    with pytest.warns(UserWarning, match="its SpacingBetweenSlices, 4.0 mm, is taken for the distance of slices"):
        array, geometry = images.read(tmp_path)
    np.testing.assert_array_equal(array, pixels[None])
    assert (geometry.spacing, geometry.origin) == ((4.0, 0.75, 0.5), (3.0, 2.0, 1.0))
