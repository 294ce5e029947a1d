"""Tests of your own metrics and transforms: Hypothesis strategies for what they take, and the laws of a metric.

Hypothesis is imported when a function is called; `pip install 'mia_functional[testing]'` installs it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.typing import Shape


def masks(*, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7) -> Any:
    """Return a strategy of masks, empty and full ones among them.

    Args:
        shape: Shape of every mask; drawn where left out.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.

    Returns:
        A strategy of NumPy boolean arrays.
    """
    return _arrays(bool, None, shape, dimensions, largest)


def mask_pairs(*, shape: Shape | None = None, dimensions: tuple[int, int] = (1, 3), largest: int = 7) -> Any:
    """Return a strategy of pairs (prediction, reference) of masks of one shape.

    Args:
        shape: Shape of every mask; drawn where left out.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.

    Returns:
        A strategy of tuples of two NumPy boolean arrays.
    """
    strategies = optional.require("hypothesis.strategies")
    drawn = _shapes(shape, dimensions, largest)
    return drawn.flatmap(lambda size: strategies.tuples(masks(shape=size), masks(shape=size)))


def label_maps(
    *,
    labels: Sequence[int] = (0, 1, 2, 3),
    shape: Shape | None = None,
    dimensions: tuple[int, int] = (1, 3),
    largest: int = 7,
) -> Any:
    """Return a strategy of label maps.

    Args:
        labels: What the voxels may be, 0 to 255.
        shape: Shape of every map; drawn where left out.
        dimensions: Fewest and most axes of drawn shapes.
        largest: Most voxels along an axis of drawn shapes.

    Returns:
        A strategy of NumPy uint8 arrays.
    """
    values = checks.integer_tuple("label_maps", "labels", tuple(labels), minimum=0)
    return _arrays(np.uint8, optional.require("hypothesis.strategies").sampled_from(values), shape, dimensions, largest)


def spacings(ndim: int, *, smallest: float = 0.1, largest: float = 10.0) -> Any:
    """Return a strategy of spacings: one positive number of millimetres per axis.

    Args:
        ndim: Number of axes.
        smallest: Smallest spacing in millimetres.
        largest: Largest spacing in millimetres.

    Returns:
        A strategy of tuples of floats.
    """
    strategies = optional.require("hypothesis.strategies")
    return strategies.tuples(*[strategies.floats(smallest, largest)] * ndim)


def check_metric(
    function: Callable[..., Any],
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    best: float | None = 1.0,
    symmetric: bool = False,
    spacing: bool = False,
    examples: int = 100,
) -> None:
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
    hypothesis, strategies = optional.require("hypothesis"), optional.require("hypothesis.strategies")
    cases = mask_pairs().flatmap(
        lambda pair: strategies.tuples(
            strategies.just(pair),
            spacings(pair[0].ndim) if spacing else strategies.none(),
            strategies.permutations(range(pair[0].ndim)),
            strategies.sets(strategies.integers(0, pair[0].ndim - 1)),
        )
    )

    def law(case: Any) -> None:
        pair, step, order, flipped = case
        value = _value(function, pair, step)
        if not (limits[0] <= value <= limits[1] or math.isnan(value) or math.isinf(value)):
            raise AssertionError(f"the value must lie within {limits}; got {value}.")
        turned = [np.flip(mask, tuple(flipped)) for mask in pair]
        _same("flipping both masks must change nothing", _value(function, turned, step), value)
        turned = [mask.transpose(order) for mask in pair]
        permuted = None if step is None else tuple(step[axis] for axis in order)
        _same("permuting the axes must change nothing", _value(function, turned, permuted), value)
        if symmetric:
            _same("swapping the masks must change nothing", _value(function, pair[::-1], step), value)
        if best is not None and pair[0].any():
            _same("a mask against itself must be best", _value(function, (pair[0], pair[0]), step), best)

    quiet = hypothesis.settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, report_multiple_bugs=False
    )
    quiet(hypothesis.given(cases)(law))()


def _value(function: Callable[..., Any], pair: Sequence[Any], spacing: Any) -> float:
    """Return the value of a metric on masks that refuse writing."""
    frozen = []
    for mask in pair:
        copy = np.array(mask)
        copy.flags.writeable = False
        frozen.append(copy)
    return float(function(*frozen) if spacing is None else function(*frozen, spacing=spacing))


def _same(law: str, found: float, expected: float) -> None:
    """Refuse two values that differ by more than rounding."""
    if not (
        found == expected
        or (math.isnan(found) and math.isnan(expected))
        or math.isclose(found, expected, rel_tol=1e-5, abs_tol=1e-6)
    ):
        raise AssertionError(f"{law}; got {found} and not {expected}.")


def _shapes(shape: Shape | None, dimensions: tuple[int, int], largest: int) -> Any:
    """Return a strategy of shapes, or of the one that is given."""
    if shape is not None:
        return optional.require("hypothesis.strategies").just(tuple(shape))
    low, high = checks.integer_tuple("testing", "dimensions", dimensions, length=2, minimum=1)
    numpy = optional.require("hypothesis.extra.numpy")
    return numpy.array_shapes(
        min_dims=low, max_dims=high, max_side=checks.integer("testing", "largest", largest, minimum=1)
    )


def _arrays(dtype: Any, elements: Any, shape: Shape | None, dimensions: tuple[int, int], largest: int) -> Any:
    """Return a strategy of arrays."""
    numpy = optional.require("hypothesis.extra.numpy")
    return numpy.arrays(dtype, _shapes(shape, dimensions, largest), elements=elements)
