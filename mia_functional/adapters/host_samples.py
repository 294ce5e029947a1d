"""Samples for transforms of other libraries: NumPy arrays that these can work on, and a seed for what they draw."""

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.transforms import Sample, Transform
from mia_functional.transforms.composition import Categories, Function, category_names, require_categories
from mia_functional.typing import Array, HostArray, Rng

__all__ = ["HostSample", "lift_host_transform"]

__dir__ = __all__.copy  # dir() shows what users may touch

HostSample: TypeAlias = tuple[dict[str, HostArray], Geometry | None]
"""NumPy arrays by category, and where they lie."""

_Names: TypeAlias = tuple[str, ...]
"""Names of categories."""

_ApplyOnHost: TypeAlias = Callable[[Function, HostSample, _Names, int | None], HostSample]
"""From another library's transform, a sample, which categories are labels, and a seed to a new sample."""

_GLOBAL_DRAWS = threading.Lock()
"""Held while another library draws from its global random numbers: one thread at a time, seed and draws together, so
that what a sample gets does not depend on the other threads."""


def lift_host_transform(
    apply: _ApplyOnHost, transform: Function, images: Categories, labels: Categories, axes: tuple[int, ...]
) -> Transform:
    """Return the function of samples that `lift` of an adapter returns.

    Args:
        apply: Calls the transform as its library wants it.
        transform: The transform of the other library.
        images: Categories that are interpolated.
        labels: Categories that are label maps.
        axes: The numbers of axes that arrays may have, with channels.
    """
    checks.require_callable("lift", "transform", transform, "`RandomAffine()` or `MirrorTransform()`")
    image_names = () if images == () else category_names("lift", images, argument="images")
    label_names = () if labels == () else category_names("lift", labels, argument="labels")
    return partial(_apply_to_sample, apply, transform, image_names, label_names, axes)


def _apply_to_sample(
    apply: _ApplyOnHost, transform: Function, images: _Names, labels: _Names, axes: tuple[int, ...], sample: Sample
) -> Sample:
    """Return the sample after a transform of another library."""
    require_categories("lift", sample, (*images, *labels))
    arrays = {name: _to_host(name, sample[name], is_label=name in labels) for name in (*images, *labels)}
    for name, array in arrays.items():
        checks.dimensions("lift", name, array.shape, axes)
        first = next(iter(arrays))
        if array.shape[:-1] != arrays[first].shape[:-1]:
            needed = f"have the spatial shape of `{first}`, {arrays[first].shape[:-1]}"
            checks.invalid_value("lift", name, needed, array.shape[:-1])
    changed: Sample = {}
    seed = None
    if sample.get("rng") is not None:
        seed, changed["rng"] = _draw_seed(sample["rng"])
    with _GLOBAL_DRAWS:
        arrays, geometry = apply(transform, (arrays, sample.get("geometry")), labels, seed)
    if geometry is not None:
        changed["geometry"] = geometry
    for name, values in arrays.items():
        old = sample[name]
        xp, kind = _array.array_namespace(old), _array.dtype_kind(old)
        if name in labels and kind != "float":
            changed[name] = _array.from_numpy(_restore_labels(name, values, old), xp, old)
            continue
        # Noise on an image of integers is negative or below 1: cast back, it would wrap around or vanish.
        dtype = old.dtype if kind == "float" else _array.accumulator_dtype(old)
        if dtype != _array.accumulator_dtype(old):
            finite = values[np.isfinite(values)]
            for value in (finite.min(), finite.max()) if finite.size else ():
                _array.check_fits_dtype("lift", name, float(value), old)
        changed[name] = xp.astype(_array.from_numpy(values, xp, old), dtype, copy=False)
    return {**sample, **changed}


def _restore_labels(name: str, values: HostArray, old: Array) -> HostArray:
    """Return labels in the dtype of those that came in; raise for numbers that it does not hold."""
    # Of no rows: the dtype as NumPy names it, without a copy from a device.
    dtype = _array.to_numpy(old[:0, ...]).dtype
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    broken = values[~np.isfinite(values) | (values != np.trunc(values))] if values.dtype.kind == "f" else values[:0]
    if broken.size:
        checks.invalid_value("lift", name, "hold whole numbers after the transform, as labels do", broken.flat[0])
    for value in (values.min(), values.max()) if values.size else ():
        if not low <= value <= high:
            needed = f"hold labels within {low} and {high} after the transform, which {dtype} holds"
            checks.invalid_value("lift", name, f"{needed} (cast it before)", int(value))
    return values.astype(dtype, copy=False)


def _draw_seed(rng: Rng) -> tuple[int, Rng]:
    """Return a seed for the global numbers of another library, and the rest of a key (a generator moves on itself)."""
    if _array.is_traced(rng):
        checks.invalid_kind("lift", "rng", "be known, as other libraries do not trace", "a traced key")
    source, rest = _array.split_rng("lift", rng, 2)
    # The limit holds for NumPy's global seed, and for the 32-bit integers of JAX.
    return int(_array.random_integers(source, 0, 2**31 - 2, ())), rest


def _to_host(name: str, array: Array, *, is_label: bool) -> HostArray:
    """Return an array of any library as a NumPy one: labels as int32 or int64, images as float64 or else float32."""
    xp = _array.checked_namespace("lift", **{name: array})
    if _array.is_traced(array):
        checks.invalid_kind("lift", name, "be known, as other libraries do not trace", "a traced array")
    _array.require_real("lift", name, array)
    if not is_label or _array.dtype_kind(array) == "float":
        return _array.to_numpy(xp.astype(array, _array.accumulator_dtype(array), copy=False))
    labels = _array.to_numpy(array)
    if labels.dtype == np.uint64 and labels.size and labels.max() > np.iinfo(np.int64).max:
        checks.invalid_value("lift", name, "hold labels that int64 holds", int(labels.max()))
    # Wide and signed: -1 at the border would be 255 in uint8 before anyone could see it. Besides, PyTorch knows
    # unsigned integers of 16 bits and more, but most of its operations do not.
    return labels.astype(np.int32 if labels.dtype.itemsize < 4 else np.int64, copy=False)
