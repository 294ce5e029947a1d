"""A folder with the slices of one DICOM series to a volume, placed by what every slice says about itself.

Readers of series take the spacing from two slices and assume it for all: SimpleITK 2.5.7 turns a missing slice into a
spacing of 2.812 mm instead of 2.5, a duplicated one into 0.75 mm, and a spacing of pixels that is missing, or that of
a class of objects that ITK does not know (XA, CR, DX, RT images), into 1 mm. Here each header is read, and whatever is
not a complete, straight stack of one series is an error. Nothing that names the patient leaves the files.
"""

import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images._dicom.elements import (
    BIG_ENDIAN,
    Elements,
    locate_data_set,
    locate_elements,
    pixel_module,
)
from mia_functional.images._dicom.header import MAX_OBJECT_ELEMENTS, series_files
from mia_functional.images._dicom.planes import ROUNDED_COSINES, plane_axes
from mia_functional.images.checked_itk import file_geometry, header_reader, itk_reads
from mia_functional.images.conversion import DTYPES_BY_PIXEL_TYPE, ItkGrid, image_memory
from mia_functional.images.header import SAME_SPACING, check_regular, check_spacing, invalid_file
from mia_functional.images.itk_globals import ItkImage, ItkReader, simpleitk
from mia_functional.typing import HostArray, Spacing

__all__ = ["PIXEL_SPACINGS", "load_series", "lone_object", "series_geometry", "stack_grid"]

_TAGS = {
    "ImageType": "0008|0008", "SOPClassUID": "0008|0016", "SeriesInstanceUID": "0020|000e",
    "ImagePositionPatient": "0020|0032", "ImageOrientationPatient": "0020|0037",
    "PixelSpacing": "0028|0030", "ImagerPixelSpacing": "0018|1164",
    "NominalScannedPixelSpacing": "0018|2010", "ImagePlanePixelSpacing": "3002|0011",
    "SpacingBetweenSlices": "0018|0088", "SliceThickness": "0018|0050",
    "PhotometricInterpretation": "0028|0004", "BitsAllocated": "0028|0100",
    "BitsStored": "0028|0101", "HighBit": "0028|0102", "PixelRepresentation": "0028|0103",
    "RescaleSlope": "0028|1053", "RescaleIntercept": "0028|1052",
}  # fmt: skip
"""The elements of a header that are read, by the names of the standard: their tags as ITK writes them."""

_REQUIRED = ("ImagePositionPatient", "ImageOrientationPatient")

PIXEL_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "ImagePlanePixelSpacing")
"""What states the distance of rows and that of columns: the first that has a value counts."""

_SLICE_DISTANCES = ("SpacingBetweenSlices", "SliceThickness")
"""What stands for the distance of slices where there is but one."""

_FRAMES, _POSITION, _DOSE_SCALE = 0x00280008, 0x00200032, 0x3004000E

_UNREAD = {0x00283000: "ModalityLUTSequence", 0x3004000E: "DoseGridScaling"}
"""Elements besides slope and intercept that change values; ITK ignores them."""

_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."

_MULTI_FRAME = {
    "2.1": "Enhanced CT", "2.2": "Legacy Converted Enhanced CT",
    "4.1": "Enhanced MR", "4.3": "Enhanced MR Color", "4.4": "Legacy Converted Enhanced MR",
    "130": "Enhanced PET", "128.1": "Legacy Converted Enhanced PET",
    "66.4": "Segmentation", "66.7": "Label Map Segmentation", "30": "Parametric Map",
    "481.2": "RT Dose", "20": "Nuclear Medicine", "3.1": "Ultrasound Multi-frame", "6.2": "Enhanced US Volume",
    "12.1.1": "Enhanced XA", "12.2.1": "Enhanced XRF", "13.1.1": "X-Ray 3D Angiographic",
    "13.1.2": "X-Ray 3D Craniofacial", "13.1.3": "Breast Tomosynthesis",
    "77.1.6": "VL Whole Slide Microscopy", "77.1.5.4": "Ophthalmic Tomography",
}  # fmt: skip
"""Classes of objects that hold several frames, by what follows the root of their identifiers."""

