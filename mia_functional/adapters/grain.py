"""Samples for Grain: they are a random-access source as they are; here is the pipeline most people build on them."""

from typing import Any

from mia_functional._core import optional
from mia_functional.dataset import Samples, collate


def pipeline(samples: Samples, *, batch_size: int, seed: int | None = None) -> Any:
    """Return a `grain.MapDataset` of batches as `dataset.collate` makes them, shuffled anew in every epoch.

    Args:
        samples: From `dataset.samples`.
        batch_size: Samples in a batch; a smaller rest is left out.
        seed: Shuffles the samples; in order where left out.
    """
    source = optional.require("grain").MapDataset.source(samples)
    ordered = source if seed is None else source.seed(seed).shuffle()
    return ordered.batch(batch_size, drop_remainder=True, batch_fn=collate)
