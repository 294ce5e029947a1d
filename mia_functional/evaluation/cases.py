"""Predictions against references: every statistic is computed once per pair, and all metrics follow from it."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from operator import length_hint
from typing import Any, NamedTuple, TypeVar

from mia_functional import _array
from mia_functional._core import checks, ordered_map
from mia_functional.evaluation.results import Failure, Result, Results, concatenate
from mia_functional.metrics import Metric, confusion_counts, find
from mia_functional.metrics.boundaries import convention_name
from mia_functional.typing import Array, Label, Labels, Progress, Spacing

__all__ = ["Case", "Request", "evaluate", "evaluate_each", "evaluate_many", "request"]


class Case(NamedTuple):
    """One pair to evaluate, for `evaluate_many`.

    Attributes:
        subject: Identifier.
        prediction: Label map, mask or image.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis; None where no metric needs it.
    """

    subject: str
    prediction: Array
    reference: Array
    spacing: Spacing | None = None


class Request(NamedTuple):
    """What is evaluated for every case; plain data, so that it travels to worker processes.

    Attributes:
        function: The public function that was called, for messages.
        metrics: Rows of the metric table.
        names: Labels and the names that they are reported under; None where masks or images are compared.
    """

    function: str
    metrics: tuple[Metric, ...]
    names: dict[Label, str] | None


_Source = TypeVar("_Source")
"""A case, or what a case is loaded from; has a `subject`."""


def evaluate(
    prediction: Array,
    reference: Array,
    *,
    metrics: Sequence[str | Metric],
    labels: Labels | Iterable[Label] | None = None,
    spacing: Spacing | None = None,
    subject: str = "",
) -> Results:
    """Evaluate (compare, score) one prediction against its reference.

    Args:
        prediction: Integer label map with `labels`; without, a mask or, for metrics of images, an image. Any library.
        reference: Array of the same shape.
        metrics: Names, abbreviations or aliases (`"DICE"`, `"hd95"`, `"SURFDICE@2mm"`), or rows of `metrics.METRICS`.
            A row whose `statistic` is replaced by a partial one takes other options, such as `boundary=voxels`.
        labels: Label values and the names to report them under, or a sequence of labels; tuples are merged.
        spacing: Millimetres between voxel centres along each axis; needed by metrics in millimetres, never assumed.
        subject: Identifier to report.

    Returns:
        A table with one row per label and metric, in the order given. `reason` says why a value is not finite.

    Raises:
        TypeError: An array is of the wrong kind.
        ValueError: The shapes differ, a metric is unknown (the text names the nearest), or a metric needs `spacing`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([[0, 1, 2, 2]]), np.array([[0, 1, 1, 2]])
        >>> for row in evaluate(one, other, metrics=["DICE"], labels={1: "liver", 2: "tumour"}, subject="A"):
        ...     print(row.subject, row.label, row.metric, round(row.value, 3))
        A liver DICE 0.667
        A tumour DICE 0.667
    """
    return _evaluate_case(request("evaluate", metrics, labels), Case(subject, prediction, reference, spacing))


def evaluate_many(
    cases: Iterable[Case],
    *,
    metrics: Sequence[str | Metric],
    labels: Labels | Iterable[Label] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Results:
    """Evaluate many pairs, one after the other or at the same time, in bounded memory.

    A case that cannot be evaluated does not stop the others: it is listed in `failures` with the reason.

    Args:
        cases: Any iterable of cases; with a generator only a few are in memory at a time.
        metrics: As in `evaluate`.
        labels: As in `evaluate`.
        executor: Evaluates cases in parallel, in any pool of `concurrent.futures`; the order of the rows stays that of
            the cases. Threads work well, since most of the time is spent outside of the interpreter's lock.
        progress: Called with cases done, cases in all (0 where unknown) and the subject just done.

    Returns:
        One table with the rows of all cases.

    Raises:
        ValueError: A metric is unknown, or a subject occurs twice.

    Example:
        >>> import numpy as np
        >>> mask = np.ones((2, 2), dtype=bool)
        >>> table = evaluate_many([Case("A", mask, mask), Case("B", mask, mask[:1])], metrics=["DICE"])
        >>> table[0].value, table.failures[0].subject
        (1.0, 'B')
    """
    checks.require_instance("evaluate_many", "cases", cases, Iterable, "several `Case`")
    return evaluate_each(request("evaluate_many", metrics, labels), cases, None, executor=executor, progress=progress)


def request(function: str, metrics: Sequence[str | Metric], labels: Labels | Iterable[Label] | None) -> Request:
    """Return what is evaluated: metrics by their rows of the table, and labels with their names."""
    if isinstance(metrics, str | Metric) or not isinstance(metrics, Iterable):
        checks.invalid_kind(function, "metrics", "be a sequence of metrics", repr(metrics))
    with checks.speaking_for(function, "find", name="metrics"):
        rows = tuple(entry if isinstance(entry, Metric) else find(entry) for entry in metrics)
    abbreviations = [row.abbreviation for row in rows]
    if not rows or len(set(abbreviations)) != len(rows):
        checks.invalid_value(function, "metrics", "name at least one metric, and none of them twice", abbreviations)
    if labels is not None and not isinstance(labels, Iterable):
        checks.invalid_kind(function, "labels", "map labels to names, or be several labels", repr(labels))
    if labels is not None and not isinstance(labels, Mapping):
        labels = {label: "+".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels}
    return Request(function, rows, None if labels is None else dict(labels))


def evaluate_each(
    asked: Request, sources: Iterable[_Source], load: Callable[[_Source], Case] | None, *, executor: Executor | None,
    progress: Progress | None,
) -> Results:  # fmt: skip
    """Return one table with the results of all sources, in their order; `load` makes a case of each in the worker."""
    total = length_hint(sources)
    tables = []
    outcomes = ordered_map.map_ordered(partial(_evaluate_pair, asked, load), sources, executor=executor)
    for done, table in enumerate(outcomes, start=1):
        tables.append(table)
        if progress is not None:
            progress(done, total, (table.rows or table.failures)[0].subject)
    with checks.speaking_for(asked.function, "concatenate", tables="cases"):
        return concatenate(tables)


def _evaluate_pair(asked: Request, load: Callable[[_Source], Case] | None, source: _Source) -> Results:
    """Return the results of a case, or why there are none."""
    try:
        case = source if load is None else load(source)
        if not isinstance(case, Case):
            checks.invalid_kind("evaluate_many", "cases", "be several `Case`", f"{type(case).__name__} among them")
        return _evaluate_case(asked, case)
    # A mistake in one case (shapes, kinds, unreadable files) must not lose the values of the others. A lack of memory,
    # say, is not one: it stops the evaluation.
    except (ValueError, TypeError, OSError) as error:
        return Results(
            failures=(
                Failure(subject=getattr(source, "subject", ""), message=checks.sentence_of(asked.function, error)),
            )
        )


def _evaluate_case(asked: Request, case: Case) -> Results:
    """Return the values of a case for every label and metric, with a reason beside those that are not finite."""
    statistics: dict[Callable[..., Any], Any] = {}
    columns = []
    for metric in asked.metrics:
        boundary = inspect.signature(metric.statistic or metric.function).parameters.get("boundary")
        convention = "" if boundary is None else convention_name(boundary.default)
        columns.append((metric, convention, _values(asked, case, metric, statistics)))
    labels = [""] if asked.names is None else list(asked.names.values())
    finite = all(math.isfinite(value) for _, _, values in columns for value in values)
    # Which structures are empty takes another pass over the volume, so it is asked only if a value must be explained.
    empty = {} if finite else _empty_structures(asked, case)
    rows = [
        Result(
            subject=case.subject, label=label, metric=metric.abbreviation, value=values[position], unit=metric.unit,
            convention=convention,
            reason="" if math.isfinite(values[position]) else empty.get(label) or metric.undefined,
        )
        for position, label in enumerate(labels)
        for metric, convention, values in columns
    ]  # fmt: skip
    return Results(rows=tuple(rows))


def _values(asked: Request, case: Case, metric: Metric, statistics: dict[Callable[..., Any], Any]) -> list[float]:
    """Return the values of a metric, one per label; `statistics` keeps what was computed for earlier metrics."""
    pair_function = metric.statistic or metric.function
    parameters = inspect.signature(pair_function).parameters
    if asked.names is not None and "labels" not in parameters:
        needed = f"not be given for {metric.abbreviation}, a metric of images"
        checks.invalid_value(asked.function, "labels", needed, asked.names)
    # Never assumed: millimetres from a wrong spacing look like any others.
    if case.spacing is None and ("spacing" in parameters or "spacing" in metric.needs):
        checks.invalid_value(asked.function, "spacing", f"be given in millimetres for {metric.abbreviation}", "none")
    shape = tuple(getattr(case.reference, "shape", ()))
    # An axis of channels would be pooled, and label 1 of one layer is not label 1 of another.
    if case.spacing is not None and "segmentation" in metric.groups and len(shape) != len(case.spacing):
        checks.invalid_value(asked.function, "spacing", f"have {len(shape)} entries, one per axis", case.spacing)
    offered = {"labels": asked.names, "spacing": case.spacing}
    pair_options = {name: value for name, value in offered.items() if value is not None and name in parameters}
    options = dict[str, Any](metric.options)
    inner = getattr(pair_function, "func", pair_function)  # of a `functools.partial`
    with checks.speaking_for(asked.function, getattr(inner, "__name__", ""), metric.name):
        if metric.statistic is None:
            value = metric.function(case.prediction, case.reference, **pair_options, **options)
        else:
            if metric.statistic not in statistics:
                statistics[metric.statistic] = metric.statistic(case.prediction, case.reference, **pair_options)
            if "spacing" in metric.needs:
                options["spacing"] = case.spacing
            value = metric.function(statistics[metric.statistic], **options)
    # One number for a mask, which some libraries return as an array without axes; one axis for several labels.
    return _array.to_numpy(value).astype(float).reshape(-1).tolist()


def _empty_structures(asked: Request, case: Case) -> dict[str, str]:
    """Return which labels have no voxel in which array, in words."""
    arrays = (case.prediction, case.reference)
    if asked.names is None and not all(_array.dtype_kind(array) in ("bool", "integer") for array in arrays):
        return {}
    try:
        counts = confusion_counts(*arrays, labels=asked.names)
    # Integer images without labels: whole numbers that are no mask. Their metrics have reasons of their own.
    except ValueError:
        return {}
    tp, fp, fn, _ = (_array.to_numpy(field).reshape(-1) for field in counts)
    reasons = {}
    names = list(asked.names.values()) if asked.names else [""]
    for label, predicted, referenced in zip(names, tp + fp, tp + fn, strict=True):
        missing = [name for name, size in (("prediction", predicted), ("reference", referenced)) if size == 0]
        if missing:
            reasons[label] = f"empty in the {' and the '.join(missing)}"
    return reasons
