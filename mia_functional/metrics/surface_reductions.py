"""What the boundary metrics share: how they are called, and the few sums that they are made of."""

import functools
import math
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.statistic_or_pair import derived_from_each
from mia_functional.metrics.surface import SurfaceDistances, merged_surface_distances, surface_distances
from mia_functional.typing import Array

__all__ = [
    "TOLERANCE_SLACK",
    "Direction",
    "Weighted",
    "both_directions",
    "from_distances",
    "infinite_or_undefined",
    "numbers_of_option",
    "one_direction",
    "share_within",
    "weighted_mean",
]

Direction: TypeAlias = Literal["prediction_to_reference", "reference_to_prediction"]
"""From which surface to which: the names of the fields of `SurfaceDistances`."""

Weighted: TypeAlias = tuple[Array, Array]
"""Distances and their weights, both with one axis."""

TOLERANCE_SLACK = 4
"""How many machine epsilons above a tolerance a distance may lie: `sqrt(2)` and `3 * 0.1` are rounded themselves."""


def _evaluate(formula: Callable[..., Array], distances: SurfaceDistances, options: dict[str, Any]) -> Array:
    """Return the value of a formula; arrays that lie in the host's memory are evaluated with NumPy."""
    model = distances.prediction_to_reference
    if not all(map(_array.in_host_memory, distances)):
        # Options are static in a program, and found again by their hash.
        hashable = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
        return _array.jit_call(_formula_of_fields, *distances, formula=formula, **hashable)
    # Eager JAX and PyTorch would pay for every step of the formula, and sort where NumPy adds up in bins.
    value = np.asarray(formula(SurfaceDistances(*map(_array.to_numpy, distances)), **options))
    return _array.from_numpy(value, _array.array_namespace(model), model)


def _formula_of_fields(*fields: Array, formula: Callable[..., Array], **options: Any) -> Array:
    """Return the value of a formula for the fields of a record: programs are called with arrays only."""
    return formula(SurfaceDistances(*fields), **options)


from_distances = derived_from_each(
    surface_distances, SurfaceDistances, evaluate=_evaluate, shortcut=merged_surface_distances
)
"""Decorator of the metrics of distances between surfaces."""


def both_directions(distances: SurfaceDistances) -> tuple[Weighted, Weighted]:
    """Return distances and weights of both directions: from the prediction, from the reference."""
    xp = _array.array_namespace(*distances)
    forward, backward, *weights = (field if field.ndim == 1 else xp.reshape(field, (-1,)) for field in distances)
    return (forward, weights[0]), (backward, weights[1])


def one_direction(function: str, distances: SurfaceDistances, direction: Direction) -> Weighted:
    """Return distances and weights of one direction."""
    names = get_args(Direction)
    checks.one_of(function, "direction", direction, names)
    return both_directions(distances)[names.index(direction)]


def weighted_mean(*samples: Weighted) -> Array:
    """Return the weighted mean distance of all samples together; NaN without any weight."""
    moment, weight = _sum_over(
        samples, lambda lengths, weights: [_array.weighted_sum(lengths, weights), _array.pairwise_sum(weights)]
    )
    return _array.ratio(moment, weight)


def share_within(
    function: str, samples: Sequence[Weighted], tolerance: float | Sequence[float], zero_division: float
) -> Array:
    """Return the share of the weight at distances within a tolerance, or within each of several, in all samples."""
    xp = _array.array_namespace(*samples[0])
    limits = numbers_of_option(function, "tolerance", tolerance, sys.float_info.max, "be finite and not negative")
    slack = 1 + TOLERANCE_SLACK * float(xp.finfo(samples[0][0].dtype).eps)

    def sums(distances: Array, weights: Array) -> list[Array]:
        inside = [xp.astype(distances <= limit * slack, distances.dtype) for limit in limits]
        # The whole is summed like the parts, so that the share of everything is 1 to the last bit.
        return [_array.weighted_sum(within, weights) for within in (*inside, xp.ones_like(distances))]

    weight = _sum_over(samples, sums)
    whole = xp.broadcast_to(weight[-1], (len(limits),))
    shares = _array.ratio(weight[:-1], whole, zero_division=zero_division)
    return shares if isinstance(tolerance, Sequence) else shares[0]


def _sum_over(samples: Sequence[Weighted], sums: Callable[[Array, Array], list[Array]]) -> Array:
    """Return a vector of sums over all samples together, without an array that holds them all."""
    xp = _array.array_namespace(*samples[0])
    vectors = (
        _array.reduce_weighted(lambda some, own: xp.stack(sums(some, xp.astype(own, some.dtype, copy=False))), *sample)
        for sample in samples
    )
    return functools.reduce(operator.add, vectors)


def infinite_or_undefined(value: Array, distances: SurfaceDistances) -> Array:
    """Return a length, or inf if one surface is empty, or NaN if both are; chosen by values, so that it traces."""
    xp = _array.array_namespace(value, *distances)
    prediction, reference = (_array.has_weight(weights) for _, weights in both_directions(distances))
    if _array.is_numpy(value) and prediction and reference:  # to choose takes longer than the sums of a small surface
        return value
    value = xp.where(prediction & reference, value, math.inf)
    return xp.where(prediction | reference, value, math.nan)


def numbers_of_option(
    function: str, argument: str, option: object, highest: float, requirement: str
) -> tuple[float, ...]:
    """Return the numbers of an option that takes one or several; raise unless all lie between 0 and the highest."""
    entries = option if isinstance(option, Sequence) and not isinstance(option, str) else (option,)
    numbers = tuple(checks.number(function, argument, entry) for entry in entries)
    for number in numbers:
        if not 0 <= number <= highest:
            checks.invalid_value(function, argument, requirement, number)
    return numbers
