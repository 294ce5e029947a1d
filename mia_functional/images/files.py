"""Read one image file, of any format in `formats.FORMATS`.

The examples write into `folder`, an empty one given as a `pathlib.Path`.
"""

import os
import sys
import warnings
from pathlib import Path

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images._dicom.objects import load_object, load_object_stack
from mia_functional.images._dicom.series import load_series, lone_object, series_geometry
from mia_functional.images.checked_itk import checked_geometry, load_checked
from mia_functional.images.formats import FORMATS, extension_of, format_of, is_series, parse_header
from mia_functional.images.header import Header, NiftiGrid, check_spacing
from mia_functional.images.nifti import load_nifti
from mia_functional.images.nifti_grid import nifti_geometry
from mia_functional.images.stored_images import OpenRequest, StoredImage
from mia_functional.typing import Affine, HostArray, Spacing

__all__ = [
    "MAX_BYTES",
    "intent",
    "load_any",
    "load_parsed",
    "read",
    "read_channels",
    "read_geometry",
    "read_stack",
    "read_stored",
    "scale",
]

MAX_BYTES = 4 << 30
"""Largest image, in bytes of memory, that is read unless the caller allows more."""


def read(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    affine: Affine = None,
    spacing: Spacing | None = None,
) -> tuple[HostArray, Geometry]:
    """Read (load) one image file: its voxels and where they lie.

    Args:
        path: A NIfTI (`.nii`, `.nii.gz`), MetaImage (`.mha`, `.mhd`) or NRRD (`.nrrd`, `.nhdr`) file; a segmentation of
            3D Slicer (`.seg.nrrd`); either file of a pair of NIfTI or ANALYZE 7.5 (`.hdr`, `.img`, both with `.gz`,
            too); a volume of FreeSurfer (`.mgh`, `.mgz`, `.mgh.gz`), whose frames are channels; a MINC 2 file (`.mnc`);
            a folder with the slices of one DICOM series, a file for each; with the extra `dicom` one DICOM object
            (`.dcm`, or any name that is no other format's), alone in its folder or not: a segmentation, an enhanced CT,
            MR or PET with its frames as slices, an RT dose, a slice, or a picture of two axes; a `.npy` file, or `.npz`
            with one array, which have no geometry: their spacing is 1, their first three axes at most are spatial, and
            those behind them are of channels, time and the like; with the extra `images` a PNG (`.png`), TIFF (`.tif`,
            `.tiff`) or JPEG (`.jpg`, `.jpeg`) file. Grey levels and labels of these are as stored, but that JPEG is
            near what was stored, and no label map; red, green and blue are channels, and pages of TIFF are slices,
            unless OME's or ImageJ's description says otherwise; with the extra `zarr` the folder of an image of
            OME-Zarr 0.4 or 0.5 or of NIfTI-Zarr (`.zarr`), which is its first level, or the path of an image or of a
            level below it: `x.ome.zarr/1`, `x.ome.zarr/labels/organs`; with the extra `nnunet` a case that nnU-Net
            has preprocessed (`.b2nd`; an archive `.npz` without it).
        max_bytes: Largest image in bytes of memory.
        affine: Which pose of a NIfTI file counts if its header states two that differ: its sform or its qform. By
            default such a file is an error. Files with one pose, and other formats, ignore it.
        spacing: What the file does not state, in millimetres along every spatial axis of the array: the spacing of a
            `.npy`, `.npz`, PNG or JPEG file, of DICOM series and pictures without one, or between slices where a series
            has but one. What a file does state has to agree within a thousandth, and is what counts. TIFF files state
            it by OME's or ImageJ's description in a unit of length, or as dots per centimetre other than those of
            screens and printers; dots per inch, as in PNG and JPEG files, are what programs write without having
            measured anything.

    Returns:
        A NumPy array of shape `(*spatial,)` or `(*spatial, channels)`, of `.npy` files with any number of axes behind
        the spatial ones, which are in the order `(z, y, x)`, with the dtype of the file, and the geometry in
        millimetres, whatever unit the file has. Segmentations are label maps, or channels, one for each of
        `read_segments`, where segments overlap. NIfTI and MetaImage files with a scale are float32, or float64 where
        float32 would make equal what is stored apart (integers of 32 bits); `read_stored` leaves them as they are. An
        sform of NIfTI that is off right angles by rounding becomes the nearest one at right angles; no corner moves by
        more than 0.01 voxels. Directions of MetaImage that are not of length 1 stretch the spacing. A NIfTI slice of
        two axes that is not axial is a volume of one slice; the height of an axial one is no part of its geometry.
        Preprocessed cases of nnU-Net have the axes of their file, channels last, and the spacing of the plans that lie
        beside their folder; `transpose_forward` of these says which axis of the world each runs along, all forwards
        from 0, as origin and direction are lost.
        Without a place in the header, the centre of a NIfTI or ANALYZE file is at 0 and its first axis points to the
        left; a volume of FreeSurfer is coronal, as FreeSurfer takes it. The world of MINC is (R, A, S), as MINC has it.
        Values of DICOM slices and frames are `slope * stored + intercept`, each with its own, and real-world value
        mappings are not applied; those of MONOCHROME1 are not inverted, as that concerns displays. RT doses are in
        their DoseUnits. Colours of DICOM are red, green and blue. The spacing of rows and columns is the PixelSpacing,
        or where a series has none, the ImagerPixelSpacing (in the plane of the detector: the patient is magnified),
        NominalScannedPixelSpacing or ImagePlanePixelSpacing. Slices lie on the even grid nearest to their positions,
        which may be rounded; the distance of a single one is its SpacingBetweenSlices or its SliceThickness.
        A level of OME-Zarr lies where the scale and translation of its dataset, and then those of the pyramid, place
        it, along the axes of the world unless axes have an anatomical orientation (RFC-4). Channels are last, and
        several time points of a volume are the first axis, as of NIfTI, in seconds; axes of one channel or time point
        are left out. In NIfTI-Zarr the header counts, and levels lie as OME's transformations relate them to the first.
        Chunks that are missing hold the fill value, by the rules of Zarr: a store of which some were lost cannot be
        told from one with empty parts.

    Warns:
        UserWarning: A preprocessed case of nnU-Net has lost its place; a DICOM series has one slice, whose thickness or
            the like is taken for the distance of slices; a PNG, JPEG or TIFF file, or a picture of DICOM, states no
            spacing and none is given, so that it is 1; axes of OME-Zarr have no unit and no spacing is given, so that
            they are taken to be in millimetres; or a level of OME-Zarr does not begin in the middle of the voxels that
            it stands for, but at one of them, as levels made of means do not.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The extension is unknown; the file is damaged, truncated, larger than `max_bytes`, contradicts
            itself, `spacing`, has a unit that is not one of length or refers to a file outside its folder; or `x.nii`
            lies beside `x.nii.gz`. Of PNG and TIFF: a palette, an alpha channel, a lossy compression, several time
            points, other files. Of OME-Zarr: a plate or another collection of images; levels, axes or transformations
            that contradict each other; time points of planes; other codecs than Blosc, gzip, zlib and Zstandard. Of
            NIfTI: sform and qform place a corner more than 0.01 voxels apart, or the sform is sheared. Of DICOM: the
            folder holds another series or another file; slices are missing, duplicated, uneven, not above each other
            or, one of many, of several frames; an object holds several stacks of frames, of which `read_stack` reads
            one; it holds contours, which `read_structures` puts on a grid; nothing states the spacing; or values are
            those of a palette, of a table, of one bit, or of another kind that is not read.

    Example:
        >>> from mia_functional.images import write
        >>> grid = Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 1.0), origin=(-10.0, 0.0, 5.0))
        >>> write(folder / "image.nii.gz", np.ones((2, 3, 4), dtype=np.int16), grid)
        >>> array, geometry = read(folder / "image.nii.gz")
        >>> array.dtype.name, int(array.sum()), geometry == grid
        ('int16', 24, True)

    Agrees with:
        nibabel for NIfTI, ANALYZE, FreeSurfer's volumes and MINC 2: its affine, whose world axes are (R, A, S), also
        where no code is set, and its numbers, also of displacement fields. Differs from nibabel where sform and qform
        differ, of which that takes the sform, and where a volume of FreeSurfer states no place, of which that turns
        rows and slices. pydicom for the values of DICOM slices. Differs from SimpleITK alone, which reads the missing
        end of a truncated file as zeros, takes the qform, turns displacements, places NIfTI files without codes
        elsewhere, applies neither MetaImage's slope and offset nor the units of MetaImage and NRRD, keeps directions of
        MetaImage of any length, takes the world of MINC for (L, P, S), inverts MONOCHROME1, and takes 1 mm for spacings
        of DICOM that are missing or in classes of objects it does not know.
    """
    return load_any(
        Path(checks.path_text("read", "path", path)), max_bytes, scaled=True, affine=affine, spacing=spacing
    )


