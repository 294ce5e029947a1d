"""Archives of NumPy (`.npz`): one array, or the probabilities of a segmentation of nnU-Net; nothing is unpickled."""

import errno
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images.header import check_regular, invalid_file
from mia_functional.images.npy import MAX_AXES, grid_of_array
from mia_functional.typing import HostArray, Spacing

__all__ = ["archive_names", "load_member", "load_npz", "load_probabilities"]

_NAMES = ("probabilities", "softmax")
"""The array of nnU-Net 2, and that of nnU-Net 1."""


def load_npz(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the only array of an archive, on a grid of that spacing, or 1 everywhere."""
    names = archive_names(path)
    if len(names) != 1:
        invalid_file(path, f"it holds the arrays {', '.join(names) or 'of nothing'}; one is read")
    array = load_member(path, names[0], max_bytes)
    return array, grid_of_array(array, spacing)


def load_probabilities(path: Path, max_bytes: int) -> HostArray:
    """Return the floats of an archive: its `probabilities` or `softmax`, or the only array that it has."""
    names = archive_names(path)
    chosen = [name for name in _NAMES if name in names] or names
    if len(chosen) != 1:
        invalid_file(path, f"it holds the arrays {', '.join(names) or 'of nothing'}; `probabilities` is read")
    array = load_member(path, chosen[0], max_bytes)
    if array.dtype.kind != "f" or not 2 <= array.ndim <= 4:
        reason = "floats of up to three axes and channels are read"
        invalid_file(path, f"it holds {array.dtype} of shape {array.shape}; {reason}")
    return array


def archive_names(path: Path) -> list[str]:
    """Return the names of the arrays in an archive, in its order; raise if one is there twice."""
    check_regular(path)
    with _reading(path), zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if len(set(names)) < len(names):
        invalid_file(path, f"it holds the arrays {', '.join(names)}, one of them twice")
    return names


def load_member(path: Path, name: str, max_bytes: int) -> HostArray:
    """Return the array of a name in an archive."""
    with _reading(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
        shape, fortran, dtype = _read_array_header(path, stream)
        # What is inflated is limited by what the header says, which is limited before. Objects are pickles.
        count = math.prod(shape)
        if dtype.kind not in "biuf" or dtype.itemsize > 8 or count < 1 or not 1 <= len(shape) <= MAX_AXES:
            invalid_file(path, f"it holds {dtype} of shape {shape}; arrays of integers and floats are read")
        if count * dtype.itemsize > max_bytes:
            invalid_file(path, f"the array takes {count * dtype.itemsize} bytes, and `max_bytes` is {max_bytes}")
        data = bytearray(stream.read(count * dtype.itemsize + 1))
    if len(data) != count * dtype.itemsize:
        invalid_file(path, f"its header announces {count} numbers, and its size does not fit them")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong within an archive into the error of an invalid file."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        # A place before the beginning of the file is an invalid argument of the system.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        invalid_file(path, "it is not an archive of NumPy, or damaged")


def _read_array_header(path: Path, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and dtype of the array that a stream goes on with."""
    try:
        version = np.lib.format.read_magic(stream)
        parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return parse(stream)
    # NumPy evaluates the header as a Python literal and lets errors of Python's own parser through.
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError):
        invalid_file(path, "its header is damaged")
