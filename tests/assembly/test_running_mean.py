"""The running mean: its divisor is the sum of weights so far over a patch's own, and what agrees stays to the bit."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import indexing
from mia_functional.assembly import Placement, gaussian, hann, mean, placements, uniform
from mia_functional.assembly.placement import placed_shape
from mia_functional.assembly.running_mean import add_to_mean, mean_divisor

from .cases import WINDOWS, shapes

values = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)


def by_hand(indices, shape, windows):
    """Return `d` of every patch from its definition: all weights so far on each of its voxels, over its own."""
    weights = np.zeros(shape)
    for index in indices:
        lines = [np.ones(1) if isinstance(e, int) else windows(e.stop - e.start) for e in index]
        box = tuple(slice(e, e + 1) if isinstance(e, int) else e for e in index)
        own = np.ones([line.size for line in lines])
        for axis, line in enumerate(lines):
            own = own * line.reshape(-1, *(1,) * (len(lines) - axis - 1))
        weights[box] += own
        yield weights[box] / own


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.data(), shapes, st.sampled_from(WINDOWS))
def test_the_divisor_of_every_patch_of_every_grid_is_that_of_the_definition(data, shape, window):
    if data.draw(st.booleans()):
        indices = indexing.slices(shape, axis=tuple(data.draw(st.permutations(range(len(shape))))))
    else:
        patch = tuple(data.draw(st.integers(1, size)) for size in shape)
        indices = indexing.patches(shape, patch, step=tuple(data.draw(st.integers(1, size)) for size in patch))
    rows = [(table, k) for table in placements(indices, shape, window=window) for k in range(len(table.start))]
    for (table, k), expected in zip(rows, by_hand(indices, shape, window), strict=True):
        # Each line along its own axis, so that they broadcast to the patch.
        axes = [
            [entry.reshape(-1, *(1,) * (len(shape) - axis - 1)) for entry in line[k]]
            for axis, line in enumerate(table.lines)
        ]
        (before, _, *earlier), *faster = axes
        np.testing.assert_allclose(mean_divisor(before, earlier, faster), expected, rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), values, st.integers(0, 2))
def test_what_all_patches_agree_on_stays_to_the_last_bit(divisors, value, channels):
    state = np.zeros((2, 3, *(2,) * channels), dtype=np.float32)
    patch = np.full(state.shape, value, dtype=np.float32)
    ones = np.ones((2, 3))
    state = add_to_mean(state, patch, Placement(np.zeros(2, dtype=np.int32), (), ones))
    for divisor in divisors:
        state = add_to_mean(state, patch, Placement(np.zeros(2, dtype=np.int32), (), ones * (1 + divisor)))
        np.testing.assert_array_equal(state, patch)


@pytest.mark.parametrize("window", [uniform, hann, gaussian])
@pytest.mark.parametrize("axes", [0, (0, 1), (2, 0, 1)])
def test_a_mean_by_lines_is_that_by_divisors(window, axes):
    shape = (9, 4, 5)
    rng = np.random.default_rng(0)
    grids = [indexing.slices(shape, axis=axes), indexing.patches(shape, (8, 3, 2), step=(1, 1, 2))]
    for indices, channels in product(grids, ((), (3,))):
        by_lines, by_divisors = (np.zeros((*shape, *channels), dtype=np.float32) for _ in range(2))
        divisors = by_hand(indices, shape, window)
        for table in placements(indices, shape, window=window):
            for k in range(len(table.start)):
                placement = Placement(table.start[k], tuple(line[k] for line in table.lines))
                patch = rng.normal(size=(*placed_shape(placement), *channels)).astype(np.float32)
                by_lines = mean.add(by_lines, patch, placement)
                by_divisors = mean.add(by_divisors, patch, Placement(placement.start, (), next(divisors)))
        np.testing.assert_allclose(by_lines, by_divisors, rtol=2e-6, atol=2e-6)
