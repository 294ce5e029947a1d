"""The table of file formats: which extension is read and written by what. A new format is a module and a row here."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images._dicom.header import is_dicom
from mia_functional.images._dicom.objects import load_object, load_object_segments, object_segments
from mia_functional.images._dicom.seg_writing import write_seg
from mia_functional.images._zarr.labels import (
    list_zarr_segments,
    load_zarr_segments,
    write_nifti_zarr_segments,
    write_ome_zarr_segments,
)
from mia_functional.images._zarr.reading import open_zarr
from mia_functional.images._zarr.writing import write_nifti_zarr, write_ome_zarr
from mia_functional.images.analyze import parse_pair
from mia_functional.images.header import Header, WriteRequest, check_regular, invalid_file
from mia_functional.images.jpeg import load_jpeg
from mia_functional.images.metaimage import parse_metaimage
from mia_functional.images.mgh import parse_mgh, write_mgh
from mia_functional.images.minc import load_minc
from mia_functional.images.nifti import parse_nifti
from mia_functional.images.nnunet import (
    list_case_segments,
    load_archive,
    load_archive_labels,
    load_b2nd_labels,
    load_case_segments,
    open_b2nd,
    write_b2nd,
)
from mia_functional.images.npy import load_npy
from mia_functional.images.nrrd import parse_nrrd
from mia_functional.images.png import load_png
from mia_functional.images.segments import Reference, Segment, Segmentation, SegmentRequest
from mia_functional.images.slicer_segmentation import list_slicer_segments, load_slicer, load_slicer_segments
from mia_functional.images.slicer_writing import write_slicer_segments
from mia_functional.images.stored_images import OpenRequest, StoredImage
from mia_functional.images.surfaces import load_no_grid, load_surface_segments, surface_segments
from mia_functional.images.tiff import load_tiff
from mia_functional.images.tiff_writing import write_tiff
from mia_functional.typing import HostArray, Spacing

__all__ = [
    "FORMATS", "Format", "extension_of", "format_of", "header_beside", "is_chunked", "is_image", "is_series",
    "parse_header", "twin_of",
]  # fmt: skip


class Format(NamedTuple):
    """One row of the table: a format that SimpleITK reads and writes, or one that is read by its own function.

    Args:
        parse: Parses the header before SimpleITK sees the file.
        image_io: The only class of ITK that writes such files, and that reads them but for NIfTI.
        load: Returns voxels and geometry of a file, given the largest number of bytes and the spacing that the file
            does not state (None for 1), without SimpleITK.
        load_labels: Returns the label map of a file that holds one beside an image, which `load` returns.
        twin: Extension of the file beside it that would be read or written for it.
        pixels: Extension of the file in which the writer puts the pixels, if they are not in the file itself.
        colours: Whether three channels are red, green and blue.
        segments: Returns the segments that a file names, from its header alone; None if it is no segmentation.
        load_segments: Returns a segmentation as it is asked for.
        write_segments: Writes a segmentation, given the grid (and DICOM series) that it was drawn on, if there is one.
        lossy: Whether the numbers are near what was written, which labels cannot be.
        header: Extension of the file beside it that has the header, where this one holds pixels alone.
        secondary: Whether such files lie beside volumes, as previews, curves, surfaces or probabilities: they are what
            is looked for in a folder only if it holds no others.
        intents: Whether files hold NIfTI's code of what their numbers are.
        no_direction: Whether axes are those of the world, so that `write` may have to drop a direction.
        open: Opens an image, of which parts can be read: a file, or in the folder that bears the name, or below it.
        write: Writes such a folder or file without SimpleITK.
        place_beside: Whether the place is in other files, so that `write` has compared it.
    """

    parse: Callable[[Path], Header] | None = None
    image_io: str = ""
    load: Callable[[Path, int, Spacing | None], tuple[HostArray, Geometry]] | None = None
    load_labels: Callable[[Path, int, Spacing | None], tuple[HostArray, Geometry]] | None = None
    twin: str = ""
    pixels: str = ""
    colours: bool = False
    segments: Callable[[Path], tuple[Segment, ...] | None] | None = None
    load_segments: Callable[[Path, SegmentRequest], Segmentation] | None = None
    write_segments: Callable[[Path, Segmentation, Reference | None], None] | None = None
    lossy: bool = False
    header: str = ""
    secondary: bool = False
    intents: bool = False
    no_direction: bool = False
    open: Callable[[Path, OpenRequest], StoredImage] | None = None
    write: Callable[[Path, HostArray, Geometry, WriteRequest], None] | None = None
    place_beside: bool = False


_SURFACE = Format(load=load_no_grid, segments=surface_segments, load_segments=load_surface_segments, secondary=True)

_OME_ZARR = Format(
    open=open_zarr, write=write_ome_zarr, segments=list_zarr_segments, load_segments=load_zarr_segments,
    write_segments=write_ome_zarr_segments, no_direction=True,
)  # fmt: skip


# An allow-list: no other reader is ever tried. The first extension that a name ends in decides, so a longer one has to
# come before one that it ends in.
FORMATS = {
    ".nii": Format(parse_nifti, "NiftiImageIO", twin=".nii.gz", intents=True),
    ".nii.gz": Format(parse_nifti, "NiftiImageIO", twin=".nii", intents=True),
    ".mha": Format(parse_metaimage, "MetaImageIO"),
    ".mhd": Format(parse_metaimage, "MetaImageIO", twin=".nhdr", pixels=".raw"),
    ".seg.nrrd": Format(
        parse_nrrd,
        "NrrdImageIO",
        load=load_slicer,
        segments=list_slicer_segments,
        load_segments=load_slicer_segments,
        write_segments=write_slicer_segments,
    ),
    ".nrrd": Format(parse_nrrd, "NrrdImageIO"),
    ".nhdr": Format(parse_nrrd, "NrrdImageIO", twin=".mhd", pixels=".raw"),
    ".mgz": Format(parse_mgh, write=write_mgh),
    ".mgh": Format(parse_mgh, write=write_mgh),
    ".mgh.gz": Format(parse_mgh, write=write_mgh),
    ".hdr": Format(parse_pair),
    ".hdr.gz": Format(parse_pair),
    ".img": Format(parse_pair, header=".hdr"),
    ".img.gz": Format(parse_pair, header=".hdr"),
    ".mnc": Format(load=load_minc),
    ".npy": Format(load=load_npy),
    ".npz": Format(
        load=load_archive,
        load_labels=load_archive_labels,
        segments=list_case_segments,
        load_segments=load_case_segments,
        secondary=True,
    ),
    ".b2nd": Format(
        open=open_b2nd,
        load_labels=load_b2nd_labels,
        segments=list_case_segments,
        load_segments=load_case_segments,
        write=write_b2nd,
        place_beside=True,
    ),
    ".png": Format(load=load_png, colours=True, secondary=True),
    ".jpg": Format(load=load_jpeg, colours=True, lossy=True, secondary=True),
    ".jpeg": Format(load=load_jpeg, colours=True, lossy=True, secondary=True),
    ".ome.tif": Format(load=load_tiff, write=write_tiff, colours=True, secondary=True),
    ".ome.tiff": Format(load=load_tiff, write=write_tiff, colours=True, secondary=True),
    ".tif": Format(load=load_tiff, write=write_tiff, colours=True, secondary=True),
    ".tiff": Format(load=load_tiff, write=write_tiff, colours=True, secondary=True),
    ".nii.zarr": Format(
        open=open_zarr,
        write=write_nifti_zarr,
        segments=list_zarr_segments,
        load_segments=load_zarr_segments,
        write_segments=write_nifti_zarr_segments,
        intents=True,
    ),
    ".ome.zarr": _OME_ZARR,
    ".zarr": _OME_ZARR,
    ".dcm": Format(
        load=load_object, segments=object_segments, load_segments=load_object_segments, write_segments=write_seg
    ),
    ".stl": _SURFACE,
    ".gii": _SURFACE,
    ".pial": _SURFACE,
    ".white": _SURFACE,
}


def extension_of(path: Path) -> str:
    """Return the extension of a name that the table knows, in lower case, and an empty text for any other name."""
    return next((extension for extension in FORMATS if path.name.lower().endswith(extension)), "")


def is_series(path: Path) -> bool:
    """Return whether a path is read as the folder of a DICOM series: one that does not end as other formats do."""
    return path.is_dir() and extension_of(path) in ("", ".dcm") and not _is_in_store(path)


def is_image(path: Path) -> bool:
    """Return whether what lies at a path is of a format by its name: a file, or a folder if it is one of folders."""
    extension = extension_of(path)
    return bool(extension) and (path.is_file() or (path.is_dir() and FORMATS[extension].open is not None))


def is_chunked(path: Path) -> bool:
    """Return whether a path is read as an image in chunks, of which parts can be read."""
    row = FORMATS.get(extension_of(path) or (".zarr" if _is_in_store(path) else ""))
    return row is not None and row.open is not None


def _is_in_store(path: Path) -> bool:
    """Return whether a path leads into the folder of a Zarr store, to an image or one of its levels."""
    return any(folder.name.lower().endswith(".zarr") for folder in path.parents) and not path.is_file()


def format_of(path: Path, *, writable: bool = False) -> Format:
    """Return the format that the extension of a file stands for; raise if it is unknown, or is not `writable`.

    DICOM files often have names without an extension: those that begin as the standard asks count as `.dcm`.
    """
    extension = extension_of(path)
    if not extension and not writable:
        extension = ".zarr" if _is_in_store(path) else ".dcm" if is_dicom(path) else ""
    row = FORMATS.get(extension)
    # SimpleITK ends the process at names that are not Unicode, and C++ ends names at a null character.
    if row is None or row.image_io:
        checks.unicode_text("read", "path", str(path))
    if row is None or (writable and not row.image_io and row.write is None):
        options = [extension for extension, row in FORMATS.items() if row.image_io or row.write or not writable]
        folder = "" if writable else ", or be a folder with the slices of one DICOM series"
        checks.invalid_value("read", "path", f"end in {', '.join(options)}{folder}", path)
    return row


def twin_of(path: Path) -> Path | None:
    """Return the file beside `path` that readers or writers would take for it, if there is one."""
    extension = extension_of(path)
    if not extension:
        return None
    # The same extension in upper case names the same file on systems that ignore case.
    twin = FORMATS[extension].twin or extension
    names = [path.name[: -len(extension)] + ending for ending in (twin, twin.upper())]
    return next((path.with_name(name) for name in names if name != path.name and path.with_name(name).exists()), None)


def header_beside(path: Path) -> Path | None:
    """Return the file with the header of an image whose pixels, alone, are in the file that is named."""
    extension = extension_of(path)
    ending = FORMATS[extension].header if extension else ""
    if not ending:
        return None
    beside = [path.with_name(path.name[: -len(extension)] + end) for end in (ending, ending.upper(), f"{ending}.gz")]
    return next((file for file in beside if file.exists()), None)


def parse_header(path: Path) -> Header:
    """Return what the header of an image file says, without reading the pixels.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The header is not that of a plain image of the format that the extension names, or `x.nii` lies
            beside `x.nii.gz`.
    """
    parse = format_of(path).parse
    if parse is None:
        invalid_file(path, "its header is not parsed without its data")
    # Asked for `x.nii.gz`, ITK's NIfTI reader takes the pixels of `x.nii` beside it (ITK #2243, nifti_clib #129).
    if parse is parse_nifti and (twin := twin_of(path)) is not None:
        invalid_file(path, f"{twin.name} lies beside it, and readers confuse the two")
    check_regular(path)
    return parse(path)
