"""Samples side by side in batches, and batches ahead of their use."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from mia_functional._core import checks
from mia_functional.dataset import buffer_pool
from mia_functional.dataset.traversal import Sample


def collate(samples: Any) -> Sample:
    """Return samples as one batch: arrays of one shape are stacked, everything else is put side by side in a tuple.

    It is the `collate_fn` of `torch.utils.data.DataLoader`; a batch that is ready passes through. What
    `samples.__getitems__` returned lies in memory side by side already, and is not copied.

    Args:
        samples: Dictionaries with the same keys, or a batch.

    Returns:
        A dictionary: arrays `(batch, ...)`; `subject`, `index` and the like are tuples.

    Example:
        >>> collate([{"subject": "A", "x": np.array([1, 2])}, {"subject": "B", "x": np.array([3, 4])}])["x"].tolist()
        [[1, 2], [3, 4]]
    """
    if isinstance(samples, dict):
        return samples
    if not samples or any(sample.keys() != samples[0].keys() for sample in samples):
        keys = [" ".join(sample) for sample in samples]
        checks.invalid_value("collate", "samples", "be at least one, all with the same keys", keys)
    return {name: stacked([sample[name] for sample in samples]) for name in samples[0]}


def stacked(values: Sequence[Any]) -> Any:
    """Return arrays of one shape and dtype as one array, and anything else as a tuple."""
    alike = all(isinstance(value, np.ndarray) for value in values)
    if not alike or len({(value.shape, value.dtype) for value in values}) > 1:
        return tuple(values)
    whole = buffer_pool.whole(values)
    if whole is None:
        return np.stack(values, out=buffer_pool.empty((len(values), *values[0].shape), values[0].dtype))
    return whole


def apart(batch: Sample) -> list[Sample]:
    """Return the samples of a batch; their arrays are its rows.

    Example:
        >>> apart({"subject": ("A", "B"), "x": np.array([[1, 2], [3, 4]])})[1]
        {'subject': 'B', 'x': array([3, 4])}
    """
    count = len(next(iter(batch.values())))
    return [
        {name: value[row, ...] if isinstance(value, np.ndarray) else value[row] for name, value in batch.items()}
        for row in range(count)
    ]


def prefetch(
    samples: Any,
    *,
    batch_size: int,
    rng: np.random.Generator | None = None,
    workers: int = 2,
    ahead: int = 4,
    drop_last: bool = False,
) -> Iterator[Sample]:
    """Yield batches of samples, made by threads while the last one is in use.

    Args:
        samples: From `samples`, or any sequence of dictionaries with a length.
        batch_size: Samples in a batch.
        rng: Shuffles the samples; in order where left out.
        workers: Number of threads that read and transform.
        ahead: Batches that may be ready before they are asked for.
        drop_last: Leave out the last batch if it is smaller.

    Yields:
        Batches as `collate` makes them, in the order of the samples; the order does not depend on the threads.

    Example:
        >>> [batch["x"].tolist() for batch in prefetch([{"x": np.array(k)} for k in range(3)], batch_size=2)]
        [[0, 1], [2]]
    """
    if not hasattr(samples, "__len__") or not hasattr(samples, "__getitem__"):
        checks.invalid_kind("prefetch", "samples", "have a length and items", checks.describe(samples))
    size = checks.integer("prefetch", "batch_size", batch_size, minimum=1)
    workers = checks.integer("prefetch", "workers", workers, minimum=1)
    limit = checks.integer("prefetch", "ahead", ahead, minimum=1)
    if rng is not None and not isinstance(rng, np.random.Generator):
        checks.invalid_kind("prefetch", "rng", "be a numpy.random.Generator", repr(rng))
    order = np.arange(len(samples)) if rng is None else rng.permutation(len(samples))
    stop = len(order) - len(order) % size if drop_last else len(order)
    waiting: deque[Future[Sample]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for start in range(0, stop, size):
            waiting.append(pool.submit(batch, samples, order[start : start + size].tolist()))
            if len(waiting) > limit:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def batch(samples: Any, positions: Sequence[int]) -> Sample:
    """Return the samples at positions as one batch."""
    if hasattr(samples, "__getitems__"):
        return collate(samples.__getitems__(positions))
    return collate([samples[position] for position in positions])
