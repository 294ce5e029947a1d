"""Predictions against references: one pair, many of them, or what pairs are loaded from, at the same time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from operator import length_hint
from typing import NoReturn, Protocol, TypeVar, cast

from mia_functional._core import checks, parallel_map
from mia_functional.evaluation.case_values import Case, Gap, evaluate_case, gap_rows
from mia_functional.evaluation.journal import Outcome
from mia_functional.evaluation.requests import (
    Ignore,
    Request,
    request,
    require_possible_options,
    require_probabilities,
)
from mia_functional.evaluation.results import Results, concatenate
from mia_functional.metrics import Metric
from mia_functional.metrics.names import AnyMetric
from mia_functional.typing import Array, Label, Labels, Progress, Spacing

__all__ = ["Source", "evaluate", "evaluate_each", "evaluate_many", "joined"]


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
    convention: str | None = None,
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
        convention: Whose numbers to give, if not ours: "deepmind", "monai", "metrics_reloaded", "medpy", "panoptica",
            "torchmetrics", "simpleitk", "skimage", "nnunet", "brats" or "pymia". Surface, percentile, values of empty
            masks and the like are those of the package, see `metrics.conventions`.
        subject: Identifier to report.

    Returns:
        A table with one row per label and metric, in the order given. `reason` says why a value is not finite.

    Raises:
        TypeError: An array is of the wrong kind.
        ValueError: The shapes differ, a metric is unknown (the text names the nearest), a metric needs `spacing` or
            `probabilities`, or the convention does not have it (the text names those that it has).

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
    asked = request("evaluate", metrics, labels, channels, ignore=ignore, convention=convention)
    require_probabilities("evaluate", asked.metrics, probabilities)
    return evaluate_case(asked, case, failed=give_up)


def evaluate_many(
    cases: Iterable[Case],
    *,
    metrics: Sequence[AnyMetric],
    labels: Labels | Iterable[Label] | None = None,
    channels: Mapping[int, str] | None = None,
    ignore: int | Iterable[int] | None = None,
    convention: str | None = None,
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
        convention: As in `evaluate`.
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
    asked = request("evaluate_many", metrics, labels, channels, ignore=ignore, convention=convention)
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
        reason = "the process that evaluated it was ended twice, by a lack of memory perhaps"
        return parallel_map.map_in_processes(
            evaluate_one, sources, workers=workers, preload=preload,
            lost=lambda source: Outcome(gap_rows(asked, Gap(source.subject, "failed", reason, source.method))),
        )  # fmt: skip
    return parallel_map.map_completed(evaluate_one, sources, executor=executor)


def joined(function: str, outcomes: Mapping[int, Outcome]) -> Results:
    """Return one table of outcomes by position, in order."""
    with checks.speaking_for(function, "concatenate", tables="cases"):
        return concatenate(outcomes[position].results for position in sorted(outcomes))


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
        return Outcome(gap_rows(asked, case))
    results = evaluate_case(asked, case, failed=lambda _, error: checks.sentence_of(asked.function, error))
    shape = tuple(getattr(case.reference, "shape", ()))[: len(case.spacing or ())]
    return Outcome(results, shape, tuple(case.spacing or ()))
