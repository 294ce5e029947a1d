"""Segmentations that highdicom writes: equal to what was written, on the grid of the series, and to its volumes."""

import shutil

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from mia_functional import images
from mia_functional.geometry import Geometry, regrid, same_geometry
from mia_functional.transforms import flip, permute

from . import frame_cases
from .seg_cases import OBLIQUE, label_scene, write_by_highdicom, write_series

SHAPES = {"whole bytes": (9, 4, 6), "bits": (9, 5, 7), "one row": (6, 1, 9)}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Write a series, and return its folder and its headers."""
    folder = tmp_path_factory.mktemp("ct")
    return folder, write_series(folder, (9, 5, 7))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, series):
    """Write a segmentation of the series, and return its path and the label map."""
    labels = label_scene((9, 5, 7))
    return write_by_highdicom(tmp_path_factory.mktemp("seg") / "a.dcm", series[1], labels), labels


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], OBLIQUE, [0, 1, 0, 0, 0, -1]], ids=["z", "oblique", "x"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_omitted_frames_are_put_back_onto_the_series(tmp_path, shape, orientation):
    sources = write_series(tmp_path / "ct", shape, orientation=orientation)
    labels = label_scene(shape)
    path = write_by_highdicom(tmp_path / "a.dcm", sources, labels)
    found = images.read_segmentation(path, tmp_path / "ct")
    np.testing.assert_array_equal(found.array, labels)
    assert found.array.dtype == np.uint8
    assert found.geometry == images.read_geometry(tmp_path / "ct")
    # By itself it begins and ends with the slices that are there, and highdicom's volume runs the other way.
    own, filled = images.read_segmentation(path), np.flatnonzero(labels.any(axis=(1, 2)))
    np.testing.assert_array_equal(own.array, labels[filled[0] : filled[-1] + 1])
    lower = regrid(found.geometry, own.array.shape, (int(filled[0]), 0, 0))
    np.testing.assert_allclose(own.geometry.origin, lower.origin, rtol=0, atol=1e-6)
    np.testing.assert_allclose(own.geometry.spacing, lower.spacing, rtol=0, atol=1e-6)
    np.testing.assert_allclose(own.geometry.direction, lower.direction, rtol=0, atol=1e-9)
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    np.testing.assert_array_equal(own.array, volume.array[::-1])
    np.testing.assert_allclose(
        own.geometry.origin[::-1], volume.get_affine("LPS")[:3] @ [len(own.array) - 1, 0, 0, 1], atol=1e-6
    )


def test_segments_that_overlap_are_channels(tmp_path, series):
    folder, sources = series
    channels = (np.random.default_rng(0).random((9, 5, 7, 3)) < 0.3).astype(np.uint8)
    channels[4:6] = 0
    path = write_by_highdicom(tmp_path / "a.dcm", sources, channels)
    found = images.read_segmentation(path, folder)
    np.testing.assert_array_equal(found.array, channels)
    assert [segment.name for segment in found.segments] == ["part 1", "part 2", "part 3"]
    np.testing.assert_array_equal(images.read(path)[0], channels)
    with pytest.raises(ValueError, match=r"^read_labels: .*its 3 segments overlap.*`read_segmentation`"):
        images.read_labels(path)


def test_segments_that_do_not_overlap_are_channels_if_asked_for(tmp_path, series):
    folder, sources = series
    labels = label_scene((9, 5, 7))
    for kind in ("BINARY", "LABELMAP"):
        path = write_by_highdicom(tmp_path / f"{kind}.dcm", sources, labels, kind)
        found = images.read_segmentation(path, folder, channels=True)
        np.testing.assert_array_equal(found.array, labels[..., None] == [1, 2, 3])
        assert found.array.dtype == np.uint8
        np.testing.assert_array_equal(images.read_labels(path)[0], labels[2:8])


def test_fractions_are_channels_of_floats(tmp_path, series):
    folder, sources = series
    fractions = np.rint(np.random.default_rng(0).random((9, 5, 7, 2)) * 200) / 200
    fractions[3] = 0
    path = write_by_highdicom(tmp_path / "a.dcm", sources, fractions, "FRACTIONAL", max_fractional_value=200)
    found = images.read_segmentation(path, folder)
    np.testing.assert_array_equal(found.array, fractions.astype(np.float32))
    volume = highdicom.seg.segread(path).get_volume()
    np.testing.assert_array_equal(found.array, volume.array[::-1])


@pytest.mark.parametrize(("kind", "syntax"), [
    ("LABELMAP", pydicom.uid.RLELossless), ("LABELMAP", pydicom.uid.JPEGLSLossless),
    ("FRACTIONAL", pydicom.uid.RLELossless), ("FRACTIONAL", pydicom.uid.JPEGLSLossless),
])  # fmt: skip
@pytest.mark.parametrize("largest", [3, 300])
def test_compressed_frames_are_decoded(tmp_path, series, kind, syntax, largest):
    folder, sources = series
    labels = label_scene((9, 5, 7))
    if kind == "FRACTIONAL":
        path = write_by_highdicom(
            tmp_path / "a.dcm", sources, (labels > 0).astype(float), kind, transfer_syntax_uid=syntax
        )
        expected = (labels > 0)[..., None]
    else:
        expected = np.array([0, 1, 2, largest], np.uint16)[labels]
        options = {"numbers": [1, 2, largest], "transfer_syntax_uid": syntax}
        path = write_by_highdicom(tmp_path / "a.dcm", sources, expected, kind, **options)
    np.testing.assert_array_equal(images.read_segmentation(path, folder).array, expected)


def test_numbers_of_labels_may_have_gaps(tmp_path, series):
    folder, sources = series
    labels = np.array([0, 2, 7, 300], np.uint16)[label_scene((9, 5, 7))]
    path = write_by_highdicom(tmp_path / "a.dcm", sources, labels, "LABELMAP", numbers=[2, 7, 300])
    found = images.read_segmentation(path, folder)
    np.testing.assert_array_equal(found.array, labels)
    assert found.array.dtype == np.uint16
    assert [segment.label for segment in images.read_segments(path)] == [2, 7, 300]


def shuffled(path, order, **changes):
    """Write a segmentation with its frames in another order, and other numbers of segments."""
    data = pydicom.dcmread(path)
    bits = np.unpackbits(np.frombuffer(data.PixelData, np.uint8), bitorder="little")
    count = data.Rows * data.Columns
    frames = bits[: data.NumberOfFrames * count].reshape(-1, count)[order]
    data.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()
    if len(data.PixelData) % 2:
        data.PixelData += b"\0"
    data.PerFrameFunctionalGroupsSequence = [data.PerFrameFunctionalGroupsSequence[number] for number in order]
    for name, value in changes.items():
        setattr(data, name, value)
    data.save_as(path)
    return data


def test_frames_come_in_any_order_and_numbers_with_gaps(tmp_path, series, labelled):
    folder, (source, labels) = series[0], labelled
    path = shutil.copy(source, tmp_path / "a.dcm")
    data = shuffled(path, np.random.default_rng(0).permutation(pydicom.dcmread(path).NumberOfFrames))
    np.testing.assert_array_equal(images.read_segmentation(path, folder).array, labels)
    for item in data.SegmentSequence:
        item.SegmentNumber = {1: 5, 2: 9, 3: 40}[item.SegmentNumber]
    for frame in data.PerFrameFunctionalGroupsSequence:
        item = frame.SegmentIdentificationSequence[0]
        item.ReferencedSegmentNumber = {1: 5, 2: 9, 3: 40}[item.ReferencedSegmentNumber]
    data.save_as(path)
    np.testing.assert_array_equal(images.read_segmentation(path, folder).array, np.array([0, 5, 9, 40])[labels])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("reverse", [(), (0,), (1, 2), (0, 1, 2)])
def test_the_reference_may_have_its_axes_in_any_order_and_direction(series, labelled, order, reverse):
    path, labels = labelled
    grid = images.read_geometry(series[0])
    turned, expected = flip(permute(grid, order), reverse), flip(permute(labels, order), reverse)
    found = images.read_segmentation(path, turned)
    np.testing.assert_array_equal(found.array, expected)
    assert found.geometry == turned
    # A grid that goes on beyond the series is a reference as well.
    larger = regrid(grid, (12, 9, 9), (-2, -1, -1))
    np.testing.assert_array_equal(images.read_segmentation(path, larger).array[2:11, 1:6, 1:8], labels)


@pytest.mark.parametrize(("offset", "factors", "words"), [
    ((0.02, 0, 0), (1, 1, 1), "do not lie on the voxels of the grid"),
    ((0, 0, 0.02), (1, 1, 1), "do not lie on the voxels of the grid"),
    ((0, 0, 0), (1, 1, 1.05), "do not lie on the voxels of the grid"),
    ((0, 0, 0), (1, 0.5, 1), "rows and columns of its frames are not those of the grid"),
    ((3, 0, 0), (1, 1, 1), "reach beyond the grid"), ((0, 1, 0), (1, 1, 1), "reach beyond the grid"),
])  # fmt: skip
def test_references_on_whose_voxels_the_frames_do_not_lie_are_refused(series, labelled, offset, factors, words):
    path, grid = labelled[0], images.read_geometry(series[0])
    with pytest.raises(ValueError, match=rf"^read_segmentation: .*{words}"):
        images.read_segmentation(path, regrid(grid, (9, 9, 9), offset, factors=factors))


def test_the_reference_may_be_a_series_in_one_object_or_an_image_of_another_format(tmp_path, series, labelled):
    groups = {"PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}}
    frames = [
        frame_cases.dataset(
            PlanePositionSequence=[frame_cases.dataset(ImagePositionPatient=source.ImagePositionPatient)]
        )
        for source in series[1]
    ]
    (tmp_path / "mr").mkdir()
    whole = frame_cases.enhanced(frames, np.zeros((9, 5, 7), np.int16), frame_cases.shared_item(**groups))
    frame_cases.write(tmp_path / "mr" / "1", whole)
    images.write(tmp_path / "a.mha", np.zeros((9, 5, 7), np.uint8), images.read_geometry(series[0]))
    for reference in (tmp_path / "mr", tmp_path / "mr" / "1", tmp_path / "a.mha"):
        np.testing.assert_array_equal(images.read_segmentation(labelled[0], reference).array, labelled[1])
    with pytest.raises(ValueError, match=r"^write_segmentation: `reference` must be a series that can be referred to"):
        images.write_segmentation(tmp_path / "b.dcm", images.read_segmentation(labelled[0], series[0]), tmp_path / "mr")


def test_a_series_in_another_frame_of_reference_is_refused(tmp_path, labelled):
    write_series(tmp_path / "other", (9, 5, 7), FrameOfReferenceUID="1.2.99")
    with pytest.raises(ValueError, match=r"frame of reference is 1\.2\.42, and that of .*other is 1\.2\.99"):
        images.read_segmentation(labelled[0], tmp_path / "other")


def test_files_of_one_slice_take_their_thickness_with_a_word(tmp_path, series):
    labels = np.zeros((9, 5, 7), np.uint8)
    labels[4, 2, 3] = 1
    path = write_by_highdicom(tmp_path / "a.dcm", series[1], labels)
    assert images.read(path)[1].shape == (1, 5, 7)
    data = pydicom.dcmread(path)
    del data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices
    data.save_as(path)
    with pytest.warns(UserWarning, match="thickness is taken for the distance"):
        assert images.read(path)[1].spacing == (2.5, 0.75, 0.5)
    np.testing.assert_array_equal(images.read_segmentation(path, series[0]).array, labels)


def test_distances_that_are_not_stated_or_wrong_come_from_the_positions(tmp_path, labelled):
    path, labels = tmp_path / "a.dcm", labelled[1]
    data = pydicom.dcmread(labelled[0])
    measures = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    for stated in ("2.500001", "1.7", None):
        if stated is None:
            del measures.SpacingBetweenSlices
        else:
            measures.SpacingBetweenSlices = stated
        data.save_as(path)
        array, grid = images.read(path)
        np.testing.assert_array_equal(array, labels[2:8])
        assert grid.spacing == (2.5, 0.75, 0.5)
    for position, frame in enumerate(data.PerFrameFunctionalGroupsSequence):
        frame.PlanePositionSequence[0].ImagePositionPatient[2] += 0.4 * (position % 2)
    data.save_as(path)
    with pytest.raises(ValueError, match="its frames are not evenly spaced"):
        images.read(path)


def test_tiles_are_put_together(tmp_path):
    """As highdicom's total pixel matrix has them, whose tiles at the edges are partly beyond it."""
    labels = np.random.default_rng(0).integers(0, 4, (11, 10)).astype(np.uint8)
    labels[:4] = 0
    data = pydicom.dcmread(get_testdata_file("liver_1frame.dcm"))
    data.Rows, data.Columns, data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = 4, 4, 11, 10
    del data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    padded = np.pad(labels, ((0, 1), (0, 2)))
    tiles = [(number, row, column) for number in (1, 2, 3) for row in (0, 4, 8) for column in (0, 4, 8)]
    frames, bits = [], []
    for number, row, column in tiles:
        frame, place, segment = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        place.RowPositionInTotalImagePixelMatrix, place.ColumnPositionInTotalImagePixelMatrix = row + 1, column + 1
        segment.ReferencedSegmentNumber = number
        frame.PlanePositionSlideSequence, frame.SegmentIdentificationSequence = [place], [segment]
        frames.append(frame)
        bits.append(padded[row : row + 4, column : column + 4].ravel() == number)
    data.NumberOfFrames, data.PerFrameFunctionalGroupsSequence = len(frames), frames
    data.PixelData = np.packbits(np.concatenate(bits), bitorder="little").tobytes()
    data.SegmentSequence = [pydicom.Dataset() for _ in range(3)]
    for number, item in enumerate(data.SegmentSequence):
        item.SegmentNumber, item.SegmentLabel = number + 1, "cell"
    data.save_as(tmp_path / "a.dcm")
    array, grid = images.read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(array, labels)
    assert grid.shape == (11, 10)
    # TILED_FULL states no table of frames.
    del data.PerFrameFunctionalGroupsSequence
    data.save_as(tmp_path / "a.dcm")
    np.testing.assert_array_equal(images.read(tmp_path / "a.dcm")[0], labels)
    data.TotalPixelMatrixRows = 13
    data.save_as(tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="it has 27 frames, and its picture 12 tiles"):
        images.read(tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="tiles of a picture, which are not put onto a reference"):
        images.read_segmentation(tmp_path / "a.dcm", Geometry(shape=(1, 11, 10), spacing=(1, 1, 1)))


