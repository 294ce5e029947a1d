"""The lock that keeps two runs of `create` from one path.

Hidden state: `_HELD`, the descriptors of the locks that this process holds, each for as long as the `with` block of
`hold_lock`. Threads may hold locks of different folders; a second one on the same folder fails, as `flock` belongs to
the open file. A forked child shares the open files of its parent, with their locks, and would keep them after the
parent was killed: it closes its descriptors, which leaves the parent's locks alone.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["LOCK_FILE", "hold_lock"]

LOCK_FILE = "lock"
"""Name of the file, beside the checkpoints, that a run holds a lock on."""

_HELD: set[int] = set()


@contextmanager
def hold_lock(path: Path, folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of checkpoints; the system releases it when the process ends, in whatever way."""
    lock = _acquire(path, folder)
    _HELD.add(lock)
    try:
        yield
    finally:
        if lock in _HELD:  # not in a forked child, which has closed it
            _HELD.remove(lock)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)


def _acquire(path: Path, folder: Path) -> int:
    """Return the locked file of a folder, as a descriptor."""
    # A run that ends deletes its folder and its lock file. Where that happens between opening and locking, the lock is
    # one on a deleted file, which keeps nobody away: everything begins anew.
    while True:
        with suppress(FileExistsError):
            folder.mkdir()
        with suppress(FileNotFoundError), ExitStack() as stack:
            lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
            stack.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(f"create: another run is at work on {path}.") from None
            except OSError:  # the drive has no locks
                pass
            if os.path.samestat(os.fstat(lock), os.stat(folder / LOCK_FILE)):
                stack.pop_all()
                return lock


def _close_inherited() -> None:
    """Close the locks of the parent in a process that was forked from it; the parent still holds them."""
    for lock in _HELD:
        os.close(lock)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
