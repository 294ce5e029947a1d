"""Connected components: against a walk over voxels and against SciPy, on every library, in programs and batches."""

import itertools
from functools import partial

import jax
import numpy as np
import pytest
from scipy import ndimage

from mia_functional.morphology import connected_components, largest_components

from .test_euclidean import noise


def brute_components(mask, connectivity):
    """Return numbered components by walking from each voxel that has no number yet."""
    labels = np.zeros(mask.shape, dtype=int)
    steps = [s for s in itertools.product((-1, 0, 1), repeat=mask.ndim) if 0 < np.count_nonzero(s) <= connectivity]
    for start in zip(*np.nonzero(mask), strict=True):
        if labels[start]:
            continue
        number, stack = labels.max() + 1, [start]
        while stack:
            voxel = stack.pop()
            if not labels[voxel]:
                labels[voxel] = number
                near = [tuple(np.add(voxel, step)) for step in steps]
                inside = [v for v in near if all(0 <= i < n for i, n in zip(v, mask.shape, strict=True))]
                stack += [v for v in inside if mask[v]]
    return labels


@pytest.mark.parametrize(
    ("shape", "connectivity"), [((12,), 1), ((7, 8), 1), ((7, 8), 2), ((4, 5, 6), 2), ((4, 5, 6), 3)]
)
def test_components_equal_a_walk(shape, connectivity):
    mask = noise(6, shape, 0.3)
    expected = brute_components(mask, connectivity)
    labels = connected_components(mask, connectivity=connectivity)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected)
    volumes = [(np.sum(expected == number), -number) for number in range(1, expected.max() + 1)]
    for count in (1, 2):
        kept = [-number for _, number in sorted(volumes, reverse=True)[:count]]
        got = largest_components(mask, count=count, connectivity=connectivity)
        np.testing.assert_array_equal(got, np.isin(expected, kept))


def test_components_keep_the_library():
    import jax.numpy as jnp
    import torch

    mask = np.array([[1, 0, 1], [0, 0, 1]], dtype=bool)
    for asarray, kind in ((jnp.asarray, jnp.ndarray), (torch.asarray, torch.Tensor)):
        assert isinstance(connected_components(asarray(mask)), kind)
        assert np.asarray(largest_components(asarray(mask))).tolist() == [[False, False, True], [False, False, True]]
    assert not largest_components(np.zeros((2, 2), dtype=bool)).any()


def corridor():
    """Return a mask of one long way to and fro, in three dimensions: what spreads step by step takes longest for."""
    mask = np.zeros((9, 9, 9), bool)
    mask[::2, ::2] = True
    mask[::2, 1::4, -1] = mask[::2, 3::4, 0] = True
    mask[1::4, -1, -1] = mask[3::4, 0, 0] = True
    return mask


SCENES = {
    "noise": noise(8, (6, 7, 5), 0.4),
    "dense": noise(9, (6, 7, 5), 0.8),
    "corridor": corridor(),
    "backwards": corridor()[::-1, ::-1, ::-1],
    "none": np.zeros((2, 3, 4), bool),
    "all": np.ones((2, 3, 4), bool),
    "plane": noise(10, (9, 8), 0.5),
    "line": noise(11, (30,), 0.5),
    "flat": noise(12, (6, 1, 7), 0.5),
    "sparse": np.pad(noise(13, (4, 4, 4), 0.4), 12),
}


@pytest.mark.sampled(24)
@pytest.mark.parametrize("reach", [1, 2, 3])
@pytest.mark.parametrize("name", SCENES)
def test_all_libraries_number_alike(xp, name, reach):
    mask = SCENES[name]
    connectivity = min(reach, mask.ndim)
    expected, _ = ndimage.label(mask, structure=ndimage.generate_binary_structure(mask.ndim, connectivity))
    labels = xp.run(partial(connected_components, connectivity=connectivity), mask)
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.int32
    assert labels.shape == mask.shape


def test_memory_order_does_not_matter():
    mask = SCENES["noise"]
    for other in (np.asfortranarray(mask), mask.transpose(2, 0, 1).copy().transpose(1, 2, 0), mask[::-1][::-1]):
        np.testing.assert_array_equal(connected_components(other), connected_components(mask))


@pytest.mark.slow
def test_a_batch_is_what_its_members_are():
    batch = np.stack([SCENES["noise"], SCENES["dense"], SCENES["noise"][::-1]])
    found = jax.jit(jax.vmap(partial(connected_components, connectivity=2)))(batch)
    for labels, mask in zip(found, batch, strict=True):
        np.testing.assert_array_equal(labels, connected_components(mask, connectivity=2))
