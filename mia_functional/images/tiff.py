"""TIFF files: one page, or pages as slices, of grey levels, labels or colours, decoded by tifffile and imagecodecs.

The files of ImageJ and OME are understood, as they say which page is what and how large a pixel is.
"""

import itertools
import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mia_functional._core import optional
from mia_functional.geometry import Geometry
from mia_functional.images.header import (
    MAX_HEADER_BYTES,
    check_regular,
    check_spacing,
    invalid_file,
    known_millimetres,
    spacing_or_one,
)
from mia_functional.images.tiff_directories import Directories, read_directories
from mia_functional.typing import HostArray, Spacing

__all__ = ["load_tiff"]

_BLACK_IS_ZERO, _COLOURS, _PALETTE = 1, 2, 3
"""What the numbers of pixels are (PhotometricInterpretation)."""

_LOSSLESS = {1: "none", 5: "LZW", 8: "Deflate", 32946: "Deflate", 32773: "PackBits", 50000: "Zstandard"}
"""How pixels may be compressed: ways that give back what was stored, and whose decoders take an upper limit."""

_UNSPECIFIED = 0
"""The kind of further numbers of a pixel that are not an alpha channel (ExtraSamples)."""

_DEPTH, _CHANNEL = "ZQI", "CS"
"""tifffile's letters for axes: slices, and pages of which nothing is said; channels, and samples of a pixel."""

_VENDORS = (
    "lsm", "mmstack", "ndtiff", "fluoview", "stk", "sis", "svs", "scn", "qpi", "ndpi", "bif", "avs", "eer", "philips",
    "scanimage", "nih", "mdgel", "micromanager", "metaseries",
)  # fmt: skip
"""Kinds of files that tifffile would read in ways of their own, other files with them: none is asked for."""

_PRINTED = (72, 96, 100, 120, 150, 200, 240, 300, 400, 600, 1200, 2400)
"""Dots per inch of screens and printers, which programs write without having measured anything."""


