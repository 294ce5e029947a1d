"""Samples for Grain: they are a random-access source as they are; here is the pipeline most people build on them."""

from typing import Any

from mia_functional._core import optional
from mia_functional.dataset import Samples, collate

__all__ = ["pipeline"]

__dir__ = __all__.copy  # dir() shows what users may touch


def pipeline(samples: Samples, *, batch_size: int, seed: int | None = None) -> Any:
    """Return a `grain.MapDataset` of batches as `dataset.collate` makes them, shuffled anew in every epoch.

    Args:
        samples: From `dataset.samples`.
        batch_size: Samples in a batch; a smaller rest is dropped.
        seed: Shuffles the samples; by default they stay in order.
    """
    source = optional.require("grain").MapDataset.source(samples)
    ordered = source if seed is None else source.seed(seed).shuffle()
    return ordered.batch(batch_size, drop_remainder=True, batch_fn=collate)
