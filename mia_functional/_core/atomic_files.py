"""Files and folders that are complete under their name or absent: written to a draft beside, flushed, then renamed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mia_functional._core import checks


@contextmanager
def atomic_write(function: str, path: Path, *, overwrite: bool = True, durable: bool = True) -> Iterator[Path]:
    """Yield the path of a draft, which becomes the file at `path` if the block ends without an error.

    The block may write more files beside the draft, such as the pixels of a detached header: they get their names
    first, so that the file at `path` never refers to what is not there. After an error nothing is left of any of them.

    Args:
        function: Name for messages.
        path: The file, or the folder if the draft is one; that in which it lies must exist.
        overwrite: Replace a file that exists.
        durable: Return only when contents and names are on the disk, so that they survive a loss of power.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        FileNotFoundError: The folder does not exist.
        OSError: A file could not be written; the text names `path` instead of the draft.
    """
    checks.booleans(function, overwrite=overwrite)
    import tempfile  # here, since it would add a tenth to the time that `mia --help` takes

    if not overwrite and os.path.lexists(path):
        raise FileExistsError(f"{function}: {path} exists already; `overwrite=True` replaces it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{function}: the folder {path.parent} does not exist.")
    # The draft lies in the folder of the file, hence on its file system: a rename across two is not a single step.
    # It has a folder of its own, in which it bears its final name: formats go by extensions, and headers name files.
    with naming_failures(function, path), tempfile.TemporaryDirectory(prefix=".mia-", dir=path.parent) as folder:
        draft = Path(folder, path.name)
        yield draft
        companions = [file for file in sorted(Path(folder).iterdir()) if file != draft]
        publish(draft, path, companions=companions, durable=durable)


def publish(draft: Path, path: Path, *, companions: Sequence[Path] = (), durable: bool = True) -> None:
    """Give a finished draft on the same file system the name `path`, after its companions, which keep their names."""
    if durable:
        # All contents come before the first name: a disk that is full leaves the old files as they were.
        for file in (*companions, draft):
            _sync(file, whole=True)
    if companions:
        # An old header must not describe new pixels: a crash between two renames leaves no image, not a wrong one.
        path.unlink(missing_ok=True)
    for companion in companions:
        companion.replace(path.with_name(companion.name))
    if draft.is_dir() and path.is_dir() and not path.is_symlink():
        # A folder takes the name of an empty one only. The old one goes with the folder of the draft.
        path.replace(draft.with_name(f"{draft.name}.old"))
    draft.replace(path)
    if durable:
        _sync(path.parent)


@contextmanager
def naming_failures(function: str, path: Path) -> Iterator[None]:
    """Raise errors of the system again with the function and the path that the user knows."""
    try:
        yield
    except OSError as error:
        # Without a number it is an error of ours, which names both already.
        if error.errno is None:
            raise
        text = f"{function}: {path} could not be written: {error.strerror or error}"
        raise OSError(error.errno, text, str(path)) from error


def _sync(path: Path, *, whole: bool = False) -> None:
    """Flush a file, or the names in a folder, to the disk; of a `whole` folder all that is in it, first."""
    for inner in sorted(path.rglob("*"), reverse=True) if whole else ():
        _sync(inner)
    if path.is_dir() and os.name == "nt":  # Windows opens no folders, and has no call that flushes one
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
