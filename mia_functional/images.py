"""One image file in or out: NIfTI, MetaImage and NRRD, through SimpleITK; DICOM series and `.npy` in.

ITK writes sizes, points and matrices in the order `(x, y, z)`, everything else here in array order `(z, y, x)`. The
reversal happens in this module and nowhere else. World coordinates keep ITK's signs (x to the patient's left, y to the
back, z to the head: LPS); only their order is turned.

A file is read as if a stranger had written it: its header is parsed first, the format is that of its extension, nothing
is allocated beyond `max_bytes`, no other folder is touched, and a file that is not complete to the byte is refused.
"""

import os
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array, _check, _dicom, _files, _headers, _npy
from mia_functional._itk import compare, load, memory, sitk, written
from mia_functional.geometry import Geometry
from mia_functional.typing import Array

MAX_BYTES = 4 << 30
"""Largest image, in bytes of memory, that is read unless the caller allows more."""

DTYPES = frozenset(f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)) | {"float32", "float64"}
"""Element types that all formats hold."""


class ItkGrid(NamedTuple):
    """A voxel grid as ITK writes it, in the order `(x, y, z)`; the direction is a matrix row by row."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


def to_itk(geometry: Geometry) -> ItkGrid:
    """Return a geometry in ITK's order: size, spacing, origin and the flat direction matrix.

    Args:
        geometry: A voxel grid in array order.

    Returns:
        The same grid in the order `(x, y, z)`; spacing and origin in millimetres.

    Example:
        >>> to_itk(Geometry(shape=(2, 3), spacing=(4.0, 5.0), origin=(6.0, 7.0), direction=((0, 1), (-1, 0))))
        ItkGrid(size=(3, 2), spacing=(5.0, 4.0), origin=(7.0, 6.0), direction=(0.0, -1.0, 1.0, 0.0))
    """
    rows = (row[::-1] for row in geometry.direction[::-1])
    return ItkGrid(geometry.shape[::-1], geometry.spacing[::-1], geometry.origin[::-1], tuple(chain(*rows)))


def from_itk(
    size: Sequence[int], spacing: Sequence[float], origin: Sequence[float], direction: Sequence[float]
) -> Geometry:
    """Return the geometry of a grid that is given in ITK's order `(x, y, z)`, the inverse of `to_itk`.

    Args:
        size: Voxels along x, y, z.
        spacing: Millimetres along x, y, z.
        origin: World coordinates of voxel 0 in millimetres.
        direction: The direction matrix, row by row.

    Returns:
        The same grid in array order.

    Raises:
        ValueError: An entry is missing, not finite or not positive, or the direction is singular.

    Example:
        >>> from_itk((3, 2), (5.0, 4.0), (7.0, 6.0), (0.0, -1.0, 1.0, 0.0)).direction
        ((0.0, 1.0), (-1.0, 0.0))
    """
    shape = _check.integers("from_itk", "size", size, minimum=1)[::-1]
    steps, place, flat = (
        tuple(entry + 0.0 for entry in _check.floats("from_itk", name, value))[::-1]
        for name, value in (("spacing", spacing), ("origin", origin), ("direction", direction))
    )
    count = len(shape)
    if len(flat) != count**2:
        _check.invalid_value("from_itk", "direction", f"have {count**2} entries", len(flat))
    rows = tuple(flat[start : start + count] for start in range(0, count**2, count))
    return Geometry(shape=shape, spacing=steps, origin=place, direction=rows)


def from_simpleitk(image: Any) -> tuple[Any, Geometry]:
    """Return the voxels and the geometry of a SimpleITK image.

    Args:
        image: A `SimpleITK.Image` of 2 to 4 axes with integer or floating pixels.

    Returns:
        A NumPy array of shape `(*spatial,)`, or `(*spatial, channels)` for a vector image, with the dtype of the image,
        and the geometry of the spatial axes.

    Raises:
        TypeError: The argument is no such image.
        ValueError: Its geometry is that of no scanner (see `Geometry`).

    Example:
        >>> array, geometry = from_simpleitk(sitk.Image([4, 3, 2], sitk.sitkInt16))
        >>> array.shape, array.dtype.name, geometry.spacing
        ((2, 3, 4), 'int16', (1.0, 1.0, 1.0))
    """
    if not isinstance(image, sitk.Image):
        _check.invalid_kind("from_simpleitk", "image", "be a SimpleITK image", type(image).__name__)
    if image.GetDimension() not in (2, 3, 4):
        _check.invalid_kind("from_simpleitk", "image", "have 2, 3 or 4 axes", image.GetDimension())
    array = memory(image)
    if array.dtype.name not in DTYPES:
        _check.invalid_kind("from_simpleitk", "image", "hold integers or floats", image.GetPixelIDTypeAsString())
    return array.copy(), from_itk(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def to_simpleitk(array: Array, geometry: Geometry) -> Any:
    """Return a SimpleITK image with the voxels of `array` on the grid `geometry`.

    Args:
        array: Shape `(*spatial,)` or `(*spatial, channels)`, any library; integers of 8 to 64 bits, float32 or float64.
            Booleans become uint8. A single channel is left out, as files do not tell it from none.
        geometry: The grid of the 2 to 4 spatial axes.

    Returns:
        A `SimpleITK.Image`, a vector image where there are channels.

    Raises:
        TypeError: `array` is no array, or of a dtype that image files do not hold (float16, complex, text).
        ValueError: The shape of `array` is not that of `geometry`, with or without channels.

    Example:
        >>> to_simpleitk(np.zeros((2, 3, 4)), Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 1.0))).GetSpacing()
        (1.0, 1.0, 3.0)
    """
    _array.namespace("to_simpleitk", array=array)
    _check.dimensions("to_simpleitk", "geometry", geometry.shape, (2, 3, 4))
    shape, spatial = tuple(array.shape), geometry.shape
    if shape[: len(spatial)] != spatial or len(shape) > len(spatial) + 1 or 0 in shape:
        _check.invalid_value("to_simpleitk", "array", f"have the shape of the geometry, {spatial}", f"shape {shape}")
    kind = getattr(array.dtype, "name", str(array.dtype).rsplit(".", maxsplit=1)[-1])
    if kind not in DTYPES | {"bool"}:
        _check.invalid_kind("to_simpleitk", "array", "hold integers, float32, float64 or booleans", kind)
    voxels = _array.to_numpy(array)
    voxels = voxels.astype(np.uint8 if kind == "bool" else voxels.dtype.newbyteorder("="), copy=False)
    single = shape[len(spatial) :] in ((), (1,))
    image = sitk.GetImageFromArray(voxels.reshape(spatial) if single else voxels, isVector=not single)
    _, spacing, origin, direction = to_itk(geometry)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def read(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> tuple[Any, Geometry]:
    """Read (load) one image file: its voxels and where they lie.

    Args:
        path: A NIfTI (`.nii`, `.nii.gz`), MetaImage (`.mha`, `.mhd`) or NRRD (`.nrrd`, `.nhdr`) file; a folder with the
            slices of one DICOM series; or a `.npy` file, which says nothing of its place: spacing 1, and up to three
            axes are spatial, the one behind them is that of channels.
        max_bytes: Largest image in bytes of memory.

    Returns:
        A NumPy array of shape `(*spatial,)` or `(*spatial, channels)`, spatial axes in the order `(z, y, x)`, with the
        dtype of the file (NIfTI files with a scale are float32, or float64 if the file is: `read_stored` leaves them as
        they are), and the geometry.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The extension is unknown, the file is damaged, cut off, larger than `max_bytes`, leads out of its
            folder or contradicts itself, or `x.nii` lies beside `x.nii.gz`. Of DICOM: there is another series or file
            in the folder, slices are missing, there twice, not above each other, or hold several frames.

    Example:
        >>> grid = Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 1.0), origin=(-10.0, 0.0, 5.0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(f"{folder}/image.nii.gz", np.ones((2, 3, 4), dtype=np.int16), grid)
        ...     array, geometry = read(f"{folder}/image.nii.gz")
        >>> array.dtype.name, int(array.sum()), geometry == grid
        ('int16', 24, True)

    Agrees with:
        nibabel's affine for NIfTI, whose world axes are (R, A, S). Differs from SimpleITK alone, which reads a file
        that is cut off as zeros, and takes NIfTI's qform where nibabel takes the sform: here, the two must agree.
    """
    return loaded(Path(path), max_bytes, scaled=True)


def read_stored(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> tuple[Any, Geometry]:
    """Read an image file without NIfTI's scaling (raw): the stored integers, half as large as what they stand for.

    Args:
        path: As in `read`.
        max_bytes: Largest image in bytes of memory.

    Returns:
        As from `read`, but numbers of NIfTI files are as they are stored: what `read` returns is `slope * number +
        intercept`, and `scale` tells the two.

    Raises:
        ValueError: As in `read`, or a file with a scale has several numbers per voxel.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(f"{folder}/image.nii", np.ones((3, 4), np.int16), Geometry(shape=(3, 4), spacing=(1.0, 1.0)))
        ...     read_stored(f"{folder}/image.nii")[0].dtype.name, scale(f"{folder}/image.nii")
        ('int16', (1.0, 0.0))
    """
    return loaded(Path(path), max_bytes, scaled=False)


def scale(path: str | os.PathLike[str]) -> tuple[float, float]:
    """Return slope and intercept of an image file: `scl_slope` and `scl_inter` of NIfTI, 1 and 0 of all others.

    Args:
        path: As in `read`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a NIfTI file with a damaged header.
    """
    place = Path(path)
    return _headers.parse(place).scale if place.name.lower().endswith((".nii", ".nii.gz")) else (1.0, 0.0)


def loaded(place: Path, max_bytes: int, *, scaled: bool) -> tuple[Any, Geometry]:
    """Return voxels and geometry of any file or folder that is read."""
    if place.is_dir() and not place.name.lower().endswith(tuple(_headers.PARSERS)):
        stack = _dicom.load_series(place, max_bytes)
        return stack.voxels, from_itk(*stack[1:])
    if place.suffix.lower() == ".npy":
        array = _npy.load_npy(place, max_bytes)
        shape = array.shape[:3]
        return array, Geometry(shape=shape, spacing=(1.0,) * len(shape))
    stack = load(place, max_bytes, scaled=scaled)
    try:
        return stack.voxels, from_itk(*stack[1:])
    except ValueError as error:
        _headers.refuse(place, str(error))


def read_channels(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> tuple[Any, Geometry]:
    """Read an image file whose channels are on a fourth axis, as in the Medical Segmentation Decathlon.

    Args:
        path: As in `read`.
        max_bytes: Largest image in bytes of memory.

    Returns:
        As from `read`, but of an image of four axes the slowest one becomes the last: `(z, y, x, channels)`, and the
        geometry is that of the other three.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     grid = Geometry(shape=(5, 2, 3, 4), spacing=(1.0, 3.0, 2.0, 1.0))
        ...     write(f"{folder}/image.nii.gz", np.zeros((5, 2, 3, 4)), grid)
        ...     read_channels(f"{folder}/image.nii.gz")[0].shape
        (2, 3, 4, 5)
    """
    array, grid = read(path, max_bytes=max_bytes)
    if len(grid.shape) != 4:
        return array, grid
    space = Geometry(
        shape=grid.shape[1:], spacing=grid.spacing[1:], origin=grid.origin[1:],
        direction=tuple(row[1:] for row in grid.direction[1:]),
    )  # fmt: skip
    return np.moveaxis(array, 0, 3), space


def write(path: str | os.PathLike[str], array: Array, geometry: Geometry, *, overwrite: bool = False) -> None:
    """Write (save) one image file; under its name it is complete or absent.

    The file is written in a temporary folder beside its place, read back, compared voxel by voxel, flushed to the disk
    and then renamed. Of `.mhd` and `.nhdr`, whose pixels are in a file of their own, the header comes last.

    Args:
        path: Where to; the extension chooses the format, as in `read`. The folder must exist.
        array: Shape `(*spatial,)` or `(*spatial, channels)`, any library; integers of 8 to 64 bits, float32 or float64.
            Booleans are written as uint8, and one channel as none.
        geometry: The grid of the spatial axes.
        overwrite: Replace an image that is there already.

    Raises:
        FileExistsError: The file is there and `overwrite` is false; or another file there would be taken for it.
        FileNotFoundError: There is no such folder.
        OSError: The file could not be written completely.
        TypeError: The dtype of `array` is one that image files do not hold.
        ValueError: The shapes differ, the extension is unknown, or the format cannot hold this image exactly (NIfTI:
            axes at right angles, and more than one time point).

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(f"{folder}/mask.mha", np.ones((3, 4), dtype=bool), Geometry(shape=(3, 4), spacing=(1.0, 1.0)))
        ...     sorted(os.listdir(folder))
        ['mask.mha']
    """
    place = Path(path)
    taken = [*filter(None, [_headers.rival(place)]), *(() if overwrite else occupied(place))]
    if taken:
        raise FileExistsError(f"write: {taken[0]} exists already.")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"write: the folder {place.parent} does not exist.")
    image = to_simpleitk(array, geometry)
    with tempfile.TemporaryDirectory(prefix=".mia-", dir=place.parent) as folder:
        compare(place, image, written(image, Path(folder) / place.name, place))
        publish(Path(folder), place)


def occupied(place: Path) -> list[Path]:
    """Return the files that writing an image would replace."""
    known = _headers.suffix(place)
    names = [place.name, *([place.name[: -len(known)] + ".raw"] if known in (".mhd", ".nhdr") else ())]
    return [place.with_name(name) for name in names if os.path.lexists(place.with_name(name))]


def publish(folder: Path, place: Path) -> None:
    """Flush the files of a folder and give them their final names, the one at `place` last."""
    drafts = sorted(folder.iterdir(), key=lambda draft: draft.name == place.name)
    for draft in drafts:
        _files.flush(draft)
    if len(drafts) > 1:
        place.unlink(missing_ok=True)
    for draft in drafts:
        draft.replace(place.with_name(draft.name))
    _files.flush(place.parent)
