"""What is asked of an evaluation: metrics, structures and their names, refused before the first case is read."""

import functools
import inspect
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, SupportsIndex, TypeAlias, cast

import numpy as np

from mia_functional._core import checks
from mia_functional._label_maps import label_sets
from mia_functional.metrics import Metric, soft_confusion_counts
from mia_functional.metrics.conventions import under_convention
from mia_functional.metrics.names import OWN_GROUP, AnyMetric, rows_of
from mia_functional.typing import Array, Label, Labels

__all__ = [
    "MASK_GROUPS",
    "Ignore",
    "Request",
    "needs_probabilities",
    "request",
    "require_possible_options",
    "require_probabilities",
    "takes_labels",
    "takes_probabilities",
]

Ignore: TypeAlias = int | Iterable[int] | Array | None
"""Values of the reference where nothing is known, or a mask of such voxels."""

MASK_GROUPS = frozenset({"instances", "segmentation", "topology"})
"""Groups of metrics that measure masks."""


class Request(NamedTuple):
    """What is evaluated for every case; plain data, so that it travels to worker processes.

    Attributes:
        function: The public function that was called, for messages.
        metrics: Rows of the metric table.
        names: What structures are reported under, in order; one empty name where masks or images are compared.
        labels: Labels of the structures; None where masks, images or channels are compared.
        channels: Positions of the channels that hold one structure each; None where there are none.
        ignore: Values of the reference where nothing is known; none by default.
        convention: Whose numbers they are; "" for ours.
    """

    function: str
    metrics: tuple[Metric, ...]
    names: tuple[str, ...]
    labels: tuple[Label, ...] | None = None
    channels: tuple[int, ...] | None = None
    ignore: tuple[int, ...] = ()
    convention: str = ""


