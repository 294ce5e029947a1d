"""Samples side by side in batches, and batches ahead of their use."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import checks, ordered_map
from mia_functional.dataset.buffer_pool import pooled_array
from mia_functional.transforms.composition import Sample, compose
from mia_functional.typing import HostArray, SampleSequence

__all__ = ["BatchColumn", "SampleBatch", "collate", "prefetch", "rows_of_batch"]


class BatchColumn(NamedTuple):
    """An array of a batch, and its rows as they were handed out."""

    array: HostArray
    rows: list[HostArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleBatch:
    """A sequence of samples that carries the arrays whose rows theirs are, so that `collate` need not copy them.

    Args:
        samples: Dictionaries, which may be changed.
        columns: By name, the array and its rows.
    """

    samples: list[Sample]
    columns: dict[str, BatchColumn]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def __getitem__(self, position: Any) -> Any:
        """Return a sample; or several as a list, which carries nothing."""
        return self.samples[position]

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples in order."""
        return iter(self.samples)


def collate(samples: Sequence[Sample] | SampleBatch | Sample) -> Sample:
    """Return samples as one batch: arrays of one shape are stacked, everything else is put side by side in a tuple.

    It is the `collate_fn` of `torch.utils.data.DataLoader`; a batch is returned as it is. The arrays that
    `samples.__getitems__` returned lie side by side in memory already, and are not copied.

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
    if not hasattr(samples, "__len__") or not hasattr(samples, "__getitem__"):
        checks.invalid_kind("collate", "samples", "be several dictionaries, or a batch", checks.describe(samples))
    if len(samples) == 0 or any(sample.keys() != samples[0].keys() for sample in samples):
        keys = [" ".join(sample) for sample in samples]
        checks.invalid_value("collate", "samples", "be at least one, all with the same keys", keys)
    columns = samples.columns if isinstance(samples, SampleBatch) else {}
    return {name: _stack([sample[name] for sample in samples], columns.get(name)) for name in samples[0]}


def _stack(values: list[Any], column: BatchColumn | None) -> "HostArray | tuple[Any, ...]":
    """Return arrays of one shape and dtype as one array, and anything else as a tuple."""
    # A sample may hold another array now; what was written into its row is in the array, unless both were pickled.
    if column is not None and all(
        value is row and row.base is column.array for value, row in zip(values, column.rows, strict=True)
    ):
        return column.array
    for value in values:
        checks.no_hidden_elements("collate", "samples", value)
    alike = all(isinstance(value, np.ndarray) for value in values)
    if not alike or len({(value.shape, value.dtype) for value in values}) > 1:
        return tuple(values)
    return np.stack(values, out=pooled_array((len(values), *values[0].shape), values[0].dtype))


def rows_of_batch(batch: Sample) -> tuple[list[Sample], dict[str, BatchColumn]]:
    """Return the samples of a batch, whose arrays are its rows, and its columns.

    Example:
        >>> rows_of_batch({"subject": ("A", "B"), "x": np.array([[1, 2], [3, 4]])})[0][1]
        {'subject': 'B', 'x': array([3, 4])}
    """
    arrays = {name: value for name, value in batch.items() if isinstance(value, np.ndarray)}
    columns = {name: BatchColumn(array, [array[k, ...] for k in range(len(array))]) for name, array in arrays.items()}
    entries = [columns[name].rows if name in columns else value for name, value in batch.items()]
    return [dict(zip(batch, row, strict=True)) for row in zip(*entries, strict=True)], columns


def prefetch(
    samples: SampleSequence,
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
        rng: Shuffles the samples; by default they come in order.
        workers: Number of threads that read and transform.
        ahead: Batches that may be ready before they are asked for.
        drop_last: Drop the last batch if it is smaller.

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
    if rng is not None:
        checks.require_instance("prefetch", "rng", rng, np.random.Generator, "a numpy.random.Generator")
    order = np.arange(len(samples)) if rng is None else rng.permutation(len(samples))
    stop = len(order) - len(order) % size if drop_last else len(order)
    # `Samples` makes the arrays of a batch in one piece; other sequences give their samples one by one.
    one_by_one = partial(map, samples.__getitem__)
    fetch = compose(getattr(samples, "__getitems__", compose(one_by_one, list)), collate)
    positions = (order[start : start + size].tolist() for start in range(0, stop, size))
    pool = ThreadPoolExecutor(workers)
    try:
        yield from ordered_map.map_ordered(fetch, positions, executor=pool, ahead=limit)
    finally:
        # Also where the loop is left early: no thread may outlive it.
        pool.shutdown(wait=True, cancel_futures=True)
