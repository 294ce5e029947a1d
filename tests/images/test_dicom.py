"""DICOM series: placed by every slice, or an error."""

import os

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from mia_functional import images
from mia_functional.geometry import Geometry, same_geometry

COUNT, ROWS, COLUMNS, GAP = 6, 5, 4, 2.5
TURN = np.array([[0.8, 0.6, 0.0], [0.0, 0.0, -1.0]])
NORMAL = np.cross(*TURN)
PIXELS = np.random.default_rng(0).integers(-1000, 3000, (COUNT, ROWS, COLUMNS)).astype(np.int16)


def write_slice(path, pixels, position, **tags):
    """Write one slice with pydicom."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.SeriesInstanceUID, data.Modality = "Secret^Name", "1.2.3", "CT"
    data.Rows, data.Columns = pixels.shape
    data.ImagePositionPatient, data.ImageOrientationPatient = list(position), TURN.ravel().tolist()
    data.PixelSpacing, data.SliceThickness = [0.75, 0.5], 9.0
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(data, name, value) if value is not None else delattr(data, name)
    data.save_as(path, enforce_file_format=True)


def position(number):
    """Where a slice lies."""
    return np.array([10.0, -20.0, 30.0]) + GAP * number * NORMAL


@pytest.fixture
def series(tmp_path):
    """A series whose names are not in the order of its slices."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(COUNT):
        write_slice(folder / f"{(number * 5) % COUNT}.dcm", PIXELS[number], position(number))
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


def test_values_are_rescaled_slice_by_slice(series):
    for number in range(COUNT):
        data = pydicom.dcmread(series / name_of(number))
        data.RescaleSlope, data.RescaleIntercept = 2 + number, -100
        data.save_as(series / name_of(number))
    array, _ = images.read(series)
    scale = np.arange(2, 2 + COUNT)[:, None, None]
    np.testing.assert_array_equal(array, PIXELS.astype(float) * scale - 100)


DAMAGES = {
    "missing slice": (lambda f: (f / name_of(2)).unlink(), "are 5 mm apart, and the others 2.5 mm: slices are missing"),
    "double": (lambda f: write_slice(f / "9.dcm", PIXELS[3], position(3)), "lie at the same place"),
    "uneven": (lambda f: write_slice(f / name_of(3), PIXELS[3], position(3.2)), "slices are missing"),
    "leaning": (
        lambda f: [write_slice(f / name_of(k), PIXELS[k], position(k) + k * 0.3 * TURN[0]) for k in range(COUNT)],
        "do not lie above each other",
    ),
    "another series": (
        lambda f: write_slice(f / "9.dcm", PIXELS[3], position(6), SeriesInstanceUID="1.2.4"),
        r"it holds 2 series: 1\.2\.3 \(\d\.dcm\), 1\.2\.4 \(9\.dcm\)",
    ),
    "another size": (lambda f: write_slice(f / "9.dcm", PIXELS[3, 1:], position(6)), "differ in size"),
    "another spacing": (
        lambda f: write_slice(f / "9.dcm", PIXELS[3], position(6), PixelSpacing=[1, 1]),
        "differ in size, spacing",
    ),
    "another orientation": (
        lambda f: write_slice(f / "9.dcm", PIXELS[3], position(6), ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
        "orientation",
    ),
    "no orientation": (
        lambda f: write_slice(f / "9.dcm", PIXELS[3], position(6), ImageOrientationPatient=[0, 0, 0, 0, 0, 0]),
        "its orientation is",
    ),
    "no position": (
        lambda f: write_slice(f / "9.dcm", PIXELS[3], position(6), ImagePositionPatient=None),
        "lacks 0020",
    ),
    "no pixels": (lambda f: write_slice(f / "9.dcm", PIXELS[3], position(6), PixelData=None), r"9\.dcm"),
    "other file": (lambda f: (f / "notes.txt").write_text("x" * 200), r"notes\.txt: it is not a DICOM file"),
    "garbage": (
        lambda f: (f / "9.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 99),
        r"9\.dcm: ITK cannot read it \(GDCMImageIO.*Cannot read requested file\)",
    ),
    "folder": (lambda f: (f / "inner").mkdir(), "inner: it is not a regular file"),
    "pipe": (lambda f: os.mkfifo(f / "pipe"), "pipe: it is not a regular file"),
    "empty": (lambda f: [path.unlink() for path in f.iterdir()], "the folder is empty"),
}


@pytest.mark.sampled(100)
@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_no_whole_series_is_refused(series, capfd, name):
    damage, message = DAMAGES[name]
    damage(series)
    with pytest.raises(ValueError, match=rf"well-formed image file; got {series}.*{message}"):
        images.read(series)
    assert capfd.readouterr() == ("", "")


def test_truncated_slices_are_refused(series):
    whole = (series / name_of(2)).read_bytes()
    for length in (0, 100, 131, 400, len(whole) - PIXELS[0].nbytes + 1, len(whole) - 20, len(whole) - 1):
        (series / name_of(2)).write_bytes(whole[:length])
        with pytest.raises(ValueError, match="well-formed"):
            images.read(series)


def test_max_bytes_holds_for_a_series(series):
    with pytest.raises(ValueError, match="the series takes more than 100 bytes"):
        images.read(series, max_bytes=100)
