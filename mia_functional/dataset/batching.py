"""Samples side by side in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.dataset.buffer_pool import pooled_array
from mia_functional.transforms.composition import Sample
from mia_functional.typing import HostArray

__all__ = ["BatchColumn", "SampleBatch", "collate", "is_ragged", "rows_of_batch"]


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


def is_ragged(value: object) -> bool:
    """Return whether an entry of a batch holds arrays whose shapes or dtypes differ."""
    return isinstance(value, tuple) and len(value) > 0 and all(isinstance(entry, np.ndarray) for entry in value)


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
