"""Transforms of batchgenerators and batchgeneratorsv2 for samples: they see arrays with the channels first."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.adapters.host_samples import HostSample, lift_host_transform
from mia_functional.transforms import Transform
from mia_functional.transforms.composition import Categories, Function
from mia_functional.typing import HostArray

__all__ = ["lift"]

__dir__ = __all__.copy  # dir() shows what users may touch


def lift(transform: Function, *, images: Categories = "images", labels: Categories = "labels") -> Transform:
    """Lift a transform of batchgenerators or batchgeneratorsv2 to samples of two or three spatial axes.

    Args:
        transform: From `batchgenerators.transforms`, or a function that takes and gives `data` and `seg` as these do,
            NumPy arrays `(batch, channel, *spatial)`; or from `batchgeneratorsv2.transforms` (nnU-Net v2), which take
            and give `image` and `segmentation`, tensors `(channel, *spatial)`.
        images: One category or several: their channels are `data` or `image`.
        labels: Categories that are label maps: their channels are `seg` or `segmentation`; `()` if there are none.

    Returns:
        A function from a sample to a new sample, with arrays in the libraries that they came in. Images of floats keep
        their dtype, those of integers become float32; labels keep theirs. Batchgeneratorsv2 computes in float32. These
        transforms draw from global numbers of NumPy, of Python and of PyTorch: where the sample has `rng`, all are
        seeded from it, and put back afterwards. A JAX key is split, and the rest of it handed on.

    Raises:
        TypeError: The transform, when a sample comes, returns something else than one array for each keyword.
        ValueError: The sample, when it comes, lacks a category, or images and labels differ in spatial shape; or the
            transform leaves labels that are not whole, or numbers that the dtype does not hold (-1 in uint8, 70000 in
            float16).
    """
    return lift_host_transform(_apply_batchgenerators, transform, images, labels, (3, 4))


def _apply_batchgenerators(
    transform: Function, sample: HostSample, labels: tuple[str, ...], seed: int | None
) -> HostSample:
    """Return a sample after a transform of batchgenerators, which knows no geometry."""
    arrays, geometry = sample
    # Of version 2, or of a class made from one of its classes: these take any keywords and hand on what they do not
    # know, so that most of them do nothing if they are called with `data`.
    is_v2 = any(kind.__module__.partition(".")[0] == "batchgeneratorsv2" for kind in type(transform).__mro__)
    keys = ("image", "segmentation") if is_v2 else ("data", "seg")
    kinds = (tuple(name for name in arrays if name not in labels), labels)
    groups = {key: names for key, names in zip(keys, kinds, strict=True) if names}
    # Contiguous copies: these transforms write into the arrays that they get.
    stacked = {
        key: np.ascontiguousarray(np.concatenate([np.moveaxis(arrays[name], -1, 0) for name in names]))
        for key, names in groups.items()
    }
    with _global_seed(seed):
        if is_v2:
            after = _call_v2(transform, stacked, seed)
        else:  # a batch of one
            batch = transform(**{key: values[np.newaxis] for key, values in stacked.items()})
            after = {key: _result(batch, key, values.ndim + 1)[0] for key, values in stacked.items()}
    changed: dict[str, HostArray] = {}
    for key, names in groups.items():
        values = after[key]
        if len(names) > 1 and len(values) != len(stacked[key]):
            needed = f"keep the {len(stacked[key])} channels of {', '.join(names)}"
            checks.invalid_value("lift", "transform", needed, len(values))
        ends = np.cumsum([arrays[name].shape[-1] for name in names])[:-1]
        changed |= dict(zip(names, np.split(np.moveaxis(values, 0, -1), ends, axis=-1), strict=True))
    return changed, geometry


def _call_v2(transform: Function, stacked: dict[str, HostArray], seed: int | None) -> dict[str, HostArray]:
    """Return arrays, channels first, after a transform of batchgeneratorsv2."""
    torch: Any = optional.require("torch")
    # Grids of coordinates are float32 there, and PyTorch does not sample float64 at such.
    given = {key: values.astype(np.float32) if key == "image" else values for key, values in stacked.items()}
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        after = transform(**{key: torch.from_numpy(values) for key, values in given.items()})
    return {key: _result(after, key, values.ndim) for key, values in given.items()}


def _result(after: object, key: str, ndim: int) -> HostArray:
    """Return the array that a transform gave for a keyword; raise if there is none."""
    values: Any = after.get(key) if isinstance(after, Mapping) else None
    if not (_array.is_numpy(values) or _array.is_torch(values)) or values.ndim != ndim:
        needed = f"return a dictionary with an array of {ndim} axes as `{key}`"
        actual = type(after).__name__ if values is None else f"shape {tuple(getattr(values, 'shape', ()))}"
        checks.invalid_kind("lift", "transform", needed, actual)
    return _array.to_numpy(values)


@contextmanager
def _global_seed(seed: int | None) -> Iterator[None]:
    """Seed the global numbers of NumPy and Python for a while, and put them back; without a seed leave them alone."""
    if seed is None:
        yield
        return
    numpy_state, python_state = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
