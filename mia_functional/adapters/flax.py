"""Batches for JAX, and so for Flax: on the device before they are asked for, without what `jit` does not take.

Programs that `jax.export` writes know the records of this library after `register_records`.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from mia_functional import _array, assembly, metrics
from mia_functional._core import checks, optional
from mia_functional.dataset.batching import is_ragged
from mia_functional.metrics import boundaries
from mia_functional.transforms import random_parameters

__all__ = ["arrays", "register_records", "to_device"]

__dir__ = __all__.copy  # dir() shows what users may touch


def arrays(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays of a batch without its texts, indices and geometries, so that `jit` takes it.

    Args:
        batch: As `dataset.collate` makes it. Arrays of different shapes, which it puts into a tuple, stay in one.

    Example:
        >>> arrays({"images": np.zeros(1), "subject": ("A",)})
        {'images': array([0.])}
    """
    return {name: value for name, value in batch.items() if isinstance(value, np.ndarray) or is_ragged(value)}


def register_records() -> None:
    """Register all records of arrays for `jax.export`, so that programs that take or return them can be serialised.

    To be called once in a process that writes such programs, and once in one that reads them; another call changes
    nothing. The names that are written are those of the records, as `mia_functional.metrics.ConfusionCounts`.

    Raises:
        ImportError: JAX is not installed.

    Example:
        >>> import jax
        >>> from mia_functional import metrics
        >>> register_records()
        >>> program = jax.jit(metrics.confusion_counts)
        >>> shape = jax.ShapeDtypeStruct((4, 4), bool)
        >>> jax.export.export(program)(shape, shape).out_tree.num_leaves
        4
    """
    export = optional.require("jax.export")
    for module in (metrics, boundaries, assembly, random_parameters):
        for name in module.__all__:
            record = getattr(module, name)
            if isinstance(record, type) and hasattr(record, "_fields"):
                # The one ValueError there is says that the record has been registered before.
                with suppress(ValueError):
                    export.register_namedtuple_serialization(record, serialized_name=f"{module.__name__}.{name}")


def to_device(batches: Iterable[Mapping[str, Any]], *, ahead: int = 2, device: Any = None) -> Iterator[dict[str, Any]]:
    """Yield batches whose arrays lie on the device; the next ones are on their way meanwhile.

    It is one loop over the batches: call it anew for every epoch, with the same `prefetch`.

    Args:
        batches: From `dataset.prefetch`, or any dictionaries with NumPy arrays, which may be filled again for the next.
        ahead: Batches that are sent before they are asked for.
        device: A device or a sharding of JAX; by default JAX's own.

    Yields:
        Dictionaries of JAX arrays alone, and of tuples of them where shapes differ.

    Raises:
        OverflowError: A batch holds integers of 64 bits that JAX without x64 would cut to 32.

    Example:
        >>> [batch["x"].tolist() for batch in to_device([{"x": np.array([1])}, {"x": np.array([2])}], ahead=1)]
        [[1], [2]]
    """
    limit = checks.integer("to_device", "ahead", ahead, minimum=1)
    jax = optional.require("jax")
    waiting: deque[dict[str, Any]] = deque()
    for batch in batches:
        # `device_put` returns at once: the transfer runs while the network works on an earlier batch. So the batch is
        # copied first, as its arrays may be filled with the next one in the meantime.
        own = {
            name: tuple(_array.snapshot(array, jax.numpy) for array in value)
            if isinstance(value, tuple)
            else _array.snapshot(value, jax.numpy)
            for name, value in arrays(batch).items()
        }
        waiting.append(jax.device_put(own, device))
        if len(waiting) > limit:
            yield waiting.popleft()
    yield from waiting
