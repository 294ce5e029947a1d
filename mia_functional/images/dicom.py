"""A folder with the slices of one DICOM series to a volume: placed by what every slice says of itself.

Readers take the spacing from two slices and believe it of all: where one is missing, the volume comes out stretched,
with a line on the console. Here each header is read, and whatever is no complete, straight stack of one series is
refused. Nothing that names the patient leaves the files.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.images.checked_itk import Stack, last_line
from mia_functional.images.header import refuse
from mia_functional.images.itk_globals import quiet, simpleitk

SERIES, POSITION, ORIENTATION = "0020|000e", "0020|0032", "0020|0037"
"""The tags that place a slice."""


RELATIVE, ABSOLUTE = 0.01, 0.01
"""Parts of the gap, and millimetres, by which gaps and places of slices may differ: rounding of the files."""


SAME = 1e-4
"""Largest difference of orientations."""


class Slice(NamedTuple):
    """What one file says: where it lies (in ITK's order), which series it belongs to, and how large it is."""

    path: Path
    series: str
    position: Any
    axes: Any
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    nbytes: int


def load_series(folder: Path, max_bytes: int) -> Stack:
    """Return the volume of a folder of DICOM slices, after all checks."""
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not files:
        refuse(folder, "the folder is empty")
    slices = [slice_of(path) for path in files]
    alike(folder, slices)
    if sum(entry.nbytes for entry in slices) > max_bytes:
        refuse(folder, f"the series takes more than {max_bytes} bytes")
    normal = np.cross(*slices[0].axes)
    slices.sort(key=lambda entry: float(entry.position @ normal))
    gap = gap_of(folder, slices, normal)
    voxels = np.stack([pixels(entry.path) for entry in slices])
    first = slices[0]
    direction = np.column_stack([*first.axes, normal])
    return Stack(
        voxels,
        (*first.size[:2], len(slices)),
        (*first.spacing[:2], gap),
        tuple(first.position.tolist()),
        tuple(direction.ravel().tolist()),
    )


def slice_of(path: Path) -> Slice:
    """Return what the header of one file says."""
    reader = reader_of(path)
    try:
        with quiet():
            reader.ReadImageInformation()
    except RuntimeError as error:
        refuse(path, f"it is no DICOM image ({last_line(error)})")
    size, depth = reader.GetSize(), reader.GetNumberOfComponents()
    position, axes = numbers(reader, path, POSITION, 3), numbers(reader, path, ORIENTATION, 6).reshape(2, 3)
    if len(size) > 2 and any(extent != 1 for extent in size[2:]):
        refuse(path, f"it holds {size[2]} frames; series of single slices are read")
    if abs(np.linalg.norm(axes, axis=1) - 1).max() > SAME or abs(axes[0] @ axes[1]) > SAME:
        refuse(path, f"its orientation is {axes.tolist()}")
    nbytes = size[0] * size[1] * depth * 8
    return Slice(path, reader.GetMetaData(SERIES).strip(" \0"), position, axes, size, reader.GetSpacing(), nbytes)


def reader_of(path: Path) -> Any:
    """Return a reader of one file, after a look at its first bytes."""
    checks.unicode_text("images", "path", str(path))
    if not path.is_file():
        refuse(path, "it is no file")
    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            refuse(path, "it is no DICOM file")
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(path)
    return reader


def numbers(reader: Any, path: Path, tag: str, count: int) -> Any:
    """Return the numbers of a tag."""
    if not (reader.HasMetaDataKey(tag) and reader.HasMetaDataKey(SERIES)):
        refuse(path, f"its header lacks {tag} or {SERIES}")
    words = reader.GetMetaData(tag).strip(" \0").split("\\")
    try:
        found = np.array([float(word) for word in words])
    except ValueError:
        found = np.array([])
    if found.shape != (count,) or not np.isfinite(found).all():
        refuse(path, f"its {tag} is {words}")
    return found


def alike(folder: Path, slices: Sequence[Slice]) -> None:
    """Refuse slices of several series, sizes, spacings or orientations."""
    series = {entry.series: entry.path.name for entry in slices}
    if len(series) > 1:
        found = ", ".join(f"{number} ({name})" for number, name in series.items())
        refuse(folder, f"it holds {len(series)} series: {found}")
    first = slices[0]
    for entry in slices[1:]:
        turned = float(np.abs(entry.axes - first.axes).max()) > SAME
        scaled = not np.allclose(entry.spacing[:2], first.spacing[:2], rtol=1e-4)
        if entry.size != first.size or turned or scaled:
            refuse(folder, f"{entry.path.name} and {first.path.name} differ in size, spacing or orientation")


def gap_of(folder: Path, slices: Sequence[Slice], normal: Any) -> float:
    """Return the distance of slices in order; refuse gaps, doubles and stacks that lean."""
    if len(slices) == 1:
        return slices[0].spacing[2] if len(slices[0].spacing) > 2 else 1.0
    steps = [after.position - before.position for before, after in itertools.pairwise(slices)]
    gaps = [float(step @ normal) for step in steps]
    gap = float(np.median(gaps))
    allowed = max(RELATIVE * gap, ABSOLUTE)
    for step, width, (before, after) in zip(steps, gaps, itertools.pairwise(slices), strict=True):
        names = f"{before.path.name} and {after.path.name}"
        if width < allowed:
            refuse(folder, f"{names} lie at the same place")
        if abs(width - gap) > allowed:
            refuse(folder, f"{names} are {width:g} mm apart, and the others {gap:g} mm: slices are missing")
        if float(np.linalg.norm(step - width * normal)) > allowed:
            refuse(folder, f"{names} do not lie above each other")
    span = slices[-1].position - slices[0].position
    return float(span @ normal) / (len(slices) - 1)


def pixels(path: Path) -> Any:
    """Return the pixels of one slice, rescaled as its header says: `(y, x)`, or `(y, x, channels)`."""
    try:
        with quiet():
            image = reader_of(path).Execute()
    except RuntimeError as error:
        refuse(path, last_line(error))
    array = simpleitk().GetArrayFromImage(image)
    return array[0] if image.GetDimension() == 3 else array
