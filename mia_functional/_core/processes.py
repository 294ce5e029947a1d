"""How processes of our own are started, never by a fork of the caller's, and how they share the cores."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_sharing = 1
"""Processes that have the cores between them: in a pool of our own, this one and its siblings."""


def available_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(processes: int) -> None:
    """Let this process leave the cores to others that work as hard: it has its share of them from now on."""
    global _sharing
    _sharing = processes


def own_cores() -> int:
    """Return how many threads of this process can work at once."""
    return max(available_cores() // _sharing, 1)


def begin_processes(preload: str) -> "BaseContext":
    """Return how processes of our own are started; where a server forks them, it begins now to import a module.

    Whoever knows early that there will be such processes calls this before the imports of its own.
    """
    # Imported here: the command asks for it before anything else, and `mia --help` needs none of it.
    from multiprocessing import forkserver, get_all_start_methods, get_context

    # A fork of this process might copy a lock that another thread holds.
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([preload])
    forkserver.ensure_running()
    return context
