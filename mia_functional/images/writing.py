"""Write one image file, of any format in `formats.FORMATS` that is written.

The example writes into `folder`, an empty one given as a `pathlib.Path`.
"""

import os
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from mia_functional._core import atomic_files, checks
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images.checked_itk import check_written, write_image
from mia_functional.images.conversion import image_memory, to_simpleitk
from mia_functional.images.files import load_any, load_parsed
from mia_functional.images.formats import Format, extension_of, format_of, parse_header, twin_of
from mia_functional.images.header import WriteRequest
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
        path: Where to; the extension chooses the format: those of NIfTI, MetaImage, NRRD and FreeSurfer's volumes, as
            in `read`; with the extra `zarr` folders of NIfTI-Zarr (`.nii.zarr`) and of OME-Zarr 0.5 (any other
            `.zarr`), of one level, in chunks of 32 voxels along each side and shards of 256; with the extra `images`
            TIFF, with OME's description of the spacing, compressed by Deflate, slices as pages, three channels of uint8
            or uint16 as colours; with the extra `nnunet` a case of nnU-Net (`.b2nd`). The folder in which it is to lie
            must exist.
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
            axes at right angles, and more than one time point; OME-Zarr: axes of the world, see `drop_direction`; TIFF:
            up to 3 axes along those of the world, the origin 0, several slices, integers of up to 32 bits; FreeSurfer:
            3 axes at right angles, uint8, int16, uint16, int32 and float32; `.b2nd`: 3 axes, the origin 0, and the
            spacing and the order of axes of the plans beside its folder or, without these, the spacing 1).

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
    for file in replaced:
        raise FileExistsError(f"write: {file} exists already; `overwrite=True` replaces it.")
    # A twin is never replaced.
    if (twin := twin_of(path)) is not None:
        raise FileExistsError(f"write: {twin} exists already, and readers would take the one file for the other.")
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
            request = WriteRequest(intent, drop_direction, path=path)
            _write_by_format(row, draft, (image_memory(image), geometry), request)
            return
        write_image(image, draft, path=path, image_io=row.image_io)
        if intent is not None:
            set_intent(draft, intent)
        load = partial(load_parsed, image_io=row.image_io, max_bytes=sys.maxsize)
        check_written(image, draft, path=path, parse=parse_header, load=load)


def _write_by_format(row: Format, draft: Path, image: tuple[HostArray, Geometry], request: WriteRequest) -> None:
    """Write an image by the function of its format, and raise unless it comes back; messages name the final path."""
    voxels, geometry = image
    if row.write is not None:
        row.write(draft, voxels, geometry, request)
    with warnings.catch_warnings():
        if row.place_beside:
            warnings.simplefilter("ignore")
        returned, place = load_any(draft, sys.maxsize, scaled=True, affine=None, spacing=None)
    if voxels.dtype != returned.dtype or not np.array_equal(voxels, returned, equal_nan=True):
        suitable = f"name a format for {voxels.dtype} {voxels.shape}"
        checks.invalid_value("write", "path", suitable, f"{request.path} ({returned.dtype} {returned.shape} came back)")
    lost = request.drop_direction or row.place_beside
    if not lost and (moved := describe_differences(place, geometry)):
        checks.invalid_value("write", "path", "name a format that keeps the geometry", f"{request.path} ({moved})")
