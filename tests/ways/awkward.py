"""Calls of public functions on awkward arrays, with what NumPy or a search over all points gives as a definition.

One voxel, one plane, one and two axes, no channel, labels that are absent in one array or in both.
"""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import mia_functional as mia

from ..metrics import brute_force

SHAPES = {
    "one voxel": (1, 1, 1),
    "one plane": (1, 4, 3),
    "one column": (5, 1, 1),
    "two axes": (4, 3),
    "one axis": (6,),
}
EMPTY = {
    "no label": (False, False),
    "no prediction": (False, True),
    "no reference": (True, False),
    "both": (True, True),
}
SPACING = (3.0, 1.0, 0.5)


class Awkward(NamedTuple):
    """A call, its arrays, and what it has to give."""

    call: Callable[..., Any]
    arrays: tuple[NDArray[Any], ...]
    expected: Any


def pair(shape: tuple[int, ...], drawn: tuple[bool, bool]) -> tuple[NDArray[np.int32], ...]:
    """Return two masks, each of which is empty unless it is drawn: then every other voxel is in it."""
    first = np.arange(math.prod(shape)).reshape(shape) % 2 == 0
    second = np.arange(math.prod(shape)).reshape(shape) % 3 == 0
    return tuple((mask & full).astype(np.int32) for mask, full in zip((first, second), drawn, strict=True))


