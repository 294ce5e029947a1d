"""Batches of samples ahead of their use, made by threads."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mia_functional._core import checks, ordered_map
from mia_functional.dataset.batching import collate
from mia_functional.dataset.epochs import BatchPositions, batch_positions, shuffled
from mia_functional.transforms.composition import Sample, compose
from mia_functional.typing import SampleSequence

__all__ = ["Batches", "prefetch"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batches:
    """Batches from `prefetch`: every loop over them is the next epoch.

    Args:
        positions: Which samples come in which batch.
        fetch: From positions to a batch.
        workers: Threads.
        ahead: Batches that may be ready.
    """

    positions: BatchPositions
    fetch: Callable[[list[Any]], Sample]
    workers: int
    ahead: int

    def __len__(self) -> int:
        """Return the number of batches of the next loop."""
        return len(self.positions)

    def __iter__(self) -> Generator[Sample, None, None]:
        """Yield the batches of the next epoch."""
        pool = ThreadPoolExecutor(self.workers)
        try:
            yield from ordered_map.map_ordered(self.fetch, self.positions, executor=pool, ahead=self.ahead)
        finally:
            # Also where the loop is left early: no thread may outlive it.
            pool.shutdown(wait=True, cancel_futures=True)


def prefetch(
    samples: SampleSequence,
    *,
    batch_size: int,
    rng: np.random.Generator | None = None,
    workers: int = 2,
    ahead: int = 4,
    drop_last: bool = False,
    epoch: int | None = None,
    start: int = 0,
) -> Batches:
    """Return batches of samples, made by threads while the last one is in use. Every loop over them is the next epoch.

    What a sample is depends on the seed of the samples, the epoch and the position alone, and the order on `rng` and
    the epoch: with `epoch=` and `start=` an interrupted run goes on with the batches that it would have had.

    Args:
        samples: From `samples`, or any sequence of dictionaries with a length.
        batch_size: Samples in a batch.
        rng: Shuffles the samples, in every epoch anew; by default they come in order. One number is drawn from it.
        workers: Number of threads that read and transform.
        ahead: Batches that may be ready before they are asked for.
        drop_last: Drop the last batch if it is smaller.
        epoch: The epoch of the first loop; by default that of the samples.
        start: Batches of the first loop to leave out.

    Returns:
        An iterable of batches as `collate` makes them, in the order of the samples, with the length of the next loop.
        The order does not depend on the threads.

    Raises:
        TypeError: The samples have no length or items, or `rng` is no generator of NumPy.
        ValueError: A number is too small, or there are fewer batches than `start`. While it is looped over: the samples
            draw indices and were selected, so that they have one epoch alone.

    Example:
        >>> [batch["x"].tolist() for batch in prefetch([{"x": np.array(k)} for k in range(3)], batch_size=2)]
        [[0, 1], [2]]
    """
    checks.booleans("prefetch", drop_last=drop_last)
    if not hasattr(samples, "__len__") or not hasattr(samples, "__getitem__"):
        checks.invalid_kind("prefetch", "samples", "have a length and items", checks.describe(samples))
    if rng is not None:
        checks.require_instance("prefetch", "rng", rng, np.random.Generator, "a numpy.random.Generator")
    positions = batch_positions(
        "prefetch", samples, batch_size=batch_size, drop_last=drop_last, epoch=epoch, start=start,
        order=None if rng is None else partial(shuffled, int(rng.integers(2**63))),
    )  # fmt: skip
    # `Samples` makes the arrays of a batch in one piece; other sequences give their samples one by one.
    one_by_one = partial(map, samples.__getitem__)
    return Batches(
        positions=positions,
        fetch=compose(getattr(samples, "__getitems__", compose(one_by_one, list)), collate),
        workers=checks.integer("prefetch", "workers", workers, minimum=1),
        ahead=checks.integer("prefetch", "ahead", ahead, minimum=1),
    )
