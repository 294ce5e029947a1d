"""A folder with the slices of one DICOM series to a volume, placed by what every slice says about itself.

Readers of series take the spacing from two slices and assume it for all: SimpleITK 2.5.7 turns a missing slice into a
spacing of 2.812 mm instead of 2.5, and a duplicated one into 0.75 mm, with a line on standard error. Here each header
is read, and whatever is not a complete, straight stack of one series is an error. Nothing that names the patient leaves
the files.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.checked_itk import file_geometry, header_reader, itk_reads
from mia_functional.images.conversion import ItkGrid
from mia_functional.images.header import check_regular, invalid_file
from mia_functional.images.itk_globals import ItkReader, simpleitk
from mia_functional.typing import HostArray

__all__ = ["load_series"]

# Series instance UID, image position (patient) and image orientation (patient).
_SERIES_TAG, _POSITION_TAG, _ORIENTATION_TAG = "0020|000e", "0020|0032", "0020|0037"

# By how much distances and offsets of slices may differ, as a fraction of the gap and in millimetres: files hold
# decimals that scanners rounded.
_RELATIVE_ROUNDING, _ABSOLUTE_ROUNDING = 0.01, 0.01

_SAME_AXES = 1e-4
"""Largest difference between direction cosines, and between spacings as a fraction, that are the same."""


class _Slice(NamedTuple):
    """What one file says: its series, where it lies (in ITK's order), and how large it is."""

    path: Path
    reader: ItkReader
    series: str
    position: HostArray
    axes: HostArray
    size: tuple[int, ...]
    spacing: tuple[float, ...]


def load_series(folder: Path, max_bytes: int) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a folder of DICOM slices, after all checks."""
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not files:
        invalid_file(folder, "the folder is empty")
    slices = [_read_slice(path) for path in files]
    _check_uniform(folder, slices)
    # Rescaled by a fractional slope, pixels become float64.
    if sum(math.prod(entry.size) * entry.reader.GetNumberOfComponents() * 8 for entry in slices) > max_bytes:
        invalid_file(folder, f"the series takes more than {max_bytes} bytes")
    # Neither file names nor instance numbers are reliable: the position along the normal decides the order.
    normal = np.cross(*slices[0].axes)
    slices.sort(key=lambda entry: float(entry.position @ normal))
    gap = _slice_gap(folder, slices, normal)
    planes = []
    for entry in slices:
        with itk_reads(entry.path):
            image = entry.reader.Execute()
        plane = simpleitk().GetArrayFromImage(image)
        planes.append(plane[0] if image.GetDimension() == 3 else plane)
    first = slices[0]
    origin, direction = tuple(first.position.tolist()), np.column_stack([*first.axes, normal]).ravel().tolist()
    grid = ItkGrid((*first.size[:2], len(slices)), (*first.spacing[:2], gap), origin, tuple(direction))
    return np.stack(planes), file_geometry(folder, grid)


def _read_slice(path: Path) -> _Slice:
    """Return what the header of one file says, and a reader for its pixels."""
    checks.unicode_text("read", "path", str(path))
    check_regular(path)
    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":  # GDCM also guesses at files that do not begin as the standard asks
            invalid_file(path, "it is not a DICOM file")
    reader = header_reader(path, "GDCMImageIO")
    position = _tag_numbers(reader, path, _POSITION_TAG, 3)
    axes = _tag_numbers(reader, path, _ORIENTATION_TAG, 6).reshape(2, 3)
    if any(extent != 1 for extent in reader.GetSize()[2:]):
        invalid_file(path, f"it holds {reader.GetSize()[2]} frames; series of single slices are read")
    if abs(np.linalg.norm(axes, axis=1) - 1).max() > _SAME_AXES or abs(axes[0] @ axes[1]) > _SAME_AXES:
        invalid_file(path, f"its orientation is {axes.tolist()}")
    series = reader.GetMetaData(_SERIES_TAG).strip(" \0")  # DICOM pads values to an even length
    return _Slice(path, reader, series, position, axes, reader.GetSize(), reader.GetSpacing())


def _tag_numbers(reader: ItkReader, path: Path, tag: str, count: int) -> HostArray:
    """Return the decimals of a tag; raise unless there are `count` finite ones."""
    if not (reader.HasMetaDataKey(tag) and reader.HasMetaDataKey(_SERIES_TAG)):
        invalid_file(path, f"its header lacks {tag} or {_SERIES_TAG}")
    words = reader.GetMetaData(tag).strip(" \0").split("\\")
    try:
        decimals = np.array([float(word) for word in words])
    except ValueError:
        decimals = np.array([])
    if decimals.shape != (count,) or not np.isfinite(decimals).all():
        invalid_file(path, f"its {tag} is {words}")
    return decimals


def _check_uniform(folder: Path, slices: Sequence[_Slice]) -> None:
    """Raise if slices are of several series, sizes, spacings or orientations."""
    series = {entry.series: entry.path.name for entry in slices}
    if len(series) > 1:
        examples = ", ".join(f"{uid} ({name})" for uid, name in series.items())
        invalid_file(folder, f"it holds {len(series)} series: {examples}")
    first = slices[0]
    for entry in slices[1:]:
        same_axes = float(np.abs(entry.axes - first.axes).max()) <= _SAME_AXES
        same_spacing = np.allclose(entry.spacing[:2], first.spacing[:2], rtol=_SAME_AXES)
        if entry.size != first.size or not same_axes or not same_spacing:
            invalid_file(folder, f"{entry.path.name} and {first.path.name} differ in size, spacing or orientation")


def _slice_gap(folder: Path, slices: Sequence[_Slice], normal: HostArray) -> float:
    """Return the distance between sorted slices; raise if slices are missing, duplicated or shifted sideways."""
    if len(slices) == 1:
        return slices[0].spacing[2] if len(slices[0].spacing) > 2 else 1.0
    pairs = list(itertools.pairwise(slices))
    gaps = [float((upper.position - lower.position) @ normal) for lower, upper in pairs]
    # The median: a missing slice makes one gap of two, and must not change what the others are compared with.
    gap = float(np.median(gaps))
    allowed = max(_RELATIVE_ROUNDING * gap, _ABSOLUTE_ROUNDING)
    for width, (lower, upper) in zip(gaps, pairs, strict=True):
        names = f"{lower.path.name} and {upper.path.name}"
        if width < allowed:
            invalid_file(folder, f"{names} lie at the same place")
        if abs(width - gap) > allowed:
            invalid_file(folder, f"{names} are {width:g} mm apart, and the others {gap:g} mm: slices are missing")
        if float(np.linalg.norm(upper.position - lower.position - width * normal)) > allowed:
            invalid_file(folder, f"{names} do not lie above each other")
    # The mean over the whole stack, in which the rounding of single positions cancels.
    return float((slices[-1].position - slices[0].position) @ normal) / (len(slices) - 1)
