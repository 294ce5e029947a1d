"""What the notebooks on signals and point clouds share: functions that worker processes can import."""

from pathlib import Path
from typing import Any

import numpy as np

from mia_functional.geometry import Geometry


def load_signal(path: str, *, rate: float) -> tuple[Any, Geometry]:
    """Return a signal `(time, channels)` of a file `(channels, time)`, on a grid of one axis.

    Args:
        path: A NumPy file.
        rate: Samples per second; the spacing of the grid is in milliseconds.
    """
    signal = np.ascontiguousarray(np.load(Path(path)).T)
    return signal, Geometry(shape=signal.shape[:1], spacing=(1000 / rate,))


def draw_points(sample: dict[str, Any], *, count: int) -> dict[str, Any]:
    """Return a sample with some of its points, drawn anew in every epoch; a network needs equally many of each."""
    chosen = sample["rng"].choice(len(sample["points"]), count, replace=False)
    return {**sample, "points": sample["points"][chosen], "parts": sample["parts"][chosen]}
