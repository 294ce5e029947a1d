"""`mia info`: what is in a dataset, or in an image file: the segments that it names, or else its grid."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional.cli.options import JSON, Command, Options

__all__ = ["INFO_COMMAND"]

_SEGMENT_COLUMNS = ("LABEL", "NAME", "TYPE", "ALGORITHM")


def _run_info(options: Options) -> None:
    """Print what is in a file."""
    path: Path = options.dataset
    # Datasets are files: a folder holds a DICOM series, or lies in a Zarr store.
    if mia.images.formats.extension_of(path) or path.is_dir() or mia.images._dicom.header.is_dicom(path):
        known = _image_contents(path)
        text = "" if options.json else _described_image(path, known)
    else:
        dataset = mia.dataset.open(path)
        known = mia.dataset.verification.dataset_contents(dataset) if options.json else {}
        text = "" if options.json else mia.dataset.info(dataset)
    print(json.dumps(mia.reporting.json_files.plain_data(known), indent=1) if options.json else text)


def _image_contents(path: Path) -> dict[str, Any]:
    """Return what an image file says of itself: its segments, or else its grid, and what else is in its store."""
    segments = mia.images.read_segments(path)
    if segments is not None:
        return {"file": str(path), "segments": segments}
    grid = mia.images.read_geometry(path)
    known: dict[str, Any] = {"file": str(path)}
    known |= {name: getattr(grid, name) for name in ("shape", "spacing", "origin", "direction")}
    if mia.images.formats.is_chunked(path) and path.is_dir():
        pyramid = mia.images.ome_zarr.find_pyramid(path)
        known |= {"levels": pyramid.levels, "label_images": mia.images.ome_zarr.label_images(pyramid)}
    return known


def _described_image(path: Path, known: Mapping[str, Any]) -> str:
    """Return what an image file says of itself, in lines."""
    if "segments" not in known:
        sizes, steps = (" x ".join(f"{entry:g}" for entry in known[name]) for name in ("shape", "spacing"))
        lines = [f"{path}: {sizes} voxels", f"spacing in mm: {steps}"]
        beside = {"levels": known.get("levels"), "label images": known.get("label_images")}
        lines += [f"{kind}: {_printable(', '.join(names))}" for kind, names in beside.items() if names]
        return "\n".join(lines)
    rows = [_SEGMENT_COLUMNS]
    for segment in known["segments"]:
        kinds = [code.meaning for code in (segment.modifier, segment.type) if code is not None]
        origin = " ".join(filter(None, (segment.algorithm_type.lower(), segment.algorithm)))
        rows.append((str(segment.label), segment.name, " ".join(kinds), origin))
    cells = [list(map(_printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([f"{path}: {len(known['segments'])} segments", *lines])


def _printable(text: str) -> str:
    """Return a text in which nothing moves the cursor, as what a stranger wrote might."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


INFO_COMMAND = Command(
    "info", "print what is in a dataset, or which segments a file names", _run_info, {
        "dataset": {"type": Path, "metavar": "FILE", "help": "dataset, or image file such as a DICOM segmentation"},
        **JSON,
    }, example="mia info cohort.h5",
)  # fmt: skip