_ROUNDED_GAP, _MAX_ROUNDED_GAP = 0.01, 0.25
"""By how much slices may be off, as a fraction of their distance: always, and at most where decimals are few."""

_CURE = "state it by `spacing=(slices, rows, columns)` in millimetres"


class _Slice(NamedTuple):
    """What one file says: its series, where it lies (in ITK's order), how large it is and what its pixels are.

    Args:
        header: The elements of `_TAGS` as texts; those that are missing are empty.
        elements: Where the elements are in the file.
        axes: Directions along a row and along a column, at right angles, of length 1.
        spacing: Between rows and between columns; empty unless `stated`, the words of the header, is of use.
        size: Columns and rows.
    """

    path: Path
    reader: ItkReader
    header: Mapping[str, str]
    elements: Elements
    position: HostArray
    axes: HostArray
    stated: str
    spacing: tuple[float, ...]
    size: tuple[int, ...]
    components: int
    dtype: str


def load_series(folder: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a folder of DICOM slices, after all checks; `spacing` says what they leave out."""
    slices, geometry = _placed_slices(folder, spacing)
    first = slices[0]
    shape = (len(slices), *first.size[::-1], *([first.components] if first.components > 1 else []))
    # Every slice has a slope of its own, and so a dtype.
    dtype = np.result_type(*{entry.dtype for entry in slices})
    if (nbytes := math.prod(shape) * dtype.itemsize) > max_bytes:
        invalid_file(folder, f"the series takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
    voxels = np.empty(shape, dtype)
    for plane, entry in zip(voxels, slices, strict=True):
        plane[:] = image_memory(_decode_slice(entry)).reshape(plane.shape)
    return voxels, geometry


def series_geometry(folder: Path, spacing: Spacing | None) -> Geometry:
    """Return where a folder of DICOM slices lies, from the headers alone, after all checks of these."""
    return _placed_slices(folder, spacing)[1]


def _placed_slices(folder: Path, spacing: Spacing | None) -> tuple[list[_Slice], Geometry]:
    """Return the slices of a folder in the order of their places, and the grid on which they lie."""
    given = None if spacing is None else checks.spacing("read", spacing, 3)
    files = series_files(folder) if folder.is_dir() else [folder]
    if not files:
        invalid_file(folder, "the folder is empty")
    slices = [_read_slice(path) for path in files]
    _check_uniform(folder, slices)
    first = slices[0]
    # Neither file names nor instance numbers are reliable: the position along the normal decides the order.
    normal = np.cross(*first.axes)
    slices.sort(key=lambda entry: float(entry.position @ normal))
    if not first.spacing and given is None:
        invalid_file(first.path, f"{first.stated}; {_CURE}")
    if len(slices) == 1:
        origin, distance = first.position, given[0] if given else _distance_of_one(first)
    else:
        positions, names = np.array([entry.position for entry in slices]), [entry.path.name for entry in slices]
        origin, distance = stack_grid(folder, positions, normal, names)
    stated = (distance, *(first.spacing or (given or ())[1:]))
    if given is not None:
        check_spacing(folder, given, stated)
    direction = np.column_stack([*first.axes, normal])
    grid = ItkGrid((*first.size, len(slices)), stated[::-1], tuple(origin.tolist()), tuple(direction.ravel().tolist()))
    return slices, file_geometry(folder, grid)


def lone_object(folder: Path) -> Path | None:
    """Return the only file of a folder if it is a DICOM object that is no slice: of several frames, or without a place.

    A folder with one slice, and one whose file is damaged, have None.
    """
    files = series_files(folder)
    try:
        if len(files) != 1 or not files[0].is_file():
            return None
        data_set = locate_data_set(files[0], MAX_OBJECT_ELEMENTS)
    except ValueError:
        return None
    frames = data_set.by_tag.get(_FRAMES)
    position = data_set.by_tag.get(_POSITION)
    with files[0].open("rb") as stream:
        stream.seek(frames.value if frames else 0)
        count = stream.read(frames.length).strip(b" \0") if frames and frames.length <= 16 else b""
    if (position is None or not position.length) or count not in (b"", b"1") or _DOSE_SCALE in data_set.by_tag:
        return files[0]
    return None


def _read_slice(path: Path) -> _Slice:
    """Return what the header of one file says, and a reader for its pixels."""
    checks.unicode_text("read", "path", str(path))
    check_regular(path)
    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":  # GDCM also guesses at files that do not begin as the standard asks
            invalid_file(path, "it is not a DICOM file")
    elements = locate_elements(path)
    reader = header_reader(path, "GDCMImageIO")
    # DICOM pads values to an even length.
    header = {
        name: reader.GetMetaData(tag).strip(" \0") if reader.HasMetaDataKey(tag) else "" for name, tag in _TAGS.items()
    }
    frames = math.prod(reader.GetSize()[2:])
    kind = _MULTI_FRAME.get(header["SOPClassUID"].removeprefix(_STORAGE_ROOT), "")
    if frames != 1 or (kind and not header["ImagePositionPatient"]):
        held = f"{frames} frame{'s' * (frames != 1)} in one {kind or 'multi-frame'} object"
        invalid_file(path, f"it holds {held}; series with a file for every slice are read")
    if "MOSAIC" in header["ImageType"]:  # Siemens' MR: its position is that of no slice
        invalid_file(path, "it is a mosaic, with its slices as tiles; series with a file for every slice are read")
    if missing := next((name for name in _REQUIRED if not header[name]), None):
        invalid_file(path, f"its header lacks {missing} ({_TAGS[missing].replace('|', ',')})")
    position, cosines = _decimals(header["ImagePositionPatient"]), _decimals(header["ImageOrientationPatient"])
    if len(position) != 3:
        invalid_file(path, f"its ImagePositionPatient is '{header['ImagePositionPatient']}'")
    if len(cosines) != 6:
        invalid_file(path, f"its ImageOrientationPatient is '{header['ImageOrientationPatient']}'")
    stated, spacing = _stated_spacing(header)
    return _Slice(
        path=path, reader=reader, header=header, elements=elements, position=np.array(position),
        axes=plane_axes(path, np.array(cosines)), stated=stated, spacing=spacing,
        size=reader.GetSize()[:2], components=reader.GetNumberOfComponents(),
        dtype=_pixel_dtype(path, reader, header, elements),
    )  # fmt: skip


def _decimals(text: str) -> tuple[float, ...]:
    """Return the decimals of an element; none unless all of them are finite numbers."""
    try:
        decimals = tuple(map(float, text.split("\\")))
    except ValueError:
        return ()
    return decimals if all(map(math.isfinite, decimals)) else ()


def _stated_spacing(header: Mapping[str, str]) -> tuple[str, tuple[float, ...]]:
    """Return what a header states about the distances of rows and columns, in its words, and both if of use."""
    name = next((name for name in PIXEL_SPACINGS if header[name]), None)
    if name is None:
        return "it has no PixelSpacing", ()
    spacing = _decimals(header[name])
    return f"its {name} is '{header[name]}'", spacing if len(spacing) == 2 and min(spacing) > 0 else ()


def _pixel_dtype(path: Path, reader: ItkReader, header: Mapping[str, str], elements: Elements) -> str:
    """Return the dtype of the values of a slice; raise for values that GDCM (SimpleITK 2.5.7) would spoil."""
    for tag, name in _UNREAD.items():
        if tag in elements.by_tag and elements.by_tag[tag].length:
            invalid_file(path, f"its values depend on its {name}, which is not read")
    slope, intercept = _decimals(header["RescaleSlope"] or "1"), _decimals(header["RescaleIntercept"] or "0")
    both = bool(header["RescaleSlope"]) == bool(header["RescaleIntercept"])
    if not both or len(slope) != 1 or len(intercept) != 1 or slope == (0,):  # GDCM takes a slope of 0 for 1
        scale = f"RescaleSlope is '{header['RescaleSlope']}' and its RescaleIntercept '{header['RescaleIntercept']}'"
        invalid_file(path, f"its {scale}")
    colours, bits = header["PhotometricInterpretation"], header["BitsAllocated"]
    # GDCM makes 255 of a single bit, mixes up compressed colours of 16 bits, and cuts those of palettes down to 8.
    if colours == "PALETTE COLOR" or bits not in (("8",) if reader.GetNumberOfComponents() > 1 else ("8", "16", "32")):
        needed = "grey values of 8, 16 or 32 bits and colours of 8 are read"
        invalid_file(path, f"its pixels are {colours} with BitsAllocated {bits}; {needed}")
    # GDCM guesses where these are missing or contradict each other.
    stored = {name: header[name] for name in ("BitsStored", "HighBit", "PixelRepresentation")}
    allowed = {(str(count), str(count - 1), sign) for count in range(1, int(bits) + 1) for sign in "01"}
    if tuple(stored.values()) not in allowed or not colours.startswith(("MONOCHROME", "RGB", "YBR_")):
        words = ", ".join(f"{name} {text or 'missing'}" for name, text in stored.items())
        invalid_file(path, f"its pixels are {colours} of {bits} bits with {words}, which is no description of pixels")
    if bits == "32" and elements.syntax == BIG_ENDIAN:  # GDCM does not swap their bytes
        invalid_file(path, "its pixels are big-endian numbers of 32 bits; little-endian ones are read")
    # GDCM fills pixels up that are too few; where two of them share their colours, three numbers are stored as two.
    values = math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    length = values * int(bits) // 8 * (2 if colours.endswith("_422") else 3) // 3
    if elements.pixels.length < length:
        invalid_file(path, f"it has {elements.pixels.length} bytes of pixels instead of {length}")
    return DTYPES_BY_PIXEL_TYPE[simpleitk().GetPixelIDValueAsString(reader.GetPixelID()).removeprefix("vector of ")]


def _check_uniform(folder: Path, slices: Sequence[_Slice]) -> None:
    """Raise if slices are of several series, sizes, colours, spacings or orientations."""
    # One file is a series whether it says so or not.
    unnamed = next((entry.path for entry in slices if not entry.header["SeriesInstanceUID"]), None)
    if unnamed is not None and len(slices) > 1:
        invalid_file(unnamed, "its header lacks SeriesInstanceUID (0020,000e), so that slices may be of several series")
    series = {entry.header["SeriesInstanceUID"]: entry.path.name for entry in slices}
    if len(series) > 1:
        examples = ", ".join(f"{uid} ({name})" for uid, name in series.items())
        invalid_file(folder, f"it holds {len(series)} series, and each needs a folder of its own: {examples}")
    first = slices[0]
    for entry in slices[1:]:
        same = {
            "size": entry.size == first.size,
            "colours": entry.components == first.components,
            "spacing": len(entry.spacing) == len(first.spacing)
            and np.allclose(entry.spacing, first.spacing, rtol=SAME_SPACING, atol=0),
            "orientation": float(np.abs(entry.axes - first.axes).max()) <= ROUNDED_COSINES,
        }
        if differing := [name for name, holds in same.items() if not holds]:
            invalid_file(folder, f"{entry.path.name} and {first.path.name} differ in {' and '.join(differing)}")


def _distance_of_one(only: _Slice) -> float:
    """Return the distance of slices that the only slice of a series states, and say what it was taken from."""
    for name in _SLICE_DISTANCES:
        number = _decimals(only.header[name])
        if len(number) == 1 and number != (0,):
            warnings.warn(
                f"{only.path} is a series of one slice: its {name}, {only.header[name]} mm, is taken for the distance "
                "of slices.",
                UserWarning,
                stacklevel=2,
            )
            # Its sign says in which order slices were taken (nuclear medicine).
            return abs(number[0])
    return invalid_file(only.path, f"it is a series of one slice without {' or '.join(_SLICE_DISTANCES)}; {_CURE}")


def stack_grid(
    path: Path, positions: HostArray, normal: HostArray, names: Sequence[str]
) -> tuple[HostArray, float]:  # fmt: skip
    """Return where the first of several sorted slices lies and the distance of all, on the even grid nearest to them.

    Raises if slices are missing, duplicated, or farther from that grid than the decimals in the files explain.

    Args:
        path: The folder or file that the error names.
        positions: Of the first pixel of each slice, from the lowest along the normal to the highest.
        normal: Of all slices, of length 1.
        names: What slices are called.
    """
    along = positions @ normal
    gaps = np.diff(along)
    # The median: a missing slice makes one gap of two, and must not change what the others are compared with. Of two
    # gaps in the middle it is the smaller: their mean would be the distance of no slices.
    typical = float(np.sort(gaps)[(len(gaps) - 1) // 2]) or float(gaps.max())
    closest, oddest = int(gaps.argmin()), int(abs(gaps - typical).argmax())
    if gaps[closest] <= _ROUNDED_GAP * typical:
        invalid_file(path, f"{names[closest]} and {names[closest + 1]} lie at the same place")
    # Least squares, in which the rounding of single positions cancels.
    steps = np.arange(len(along)) - (len(along) - 1) / 2
    distance = float(steps @ along / (steps @ steps))
    deviations = along - along.mean() - distance * steps
    # A position is off by half a unit of its last decimal, and the grid that is fitted to many of them as well. That
    # of single precision, as there are files in which 1.2 became 1.2000000476837158 on its way; whole millimetres count
    # as 3.0, since they are exact more often than rounded.
    words = [np.format_float_positional(np.float32(number), trim="0") for number in positions.flat]
    unit = 10.0 ** -max(len(word.partition(".")[2]) for word in words)
    smallest, largest = _ROUNDED_GAP * distance, _MAX_ROUNDED_GAP * distance
    if abs(deviations).max() > min(max(smallest, unit * np.abs(normal).sum()), largest):
        width = gaps[oddest]
        reason = "slices are missing" if 1.8 <= width / typical <= 2.2 else "the slices are uneven"
        found = f"{names[oddest]} and {names[oddest + 1]} are {width:g} mm apart, and the others {typical:g} mm"
        invalid_file(path, f"{found}: {reason}")
    offsets = positions - positions[0]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1)
    excess = sideways - ROUNDED_COSINES * (along - along[0])
    if excess.max() > min(max(smallest, unit * math.sqrt(3)), largest):
        invalid_file(path, f"{names[0]} and {names[excess.argmax()]} do not lie above each other")
    return positions[0] - deviations[0] * normal, distance


def _decode_slice(entry: _Slice) -> ItkImage:
    """Return the values of a slice: as they are stored, after slope and intercept."""
    # ITK inverts MONOCHROME1, and raises an error if it finds a SpacingBetweenSlices of 0.
    if entry.header["PhotometricInterpretation"] != "MONOCHROME1" and 0 not in entry.reader.GetSpacing():
        with itk_reads(entry.path):
            return entry.reader.Execute()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "pixels.dcm")
        copy.write_bytes(pixel_module(entry.path, entry.elements))
        reader = header_reader(entry.path, "GDCMImageIO", copy=copy)
        kinds = {(each.GetSize(), each.GetNumberOfComponents(), each.GetPixelID()) for each in (reader, entry.reader)}
        if len(kinds) > 1 or reader.GetMetaData(_TAGS["PhotometricInterpretation"]).startswith("MONOCHROME1"):
            invalid_file(entry.path, "its header describes the pixels twice")
        with itk_reads(entry.path):
            return reader.Execute()
