"""A SimpleITK image out of a file or into one, with every check that SimpleITK lacks.

What SimpleITK 2.5.7 does on its own, without an error: it reports success when the disk is full, and lets some twenty
readers (VTK, HDF5, TIFF, ...) guess at a file of unknown content.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images.conversion import DTYPES_BY_PIXEL_TYPE, ItkGrid, from_itk, image_memory, itk_grid
from mia_functional.images.header import SAME_SPACING, Header, TextGrid, invalid_file
from mia_functional.images.itk_globals import ItkImage, ItkReader, quiet, simpleitk
from mia_functional.images.pixels import check_complete, read_numbers
from mia_functional.typing import HostArray

__all__ = [
    "check_written",
    "checked_geometry",
    "file_geometry",
    "header_reader",
    "itk_reads",
    "load_checked",
    "write_image",
]


_MESSAGES = {
    "Cannot read requested file": "it holds no pixels, or pixels of a kind that is not read",  # GDCM
    "Zero-valued spacing": "its spacing is 0 along an axis",
    "Bad direction": "its directions lie in one plane, or have no length",
    "space vector": "its space directions are not vectors of finite numbers",
    "Complex image": "it holds complex numbers; integers and floats are read",
}
"""What errors of SimpleITK, ITK or a library below mean, by a part of their text (ITK 5.4 with GDCM and NRRD)."""

_UNKNOWN_MESSAGE = "its header or its pixels are damaged, or of a kind that is not read"

_INCOMPLETE = "write: {} could not be written completely: not all of it reached the disk, which may be full."


def load_checked(
    header: Header, grid: TextGrid, image_io: str, max_bytes: int, *, scaled: bool
) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a MetaImage or NRRD file whose header was parsed, after all checks.

    The numbers are taken from the file directly. SimpleITK says where the image lies, by its class `image_io` alone; it
    applies neither MetaImage's slope and offset nor the units of either format (as of 2.5.7).
    """
    numbers = read_numbers(header, max_bytes, scaled=scaled)
    geometry = checked_geometry(header, grid, image_io)
    voxels = numbers.reshape(grid.sizes[::-1])
    if grid.channel_axis is not None:
        voxels = np.moveaxis(voxels, voxels.ndim - 1 - grid.channel_axis, -1)
        # One channel is as none, as in `to_simpleitk`.
        voxels = np.ascontiguousarray(voxels) if voxels.shape[-1] > 1 else voxels[..., 0]
    return voxels, geometry


def checked_geometry(header: Header, grid: TextGrid, image_io: str) -> Geometry:
    """Return where a MetaImage or NRRD file lies whose header was parsed, without reading its pixels."""
    place = _in_millimetres(itk_grid(_open_reader(header, grid, image_io)), grid.factors)
    return file_geometry(header.path, place)


def _in_millimetres(grid: ItkGrid, factors: tuple[float, ...]) -> ItkGrid:
    """Return a grid of ITK's in millimetres: its world axes multiplied by factors, and spacings that are lengths.

    MetaImage files may state a spacing below zero, or a direction that is longer than 1: ITK keeps both.
    """
    direction = np.reshape(grid.direction, (len(grid.size),) * 2)
    lengths = np.linalg.norm(direction, axis=0)
    unit = abs(lengths - 1) <= SAME_SPACING
    # `Geometry` refuses a spacing of 0 and an axis without a direction.
    if 0 in grid.spacing or not lengths.all() or (min(grid.spacing) > 0 and not factors and unit.all()):
        return grid
    turned = direction * np.reshape(factors or (1.0,) * len(grid.size), (-1, 1))
    # A length that is 1 up to the decimals of a file stays what it is, and so does the spacing.
    stretch = np.linalg.norm(turned, axis=0) / np.where(unit, lengths, 1.0)
    return ItkGrid(
        grid.size,
        tuple((np.abs(grid.spacing) * stretch).tolist()),
        tuple(np.multiply(grid.origin, factors or 1.0).tolist()),
        tuple((turned / stretch * np.sign(grid.spacing)).ravel().tolist()),
    )


