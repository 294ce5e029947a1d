"""Files of probabilities beside those of predictions: which belongs to whom, and which channel is whose."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np

import mia_functional as mia
from mia_functional import _array
from mia_functional._core import checks
from mia_functional.evaluation.file_pairs import files_by_subject
from mia_functional.evaluation.requests import Request
from mia_functional.geometry import Geometry, differences
from mia_functional.images.files import MAX_BYTES
from mia_functional.images.npz import load_probabilities
from mia_functional.typing import Align, HostArray

__all__ = ["probability_files", "read_probabilities"]


def probability_files(function: str, location: str | os.PathLike[str]) -> Mapping[str, str]:
    """Return the file of probabilities of every subject: of a folder its `.npz` files, or if it has none its images."""
    folder = Path(location)
    archives = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    if archives:
        return {path.stem: str(path) for path in archives if not path.name.startswith(".")}
    return files_by_subject(function, "probabilities", location, None)


def read_probabilities(
    asked: Request,
    path: str,
    *,
    read_channels: Callable[[str], tuple[HostArray, Geometry]],
    predicted_grid: Geometry,
    grid: Geometry,
    align: Align,
) -> HostArray:
    """Return the probabilities of what is asked for, on the grid of the reference.

    Args:
        asked: Labels or channels.
        path: Archive of NumPy, on the grid of the prediction and with channels in front as nnU-Net writes it or behind;
            or an image.
        read_channels: Reads an image with channels behind.
        predicted_grid: The grid of the prediction.
        grid: The grid of the reference.
        align: As for the prediction.
    """
    own = predicted_grid
    if path.endswith(".npz"):
        array = load_probabilities(Path(path), MAX_BYTES)
        if array.shape[1:] == own.shape:
            array = np.moveaxis(array, 0, -1)
        elif array.shape == own.shape:
            array = array[..., None]
        elif array.shape[:-1] != own.shape:
            _refuse_file(asked, path, f"have the shape {own.shape} of the prediction, and channels", array.shape)
    else:
        array, own = read_channels(path)
        array = array[..., None] if array.ndim == len(own.shape) else array
    if _array.dtype_kind(array) != "float":
        _refuse_file(asked, path, "hold floats", f"dtype {array.dtype}")
    chosen = _channels_of(asked, path, array)
    if not differences(own, grid):
        return chosen
    needed = f"lie on the grid of the reference ({path})"
    with checks.speaking_for(asked.function, "align_onto", "reorient_onto", "resample_onto", geometry="probabilities"):
        align_onto = mia.transforms.alignment.align_onto  # imported here, as most files lie on the grid
        moved: HostArray = align_onto(chosen, own, grid, align=align, role="image", requirement=needed)
    return moved


def _channels_of(asked: Request, path: str, array: HostArray) -> HostArray:
    """Return the channels that are asked for, without that of the background if no label is."""
    number = array.shape[-1]
    if asked.channels is not None:
        if number <= max(asked.channels):
            _refuse_file(asked, path, f"have the channels {asked.channels}", number)
        return array
    if asked.labels is None:
        if number > 2:
            _refuse_file(asked, path, "have one channel, or two of which the first is the background", number)
        return array[..., -1]
    count = len(asked.labels)
    has_background = any(0 in (label if isinstance(label, tuple) else (label,)) for label in asked.labels)
    if number != count and (number != count + 1 or has_background):
        needed = f"have {count} channels, one for each label, or one more in front for a background that is no label"
        _refuse_file(asked, path, needed, number)
    return array[..., number - count :]


def _refuse_file(asked: Request, path: str, needed: str, actual: object) -> NoReturn:
    """Raise for a file of probabilities that does not fit."""
    checks.invalid_value(asked.function, "probabilities", needed, f"{actual} ({path})")
