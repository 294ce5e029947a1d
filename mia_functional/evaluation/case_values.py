"""The values of one pair: every statistic is computed once, and all metrics follow from it."""

import functools
import inspect
import math
import operator
from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask, label_map, label_mask, label_sets
from mia_functional.evaluation.requests import MASK_GROUPS, Request, require_probabilities, takes_probabilities
from mia_functional.evaluation.results import Result, Results
from mia_functional.metrics import ConfusionCounts, Metric, confusion_counts
from mia_functional.metrics.boundaries import convention_name
from mia_functional.metrics.names import OWN_GROUP
from mia_functional.metrics.statistic_or_pair import record_maker
from mia_functional.metrics.table import Empties
from mia_functional.typing import Array, Spacing, Status

__all__ = ["Case", "Gap", "convention_of", "evaluate_case", "gap_rows"]


class Case(NamedTuple):
    """One pair to evaluate, for `evaluate_many`.

    Attributes:
        subject: Identifier.
        prediction: Label map, mask or image.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis; None where no metric needs it.
        method: What made the prediction; empty where only one did.
        aligned: What was done to the prediction so that it lies on the grid of the reference; empty if nothing was.
        ignore: Mask of voxels of which nothing is known; None where it follows from the reference, or all are known.
        probabilities: What metrics such as `ECE` are of, as in `evaluate`; None where there are none.
    """

    subject: str
    prediction: Array
    reference: Array
    spacing: Spacing | None = None
    method: str = ""
    aligned: str = ""
    ignore: Array | None = None
    probabilities: Array | None = None


class Gap(NamedTuple):
    """A case without values, and why.

    Attributes:
        subject: Identifier.
        status: `missing` or `failed`.
        reason: One sentence.
        method: What should have made the prediction; empty where there is one method.
    """

    subject: str
    status: Status
    reason: str
    method: str = ""


_VOXEL_COUNTS = confusion_counts, confusion_counts
"""The key of the counts of voxels among the records of a case."""


class _Column(NamedTuple):
    """What there is of a metric for one case: values by label, or why there are none."""

    metric: Metric
    status: Status
    reason: str
    values: Sequence[float] | None = None


def evaluate_case(asked: Request, case: Case, *, failed: Callable[[Metric, Exception], str]) -> Results:
    """Return the values of a case for every label and metric, with a reason beside those that are not finite.

    Args:
        asked: Labels and metrics.
        case: The pair.
        failed: Gives the reason for the rows of a metric that cannot be computed, or raises.
    """
    # Every channel is a pair of its own, with statistics of its own.
    parts: list[tuple[Case, dict[Any, Any]]] = []
    columns = []
    for metric in asked.metrics:
        try:
            parts = parts or [(part, {}) for part in _parts_of(asked, case)]
            values = [value for part, statistics in parts for value in _values(asked, part, metric, statistics)]
        except (ValueError, TypeError, OSError) as error:
            columns.append(_Column(metric, "failed", failed(metric, error)))
        else:
            columns.append(_Column(metric, "aligned" if case.aligned else "ok", case.aligned, values))
    found = [value for column in columns for value in column.values or ()]
    # Which structures are empty takes another pass over the volume, so it is asked only if a value must be explained.
    finite = all(map(math.isfinite, found))
    empty = [] if finite else [reason for part, _ in parts for reason in _empty_structures(asked, part)]
    return _rows_of(asked, case, columns, empty)


def gap_rows(asked: Request, gap: Gap) -> Results:
    """Return rows that say why there are no values."""
    columns = [_Column(metric, gap.status, gap.reason) for metric in asked.metrics]
    return _rows_of(asked, gap, columns, [])


def _parts_of(asked: Request, case: Case) -> list[Case]:
    """Return a case for every channel that is asked for, or the case itself."""
    if asked.channels is None:
        return [_without_ignored(asked, case)]
    positions = asked.channels
    shape = tuple(getattr(case.reference, "shape", ()))
    if not shape or max(positions) >= shape[-1]:
        checks.invalid_value(asked.function, "channels", f"be positions on the last axis of shape {shape}", positions)
    checks.same_shape(asked.function, "prediction", tuple(getattr(case.prediction, "shape", ())), shape)
    soft = case.probabilities
    if soft is not None:
        checks.same_shape(asked.function, "probabilities", tuple(getattr(soft, "shape", ())), shape)
    parts = (
        case._replace(
            prediction=case.prediction[..., position],
            reference=case.reference[..., position],
            probabilities=None if soft is None else soft[..., position],
        )
        for position in positions
    )
    return [_without_ignored(asked, part) for part in parts]


