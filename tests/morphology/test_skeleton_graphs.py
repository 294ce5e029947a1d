"""Branches, branch points and end points of lines: by hand, of drawn trees, and against the Euler characteristic."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.metrics import euler_characteristic
from mia_functional.morphology import BranchCounts, branch_counts, skeleton


def drawn(*rows):
    """Return a mask from rows of text."""
    return np.array([[voxel == "#" for voxel in row] for row in rows])


SHAPES = {
    "none": (drawn("..", ".."), (0, 0, 0)),
    "voxel": (drawn("...", ".#.", "..."), (0, 0, 1)),
    "line": (drawn("####"), (1, 0, 2)),
    "two lines": (drawn("##..##"), (2, 0, 4)),
    "corner": (drawn("#..", "#..", "###"), (1, 0, 2)),
    "stairs": (drawn("##...", ".##..", "..##.", "...##"), (1, 0, 2)),
    "T": (drawn("#####", "..#..", "..#.."), (3, 1, 3)),
    "X": (drawn("#...#", ".#.#.", "..#..", ".#.#.", "#...#"), (4, 1, 4)),
    "H": (drawn("#...#", "#...#", "#####", "#...#", "#...#"), (5, 2, 4)),
    "diamond": (drawn(".#.", "#.#", ".#."), (1, 0, 0)),
    "ring": (drawn("####", "#..#", "#..#", "####"), (1, 0, 0)),
    "ring with a tail": (drawn("####..", "#..#..", "#..###", "####.."), (2, 1, 1)),
    "eight": (drawn("#####", "#.#.#", "#.#.#", "#####"), (3, 2, 0)),
    "triangle": (drawn("##", "#."), (1, 0, 2)),
    "square": (drawn("##", "##"), (0, 0, 1)),
    "square in a line": (drawn("#...", ".##.", ".##.", "...#"), (1, 0, 2)),
    "square at an end": (drawn("##..", "####", "##.."), (1, 0, 2)),
    "ring with a square": (drawn(".###..", "#...##", "#...##", ".###.."), (1, 0, 0)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_by_hand(name):
    lines, expected = SHAPES[name]
    for mask in (lines, lines.T, lines[::-1], lines[:, None, ::-1], np.stack([~lines & lines, lines], axis=2)):
        assert branch_counts(mask) == expected


def comb(seed):
    """Return a trunk with teeth at an angle, in 2-D or 3-D, and how many teeth it has."""
    rng = np.random.default_rng(seed)
    ndim = 2 + seed % 2
    lines = np.zeros((65,) * ndim, bool)
    lines[(slice(2, 63), *(32,) * (ndim - 1))] = True
    teeth = int(rng.integers(0, 6))
    for root in 8 + 9 * np.arange(teeth):
        start, way = np.full(ndim, 32), np.zeros(ndim, int)
        start[0] = root
        way[1 + rng.integers(ndim - 1)] = rng.choice((-1, 1)) * int(rng.integers(4, 20))
        way[0] = int(rng.integers(0, 3))
        steps = int(np.abs(way).max())
        for step in range(steps + 1):
            lines[tuple(np.rint(start + way * step / steps).astype(int))] = True
    return lines, teeth


@pytest.mark.parametrize("seed", range(12))
def test_trees_have_the_branches_that_were_drawn(seed):
    """skan 0.13.1 finds as many branches, junction voxels and end points in each of these trees."""
    lines, teeth = comb(seed)
    assert branch_counts(lines) == BranchCounts(2 * teeth + 1, teeth, teeth + 2)


@pytest.mark.parametrize("seed", range(6))
def test_ends_and_meetings_minus_branches_are_the_euler_characteristic(seed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(80, 80)), 2.5)
    parts, count = ndimage.label(skeleton(noise > 0.02), np.ones((3, 3)))
    for number in range(1, count + 1):
        branches, meetings, ends = branch_counts(parts == number)
        # A closed curve is a branch without an end.
        curve = (branches, meetings, ends) == (1, 0, 0)
        assert ends + meetings - branches + curve == euler_characteristic(parts == number)


def test_every_way_to_turn_a_tripod():
    tripod = np.zeros((9, 9, 9), bool)
    tripod[4, 4, 4:] = tripod[4, 4:, 4] = tripod[4:, 4, 4] = True
    for order in itertools.permutations(range(3)):
        assert branch_counts(tripod.transpose(order)[::-1]) == (3, 1, 3)
    for turned in (tripod.astype(np.uint8), np.asfortranarray(tripod)):
        assert branch_counts(turned) == (3, 1, 3)
