"""Write one image file, of any format in `formats.FORMATS` that is written.

The example writes into `folder`, an empty one given as a `pathlib.Path`.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from mia_functional._core import atomic_files, checks
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images._zarr.writing import WriteRequest
from mia_functional.images.checked_itk import check_written, write_image
from mia_functional.images.conversion import image_memory, to_simpleitk
from mia_functional.images.files import load_any, load_parsed
from mia_functional.images.formats import extension_of, format_of, parse_header, twin_of
from mia_functional.images.nifti import set_intent
from mia_functional.typing import Array, HostArray

__all__ = ["write"]


@checks.speaking_for("write", "read", "to_simpleitk")
def write(
    path: str | os.PathLike[str],
    array: Array,
    geometry: Geometry,
    *,
    intent: int | None = None,
    drop_direction: bool = False,
    overwrite: bool = False,
) -> None:
    """Write (save) one image file; under its name it is complete or absent.

    The file is written to a temporary folder beside it, read back, compared voxel by voxel, flushed to the disk and
    then renamed. Of `.mhd` and `.nhdr`, whose pixels are in a file of their own, the header is renamed last.

    Args:
        path: Where to; the extension chooses the format: those of NIfTI, MetaImage and NRRD, as in `read`, and with the
            extra `zarr` folders of NIfTI-Zarr (`.nii.zarr`) and of OME-Zarr 0.5 (any other `.zarr`), of one level, in
            chunks of 32 voxels along each side and shards of 256. The folder in which it is to lie must exist.
        array: Shape `(*spatial,)` or `(*spatial, channels)`, any library; integers of 8 to 64 bits, float32 or float64.
            Booleans are written as uint8, and one channel as none.
        geometry: The grid of the spatial axes.
        intent: NIfTI's code of what the numbers are, which other formats do not have: 1006 for displacements, whose
            numbers stay what they are, along the axes (R, A, S). By default 1007, vectors, with channels, or else 0.
        drop_direction: Write an OME-Zarr image whose axes are not those of the world, and lose its direction.
        overwrite: Replace an image that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false; or another file there would be confused with it.
        FileNotFoundError: There is no such folder.
        OSError: The file could not be written completely.
        TypeError: The dtype of `array` is one that image files do not hold.
        ValueError: The shapes differ, the extension is unknown, or the format cannot hold this image exactly (NIfTI:
            axes at right angles, and more than one time point; OME-Zarr: axes of the world, see `drop_direction`).

    Example:
        >>> from mia_functional.images import read
        >>> write(folder / "mask.mha", np.ones((3, 4), dtype=bool), Geometry(shape=(3, 4), spacing=(1.0, 1.0)))
        >>> read(folder / "mask.mha")[0].dtype.name
        'uint8'
    """
    checks.booleans("write", drop_direction=drop_direction, overwrite=overwrite)
    path = Path(checks.path_text("write", "path", path))
    row = format_of(path, writable=True)
    names = [path.name, *([path.name[: -len(extension_of(path))] + row.pixels] if row.pixels else [])]
    replaced = [file for file in map(path.with_name, names) if os.path.lexists(file) and not overwrite]
    # A twin is never replaced: afterwards, readers would take the one file for the other.
    for file in [*filter(None, [twin_of(path)]), *replaced]:
        raise FileExistsError(f"write: {file} exists already.")
    if intent is not None:
        if checks.integer("write", "intent", intent, minimum=0) >= 1 << 15:
            checks.invalid_value("write", "intent", "be below 32768", intent)
        if not row.intents:
            checks.invalid_value("write", "intent", "be left out for formats other than NIfTI", f"{intent} for {path}")
    if drop_direction and not row.no_direction:
        checks.invalid_value("write", "drop_direction", "be false for formats that keep it", f"true for {path}")
    with atomic_files.atomic_write("write", path) as draft:
        image = to_simpleitk(array, geometry)
        if row.write is not None:
            _write_folder(row.write, draft, (image_memory(image), geometry), path, WriteRequest(intent, drop_direction))
            return
        write_image(image, draft, path=path, image_io=row.image_io)
        if intent is not None:
            set_intent(draft, intent)
        load = partial(load_parsed, image_io=row.image_io, max_bytes=sys.maxsize)
        check_written(image, draft, path=path, parse=parse_header, load=load)


def _write_folder(
    save: Callable[[Path, HostArray, Geometry, WriteRequest], None],
    draft: Path,
    image: tuple[HostArray, Geometry],
    path: Path,
    request: WriteRequest,
) -> None:
    """Write the voxels of an image to a folder `draft`, and raise unless they come back; messages name `path`."""
    voxels, geometry = image
    save(draft, voxels, geometry, request)
    returned, place = load_any(draft, sys.maxsize, scaled=True, affine=None, spacing=None)
    if voxels.dtype != returned.dtype or not np.array_equal(voxels, returned, equal_nan=True):
        suitable = f"name a format for {voxels.dtype} {voxels.shape}"
        checks.invalid_value("write", "path", suitable, f"{path} ({returned.dtype} {returned.shape} came back)")
    if not request.drop_direction and (moved := describe_differences(place, geometry)):
        checks.invalid_value("write", "path", "name a format that keeps the geometry", f"{path} ({moved})")
