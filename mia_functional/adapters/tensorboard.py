"""Numbers for TensorBoard: event files of scalars, without TensorFlow or PyTorch."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from mia_functional._core import optional

__all__ = ["Log", "event_file"]

__dir__ = __all__.copy  # dir() shows what users may touch

Log: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""A function of a step and of scalars by name."""


@contextmanager
def event_file(folder: str | os.PathLike[str]) -> Iterator[Log]:
    """Open an event file in a folder and give a function that writes scalars to it; it is closed at the end.

    Args:
        folder: Where TensorBoard will look; created if it does not exist.

    Yields:
        `log(step, {"loss": 0.5, "val/DICE/liver": 0.9})`; `analysis.scalars` gives such names and numbers.

    Example:
        >>> with event_file(folder) as log:
        ...     log(0, {"loss": 0.5})
        >>> len(list(folder.glob("events.out.tfevents.*")))
        1
    """
    writer: Any = optional.require("tensorboard.summary").Writer(os.fspath(folder))

    def log(step: int, scalars: Mapping[str, float]) -> None:
        for name, value in scalars.items():
            writer.add_scalar(name, float(value), step)

    try:
        yield log
    finally:
        writer.close()
