"""Label maps out of files: one whole number for each voxel, whatever type it is stored in.

The example writes into `folder`, an empty one given as a `pathlib.Path`.
"""

import os
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.files import MAX_BYTES, read
from mia_functional.images.formats import FORMATS, extension_of
from mia_functional.typing import Affine, HostArray, Spacing

__all__ = ["label_map", "read_labels"]

_MAX_ROUNDING = 1e-3
"""How far a label may lie from a whole number: slopes of files are stored in single precision."""


@checks.speaking_for("read_labels", "read", "label_map")
def read_labels(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    affine: Affine = None,
    spacing: Spacing | None = None,
) -> tuple[HostArray, Geometry]:
    """Read (load) a label map (segmentation, mask): the whole numbers that a file means, one for each voxel.

    Args:
        path: As in `read`.
        max_bytes: As in `read`.
        affine: As in `read`.
        spacing: As in `read`.

    Returns:
        As from `read`, but always of shape `(*spatial,)` and never of floats: integers and booleans are as they are in
        the file; floats, scaled integers among them, become int32, or int64 if a label needs it, if all lie within
        0.001 of a whole number. A warning says so where one was not whole. Of preprocessed cases of nnU-Net in archives
        it is the segmentation beside the image; where they have -1, for what is empty around the body, it has 0.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: As in `read`; or the file has several channels, such as layers of segments that overlap, or holds
            numbers that are no labels: fractions, NaN, or floats so large (2^24 in single precision) that they do not
            tell neighbouring whole numbers apart.

    Example:
        >>> from mia_functional.images import write
        >>> grid = Geometry(shape=(1, 3), spacing=(1.0, 1.0))
        >>> write(folder / "labels.mha", np.array([[0.0, 1.0, 2.0]]), grid)
        >>> read_labels(folder / "labels.mha")[0]
        array([[0, 1, 2]], dtype=int32)
    """
    file = Path(checks.path_text("read", "path", path))
    row = FORMATS.get(extension_of(file))
    if row is not None and row.load_labels is not None:
        checks.number("read", "max_bytes", max_bytes)
        array, geometry = row.load_labels(file, max_bytes, spacing)
    else:
        array, geometry = read(file, max_bytes=max_bytes, affine=affine, spacing=spacing)
    return label_map(array, geometry, file), geometry


_invalid_labels = partial(checks.invalid_content, "label_map", "name a label map, with one whole number for each voxel")
"""Raise the error of the file at a path that is no label map, for a reason."""


def label_map(array: HostArray, geometry: Geometry, path: Path) -> HostArray:
    """Return what was read from `path` as a label map; raise unless it is one."""
    if array.shape[len(geometry.shape) :] not in ((), (1,)):
        _invalid_labels(path, _channels(array, path))
    row = FORMATS.get(extension_of(path))
    if row is not None and row.lossy:
        _invalid_labels(path, "its compression is lossy, which makes other labels along every border; write PNG")
    labels = array.reshape(geometry.shape)
    if labels.dtype.kind != "f":
        return labels
    if not np.isfinite(labels).all():
        _invalid_labels(path, "it holds NaN or infinite numbers")
    whole = np.rint(labels)
    gaps = np.abs(labels - whole)
    if (gap := float(gaps.max())) > _MAX_ROUNDING:
        fraction = float(labels.flat[int(gaps.argmax())])
        _invalid_labels(path, f"it holds {fraction:.6g}; probabilities have to be thresholded, other numbers rounded")
    largest = float(max(whole.max(), -whole.min()))
    if largest >= 2 ** (np.finfo(labels.dtype).nmant + 1):
        _invalid_labels(path, f"it holds {largest:.17g} as {labels.dtype}, which rounds such numbers; store integers")
    if gap:
        warnings.warn(f"{path} holds labels that are {gap:.2g} off whole numbers: they are rounded.", stacklevel=2)
    return whole.astype(np.int32 if largest < 2**31 else np.int64)


def _channels(array: HostArray, path: Path) -> str:
    """Return what the channels of a file are, in words."""
    row, count = FORMATS.get(extension_of(path)), array.shape[-1]
    if count == 3 and row is not None and row.colours:
        return "it holds colours; give every colour a label of its own, and write a file of one channel"
    if row is not None and row.segments is not None and row.segments(path):
        return f"its {count} segments overlap or are fractions; `read_segmentation` returns a channel for each of them"
    return f"it has {count} channels; write each one that is a label map to a file of its own"
