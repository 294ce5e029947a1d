"""Kinds of small scenes, as data: what breaks metrics is drawn on purpose, and by few numbers, so that it shrinks well.

Random voxels hardly ever make a sphere, a sheet or two structures that touch at a corner, and a minimal example among
them is still noise. A kind comes first here, and a few whole numbers say where it lies: Hypothesis shrinks the kind to
an earlier one of its table, and the numbers to zero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional._core import optional
from mia_functional.typing import HostArray, Shape

__all__ = ["PAIR_SCENES", "SCENES", "Draw", "PairScene", "Scene", "draw_pair", "draw_scene", "draw_shape"]

Draw: TypeAlias = Callable[[Any], Any]
"""The function of Hypothesis that draws a value from a strategy."""


class Scene(NamedTuple):
    """A kind of mask.

    Attributes:
        name: What it shows.
        draw: From the function that draws and a shape to a mask.
    """

    name: str
    draw: Callable[[Draw, Shape], HostArray]


class PairScene(NamedTuple):
    """How the prediction of a pair differs from its reference.

    Attributes:
        name: What it shows.
        change: From the function that draws and a reference to the prediction.
    """

    name: str
    change: Callable[[Draw, HostArray], HostArray]


def _draw_integer(draw: Draw, low: int, high: int) -> int:
    """Return a whole number between two others; nothing is drawn where there is one alone."""
    number: int = low if low >= high else draw(optional.require("hypothesis.strategies").integers(low, high))
    return number


def draw_shape(draw: Draw, dimensions: tuple[int, int], smallest: int, largest: int) -> Shape:
    """Return a shape, flat along an axis in one of four: borders on both sides and spreads of 0 are met there."""
    # Most axes twice as often as any fewer: two axes look the same in reverse order, three do not. Half of all sides
    # are the largest, so that there is room for structures, and there are more voxels than a byte counts.
    fewest, most = dimensions
    axes = min(most, _draw_integer(draw, fewest, most + 1))
    sides = [min(largest, _draw_integer(draw, smallest, 2 * largest - smallest)) for _ in range(axes)]
    flat = _draw_integer(draw, -3 * axes, axes - 1)
    if flat >= 0 and smallest == 1:
        sides[flat] = 1
    return tuple(sides)


def _box(draw: Draw, shape: Shape) -> tuple[slice, ...]:
    """Return the index of a box inside of a shape."""
    starts = [_draw_integer(draw, 0, side - 1) for side in shape]
    return tuple(
        slice(start, start + _draw_integer(draw, 1, side - start)) for start, side in zip(starts, shape, strict=True)
    )


def _mask_of_boxes(shape: Shape, *boxes: tuple[slice, ...]) -> HostArray:
    """Return a mask of boxes."""
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[box] = True
    return mask


def _one_voxel(draw: Draw, shape: Shape) -> HostArray:
    """Return a mask of a single voxel."""
    position = [_draw_integer(draw, 0, side - 1) for side in shape]
    return _mask_of_boxes(shape, tuple(slice(entry, entry + 1) for entry in position))


def _ball(draw: Draw, shape: Shape) -> HostArray:
    """Return a ball, which the image may cut off."""
    centre = [_draw_integer(draw, 0, side - 1) for side in shape]
    radius = _draw_integer(draw, 1, max(1, max(shape) // 2))
    apart = [(grid - entry) ** 2 for grid, entry in zip(np.indices(shape), centre, strict=True)]
    ball: HostArray = sum(apart) <= radius**2
    return ball


def _ring(draw: Draw, shape: Shape) -> HostArray:
    """Return the outer voxels of a box: in 2-D a ring, in 3-D a shell around a cavity."""
    box = _box(draw, shape)
    mask = _mask_of_boxes(shape, box)
    mask[tuple(slice(part.start + 1, part.stop - 1) for part in box)] = False
    return mask


def _sheet(draw: Draw, shape: Shape) -> HostArray:
    """Return a part of one plane: a structure without an inside."""
    axis = _draw_integer(draw, 0, len(shape) - 1)
    plane = _draw_integer(draw, 0, shape[axis] - 1)
    box = list(_box(draw, shape))
    box[axis] = slice(plane, plane + 1)
    return _mask_of_boxes(shape, tuple(box))


def _touching_corner(draw: Draw, shape: Shape) -> HostArray:
    """Return two boxes that touch at a corner alone, as far as the shape has room for two along its axes."""
    corner = [_draw_integer(draw, 1, side - 1) if side > 1 else 0 for side in shape]
    turned = [bool(_draw_integer(draw, 0, 1)) for _ in shape]
    before = [slice(max(0, entry - 1), max(1, entry)) for entry in corner]
    behind = [slice(entry, side) for entry, side in zip(corner, shape, strict=True)]
    sides = list(zip(before, behind, turned, strict=True))
    first = tuple(high if turn else low for low, high, turn in sides)
    second = tuple(low if turn else high for low, high, turn in sides)
    return _mask_of_boxes(shape, first, second)


def _touching_border(draw: Draw, shape: Shape) -> HostArray:
    """Return a box in a corner of the image."""
    sizes = [_draw_integer(draw, 1, side) for side in shape]
    at_end = [bool(_draw_integer(draw, 0, 1)) for _ in shape]
    ends = zip(shape, sizes, at_end, strict=True)
    return _mask_of_boxes(shape, tuple(slice(side - size, side) if end else slice(0, size) for side, size, end in ends))


def _blobs(draw: Draw, shape: Shape) -> HostArray:
    """Return up to four boxes, which may overlap or lie apart."""
    return _mask_of_boxes(shape, *(_box(draw, shape) for _ in range(_draw_integer(draw, 2, 4))))


def _holes(draw: Draw, shape: Shape) -> HostArray:
    """Return an image full but for cavities that touch at a corner, as far as there is room inside."""
    mask = np.ones(shape, bool)
    if min(shape) > 2:
        inner = tuple(side - 2 for side in shape)
        mask[(slice(1, -1),) * len(shape)] = ~_touching_corner(draw, inner)
    return mask


def _noise(draw: Draw, shape: Shape) -> HostArray:
    """Return voxels by chance, few or many of them."""
    share, seed = _draw_integer(draw, 1, 9), _draw_integer(draw, 0, 2**16)
    noise: HostArray = np.random.default_rng(seed).random(shape) < share / 10
    return noise


SCENES: tuple[Scene, ...] = (
    Scene("one voxel", _one_voxel),
    Scene("box", lambda draw, shape: _mask_of_boxes(shape, _box(draw, shape))),
    Scene("empty", lambda _draw, shape: np.zeros(shape, bool)),
    Scene("full", lambda _draw, shape: np.ones(shape, bool)),
    Scene("ball", _ball),
    Scene("sheet", _sheet),
    Scene("at the border", _touching_border),
    Scene("touching at a corner", _touching_corner),
    Scene("ring", _ring),
    Scene("holes", _holes),
    Scene("blobs", _blobs),
    Scene("noise", _noise),
)
"""The kinds of masks, the simplest first; a shape may be flat along an axis besides."""


def draw_scene(draw: Draw, shape: Shape) -> HostArray:
    """Return a mask of a kind that is drawn first."""
    scene: Scene = draw(optional.require("hypothesis.strategies").sampled_from(SCENES))
    return scene.draw(draw, shape)


def _one_voxel_off(draw: Draw, reference: HostArray) -> HostArray:
    """Return the reference with a voxel more or less."""
    return reference ^ _one_voxel(draw, reference.shape)


def _shifted(draw: Draw, reference: HostArray) -> HostArray:
    """Return the reference one voxel further along an axis."""
    axis, step = _draw_integer(draw, 0, reference.ndim - 1), 1 - 2 * _draw_integer(draw, 0, 1)
    shifted = np.roll(reference, step, axis)
    # What leaves on one side does not come back on the other.
    border = [slice(None)] * reference.ndim
    border[axis] = slice(0, 1) if step > 0 else slice(-1, None)
    shifted[tuple(border)] = False
    return shifted


def _swollen(_draw: Draw, reference: HostArray) -> HostArray:
    """Return the reference and all voxels that touch it by a face."""
    grown = reference.copy()
    for axis in range(reference.ndim):
        low, high = [slice(None)] * reference.ndim, [slice(None)] * reference.ndim
        low[axis], high[axis] = slice(0, -1), slice(1, None)
        grown[tuple(low)] |= reference[tuple(high)]
        grown[tuple(high)] |= reference[tuple(low)]
    return grown


PAIR_SCENES: tuple[PairScene, ...] = (
    PairScene("independent", lambda draw, reference: draw_scene(draw, reference.shape)),
    PairScene("identical", lambda _draw, reference: reference.copy()),
    PairScene("one voxel off", _one_voxel_off),
    PairScene("shifted by a voxel", _shifted),
    PairScene("swollen", _swollen),
    PairScene("inside", lambda draw, reference: reference & draw_scene(draw, reference.shape)),
    PairScene("inverted", lambda _draw, reference: ~reference),
)
"""How predictions differ from references: apart, near misses, and what nobody expects."""


def draw_pair(draw: Draw, shape: Shape) -> tuple[HostArray, HostArray]:
    """Return a prediction and a reference: half of them apart, the others of a kind that is drawn first."""
    reference = draw_scene(draw, shape)
    if _draw_integer(draw, 0, 1):
        kind: PairScene = draw(optional.require("hypothesis.strategies").sampled_from(PAIR_SCENES[1:]))
    else:
        kind = PAIR_SCENES[0]
    return kind.change(draw, reference), reference
