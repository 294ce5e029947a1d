"""Strategies make what they say: kinds of scenes, libraries, dtypes; and examples shrink to simple ones."""

import array_api_strict
import hypothesis
import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import testing
from mia_functional.geometry import Geometry

FEW = settings(max_examples=50, deadline=None)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: testing.masks(dimensions=(0, 3)), "masks: `dimensions` must be at least 1"),
        (lambda: testing.mask_pairs(largest=0), "mask_pairs: `largest` must be at least 1"),
        (lambda: testing.label_maps(labels=(-1,)), "label_maps: `labels` must be at least 0"),
        (lambda: testing.instance_maps(most=-1), "instance_maps: `most` must be at least 0"),
        (lambda: testing.spacings(1.5), "spacings: `ndim` must be a whole number"),
        (lambda: testing.masks(xp="matlab"), "masks: `xp` must be one of numpy, jax, torch, strict, cupy"),
        (lambda: testing.masks(dtype=bool), "masks: `dtype` must be the name of a dtype"),
    ],
)
def test_mistakes_are_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        call()


@pytest.mark.slow
@FEW
@given(testing.masks(dimensions=(2, 3), largest=4), testing.mask_pairs(shape=(2, 3)), testing.spacings(3))
def test_masks_and_spacings(mask, pair, spacing):
    assert mask.dtype == bool
    assert mask.ndim in (2, 3)
    assert max(mask.shape) <= 4
    assert pair[0].shape == pair[1].shape == (2, 3)
    assert len(spacing) == 3
    assert all(0.1 <= step <= 10 for step in spacing)


@FEW
@given(st.data())
def test_maps_images_and_probabilities(data):
    labels = data.draw(testing.label_maps(labels=(0, 4, 7), dimensions=(1, 2)))
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 4, 7}
    instances = data.draw(testing.instance_maps(most=3))
    assert len(np.unique(instances)) <= 4
    image = data.draw(testing.images(limits=(-5, 5), smallest=2, dtype="int16"))
    assert -5 <= image.min() <= image.max() <= 5
    assert min(image.shape) >= 2
    shares = data.draw(testing.probabilities(classes=3, shape=(2, 3)))
    assert shares.shape == (2, 3, 3)
    np.testing.assert_array_equal(shares.sum(axis=-1), 1)
    assert shares.min() >= 0
    table = data.draw(testing.contingency_tables(classes=(2, 3), largest=9))
    assert table.shape in ((2, 2), (3, 3))
    assert 0 <= table.min() <= table.max() <= 9
    grid = data.draw(testing.geometries(dimensions=(3, 3)))
    assert isinstance(grid, Geometry)
    assert len(grid.shape) == 3


KINDS = {
    "empty": lambda mask: not mask.any(),
    "full": lambda mask: mask.all(),
    "one voxel": lambda mask: mask.sum() == 1 < mask.size,
    "flat image": lambda mask: mask.ndim > 1 and 1 in mask.shape,
    "sheet": lambda mask: min(np.ptp(np.argwhere(mask), axis=0)) == 0 if mask.sum() > 3 else False,
    "cavity": lambda mask: ndi.binary_fill_holes(mask).sum() > mask.sum(),
    "corner": lambda mask: ndi.label(mask)[1] > ndi.label(mask, np.ones((3,) * mask.ndim))[1],
    "apart": lambda mask: ndi.label(mask, np.ones((3,) * mask.ndim))[1] > 1,
    "at every border": lambda mask: not mask.all() and all(mask.take(0, axis).any() for axis in range(mask.ndim)),
    "more than a byte": lambda mask: mask.sum() > 255,
}


@pytest.mark.slow
def test_all_kinds_of_scenes_are_drawn():
    missing = dict(KINDS)

    @settings(max_examples=500, deadline=None, database=None, derandomize=True)
    @given(testing.masks())
    def collect(mask):
        for name in [name for name, holds in missing.items() if holds(mask)]:
            del missing[name]

    collect()
    assert not missing


def test_pairs_are_equal_nearly_equal_and_apart():
    kinds = set()

    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @given(testing.mask_pairs(dimensions=(2, 3)))
    def collect(pair):
        wrong, overlap = (pair[0] ^ pair[1]).sum(), (pair[0] & pair[1]).any()
        kinds.add("equal" if wrong == 0 else "one off" if wrong == 1 else "over" if overlap else "apart")
        kinds.update(["inverted"] if (pair[0] ^ pair[1]).all() else [])

    collect()
    assert kinds == {"equal", "one off", "over", "apart", "inverted"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("holds", "most"),
    [
        (lambda mask: mask.any(), 1),
        (lambda mask: ndi.label(mask)[1] > 1, 9),
        (lambda mask: mask.ndim == 2 and ndi.binary_fill_holes(mask).sum() > mask.sum(), 16),
    ],
    ids=["a voxel", "two components", "a hole"],
)
def test_examples_shrink_to_small_images(holds, most):
    quiet = settings(max_examples=500, deadline=None, database=None, derandomize=True)
    assert hypothesis.find(testing.masks(), holds, settings=quiet).size <= most


@pytest.mark.parametrize("library", ["jax", "torch", "strict", array_api_strict], ids=str)
@settings(max_examples=3, deadline=None, database=None)
@given(st.data())
def test_any_library_and_dtype(library, data):
    pair = data.draw(testing.mask_pairs(shape=(2, 3), dtype="uint8", xp=library))
    package = "array_api_strict" if library == "strict" else getattr(library, "__name__", library)
    for mask in pair:
        assert type(mask).__module__.split(".")[0].removesuffix("lib") == package
        assert str(mask.dtype).endswith("uint8")
        assert tuple(mask.shape) == (2, 3)
