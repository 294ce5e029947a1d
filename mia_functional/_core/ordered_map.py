"""A function over many items, in order and in bounded memory, in this thread or in any executor."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # pools bring logging and queues with them, a tenth of what all metrics take to import
    from concurrent.futures import Executor, Future

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")

_AHEAD = 4
"""Items that are submitted before the first is awaited, where the executor does not say how many workers it has."""


def workers_of(executor: "Executor") -> int:
    """Return how many items are submitted before the first is awaited: as many as there are workers, where known."""
    # Pools of the standard library have `_max_workers`, other executors (dask, MPI) need not.
    workers: int = getattr(executor, "_max_workers", _AHEAD)
    return workers


def map_ordered(
    function: Callable[[_Item], _Outcome], items: Iterable[_Item], *, executor: "Executor | None" = None, ahead: int = 0
) -> Iterator[_Outcome]:
    """Yield `function(item)` for every item, in their order.

    Args:
        function: Called once per item; with a process pool it and the items must pickle.
        items: Any iterable; it is read only a few items ahead.
        executor: Any pool of `concurrent.futures`; without one, items are handled one after the other, here. If one
            fails, or the iterator is closed, those that wait are cancelled.
        ahead: Items that are submitted before the first is awaited; by default as many as the executor has workers.

    Example:
        >>> list(map_ordered(abs, [-1, 2, -3]))
        [1, 2, 3]
    """
    if executor is None:
        yield from map(function, items)
        return
    # `Executor.map` would submit all items at once, and keep every outcome until it is asked for.
    limit = ahead or workers_of(executor)
    pending: deque[Future[_Outcome]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) > limit:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
