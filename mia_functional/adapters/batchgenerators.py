"""Transforms of batchgenerators for samples: they see a batch of one, with the channels first."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from mia_functional._core import checks
from mia_functional.adapters.host_samples import from_host, on_host, seed
from mia_functional.transforms import Sample, Transform
from mia_functional.transforms.composition import present

LOCK = threading.Lock()
"""They draw from global numbers: one thread at a time, so that draws do not depend on the others."""


def lift(transform: Callable[..., Any], *, image: str = "images", labels: str | None = "labels") -> Transform:
    """Lift a transform of batchgenerators to samples of two or three spatial axes.

    Args:
        transform: From `batchgenerators.transforms`: takes and gives `data` and `seg`, `(batch, channel, *spatial)`.
        image: The category that is `data`.
        labels: The category that is `seg`; none where there is none.

    Returns:
        A function from a sample to a new sample, with arrays in the libraries that they came in. Images of floats keep
        their dtype, those of integers become float32; labels keep theirs. These transforms draw from global numbers of
        NumPy and of Python: where the sample has `rng`, both are seeded from it, and put back afterwards. A JAX key is
        split, and the rest of it handed on.

    Raises:
        ValueError: The sample, when it comes, lacks a category, or image and labels differ in spatial shape.
    """
    checks.require_callable("lift", "transform", transform, "`MirrorTransform()`")
    return partial(_apply, transform, image, () if labels is None else (labels,))


def _apply(transform: Callable[..., Any], image: str, labels: tuple[str, ...], sample: Sample) -> Sample:
    """Return the sample after a transform of batchgenerators."""
    names = dict(zip(("data", "seg"), (image, *labels), strict=False))
    present("lift", sample, (image, *labels))
    given = on_host("lift", sample, (image,), labels, (3, 4))
    batch = {key: np.moveaxis(given[name], -1, 0)[np.newaxis].copy() for key, name in names.items()}
    number, left = (None, {}) if sample.get("rng") is None else seed("lift", sample["rng"])
    with LOCK, seeded(number):
        after = transform(**batch)
    arrays = {name: np.moveaxis(after[key][0], 0, -1) for key, name in names.items()}
    return {**sample, **from_host(arrays, sample, labels), **left}


@contextmanager
def seeded(number: int | None) -> Iterator[None]:
    """Seed the global numbers of NumPy and Python for a while, and put them back; leave them alone without a seed."""
    if number is None:
        yield
        return
    numpy_state, python_state = np.random.get_state(), random.getstate()
    np.random.seed(number)
    random.seed(number)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
