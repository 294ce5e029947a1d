"""How processes of our own are started, never by a fork of anybody else's, and how they share the cores."""

import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_sharing = 1
"""Processes that have the cores between them: in a pool of our own, this one and its siblings."""

_is_command = False
"""Whether this process runs the command `mia`, and nothing that others have begun."""


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


def run_as_command() -> None:
    """Let this process be that of the command `mia`: whatever runs in it is ours, so that it may be forked."""
    global _is_command
    _is_command = True


def begin_processes(preload: str) -> "BaseContext":
    """Return how processes of our own are started; where a server forks them, it begins now to import a module.

    Whoever knows early that there will be such processes calls this before the imports of its own.
    """
    # Imported here: the command asks for it before anything else, and `mia --help` needs none of it.
    from multiprocessing import forkserver, get_all_start_methods, get_context

    # A fork of this process might copy a lock that another thread holds: in the process of a command there is none as
    # long as its own threads have not begun. A server takes a tenth of a second more to begin, and another core.
    if _is_command and sys.platform == "linux" and threading.active_count() == 1:
        return get_context("fork")
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([preload])
    forkserver.ensure_running()
    return context
