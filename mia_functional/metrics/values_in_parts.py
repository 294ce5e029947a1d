"""Metrics of the table in many parts of one pair of volumes, such as its lesions: each part in a box of its own.

Counts of all parts go through a formula at once. Every other metric is computed on the masks in the box of a part, each
statistic once, for metrics of masks are the same wherever a mask lies.
"""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._core.ordered_map import map_ordered
from mia_functional.metrics.boundaries import surfels
from mia_functional.metrics.confusion import ConfusionCounts, confusion_counts
from mia_functional.metrics.names import OWN_GROUP, AnyMetric, rows_of
from mia_functional.metrics.surface import distances_of_pairs, surface_distances
from mia_functional.metrics.table import Metric
from mia_functional.typing import Spacing

__all__ = ["DEFAULT_METRICS", "PartMasks", "rows_of_masks", "values_in_parts"]

DEFAULT_METRICS = ("DICE", "IOU", "ASSD", "HD95", "NSD")
"""What is computed in every part by default."""

_GROUPS = frozenset({"instances", "segmentation", "topology", OWN_GROUP})
"""Groups of metrics that do not depend on where in the volume a mask lies."""


_BATCH_VOXELS = 2**20
"""Voxels of the small parts that are measured together: some hundred lesions, whose surfaces take a few megabytes."""


class PartMasks(NamedTuple):
    """The masks of a part in its box, and what is ignored there if anything is."""

    prediction: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    ignored: NDArray[np.bool_] | None


class _PlannedMetric(NamedTuple):
    """How a metric is computed: its position among all, its row, and the keywords that the pair's function takes."""

    position: int
    row: Metric
    keywords: frozenset[str]


def rows_of_masks(function: str, metrics: Sequence[AnyMetric], *, ignore: bool) -> tuple[Metric, ...]:
    """Return metrics as rows of the table; raise unless they are different ones of masks, wherever these lie.

    Args:
        function: Name for messages.
        metrics: Names, rows, or functions of a pair.
        ignore: Whether voxels are ignored, so that each has to be able to leave some out.
    """
    rows = rows_of(function, metrics)
    for row in rows:
        if _GROUPS.isdisjoint(row.groups):
            needed = "be metrics of masks that do not depend on their place"
            checks.invalid_value(function, "metrics", needed, row.abbreviation)
        if ignore and {"ignore", "mask"}.isdisjoint(inspect.signature(row.statistic or row.function).parameters):
            needed = f"not be given for {row.abbreviation}, which has no parameter `mask` or `ignore`"
            checks.invalid_value(function, "ignore", needed, "a mask")
    return rows


def values_in_parts(
    rows: Sequence[Metric], counts: ConfusionCounts, parts: Iterable[PartMasks], *, spacing: Spacing, workers: int
) -> NDArray[np.float64]:
    """Return the value of every metric in every part, (N, M).

    Args:
        rows: The metrics.
        counts: The counts of all parts, in the whole volume, each of shape (N,).
        parts: The masks of all parts, which are made where a metric needs them.
        spacing: Millimetres between voxel centres along each axis.
        workers: Threads.
    """
    values = np.empty((counts.tp.shape[0], len(rows)))
    calls = [
        _PlannedMetric(position, row, frozenset(inspect.signature(row.statistic or row.function).parameters))
        for position, row in enumerate(rows)
    ]
    of_counts = [call for call in calls if getattr(call.row.statistic, "func", call.row.statistic) is confusion_counts]
    for position, row, _ in of_counts:
        options = dict(row.options) | ({"spacing": spacing} if "spacing" in row.needs else {})
        values[:, position] = row.function(counts, **options)
    others = [call for call in calls if call not in of_counts]
    if others:
        measure = functools.partial(_values_of_batch, others, spacing=spacing)
        rows_of_values = itertools.chain.from_iterable(_mapped(measure, parts, workers))
        for number, found in enumerate(rows_of_values):
            values[number, [call.position for call in others]] = found
    return values


def _part_batches(parts: Iterable[PartMasks], size: int) -> Iterator[list[PartMasks]]:
    """Yield parts in lists that end with the part by which they reach so many voxels."""
    batch: list[PartMasks] = []
    voxels = 0
    for part in parts:
        batch.append(part)
        voxels += part.reference.size
        if voxels >= size:
            yield batch
            batch, voxels = [], 0
    if batch:
        yield batch


def _mapped(
    measure: Callable[[list[PartMasks]], list[tuple[float, ...]]], parts: Iterable[PartMasks], workers: int
) -> Iterator[list[tuple[float, ...]]]:
    """Yield the values of every batch in order."""
    if workers == 1:
        yield from map(measure, _part_batches(parts, _BATCH_VOXELS))
        return
    # Here: pools are slow to import. Threads are for large parts, none of which has to wait for another one.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers) as pool:
        yield from map_ordered(measure, _part_batches(parts, 1), executor=pool)


def _values_of_batch(
    calls: Sequence[_PlannedMetric], parts: list[PartMasks], *, spacing: Spacing
) -> list[tuple[float, ...]]:
    """Return the values of metrics of the masks of each part; each statistic is computed once.

    All parts take turns in each metric: with all metrics of a part before the next one, small parts took a fifth longer
    on x86, whose cache does not hold the code of all metrics at once.
    """
    statistics: dict[Callable[..., Any], list[Any]] = {}
    columns = []
    for _, row, keywords in calls:
        given = [_keywords_of_part(part, keywords, spacing) for part in parts]
        options = dict[str, Any](row.options)
        if row.statistic is None:
            values = [
                row.function(part.prediction, part.reference, **own, **options)
                for part, own in zip(parts, given, strict=True)
            ]
        else:
            if row.statistic not in statistics:
                measure = functools.partial(_statistic_of_part, row.statistic)
                statistics[row.statistic] = list(map(measure, parts, given))
            options |= {"spacing": spacing} if "spacing" in row.needs else {}
            values = [row.function(statistic, **options) for statistic in statistics[row.statistic]]
        columns.append([float(_array.to_numpy(value)) for value in values])
    return list(zip(*columns, strict=True))


def _keywords_of_part(part: PartMasks, keywords: frozenset[str], spacing: Spacing) -> dict[str, Any]:
    """Return what a function of the pair is called with beside the masks of a part."""
    given: dict[str, Any] = {"spacing": spacing} if "spacing" in keywords else {}
    if part.ignored is not None:
        given |= {"ignore": part.ignored} if "ignore" in keywords else {"mask": ~part.ignored}
    return given


def _statistic_of_part(statistic: Callable[..., Any], part: PartMasks, given: dict[str, Any]) -> Any:
    """Return the statistic of the masks of a part."""
    if getattr(statistic, "func", statistic) is not surface_distances:
        return statistic(part.prediction, part.reference, **given)
    # The masks need no check and are cropped: of small parts that would take a third of the time.
    masks = part.prediction, part.reference, *(() if part.ignored is None else (part.ignored,))
    options = {"boundary": surfels, "method": "auto"} | getattr(statistic, "keywords", {})
    return distances_of_pairs((masks,), spacing=given["spacing"], **options)[0]
