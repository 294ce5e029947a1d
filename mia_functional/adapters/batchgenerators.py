"""Transforms of batchgenerators for samples: they see a batch of one, with the channels first."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mia_functional.adapters.host_samples import HostSample, lift_host_transform
from mia_functional.transforms import Transform
from mia_functional.transforms.composition import Categories, Function
from mia_functional.typing import HostArray

__all__ = ["lift"]

__dir__ = __all__.copy  # dir() shows what users may touch


def lift(transform: Function, *, images: Categories = "images", labels: Categories = "labels") -> Transform:
    """Lift a transform of batchgenerators to samples of two or three spatial axes.

    Args:
        transform: From `batchgenerators.transforms`: takes and gives `data` and `seg`, `(batch, channel, *spatial)`.
        images: One category or several: their channels are `data`.
        labels: Categories that are label maps: their channels are `seg`; `()` if there are none.

    Returns:
        A function from a sample to a new sample, with arrays in the libraries that they came in. Images of floats keep
        their dtype, those of integers become float32; labels keep theirs. These transforms draw from global numbers of
        NumPy and of Python: where the sample has `rng`, both are seeded from it, and put back afterwards. A JAX key is
        split, and the rest of it handed on.

    Raises:
        ValueError: The sample, when it comes, lacks a category, or images and labels differ in spatial shape.
    """
    return lift_host_transform(_apply_batchgenerators, transform, images, labels, (3, 4))


def _apply_batchgenerators(
    transform: Function, sample: HostSample, labels: tuple[str, ...], seed: int | None
) -> HostSample:
    """Return a sample after a transform of batchgenerators, which knows no geometry."""
    arrays, geometry = sample
    categories = {"data": tuple(name for name in arrays if name not in labels), "seg": labels}
    categories = {key: names for key, names in categories.items() if names}
    # Contiguous copies: these transforms write into the arrays that they get.
    batch = {
        key: np.ascontiguousarray(np.concatenate([np.moveaxis(arrays[name], -1, 0) for name in names]))[np.newaxis]
        for key, names in categories.items()
    }
    with _global_seed(seed):
        after = transform(**batch)
    changed: dict[str, HostArray] = {}
    for key, names in categories.items():
        ends = np.cumsum([arrays[name].shape[-1] for name in names])[:-1]
        changed |= dict(zip(names, np.split(np.moveaxis(after[key][0], 0, -1), ends, axis=-1), strict=True))
    return changed, geometry


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