def file_geometry(path: Path, grid: ItkGrid) -> Geometry:
    """Return the geometry of the grid that a file states; raise unless it is a valid one."""
    try:
        return from_itk(*grid)
    except ValueError as error:
        requirement = str(error).partition(": ")[2].removesuffix(".")
        invalid_file(path, f"its geometry is invalid: {requirement}")


@contextmanager
def itk_reads(path: Path) -> Iterator[None]:
    """Silence ITK's warnings, and turn an error of ITK's into that of an invalid file, in our words.

    Theirs hold addresses of memory, lines of C++ and names of classes, and end in a full stop or not.
    """
    try:
        with quiet():
            yield
    except RuntimeError as error:
        text = str(error)
        invalid_file(path, next((words for part, words in _MESSAGES.items() if part in text), _UNKNOWN_MESSAGE))


def header_reader(path: Path, image_io: str, *, copy: Path | None = None) -> ItkReader:
    """Return a SimpleITK reader that has seen the header of a file, or that of a copy of it; errors name the file."""
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(copy or path)
    with itk_reads(path):
        reader.ReadImageInformation()
    return reader


def _open_reader(header: Header, grid: TextGrid, image_io: str) -> ItkReader:
    """Return a SimpleITK reader that has seen the header of a file and agrees with ours."""
    reader = header_reader(header.path, image_io)
    axes, size = list(grid.sizes), reader.GetSize()
    pixel_type = simpleitk().GetPixelIDValueAsString(reader.GetPixelID())
    channels = 1 if grid.channel_axis is None else axes.pop(grid.channel_axis)
    if len(size) not in (2, 3, 4) or "complex" in pixel_type:
        invalid_file(header.path, f"it holds {len(size)} axes of {pixel_type}; 2 to 4 of integers or floats are read")
    dtype = DTYPES_BY_PIXEL_TYPE.get(pixel_type.removeprefix("vector of "))
    if (tuple(axes), channels) != (size, reader.GetNumberOfComponents()) or dtype != np.dtype(header.dtype).name:
        invalid_file(header.path, f"its header says {axes} of {header.dtype}, and its reader finds {size} of {dtype}")
    found = itk_grid(reader)[1:]
    # Without an absolute tolerance: a voxel may be as small as 1e-9 mm.
    near = partial(math.isclose, rel_tol=1e-6)
    if grid.place and not all(map(near, chain(*grid.place), chain(*found))):
        invalid_file(header.path, f"its header says {grid.place}, and its reader finds {found}")
    return reader


def write_image(image: ItkImage, draft: Path, *, path: Path, image_io: str) -> None:
    """Write an image to `draft`; messages name `path`."""
    try:
        with quiet():
            simpleitk().WriteImage(image, draft, imageIO=image_io)
    except RuntimeError as error:
        raise OSError(_INCOMPLETE.format(path)) from error


def check_written(
    image: ItkImage, draft: Path, *, path: Path, parse: Callable[[Path], Header],
    load: Callable[[Header], tuple[HostArray, Geometry]],
) -> None:  # fmt: skip
    """Raise unless an image is read back from `draft` as it was written there; messages name `path`."""
    try:
        header = parse(draft)
        check_complete(header)
    except ValueError as error:
        raise OSError(_INCOMPLETE.format(path)) from error
    voxels = image_memory(image)
    suitable = f"name a format for {voxels.dtype} {voxels.shape}"
    try:
        returned, geometry = load(header)
    except ValueError:
        checks.invalid_value("write", "path", suitable, f"{path} (something else came back)")
    if voxels.dtype != returned.dtype or not np.array_equal(voxels, returned, equal_nan=True):
        checks.invalid_value("write", "path", suitable, f"{path} ({returned.dtype} {returned.shape} came back)")
    if moved := describe_differences(geometry, from_itk(*itk_grid(image))):
        requirement = "name a format that keeps the geometry (NIfTI: right angles only)"
        checks.invalid_value("write", "path", requirement, f"{path} ({moved})")
