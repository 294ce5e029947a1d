"""How processes of our own are started: never by a fork of the caller's."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext


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
