"""Transforms of batchgenerators for samples: they see a batch of one, with the channels first."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from mia_functional import _check
from mia_functional.transforms import Sample, Transform
from mia_functional.transforms.composition import present

LOCK = threading.Lock()
"""They draw from NumPy's global numbers: one thread at a time, so that draws do not depend on the others."""


def lift(transform: Callable[..., Any], *, image: str = "images", labels: str | None = "labels") -> Transform:
    """Lift a transform of batchgenerators to samples of two or three spatial axes.

    Args:
        transform: From `batchgenerators.transforms`: takes and gives `data` and `seg`, `(batch, channel, *spatial)`.
        image: The category that is `data`.
        labels: The category that is `seg`; none where there is none.

    Returns:
        A function from a sample to a new sample; dtypes stay. These transforms draw from NumPy's global numbers: where
        the sample has `rng`, they are seeded from it, and put back afterwards.
    """
    _check.call("lift", "transform", transform, "`MirrorTransform()`")
    names = {"data": image} if labels is None else {"data": image, "seg": labels}
    return partial(_apply, transform, names)


def _apply(transform: Callable[..., Any], names: dict[str, str], sample: Sample) -> Sample:
    """Return the sample after a transform of batchgenerators."""
    present("lift", sample, tuple(names.values()))
    batch = {key: np.moveaxis(sample[name], -1, 0)[np.newaxis].copy() for key, name in names.items()}
    with LOCK, seeded(sample.get("rng")):
        after = transform(**batch)
    changed = {name: np.ascontiguousarray(np.moveaxis(after[key][0], 0, -1)) for key, name in names.items()}
    return {**sample, **{name: array.astype(sample[name].dtype, copy=False) for name, array in changed.items()}}


@contextmanager
def seeded(rng: np.random.Generator | None) -> Iterator[None]:
    """Seed NumPy's global numbers from a generator for a while, and put them back; leave them alone without one."""
    if rng is None:
        yield
        return
    state = np.random.get_state()
    np.random.seed(int(rng.integers(2**32)))
    try:
        yield
    finally:
        np.random.set_state(state)
