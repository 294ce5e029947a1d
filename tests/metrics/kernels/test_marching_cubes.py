"""Sizes of surface elements: the generated table against DeepMind's."""

import itertools

import numpy as np
import pytest
from surface_distance import lookup_tables

from mia_functional.metrics._kernels import marching_cubes

from ..brute_force import SPACINGS


@pytest.mark.parametrize("spacing", SPACINGS)
def test_areas_of_all_codes_are_those_of_deepmind(spacing):
    theirs = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
    offsets = list(itertools.product(range(2), repeat=3))
    for code, bits in enumerate(itertools.product(range(2), repeat=8)):
        ours = sum(bit << sum(o << k for k, o in enumerate(offset)) for bit, offset in zip(bits, offsets, strict=True))
        assert marching_cubes.surfel_sizes(spacing)[ours] == pytest.approx(theirs[code], rel=1e-12)


def test_contours_of_all_squares_are_those_of_deepmind():
    theirs = lookup_tables.create_table_neighbour_code_to_contour_length((0.7, 2.5))
    offsets = list(itertools.product(range(2), repeat=2))
    for code, bits in enumerate(itertools.product(range(2), repeat=4)):
        ours = sum(bit << sum(o << k for k, o in enumerate(offset)) for bit, offset in zip(bits, offsets, strict=True))
        assert marching_cubes.surfel_sizes((0.7, 2.5))[ours] == pytest.approx(theirs[code], rel=1e-12)


def test_the_table_is_shared_and_cannot_be_written_to():
    table = marching_cubes.surfel_sizes((1.0, 2.0))
    assert marching_cubes.surfel_sizes((1.0, 2.0)) is table
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1.0
    assert isinstance(table, np.ndarray)
