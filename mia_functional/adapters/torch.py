"""Samples for PyTorch: batches as tensors, and a `DataLoader` that makes them."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.dataset import Samples, collate
from mia_functional.transforms import compose

__all__ = ["loader", "tensors"]

__dir__ = __all__.copy  # dir() shows what users may touch

_torch: Any = optional.require("torch")


def tensors(batch: Mapping[str, Any], *, channels_first: bool = True, device: Any = None) -> dict[str, Any]:
    """Return a sample or a batch with its arrays as tensors; everything else stays as it is.

    Args:
        batch: Arrays by category, as `dataset.collate` makes them; or one sample of `dataset.samples`, which differs
            from a batch in its `subject`: a text instead of a tuple of them.
        channels_first: Move the last axis of all arrays to where convolutions of PyTorch take it: behind the first of a
            batch, `(batch, channel, *spatial)`, and to the front of a sample, `(channel, *spatial)`. Arrays without
            spatial axes stay as they are.
        device: Where to put the tensors; the CPU by default.

    Returns:
        A new dictionary. Tensors are contiguous and share no memory with the arrays.

    Example:
        >>> tensors({"images": np.zeros((2, 4, 5, 3), np.float32), "subject": ("A", "B")})["images"].shape
        torch.Size([2, 3, 4, 5])
    """
    checks.require_instance("tensors", "batch", batch, Mapping, "a dictionary of arrays by category")
    arrays = {name: value for name, value in batch.items() if isinstance(value, np.ndarray)}
    if channels_first:
        first = 0 if isinstance(batch.get("subject"), str) else 1
        arrays = {n: np.moveaxis(value, -1, first) if value.ndim > first + 1 else value for n, value in arrays.items()}
    # Copies, since what is done to a tensor in place must not reach the arrays; they are in native byte order and have
    # no negative strides, as PyTorch asks.
    copies = {name: np.array(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    return {**batch, **{name: _torch.from_numpy(copied).to(device=device) for name, copied in copies.items()}}


def loader(
    samples: Samples, *, batch_size: int, shuffle: bool = False, workers: int = 0, channels_first: bool = True
) -> Any:
    """Return a `torch.utils.data.DataLoader` of batches as `tensors` makes them.

    Args:
        samples: From `dataset.samples`.
        batch_size: Samples in a batch.
        shuffle: Take the samples in a random order (from PyTorch's seed).
        workers: Processes that load; 0 loads in the process itself, which is often faster: see `dataset.prefetch` for
            threads. They are spawned, never forked, since JAX may be loaded.
        channels_first: As in `tensors`.
    """
    to_batch = compose(collate, partial(tensors, channels_first=channels_first))
    return _torch.utils.data.DataLoader(
        samples, batch_size=batch_size, shuffle=shuffle, num_workers=workers, collate_fn=to_batch,
        multiprocessing_context="spawn" if workers else None,
    )  # fmt: skip
