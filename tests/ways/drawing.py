"""What calls of public functions are made of: small arrays of three different sizes, drawn at random, and helpers."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import mia_functional as mia

SHAPE = (8, 7, 6)
SPACING = (3.0, 1.0, 0.5)

ROOM = {"spacing": SPACING, "max_components": 9, "max_pairs": 12}
"""Options of components, whose shapes are fixed in programs."""


class Case(NamedTuple):
    """A call of a public function.

    Args:
        label: What is called, and how.
        call: From arrays to an array, or a tuple of them.
        draw: From a generator to the NumPy arrays of one call.
        keys: Whether the call makes a JAX key of its array, so that eager JAX and not NumPy says what is right.
    """

    label: str
    call: Callable[..., Any]
    draw: Callable[[np.random.Generator], tuple[NDArray[Any], ...]]
    keys: bool = False


def smooth(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a volume of few large blobs."""
    values = rng.normal(size=SHAPE).astype(np.float32)
    for axis in range(3):
        values = values + np.roll(values, 1, axis)
    return values


def masks(rng: np.random.Generator) -> tuple[NDArray[np.bool_], ...]:
    """Return two masks that overlap."""
    values = smooth(rng)
    return values > 1, np.roll(values, 1, 0) > 0.5


def masks_and_scores(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return two masks that overlap, and a score for each predicted component that there is room for."""
    return *masks(rng), rng.random(ROOM["max_components"]).astype(np.float32)


def signed_masks(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two masks of 0 and 1 that could be negative."""
    return tuple(mask.astype(np.int32) for mask in masks(rng))


def bytes_masks(rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """Return two masks of 0 and 1 in bytes."""
    return tuple(mask.astype(np.uint8) for mask in masks(rng))


def counts(rng: np.random.Generator) -> tuple[NDArray[np.int32]]:
    """Return an image of whole numbers, as of CT."""
    return (np.round(10 * image(rng)[0]).astype(np.int32),)


def label_maps(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two label maps of the labels 0 to 3."""
    values = smooth(rng)
    return tuple(np.digitize(array, (-1, 0.5, 1.5)).astype(np.int32) for array in (values, 0.3 + np.roll(values, 1, 0)))


def labels_and_mask(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two label maps and a signed mask."""
    return *label_maps(rng), (smooth(rng) > -1).astype(np.int32)


def labels_and_holes(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return two label maps and a signed mask of few voxels."""
    return *label_maps(rng), (smooth(rng) < -1.5).astype(np.int32)


def volumes(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return two volumes of positive intensities."""
    values = 3 + smooth(rng)
    return np.abs(values).astype(np.float32), np.abs(values + rng.normal(size=SHAPE)).astype(np.float32)


def volumes_and_mask(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return two volumes and a signed mask of all voxels but those in a corner, in which windows have room."""
    mask = np.ones(SHAPE, dtype=np.int32)
    mask[:2, :2, :2] = 0
    return *volumes(rng), mask


def soft_labels(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return the probabilities of three labels, and a label map of the labels 0 to 3."""
    scores = np.exp(np.stack([smooth(rng) for _ in range(4)], axis=-1) / 3)
    return (scores / scores.sum(axis=-1, keepdims=True))[..., 1:].astype(np.float32), label_maps(rng)[0]


def soft_labels_and_mask(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return the probabilities of three labels, a label map and a signed mask."""
    return *soft_labels(rng), (smooth(rng) > -1).astype(np.int32)


def labels_and_volume(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return two label maps and a volume of what is not negative."""
    return *label_maps(rng), volumes(rng)[0]


def soft_classes(rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return the probabilities of three classes, and a label map of the labels 1 to 3."""
    probabilities, reference = soft_labels(rng)
    return probabilities, np.maximum(reference, 1)


def image(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return an image of two channels, not negative."""
    return (np.abs(np.stack([smooth(rng), smooth(rng)], axis=-1)),)


def raters(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return the label maps of two raters in one array."""
    return (np.stack(label_maps(rng)),)


def landmarks(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return two lists of points."""
    return tuple(rng.normal(size=(2, 9, 3)).astype(np.float32))


def field(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return a displacement field that folds here and there."""
    return (rng.normal(size=(*SHAPE, 3)).astype(np.float32),)


def with_image(
    *others: Callable[[np.random.Generator], NDArray[Any]],
) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return what draws an image, and other arrays."""
    return lambda rng: (*image(rng), *(other(rng) for other in others))


def one(draw: Callable[[np.random.Generator], tuple[Any, ...]]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return what draws the first array alone."""
    return lambda rng: draw(rng)[:1]


def integers(*high: int) -> Callable[[np.random.Generator], NDArray[np.int32]]:
    """Return what draws a whole number for each axis, up to some of them."""
    return lambda rng: rng.integers(0, high, endpoint=True).astype(np.int32)


def floats(*shape: int, low: float, high: float) -> Callable[[np.random.Generator], NDArray[np.float32]]:
    """Return what draws numbers within two others."""
    return lambda rng: rng.uniform(low, high, shape).astype(np.float32)


def nearly_identity(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a matrix that turns and stretches a little."""
    return np.eye(3, dtype=np.float32) + floats(3, 3, low=-0.1, high=0.1)(rng)


def seed(rng: np.random.Generator) -> tuple[NDArray[np.int32], ...]:
    """Return what a key is made of."""
    return (rng.integers(0, 2**31 - 1, dtype=np.int32),)


def drawn(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a call of a sampler with a key of JAX, and with what it needs of an image."""
    sizes = {"spatial_shape": SHAPE, "channels": 2}
    needed = {name: size for name, size in sizes.items() if name in inspect.signature(function).parameters}

    def call(number: Any) -> Any:
        import jax

        return tuple(function(jax.random.key(number), **needed, **options))

    return call


GRID = mia.indexing.patches(SHAPE, (4, 4, 4), step=3)
(TABLE,) = mia.assembly.placements(GRID, SHAPE)


def parts(rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    """Return a patch of two channels for every index of the grid."""
    return (rng.normal(size=(len(GRID), 4, 4, 4, 2)).astype(np.float32),)


def placed(row: int) -> mia.assembly.Placement:
    """Return one row of the placements."""
    return mia.assembly.Placement(TABLE.start[row], tuple(line[row] for line in TABLE.lines))


def in_steps(patches: Any, *, reduction: Any = mia.assembly.mean) -> Any:
    """Return what `start`, `add` and `finish` make of the first three patches."""
    state = mia.assembly.start(patches[0, ...], SHAPE, reduction=reduction)
    for row in range(3):
        state = mia.assembly.add(state, patches[row, ...], placed(row), reduction=reduction)
    return mia.assembly.finish(state, reduction=reduction)


def together(patches: Any) -> Any:
    """Return what `add` makes of all patches at once."""
    state = mia.assembly.start(patches[0, ...], SHAPE)
    return mia.assembly.finish(mia.assembly.add(state, patches, TABLE))


def traced_start(patches: Any, start: Any) -> Any:
    """Return what `add` makes of a patch whose start is an array of its own."""
    state = mia.assembly.start(patches[0, ...], SHAPE, reduction=mia.assembly.total)
    placement = mia.assembly.Placement(start, placed(0).lines)
    return mia.assembly.add(state, patches[0, ...], placement, reduction=mia.assembly.total)


def planes(patches: Any) -> Any:
    """Return the planes of `assemble_planes` as one array."""
    from mia_functional._array import array_namespace

    listed = [patches[row, ...] for row in range(patches.shape[0])]
    stacked = [plane for _, plane in mia.assembly.assemble_planes(listed, GRID, SHAPE)]
    return array_namespace(*stacked).stack(stacked)


VOXELS = mia.indexing.patches_at(np.argwhere(np.ones(SHAPE)), (None, None, None))