def load_tiff(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the pixels of a TIFF file, with channels last, on the grid that it states.

    Without a size of pixels that can be trusted (of OME, of ImageJ, or in dots per centimetre) the grid has the spacing
    that is given, or 1 everywhere. Pages are slices, unless the file says that they are channels.
    """
    check_regular(path)
    tifffile = optional.require("tifffile")
    # What it says of damaged files goes to handlers that users have, but not to standard error for want of one.
    if not tifffile.logger().handlers:
        tifffile.logger().addHandler(logging.NullHandler())
    optional.require("imagecodecs")  # whose decoders stop at the announced size; tifffile's own ones do not
    try:
        array, axes, stated = _decode_series(tifffile, path, max_bytes)
    except (OSError, MemoryError):
        raise
    # Damaged files end in whatever error the parser runs into; sentences of ours are those that name `path`.
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("read: `path`"):
            raise
        invalid_file(path, f"it is damaged, or no TIFF file ({type(error).__name__}: {error})".replace("\n", " "))
    order = [axes.index(letter) for letter in axes if letter not in _CHANNEL]
    channel = [axes.index(letter) for letter in axes if letter in _CHANNEL]
    array = np.ascontiguousarray(np.transpose(array, order + channel))
    shape = array.shape[: len(order)]
    if stated is None:
        return array, Geometry(shape=shape, spacing=spacing_or_one(path, spacing, len(shape)))
    if spacing is not None:
        check_spacing(path, spacing, stated)
    return array, Geometry(shape=shape, spacing=stated)


def _decode_series(tifffile: Any, path: Path, max_bytes: int) -> tuple[HostArray, str, Spacing | None]:
    """Return pixels, the letters of their axes, and the spacing along those of space if it is known."""
    directories = read_directories(path)
    _check_description(path, directories.description)
    if directories.kinds > 1:
        invalid_file(path, f"its {directories.pages} pages are of {directories.kinds} kinds; one kind is read")
    kinds = {f"is_{name}" for name in _VENDORS if name in tifffile.TIFF.FILE_FLAGS}
    # What is a property there cannot be switched off (SIS before 2026.2.24, SVS in 2026.11.8): neither opens others.
    flags = {kind: False for kind in kinds if not isinstance(getattr(tifffile.TiffFile, kind, None), property)}
    with tifffile.TiffFile(path, **flags) as opened:
        page = opened.pages[0]
        if _is_block(opened, page, directories):
            _check_kind(path, "I" + page.axes, page.dtype, page)
            shape = (directories.pages, *page.shape)
            if (nbytes := math.prod(shape) * page.dtype.itemsize) > max_bytes:
                invalid_file(path, f"the image takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
            stored = page.dtype.newbyteorder(opened.byteorder)
            block = np.fromfile(path, stored, math.prod(shape), offset=directories.starts[0]).reshape(shape)
            return block.astype(page.dtype, copy=False), "I" + page.axes, _spacing_of_page(opened, page, "IYX")
        if len(opened.series) != 1:
            invalid_file(path, f"it holds {len(opened.series)} stacks; one is read")
        series = opened.series[0]
        # All pages are of one kind.
        _check_kind(path, series.axes, series.dtype, series.keyframe)
        if series.nbytes > max_bytes:
            invalid_file(path, f"the image takes {series.nbytes} bytes, and `max_bytes` is {max_bytes}")
        _check_complete(path, series, directories)
        # One thread: evaluations and loaders have workers of their own.
        array = series.asarray(maxworkers=1)
        return array, series.axes, _spacing_of_page(opened, series.keyframe, series.axes)


def _is_block(opened: Any, page: Any, directories: Directories) -> bool:
    """Return whether the pixels of all pages are numbers that follow each other, and nothing is said of the pages.

    tifffile reads the directories of all such pages once more, though they are known to be alike. (It takes fewer than
    8 pages in another way.)
    """
    is_described = opened.is_ome or opened.is_imagej or opened.is_shaped
    if is_described or directories.pages < 8 or page.axes not in ("YX", "YXS"):
        return False
    follow = all(last - first == page.nbytes for first, last in itertools.pairwise(directories.starts))
    is_whole = directories.starts[0] > 0 and directories.fewest >= page.nbytes and page.dtype is not None
    return follow and is_whole and bool(page.is_final) and not page.subifds


def _check_description(path: Path, text: str) -> None:
    """Raise if the description of a file names other files, or is XML that may swell."""
    if len(text) > MAX_HEADER_BYTES:
        invalid_file(path, f"its description takes {len(text)} characters")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        invalid_file(path, "its description defines entities of XML, which are not read")
    others = set(re.findall(r"FileName=[\"']([^\"']*)[\"']", text)) - {path.name}
    if others or "BinaryOnly" in text:
        named = ", ".join(sorted(others)[:3]) or "another file"
        invalid_file(path, f"its pixels are in other files, too ({named}); write one file that has all of them")


def _check_kind(path: Path, axes: str, dtype: Any, page: Any) -> None:
    """Raise for axes or numbers that are neither grey levels nor labels nor plain colours; pages are like `page`."""
    depths, channels = ([letter for letter in axes if letter in letters] for letters in (_DEPTH, _CHANNEL))
    if "T" in axes:
        invalid_file(path, "it holds several time points; write each to a file of its own")
    is_known = sorted(axes) == sorted([*depths, *channels, "X", "Y"])
    if len(depths) > 1 or len(channels) > 1 or not is_known:
        invalid_file(path, f"its axes are {axes}; those of one stack of slices and one of channels are read")
    if dtype is None or dtype.kind not in "buif" or dtype.itemsize > 8:
        invalid_file(path, f"it holds {dtype}; integers, floats and booleans are read")
    if page.photometric == _PALETTE:
        text = "its pixels are places in a palette of colours; write the labels themselves, as grey levels"
        invalid_file(path, text)
    if page.photometric not in (_BLACK_IS_ZERO, _COLOURS):
        name = getattr(page.photometric, "name", page.photometric)
        invalid_file(path, f"its pixels are of the kind {name}; write grey levels, black as 0, or red, green and blue")
    if any(extra != _UNSPECIFIED for extra in page.extrasamples):
        invalid_file(path, "it has an alpha channel, whose meaning is not known; write it without")
    if page.compression not in _LOSSLESS:
        name = getattr(page.compression, "name", page.compression)
        known = ", ".join(dict.fromkeys(_LOSSLESS.values()))
        invalid_file(path, f"its compression is {name}; what is read is {known}")
    turned = page.tags.get("Orientation")
    if turned is not None and turned.value != 1:
        invalid_file(path, f"its first pixel is not at the top left (orientation {turned.value}); turn it, and write 1")
    if page.bitspersample not in (1, 8, 16, 32, 64):
        invalid_file(path, f"its numbers have {page.bitspersample} bits; 1, 8, 16, 32 and 64 are read")


def _check_complete(path: Path, series: Any, directories: Directories) -> None:
    """Raise unless tifffile reads the pixels of all pages, and all are in the file: it fills up with zeros."""
    kind, size = series.keyframe, path.stat().st_size
    if kind.compression == 1 and kind.bitspersample >= 8 and directories.fewest < kind.nbytes:
        invalid_file(path, "it is cut off: pages or pixels that it announces are not in it")
    numbers = directories.pages * math.prod(kind.shape)
    # ImageJ writes one page, and behind its pixels those of all others.
    if series.dataoffset is not None and series.dataoffset + series.nbytes > size:
        invalid_file(path, "pages that it announces are missing")
    if math.prod(series.shape) != numbers and (series.dataoffset is None or directories.pages > 1):
        invalid_file(path, f"tifffile finds {series.shape} numbers in it, and its pages have {numbers}")
    # What is read as one block has to be one.
    steps = [second - first for first, second in itertools.pairwise(directories.starts)]
    if series.dataoffset is not None and any(step != kind.nbytes for step in steps):
        invalid_file(path, "its description says that its pages follow each other, and they do not")


def _spacing_of_page(opened: Any, page: Any, axes: str) -> Spacing | None:
    """Return the millimetres between pixels along the axes of space, if a file says so in a way that can be trusted."""
    letters = [letter for letter in axes if letter not in _CHANNEL]
    if opened.is_ome:
        steps = _ome_steps(str(opened.ome_metadata))
    elif opened.is_imagej:
        steps = _imagej_steps(opened.imagej_metadata or {}, page)
    else:
        steps = _centimetre_steps(page)
    found = [steps.get("Z" if letter in _DEPTH else letter) for letter in letters]
    known = [step for step in found if step is not None and 0 < step < math.inf]
    return tuple(known) if len(known) == len(letters) else None


def _ome_steps(text: str) -> dict[str, float]:
    """Return the millimetres along X, Y and Z that OME's description states."""
    nodes = [node for node in ElementTree.fromstring(text).iter() if node.tag.endswith("Pixels")]
    steps = {}
    for pixels, letter in itertools.product(nodes[:1], "XYZ"):
        size = pixels.get(f"PhysicalSize{letter}")
        factor = known_millimetres(pixels.get(f"PhysicalSize{letter}Unit", "um"))
        if size is not None and factor is not None:
            steps[letter] = float(size) * factor
    return steps


def _imagej_steps(metadata: Mapping[str, Any], page: Any) -> dict[str, float]:
    """Return the millimetres along X, Y and Z that ImageJ's description and the resolution state."""
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "u")
    factor = known_millimetres(unit)
    # ImageJ takes the dots per inch of a picture over.
    if factor is None or unit.startswith("in"):
        return {}
    steps = {letter: factor / density for letter, density in _densities(page).items()}
    return steps | ({"Z": factor * abs(float(metadata["spacing"]))} if "spacing" in metadata else {})


def _centimetre_steps(page: Any) -> dict[str, float]:
    """Return the millimetres along X and Y of a resolution in centimetres that is not that of a screen or printer."""
    tag = page.tags.get("ResolutionUnit")
    densities = _densities(page)
    printed = any(abs(2.54 * density - dots) < 0.5 for density in densities.values() for dots in _PRINTED)
    return {} if tag is None or tag.value != 3 or printed else {k: 10 / density for k, density in densities.items()}


def _densities(page: Any) -> dict[str, float]:
    """Return the pixels per unit along X and Y."""
    densities = {}
    for letter in "XY":
        tag = page.tags.get(f"{letter}Resolution")
        if tag is not None and tag.value[0] > 0 and tag.value[1] > 0:
            densities[letter] = tag.value[0] / tag.value[1]
    return densities
