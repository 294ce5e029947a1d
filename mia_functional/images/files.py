"""One image file in or out: NIfTI, MetaImage and NRRD, through SimpleITK; DICOM series and `.npy` in.

ITK writes sizes, points and matrices in the order `(x, y, z)`, everything else here in array order `(z, y, x)`. The
reversal happens in this module and nowhere else. World coordinates keep ITK's signs (x to the patient's left, y to the
back, z to the head: LPS); only their order is turned.

A file is read as if a stranger had written it: its header is parsed first, the format is that of its extension, nothing
is allocated beyond `max_bytes`, no other folder is touched, and a file that is not complete to the byte is refused.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional._core import atomic_files
from mia_functional.geometry import Geometry
from mia_functional.images import dicom, formats, header, npy
from mia_functional.images.checked_itk import compare, load, written
from mia_functional.images.conversion import from_itk, to_simpleitk
from mia_functional.typing import Array

MAX_BYTES = 4 << 30
"""Largest image, in bytes of memory, that is read unless the caller allows more."""


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
        >>> import tempfile
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
        >>> import tempfile
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
    return formats.parse(place).scale if place.name.lower().endswith((".nii", ".nii.gz")) else (1.0, 0.0)


def loaded(place: Path, max_bytes: int, *, scaled: bool) -> tuple[Any, Geometry]:
    """Return voxels and geometry of any file or folder that is read."""
    if place.is_dir() and not place.name.lower().endswith(tuple(formats.PARSERS)):
        stack = dicom.load_series(place, max_bytes)
        return stack.voxels, from_itk(*stack[1:])
    if place.suffix.lower() == ".npy":
        array = npy.load_npy(place, max_bytes)
        shape = array.shape[:3]
        return array, Geometry(shape=shape, spacing=(1.0,) * len(shape))
    stack = load(place, max_bytes, scaled=scaled)
    try:
        return stack.voxels, from_itk(*stack[1:])
    except ValueError as error:
        header.refuse(place, str(error))


def read_channels(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> tuple[Any, Geometry]:
    """Read an image file whose channels are on a fourth axis, as in the Medical Segmentation Decathlon.

    Args:
        path: As in `read`.
        max_bytes: Largest image in bytes of memory.

    Returns:
        As from `read`, but of an image of four axes the slowest one becomes the last: `(z, y, x, channels)`, and the
        geometry is that of the other three.

    Example:
        >>> import tempfile
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
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(f"{folder}/mask.mha", np.ones((3, 4), dtype=bool), Geometry(shape=(3, 4), spacing=(1.0, 1.0)))
        ...     sorted(os.listdir(folder))
        ['mask.mha']
    """
    place = Path(path)
    taken = [*filter(None, [formats.rival(place)]), *(() if overwrite else occupied(place))]
    if taken:
        raise FileExistsError(f"write: {taken[0]} exists already.")
    with atomic_files.atomic_write("write", place) as draft:
        image = to_simpleitk(array, geometry)
        compare(place, image, written(image, draft, place))


def occupied(place: Path) -> list[Path]:
    """Return the files that writing an image would replace."""
    known = formats.suffix(place)
    names = [place.name, *([place.name[: -len(known)] + ".raw"] if known in (".mhd", ".nhdr") else ())]
    return [place.with_name(name) for name in names if os.path.lexists(place.with_name(name))]
