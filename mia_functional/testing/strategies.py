"""Hypothesis strategies for what metrics and transforms take: arrays of any library, and the numbers that go with them.

Hypothesis is imported when a function is called; `pip install 'mia_functional[testing]'` installs it.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.geometry import Geometry
from mia_functional.testing.scenes import Draw, draw_pair, draw_scene, draw_shape
from mia_functional.typing import Array, HostArray, Namespace, Shape, Spacing

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy  # an optional package

__all__ = [
    "contingency_tables",
    "geometries",
    "images",
    "instance_maps",
    "label_maps",
    "mask_pairs",
    "masks",
    "probabilities",
    "spacings",
]

_Library: TypeAlias = str | Namespace
"""An array library by name, or its namespace."""


def masks(
    *, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7, dtype: str = "bool",
    xp: _Library = "numpy",
) -> "SearchStrategy[Any]":  # fmt: skip
    """Return a strategy of masks: boxes, balls, rings, sheets, noise and others empty and full ones.

    Args:
        shape: Shape of every mask; drawn at random by default, in one of four cases flat along an axis.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.
        dtype: Dtype by name: bool, or one in which the masks are 0 and 1.
        xp: Array library: "numpy", "jax", "torch", "strict", "cupy", or a namespace with `asarray`.

    Returns:
        A strategy of arrays.
    """
    return _strategy("masks", draw_scene, shape, dimensions, largest, dtype, xp)


def mask_pairs(
    *, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7, dtype: str = "bool",
    xp: _Library = "numpy",
) -> "SearchStrategy[Any]":  # fmt: skip
    """Return a strategy of pairs (prediction, reference) of masks of one shape: apart, equal, near misses.

    Args:
        shape: Shape of every mask; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.
        dtype: Dtype by name: bool, or one in which the masks are 0 and 1.
        xp: Array library, as for `masks`.

    Returns:
        A strategy of tuples of two arrays.
    """
    return _strategy("mask_pairs", draw_pair, shape, dimensions, largest, dtype, xp)


def label_maps(
    *, labels: Sequence[int] = (0, 1, 2, 3), shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3),
    largest: int = 7, dtype: str = "uint8", xp: _Library = "numpy",
) -> "SearchStrategy[Any]":  # fmt: skip
    """Return a strategy of label maps: a scene of its own for each label, the later ones in front.

    Args:
        labels: What the voxels may be; the first one fills the image.
        shape: Shape of every map; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.
        dtype: Dtype by name.
        xp: Array library, as for `masks`.

    Returns:
        A strategy of arrays.
    """
    values = checks.integer_tuple("label_maps", "labels", tuple(labels), minimum=0)

    def draw_map(draw: Draw, size: Shape) -> HostArray:
        labelled = np.full(size, values[0], np.int64)
        for value in values[1:]:
            labelled[draw_scene(draw, size)] = value
        return labelled

    return _strategy("label_maps", draw_map, shape, dimensions, largest, dtype, xp)


def instance_maps(
    *, most: int = 4, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7,
    dtype: str = "int32", xp: _Library = "numpy",
) -> "SearchStrategy[Any]":  # fmt: skip
    """Return a strategy of maps of instance numbers: 0 is background, others are drawn without order and with gaps.

    Args:
        most: Most instances.
        shape: Shape of every map; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.
        dtype: Dtype by name.
        xp: Array library, as for `masks`.

    Returns:
        A strategy of arrays.
    """
    strategies = optional.require("hypothesis.strategies")
    count = checks.integer("instance_maps", "most", most, minimum=0)
    numbers = strategies.lists(strategies.integers(1, 2 * count + 1), max_size=count, unique=True)

    def draw_map(draw: Draw, size: Shape) -> HostArray:
        numbered = np.zeros(size, np.int64)
        for number in draw(numbers):
            numbered[draw_scene(draw, size)] = number
        return numbered

    return _strategy("instance_maps", draw_map, shape, dimensions, largest, dtype, xp)


def images(
    *, limits: tuple[int, int] = (0, 100), shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3),
    smallest: int = 1, largest: int = 7, dtype: str = "float32", xp: _Library = "numpy",
) -> "SearchStrategy[Any]":  # fmt: skip
    """Return a strategy of images: constant, ramps, bright structures, noise; of whole numbers, exact in any dtype.

    Args:
        limits: Smallest and largest intensity.
        shape: Shape of every image; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        smallest: Fewest voxels along an axis of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.
        dtype: Dtype by name.
        xp: Array library, as for `masks`.

    Returns:
        A strategy of arrays.
    """
    low, high = limits
    strategies = optional.require("hypothesis.strategies")
    values = strategies.integers(low, high)

    def draw_image(draw: Draw, size: Shape) -> HostArray:
        kind = draw(strategies.sampled_from(("constant", "structure", "ramp", "noise")))
        image = np.full(size, draw(values))
        if kind == "structure":
            image[draw_scene(draw, size)] = draw(values)
        elif kind == "ramp":
            image = low + np.arange(math.prod(size)).reshape(size) * draw(strategies.integers(1, 9)) % (high - low + 1)
        elif kind == "noise":
            image = np.random.default_rng(draw(strategies.integers(0, 2**16))).integers(low, high + 1, size)
        return image

    return _strategy("images", draw_image, shape, dimensions, largest, dtype, xp, smallest=smallest)


def probabilities(
    *, classes: int | None = None, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7,
    dtype: str = "float32", xp: _Library = "numpy",
) -> "SearchStrategy[Any]":  # fmt: skip
    """Return a strategy of probabilities in steps of 1/16, exact in any dtype: hard, constant, unsure, by chance.

    Args:
        classes: Length of a last axis, along which they sum to 1; None for the probability of one structure.
        shape: Shape of every array without that axis; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.
        dtype: Dtype by name.
        xp: Array library, as for `masks`.

    Returns:
        A strategy of arrays.
    """
    strategies = optional.require("hypothesis.strategies")
    sixteenths = strategies.integers(0, 16)
    if classes is not None:
        checks.integer("probabilities", "classes", classes, minimum=1)

    def draw_one(draw: Draw, size: Shape) -> HostArray:
        kind = draw(strategies.sampled_from(("hard", "structure", "constant", "noise")))
        if kind == "hard":
            return 16 * draw_scene(draw, size)
        if kind == "noise":
            return np.random.default_rng(draw(strategies.integers(0, 2**16))).integers(0, 17, size)
        shares = np.full(size, draw(sixteenths))
        if kind == "structure":
            shares[draw_scene(draw, size)] = draw(sixteenths)
        return shares

    def draw_shares(draw: Draw, size: Shape) -> HostArray:
        if classes is None:
            return draw_one(draw, size) / 16
        # Each class takes its share of what those before it left.
        rest, parts = np.full(size, 16), []
        for _ in range(classes - 1):
            parts.append(np.minimum(rest, draw_one(draw, size)))
            rest = rest - parts[-1]
        return np.stack([*parts, rest], axis=-1) / 16

    return _strategy("probabilities", draw_shares, shape, dimensions, largest, dtype, xp)


def spacings(ndim: int, *, smallest: float = 0.1, largest: float = 10.0) -> "SearchStrategy[Spacing]":
    """Return a strategy of spacings: equal steps, thick slices, any; one positive number of millimetres per axis.

    Args:
        ndim: Number of axes.
        smallest: Smallest spacing in millimetres.
        largest: Largest spacing in millimetres.

    Returns:
        A strategy of tuples of floats.
    """
    strategies = optional.require("hypothesis.strategies")
    ndim = checks.integer("spacings", "ndim", ndim, minimum=0)
    # Steps of an eighth are exact, so that sums of them are the same in any order.
    eighths = strategies.integers(math.ceil(8 * smallest), max(math.ceil(8 * smallest), math.floor(8 * largest)))
    one = strategies.one_of(eighths.map(lambda count: min(count / 8, largest)), strategies.floats(smallest, largest))
    steps: SearchStrategy[Spacing] = strategies.tuples(*[one] * ndim)
    if ndim > 1:
        steps = strategies.one_of(steps, steps, one.map(lambda step: (step,) * ndim))
    return steps


def geometries(*, shape: Shape | None = None, dimensions: tuple[int, int] = (2, 3)) -> "SearchStrategy[Geometry]":
    """Return a strategy of voxel grids: any spacing and origin; axes flipped, permuted, or turned by an angle.

    Args:
        shape: Shape of every grid; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.

    Returns:
        A strategy of `Geometry`.
    """
    strategies = optional.require("hypothesis.strategies")
    sizes = _shapes("geometries", shape, dimensions, 7)

    def draw_grid(draw: Draw) -> Geometry:
        size: Shape = sizes(draw)
        ndim = len(size)
        order = draw(strategies.permutations(range(ndim)))
        signs = draw(strategies.tuples(*[strategies.sampled_from((1.0, -1.0))] * ndim))
        direction = np.eye(ndim)[order] * np.asarray(signs)
        angle = math.radians(draw(strategies.sampled_from((0, 0, 30, 7))))
        if ndim > 1 and angle:
            turn = np.eye(ndim)
            turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
            direction = turn @ direction
        origin = draw(strategies.tuples(*[strategies.integers(-200, 200).map(float)] * ndim))
        rows = tuple(tuple(map(float, row)) for row in direction)
        return Geometry(shape=size, spacing=draw(spacings(ndim)), origin=origin, direction=rows)

    made: SearchStrategy[Geometry] = strategies.composite(draw_grid)()
    return made


def contingency_tables(
    *, classes: tuple[int, int] = (1, 4), largest: int = 1000, dtype: str = "int64", xp: _Library = "numpy"
) -> "SearchStrategy[Any]":
    """Return a strategy of square tables of counts: row i, column j counts voxels of class i here and j there.

    Args:
        classes: Fewest and most classes.
        largest: Largest count.
        dtype: Dtype by name.
        xp: Array library, as for `masks`.

    Returns:
        A strategy of arrays: zero, of a single class, on the diagonal alone, with empty classes, of any counts.
    """
    strategies = optional.require("hypothesis.strategies")
    fewest, most = checks.integer_tuple("contingency_tables", "classes", classes, length=2, minimum=1)
    count = strategies.one_of(strategies.integers(0, min(3, largest)), strategies.integers(0, largest))

    def draw_table(draw: Draw, _shape: Shape) -> HostArray:
        side = draw(strategies.integers(fewest, most))
        table = np.asarray([[draw(count) for _ in range(side)] for _ in range(side)], dtype=np.int64)
        kind = draw(strategies.sampled_from(("any", "diagonal", "empty class", "zero")))
        if kind == "diagonal":
            return table * np.eye(side, dtype=np.int64)
        if kind == "empty class":
            table[:, draw(strategies.integers(0, side - 1))] = 0
        return np.zeros_like(table) if kind == "zero" else table

    return _strategy("contingency_tables", draw_table, (1,), (1, 1), 1, dtype, xp)


def _strategy(
    function: str, make: Callable[[Draw, Shape], Any], shape: Shape | None, dimensions: tuple[int, int],
    largest: int, dtype: str, xp: _Library, *, smallest: int = 1,
) -> "SearchStrategy[Any]":  # fmt: skip
    """Return a strategy of what `make` draws for a shape, in a dtype of a library; tuples keep their entries apart."""
    sizes = _shapes(function, shape, dimensions, largest, smallest=smallest)
    if not isinstance(dtype, str):
        checks.invalid_kind(function, "dtype", "be the name of a dtype", checks.describe(dtype))
    asarray: Callable[[HostArray], Array]
    if isinstance(xp, str):
        library = _array.named_library(function, xp)
        if library is None:
            checks.invalid_value(function, "xp", "be the name of a library that is installed", repr(xp))
        asarray = library.asarray
    else:
        asarray = xp.asarray
    own_dtype = np.dtype(dtype)

    def draw_arrays(draw: Draw) -> Any:
        made = make(draw, sizes(draw))
        arrays = [asarray(array.astype(own_dtype)) for array in (made if isinstance(made, tuple) else (made,))]
        return tuple(arrays) if isinstance(made, tuple) else arrays[0]

    made: SearchStrategy[Any] = optional.require("hypothesis.strategies").composite(draw_arrays)()
    return made


def _shapes(
    function: str, shape: Shape | None, dimensions: tuple[int, int], largest: int, *, smallest: int = 1
) -> Callable[[Draw], Shape]:
    """Return what draws a shape, or gives the one that is asked for."""
    if shape is not None:
        fixed = checks.integer_tuple(function, "shape", tuple(shape), minimum=0)
        return lambda _draw: fixed
    axes = checks.integer_tuple(function, "dimensions", dimensions, length=2, minimum=1)
    fewest = checks.integer(function, "smallest", smallest, minimum=1)
    most = checks.integer(function, "largest", largest, minimum=fewest)
    return lambda draw: draw_shape(draw, (axes[0], axes[1]), fewest, most)
