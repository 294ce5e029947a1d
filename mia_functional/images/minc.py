"""MINC 2 volumes (`.mnc`): HDF5 files that state where each axis starts, its step and its direction.

The rule followed is MINC's own, which nibabel and the MINC tools follow: the world is (R, A, S), and an axis starts
along its own direction. ITK (5.4) takes the world for its (L, P, S), both when it reads and when it writes, so that
what it wrote lies turned by half a turn about z for everybody else, and here, too.
"""

import math
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from mia_functional._core import optional
from mia_functional.geometry import Geometry
from mia_functional.images.hdf5_checks import BUILT_IN_FILTERS, endless_heap, linked_object, storage_fault
from mia_functional.images.header import (
    NiftiGrid,
    check_regular,
    check_spacing,
    invalid_file,
    millimetres,
    scaled_dtype,
)
from mia_functional.images.nifti_grid import nifti_geometry
from mia_functional.typing import HostArray, Spacing

__all__ = ["load_minc"]

_DIRECTIONS = {"xspace": (1.0, 0.0, 0.0), "yspace": (0.0, 1.0, 0.0), "zspace": (0.0, 0.0, 1.0)}
"""The directions of the axes of space, unless a file states others."""

_TIME, _CHANNELS = "time", "vector_dimension"

_MAX_VARYING = 2
"""Most axes along which the scale of integers may vary: slices, and times."""


class _Axis(NamedTuple):
    """What a file says of one axis."""

    start: float
    step: float
    direction: tuple[float, ...]


