"""The lock that keeps two runs of `create` from one path."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


LOCK = "lock"
"""Name of the file, beside the parts, that a run holds a lock on."""


HELD: set[int] = set()
"""Locks of this process, as descriptors: they must not be those of the processes that are forked from it."""


def empty(folder: Path) -> None:
    """Delete all in a folder but its lock."""
    for path in folder.iterdir():
        if path.is_dir():
            # Drafts of a run that was killed. A worker that outlived it may still write there: what stays does no harm.
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)


@contextmanager
def locked(place: Path, folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system releases it when the process ends, in whatever way."""
    lock = lock_of(place, folder)
    HELD.add(lock)
    try:
        yield
    finally:
        if lock in HELD:
            HELD.remove(lock)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)


def lock_of(place: Path, folder: Path) -> int:
    """Return the lock of a folder, as a descriptor; a run that ends takes both away, and then they are made again."""
    while True:
        with suppress(FileExistsError):
            folder.mkdir()
        with suppress(FileNotFoundError), ExitStack() as stack:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            stack.callback(os.close, lock)
            hold(place, lock)
            if os.path.samestat(os.fstat(lock), os.stat(folder / LOCK)):
                stack.pop_all()
                return lock


def hold(place: Path, lock: int) -> None:
    """Lock an open file, if the drive has locks; refuse if another run did."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(f"create: another run is at work on {place}.") from None
    except OSError:
        pass


def let_go() -> None:
    """Close the locks of the parent in a process that was forked from it; the parent still holds them."""
    for lock in HELD:
        os.close(lock)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=let_go)
