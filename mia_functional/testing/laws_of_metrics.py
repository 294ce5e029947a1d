"""The laws of metrics, as data: each has a name, says what holds, for which metrics, and looks at one example.

A law gets what is claimed of a metric, an example and its value, and returns what is wrong in words: nothing if it is
kept.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional.testing.example_values import difference, metric_value, options_of_call
from mia_functional.testing.laws_of_programs import (
    difference_of_batch,
    difference_of_libraries,
    infinite_gradient,
    law_of_compiler,
)
from mia_functional.testing.metric_claims import APART, SINGLE_PRECISION, MetricClaims, PairCase
from mia_functional.typing import HostArray

__all__ = ["METRIC_LAWS", "MetricLaw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLaw:
    """A law of metrics.

    Attributes:
        name: By which it is selected.
        statement: What holds, as the end of a sentence that names the law.
        applies: From what is claimed of a metric to whether the law is about it.
        check: From what is claimed, an example and its value to what is wrong; "" if the law is kept.
        of_programs: Whether programs are compiled for the shape of the example, so that all have one shape.
        needs_other: Whether a second pair is needed.
    """

    name: str
    statement: str
    applies: Callable[[MetricClaims], bool]
    check: Callable[[MetricClaims, PairCase, HostArray], str]
    of_programs: bool = False
    needs_other: bool = False


def _runs(claims: MetricClaims, _case: PairCase, value: HostArray) -> str:
    return "" if value.size == len(claims.labels or ("",)) else f"got {value.size} numbers"


def _no_mutation(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    pair = case.prediction.copy(), case.reference.copy()
    again = _array.host_values(claims.function(*pair, **options_of_call(claims, case.spacing)))
    for name, array, given in zip(("prediction", "reference"), pair, (case.prediction, case.reference), strict=True):
        if not np.array_equal(array, given):
            return f"the {name} was changed to {array.tolist()}"
    return difference(again, value, claims.tolerance)


def _in_range(claims: MetricClaims, _case: PairCase, value: HostArray) -> str:
    low, high = claims.limits
    # Rounding may leave 1 + 1e-16, and distances to empty structures are infinite.
    allowed = (value >= low - claims.tolerance) & (value <= high + claims.tolerance) | ~np.isfinite(value)
    return "" if np.all(allowed) else f"got {value.tolist()}, outside of {low:g} to {high:g}"


def _is_constant(array: HostArray, label: int | None) -> bool:
    inside = array if label is None else array == label
    return bool(np.all(inside == inside.reshape(-1)[0]))


def _is_defined(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    for number, label in zip(value.reshape(-1), claims.labels or (None,), strict=False):
        if math.isnan(number) and not any(_is_constant(array, label) for array in (case.prediction, case.reference)):
            return "got NaN, though neither is empty or constant"
    return ""


def _identity(claims: MetricClaims, case: PairCase, _value: HostArray) -> str:
    reference = case.reference
    numbers = metric_value(claims, reference.astype(case.prediction.dtype), reference, case.spacing).reshape(-1)
    for number, label in zip(numbers, claims.labels or (None,), strict=False):
        # Where both are empty there may be no value, but not a bad one.
        undefined = math.isnan(number) and (_is_constant(reference, label) or "defined" in claims.without)
        if not undefined and (wrong := difference(np.asarray(number), np.asarray(claims.best), claims.tolerance)):
            return f"of the reference against itself it {wrong}"
    return ""


def _misses(claims: MetricClaims, case: PairCase, _value: HostArray) -> str:
    if not np.any(case.reference):
        return ""
    empty = np.zeros_like(case.reference)
    for name, pair in (("missed", (empty, case.reference)), ("made up", (case.reference, empty))):
        value = metric_value(claims, *pair, case.spacing)
        if not difference(value, np.asarray(claims.best), claims.tolerance):
            return f"a structure that is {name} has {value.tolist()}"
    return ""


def _symmetry(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    return difference(metric_value(claims, case.reference, case.prediction, case.spacing), value, claims.tolerance)


def _flips(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    pair = [np.flip(array, case.flipped).copy() for array in (case.prediction, case.reference)]
    wrong = difference(metric_value(claims, pair[0], pair[1], case.spacing), value, claims.tolerance)
    return f"with axes {case.flipped} flipped it {wrong}" if wrong else ""


def _axis_order(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    pair = [np.ascontiguousarray(array.transpose(case.order)) for array in (case.prediction, case.reference)]
    spacing = None if case.spacing is None else tuple(case.spacing[axis] for axis in case.order)
    wrong = difference(metric_value(claims, pair[0], pair[1], spacing), value, claims.tolerance)
    return f"with axes in the order {case.order} it {wrong}" if wrong else ""


def _padding(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    pair = [np.pad(array, 2) for array in (case.prediction, case.reference)]
    wrong = difference(metric_value(claims, pair[0], pair[1], case.spacing), value, claims.tolerance)
    return f"with two voxels of background on every side it {wrong}" if wrong else ""


def _scaling(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    if case.spacing is None or claims.power is None:
        return ""
    scaled = tuple(4 * step for step in case.spacing)
    # A volume of pixels is an area.
    expected = value * 4.0 ** min(claims.power, case.prediction.ndim)
    wrong = difference(metric_value(claims, case.prediction, case.reference, scaled), expected, claims.tolerance)
    return f"with all steps four times as long it {wrong}" if wrong else ""


def _memory_order(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    fortran, backwards = np.asfortranarray(case.prediction), np.flip(np.flip(case.reference).copy())
    wrong = difference(metric_value(claims, fortran, backwards, case.spacing), value, claims.tolerance)
    return f"with Fortran's order of one and negative strides of the other it {wrong}" if wrong else ""


def _dtypes(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    first, *others = claims.dtypes
    for prediction_dtype, reference_dtype in (*((name, name) for name in others[:-1] or others), (others[-1], first)):
        pair = case.prediction.astype(prediction_dtype), case.reference.astype(reference_dtype)
        is_single = "float32" in (prediction_dtype, reference_dtype)
        tolerance = SINGLE_PRECISION if is_single else claims.tolerance
        if wrong := difference(metric_value(claims, *pair, case.spacing), value, tolerance):
            return f"of arrays of {prediction_dtype} and {reference_dtype} it {wrong}"
    return ""


def _renumbering(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    table = np.asarray([0, *case.numbers])
    pair = [table[array].astype(array.dtype) for array in (case.prediction, case.reference)]
    if claims.inputs == "instances":
        # Numbers of instances mean nothing, so those of the two arrays need not go together.
        pair[1] = case.reference
    renamed: dict[str, Any] = {}
    if claims.labels is not None:
        renamed["labels"] = tuple(int(table[label]) for label in claims.labels)
    wrong = difference(metric_value(claims, pair[0], pair[1], case.spacing, **renamed), value, claims.tolerance)
    return f"with 1 to 9 renumbered to {case.numbers} it {wrong}" if wrong else ""


def _planes_apart(case: PairCase) -> int:
    """Return how many planes are longer than the diagonal of an example."""
    steps = case.spacing or (1.0,) * case.reference.ndim
    return math.ceil(math.dist(np.multiply(case.reference.shape, steps), np.zeros(len(steps))) / steps[0]) + 1


def _merging(claims: MetricClaims, case: PairCase, _value: HostArray) -> str:
    statistic, formula, merge = claims.statistic, claims.formula, claims.merge
    if statistic is None or formula is None or merge is None or case.other is None:
        return ""
    options = options_of_call(claims, case.spacing)
    # An instance of one part is none of the other: their numbers go up to 9.
    moved = 9 if claims.inputs == "instances" else 0
    # Parts of several sizes: a mean of means would do for equal ones.
    cut = 1 + case.chance % len(case.reference)
    others = [array[:cut].copy() for array in case.other]
    if claims.gap == APART and not (np.any(case.reference) and np.any(others[1])):
        return ""  # what is nearest to nothing of its own part is nearest to the other one
    behind = [np.where(array > 0, array + moved, array).astype(array.dtype) for array in others]
    gap = claims.gap if claims.gap != APART else _planes_apart(case)
    empty = np.zeros((gap, *case.prediction.shape[1:]), case.reference.dtype)
    pairs = zip(case[:2], behind, strict=True)
    whole = [np.concatenate([one, empty.astype(one.dtype), other]) for one, other in pairs]
    expected = _array.host_values(formula(statistic(*whole, **options), spacing=case.spacing))
    placed: dict[str, Any] = {}
    if claims.has_origin and case.spacing is not None:
        placed["origin"] = ((len(case.reference) + gap) * case.spacing[0],) + (0.0,) * (case.reference.ndim - 1)
    parts = [statistic(*case[:2], **options), statistic(*others, **options, **placed)]
    for order, pair in (("", parts), (", the second one first", parts[::-1])):
        # With labels, some statistics have a record for each.
        is_one = hasattr(pair[0], "_fields") or not isinstance(pair[0], tuple)
        merged = merge(*pair) if is_one else tuple(itertools.starmap(merge, zip(*pair, strict=True)))
        if wrong := difference(_array.host_values(formula(merged, spacing=case.spacing)), expected, claims.tolerance):
            return f"with {cut} planes of the other pair behind it{order}, it {wrong}"
    return ""


def _monotonicity(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    different = np.argwhere(case.prediction != case.reference)
    if len(different) == 0 or not np.all(np.isfinite(value)):
        return ""
    corrected = case.prediction.copy()
    voxel = tuple(different[case.chance % len(different)])
    corrected[voxel] = case.reference[voxel]
    better = metric_value(claims, corrected, case.reference, case.spacing)
    sign = 1 if claims.best == max(claims.limits) else -1
    if np.any(sign * (better - value) < -claims.tolerance * (1 + np.abs(value))):
        return f"with voxel {tuple(map(int, voxel))} corrected it went from {value.tolist()} to {better.tolist()}"
    return ""


def _triangle(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    if case.other is None:
        return ""
    detour = case.other[1]
    there = metric_value(claims, case.prediction, detour, case.spacing)
    back = metric_value(claims, detour, case.reference, case.spacing)
    wrong = value > (there + back) * (1 + claims.tolerance) + claims.tolerance
    return f"it is {value.tolist()}, by way of {detour.tolist()} {(there + back).tolist()}" if np.any(wrong) else ""


def _oracle(claims: MetricClaims, case: PairCase, value: HostArray) -> str:
    if claims.oracle is None:
        return ""
    return difference(value, metric_value(claims, *case[:2], case.spacing, function=claims.oracle), claims.tolerance)


def _count_of_cells(mask: HostArray) -> int:
    """Return the Euler characteristic of voxels as closed cubes: corners - edges + faces - cubes, all counted."""
    covered = np.zeros([2 * side + 1 for side in mask.shape], bool)
    # Cell (2 i + 1, ...) is the inside of voxel i, and those beside it are its faces, edges and corners.
    for offset in itertools.product((0, 1, 2), repeat=mask.ndim):
        cells = tuple(slice(start, start + 2 * side, 2) for start, side in zip(offset, mask.shape, strict=True))
        covered[cells] |= mask
    dimension = sum(np.indices(covered.shape) % 2)
    return int(np.sum(np.where(dimension % 2, -1, 1)[covered]))


def _euler(claims: MetricClaims, case: PairCase, _value: HostArray) -> str:
    if claims.betti is None:
        return ""
    for mask in (case.prediction, case.reference):
        numbers = _array.host_values(claims.betti(mask)).reshape(-1)
        alternating = int(sum(number * (-1) ** dimension for dimension, number in enumerate(numbers)))
        if alternating != _count_of_cells(mask) or np.any(numbers < 0):
            return f"of {mask.tolist()} they are {numbers.tolist()}, and its cells count {_count_of_cells(mask)}"
    return ""


def _has(name: str) -> Callable[[MetricClaims], bool]:
    """Return whether a library is among those of a metric."""
    return lambda claims: any(library.name == name for library in claims.libraries)


def _always(_claims: MetricClaims) -> bool:
    return True


_STRUCTURES = ("masks", "labels", "instances")

METRIC_LAWS: tuple[MetricLaw, ...] = (
    MetricLaw(name="runs", statement="every pair has a value", applies=_always, check=_runs),
    MetricLaw(
        name="no mutation",
        statement="the arrays stay as they are, and a second call gives the same",
        applies=_always,
        check=_no_mutation,
    ),
    MetricLaw(name="range", statement="the value lies within the limits", applies=_always, check=_in_range),
    MetricLaw(
        name="defined",
        statement="a pair of which neither is empty or constant has a value",
        applies=_always,
        check=_is_defined,
    ),
    MetricLaw(
        name="identity",
        statement="a reference against itself has the best value",
        applies=lambda claims: not math.isnan(claims.best) and claims.inputs != "probabilities",
        check=_identity,
    ),
    MetricLaw(
        name="misses",
        statement="one structure of two that is empty is not the best that there is",
        applies=lambda claims: claims.sees_misses,
        check=_misses,
    ),
    MetricLaw(
        name="symmetry",
        statement="swapping prediction and reference changes nothing",
        applies=lambda claims: claims.symmetric and claims.inputs != "probabilities",
        check=_symmetry,
    ),
    MetricLaw(name="flips", statement="flipping both changes nothing", applies=_always, check=_flips),
    MetricLaw(
        name="axes",
        statement="permuting the axes of both, and the spacing with them, changes nothing",
        applies=_always,
        check=_axis_order,
    ),
    MetricLaw(
        name="padding",
        statement="background around the image changes nothing",
        applies=lambda claims: claims.padding,
        check=_padding,
    ),
    MetricLaw(
        name="scaling",
        statement="longer steps between voxels scale the value by its unit",
        applies=lambda claims: claims.spacing and claims.power is not None,
        check=_scaling,
    ),
    MetricLaw(
        name="memory order", statement="how arrays lie in memory changes nothing", applies=_always, check=_memory_order
    ),
    MetricLaw(
        name="dtypes",
        statement="the same numbers in another dtype change nothing",
        applies=lambda claims: len(claims.dtypes) > 1,
        check=_dtypes,
    ),
    MetricLaw(
        name="renumbering",
        statement="other numbers for labels or instances change nothing",
        applies=lambda claims: claims.inputs in ("labels", "instances"),
        check=_renumbering,
    ),
    MetricLaw(
        name="merging",
        statement="records of two parts, merged, give the value of the whole",
        applies=lambda claims: claims.merge is not None,
        check=_merging,
        needs_other=True,
    ),
    MetricLaw(
        name="monotonicity",
        statement="one more right voxel is never worse",
        applies=lambda claims: claims.monotone and not math.isnan(claims.best),
        check=_monotonicity,
    ),
    MetricLaw(
        name="triangle",
        statement="no detour is shorter",
        applies=lambda claims: claims.triangle and claims.inputs != "probabilities",
        check=_triangle,
        needs_other=True,
    ),
    MetricLaw(
        name="oracle",
        statement="the second definition gives the same",
        applies=lambda claims: claims.oracle is not None,
        check=_oracle,
    ),
    MetricLaw(
        name="euler",
        statement="b0 - b1 + b2 is the Euler characteristic, the alternating count of cells",
        applies=lambda claims: claims.betti is not None,
        check=_euler,
    ),
    MetricLaw(
        name="libraries",
        statement="arrays of every library give what those of NumPy give",
        applies=lambda claims: len(claims.libraries) > 0,
        check=difference_of_libraries,
        of_programs=True,
    ),
    MetricLaw(
        name="jit",
        statement="a program of `jax.jit` gives what a plain call gives",
        applies=_has("jax"),
        check=law_of_compiler("jax"),
        of_programs=True,
    ),
    MetricLaw(
        name="vmap",
        statement="a batch by `jax.vmap` gives what a loop gives",
        applies=_has("jax"),
        check=difference_of_batch,
        of_programs=True,
        needs_other=True,
    ),
    MetricLaw(
        name="compile",
        statement="a program of `torch.compile` gives what a plain call gives",
        applies=_has("torch"),
        check=law_of_compiler("torch"),
        of_programs=True,
    ),
    MetricLaw(
        name="gradients",
        statement="the gradient in the prediction is finite where the value is",
        applies=lambda claims: (
            claims.differentiable
            and claims.inputs in ("images", "probabilities")
            and any(library.gradient is not None for library in claims.libraries)
        ),
        check=infinite_gradient,
        of_programs=True,
    ),
)
"""All laws, in the order in which they are tried: what the others rely on comes first."""
