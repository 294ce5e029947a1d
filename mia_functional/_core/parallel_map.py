"""A function over many items in a pool, each outcome as soon as it is there; a process that dies costs one item."""

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from operator import length_hint
from typing import TYPE_CHECKING, TypeVar

from mia_functional._core.ordered_map import workers_of
from mia_functional._core.processes import begin_processes, share_cores

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


def map_completed(
    function: Callable[[_Item], _Outcome], items: Iterable[_Item], *, executor: Executor | None = None
) -> Iterator[tuple[int, _Outcome]]:
    """Yield the position of every item and `function(item)`, in the order in which they are done.

    Args:
        function: Called once per item; with a process pool it and the items must pickle.
        items: Any iterable; it is read only a few items ahead.
        executor: Any pool of `concurrent.futures`; without one, items are handled one after the other, here. If one
            fails, or the iterator is closed, those that wait are cancelled.

    Example:
        >>> list(map_completed(abs, [-1, 2, -3]))
        [(0, 1), (1, 2), (2, 3)]
    """
    if executor is None:
        yield from enumerate(map(function, items))
        return
    pending: dict[Future[_Outcome], tuple[int, _Item]] = {}
    yield from _completed(lambda item: executor.submit(function, item), enumerate(items), workers_of(executor), pending)


def _completed(
    submit: Callable[[_Item], Future[_Outcome]], numbered: Iterable[tuple[int, _Item]], limit: int,
    pending: dict[Future[_Outcome], tuple[int, _Item]],
) -> Iterator[tuple[int, _Outcome]]:  # fmt: skip
    """Yield outcomes as they are done; `pending` has what was submitted, also after an error."""
    try:
        for position, item in numbered:
            try:
                pending[submit(item)] = position, item
            except BrokenExecutor:
                # The item must not be lost: who catches this goes on with all that is pending.
                pending[Future()] = position, item
                raise
            if len(pending) > limit:
                yield from _outcomes_of(pending)
        while pending:
            yield from _outcomes_of(pending)
    finally:
        for future in pending:
            future.cancel()


def _outcomes_of(pending: dict[Future[_Outcome], tuple[int, _Item]]) -> Iterator[tuple[int, _Outcome]]:
    """Wait until something is done, and yield and remove all that is."""
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        outcome = future.result()
        position, _ = pending.pop(future)
        yield position, outcome


def map_in_processes(
    function: Callable[[_Item], _Outcome], items: Iterable[_Item], *, workers: int, lost: Callable[[_Item], _Outcome],
    preload: str,
) -> Iterator[tuple[int, _Outcome]]:  # fmt: skip
    """Yield the position of every item and `function(item)` from processes of our own, in the order they are done.

    A process may be killed, by a lack of memory say. What was being done then is tried once more, one item at a time;
    an item that ends its process again is lost, and the others go on. Warnings are given here.

    Args:
        function: Called once per item; it and the items must pickle.
        items: Any iterable; it is read only a few items ahead.
        workers: Number of processes, at most; there are no more than items.
        lost: Gives the outcome of an item that ends its process twice.
        preload: Name of a module that all processes need.
    """
    from concurrent.futures import ProcessPoolExecutor  # at its first use: it loads sockets, which arrays do not need

    def pool_of(size: int) -> AbstractContextManager[ProcessPoolExecutor]:
        context = begin_processes(preload)
        return _ended(ProcessPoolExecutor(size, mp_context=context, initializer=_begin_worker, initargs=(size,)))

    # A process without work would cost the others their threads, and a fork begins all of them at once.
    size = min(workers, max(length_hint(items, workers), 1))
    task = partial(_with_warnings, function)
    numbered = enumerate(items)
    while True:
        pending: dict[Future[tuple[_Outcome, list[Warning]]], tuple[int, _Item]] = {}
        try:
            with pool_of(size) as pool:
                for position, told in _completed(partial(_submit, pool, task), numbered, size, pending):
                    yield position, _warned(told)
            return
        except BrokenExecutor:
            suspects = list(pending.values())
        for position, item in suspects:
            with pool_of(1) as pool:
                try:
                    outcome = _warned(_submit(pool, task, item).result())
                except BrokenExecutor:
                    outcome = lost(item)
            yield position, outcome


@contextmanager
def _ended(pool: "ProcessPoolExecutor") -> "Iterator[ProcessPoolExecutor]":
    """Wait for a pool at the end of a block; after an error, Ctrl-C say, end its processes at once."""
    try:
        yield pool
    except BaseException:
        # What they work on is dropped. To wait for it may take minutes, and who presses Ctrl-C again in the meantime
        # would leave processes behind that wait for each other.
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: "ProcessPoolExecutor", function: Callable[[_Item], _Outcome], item: _Item) -> Future[_Outcome]:
    """Submit an item; with the first one processes begin, which Ctrl-C does not interrupt.

    It would be lost in a hook of the fork, leave a process that nobody ends, or end one with a traceback of its own: it
    waits until they have begun. They never get it (see `_begin_worker`).
    """
    if not hasattr(signal, "pthread_sigmask"):
        return pool.submit(function, item)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(function, item)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(size: int) -> None:
    """Leave Ctrl-C, which all processes of a terminal get, to the process that waits for this one, and end with it.

    Args:
        size: Number of processes in the pool: they share the cores, where threads of each would get in the way of all.
    """
    share_cores(size)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process as soon as its parent has: a worker of a parent that was killed would wait for work for ever."""
    from multiprocessing import parent_process  # loaded by now

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _with_warnings(function: Callable[[_Item], _Outcome], item: _Item) -> tuple[_Outcome, list[Warning]]:
    """Return an outcome and the warnings that were given on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = function(item)
    return outcome, [note.message for note in caught if isinstance(note.message, Warning)]


def _warned(told: tuple[_Outcome, list[Warning]]) -> _Outcome:
    """Return an outcome after giving the warnings that came with it."""
    outcome, notes = told
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return outcome
