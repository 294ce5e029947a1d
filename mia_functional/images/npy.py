"""NumPy's own files (`.npy`): an array without a place in the world, read without unpickling anything."""

import math
import tokenize
from pathlib import Path

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.header import check_regular, invalid_file
from mia_functional.typing import HostArray, Spacing

__all__ = ["MAX_AXES", "grid_of_array", "load_npy", "load_npy_array"]

MAX_AXES = 32
"""Most axes of an array: HDF5 stores no more, and NumPy makes none of more than 64."""


def load_npy(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the array of a `.npy` file that is complete to the byte, on a grid of that spacing, or 1 everywhere."""
    array = load_npy_array(path, max_bytes)
    return array, grid_of_array(array, spacing)


def grid_of_array(array: HostArray, spacing: Spacing | None) -> Geometry:
    """Return the grid of the first three axes at most of an array without a place, of that spacing, or 1 everywhere."""
    ndim = min(array.ndim, 3)
    steps = (1.0,) * ndim if spacing is None else checks.spacing("read", spacing, ndim)
    return Geometry(shape=array.shape[:ndim], spacing=steps)


def load_npy_array(path: Path, max_bytes: int) -> HostArray:
    """Return the array of a `.npy` file that is complete to the byte, of any number of axes."""
    check_regular(path)
    with path.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = parse(stream)
        # NumPy evaluates the header as a Python literal and lets errors of Python's own parser through.
        except (ValueError, OSError, TypeError, SyntaxError, tokenize.TokenError):
            invalid_file(path, "it is not a NumPy file, or its header is damaged")
        # Objects are pickles, which run code (CVE-2019-6446); the limit of 8 bytes excludes longdouble.
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            invalid_file(path, f"it holds {dtype}; integers, floats and booleans are read")
        if not shape or 0 in shape:
            invalid_file(path, f"it holds {'no numbers' if shape else 'a single number'}; arrays are read")
        if len(shape) > MAX_AXES:
            invalid_file(path, f"it holds {len(shape)} axes; up to {MAX_AXES} are read")
        count = math.prod(shape)
        nbytes = count * dtype.itemsize
        if nbytes > max_bytes:
            invalid_file(path, f"the array takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
        if stream.tell() + nbytes != path.stat().st_size:
            invalid_file(path, f"its header announces {count} numbers, and its size does not fit them")
        array: HostArray = np.fromfile(stream, dtype, count).reshape(shape, order="F" if fortran else "C")
    return array
