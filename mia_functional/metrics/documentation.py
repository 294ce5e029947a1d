"""The metric table as text: Markdown for `docs/metrics.md`, and what the command `mia metrics` prints."""

import math
import textwrap

from mia_functional._core import checks
from mia_functional.metrics.names import find
from mia_functional.metrics.table import LENGTH_PARAMETERS, METRICS, Metric

__all__ = ["describe", "listing", "table_markdown"]

_WIDTH = 100
"""Characters to a line."""


def table_markdown() -> str:
    """Return the metric table in Markdown, one line per metric in the order of the catalogue.

    Returns:
        A header, a rule and the rows, each with a line break at its end.

    Example:
        >>> for line in table_markdown().splitlines()[:3]:
        ...     print(line)
        | Abbreviation | Name | Formula | Range | Best | Undefined |
        |---|---|---|---|---|---|
        | DICE | `dice` or dsc | `2 TP / (2 TP + FP + FN)` | 0 to 1 | 1 | Both masks empty: NaN. One empty: 0. |
    """
    lines = ["| Abbreviation | Name | Formula | Range | Best | Undefined |", "|---|---|---|---|---|---|"]
    for metric in METRICS:
        name = " or ".join((f"`{metric.name}`", *metric.aliases))
        # A bar ends the cell of a Markdown table, in code as well.
        formula = metric.formula.replace("|", r"\|")
        facts = _facts(metric)
        cells = (_pattern(metric), name, f"`{formula}`", facts["Range"], facts["Best"], metric.undefined)
        lines.append("".join(f"| {cell} " for cell in cells) + "|")
    return "".join(line + "\n" for line in lines)


def listing() -> str:
    """Return one line per metric: abbreviation, name, and what it is.

    Example:
        >>> listing().splitlines()[0][:79]
        'DICE          dice                                Dice similarity coefficient ('
    """
    return "".join(f"{_pattern(metric):<13} {metric.name:<35} {metric.summary}\n" for metric in METRICS)


def describe(name: str) -> str:
    """Return what is known about a metric, in lines of text.

    Args:
        name: Abbreviation with or without a parameter, name or alias.

    Raises:
        TypeError: The name is not a string.
        ValueError: No metric has this name; the message lists the nearest ones.

    Example:
        >>> for line in describe("jaccard").splitlines()[:3]:
        ...     print(line)
        JACRD
        Name       jaccard (iou)
        Meaning    Jaccard index (IoU): the intersection over the union
    """
    with checks.speaking_for("describe", "find"):
        metric = find(name)
    lines = [metric.abbreviation]
    for title, text in _facts(metric).items():
        if text:
            lines += textwrap.wrap(f"{title:<10} {text}", _WIDTH, subsequent_indent=" " * 11)
    return "".join(line + "\n" for line in lines)


def _pattern(metric: Metric) -> str:
    """Return the abbreviation, and how a parameter is written after it."""
    if not metric.parameter or dict(metric.options).get(metric.parameter):
        return metric.abbreviation
    without_unit = {"percentile": "[95]", "beta": "[2]", "threshold": "[@IoU0.5]"}
    return metric.abbreviation + ("[@2mm]" if metric.parameter in LENGTH_PARAMETERS else without_unit[metric.parameter])


def _facts(metric: Metric) -> dict[str, str]:
    """Return what a row says, by title; "" is what there is not, such as a best value where more is not better."""
    # The row that one with parameters was made from.
    plain = next(row for row in METRICS if metric.abbreviation.startswith(row.abbreviation) and row.name == metric.name)
    return {
        "Name": metric.name + (f" ({', '.join(metric.aliases)})" if metric.aliases else ""),
        "Meaning": metric.summary,
        "Formula": "; ".join(filter(None, (metric.formula, metric.where))),
        "Range": f"{metric.lowest:g} to {metric.highest:g} {metric.unit}".rstrip(),
        "Best": "" if math.isnan(metric.best) else f"{metric.best:g}",
        "Undefined": metric.undefined or "never",
        "Symmetric": "yes" if metric.symmetric else "no",
        "Options": ", ".join(f"{key}={value}" for key, value in metric.options),
        "Parameter": f"{metric.parameter}, as in {_pattern(plain)}" if metric.parameter else "",
        "Groups": ", ".join(metric.groups),
        "Source": metric.source,
    }
