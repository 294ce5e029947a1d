"""DICOM series: placed by every slice, or an error."""

import os
import tracemalloc

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mia_functional import images
from mia_functional.geometry import Geometry, index_to_world, same_geometry

from .dicom_cases import heights, stated_place, write_slice, write_stack

COUNT, ROWS, COLUMNS, GAP = 6, 5, 4, 2.5
TURN = np.array([[0.8, 0.6, 0.0], [0.0, 0.0, -1.0]])
NORMAL = np.cross(*TURN)
PIXELS = np.random.default_rng(0).integers(-1000, 3000, (COUNT, ROWS, COLUMNS)).astype(np.int16)
OBLIQUE = {"ImageOrientationPatient": TURN.ravel().tolist()}


def position(number):
    """Where a slice lies."""
    return np.array([10.0, -20.0, 30.0]) + GAP * number * NORMAL


@pytest.fixture
def series(tmp_path):
    """A series whose names are not in the order of its slices."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(COUNT):
        write_slice(folder / name_of(number), PIXELS[number], position(number), **OBLIQUE)
    return folder


def name_of(number):
    """The file of a slice."""
    return f"{(number * 5) % COUNT}.dcm"


def test_a_series_lies_where_its_slices_say(series):
    array, geometry = images.read(series)
    np.testing.assert_array_equal(array, PIXELS)
    assert array.dtype == np.int16
    direction = np.column_stack([*TURN, NORMAL])[::-1, ::-1]
    expected = Geometry(
        shape=(COUNT, ROWS, COLUMNS), spacing=(GAP, 0.75, 0.5), origin=(30.0, -20.0, 10.0),
        direction=tuple(map(tuple, direction)),
    )  # fmt: skip
    assert same_geometry(geometry, expected, tolerance=1e-6)


def test_it_is_where_simpleitk_puts_a_whole_series(series):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(series)))
    array, geometry = images.from_simpleitk(reader.Execute())
    again, place = images.read(series)
    if array[0].tolist() != again[0].tolist():
        array = array[::-1]
    np.testing.assert_array_equal(again, array)
    assert same_geometry(place, geometry, tolerance=1e-4)


def changed(number, **tags):
    """A damage: a slice is written again, with other tags."""
    return lambda folder: write_slice(folder / name_of(number), PIXELS[number], position(number), **OBLIQUE | tags)


def added(*, number=COUNT, pixels=PIXELS[3], **tags):
    """A damage: one more slice."""
    return lambda folder: write_slice(folder / "9.dcm", pixels, position(number), **OBLIQUE | tags)


LOOKUP = Dataset()
LOOKUP.LUTDescriptor, LOOKUP.ModalityLUTType, LOOKUP.LUTData = [2, 0, 16], "US", bytes(4)

DAMAGES = {
    "missing slice": (lambda f: (f / name_of(2)).unlink(), "are 5 mm apart, and the others 2.5 mm: slices are missing"),
    "double": (added(number=3), "lie at the same place"),
    "all double": (lambda f: [added_twin(f, k) for k in range(COUNT)], "lie at the same place"),
    "uneven": (
        lambda f: write_slice(f / name_of(3), PIXELS[3], position(3.2), **OBLIQUE),
        "are (3|2) mm apart, and the others 2.5 mm: the slices are uneven",
    ),
    "leaning": (
        lambda f: [
            write_slice(f / name_of(k), PIXELS[k], position(k) + k * 0.3 * TURN[0], **OBLIQUE) for k in range(COUNT)
        ],
        "do not lie above each other",
    ),
    "another series": (
        added(SeriesInstanceUID="1.2.4"),
        r"it holds 2 series, and each needs a folder of its own: 1\.2\.3 \(\d\.dcm\), 1\.2\.4 \(9\.dcm\)",
    ),
    "another size": (added(pixels=PIXELS[3, 1:]), r"9\.dcm and 0\.dcm differ in size"),
    "another spacing": (added(PixelSpacing=[1, 1]), "differ in spacing"),
    "a slice without spacing": (added(PixelSpacing=None), "differ in spacing"),
    "localizer": (added(ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[1, 1]), "spacing and orientation"),
    "colour": (added(pixels=np.zeros((ROWS, COLUMNS, 3), np.uint8)), "differ in colours"),
    "no orientation": (added(ImageOrientationPatient=[0] * 6), r"its ImageOrientationPatient is '0\\0\\0"),
    "orientation too long": (added(ImageOrientationPatient=[1, 0, 0, 0, 1.001, 0]), "its ImageOrientationPatient is"),
    "orientation askew": (added(ImageOrientationPatient=[1, 0, 0, 0.001, 1, 0]), "its ImageOrientationPatient is"),
    "orientation of five": (added(ImageOrientationPatient=[1, 0, 0, 0, 1]), "its ImageOrientationPatient is"),
    "no position": (added(ImagePositionPatient=None), r"its header lacks ImagePositionPatient \(0020,0032\)"),
    "empty position": (added(ImagePositionPatient=""), "its header lacks ImagePositionPatient"),
    "position of two": (added(ImagePositionPatient=[1, 2]), r"its ImagePositionPatient is '1\.0\\2\.0'"),
    "no series": (added(SeriesInstanceUID=None), r"9\.dcm: its header lacks SeriesInstanceUID \(0020,000e\), so that"),
    "empty series": (added(SeriesInstanceUID=""), r"9\.dcm: its header lacks SeriesInstanceUID"),
    "no pixels": (added(PixelData=None), r"9\.dcm: it holds no pixels"),
    "no image": (added(SOPClassUID=uid.RawDataStorage), r"9\.dcm: it holds no pixels, or pixels of a kind"),
    "few pixels": (added(PixelData=bytes(30)), r"9\.dcm: it has 30 bytes of pixels instead of 40"),
    "deflated": (added(syntax=uid.DeflatedExplicitVRLittleEndian), r"9\.dcm: it is deflated as a whole"),
    "Enhanced CT": (
        added(
            SOPClassUID=uid.EnhancedCTImageStorage, NumberOfFrames=3, PixelData=bytes(120), ImagePositionPatient=None
        ),
        "it holds 3 frames in one Enhanced CT object; series with a file for every slice are read",
    ),
    "Enhanced MR of one": (
        added(SOPClassUID=uid.EnhancedMRImageStorage, NumberOfFrames=1, ImagePositionPatient=None),
        "it holds 1 frame in one Enhanced MR object",
    ),
    "segmentation": (
        added(
            SOPClassUID=uid.SegmentationStorage, NumberOfFrames=4, PixelData=bytes(10), BitsAllocated=1, BitsStored=1,
            HighBit=0, PixelRepresentation=0,
        ),
        "it holds 4 frames in one Segmentation object",
    ),
    "cine": (added(NumberOfFrames=2, PixelData=bytes(80)), "it holds 2 frames in one multi-frame object"),
    "mosaic": (changed(2, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]), "it is a mosaic, with its slices as"),
    "slope 0": (changed(2, RescaleSlope=0, RescaleIntercept=5), "its RescaleSlope is '0.0' and its RescaleI"),
    "endless slope": (changed(2, RescaleSlope="1e400", RescaleIntercept=0), "its RescaleSlope is '1e400'"),
    "a lookup table": (changed(2, ModalityLUTSequence=Sequence([LOOKUP])), "depend on its ModalityLUTSequence"),
    "a dose": (changed(2, SOPClassUID=uid.RTDoseStorage, DoseGridScaling=0.01), "depend on its DoseGridScaling"),
    "other file": (lambda f: (f / "notes.txt").write_text("x" * 200), r"notes\.txt: it is not a DICOM file"),
    "garbage": (
        lambda f: (f / "9.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 99),
        r"9\.dcm: its elements are cut off",
    ),
    "folder": (lambda f: (f / "inner").mkdir(), "inner: it is not a regular file"),
    "pipe": (lambda f: os.mkfifo(f / "pipe"), "pipe: it is not a regular file"),
    "empty": (lambda f: [path.unlink() for path in f.iterdir()], "the folder is empty"),
}  # fmt: skip


def added_twin(folder, number):
    """Write a slice once more, as a second time point."""
    write_slice(folder / f"t{number}.dcm", PIXELS[number], position(number), **OBLIQUE)


@pytest.mark.sampled(100)
@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_no_whole_series_is_refused(series, capfd, name):
    damage, message = DAMAGES[name]
    damage(series)
    with pytest.raises(ValueError, match=rf"well-formed image file; got {series}.*{message}") as caught:
        images.read(series)
    words = str(caught.value).replace(str(series), "")
    assert "0x" not in words
    assert ".." not in words
    assert not any(foreign in words for foreign in ("ITK", "GDCM", "SimpleITK", "Exception"))
    assert capfd.readouterr() == ("", "")


def test_truncated_slices_are_refused(series):
    whole = (series / name_of(2)).read_bytes()
    for length in (0, 100, 131, 400, len(whole) - PIXELS[0].nbytes + 1, len(whole) - 20, len(whole) - 1):
        (series / name_of(2)).write_bytes(whole[:length])
        with pytest.raises(ValueError, match="well-formed"):
            images.read(series)


@pytest.mark.parametrize(
    ("gap", "decimals"),
    [(1.25, 1), (0.625, 1), (0.75, 1), (1 / 3, 2), (3.3333, 1), (0.0625, 3), (2.4609375, 2), (0.3, 1)],
)
@pytest.mark.parametrize("start", [0.0, -113.37])
def test_rounded_positions_are_an_even_grid(tmp_path, gap, decimals, start):
    written = [f"{start + gap * number:.{decimals}f}" for number in range(23)]
    write_stack(tmp_path, heights(written))
    _, grid = images.read(tmp_path)
    assert grid.spacing[0] == pytest.approx(gap, abs=10.0**-decimals / 22)
    places = [index_to_world(grid, (number, 0, 0))[0] for number in range(23)]
    np.testing.assert_allclose(places, start + gap * np.arange(23), atol=0.6 * 10.0**-decimals)


def test_positions_rounded_to_single_precision_after_one_decimal(tmp_path):
    written = [float(np.float32(f"{1.25 * number - 98.4:.1f}")) for number in range(9)]
    write_stack(tmp_path, heights(written))
    assert images.read(tmp_path)[1].spacing[0] == pytest.approx(1.25, abs=0.01)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (["0.0", "1.2", "2.5", "5.0", "6.2", "7.5"], "are 2.5 mm apart, and the others 1.3 mm: slices are missing"),
        ([0, 3, 6, 12, 15], "slices are missing"),
        ([0, 3, 9], "001.dcm and 002.dcm are 6 mm apart, and the others 3 mm: slices are missing"),
        ([0, 6, 9], "000.dcm and 001.dcm are 6 mm apart, and the others 3 mm: slices are missing"),
        ([0, 3, 6, 12, 18], "are 6 mm apart, and the others 3 mm: slices are missing"),
        ([0, 3, 9, 15], "are 3 mm apart, and the others 6 mm: the slices are uneven"),
        ([0, 3, 6, 15, 18], "are 9 mm apart, and the others 3 mm: the slices are uneven"),
        ([0, 3, 7, 9], "the slices are uneven"),
        ([0, 3, 6.5, 9, 12], "the slices are uneven"),
        (["0.0", "1.2", "2.5", "4.0", "5.0", "6.2"], "the slices are uneven"),
        ([0, 0.003, 0.006, 0.0095, 0.012], "the slices are uneven"),
        ([0, 0, 3, 3, 6, 6], "lie at the same place"),
        ([0, 3, 6, 6.01], "lie at the same place"),
    ],
)  # fmt: skip
def test_uneven_positions_are_refused_by_their_reason(tmp_path, written, reason):
    write_stack(tmp_path, heights(written))
    with pytest.raises(ValueError, match=reason):
        images.read(tmp_path)


def test_tolerances_are_those_of_small_voxels_too(tmp_path):
    write_stack(tmp_path, heights([0.004 * number for number in range(5)]), PixelSpacing=[0.003, 0.002])
    assert images.read(tmp_path)[1].spacing == pytest.approx((0.004, 0.003, 0.002))


def rounded_axes(*degrees, decimals):
    """Direction cosines of axes turned about x, y and z, written with few decimals."""
    x, y, z = np.radians(degrees)
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    matrix = np.linalg.multi_dot([about_x, about_y, about_z])
    return [f"{number:.{decimals}f}" for number in matrix[:, :2].T.ravel()], matrix[:, 2]


@pytest.mark.parametrize(("decimals", "allowed"), [(4, 0.06), (5, 0.006), (8, 1e-4)])
@pytest.mark.parametrize("degrees", [(0, 0, 1), (12, 0, 0), (31, -7, 3), (17.3, 44, -81)])
def test_rounded_orientations_leave_voxels_where_slices_say(tmp_path, degrees, decimals, allowed):
    axes, normal = rounded_axes(*degrees, decimals=decimals)
    places = [np.round(10.0 * number * normal, 6) for number in range(31)]
    write_stack(tmp_path, places, ImageOrientationPatient=axes)
    grid = images.read(tmp_path)[1]
    direction = np.array(grid.direction)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-8)
    assert grid.spacing[0] == pytest.approx(10, rel=1e-7)
    for number, row, column in [(0, 0, 0), (0, 2, 3), (30, 0, 0), (30, 2, 0), (30, 2, 3)]:
        place = np.array(index_to_world(grid, (number, row, column)))[::-1]
        file = sorted(tmp_path.iterdir())[
            number if normal @ np.cross(*np.reshape(axes, (2, 3)).astype(float)) > 0 else -1 - number
        ]
        assert np.linalg.norm(place - stated_place(file, row, column)) < allowed


def test_a_gantry_that_tilts_a_little_is_refused(tmp_path):
    write_stack(tmp_path, [(0.0, 0.008 * number, 2.0 * number) for number in range(12)])
    with pytest.raises(ValueError, match=r"000\.dcm and 011\.dcm do not lie above each other"):
        images.read(tmp_path)


def test_a_spacing_between_slices_of_zero_does_not_matter_where_there_are_positions(series):
    for number in range(COUNT):
        changed(number, SpacingBetweenSlices=0)(series)
    array, grid = images.read(series)
    np.testing.assert_array_equal(array, PIXELS)
    assert grid.spacing == pytest.approx((GAP, 0.75, 0.5))


def test_max_bytes_counts_what_the_array_takes(series):
    assert images.read(series, max_bytes=PIXELS.nbytes)[0].nbytes == PIXELS.nbytes == 240
    with pytest.raises(ValueError, match="the series takes 240 bytes, and `max_bytes` is 239"):
        images.read(series, max_bytes=239)
    changed(2, RescaleSlope=0.5, RescaleIntercept=0)(series)
    assert images.read(series, max_bytes=960)[0].dtype == np.float64
    with pytest.raises(ValueError, match="the series takes 960 bytes"):
        images.read(series, max_bytes=959)


@pytest.mark.slow
def test_slices_are_read_straight_into_the_volume(tmp_path):
    write_stack(tmp_path, heights(range(64)), np.ones((64, 256, 256), np.int16))
    images.read(tmp_path)
    tracemalloc.start()
    array, _ = images.read(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.25 * array.nbytes


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.int32, 1), (np.uint8, 3)])
def test_max_bytes_counts_every_type(tmp_path, dtype, channels):
    plane = np.ones((4, 6, 3) if channels == 3 else (4, 6), dtype)
    write_stack(tmp_path, heights([0, 3]), [plane, plane])
    assert images.read(tmp_path, max_bytes=2 * plane.nbytes)[0].nbytes == 2 * plane.nbytes
    with pytest.raises(ValueError, match=f"the series takes {2 * plane.nbytes} bytes"):
        images.read(tmp_path, max_bytes=2 * plane.nbytes - 1)


def test_slices_are_read_by_pydicom_as_they_are_by_us(series):
    for number in range(COUNT):
        data = pydicom.dcmread(series / name_of(number))
        data.RescaleSlope, data.RescaleIntercept = 2 + number, -100
        data.save_as(series / name_of(number))
    array, grid = images.read(series)
    for number in range(COUNT):
        data = pydicom.dcmread(series / name_of(number))
        np.testing.assert_array_equal(array[number], data.pixel_array.astype(float) * (2 + number) - 100)
        place = np.array(index_to_world(grid, (number, 3, 2)))[::-1]
        np.testing.assert_allclose(place, stated_place(series / name_of(number), 3, 2), atol=1e-6)