def request(
    function: str, metrics: Sequence[AnyMetric], labels: Labels | Iterable[Label] | None,
    channels: Mapping[int, str] | None, *, ignore: Ignore = None, convention: str | None = None,
) -> Request:  # fmt: skip
    """Return what is evaluated: metrics by their rows of the table, and labels or channels with their names."""
    rows = rows_of(function, metrics)
    if convention is not None:
        with checks.speaking_for(function, "under_convention", metric="metrics"):
            rows = tuple(under_convention(row, convention=convention) for row in rows)
    values = _ignored_values(function, ignore, rows)
    asked = Request(function, rows, ("",), ignore=values, convention=convention or "")
    if labels is None and channels is None:
        return asked
    for row in rows:
        if not takes_labels(row):
            needed = f"not be given for {row.abbreviation}, a metric of images"
            checks.invalid_value(function, "channels" if labels is None else "labels", needed, labels or channels)
    if labels is None:
        channels = _checked_channels(function, channels)
        return asked._replace(names=tuple(channels.values()), channels=tuple(channels))
    if channels is not None:
        checks.invalid_value(function, "channels", "not be given with `labels`", channels)
    if not isinstance(labels, Iterable):
        checks.invalid_kind(function, "labels", "map labels to names, or be several labels", repr(labels))
    if shared := {value for one in label_sets(function, labels) for value in one} & set(values):
        checks.invalid_value(function, "ignore", "be no label that is asked for", min(shared))
    if not isinstance(labels, Mapping):
        labels = {label: "+".join(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels}
    return asked._replace(names=_distinct_names(function, "labels", labels), labels=tuple(labels))


def takes_labels(row: Metric) -> bool:
    """Return whether a metric is of structures, and not of images."""
    # A function of one's own gets the masks of one structure after the other.
    is_for_masks = row.statistic is None and OWN_GROUP in row.groups
    return is_for_masks or "labels" in inspect.signature(row.statistic or row.function).parameters


def takes_probabilities(row: Metric) -> bool:
    """Return whether a metric is of probabilities, and not of what was decided on."""
    return next(iter(inspect.signature(row.statistic or row.function).parameters)) == "probabilities"


def needs_probabilities(row: Metric) -> bool:
    """Return whether a metric has to be given probabilities besides the prediction."""
    # Soft counts are of what was given as the prediction where there is nothing else.
    return takes_probabilities(row) and getattr(row.statistic, "func", row.statistic) is not soft_confusion_counts


def require_probabilities(function: str, rows: Iterable[Metric], probabilities: object) -> None:
    """Raise if there are none although a metric needs them."""
    names = [row.abbreviation for row in rows if needs_probabilities(row)]
    if names and probabilities is None:
        checks.invalid_value(function, "probabilities", f"be given for {', '.join(names)}", "none")


def _ignored_values(function: str, ignore: Ignore, rows: Sequence[Metric]) -> tuple[int, ...]:
    """Return the values that are ignored, none if it is a mask; raise if a metric cannot leave voxels out."""
    if ignore is None:
        return ()
    for row in rows:
        parameters = inspect.signature(row.statistic or row.function).parameters
        if not {"mask", "ignore"} & set(parameters):
            needed = f"not be given for {row.abbreviation}, which has no parameter `mask` or `ignore`"
            checks.invalid_value(function, "ignore", needed, checks.describe(ignore))
    if getattr(ignore, "shape", ()):
        return ()
    try:
        given = tuple(cast(Iterable[SupportsIndex], ignore)) if isinstance(ignore, Iterable) else (ignore,)
        return tuple(map(operator.index, cast(Iterable[SupportsIndex], given)))
    except TypeError:
        checks.invalid_kind(function, "ignore", "be a label, several, or a mask", repr(ignore))


def _checked_channels(function: str, channels: object) -> dict[int, str]:
    """Return channels with their names; raise unless they are positions with names of their own."""
    if not isinstance(channels, Mapping) or not channels:
        checks.invalid_kind(function, "channels", "map positions to names", repr(channels))
    for position in channels:
        checks.integer(function, "channels", position, minimum=0)
    _distinct_names(function, "channels", channels)
    return dict(channels)


def _distinct_names(function: str, argument: str, names: Mapping[Any, str]) -> tuple[str, ...]:
    """Return the names of structures; raise if one of them stands for two, which would be one row of a table."""
    if len(set(names.values())) != len(names):
        checks.invalid_value(function, argument, "have a name of its own for every structure", list(names.values()))
    return tuple(names.values())


def require_possible_options(asked: Request) -> None:
    """Raise if options of a metric are impossible, which is found out on small arrays: a cohort may take hours."""
    for row in asked.metrics:
        _try_options(asked.function, row)


def _try_options(function: str, row: Metric) -> None:
    """Raise if options of a metric are impossible."""
    if OWN_GROUP in row.groups or not (row.options or isinstance(row.statistic, functools.partial)):
        return
    # Numbers between 0 and 1 in no order, without the generators of NumPy, which take a while to import.
    numbers = (np.arange(3 * 12**3) * math.sqrt(2) % 1).reshape(3, 12, 12, 12)
    is_mask = not MASK_GROUPS.isdisjoint(row.groups)
    pair = [np.asarray(array > 0.5) if is_mask else array for array in numbers[:2]]
    if takes_probabilities(row):
        pair = [pair[0].astype(float), np.asarray(numbers[2] > 0.5)]
    first = row.statistic or row.function
    spacing = {"spacing": (1.0, 1.0, 1.0)}
    given = spacing if "spacing" in inspect.signature(first).parameters else {}
    options = dict[str, Any](row.options)
    try:
        if row.statistic is None:
            value = row.function(*pair, **given, **options)
        else:
            options |= spacing if "spacing" in row.needs else {}
            value = row.function(row.statistic(*pair, **given), **options)
    except (ValueError, TypeError) as error:
        reason = str(error).partition(": ")[2] or str(error)
        text = f"{function}: `metrics` must have possible parameters; of {row.abbreviation}, {reason}"
        raise type(error)(text) from error
    if np.size(value) != 1:
        needed = f"give a number for each structure; {row.abbreviation}"
        checks.invalid_value(function, "metrics", needed, f"{np.size(value)} for 1")