@checks.speaking_for("read_geometry", "read")
def read_geometry(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    affine: Affine = None,
    spacing: Spacing | None = None,
) -> Geometry:
    """Read where an image lies: from headers alone, but of `.npy`, PNG, TIFF and `.dcm` files, which are read whole.

    Args:
        path: As in `read`.
        max_bytes: As in `read`.
        affine: As in `read`.
        spacing: As in `read`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As in `read`, for what the header shows.

    Example:
        >>> from mia_functional.images import write
        >>> grid = Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 1.0))
        >>> write(folder / "image.nii.gz", np.ones((2, 3, 4), dtype=np.int16), grid)
        >>> read_geometry(folder / "image.nii.gz") == grid
        True
    """
    file = Path(checks.path_text("read", "path", path))
    checks.one_of("read", "affine", affine, ("sform", "qform"), optional=True)
    if is_series(file):
        only = lone_object(file)
        return series_geometry(file, spacing) if only is None else load_object(only, max_bytes, spacing)[1]
    if (row := format_of(file)).open is not None:
        return row.open(file, OpenRequest(max_bytes, affine, spacing)).geometry
    if row.parse is None:
        return read(file, max_bytes=max_bytes, affine=affine, spacing=spacing)[1]
    header = parse_header(file)
    if isinstance(header.grid, NiftiGrid):
        geometry = nifti_geometry(file, header.grid, affine)
    else:
        geometry = checked_geometry(header, header.grid, row.image_io)
    if spacing is not None:
        check_spacing(file, spacing, geometry.spacing)
    return geometry


