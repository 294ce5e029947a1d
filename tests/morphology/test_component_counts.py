"""Counts of components against SciPy's labels, by every way in which they are counted."""

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.morphology.component_counts import count_components

from .test_euclidean import noise


def smooth(shape, seed):
    """Return noise whose structures are some voxels wide."""
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1) > 0


def corners(width):
    """Return cubes that touch each other at corners and edges alone, each of `width` voxels."""
    chess = np.indices((4, 4, 4)) % 2
    return np.kron((chess[0] == chess[1]) & (chess[1] == chess[2]), np.ones((width,) * 3)) > 0


SCENES = {
    "few runs": np.pad(noise(1, (5, 6, 7), 0.5), 20),
    "few runs at the border": np.pad(noise(1, (5, 6, 7), 0.5), [(0, 25), (25, 0), (0, 90)]),
    "nearly all": noise(2, (20, 21, 22), 0.97),
    "most": noise(3, (20, 21, 22), 0.8),
    "half": noise(4, (20, 21, 22), 0.5),
    "few": noise(5, (20, 21, 22), 0.1),
    "smooth": smooth((25, 26, 27), 6),
    "corners": corners(5),
    "holes at the border": np.pad(~noise(7, (9, 9, 9), 0.3), [(0, 4), (4, 0), (0, 4)], constant_values=True),
    "plane": noise(8, (60, 50), 0.6),
    "smooth plane": smooth((60, 50), 9),
    "flat": noise(10, (30, 1, 40), 0.6),
    "line": noise(11, (300,), 0.5),
    "all": np.ones((5, 6, 7), bool),
    "none": np.zeros((5, 6, 7), bool),
}


@pytest.mark.parametrize("name", SCENES)
def test_counts_are_those_of_labels(name):
    mask = SCENES[name]
    for connectivity in range(1, mask.ndim + 1):
        structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
        for array in (mask, ~mask, mask.T):
            labels, count = ndimage.label(array, structure=structure)
            assert count_components(array, connectivity) == count
            inside = np.pad(np.zeros([max(size - 2, 0) for size in array.shape], bool), 1, constant_values=True)
            inside = inside[tuple(slice(size) for size in array.shape)]
            reaching = np.setdiff1d(labels[inside], [0]).size
            assert count_components(array, connectivity, enclosed=True) == count - reaching


def test_a_cavity_that_opens_across_an_edge_only_is_none_for_neighbours_across_edges():
    mask = np.ones((12, 12, 12), bool)
    mask[4:8, 4:8, 4:8] = False
    assert count_components(~mask, 3, enclosed=True) == 1
    mask[8, 8:, 5] = mask[8:, 8, 5] = False
    assert count_components(~mask, 1, enclosed=True) == 1
    assert count_components(~mask, 2, enclosed=True) == 0