def load_minc(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the values of a MINC 2 file, on the grid that it states; axes are in the order of the file."""
    check_regular(path)
    with path.open("rb") as stream:
        magic = stream.read(8)
    if magic[:3] == b"CDF":
        invalid_file(path, "it is of MINC 1, which is not read; `mincconvert -2` makes MINC 2 of it")
    if magic != b"\x89HDF\r\n\x1a\n":
        invalid_file(path, "it is not a MINC 2 file")
    if endless_heap(path):
        invalid_file(path, "it is damaged: a list in it has no end")
    try:
        # Nothing waits for a lock: a file that is being written is not complete, and says so.
        with optional.require("h5py").File(path, "r", locking=False) as file:
            array, grid = _read_volume(path, file, max_bytes)
    except MemoryError:
        raise
    # Damaged files end in whatever error HDF5 runs into; sentences of ours are those that name `path`.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if str(error).startswith("read: `path`"):
            raise
        invalid_file(path, f"it is damaged, or no MINC 2 file ({type(error).__name__})")
    geometry = nifti_geometry(path, grid, None)
    if spacing is not None:
        check_spacing(path, spacing, geometry.spacing)
    return array, geometry


def _read_volume(path: Path, file: Any, max_bytes: int) -> tuple[HostArray, NiftiGrid]:
    """Return the values of an open file, and its axes."""

    def malformed(_: str, reason: str) -> NoReturn:
        invalid_file(path, reason)

    root = linked_object(file, "minc-2.0", malformed)
    level = linked_object(linked_object(root, "image", malformed), "0", malformed)
    image, lowest, highest = (_numbers_at(path, level, name) for name in ("image", "image-min", "image-max"))
    if image.nbytes > max_bytes:
        invalid_file(path, f"the image takes {image.nbytes} bytes, and `max_bytes` is {max_bytes}")
    if _text_of(path, image, "complete", "true_") == "false_":
        invalid_file(path, "it says that it is not complete")
    names = _text_of(path, image, "dimorder", "").split(",")[: image.ndim]
    space = names[names[:1] == [_TIME] : len(names) - (names[-1:] == [_CHANNELS])]
    if sorted(space) != sorted(_DIRECTIONS) or len(names) != image.ndim or 0 in image.shape:
        invalid_file(path, f"its axes are {','.join(names)}; those of space are read, time before, and channels behind")
    dimensions = linked_object(root, "dimensions", malformed)
    axes = {
        name: _axis_of(path, linked_object(dimensions, name, malformed), name, count)
        for name, count in zip(names, image.shape, strict=True) if name != _CHANNELS
    }  # fmt: skip
    sizes = dict(zip(names, image.shape, strict=True))
    channels = sizes.pop(_CHANNELS, 0)
    # NIfTI's order: the fastest axis comes first, and time last.
    order = space[::-1]
    steps = np.array([axes[name].step for name in order])
    directions = np.array([axes[name].direction for name in order])
    # An axis starts along its own direction, not at a point of the world.
    origin = np.array([axes[name].start for name in order]) @ directions
    pose = np.column_stack([directions.T * steps, origin])
    grid = NiftiGrid(
        size=(*(sizes[name] for name in order), *([sizes[_TIME]] if _TIME in sizes else [])),
        channels=channels or 1, interleaved=channels > 0, steps=tuple(np.abs(steps).tolist()), qfac=1.0, qform_code=0,
        qform=(), sform_code=1, sform=tuple(map(tuple, pose.tolist())), name="matrix of axes",
        time=(axes[_TIME].step, axes[_TIME].start) if _TIME in axes else (1.0, 0.0),
    )  # fmt: skip
    return _values_of(path, image, lowest, highest, max_bytes), grid


def _numbers_at(path: Path, group: Any, name: str) -> Any:
    """Return an HDF5 dataset of numbers, which can be read without a risk."""

    def malformed(_: str, reason: str) -> NoReturn:
        invalid_file(path, reason)

    stored = linked_object(group, name, malformed)
    if not isinstance(stored, optional.require("h5py").Dataset):
        invalid_file(path, f"{group.name}/{name} is not an array")
    fault = storage_fault(stored, kinds="iuf", filters=BUILT_IN_FILTERS, max_bytes=math.inf, max_chunked=1 << 62)
    if fault is None and stored.dtype.kind not in "iuf":
        fault = f"holds {stored.dtype} instead of numbers"
    if fault is not None:
        invalid_file(path, f"{group.name}/{name} {fault}")
    return stored


def _text_of(path: Path, item: Any, name: str, default: str) -> str:
    """Return an attribute of text."""
    if name not in item.attrs:
        return default
    # Attributes of variable length would be read from a heap, whose references HDF5 follows unchecked.
    attribute = item.attrs.get_id(name)
    if math.prod(attribute.shape or ()) != 1 or attribute.dtype.kind != "S":
        invalid_file(path, f"its attribute {name} is not a text of fixed length")
    return str(np.ravel(item.attrs[name])[0].decode("latin-1")).rstrip("\0 ")


def _numbers_of(path: Path, item: Any, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
    """Return an attribute of as many finite numbers as its default has."""
    if name not in item.attrs:
        return default
    attribute = item.attrs.get_id(name)
    count = math.prod(attribute.shape) if attribute.shape is not None else 0
    if count != len(default) or attribute.dtype.kind not in "iuf":
        invalid_file(path, f"its attribute {name} does not hold {len(default)} numbers")
    numbers = tuple(np.ravel(item.attrs[name]).astype(float).tolist())
    if not all(map(math.isfinite, numbers)):
        invalid_file(path, f"its attribute {name} is {numbers}")
    return numbers


def _axis_of(path: Path, item: Any, name: str, count: int) -> _Axis:
    """Return what a file says of an axis, in millimetres or seconds; raise if it contradicts the image."""
    # A name that is no text was another one: of the step, perhaps, without which it would be 1.
    if any(isinstance(key, bytes) for key in item.attrs):
        invalid_file(path, f"its {name} has an attribute whose name is damaged")
    (length,) = _numbers_of(path, item, "length", (float(count),))
    if length != count:
        invalid_file(path, f"its {name} states {length:g} voxels, and its image has {count}")
    if _text_of(path, item, "spacing", "regular__").startswith("irregular"):
        invalid_file(path, f"its {name} is not spaced regularly")
    (start,), (step,) = _numbers_of(path, item, "start", (0.0,)), _numbers_of(path, item, "step", (1.0,))
    if step == 0 or (name == _TIME and step < 0):
        invalid_file(path, f"its {name} has the step {step:g}")
    if name == _TIME:
        return _Axis(start, step, ())
    direction = _numbers_of(path, item, "direction_cosines", _DIRECTIONS[name])
    if abs(math.hypot(*direction) - 1) > 1e-3:
        invalid_file(path, f"its {name} has the direction {direction}, which is not of length 1")
    factor = millimetres(path, f"units of {name}", _text_of(path, item, "units", "mm"))
    return _Axis(start * factor, step * factor, direction)


def _values_of(path: Path, image: Any, lowest: Any, highest: Any, max_bytes: int) -> HostArray:
    """Return values: floats as stored, integers on the scale that maps their valid range to lowest and highest value.

    Integers outside of the range count as its ends, as nibabel has it.
    """
    stored = image.dtype.newbyteorder("=")
    numbers = np.empty(image.shape, stored)
    if stored.kind == "f":
        image.read_direct(numbers)
        return numbers
    varying = len(lowest.shape)
    orders = [_text_of(path, item, "dimorder", "").split(",")[:varying] for item in (image, lowest, highest)]
    if varying and not orders[0] == orders[1] == orders[2]:
        invalid_file(
            path, f"its lowest and highest values vary along {orders[1:]}, and its axes begin with {orders[0]}"
        )
    if lowest.shape != highest.shape or lowest.shape != image.shape[:varying] or varying > _MAX_VARYING:
        invalid_file(path, f"it states lowest values {lowest.shape} and highest {highest.shape} of {image.shape}")
    limits = np.iinfo(stored)
    first, last = _numbers_of(path, image, "valid_range", (float(limits.min), float(limits.max)))
    if not limits.min <= first < last <= limits.max:
        invalid_file(path, f"its valid_range is {first:g} to {last:g} of {stored}")
    lower, upper = np.asarray(lowest[()], np.float64), np.asarray(highest[()], np.float64)
    slopes = (upper - lower) / (last - first)
    intercepts = lower - first * slopes
    if not (np.isfinite(slopes).all() and np.isfinite(intercepts).all()):
        invalid_file(path, "its lowest and highest values are not finite")
    plain = bool((slopes == 1).all() and (intercepts == 0).all())
    steepest, farthest = float(np.abs(slopes).max()), float(np.abs(intercepts).max())
    dtype = stored if plain else scaled_dtype(stored, (steepest or 1.0, farthest or 1.0))
    if (nbytes := image.size * dtype.itemsize) > max_bytes:
        invalid_file(path, f"the image takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
    image.read_direct(numbers)
    np.clip(numbers, stored.type(first), stored.type(last), out=numbers)
    if plain:
        return numbers
    values = np.empty(image.shape, dtype)
    for place in product(*map(range, image.shape[: max(varying, 1)])):
        at = place[:varying]
        values[place] = numbers[place] * slopes[at] + intercepts[at]
    return values
