"""Samples for PyTorch: batches as tensors, and a `DataLoader` that makes them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.dataset import Samples, SelectedSamples, collate
from mia_functional.dataset.batching import is_ragged
from mia_functional.dataset.epochs import batch_positions, shuffled
from mia_functional.dataset.sampling import AnySamples
from mia_functional.transforms import compose
from mia_functional.typing import HostArray

__all__ = ["loader", "tensors"]

__dir__ = __all__.copy  # dir() shows what users may touch

_torch: Any = optional.require("torch")


def tensors(batch: Mapping[str, Any], *, channels_first: bool = True, device: Any = None) -> dict[str, Any]:
    """Return a sample or a batch with its arrays as tensors; everything else stays as it is.

    Args:
        batch: Arrays by category, as `dataset.collate` makes them; or one sample of `dataset.samples`, which differs
            from a batch in its `subject`: a text instead of a tuple of them.
        channels_first: Move the last axis of all arrays to where convolutions of PyTorch take it: behind the first of a
            batch, `(batch, channel, *spatial)`, and to the front of a sample, or of each array of a tuple where shapes
            differ, `(channel, *spatial)`. Arrays without spatial axes stay as they are.
        device: Where to put the tensors; the CPU by default.

    Returns:
        A new dictionary. Tensors are contiguous and share no memory with the arrays.

    Example:
        >>> tensors({"images": np.zeros((2, 4, 5, 3), np.float32), "subject": ("A", "B")})["images"].shape
        torch.Size([2, 3, 4, 5])
    """
    checks.booleans("tensors", channels_first=channels_first)
    checks.require_instance("tensors", "batch", batch, Mapping, "a dictionary of arrays by category")
    first = 0 if isinstance(batch.get("subject"), str) else 1

    def tensor(array: HostArray, behind: int) -> Any:
        if channels_first and array.ndim > behind + 1:
            array = np.moveaxis(array, -1, behind)
        # A copy, since what is done to a tensor in place must not reach the array; it is in native byte order and has
        # no negative strides, as PyTorch asks.
        own = np.array(array, array.dtype.newbyteorder("="), order="C")
        if array.dtype.name == "bfloat16":  # which PyTorch has, and does not take from NumPy (2.13)
            return _torch.from_numpy(own.view(np.int16)).view(_torch.bfloat16).to(device=device)
        return _torch.from_numpy(own).to(device=device)

    def converted(value: Any) -> Any:
        if is_ragged(value):
            return tuple(tensor(array, 0) for array in value)
        return tensor(value, first) if isinstance(value, np.ndarray) else value

    return {name: converted(value) for name, value in batch.items()}


def loader(
    samples: AnySamples,
    *,
    batch_size: int,
    shuffle: bool = False,
    sampler: Any = None,
    drop_last: bool = False,
    workers: int = 0,
    persistent_workers: bool = True,
    worker_init: Callable[[int], None] | None = None,
    pin_memory: bool = False,
    channels_first: bool = True,
    epoch: int | None = None,
    start: int = 0,
) -> Any:
    """Return a `torch.utils.data.DataLoader` of batches as `tensors` makes them. Every loop over it is the next epoch.

    What a sample is depends on the seed of the samples, the epoch and the position alone, and so does the order: any
    number of workers gives the same batches, and with `epoch=` and `start=` an interrupted run goes on with those that
    it would have had.

    Args:
        samples: From `dataset.samples`.
        batch_size: Samples in a batch.
        shuffle: Take the samples in a random order, from their seed and the epoch.
        sampler: Gives the positions of an epoch instead, as samplers of PyTorch do; `set_epoch` is called if it is
            there (`DistributedSampler`).
        drop_last: Drop the last batch if it is smaller.
        workers: Processes that load; 0 loads in the process itself, which is often faster: see `dataset.prefetch` for
            threads. They are spawned, never forked, since JAX may be loaded.
        persistent_workers: Whether the processes stay alive between epochs, which saves seconds of each. PyTorch then
            allows one loop at a time: another one over the same loader, nested or by `zip`, ends the first silently.
        worker_init: Called in every process with its number.
        pin_memory: Whether tensors lie in memory from which copies to a GPU are fast.
        channels_first: As in `tensors`.
        epoch: The epoch of the first loop; by default that of the samples.
        start: Batches of the first loop to leave out.

    Raises:
        TypeError: `samples` are not from `dataset.samples`, or `sampler` has no length.
        ValueError: A number is too small, there are fewer batches than `start`, or both `shuffle` and `sampler` are
            given. While it is looped over: the samples draw indices and were selected, so that they have one epoch
            alone.
    """
    checks.booleans(
        "loader", shuffle=shuffle, drop_last=drop_last, persistent_workers=persistent_workers, pin_memory=pin_memory,
        channels_first=channels_first,
    )  # fmt: skip
    checks.require_instance("loader", "samples", samples, (Samples, SelectedSamples), "from `dataset.samples`")
    if shuffle and sampler is not None:
        checks.invalid_value("loader", "sampler", "not be given with `shuffle`", sampler)
    if sampler is not None and not hasattr(sampler, "__len__"):
        checks.invalid_kind("loader", "sampler", "have a length", checks.describe(sampler))
    processes = checks.integer("loader", "workers", workers, minimum=0)
    order = partial(shuffled, samples.seed) if shuffle else None if sampler is None else partial(_sampled, sampler)
    positions = batch_positions(
        "loader", samples, batch_size=batch_size, order=order, length=None if sampler is None else len(sampler),
        drop_last=drop_last, epoch=epoch, start=start,
    )  # fmt: skip
    return _torch.utils.data.DataLoader(
        samples, batch_sampler=positions, num_workers=processes,
        collate_fn=compose(collate, partial(tensors, channels_first=channels_first)),
        multiprocessing_context="spawn" if processes else None,
        persistent_workers=processes > 0 and persistent_workers,
        worker_init_fn=worker_init, pin_memory=pin_memory,
    )  # fmt: skip


def _sampled(sampler: Any, epoch: int, _: int) -> list[int]:
    """Return the positions that a sampler of PyTorch gives for an epoch."""
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)
    return list(map(int, sampler))