def image(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return positive intensities, all different and in no order."""
    return np.random.default_rng(7).permutation(math.prod(shape)).reshape(shape).astype(np.float32) + 1


def _counts(prediction: NDArray[Any], reference: NDArray[Any]) -> tuple[int, ...]:
    """Return the four counts of two masks."""
    p, r = prediction > 0, reference > 0
    return tuple(int(np.count_nonzero(part)) for part in (p & r, p & ~r, ~p & r, ~p & ~r))


def _quotient(above: int, below: int) -> float:
    """Return a quotient, or NaN where there is nothing to divide by."""
    return float(Fraction(above, below)) if below else math.nan


def _surfaces(prediction: NDArray[Any], reference: NDArray[Any], spacing: tuple[float, ...]) -> tuple[float, ...]:
    """Return the Hausdorff distance and the mean distance over both surfaces, by a search over all elements."""
    both = brute_force.surface_pairs(prediction > 0, reference > 0, spacing, brute_force.surfel_elements)
    found = [entry for direction in both for entry in direction]
    empty = [not array.any() for array in (prediction, reference)]
    if any(empty):
        return (math.nan if all(empty) else math.inf,) * 2
    mean = sum(length * weight for length, weight in found) / sum(weight for _, weight in found)
    return max(length for length, _ in found), mean


def _distances(mask: NDArray[Any], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the distance of every voxel to the nearest one of a mask, by a search; infinite if there is none."""
    inside = list(zip(*np.nonzero(mask), strict=True))
    lengths = [brute_force.distance(voxel, inside, spacing) for voxel in np.ndindex(mask.shape)]
    return np.array(lengths).reshape(mask.shape)


def _mask_cases() -> dict[str, Awkward]:
    """Return calls with two masks, of all shapes and with all kinds of empty masks."""
    metrics = mia.metrics
    cases = {}
    for (size, shape), (kind, drawn) in itertools.product(SHAPES.items(), EMPTY.items()):
        spaced = {"spacing": SPACING[: len(shape)]}
        arrays = prediction, reference = pair(shape, drawn)
        tp, fp, fn, tn = _counts(prediction, reference)
        overlap = _quotient(2 * tp, 2 * tp + fp + fn)
        largest, mean = _surfaces(prediction, reference, spaced["spacing"])
        surfaces = {"hausdorff_distance": largest, "average_symmetric_surface_distance": mean}
        rows: dict[str, tuple[Callable[..., Any], Any]] = {
            "confusion_counts": (metrics.confusion_counts, (tp, fp, fn, tn)),
            "confusion_matrix": (
                lambda p, r: metrics.confusion_matrix(p, r, labels=(0, 1)).counts,
                [[tn, fn], [fp, tp]],
            ),
            "dice": (metrics.dice, overlap),
            "dice of labels": (partial(metrics.dice, labels=(1, 5)), [overlap, math.nan]),
            "sensitivity": (metrics.sensitivity, _quotient(tp, tp + fn)),
            "precision": (metrics.precision, _quotient(tp, tp + fp)),
            "accuracy": (metrics.accuracy, _quotient(tp + tn, tp + fp + fn + tn)),
            "reference_volume": (partial(metrics.reference_volume, **spaced), (tp + fn) * math.prod(spaced["spacing"])),
            **{name: (partial(getattr(metrics, name), **spaced), right) for name, right in surfaces.items()},
            "distance_transform": (
                lambda _, r, spaced=spaced: mia.morphology.distance_transform(r, **spaced),
                _distances(reference, spaced["spacing"]),
            ),
            "border": (lambda p, _: mia.morphology.border(p), _border(prediction)),
        }
        cases |= {f"{name}, {size}, {kind}": Awkward(call, arrays, right) for name, (call, right) in rows.items()}
    return cases


def _border(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the voxels of a mask that have a face neighbour outside."""
    found = np.zeros(mask.shape, bool)
    points, _ = brute_force.voxel_elements(mask > 0, SPACING[: mask.ndim])
    for point in points:
        found[point] = True
    return found


def _image_cases() -> dict[str, Awkward]:
    """Return calls with an image, with and without channels, of all shapes."""
    metrics, transforms = mia.metrics, mia.transforms
    cases = {}
    for (size, spatial), channels in itertools.product(SHAPES.items(), ((), (1,), (2,))):
        shape, axes = (*spatial, *channels), tuple(range(len(spatial)))
        x, whole = image(shape), {"axis": axes}
        y, reach = x[::-1].copy(), math.prod(spatial) - 1
        widths = [(1, 1)] * len(spatial) + [(0, 0)] * len(channels)
        low, high = np.min(x, axes, keepdims=True), np.max(x, axes, keepdims=True)
        mean, deviation = np.mean(x, axes, keepdims=True), np.std(x, axes, keepdims=True)
        bounds = [np.percentile(x.astype(float), q, axis=axes, keepdims=True) for q in (10, 80)]
        points = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in spatial), indexing="ij"))
        corner = (slice(0, 1),) * len(spatial)
        rows: dict[str, tuple[Callable[..., Any], tuple[NDArray[Any], ...], Any]] = {
            "mean_squared_error": (metrics.mean_squared_error, (x, y), np.mean((x - y) ** 2.0)),
            "mean_absolute_error": (metrics.mean_absolute_error, (x, y), np.mean(abs(x - y))),
            "rescale": (partial(transforms.rescale, **whole), (x,), (x - low) / np.where(reach, high - low, 1)),
            "standardize": (
                partial(transforms.standardize, **whole),
                (x,),
                (x - mean) / np.where(deviation > 0, deviation, 1),
            ),
            "clip_percentile": (
                partial(transforms.clip_percentile, lower=10, upper=80, **whole),
                (x,),
                np.clip(x, *bounds),
            ),
            "mask_outside": (transforms.mask_outside, (x, x > mean), np.where(x > mean, x, 0)),
            "flip": (partial(transforms.flip, axes=0), (x,), np.flip(x, 0)),
            "shift": (partial(transforms.shift, offset=(1,) * len(spatial)), (x,), _shifted(x, axes)),
            "pad": (partial(transforms.pad, widths=1), (x,), np.pad(x, widths)) if channels else None,
            "warp": (transforms.warp, (x, points), x),
            "blur": (partial(transforms.blur, sigma=0.0), (x,), x),
            "noise": (transforms.noise, (x, y), x + y),
            "relabel": (partial(transforms.relabel, mapping={1: 9}), (x.astype(np.int32),), np.where(x == 1, 9, x)),
            "extract": (partial(mia.extraction.extract, index=corner), (x,), x[corner]),
            "merge_planes": (lambda p, r: mia.assembly.merge_planes([p, r]), (x, y), (x + y) / 2),
            "assemble": (lambda a, n=spatial: mia.assembly.assemble(a[None, ...], mia.indexing.whole(n), n), (x,), x),
            "sliding_window": (
                lambda a, n=spatial: mia.assembly.sliding_window(lambda batch: 2 * batch, a, n),
                (x,),
                2 * x,
            )
            if channels
            else None,
        }
        named = {name: row for name, row in rows.items() if row is not None}
        cases |= {
            f"{name}, {size}, {len(channels) and channels[0]} channels": Awkward(*row) for name, row in named.items()
        }
    return cases


def _shifted(array: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    """Return an array moved by one voxel along some axes, with zeros behind it."""
    target = tuple(slice(1, None) if axis in axes else slice(None) for axis in range(array.ndim))
    source = tuple(slice(0, -1) if axis in axes else slice(None) for axis in range(array.ndim))
    moved = np.zeros_like(array)
    moved[target] = array[source]
    return moved


CASES = _mask_cases() | _image_cases()
