"""Segmentations that are written as DICOM: read back, by highdicom too, and refused where the file could not say it."""

import os

import highdicom
import numpy as np
import pydicom
import pytest

from mia_functional import images
from mia_functional.geometry import regrid
from mia_functional.images import Code, Segment, Segmentation

from .seg_cases import OBLIQUE, label_scene, write_series

SHAPE = (9, 5, 7)
RNG = np.random.default_rng(0)
BITS = (RNG.random((*SHAPE, 3)) < 0.3).astype(np.uint8)


@pytest.fixture(scope="module", params=["axial", "oblique"])
def series(tmp_path_factory, request):
    """Write a series, and return its folder."""
    folder = tmp_path_factory.mktemp("ct")
    write_series(folder, SHAPE, **{"orientation": OBLIQUE} if request.param == "oblique" else {})
    return folder


def part(label, **values):
    """Return a segment with all that a file can say of one."""
    default = {
        "name": f"Leber {label} \N{LATIN SMALL LETTER U WITH DIAERESIS}", "algorithm_type": "AUTOMATIC",
        "algorithm": "net 1", "category": Code(value="123037004", scheme="SCT", meaning="Anatomical Structure"),
        "type": Code(value="10200004", scheme="SCT", meaning="Liver"),
        "modifier": Code(value="7771000", scheme="SCT", meaning="Left"),
    }  # fmt: skip
    return Segment(label=label, **default | values)


def checked(path, array, segments, folder):
    """Write and read a segmentation, check that it is the same, and return what is read without the series."""
    grid = images.read_geometry(folder)
    images.write_segmentation(path, Segmentation(array, segments, grid), folder)
    found = images.read_segmentation(path, folder, channels=array.ndim > 3)
    np.testing.assert_array_equal(found.array, array)
    assert found.geometry == grid
    assert found.segments == segments == images.read_segments(path)
    return images.read_segmentation(path, channels=array.ndim > 3)


@pytest.mark.parametrize(("array", "labels"), [
    (label_scene(SHAPE), (1, 2, 3)), (label_scene(SHAPE) > 1, (1,)), (np.zeros(SHAPE, np.int64), (1, 2)),
    (np.array([0, 2, 7, 300])[label_scene(SHAPE)], (2, 7, 300)), (BITS, (1, 2, 3)), (BITS[..., :1] > 0, (1,)),
    ((RNG.integers(0, 256, (*SHAPE, 2)) / np.float32(255)).astype(np.float32), (1, 2)),
], ids=["labels", "mask", "empty", "gaps", "overlap", "one channel", "fractions"])  # fmt: skip
def test_what_is_written_is_read_back_by_us_and_by_highdicom(tmp_path, series, array, labels):
    own = checked(tmp_path / "a.dcm", array, tuple(map(part, labels)), series)
    volume = highdicom.seg.segread(tmp_path / "a.dcm").get_volume(combine_segments=array.ndim == 3)
    np.testing.assert_array_equal(volume.array[::-1], own.array)
    np.testing.assert_allclose(volume.spacing, own.geometry.spacing, rtol=0, atol=1e-6)
    last = volume.get_affine("LPS")[:3] @ [len(own.array) - 1, 0, 0, 1]
    np.testing.assert_allclose(last[::-1], own.geometry.origin, rtol=0, atol=1e-6)


def test_the_file_belongs_to_the_study_and_invents_nothing(tmp_path, series):
    segments = (Segment(label=1, name="tumour", algorithm_type="MANUAL", colour=(1.0, 0.5, 0.0)),)
    grid = images.read_geometry(series)
    images.write_segmentation(tmp_path / "a.dcm", Segmentation(np.ones(SHAPE, bool), segments, grid), series)
    data, source = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(next(series.iterdir()))
    for name in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName", "StudyDate"):
        assert data[name].value == source[name].value
    assert data.SeriesInstanceUID != source.SeriesInstanceUID
    assert "ContentCreatorName" not in data
    assert "SegmentationAlgorithmIdentificationSequence" not in data.SegmentSequence[0]
    (found,) = images.read_segments(tmp_path / "a.dcm")
    assert found.type == found.category == Code(value="85756007", scheme="SCT", meaning="Tissue")
    np.testing.assert_allclose(found.colour, segments[0].colour, rtol=0, atol=1e-3)
    reference = highdicom.color.CIELabColor.from_dicom_value(data.SegmentSequence[0].RecommendedDisplayCIELabValue)
    np.testing.assert_allclose(np.array(reference.to_rgb(clip=True)) / 255, segments[0].colour, rtol=0, atol=0.01)