def test_a_picture_without_a_place_takes_the_given_spacing(tmp_path, series, labelled):
    path, labels = tmp_path / "a.dcm", labelled[1]
    data = pydicom.dcmread(labelled[0])
    data.NumberOfFrames, data.PerFrameFunctionalGroupsSequence = 1, data.PerFrameFunctionalGroupsSequence[:1]
    del data.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    del data.SharedFunctionalGroupsSequence
    data.PixelData = data.PixelData[:5] + b"\0"
    data.save_as(path)
    with pytest.warns(UserWarning, match="without a spacing have 1 everywhere"):
        array, grid = images.read(path)
    assert images.read(path, spacing=(2, 3))[1] == Geometry(shape=(5, 7), spacing=(2.0, 3.0))
    np.testing.assert_array_equal(array, labels[7] == 1)  # highdicom writes the highest slice first
    assert grid.spacing == (1.0, 1.0)
    with pytest.raises(ValueError, match="its frames state no position"):
        images.read_segmentation(path, series[0])


def test_files_of_pydicom_are_read_as_pydicom_does_or_refused(tmp_path):
    data = pydicom.dcmread(get_testdata_file("liver_1frame.dcm"))
    with pytest.raises(ValueError, match="it has 1 frames, and a table of 3"):
        images.read(data.filename)
    del data.PerFrameFunctionalGroupsSequence[1:]
    data.save_as(tmp_path / "a.dcm")
    array, grid = images.read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(array[0], data.pixel_array)
    assert grid.spacing == (1.0, 0.810547, 0.810547)
    (segment,) = images.read_segments(tmp_path / "a.dcm")
    assert segment.name == data.SegmentSequence[0].SegmentLabel
    assert segment.type.meaning == data.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning
    with pytest.raises(ValueError, match=r"big-endian|table of"):
        images.read(get_testdata_file("liver_expb_1frame.dcm"))
    assert same_geometry(grid, images.read_segmentation(tmp_path / "a.dcm").geometry)
