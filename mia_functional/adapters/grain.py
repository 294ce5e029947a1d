"""Samples for Grain: they are a random-access source as they are; here is the pipeline most people build on them."""

from functools import partial
from typing import Any

from mia_functional._core import checks, optional
from mia_functional.dataset import Sample, Samples, SelectedSamples, collate
from mia_functional.dataset.sampling import AnySamples

__all__ = ["pipeline"]

__dir__ = __all__.copy  # dir() shows what users may touch


def pipeline(samples: AnySamples, *, batch_size: int, seed: int | None = None) -> Any:
    """Return a `grain.MapDataset` of batches as `dataset.collate` makes them; `.repeat(n)` draws anew in every epoch.

    What a sample is depends on the seed of the samples, the epoch and the position alone. Grain's iterators go on from
    their `get_state()` after `set_state`. Worker processes (`to_iter_dataset().mp_prefetch(...)`, 0.2.18) ask for flags
    of Abseil: `absl.app.run` starts the script, or it calls `absl.flags.FLAGS.mark_as_parsed()` first.

    Args:
        samples: From `dataset.samples`. Where indices are drawn, every epoch has to have as many.
        batch_size: Samples in a batch; a smaller rest is dropped.
        seed: Shuffles the samples, in every epoch anew; by default they stay in order.

    Raises:
        TypeError: `samples` are not from `dataset.samples`.
    """
    checks.require_instance("pipeline", "samples", samples, (Samples, SelectedSamples), "from `dataset.samples`")
    positions = optional.require("grain").MapDataset.range(len(samples))
    ordered = positions if seed is None else positions.seed(seed).shuffle()
    # The number of an element counts on from epoch to epoch, while positions begin again.
    taken = ordered.map_with_index(partial(_sample_of, samples))
    return taken.batch(batch_size, drop_remainder=True, batch_fn=collate)


def _sample_of(samples: AnySamples, number: int, position: int) -> Sample:
    """Return the sample at a position, of the epoch in which an element of that number is."""
    return samples[(samples.epoch + number // len(samples), int(position))]
