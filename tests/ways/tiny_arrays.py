"""Arrays so small that functions are differentiated by each of their entries, away from kinks."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = tuple[NDArray[Any], ...]
Draw: TypeAlias = Callable[[np.random.Generator], Arrays]

SHAPE = (4, 3, 3)


def uniform(*shapes: tuple[int, ...], low: float = 0.1, high: float = 0.9) -> Draw:
    """Return what draws arrays of some shapes."""
    return lambda rng: tuple(rng.uniform(low, high, shape) for shape in shapes)


def joined(*draws: Draw) -> Draw:
    """Return what draws the arrays of several, one after the other."""
    return lambda rng: tuple(array for draw in draws for array in draw(rng))


def labels(rng: np.random.Generator) -> Arrays:
    """Return a label map of the labels 0 to 2."""
    return (rng.permutation(np.arange(36) % 3).reshape(SHAPE).astype(np.int32),)


def inside(rng: np.random.Generator) -> Arrays:
    """Return a mask of an image."""
    return (rng.random((*SHAPE, 1)) < 0.7,)


def channels(rng: np.random.Generator) -> Arrays:
    """Return an image of two channels, all of whose values are 0.05 apart."""
    return ((rng.permutation(72) / 10 + rng.uniform(0, 0.05, 72)).reshape(*SHAPE, 2),)