def test_what_a_file_cannot_say_is_one_sentence_and_leaves_nothing(tmp_path, series):
    grid, labels = images.read_geometry(series), label_scene(SHAPE)
    parts = tuple(map(part, (1, 2, 3)))
    moved = regrid(grid, SHAPE, (0, 0, 0.5))
    cases = [
        (labels, parts, moved, series, "`segmentation` must lie on the grid of .*; got corners up to 0.5 voxels"),
        (labels, parts, grid, None, "`reference` must be the DICOM series that was segmented"),
        (labels, parts[:2], grid, series, "must hold labels of its segments; got 3, and segments .1, 2."),
        (labels, (), grid, series, "must have segments of different labels from 1 to 65535"),
        (labels, (part(1), part(1)), grid, series, "must have segments of different labels from 1 to 65535"),
        (labels, (part(0),), grid, series, "must have segments of different labels from 1 to 65535"),
        (labels, (part(70000),), grid, series, "must have segments of different labels from 1 to 65535"),
        (labels, (part(1, algorithm_type=""),), grid, series, "must state the `algorithm_type` of its segments"),
        (labels, (part(1, algorithm=""),), grid, series, "must name the `algorithm` of its segments"),
        (labels, (part(1, colour=(2.0, 0, 0)),), grid, series, "must have colours within .0, 1."),
        (labels[1:], parts, grid, series, "must be a label map of whole numbers or 3 channels"),
        (labels.astype(float), parts, grid, series, "must be a label map of whole numbers or 3 channels"),
        (BITS, (part(1), part(2), part(4)), grid, series, "must have segments of the labels 1, 2, 3 and so on"),
        (BITS * 2, parts, grid, series, "must hold channels within .0, 1."),
        (BITS * np.nan, parts, grid, series, "must hold channels within .0, 1."),
        (labels, (part(1, name="x" * 80), *parts[1:]), grid, series, "must have texts of at most 64 characters"),
    ]
    for array, segments, place, reference, words in cases:
        with pytest.raises(ValueError, match=rf"^write_segmentation: .*{words}"):
            images.write_segmentation(tmp_path / "a.dcm", Segmentation(array, segments, place), reference)
    assert not os.listdir(tmp_path)
    images.write_segmentation(tmp_path / "a.dcm", Segmentation(labels, parts, grid), series)
    with pytest.raises(FileExistsError):
        images.write_segmentation(tmp_path / "a.dcm", Segmentation(labels, parts, grid), series)
    images.write_segmentation(tmp_path / "a.dcm", Segmentation(labels[::-1], parts, grid), series, overwrite=True)
    np.testing.assert_array_equal(images.read_segmentation(tmp_path / "a.dcm", series).array, labels[::-1])


def test_a_series_that_cannot_be_referred_to_is_refused(tmp_path):
    sources = write_series(tmp_path / "ct", SHAPE)
    grid = images.read_geometry(tmp_path / "ct")
    one = Segmentation(label_scene(SHAPE), tuple(map(part, (1, 2, 3))), grid)
    data = pydicom.dcmread(sources[3].filename)
    del data.StudyInstanceUID
    data.save_as(data.filename)
    with pytest.raises(
        ValueError, match=r"`reference` must be a series that can be referred to; got .*highdicom says: "
    ):
        images.write_segmentation(tmp_path / "a.dcm", one, tmp_path / "ct")