@checks.speaking_for("read_stack", "read")
def read_stack(
    path: str | os.PathLike[str], stack: int, *, max_bytes: int = MAX_BYTES, spacing: Spacing | None = None
) -> tuple[HostArray, Geometry]:
    """Read (load) one of the stacks of frames of a DICOM object: a time point, an echo, a b-value, one orientation.

    `read` refuses objects with several of them, and lists their numbers.

    Args:
        path: The file, or a folder with this file alone.
        stack: The number of the stack, from 0 on. Stacks are sorted by what sets them apart: the direction of the
            slices, the name of the stack, time point, b-value, echo time, delay of the cardiac or respiratory cycle,
            frame type and the like; at last by the indices of the object's own dimensions. Frames without a place are
            stacks of one picture each.
        max_bytes: As in `read`.
        spacing: As in `read`.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: pydicom is not installed.
        ValueError: As in `read`; or there are not as many stacks.
    """
    file = Path(checks.path_text("read_stack", "path", path))
    checks.number("read_stack", "max_bytes", max_bytes)
    number = checks.integer("read_stack", "stack", stack, minimum=0)
    only = lone_object(file) if is_series(file) else file
    return load_object_stack(file if only is None else only, max_bytes, spacing, number)


@checks.speaking_for("read_stored", "read")
def read_stored(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    affine: Affine = None,
    spacing: Spacing | None = None,
) -> tuple[HostArray, Geometry]:
    """Read an image file without its scale (raw): the stored integers, half as large as the values they mean.

    Args:
        path: As in `read`.
        max_bytes: Largest image in bytes of memory.
        affine: As in `read`.
        spacing: As in `read`.

    Returns:
        As from `read`, but numbers of NIfTI and MetaImage files are as they are stored: `read` returns `slope * stored
        + intercept`, with the slope and intercept that `scale` returns.

    Raises:
        ValueError: As in `read`.

    Example:
        >>> from mia_functional.images import write
        >>> write(folder / "image.nii", np.ones((3, 4), np.int16), Geometry(shape=(3, 4), spacing=(1.0, 1.0)))
        >>> read_stored(folder / "image.nii")[0].dtype.name, scale(folder / "image.nii")
        ('int16', (1.0, 0.0))
    """
    return load_any(
        Path(checks.path_text("read", "path", path)), max_bytes, scaled=False, affine=affine, spacing=spacing
    )


