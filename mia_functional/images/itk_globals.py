"""SimpleITK's process-wide settings: warnings and threads."""

import importlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def simpleitk() -> Any:
    """Return SimpleITK, whose functions carry no types; imported at the first use, as it takes 0.2 s."""
    return importlib.import_module("SimpleITK")


_LOCK = threading.Lock()
"""Taken anew in a process that is forked: a thread of the parent may have held it."""


_SHOWN: list[bool] = []


_THREADS: list[int] = []


def _renew() -> None:
    """Take a lock that is free."""
    global _LOCK
    _LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ITK from printing its warnings; the last thread to leave restores what was set before the first came."""
    with _LOCK:
        _SHOWN.append(_SHOWN[0] if _SHOWN else simpleitk().ProcessObject.GetGlobalWarningDisplay())
        simpleitk().ProcessObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        with _LOCK:
            if _SHOWN.pop() and not _SHOWN:
                simpleitk().ProcessObject.GlobalWarningDisplayOn()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let filters that ITK makes within add up in one order; the last thread to leave restores what was set before."""
    with _LOCK:
        _THREADS.append(_THREADS[0] if _THREADS else simpleitk().ProcessObject.GetGlobalDefaultNumberOfThreads())
        simpleitk().ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        with _LOCK:
            before = _THREADS.pop()
            if not _THREADS:
                simpleitk().ProcessObject.SetGlobalDefaultNumberOfThreads(before)
