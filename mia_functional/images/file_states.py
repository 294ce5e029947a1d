"""What tells whether the file of an image is still the same, without reading its pixels."""

from pathlib import Path

from mia_functional.images._zarr.metadata import ZARR_FILES
from mia_functional.images.formats import is_chunked, parse_header

__all__ = ["detached_pixels", "file_states", "metadata_beside"]


def file_states(path: Path) -> list[tuple[int, int]]:
    """Return size and time of change, in nanoseconds, of all files that an image is in: a folder has several.

    They stand for the content, which would take as long to read as the image.
    """
    # A link that leads nowhere is no part of any image.
    inner = (file for file in sorted(path.rglob("*")) if file.exists())
    files = (path, *inner, *detached_pixels(path), *metadata_beside(path))
    return [(state.st_size, state.st_mtime_ns) for state in (file.stat() for file in files)]


def detached_pixels(path: Path) -> list[Path]:
    """Return the file with the pixels, if the header at `path` names another, or that with their header."""
    try:
        header = parse_header(path)
    except (OSError, ValueError):  # a folder, or a format of the user's own, which only their `load` reads
        return []
    return [file for file in (header.path, header.data) if file != path][:1]


def metadata_beside(path: Path) -> list[Path]:
    """Return the files with the metadata of an image in chunks: those in its folder, and above it in its store."""
    if not is_chunked(path):
        return []
    names = (*ZARR_FILES, ".zattrs")
    # From the level up to the folder that bears the extension.
    inside = [
        folder for folder in path.parents if any(up.name.lower().endswith(".zarr") for up in (folder, *folder.parents))
    ]
    return [folder / name for folder in (path, *inside) for name in names if (folder / name).exists()]