@checks.speaking_for("scale", "read")
def scale(path: str | os.PathLike[str]) -> tuple[float, float]:
    """Return slope and intercept of an image file.

    They are `scl_slope` and `scl_inter` of NIfTI, `ElementToIntensityFunctionSlope` and `...Offset` of MetaImage, and 1
    and 0 of all other files.

    Args:
        path: As in `read`.

    Raises:
        FileNotFoundError: There is no such NIfTI, MetaImage or NRRD file.
        ValueError: Its header is damaged.
    """
    path = Path(checks.path_text("read", "path", path))
    if (stored := _open_stored(path)) is not None:
        return stored.scale
    row = FORMATS.get(extension_of(path))
    return (1.0, 0.0) if row is None or row.parse is None else parse_header(path).scale


@checks.speaking_for("intent", "read")
def intent(path: str | os.PathLike[str]) -> int:
    """Return NIfTI's code of what the numbers of an image file are: 1006 for displacements; 0 of all other formats.

    Args:
        path: As in `read`.

    Raises:
        FileNotFoundError: There is no such NIfTI file.
        ValueError: It is a NIfTI file with a damaged header.

    Example:
        >>> from mia_functional.images import write
        >>> grid = Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 1.0))
        >>> write(folder / "field.nii.gz", np.zeros((2, 3, 4, 3)), grid, intent=1006)
        >>> intent(folder / "field.nii.gz")
        1006
    """
    path = Path(checks.path_text("read", "path", path))
    if (stored := _open_stored(path)) is not None:
        return stored.intent
    return parse_header(path).intent if extension_of(path) in (".nii", ".nii.gz") else 0


def _open_stored(path: Path) -> StoredImage | None:
    """Return an image that lies in a folder, opened for what its metadata say beside its place; None for others."""
    row = None if is_series(path) or not (extension_of(path) or path.is_dir()) else format_of(path)
    if row is None or row.open is None or path.is_file():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its place
        return row.open(path, OpenRequest(sys.maxsize))


def load_any(
    path: Path, max_bytes: int, *, scaled: bool, affine: Affine, spacing: Spacing | None
) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a file, or of a folder as a DICOM series."""
    checks.number("read", "max_bytes", max_bytes)
    checks.one_of("read", "affine", affine, ("sform", "qform"), optional=True)
    if is_series(path):
        only = lone_object(path)
        return load_series(path, max_bytes, spacing) if only is None else load_object(only, max_bytes, spacing)
    row = format_of(path)
    if row.open is not None:
        image = row.open(path, OpenRequest(max_bytes, affine, spacing, scaled))
        return image[...], image.geometry
    if row.load is not None:
        return row.load(path, max_bytes, spacing)
    voxels, geometry = load_parsed(parse_header(path), row.image_io, max_bytes, scaled=scaled, affine=affine)
    if spacing is not None:
        check_spacing(path, spacing, geometry.spacing)
    return voxels, geometry


def load_parsed(
    header: Header, image_io: str, max_bytes: int, *, scaled: bool = True, affine: Affine = None
) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a file whose header was parsed: NIfTI by ourselves, others through SimpleITK."""
    if isinstance(header.grid, NiftiGrid):
        return load_nifti(header, header.grid, max_bytes, scaled=scaled, affine=affine)
    return load_checked(header, header.grid, image_io, max_bytes, scaled=scaled)


@checks.speaking_for("read_channels", "read")
def read_channels(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    affine: Affine = None,
    spacing: Spacing | None = None,
) -> tuple[HostArray, Geometry]:
    """Read an image file whose channels are on a fourth axis, as in the Medical Segmentation Decathlon.

    Args:
        path: As in `read`.
        max_bytes: Largest image in bytes of memory.
        affine: As in `read`.
        spacing: As in `read`.

    Returns:
        As from `read`, but of an image of four axes the slowest one becomes the last: `(z, y, x, channels)`, and the
        geometry is that of the other three.

    Example:
        >>> from mia_functional.images import write
        >>> grid = Geometry(shape=(5, 2, 3, 4), spacing=(1.0, 3.0, 2.0, 1.0))
        >>> write(folder / "image.nii.gz", np.zeros((5, 2, 3, 4)), grid)
        >>> read_channels(folder / "image.nii.gz")[0].shape
        (2, 3, 4, 5)
    """
    array, grid = read(path, max_bytes=max_bytes, affine=affine, spacing=spacing)
    if len(grid.shape) != 4:
        return array, grid
    space = Geometry(
        shape=grid.shape[1:], spacing=grid.spacing[1:], origin=grid.origin[1:],
        direction=tuple(row[1:] for row in grid.direction[1:]),
    )  # fmt: skip
    return np.moveaxis(array, 0, 3), space
