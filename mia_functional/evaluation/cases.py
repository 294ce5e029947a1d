"""Predictions against references: every statistic is computed once per pair, and all metrics follow from it."""

import functools
import inspect
import math
import operator
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from operator import length_hint
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar, cast

from mia_functional import _array
from mia_functional._core import checks, parallel_map
from mia_functional._label_maps import binary_mask, label_map, label_mask, label_sets
from mia_functional.evaluation.journal import Outcome
from mia_functional.evaluation.requests import (
    MASK_GROUPS,
    AnyMetric,
    Ignore,
    Request,
    request,
    require_possible_options,
    require_probabilities,
    takes_probabilities,
)
from mia_functional.evaluation.results import Result, Results, concatenate
from mia_functional.metrics import Metric, confusion_counts
from mia_functional.metrics.boundaries import convention_name
from mia_functional.metrics.names import OWN_GROUP
from mia_functional.typing import Array, Label, Labels, Progress, Spacing, Status

__all__ = [
    "Case",
    "Gap",
    "Source",
    "convention_of",
    "evaluate",
    "evaluate_each",
    "evaluate_many",
    "joined",
]


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


class Source(Protocol):
    """What a case is loaded from, or the case itself."""

    @property
    def subject(self) -> str:
        """Identifier."""
        ...

    @property
    def method(self) -> str:
        """What made the prediction."""
        ...


_Source = TypeVar("_Source", bound=Source)


def evaluate(
    prediction: Array,
    reference: Array,
    *,
    metrics: Sequence[AnyMetric],
    labels: Labels | Iterable[Label] | None = None,
    channels: Mapping[int, str] | None = None,
    ignore: Ignore = None,
    spacing: Spacing | None = None,
    probabilities: Array | None = None,
    subject: str = "",
) -> Results:
    """Evaluate (compare, score) one prediction against its reference.

    Args:
        prediction: Integer label map with `labels`; without, a mask or, for metrics of images, an image. Any library.
        reference: Array of the same shape.
        metrics: Names, abbreviations or aliases with parameters (`"DICE"`, `"hd95"`, `"SURFDICE@2mm"`,
            `"HD95@boundary=voxels"`, see `metrics.find`), rows of `metrics.METRICS`, or functions of one's own: of two
            arrays, or as `metrics.metric` describes them.
        labels: Label values and the names to report them under, or a sequence of labels; tuples are merged.
        channels: Positions on the last axis and the names to report them under, where every channel is a mask of its
            own, so that structures may overlap: `{0: "lung", 1: "heart"}`. In place of `labels`.
        ignore: A value of the reference (255 say), several, or a mask of the shape of the arrays: voxels of which it is
            not known what they are. They are neither error nor boundary: they are not counted, and surface elements
            that touch them, or windows of SSIM that hold one, are left out (see `metrics.surface_distances`,
            `metrics.boundary_iou`). A function of one's own is told of them if it has a parameter `ignore`, or `mask`
            for all other voxels.
        spacing: Millimetres between voxel centres along each axis; needed by metrics in millimetres, never assumed.
        probabilities: Floats from 0 to 1, for metrics of these (`ECE`, `BRIER`, see `metrics.calibration_bins`): with
            `labels` a channel on a last axis for each of them, in their order, else of the shape of the arrays.
        subject: Identifier to report.

    Returns:
        A table with one row per label and metric, in the order given. `reason` says why a value is not finite.

    Raises:
        TypeError: An array is of the wrong kind.
        ValueError: The shapes differ, a metric is unknown (the text names the nearest), or a metric needs `spacing` or
            `probabilities`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([[0, 1, 2, 2]]), np.array([[0, 1, 1, 2]])
        >>> for row in evaluate(one, other, metrics=["DICE"], labels={1: "liver", 2: "tumour"}, subject="A"):
        ...     print(row.subject, row.label, row.metric, round(row.value, 3))
        A liver DICE 0.667
        A tumour DICE 0.667
    """

    def give_up(_: Metric, error: Exception) -> NoReturn:
        raise error

    mask = ignore if getattr(ignore, "shape", ()) else None
    case = Case(subject, prediction, reference, spacing, ignore=cast("Array | None", mask), probabilities=probabilities)
    asked = request("evaluate", metrics, labels, channels, ignore=ignore)
    require_probabilities("evaluate", asked.metrics, probabilities)
    return _evaluate_case(asked, case, failed=give_up)


