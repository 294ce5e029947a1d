"""SimpleITK, imported at its first use, and the two process-wide settings of ITK that this package overrides.

Hidden state, all of it owned by this module:

* What: ITK's display of warnings and its default number of threads, and in `_ORIGINALS` the values to go back to.
* Lifetime: a setting is overridden while at least one `quiet()` or `one_thread()` is active, in any thread; the last to
  leave restores what the first one found. Nothing is kept in between.
* Threads: `_LOCK` makes reading, changing and restoring one step. It is held for that step alone, never while ITK
  works, and no other lock is taken under it.
* Fork: the child gets a new lock, as a thread that exists in the parent alone may have held the old one. A setting that
  such a thread overrides stays overridden in the child: no warnings, or one thread.
"""

import importlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

__all__ = ["ItkImage", "ItkReader", "one_thread", "quiet", "simpleitk"]

# SimpleITK's methods have no annotations (as of 2.5), so type checkers cannot see more than these names say.
ItkImage: TypeAlias = Any
"""A `SimpleITK.Image`."""

ItkReader: TypeAlias = Any
"""A `SimpleITK.ImageFileReader`."""

_LOCK = threading.Lock()

_ORIGINALS: dict[str, list[object]] = {}
"""By setting: the value to go back to, once for every context that is active."""


def simpleitk() -> ModuleType:
    """Return SimpleITK; its import takes 0.2 s, which commands and metrics that touch no image file do not pay."""
    return importlib.import_module("SimpleITK")


def _renew_lock() -> None:
    """Replace the lock in a process that was forked."""
    global _LOCK
    _LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def _override(setting: str, *, value: object) -> Iterator[None]:
    """Override a process-wide setting of ITK, given by the name of its accessors without Get and Set."""
    process = simpleitk().ProcessObject
    originals = _ORIGINALS.setdefault(setting, [])
    with _LOCK:
        originals.append(originals[0] if originals else getattr(process, f"Get{setting}")())
        getattr(process, f"Set{setting}")(value)
    try:
        yield
    finally:
        with _LOCK:
            original = originals.pop()
            if not originals:
                getattr(process, f"Set{setting}")(original)


quiet = partial(_override, "GlobalWarningDisplay", value=False)
"""Keep ITK from printing its warnings to standard error."""

one_thread = partial(_override, "GlobalDefaultNumberOfThreads", value=1)
"""Make filters that are created meanwhile use one thread, so that their sums always add up in the same order."""
