"""Images that are opened without being read: any part comes from the chunks in which it lies.

The example writes into `folder`, an empty one given as a `pathlib.Path`.
"""

import os
from pathlib import Path

from mia_functional._core import checks
from mia_functional.images.files import MAX_BYTES
from mia_functional.images.formats import FORMATS, format_of, is_series
from mia_functional.images.stored_images import OpenRequest, StoredImage
from mia_functional.typing import Affine, Spacing

__all__ = ["open"]


@checks.speaking_for("open", "read")
def open(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    affine: Affine = None,
    spacing: Spacing | None = None,
) -> StoredImage:
    """Open an image in chunks without reading it: OME-Zarr or NIfTI-Zarr, a level, or a label image beside an image.

    Args:
        path: As in `read`, of a format in chunks.
        max_bytes: Largest part, and largest chunk, in bytes of memory.
        affine: As in `read`.
        spacing: As in `read`.

    Returns:
        What `read` returns, to be read in parts: it has a `shape`, a `dtype` and a `geometry`, and `image[index]`
        returns a new array, of which only the chunks are read. `extraction.extract` and sliding windows take it as they
        take arrays. It holds no open files: it can be pickled, and used in threads and forked processes.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The format is not one in chunks, or as in `read`, for what the metadata show. Chunks are checked
            when they are read.

    Example:
        >>> import numpy as np
        >>> from mia_functional.geometry import Geometry
        >>> from mia_functional.images import write
        >>> grid = Geometry(shape=(40, 50, 60), spacing=(3.0, 1.0, 1.0))
        >>> write(folder / "image.ome.zarr", np.ones((40, 50, 60), np.int16), grid)
        >>> image = open(folder / "image.ome.zarr")
        >>> image.shape, image.geometry == grid, image[10:20, :, 5].shape
        ((40, 50, 60), True, (10, 50))
    """
    file = Path(checks.path_text("open", "path", path))
    checks.number("open", "max_bytes", max_bytes)
    checks.one_of("open", "affine", affine, ("sform", "qform"), optional=True)
    row = None if is_series(file) else format_of(file)
    if row is None or row.open is None:
        options = ", ".join(extension for extension, row in FORMATS.items() if row.open is not None)
        checks.invalid_value("open", "path", f"end in {options}, or lead into such a folder", file)
    return row.open(file, OpenRequest(max_bytes, affine, spacing))
