"""Which samples come in which batch, epoch after epoch: the order in which loaders of any kind take them.

State: where a loader is. It is kept in lists of records that are otherwise immutable, as a loop moves on by itself.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.dataset.sampling import AnySamples, has_one_epoch, kept_epoch

__all__ = ["BatchPositions", "batch_positions", "shuffled"]

_Order: TypeAlias = Callable[[int, int], Iterable[int]]
"""From an epoch and its number of samples to the positions in the order in which they are taken."""

_SHUFFLING = 2
"""Tells random numbers of orders from those of indices (0) and of transforms (1), which come from one seed."""


def shuffled(seed: int, epoch: int, count: int) -> Iterable[int]:
    """Return positions in the random order of an epoch: a function of the seed, the epoch and their number alone."""
    order: list[int] = np.random.default_rng((seed, epoch, _SHUFFLING)).permutation(count).tolist()
    return order


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchPositions:
    """Positions of samples in batches, from `batch_positions`. Every loop over it is the next epoch.

    Args:
        samples: What is taken.
        batch_size: Positions in a batch.
        order: The order of an epoch; None for that of the samples.
        length: How many positions the order gives; None for as many as there are samples.
        drop_last: Whether a smaller last batch is left out.
        place: The epoch of the next loop, and how many of its batches are left out: 0 from the second loop on.
    """

    samples: Sized
    batch_size: int
    order: _Order | None
    length: int | None
    drop_last: bool
    place: list[int]

    def __len__(self) -> int:
        """Return the number of batches of the next loop."""
        epoch, start = self.place
        return _batch_count(self, epoch) - start

    def __iter__(self) -> "_BatchLoop":
        """Return a loop over the next epoch, which begins with its first batch."""
        return _BatchLoop(positions=self, place=[], rest=deque())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _BatchLoop:
    """One epoch of batches; another loop can go on from where it is, as stateful loaders (torchdata) ask for it.

    Args:
        positions: What it loops over.
        place: The epoch, and how many batches are done; empty before the first, since PyTorch asks for two loops, one
            of which it never begins.
        rest: The batches that are left.
    """

    positions: BatchPositions
    place: list[int]
    rest: deque[list[Any]]

    def __iter__(self) -> Iterator[list[Any]]:
        """Return the loop itself."""
        return self

    def __next__(self) -> list[Any]:
        """Return the next batch."""
        if not self.place:
            _begin_epoch(self)
        if not self.rest:
            raise StopIteration
        self.place[1] += 1
        return self.rest.popleft()

    def state_dict(self) -> dict[str, int]:
        """Return where the loop is."""
        epoch, done = self.place or self.positions.place
        return {"epoch": epoch, "done": done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from where another loop was, and let the next loop be the epoch after it."""
        self.positions.place[:] = state["epoch"], state["done"]
        _begin_epoch(self)


def batch_positions(
    function: str, samples: Sized, *, batch_size: int, order: _Order | None = None, length: int | None = None,
    drop_last: bool = False, epoch: int | None = None, start: int = 0,
) -> BatchPositions:  # fmt: skip
    """Return positions of samples in batches.

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
    first = samples.epoch if isinstance(samples, AnySamples) else 0
    begin = first if epoch is None else checks.integer(function, "epoch", epoch, minimum=0)
    positions = BatchPositions(
        samples=samples, batch_size=checks.integer(function, "batch_size", batch_size, minimum=1), order=order,
        length=length, drop_last=drop_last, place=[begin, checks.integer(function, "start", start, minimum=0)],
    )  # fmt: skip
    if start > _batch_count(positions, begin):
        needed = f"be at most the {_batch_count(positions, begin)} batches of an epoch"
        checks.invalid_value(function, "start", needed, start)
    return positions


def _batch_count(positions: BatchPositions, epoch: int) -> int:
    """Return the number of batches of an epoch."""
    samples, size = positions.samples, positions.batch_size
    # Loaders are asked for their length after the last epoch, too, where there may be no next one.
    if isinstance(samples, AnySamples) and not has_one_epoch(samples):
        samples = kept_epoch(samples, epoch)
    count = len(samples) if positions.length is None else positions.length
    return count // size if positions.drop_last else -(-count // size)


def _begin_epoch(loop: _BatchLoop) -> None:
    """Let a loop be in the next epoch, and the loop after it in the one after that."""
    positions = loop.positions
    (epoch, done), samples, size = positions.place, positions.samples, positions.batch_size
    count = len(kept_epoch(samples, epoch) if isinstance(samples, AnySamples) else samples)
    taken: list[Any] = list(range(count) if positions.order is None else positions.order(epoch, count))
    if isinstance(samples, AnySamples):
        taken = [(epoch, position) for position in taken]
    stop = len(taken) - len(taken) % size if positions.drop_last else len(taken)
    loop.place[:] = epoch, done
    loop.rest.clear()
    loop.rest.extend(taken[begin : min(begin + size, stop)] for begin in range(done * size, stop, size))
    positions.place[:] = epoch + 1, 0
