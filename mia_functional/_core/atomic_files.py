"""Files that are complete under their name or absent: written beside their place, flushed, then renamed."""

import os
import tempfile
from pathlib import Path


def flush(path: Path) -> None:
    """Force a file, or where the system can the names in a folder, to the disk."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(function: str, path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text file in one step, in the encoding UTF-8.

    Args:
        function: Name for messages.
        path: Where to; the folder must exist.
        text: What it will hold.
        overwrite: Replace a file that is there already.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        FileNotFoundError: There is no such folder.
        OSError: The file could not be written.
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(f"{function}: {path} exists already.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{function}: the folder {path.parent} does not exist.")
    with tempfile.TemporaryDirectory(prefix=".mia-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        draft.write_text(text, encoding="utf-8", newline="")
        flush(draft)
        draft.replace(path)
    flush(path.parent)