def _without_ignored(asked: Request, case: Case) -> Case:
    """Return a case with the mask of what is ignored; in masks, such voxels are outside."""
    if not asked.ignore and case.ignore is None:
        return case
    pair = {"prediction": case.prediction, "reference": case.reference}
    xp, (prediction, reference) = _array.to_common_library(asked.function, **pair)
    shape = tuple(reference.shape)
    checks.same_shape(asked.function, "prediction", tuple(prediction.shape), shape)
    masks = [reference == value for value in asked.ignore]
    if case.ignore is not None:
        checks.same_shape(asked.function, "ignore", tuple(case.ignore.shape), shape)
        masks.append(binary_mask(asked.function, "ignore", case.ignore))
    ignored = functools.reduce(operator.or_, masks)
    if asked.labels is not None:
        return case._replace(ignore=ignored)
    known = [xp.where(ignored, xp.zeros_like(array), array) for array in (prediction, reference)]
    return case._replace(prediction=known[0], reference=known[1], ignore=ignored)


def _rows_of(asked: Request, case: Case | Gap, columns: Sequence[_Column], empty: Sequence[str]) -> Results:
    """Return a row for every label and metric; `empty` says of each structure where it has no voxel, or is empty."""
    conventions = [convention_of(column.metric) for column in columns]
    rows = []
    for position, label in enumerate(asked.names):
        for column, convention in zip(columns, conventions, strict=True):
            value = math.nan if column.values is None else column.values[position]
            explained = column.values is None or math.isfinite(value)
            notes = (column.reason, "" if explained else empty[position] or column.metric.undefined)
            rows.append(Result(
                method=case.method, subject=case.subject, label=label, metric=column.metric.abbreviation, value=value,
                unit=column.metric.unit, convention=convention, status=column.status,
                reason="; ".join(filter(None, notes)),
            ))  # fmt: skip
    return Results(rows=tuple(rows))


def convention_of(metric: Metric) -> str:
    """Return whose number it is, if not ours, and how the surface is defined, if there is one."""
    boundary = inspect.signature(metric.statistic or metric.function).parameters.get("boundary")
    return ", ".join(filter(None, (metric.convention, "" if boundary is None else convention_name(boundary.default))))


def _values(asked: Request, case: Case, metric: Metric, statistics: dict[Any, Any]) -> list[float]:
    """Return the values of a metric, one per label; `statistics` keeps what was computed for earlier metrics."""
    pair_function = metric.statistic or metric.function
    parameters = inspect.signature(pair_function).parameters
    # Never assumed: millimetres from a wrong spacing look like any others.
    if case.spacing is None and ("spacing" in parameters or "spacing" in metric.needs):
        checks.invalid_value(asked.function, "spacing", f"be given in millimetres for {metric.abbreviation}", "none")
    if metric.statistic is None and OWN_GROUP in metric.groups:
        return _own_values(asked, case, metric)
    require_probabilities(asked.function, [metric], case.probabilities)
    is_soft = takes_probabilities(metric) and case.probabilities is not None
    pair = (case.probabilities if is_soft else case.prediction), case.reference
    shape = tuple(getattr(case.reference, "shape", ()))
    # An axis of channels would be pooled, and label 1 of one layer is not label 1 of another.
    if case.spacing is not None and MASK_GROUPS & set(metric.groups):
        entries = checks.float_tuple(asked.function, "spacing", case.spacing)
        if len(shape) != len(entries):
            checks.invalid_value(asked.function, "spacing", f"have {len(shape)} entries, one per axis", case.spacing)
    offered = {"labels": asked.labels, "spacing": case.spacing}
    pair_options: dict[str, Any] = {
        name: value for name, value in offered.items() if value is not None and name in parameters
    }
    pair_options |= _ignored_option(case, parameters)
    options = dict[str, Any](metric.options)
    inner = getattr(pair_function, "func", pair_function)  # of a `functools.partial`
    with checks.speaking_for(asked.function, getattr(inner, "__name__", ""), metric.name):
        if metric.statistic is None:
            value = metric.function(*pair, **pair_options, **options)
        else:
            make = record_maker(metric.function, metric.statistic)
            # A shortcut with options is another object each time; what it stands for is the same for all metrics.
            key = metric.statistic, getattr(make, "func", make)
            if key not in statistics:
                statistics[key] = make(*pair, **pair_options)
            if "spacing" in metric.needs:
                options["spacing"] = case.spacing
            value = _guarded(asked, metric, statistics[key], **options)
    values = _values_given(asked, metric, value)
    if metric.empties == Empties():
        return values
    if _VOXEL_COUNTS not in statistics:
        statistics[_VOXEL_COUNTS] = _structure_counts(asked, case)
    both, lost, made_up = metric.empties
    instead = {(False, False): both, (False, True): lost, (True, False): made_up}
    given = [
        instead.get((predicted > 0, referenced > 0)) for predicted, referenced in _sizes_of(statistics[_VOXEL_COUNTS])
    ]
    return [value if other is None else other for value, other in zip(values, given, strict=True)]


