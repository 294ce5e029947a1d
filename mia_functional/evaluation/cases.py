"""Predictions against references: every statistic is computed once per pair, and all metrics follow from it."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from operator import length_hint
from typing import Any, NamedTuple, TypeAlias

from mia_functional import _array
from mia_functional._core import checks, ordered_map
from mia_functional.evaluation.results import Failure, Result, Results, concatenate
from mia_functional.metrics import Metric, confusion_counts, find
from mia_functional.typing import Array, Label, Labels, Progress, Spacing

Names: TypeAlias = dict[Label, str] | None
"""Labels and the names that they are reported under; None where masks or images are compared."""


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
    return evaluate_case(
        Case(subject, prediction, reference, spacing), metrics=resolve(metrics), names=label_names(labels)
    )


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
    run = functools.partial(_guarded, metrics=resolve(metrics), names=label_names(labels))
    total = length_hint(cases)
    tables = []
    for done, table in enumerate(ordered_map.map_ordered(run, cases, executor=executor), start=1):
        tables.append(table)
        if progress is not None:
            progress(done, total, subject_of(table))
    return concatenate(tables)


def resolve(metrics: Sequence[str | Metric]) -> tuple[Metric, ...]:
    """Return the rows of the metric table that names stand for; refuse none and the same one twice."""
    if isinstance(metrics, str | Metric) or not isinstance(metrics, Iterable):
        checks.invalid_kind("evaluate", "metrics", "be a sequence of metrics", repr(metrics))
    rows = tuple(entry if isinstance(entry, Metric) else find(entry) for entry in metrics)
    names = [row.abbreviation for row in rows]
    if not rows or len(set(names)) != len(names):
        checks.invalid_value("evaluate", "metrics", "name at least one metric, and none of them twice", names)
    return rows


def subject_of(table: Results) -> str:
    """Return the identifier of the one case in a table."""
    return table.rows[0].subject if table.rows else table.failures[0].subject


def label_names(labels: Labels | Iterable[Label] | None) -> Names:
    """Return labels with the names under which they are reported; merged ones are joined by a plus sign."""
    if labels is None or isinstance(labels, Mapping):
        return None if labels is None else dict(labels)
    return {key: "+".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in labels}


def _guarded(case: Case, *, metrics: tuple[Metric, ...], names: Names) -> Results:
    """Return the results of a case, or why there are none."""
    try:
        return evaluate_case(case, metrics=metrics, names=names)
    except (ValueError, TypeError, OSError) as error:
        return Results(failures=(Failure(subject=case.subject, message=str(error)),))


def evaluate_case(case: Case, *, metrics: tuple[Metric, ...], names: Names) -> Results:
    """Return the results of a case for every label and metric."""
    statistics: dict[Callable[..., Any], Any] = {}
    columns = [_values(metric, case, names, statistics) for metric in metrics]
    labels = [""] if names is None else list(names.values())
    rows = [
        _result(case, label, metric, column[position])
        for position, label in enumerate(labels)
        for metric, column in zip(metrics, columns, strict=True)
    ]
    if all(math.isfinite(row.value) for row in rows):
        return Results(rows=tuple(rows))
    return Results(rows=tuple(_explained(rows, metrics, _emptiness(case, names))))


def _values(metric: Metric, case: Case, names: Names, statistics: dict[Callable[..., Any], Any]) -> list[float]:
    """Return the values of a metric, one per label; statistics that were computed before are taken again."""
    options = dict(metric.options)
    if metric.statistic is None:
        given = _arguments(metric.function, metric, case, names)
        value = metric.function(case.prediction, case.reference, **given, **options)
    else:
        if metric.statistic not in statistics:
            given = _arguments(metric.statistic, metric, case, names)
            statistics[metric.statistic] = metric.statistic(case.prediction, case.reference, **given)
        needed = _needed(metric, case)
        value = metric.function(statistics[metric.statistic], **needed, **options)
    values: list[float] = _array.to_numpy(value).reshape(-1).tolist()
    return values


def _needed(metric: Metric, case: Case) -> dict[str, Any]:
    """Return what a formula needs besides its statistic."""
    return {"spacing": _spacing(metric, case)} if "spacing" in metric.needs else {}


def _arguments(function: Callable[..., Any], metric: Metric, case: Case, names: Names) -> dict[str, Any]:
    """Return the labels and the spacing for a function of a pair, as far as it takes them."""
    known = inspect.signature(function).parameters
    given: dict[str, Any] = {}
    if names is not None:
        if "labels" not in known:
            checks.invalid_value(
                "evaluate", "labels", f"be left out for {metric.abbreviation}, a metric of images", names
            )
        given["labels"] = names
    if "spacing" in known:
        given["spacing"] = _spacing(metric, case)
    return given


def _spacing(metric: Metric, case: Case) -> Spacing:
    """Return the spacing of a case; refuse to guess it."""
    if case.spacing is None:
        checks.invalid_value("evaluate", "spacing", f"be given in millimetres for {metric.abbreviation}", "none")
    return case.spacing


def _result(case: Case, label: str, metric: Metric, value: float) -> Result:
    """Return one row."""
    return Result(
        subject=case.subject,
        label=label,
        metric=metric.abbreviation,
        value=float(value),
        unit=metric.unit,
        convention=_convention(metric),
    )


def _convention(metric: Metric) -> str:
    """Return the name of the boundary convention that a metric uses; empty for one without surfaces."""
    parameter = inspect.signature(metric.statistic or metric.function).parameters.get("boundary")
    return "" if parameter is None else str(parameter.default.__name__)


def _emptiness(case: Case, names: Names) -> dict[str, str]:
    """Return which labels are missing in which array, in words."""
    if names is None and not all(_array.dtype_kind(array) in ("bool", "integer") for array in case[1:3]):
        return {}
    try:
        counts = confusion_counts(case.prediction, case.reference, labels=names)
    except ValueError:
        return {}
    words = {}
    tp, fp, fn, _ = (_array.to_numpy(field).reshape(-1) for field in counts)
    for label, predicted, referenced in zip(names.values() if names else [""], tp + fp, tp + fn, strict=True):
        missing = [name for name, size in (("prediction", predicted), ("reference", referenced)) if size == 0]
        if missing:
            words[label] = f"empty in the {' and the '.join(missing)}"
    return words


def _explained(rows: list[Result], metrics: tuple[Metric, ...], empty: dict[str, str]) -> list[Result]:
    """Return rows with the reason where the value is not finite."""
    undefined = {metric.abbreviation: metric.undefined for metric in metrics}
    return [
        row
        if math.isfinite(row.value)
        else Result(
            subject=row.subject, label=row.label, metric=row.metric, value=row.value, unit=row.unit,
            convention=row.convention, reason=empty.get(row.label) or undefined[row.metric],
        )
        for row in rows
    ]  # fmt: skip
