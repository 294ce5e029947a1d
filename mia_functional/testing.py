"""Tests of your own metrics and transforms: Hypothesis strategies for what they take, and the laws of a metric.

Hypothesis is imported when a function is called; `pip install 'mia_functional[testing]'` installs it.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.typing import HostArray, Shape, Spacing

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy  # an optional package

__all__ = ["check_metric", "label_maps", "mask_pairs", "masks", "spacings"]

__dir__ = __all__.copy  # dir() shows what users may touch

_Pair: TypeAlias = tuple[HostArray, HostArray]


def masks(
    *, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7
) -> "SearchStrategy[HostArray]":
    """Return a strategy of masks, empty and full ones among them.

    Args:
        shape: Shape of every mask; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.

    Returns:
        A strategy of NumPy boolean arrays.
    """
    shapes = _shapes("masks", shape, dimensions, largest)
    strategy: SearchStrategy[HostArray] = optional.require("hypothesis.extra.numpy").arrays(bool, shapes)
    return strategy


def mask_pairs(
    *, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7
) -> "SearchStrategy[_Pair]":
    """Return a strategy of pairs (prediction, reference) of masks of one shape.

    Args:
        shape: Shape of every mask; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.

    Returns:
        A strategy of tuples of two NumPy boolean arrays.
    """
    strategies = optional.require("hypothesis.strategies")
    shapes = _shapes("mask_pairs", shape, dimensions, largest)
    pairs: SearchStrategy[_Pair] = shapes.flatmap(lambda size: strategies.tuples(*[masks(shape=size)] * 2))
    return pairs


def label_maps(
    *, labels: Sequence[int] = (0, 1, 2, 3), shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3),
    largest: int = 7,
) -> "SearchStrategy[HostArray]":  # fmt: skip
    """Return a strategy of label maps.

    Args:
        labels: What the voxels may be, 0 to 255.
        shape: Shape of every map; drawn at random by default.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.

    Returns:
        A strategy of NumPy uint8 arrays.
    """
    values = checks.integer_tuple("label_maps", "labels", tuple(labels), minimum=0)
    numpy, strategies = optional.require("hypothesis.extra.numpy"), optional.require("hypothesis.strategies")
    shapes, elements = _shapes("label_maps", shape, dimensions, largest), strategies.sampled_from(values)
    strategy: SearchStrategy[HostArray] = numpy.arrays(np.uint8, shapes, elements=elements)
    return strategy


def spacings(ndim: int, *, smallest: float = 0.1, largest: float = 10.0) -> "SearchStrategy[Spacing]":
    """Return a strategy of spacings: one positive number of millimetres per axis.

    Args:
        ndim: Number of axes.
        smallest: Smallest spacing in millimetres.
        largest: Largest spacing in millimetres.

    Returns:
        A strategy of tuples of floats.
    """
    strategies = optional.require("hypothesis.strategies")
    ndim = checks.integer("spacings", "ndim", ndim, minimum=0)
    steps: SearchStrategy[Spacing] = strategies.tuples(*[strategies.floats(smallest, largest)] * ndim)
    return steps


def check_metric(
    function: Callable[..., Any], *, limits: tuple[float, float] = (0.0, 1.0), best: float | None = 1.0,
    symmetric: bool = False, spacing: bool = False, examples: int = 100,
) -> None:  # fmt: skip
    """Check a metric on pairs of masks against the laws that all such metrics keep; Hypothesis finds a small offender.

    The value lies within the limits or is NaN or inf; a mask against itself has the best value; flipping both masks, or
    permuting their axes, changes nothing; the masks stay as they are; and, where it is claimed, so does the value when
    the masks are swapped.

    Args:
        function: `function(prediction, reference)` gives a number; with `spacing`, it takes `spacing=` as well.
        limits: Smallest and largest value.
        best: Value of a mask that is not empty against itself; None where there is no such value.
        symmetric: Whether the masks may be swapped.
        spacing: Whether to hand over a spacing, which is permuted with the axes.
        examples: Pairs that are tried.

    Raises:
        AssertionError: A law is broken; the text names the law, and Hypothesis shows the masks.

    Example:
        >>> from mia_functional.metrics import dice
        >>> check_metric(dice, symmetric=True, examples=10)
        >>> check_metric(lambda prediction, reference: float(prediction.sum()), examples=10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        AssertionError: the value must lie within (0.0, 1.0); got ...
    """
    checks.require_callable("check_metric", "function", function, "`dice`")
    hypothesis, strategies = optional.require("hypothesis"), optional.require("hypothesis.strategies")
    cases = mask_pairs().flatmap(
        lambda pair: strategies.tuples(
            strategies.just(pair),
            spacings(pair[0].ndim) if spacing else strategies.none(),
            strategies.permutations(range(pair[0].ndim)),
            strategies.sets(strategies.integers(0, pair[0].ndim - 1)),
        )
    )

    def laws(case: tuple[_Pair, Spacing | None, list[int], set[int]]) -> None:
        pair, step, order, flipped = case
        value = _value(function, pair, step)
        if not (limits[0] <= value <= limits[1] or math.isnan(value) or math.isinf(value)):
            raise AssertionError(f"the value must lie within {limits}; got {value}.")
        turned = [np.flip(mask, tuple(flipped)) for mask in pair]
        _check_same("flipping both masks must change nothing", _value(function, turned, step), value)
        turned = [mask.transpose(order) for mask in pair]
        permuted = None if step is None else tuple(step[axis] for axis in order)
        _check_same("permuting the axes must change nothing", _value(function, turned, permuted), value)
        if symmetric:
            _check_same("swapping the masks must change nothing", _value(function, pair[::-1], step), value)
        if best is not None and pair[0].any():
            _check_same("a mask against itself must be best", _value(function, (pair[0], pair[0]), step), best)

    # The same examples in every run, and one offender in the end. A deadline would fail slow metrics, and a database
    # would leave a folder wherever users run their tests.
    settings = hypothesis.settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, report_multiple_bugs=False
    )
    settings(hypothesis.given(cases)(laws))()


def _value(function: Callable[..., Any], pair: Sequence[HostArray], spacing: Spacing | None) -> float:
    """Return the value of a metric on copies of masks that cannot be written to, so that a metric that does fails."""
    frozen = [np.array(mask) for mask in pair]
    for mask in frozen:
        mask.flags.writeable = False
    return float(function(*frozen) if spacing is None else function(*frozen, spacing=spacing))


def _check_same(law: str, value: float, expected: float) -> None:
    """Raise if two values differ by more than the rounding of single precision; NaN equals NaN."""
    both_undefined = math.isnan(value) and math.isnan(expected)
    if not (value == expected or both_undefined or math.isclose(value, expected, rel_tol=1e-5, abs_tol=1e-6)):
        raise AssertionError(f"{law}; got {value} and not {expected}.")


def _shapes(function: str, shape: Shape | None, dimensions: tuple[int, int], largest: int) -> Any:
    """Return a strategy of shapes, or of the one that is given."""
    if shape is not None:
        return optional.require("hypothesis.strategies").just(tuple(shape))
    fewest, most = checks.integer_tuple(function, "dimensions", dimensions, length=2, minimum=1)
    longest = checks.integer(function, "largest", largest, minimum=1)
    return optional.require("hypothesis.extra.numpy").array_shapes(min_dims=fewest, max_dims=most, max_side=longest)