def _values_given(asked: Request, metric: Metric, value: Any) -> list[float]:
    """Return what a metric gave as numbers; raise unless there is one for each structure."""
    numbers: list[float]
    # One number for a mask, which some libraries return as an array without axes; one axis for several labels.
    if checks.has_shape(value) or OWN_GROUP not in metric.groups:
        numbers = _array.to_numpy(value).astype(float).reshape(-1).tolist()
    else:
        entries = value if isinstance(value, list | tuple) else [value]
        numbers = [checks.number_given(asked.function, "metrics", entry, metric.abbreviation) for entry in entries]
    if len(numbers) != len(asked.labels or ("",)):
        got = f"{len(numbers)} for {len(asked.labels or ('',))} from {metric.abbreviation}"
        checks.invalid_value(asked.function, "metrics", "give a number for each structure", got)
    return numbers


def _own_values(asked: Request, case: Case, metric: Metric) -> list[float]:
    """Return the values of a user's function of two arrays, or of the masks of one structure after the other."""
    pairs: list[tuple[Array, ...]] = [(case.prediction, case.reference)]
    named = (("prediction", case.prediction), ("reference", case.reference))
    if asked.channels is not None:
        pairs = [tuple(binary_mask(asked.function, name, array) for name, array in named)]
    elif asked.labels is not None:
        maps = [label_map(asked.function, name, array) for name, array in named]
        pairs = [tuple(label_mask(array, one) for array in maps) for one in label_sets(asked.function, asked.labels)]
    options = dict[str, Any](metric.options) | ({"spacing": case.spacing} if "spacing" in metric.needs else {})
    options |= _ignored_option(case, inspect.signature(metric.function).parameters)
    found = (_guarded(asked, metric, *pair, **options) for pair in pairs)
    return [checks.number_given(asked.function, "metrics", value, metric.abbreviation) for value in found]


def _ignored_option(case: Case, parameters: Container[str]) -> dict[str, Array]:
    """Return the option that tells a function which voxels are ignored, if any are."""
    if case.ignore is None:
        return {}
    return {"ignore": case.ignore} if "ignore" in parameters else {"mask": ~case.ignore}


def _guarded(asked: Request, metric: Metric, *arguments: Any, **options: Any) -> Any:
    """Call a metric; what a user's function raises is a sentence about this case, and does not end the evaluation."""
    if OWN_GROUP not in metric.groups:
        return metric.function(*arguments, **options)
    try:
        return metric.function(*arguments, **options)
    except MemoryError:
        raise
    except Exception as error:
        text = f"{asked.function}: {metric.abbreviation} failed with {type(error).__name__}: {error}"
        raise ValueError(text) from error


def _empty_structures(asked: Request, case: Case) -> list[str]:
    """Return for every structure of a pair in which array it has no voxel, in words."""
    arrays = (case.prediction, case.reference)
    reasons = [""] * (1 if asked.labels is None else len(asked.labels))
    if asked.labels is None and not all(_array.dtype_kind(array) in ("bool", "integer") for array in arrays):
        return reasons
    try:
        counts = _structure_counts(asked, case)
    # Integer images without labels: whole numbers that are no mask. Their metrics have reasons of their own.
    except ValueError:
        return reasons
    for position, sizes in enumerate(_sizes_of(counts)):
        missing = [name for name, size in zip(("prediction", "reference"), sizes, strict=True) if size == 0]
        if missing:
            reasons[position] = f"empty in the {' and the '.join(missing)}"
    return reasons


def _structure_counts(asked: Request, case: Case) -> ConfusionCounts:
    """Return the counts of every structure of a pair, in the voxels that are not ignored."""
    mask = None if case.ignore is None else ~case.ignore
    return confusion_counts(case.prediction, case.reference, labels=asked.labels, mask=mask)


def _sizes_of(counts: ConfusionCounts) -> list[tuple[int, int]]:
    """Return how many voxels prediction and reference have of every structure."""
    tp, fp, fn, _ = (_array.to_numpy(field).reshape(-1) for field in counts)
    return list(zip((tp + fp).tolist(), (tp + fn).tolist(), strict=True))
