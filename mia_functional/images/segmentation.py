"""Segmentations with names: read and written in the formats that have them.

The examples write into `folder`, an empty one given as a `pathlib.Path`.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from mia_functional._core import atomic_files, checks
from mia_functional.geometry import Geometry
from mia_functional.images._dicom.header import read_object
from mia_functional.images._dicom.series import lone_object, series_geometry
from mia_functional.images._dicom.structures import (
    BETWEEN,
    OVERLAPS,
    Between,
    ContourOverlap,
    ContourRules,
    load_structures,
)
from mia_functional.images.files import MAX_BYTES, read_geometry
from mia_functional.images.formats import FORMATS, extension_of, format_of, is_series
from mia_functional.images.rasterisation import RULES, Rule
from mia_functional.images.segments import Reference, Segment, Segmentation, SegmentRequest

__all__ = ["read_segmentation", "read_segments", "read_structures", "write_segmentation"]


@checks.speaking_for("read_segmentation", "read", "read_geometry")
def read_segmentation(
    path: str | os.PathLike[str],
    reference: str | os.PathLike[str] | Geometry | None = None,
    *,
    channels: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Segmentation:
    """Read (load) a segmentation with the names of its segments: of DICOM, of 3D Slicer, or labels of OME-Zarr.

    Args:
        path: A file of a format with segments: `.seg.nrrd`; `.dcm`, or any other name if the file begins as DICOM asks;
            a label image of OME-Zarr (`x.ome.zarr/labels/organs`), or an image with one beside it; a preprocessed
            segmentation of nnU-Net (`_seg.b2nd`, `.npz`), whose names are those of `dataset.json`.
        reference: The grid on which the segments are returned: a folder with the DICOM series that they were drawn on,
            an image file, or a geometry. By default it is the grid that the file itself states, which may end with the
            last slice in which there is something. The contours of an RT structure set have none, so that it is needed;
            `read_structures` has options for them.
        channels: Return a channel for each segment, also where they do not overlap.
        max_bytes: Largest array in bytes of memory.

    Returns:
        The array, the segments, and the geometry. The array is a label map of the smallest unsigned integers that hold
        the labels, which are the numbers of the segments (of `.seg.nrrd` their values; or, where these begin again in
        each layer, 1 to the number of segments); uint8 channels where segments overlap or `channels` is true;
        and float32 channels where the file holds fractions.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package that decodes the format is not installed.
        ValueError: The format has no segments; the file is damaged, contradicts itself, is larger than `max_bytes`, or
            does not lie on the voxels of `reference`. Of `.seg.nrrd`: it holds surfaces, fractions, or layers of which
            it does not say what they are.

    Agrees with:
        highdicom for DICOM segmentations (`get_volume`), whose volumes run from the last slice to the first, and begin
        and end with the slices in which there is something.

    Differs from:
        slicerio for `.seg.nrrd`: names are Unicode, of which slicerio 1.4.0 with pynrrd 1.1.3 leaves the letters of
        ASCII, and files from before 3D Slicer 4.11 have their layers. Extents of segments are not looked at, as
        versions of 3D Slicer have written wrong ones; a voxel with a value of no segment is background.
    """
    checks.booleans("read_segmentation", channels=channels)
    file = Path(checks.path_text("read_segmentation", "path", path))
    checks.number("read_segmentation", "max_bytes", max_bytes)
    load = format_of(file).load_segments
    if load is None:
        _no_segments("read_segmentation", file)
    return load(file, SegmentRequest(_reference("read_segmentation", reference), channels, max_bytes))


@checks.speaking_for("read_structures", "read", "read_geometry")
def read_structures(
    path: str | os.PathLike[str],
    reference: str | os.PathLike[str] | Geometry,
    *,
    rule: Rule = "pixel_centre",
    between: Between = "error",
    overlapping: ContourOverlap = "error",
    names: Collection[str] | None = None,
    channels: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Segmentation:
    """Read (load) the structures of a DICOM RT structure set (RTSTRUCT) onto a grid: contours to masks.

    A point of a plane is inside if a ray from it crosses the contours an odd number of times (even-odd): a contour
    within another one is a hole, whether it is drawn by itself, as a keyhole or as CLOSEDPLANAR_XOR.
    `read_segmentation` does the same with the defaults.

    Args:
        path: A file with an RT structure set.
        reference: The grid: a folder with the DICOM series that the contours were drawn on, an image file, or a
            geometry. Planes of contours have to be slices of it, along any of its axes.
        rule: Which pixels are inside. `"pixel_centre"`: those whose centre is; one on an edge counts if the inside is
            towards higher columns, or rows, so that neighbours share no pixel. `"pixel_centre_or_edge"`: also all whose
            centre is on an edge, for contours that run through the centres of the outermost pixels, as those of OpenCV
            do. `"area_fraction"`: those of which half the area or more is inside.
        between: What becomes of contours that are more than a tenth of the distance of slices from any, and of slices
            between contours that were drawn on every second slice or so. `"error"`: both are refused. `"empty"`: there
            is nothing in such slices; such contours are refused. `"nearest"`: a slice has the contours of the nearest
            plane, to half the usual distance of planes beyond the last one. `"interpolate"`: between two planes it has
            the shape whose signed distances are the mean of theirs. Gaps that are half as large again as usual stay
            gaps.
        overlapping: What becomes of contours of one structure in one plane that overlap in part. `"error"`: they are
            refused. `"union"`: what any contour of that plane contains is inside, holes too. `"exclusive"`: even-odd,
            as for CLOSEDPLANAR_XOR, for which this is always so.
        names: Names of the structures that are read, so that others may be anything; all by default.
        channels: As in `read_segmentation`.
        max_bytes: As in `read_segmentation`.

    Returns:
        As from `read_segmentation`. Labels are the numbers of the structures (ROI numbers) if all are within 1 to
        65535, else 1, 2 ... in the order of the file. Structures without contours are empty; contours of one or two
        points have no area, but may be on pixel centres.

    Warns:
        UserWarning: Structures consist of points or open lines, and are left out; contours reach beyond the grid.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: pydicom is not installed.
        ValueError: The file is no RT structure set, or is damaged; its contours are in another frame of reference than
            the series, not in planes of its slices, or all beyond the grid; it lacks one of `names`; or what `between`
            and `overlapping` refuse.

    Source:
        DICOM PS3.3, C.8.8.6. Interpolation: Raya and Udupa 1990, doi 10.1109/42.52980.

    Agrees with:
        rt-utils 1.2.7 by `rule="pixel_centre_or_edge"`, to the voxel, for the contours that it draws around masks of
        square pixels. plastimatch 1.10.0 by the default, but that it fills holes that are contours of their own, and
        leaves structures of CLOSEDPLANAR_XOR out.
    """
    checks.booleans("read_structures", channels=channels)
    file = Path(checks.path_text("read_structures", "path", path))
    if isinstance(names, str):
        checks.invalid_kind("read_structures", "names", "be a collection of names", repr(names))
    checks.one_of("read_structures", "rule", rule, RULES)
    checks.one_of("read_structures", "between", between, BETWEEN)
    checks.one_of("read_structures", "overlapping", overlapping, OVERLAPS)
    checks.number("read_structures", "max_bytes", max_bytes)
    request = SegmentRequest(_reference("read_structures", reference), channels, max_bytes)
    return load_structures(read_object(file), request, rules=ContourRules(rule, between, overlapping, names))


@checks.speaking_for("read_segments", "read")
def read_segments(path: str | os.PathLike[str]) -> tuple[Segment, ...] | None:
    """Return the segments of a file, with names and coded properties, from its header alone; None if it has none.

    Args:
        path: Any image file that `read` reads.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The extension is unknown, or the header is damaged.
    """
    file = Path(checks.path_text("read_segments", "path", path))
    if is_series(file):
        return None
    list_segments = format_of(file).segments
    return None if list_segments is None else list_segments(file)


@checks.speaking_for("write_segmentation", "read", "read_geometry")
def write_segmentation(
    path: str | os.PathLike[str],
    segmentation: Segmentation,
    reference: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write (save) a segmentation with the names of its segments; under its name it is complete or absent.

    DICOM has a type of segmentation for each array: label maps whose labels are 1, 2, 3 and so on, and channels of 0
    and 1, are BINARY, which most viewers read; label maps with other labels are LABELMAP; and channels of fractions are
    FRACTIONAL, in steps of 1 / 255. It requires an `algorithm_type` of each segment and, unless that is `"MANUAL"`, the
    name of an `algorithm`. Segments without codes are of the category and type `Tissue`.

    Args:
        path: Where to; the extension chooses the format, as in `read_segmentation`. The folder must exist.
        segmentation: A label map or channels, the segments and the grid.
        reference: A folder with the DICOM series that was segmented, or an enhanced object with all of its slices as
            frames, on whose grid the segmentation has to lie; needed for `.dcm`, whose patient, study and frame of
            reference are those of the series. For `.seg.nrrd` any image, of which the segmentation may be a part. For
            `.zarr` one of the same grid.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        FileNotFoundError: There is no such folder.
        ImportError: The package that writes the format is not installed.
        OSError: The file could not be written completely.
        ValueError: The format has no segments, or cannot hold this segmentation; or it does not lie on the grid of
            `reference`.

    Example:
        >>> import numpy as np
        >>> grid = Geometry(shape=(1, 2, 3), spacing=(3.0, 1.0, 1.0))
        >>> both = Segmentation(np.ones((1, 2, 3, 2), np.uint8), (Segment(label=1, name="organ"),
        ...                     Segment(label=2, name="tumour")), grid)
        >>> write_segmentation(folder / "both.seg.nrrd", both)
        >>> found = read_segmentation(folder / "both.seg.nrrd")
        >>> found.array.shape, [segment.name for segment in found.segments]
        ((1, 2, 3, 2), ['organ', 'tumour'])
    """
    checks.booleans("write_segmentation", overwrite=overwrite)
    file = Path(checks.path_text("write_segmentation", "path", path))
    checks.require_instance("write_segmentation", "segmentation", segmentation, Segmentation, "a segmentation")
    save = FORMATS[extension_of(file)].write_segments if extension_of(file) else None
    if save is None:
        _no_segments("write_segmentation", file)
    place = _reference("write_segmentation", reference)
    with atomic_files.atomic_write("write_segmentation", file, overwrite=overwrite) as draft:
        save(draft, segmentation, place)


def _reference(function: str, reference: str | os.PathLike[str] | Geometry | None) -> Reference | None:
    """Return the grid that a reference stands for, and the folder with its series."""
    if reference is None:
        return None
    if isinstance(reference, Geometry):
        return Reference(reference)
    with checks.speaking_for(function, "read", path="reference"):
        path = Path(checks.path_text("read", "path", reference))
        if not is_series(path):
            is_object = format_of(path) is FORMATS[".dcm"]
            return Reference(read_geometry(path), path if is_object else None)
        # A series may be a single object with a frame for each slice.
        only = lone_object(path)
        return Reference(series_geometry(path, None), path) if only is None else Reference(read_geometry(only), only)


def _no_segments(function: str, path: Path) -> NoReturn:
    """Raise the error of a file whose format has no segments that can be read, or written."""
    field = "load_segments" if function == "read_segmentation" else "write_segments"
    options = ", ".join(extension for extension, row in FORMATS.items() if getattr(row, field) is not None)
    checks.invalid_value(function, "path", f"end in {options}, whose files name segments", path)
