"""Which samples come in which batch, epoch after epoch: the order in which loaders of any kind take them."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.dataset.sampling import Samples, has_one_epoch, kept_epoch

__all__ = ["BatchPositions", "shuffled"]

_Order: TypeAlias = Callable[[int, int], Iterable[int]]
"""From an epoch and its number of samples to the positions in the order in which they are taken."""

_SHUFFLING = 2
"""Tells random numbers of orders from those of indices (0) and of transforms (1), which come from one seed."""


def shuffled(seed: int, epoch: int, count: int) -> Iterable[int]:
    """Return positions in the random order of an epoch: a function of the seed, the epoch and their number alone."""
    order: list[int] = np.random.default_rng((seed, epoch, _SHUFFLING)).permutation(count).tolist()
    return order


class BatchPositions:
    """Positions of samples in batches. Every loop over it is the next epoch.

    State: the epoch of the next loop, and how many of its batches are left out, which is 0 from the second loop on. Two
    loops at a time are two epochs. A loop tells where it is (`state_dict`), and another one goes on from there.

    Args:
        function: Name for messages.
        samples: From `samples`, for which positions are `(epoch, position)`; or a sequence, for which they are numbers.
        batch_size: Positions in a batch.
        order: The order of an epoch; by default that of the samples.
        length: How many positions the order gives; by default as many as there are samples.
        drop_last: Whether a smaller last batch is left out.
        epoch: That of the first loop; by default that of the samples.
        start: Batches of the first loop that are left out, since an interrupted run had them.
    """

    def __init__(
        self, function: str, samples: Sized, *, batch_size: int, order: _Order | None = None, length: int | None = None,
        drop_last: bool = False, epoch: int | None = None, start: int = 0,
    ) -> None:  # fmt: skip
        """Begin before the first batch."""
        self._samples, self._order, self._length = samples, order, length
        self._size = checks.integer(function, "batch_size", batch_size, minimum=1)
        self._drop_last = drop_last
        first = samples.epoch if isinstance(samples, Samples) else 0
        self.epoch = first if epoch is None else checks.integer(function, "epoch", epoch, minimum=0)
        self.start = checks.integer(function, "start", start, minimum=0)
        if self.start > self._count():
            checks.invalid_value(function, "start", f"be at most the {self._count()} batches of an epoch", start)

    def __len__(self) -> int:
        """Return the number of batches of the next loop."""
        return self._count() - self.start

    def __iter__(self) -> "_BatchLoop":
        """Return a loop over the next epoch, which begins with its first batch."""
        return _BatchLoop(self)

    def begin(self) -> tuple[int, int]:
        """Return the epoch that begins, and how many of its batches are left out, and be before the next one."""
        begun = self.epoch, self.start
        self.epoch, self.start = self.epoch + 1, 0
        return begun

    def _count(self) -> int:
        """Return the number of batches of the next epoch."""
        samples = self._samples
        # Loaders are asked for their length after the last epoch, too, where there may be no next one.
        if isinstance(samples, Samples) and not has_one_epoch(samples):
            samples = kept_epoch(samples, self.epoch)
        count = len(samples) if self._length is None else self._length
        return count // self._size if self._drop_last else -(-count // self._size)

    def batches_of(self, epoch: int) -> list[list[Any]]:
        """Return the positions of all batches of an epoch."""
        count = len(kept_epoch(self._samples, epoch) if isinstance(self._samples, Samples) else self._samples)
        taken: list[Any] = list(range(count) if self._order is None else self._order(epoch, count))
        if isinstance(self._samples, Samples):
            taken = [(epoch, position) for position in taken]
        stop = len(taken) - len(taken) % self._size if self._drop_last else len(taken)
        return [taken[begin : min(begin + self._size, stop)] for begin in range(0, stop, self._size)]


class _BatchLoop(Iterator[list[Any]]):
    """One epoch of `BatchPositions`. State: the batches that are left, and how many are done."""

    def __init__(self, owner: BatchPositions) -> None:
        """Be before the first batch: PyTorch asks for two loops, one of which it never begins."""
        self._owner = owner
        self._epoch, self._done = owner.epoch, owner.start
        self._rest: Iterator[list[Any]] | None = None

    def __next__(self) -> list[Any]:
        """Return the next batch."""
        batch = next(self._go_on() if self._rest is None else self._rest)
        self._done += 1
        return batch

    def state_dict(self) -> dict[str, int]:
        """Return where the loop is, as stateful loaders (torchdata) ask for it."""
        return {"epoch": self._epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from where another loop was, and let the next loop be the epoch after it."""
        self._owner.epoch, self._owner.start = state["epoch"], state["done"]
        self._go_on()

    def _go_on(self) -> Iterator[list[Any]]:
        """Begin the epoch that is next, and return its batches."""
        self._epoch, self._done = self._owner.begin()
        self._rest = iter(self._owner.batches_of(self._epoch)[self._done :])
        return self._rest
