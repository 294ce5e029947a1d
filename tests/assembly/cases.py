"""Volumes, grids, samples and strategies that several tests of assembly share."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.assembly import (
    Placement,
    gaussian,
    hann,
    last,
    maximum,
    mean,
    total,
    uniform,
)
from mia_functional.extraction import extract

COVERING = (indexing.clip, indexing.shift, indexing.even, indexing.overhang)


WINDOWS = (uniform, hann, gaussian)


shapes = st.lists(st.integers(2, 7), min_size=1, max_size=4).map(tuple)


loose = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def indices_of(draw, shape):
    """Indices that cover a volume: every kind there is."""
    kind = draw(st.sampled_from(("whole", "slices", "planes", "slabs", "patches", "voxels", "list", "random")))
    axes = len(shape)
    if kind == "slices":
        return indexing.slices(shape, axis=draw(st.integers(-axes, axes - 1)))
    if kind == "planes":
        return indexing.slices(shape, axis=tuple(range(axes)))
    if kind == "slabs":
        axis = draw(st.integers(0, axes - 1))
        thickness = draw(st.integers(1, shape[axis]))
        return indexing.slabs(shape, thickness, axis=axis, step=draw(st.integers(1, thickness)))
    patch = tuple(draw(st.integers(1, size)) for size in shape)
    if kind == "random":
        boxes = indexing.random_patches(np.random.default_rng(draw(st.integers(0, 99))), shape, patch, count=5)
        return [*boxes, *indexing.whole(shape), *boxes]
    step = tuple(draw(st.integers(1, size)) for size in patch)
    grid = indexing.patches(shape, patch, step=step, boundary=draw(st.sampled_from(COVERING)))
    if kind == "list":
        return draw(st.permutations(list(grid)))
    return {"whole": indexing.whole(shape), "voxels": indexing.voxels(shape)}.get(kind, grid)


SHAPE = (7, 8, 6)


GRID = indexing.patches(SHAPE, (3, 4, 3), step=(2, 3, 2))


VOLUME = np.random.default_rng(0).normal(size=(*SHAPE, 2)).astype(np.float32)


REDUCTIONS = (mean, last, maximum, total)


def doubted(patch, seed):
    """Return a patch with noise, so that overlapping ones disagree."""
    return patch + np.random.default_rng(seed).normal(size=patch.shape).astype(np.float32)


PARTS = np.stack([doubted(extract(VOLUME, index), seed) for seed, index in enumerate(GRID)])


def row(places, k):
    """Return one row of a table of places."""
    return Placement(places.start[k], tuple(line[k] for line in places.lines))


class Cohort(NamedTuple):
    """Subjects and the shapes of their images."""

    subjects: tuple[str, ...] = ("A", "B", "C")
    grids: tuple[tuple[int, ...], ...] = ((6, 5, 4), (7, 5, 6), (4, 4, 4))


class Table(NamedTuple):
    """Samples of them."""

    dataset: Cohort
    numbers: tuple[int, ...]
    indices: tuple[Any, ...]
    kept: tuple[Any, ...] = ()
