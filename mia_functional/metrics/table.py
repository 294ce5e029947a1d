"""The metrics as data: one row each, and how a row is found by its abbreviation, name or alias.

The abbreviations are pymia's, so that old tables stay comparable. A number after an abbreviation sets the metric's
parameter: `HDRFDST95`, `SURFDICE@2mm`, `FMEASR2`.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mia_functional.metrics import confusion, overlap

INFINITY = float("inf")
LENGTHS = ("tolerance", "width")
"""Parameters in millimetres; their numbers are written `@2mm`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is known about a metric.

    Attributes:
        name: Public name of the function.
        abbreviation: Short name in tables, with the parameter if one was given.
        aliases: Other names under which the metric is known.
        function: `function(statistic, **options)` or, without a statistic, `function(prediction, reference, ...)`.
        statistic: The function that makes the record from a pair; None if the function takes the pair itself.
        lowest: Smallest possible value.
        highest: Largest possible value.
        best: Value of a perfect prediction; NaN if no value is better than another.
        unit: "" for numbers without unit, or "mm", "mm2", "mm3".
        symmetric: Whether prediction and reference can be swapped.
        groups: Names of the groups that the metric belongs to.
        formula: The definition in one line.
        undefined: When the value is NaN or inf, and which.
        source: Where the metric is defined.
        parameter: Keyword that a number in the abbreviation sets; "" if there is none.
        options: Keywords and values to call `function` with.
    """

    name: str
    abbreviation: str
    aliases: tuple[str, ...]
    function: Callable[..., Any]
    statistic: Callable[..., Any] | None
    lowest: float
    highest: float
    best: float
    unit: str
    symmetric: bool
    groups: tuple[str, ...]
    formula: str
    undefined: str
    source: str
    parameter: str = ""
    options: tuple[tuple[str, float | str], ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric(
        name="dice", abbreviation="DICE", aliases=("dsc",), function=overlap.dice, statistic=confusion.confusion_counts,
        lowest=0, highest=1, best=1, unit="", symmetric=True, groups=("overlap", "segmentation"),
        formula="2 TP / (2 TP + FP + FN)", undefined="NaN if both are empty", source="Dice 1945",
    ),
    Metric(
        name="jaccard", abbreviation="JACRD", aliases=("iou",), function=overlap.jaccard,
        statistic=confusion.confusion_counts,
        lowest=0, highest=1, best=1, unit="", symmetric=True, groups=("overlap", "segmentation"),
        formula="TP / (TP + FP + FN)", undefined="NaN if both are empty", source="Jaccard 1912",
    ),
    Metric(
        name="volume_similarity", abbreviation="VOLSMTY", aliases=(), function=overlap.volume_similarity,
        statistic=confusion.confusion_counts,
        lowest=0, highest=1, best=1, unit="", symmetric=True, groups=("overlap", "segmentation"),
        formula="1 - |FN - FP| / (2 TP + FP + FN)", undefined="NaN if both are empty", source="Taha & Hanbury 2015",
    ),
)  # fmt: skip
"""All metrics, one row each, in the order of the catalogue."""


def find(name: str) -> Metric:
    """Return the metric with an abbreviation, name or alias, whatever its case, and with the parameter that it carries.

    Args:
        name: For example `DICE`, `dice`, `dsc`, `HDRFDST95`, `SURFDICE@2mm`, `FMEASR2`.

    Returns:
        The row of the table. If `name` carries a number, `options` holds it and `abbreviation` ends with it.

    Raises:
        TypeError: The name is no text.
        ValueError: No metric is called so; the message names the nearest ones.

    Example:
        >>> find("dsc").abbreviation
        'DICE'
    """
    if not isinstance(name, str):
        raise TypeError(f"find: `name` must be the name of a metric; got {name!r}.")
    wanted = name.strip().lower()
    if wanted in _ROWS:
        return _ROWS[wanted]
    parts = re.fullmatch(r"(?P<stem>[a-z_2]*?[a-z_])@?(?P<number>\d+(\.\d+)?)(?P<unit>mm)?", wanted)
    row = _ROWS.get(parts["stem"]) if parts else None
    if parts is None or row is None or not row.parameter or (parts["unit"] and row.parameter not in LENGTHS):
        near = difflib.get_close_matches(wanted, _ROWS, n=3, cutoff=0.4) or list(_ROWS)[:3]
        known = ", ".join(dict.fromkeys(_ROWS[key].abbreviation for key in near))
        raise ValueError(f"find: `name` must be the name of a metric; got {name!r}; the nearest are {known}.")
    value = float(parts["number"])
    suffix = f"@{value:g}mm" if row.parameter in LENGTHS else f"{value:g}"
    return dataclasses.replace(
        row, abbreviation=row.abbreviation + suffix, options=(*row.options, (row.parameter, value))
    )


def group(name: str) -> tuple[Metric, ...]:
    """Return the metrics of a group: overlap, distance, classical, segmentation, regression or reconstruction.

    Raises:
        ValueError: There is no such group.

    Example:
        >>> "DICE" in [metric.abbreviation for metric in group("overlap")]
        True
    """
    known = sorted({entry for metric in METRICS for entry in metric.groups})
    if name not in known:
        raise ValueError(f"group: `name` must be one of {', '.join(known)}; got {name!r}.")
    return tuple(metric for metric in METRICS if name in metric.groups)


_ROWS = {key.lower(): metric for metric in METRICS for key in (metric.abbreviation, metric.name, *metric.aliases)}
"""The rows by every name that finds them."""