def evaluate_many(
    cases: Iterable[Case],
    *,
    metrics: Sequence[AnyMetric],
    labels: Labels | Iterable[Label] | None = None,
    channels: Mapping[int, str] | None = None,
    ignore: int | Iterable[int] | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Results:
    """Evaluate many pairs, one after the other or at the same time, in bounded memory.

    A case that cannot be evaluated does not stop the others, and a metric that fails for a case does not stop the other
    metrics: their rows have the status `failed` and the reason.

    Args:
        cases: Any iterable of cases; with a generator only a few are in memory at a time.
        metrics: As in `evaluate`.
        labels: As in `evaluate`.
        channels: As in `evaluate`.
        ignore: Values of the references, as in `evaluate`.
        executor: Evaluates cases in parallel, in any pool of `concurrent.futures`; the order of the rows stays that of
            the cases. Threads work well, since most of the time is spent outside of the interpreter's lock.
        progress: Called with cases done, cases in all (0 where unknown) and the subject just done.

    Returns:
        One table with a row for every case, label and metric.

    Raises:
        TypeError: A case is none.
        ValueError: A metric is unknown, does not go with `labels`, or a subject occurs twice.

    Example:
        >>> import numpy as np
        >>> mask = np.ones((2, 2), dtype=bool)
        >>> table = evaluate_many([Case("A", mask, mask), Case("B", mask, mask[:1])], metrics=["DICE"])
        >>> [(row.subject, row.value, row.status) for row in table]
        [('A', 1.0, 'ok'), ('B', nan, 'failed')]
    """
    checks.require_instance("evaluate_many", "cases", cases, Iterable, "several `Case`")
    asked = request("evaluate_many", metrics, labels, channels, ignore=ignore)
    require_possible_options(asked)
    total = length_hint(cases)
    outcomes = {}
    for position, outcome in evaluate_each(asked, cases, None, executor=executor):
        outcomes[position] = outcome
        if progress is not None:
            progress(len(outcomes), total, outcome.results[0].subject)
    return joined(asked.function, outcomes)


def evaluate_each(
    asked: Request, sources: Iterable[_Source], load: Callable[[_Source], Case | Gap] | None, *,
    executor: Executor | None = None, workers: int = 1, preload: str = __name__,
) -> Iterator[tuple[int, Outcome]]:  # fmt: skip
    """Return the positions of all sources and what became of them, as they are done.

    Args:
        asked: What is evaluated.
        sources: Cases, or what `load` makes cases of in the worker.
        load: From a source to a case.
        executor: A pool of the caller's.
        workers: Processes of our own, if there is no such pool and these are several.
        preload: Name of a module that such processes need.
    """
    evaluate_one = partial(_evaluate_source, asked, load)
    if executor is None and workers > 1:
        lost = partial(_lost_outcome, asked)
        return parallel_map.map_in_processes(evaluate_one, sources, workers=workers, lost=lost, preload=preload)
    return parallel_map.map_completed(evaluate_one, sources, executor=executor)


def joined(function: str, outcomes: Mapping[int, Outcome]) -> Results:
    """Return one table of outcomes by position, in order."""
    with checks.speaking_for(function, "concatenate", tables="cases"):
        return concatenate(outcomes[position].results for position in sorted(outcomes))


def _lost_outcome(asked: Request, source: Source) -> Outcome:
    """Return the outcome of a source that ended the process that worked on it, twice."""
    reason = "the process that evaluated it was ended twice, by a lack of memory perhaps"
    return _gap_outcome(asked, Gap(source.subject, "failed", reason, source.method))


def _gap_outcome(asked: Request, gap: Gap) -> Outcome:
    """Return rows that say why there are no values."""
    columns = [_Column(metric, gap.status, gap.reason) for metric in asked.metrics]
    return Outcome(_rows_of(asked, gap, columns, []))


def _evaluate_source(asked: Request, load: Callable[[_Source], Case | Gap] | None, source: _Source) -> Outcome:
    """Return the results of a case; where there are none, rows that say why."""
    # A row without a subject would not say what failed.
    if load is None and not isinstance(source, Case):
        checks.invalid_kind("evaluate_many", "cases", "be several `Case`", f"{type(source).__name__} among them")
    # A mistake in one case (shapes, kinds, unreadable files) must not lose the values of the others. A lack of memory,
    # say, is not one: it stops the evaluation.
    case: Case | Gap
    try:
        case = load(source) if load is not None else cast(Case, source)
    except (ValueError, TypeError, OSError) as error:
        case = Gap(source.subject, "failed", checks.sentence_of(asked.function, error), source.method)
    if isinstance(case, Gap):
        return _gap_outcome(asked, case)
    results = _evaluate_case(asked, case, failed=lambda _, error: checks.sentence_of(asked.function, error))
    shape = tuple(getattr(case.reference, "shape", ()))[: len(case.spacing or ())]
    return Outcome(results, shape, tuple(case.spacing or ()))


class _Column(NamedTuple):
    """What there is of a metric for one case: values by label, or why there are none."""

    metric: Metric
    status: Status
    reason: str
    values: Sequence[float] | None = None


def _evaluate_case(asked: Request, case: Case, *, failed: Callable[[Metric, Exception], str]) -> Results:
    """Return the values of a case for every label and metric, with a reason beside those that are not finite.

    Args:
        asked: Labels and metrics.
        case: The pair.
        failed: Gives the reason for the rows of a metric that cannot be computed, or raises.
    """
    # Every channel is a pair of its own, with statistics of its own.
    parts: list[tuple[Case, dict[Callable[..., Any], Any]]] = []
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
    """Return how the surface is defined; nothing for metrics without surfaces."""
    boundary = inspect.signature(metric.statistic or metric.function).parameters.get("boundary")
    return "" if boundary is None else convention_name(boundary.default)


def _values(asked: Request, case: Case, metric: Metric, statistics: dict[Callable[..., Any], Any]) -> list[float]:
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
    if case.spacing is not None and MASK_GROUPS & set(metric.groups) and len(shape) != len(case.spacing):
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
            if metric.statistic not in statistics:
                statistics[metric.statistic] = metric.statistic(*pair, **pair_options)
            if "spacing" in metric.needs:
                options["spacing"] = case.spacing
            value = _guarded(asked, metric, statistics[metric.statistic], **options)
    # One number for a mask, which some libraries return as an array without axes; one axis for several labels.
    values: list[float] = _array.to_numpy(value).astype(float).reshape(-1).tolist()
    if len(values) != len(asked.labels or ("",)):
        needed = f"give a number for each structure; {metric.abbreviation}"
        checks.invalid_value(asked.function, "metrics", needed, f"{len(values)} for {len(asked.labels or ('',))}")
    return values


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
    return [float(_guarded(asked, metric, *pair, **options)) for pair in pairs]


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
        counts = confusion_counts(*arrays, labels=asked.labels, mask=None if case.ignore is None else ~case.ignore)
    # Integer images without labels: whole numbers that are no mask. Their metrics have reasons of their own.
    except ValueError:
        return reasons
    tp, fp, fn, _ = (_array.to_numpy(field).reshape(-1) for field in counts)
    for position, sizes in enumerate(zip(tp + fp, tp + fn, strict=True)):
        missing = [name for name, size in zip(("prediction", "reference"), sizes, strict=True) if size == 0]
        if missing:
            reasons[position] = f"empty in the {' and the '.join(missing)}"
    return reasons
