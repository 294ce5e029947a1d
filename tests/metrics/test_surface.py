"""Surface elements and their distances: against a brute force over all pairs, on every library."""

import itertools
from functools import partial

import numpy as np
import pytest
from surface_distance import lookup_tables

from mia_functional.metrics import marching
from mia_functional.metrics.surface import SurfaceDistances, solid, surface_distances, surfels, voxels

from . import brute_force
from .brute_force import SHAPES, SPACINGS, blobs, surface_pairs

CONVENTIONS = [
    (surfels, brute_force.surfel_elements),
    (voxels, brute_force.voxel_elements),
    (solid, brute_force.solid_elements),
]
NAMES = [boundary.__name__ for boundary, _ in CONVENTIONS]


def sorted_pairs(record):
    """Return the directed lists of (distance, weight) of a record, sorted, without entries of weight zero."""
    forward, backward, *weights = (np.asarray(field).reshape(-1) for field in record)
    return tuple(
        sorted((float(d), float(w)) for d, w in zip(distances, weight, strict=True) if w > 0)
        for distances, weight in zip((forward, backward), weights, strict=True)
    )


def assert_same_pairs(record, expected, tolerance):
    for got, wanted in zip(sorted_pairs(record), expected, strict=True):
        assert len(got) == len(wanted)
        np.testing.assert_allclose(np.array(got).reshape(-1, 2)[:, 0], [d for d, _ in wanted], rtol=tolerance)
        np.testing.assert_allclose(
            sorted(weight for _, weight in got), sorted(weight for _, weight in wanted), rtol=tolerance
        )


@pytest.mark.parametrize(("boundary", "elements"), CONVENTIONS, ids=NAMES)
@pytest.mark.parametrize("shape", [(7,), (5, 6), (4, 5, 6)])
def test_distances_equal_brute_force_on_every_library(xp, shape, boundary, elements):
    prediction, reference = blobs(1, shape)
    spacing = SPACINGS[1][: len(shape)]
    record = xp.run(partial(surface_distances, spacing=spacing, boundary=boundary), prediction, reference)
    assert isinstance(record, SurfaceDistances)
    assert_same_pairs(record, surface_pairs(prediction, reference, spacing, elements), 1e-6)


@pytest.mark.parametrize(("boundary", "elements"), CONVENTIONS, ids=NAMES)
@pytest.mark.parametrize(("shape", "spacing"), list(itertools.product(SHAPES, SPACINGS)))
def test_distances_equal_brute_force_for_many_shapes(shape, spacing, boundary, elements):
    spacing = spacing[: len(shape)]
    for seed in range(6):
        prediction, reference = blobs(seed, shape)
        record = surface_distances(prediction, reference, spacing=spacing, boundary=boundary)
        assert_same_pairs(record, surface_pairs(prediction, reference, spacing, elements), 1e-12)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_areas_of_all_codes_are_those_of_deepmind(spacing):
    theirs = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
    offsets = list(itertools.product(range(2), repeat=3))
    for code, bits in enumerate(itertools.product(range(2), repeat=8)):
        ours = sum(bit << sum(o << k for k, o in enumerate(offset)) for bit, offset in zip(bits, offsets, strict=True))
        assert marching.sizes(spacing)[ours] == pytest.approx(theirs[code], rel=1e-12)
