"""What the boundary metrics share: how they are called, and the few sums that they are made of."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.statistic_or_pair import MetricFunction, derived_from
from mia_functional.metrics.surface import SurfaceDistances, surface_distances
from mia_functional.typing import Array

Direction: TypeAlias = Literal["prediction_to_reference", "reference_to_prediction"]
"""From which surface to which: the names of the fields of `SurfaceDistances`."""


Weighted: TypeAlias = tuple[Array, Array]
"""Distances and their weights."""


ROUNDING = 4
"""How many machine epsilons above a tolerance a distance may lie."""


Options = ParamSpec("Options")


def from_distances(
    formula: Callable[Concatenate[SurfaceDistances, Options], Array],
) -> MetricFunction[Concatenate[SurfaceDistances | tuple[SurfaceDistances, ...], Options]]:
    """Return the metric that takes the record of `formula`, or one record per label, or the pair instead."""

    @derived_from(surface_distances, SurfaceDistances, one_per_label=True)
    @functools.wraps(formula)
    def metric(
        distances: SurfaceDistances | tuple[SurfaceDistances, ...], *_: Options.args, **options: Options.kwargs
    ) -> Array:
        if isinstance(distances, SurfaceDistances):
            return _apply(formula, distances, options)
        values = [_apply(formula, record, options) for record in distances]
        return _array.array_namespace(*values).stack(values)

    return metric


def _apply(formula: Callable[..., Any], distances: SurfaceDistances, options: dict[str, Any]) -> Array:
    """Return the value of a formula; arrays that lie in the host's memory are evaluated with NumPy."""
    model = distances.prediction_to_reference
    if not all(map(_array.in_host_memory, distances)):
        hashable = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
        return _array.jit_call(_of_fields, *distances, formula=formula, **hashable)
    value = np.asarray(formula(SurfaceDistances(*map(_array.to_numpy, distances)), **options))
    return _array.from_numpy(value, _array.array_namespace(model), model)


def _of_fields(*fields: Array, formula: Callable[..., Any], **options: Any) -> Array:
    """Return the value of a formula for the fields of a record."""
    return formula(SurfaceDistances(*fields), **options)


def directions(distances: SurfaceDistances) -> tuple[Weighted, Weighted]:
    """Return distances and weights of both directions: from the prediction, from the reference."""
    forward = distances.prediction_to_reference, distances.prediction_weights
    backward = distances.reference_to_prediction, distances.reference_weights
    return forward, backward


def directed(function: str, distances: SurfaceDistances, direction: Direction) -> Weighted:
    """Return distances and weights of one direction."""
    names = ("prediction_to_reference", "reference_to_prediction")
    if direction not in names:
        checks.invalid_value(function, "direction", f"be one of {names}", repr(direction))
    return directions(distances)[names.index(direction)]


def pool(distances: SurfaceDistances) -> Weighted:
    """Return distances and weights of both directions together."""
    xp = _array.array_namespace(*distances)
    columns = tuple(zip(*map(flat, directions(distances)), strict=True))
    return xp.concat(columns[0]), xp.concat(columns[1])


def mean(*samples: Weighted) -> Array:
    """Return the weighted mean distance of all samples together; NaN without any weight."""
    xp = _array.array_namespace(*samples[0])

    def sums(distances: Array, weights: Array) -> Array:
        weights = xp.astype(weights, distances.dtype, copy=False)
        return xp.stack([_array.weighted_sum(distances, weights), _array.pairwise_sum(weights)])

    parts = total(sums, samples)
    return _array.ratio(parts[0], parts[1])


def total(sums: Callable[[Array, Array], Array], samples: Sequence[Weighted]) -> Array:
    """Return a vector of sums over all samples together."""
    parts = [_array.reduce_weighted(sums, *flat(sample)) for sample in samples]
    return functools.reduce(operator.add, parts)


def flat(weighted: Weighted) -> Weighted:
    """Return distances and weights with one axis."""
    xp = _array.array_namespace(*weighted)
    return xp.reshape(weighted[0], (-1,)), xp.reshape(weighted[1], (-1,))


def share_within(
    function: str, samples: Sequence[Weighted], tolerance: float | Sequence[float], zero_division: float
) -> Array:
    """Return the share of the weight at distances within a tolerance, or within each of several, in all samples."""
    xp = _array.array_namespace(*samples[0])
    limits = several(tolerance)
    for limit in limits:
        if not 0 <= limit < math.inf:
            checks.invalid_value(function, "tolerance", "be finite and not negative", limit)
    slack = 1 + ROUNDING * float(xp.finfo(samples[0][0].dtype).eps)

    def sums(distances: Array, weights: Array) -> Array:
        weights = xp.astype(weights, distances.dtype, copy=False)
        inside = [xp.astype(distances <= limit * slack, distances.dtype) for limit in limits]
        return xp.stack([_array.weighted_sum(part, weights) for part in (*inside, xp.ones_like(distances))])

    parts = total(sums, samples)
    shares = _array.ratio(parts[:-1], xp.broadcast_to(parts[-1], (len(limits),)), zero_division=zero_division)
    return one_or_all(tolerance, shares)


def defined(value: Array, distances: SurfaceDistances) -> Array:
    """Return a value that is in millimetres, or inf if one surface is empty, or NaN if both are."""
    xp = _array.array_namespace(value, *distances)
    prediction, reference = (_array.has_weight(flat(sample)[1]) for sample in directions(distances))
    value = xp.where(prediction & reference, value, math.inf)
    return xp.where(prediction | reference, value, math.nan)


def several(option: float | Sequence[float]) -> tuple[float, ...]:
    """Return one number or several as a tuple."""
    return tuple(option) if isinstance(option, Sequence) else (option,)


def one_or_all(option: float | Sequence[float], values: Array) -> Array:
    """Return the values of several options, or the only one of a number."""
    return values if isinstance(option, Sequence) else values[0]
