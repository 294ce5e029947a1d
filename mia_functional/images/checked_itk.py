"""A SimpleITK image out of a file or into one, with every check that SimpleITK lacks.

What SimpleITK 2.5.7 does on its own, without an error: it reports success when the disk is full, and lets some twenty
readers (VTK, HDF5, TIFF, ...) guess at a file of unknown content.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.conversion import DTYPES_BY_PIXEL_TYPE, ItkGrid, from_itk, image_memory, itk_grid, to_itk
from mia_functional.images.header import Header, invalid_file
from mia_functional.images.itk_globals import ItkImage, ItkReader, itk_message, quiet, simpleitk
from mia_functional.images.pixels import check_complete, check_size, stored_numbers
from mia_functional.typing import HostArray

__all__ = [
    "MAX_DRIFT",
    "check_written",
    "corner_shift",
    "file_geometry",
    "header_reader",
    "itk_reads",
    "load_checked",
    "write_image",
]

MAX_DRIFT = 0.01
"""Voxels by which two statements of where the corners of an image lie may differ: rounding, not another place."""


def load_checked(header: Header, image_io: str, max_bytes: int) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a file whose header was parsed, after all checks.

    SimpleITK says where the image lies, by its class `image_io` alone. Plain numbers are taken from the file directly;
    SimpleITK reads what has to be reordered.
    """
    check_size(header, max_bytes)
    stored = stored_numbers(header) if header.dtype else None
    if stored is None:
        check_complete(header)
    reader = _open_reader(header, image_io)
    source: ItkImage | ItkReader = reader
    if stored is not None and _means_stored(reader, stored):
        voxels = stored.reshape(reader.GetSize()[::-1])
    else:
        with itk_reads(header.path):
            source = reader.Execute()
        voxels = image_memory(source)
    return voxels, file_geometry(header.path, itk_grid(source))


def file_geometry(path: Path, grid: ItkGrid) -> Geometry:
    """Return the geometry of the grid that a file states; raise unless it is a valid one."""
    try:
        return from_itk(*grid)
    except ValueError as error:
        requirement = str(error).partition(": ")[2].removesuffix(".")
        invalid_file(path, f"its geometry is invalid: {requirement}")


@contextmanager
def itk_reads(path: Path) -> Iterator[None]:
    """Silence ITK's warnings, and turn an error of ITK's into that of an invalid file, in our words."""
    try:
        with quiet():
            yield
    except RuntimeError as error:
        invalid_file(path, itk_message(error))


def header_reader(path: Path, image_io: str, *, copy: Path | None = None) -> ItkReader:
    """Return a SimpleITK reader that has seen the header of a file, or that of a copy of it; errors name the file."""
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(copy or path)
    with itk_reads(path):
        reader.ReadImageInformation()
    return reader


def _open_reader(header: Header, image_io: str) -> ItkReader:
    """Return a SimpleITK reader that has seen the header of a file and agrees with ours."""
    reader = header_reader(header.path, image_io)
    size, pixel_type = reader.GetSize(), simpleitk().GetPixelIDValueAsString(reader.GetPixelID())
    # Both parsers must see one image: what ITK allocates and fills is what was checked against `max_bytes`.
    if math.prod(size) * reader.GetNumberOfComponents() != header.values:
        invalid_file(header.path, f"it has {header.values} values, and its reader takes them for the size {size}")
    if len(size) not in (2, 3, 4) or "complex" in pixel_type:
        invalid_file(header.path, f"it holds {len(size)} axes of {pixel_type}; 2 to 4 of integers or floats are read")
    return reader


def _means_stored(reader: ItkReader, stored: HostArray) -> bool:
    """Return whether the stored numbers, in their order, are what SimpleITK would return."""
    dtype = DTYPES_BY_PIXEL_TYPE.get(simpleitk().GetPixelIDValueAsString(reader.GetPixelID()))
    # A spacing below zero becomes positive, and the axis of the direction negative, when ITK reads the pixels.
    same_size = math.prod(reader.GetSize()) == stored.size
    return bool(dtype == stored.dtype.name and same_size and min(reader.GetSpacing()) > 0)


class _Shift(NamedTuple):
    """How far apart two statements place the same corner of an image."""

    millimetres: float
    voxels: float


def corner_shift(first: HostArray, second: HostArray, size: Sequence[int]) -> _Shift:
    """Return by how much a corner of an image moves at most between two affine matrices, whose last column is voxel 0.

    Voxels are the smallest of the first matrix.
    """
    corners = np.array([(*corner, 1) for corner in product(*((0, count - 1) for count in size))])
    axes = [*range(len(size)), -1]
    millimetres = float(np.linalg.norm(corners @ (first - second)[:, axes].T, axis=1).max())
    steps = np.linalg.norm(first[:, :-1], axis=0)
    return _Shift(millimetres, millimetres / float(steps[steps > 0].min(initial=np.inf)))


def write_image(image: ItkImage, draft: Path, *, path: Path, image_io: str) -> None:
    """Write an image to `draft`; messages name `path`."""
    try:
        with quiet():
            simpleitk().WriteImage(image, draft, imageIO=image_io)
    except RuntimeError as error:
        raise _incomplete(path) from error


def _incomplete(path: Path) -> OSError:
    """Return the error of an image that was not written as a whole."""
    return OSError(f"write: {path} could not be written completely: not all of it reached the disk, which may be full.")


def check_written(
    image: ItkImage, draft: Path, *, path: Path, parse: Callable[[Path], Header],
    load: Callable[[Header], tuple[HostArray, Geometry]],
) -> None:  # fmt: skip
    """Raise unless an image is read back from `draft` as it was written there; messages name `path`."""
    try:
        header = parse(draft)
        check_complete(header)
    except ValueError as error:
        raise _incomplete(path) from error
    voxels = image_memory(image)
    suitable = f"name a format for {voxels.dtype} {voxels.shape}"
    try:
        returned, geometry = load(header)
    except ValueError:
        checks.invalid_value("write", "path", suitable, f"{path} (something else came back)")
    if voxels.dtype != returned.dtype or not np.array_equal(voxels, returned, equal_nan=True):
        checks.invalid_value("write", "path", suitable, f"{path} ({returned.dtype} {returned.shape} came back)")
    grid = itk_grid(image)
    shift = corner_shift(_index_to_point(grid), _index_to_point(to_itk(geometry)), grid.size)
    if shift.voxels > MAX_DRIFT:
        requirement = "name a format that keeps the geometry (NIfTI: right angles only)"
        checks.invalid_value("write", "path", requirement, f"{path} (off by {shift.voxels:.3g} voxels)")


def _index_to_point(grid: ItkGrid) -> HostArray:
    """Return the affine matrix of a grid in ITK's order, the origin as its last column."""
    direction = np.reshape(grid.direction, (len(grid.size),) * 2)
    return np.column_stack([direction * grid.spacing, grid.origin])
