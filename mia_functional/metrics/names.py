"""How a metric is found by its abbreviation, name or alias with parameters, and how functions of one's own become rows.

`HDRFDST95`, `SURFDICE@2mm`, `FMEASR2`: a number sets the parameter of the metric. `SSIM@slice_axis=0`,
`HD95@boundary=voxels`: any option by its name. `NSD@tolerance=2` is `SURFDICE@2mm`, as both give the same number.
"""

import ast
import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.metrics.boundaries import solid, surfels, voxels
from mia_functional.metrics.instance_matching import MATCHINGS, OVERLAPS
from mia_functional.metrics.regression import reference_mean, reference_norm, reference_range
from mia_functional.metrics.table import LENGTH_PARAMETERS, METRICS, Metric

__all__ = ["OWN_GROUP", "AnyMetric", "canonical_abbreviation", "find", "group", "metric", "rows_of", "with_option"]

AnyMetric: TypeAlias = str | Metric | Callable[..., Any]
"""A metric by one of its names, a row of the table, or a function of a pair."""

OWN_GROUP = "own"
"""The group of metrics that are not in the table."""

# Later keys win, so in reverse a name that two rows share (average_surface_distance) finds the first of them.
_ROWS = {key.lower(): row for row in reversed(METRICS) for key in (row.abbreviation, row.name, *row.aliases)}
_ROWS["interclass_correlation"] = _ROWS["intraclass_correlation"]  # pymia's name for it

_BY_WORD: dict[str, dict[str, Any]] = {
    "boundary": {"surfels": surfels, "voxels": voxels, "solid": solid},
    "matching": MATCHINGS,
    "normalization": {function.__name__: function for function in (reference_mean, reference_norm, reference_range)},
    "of": {row.name: row.function for row in METRICS if row.abbreviation in ("PQ", "RQ", "SQ", "LESION_F1")},
}
"""The functions that a text may name, by option."""

_OVERLAP_WORDS = {"iou": "IoU", "dice": "Dice", "ior": "IoR"}
"""How what components overlap by is written in a name: `LESION_F1@IoU0.5`."""

_GIVEN = ("prediction", "reference", "labels", "spacing", "axis", "mask", "ignore")
"""Parameters that whoever evaluates gives, and no name of a metric."""


def find(name: str) -> Metric:
    """Return the metric with an abbreviation, name or alias, whatever its case, and the parameters that it carries.

    Args:
        name: For example `DICE`, `dice`, `dsc`, `HDRFDST95`, `SURFDICE@2mm`, `FMEASR2`; or with options by name,
            several with commas between them: `SSIM@slice_axis=0`, `HD95@boundary=voxels`, `NSD@2mm,boundary=voxels`.

    Returns:
        The row of the table, with the parameters in `options` or set in `statistic`. `abbreviation` ends with them, and
        with the length in millimetres that a metric takes by default. However a parameter was given, `abbreviation`
        shows it in one way, and is a name of the same row.

    Raises:
        TypeError: The name is not a string.
        ValueError: No metric has this name; the message lists the nearest ones. Or it has no such option.

    Example:
        >>> find("dsc").abbreviation, find("surfdice@2.0mm").abbreviation, find("hd95").options
        ('DICE', 'SURFDICE@2mm', (('percentile', 95.0),))
        >>> find("nsd").abbreviation, find("hd95@boundary=voxels").abbreviation
        ('SURFDICE@1mm', 'HDRFDST95@boundary=voxels')
        >>> find("nsd@tolerance=2").abbreviation, find("hd95@percentile=90").abbreviation
        ('SURFDICE@2mm', 'HDRFDST90')
    """
    checks.require_instance("find", "name", name, str, "the name of a metric")
    row = _row_of(name)
    if row is None:
        import difflib  # here: for a misspelt name alone

        close = difflib.get_close_matches(name.partition("@")[0].strip().lower(), _ROWS, n=3, cutoff=0.4)
        nearest = ", ".join(dict.fromkeys(_ROWS[entry].abbreviation for entry in close or ("dice", "jaccard")))
        checks.invalid_value("find", "name", "be the name of a metric", f"{name!r}; the nearest are {nearest}")
    return row


def rows_of(function: str, metrics: Sequence[AnyMetric]) -> tuple[Metric, ...]:
    """Return metrics as rows of the table; raise unless there is one at least, and none twice.

    Args:
        function: Name for messages.
        metrics: Names, rows, or functions of a pair.

    Example:
        >>> [row.abbreviation for row in rows_of("evaluate", ("dsc", find("hd95")))]
        ['DICE', 'HDRFDST95']
    """
    if isinstance(metrics, str | Metric) or callable(metrics) or not isinstance(metrics, Iterable):
        checks.invalid_kind(function, "metrics", "be a sequence of metrics", repr(metrics))
    with checks.speaking_for(function, "find", "metric", name="metrics"):
        rows = tuple(
            entry if isinstance(entry, Metric) else metric(entry) if callable(entry) else find(entry)
            for entry in metrics
        )
    abbreviations = [row.abbreviation for row in rows]
    if not rows or len(set(abbreviations)) != len(rows):
        checks.invalid_value(function, "metrics", "name at least one metric, and none of them twice", abbreviations)
    return rows


def canonical_abbreviation(name: str) -> str:
    """Return the abbreviation under which results list a metric: for `hd95`, `HDRFDST95`; other names as they are.

    Args:
        name: Abbreviation with or without parameters, name or alias of a metric, or any other name.

    Example:
        >>> canonical_abbreviation("nsd@2mm"), canonical_abbreviation("iou"), canonical_abbreviation("my own")
        ('SURFDICE@2mm', 'JACRD', 'my own')
    """
    row = _row_of(name)
    return name if row is None else row.abbreviation


def _row_of(name: str) -> Metric | None:
    """Return the row that a name stands for, with the parameters that it carries; None if there is none."""
    base, *texts = re.split(r"[@,](?=[a-z_ ]+=)", name.strip(), flags=re.IGNORECASE)
    found = _split_number(base.lower())
    if found is None:
        return None
    row, named = found
    for text in texts:
        option, _, value = text.partition("=")
        # The last one counts, and is the only one that the name shows.
        named[option.strip().lower()] = value.strip()
    row = _with_number(row, named)
    for option, text in named.items():
        row = _with_option(row, option, text)
    return row


def _split_number(key: str) -> tuple[Metric, dict[str, str]] | None:
    """Return the row of a name in lower case, and the options that the number at its end stands for, as texts."""
    if (row := _ROWS.get(key)) is not None:
        return row, {}
    match = re.fullmatch(rf"([a-z_0-9]+)@({'|'.join(OVERLAPS)})(\d*\.?\d+)", key)
    if match is not None and (row := _ROWS.get(match[1])) is not None and row.parameter == "threshold":
        return row, {"overlap": match[2], "threshold": match[3]}
    match = re.fullmatch(r"([a-z_]+)@?(\d+(?:\.\d+)?)(mm)?", key)
    if match is None or (row := _ROWS.get(match[1])) is None or row.parameter in ("", "threshold"):
        return None
    if match[3] and row.parameter not in LENGTH_PARAMETERS:
        return None
    return row, {row.parameter: match[2]}


def _with_number(row: Metric, named: dict[str, str]) -> Metric:
    """Return a row whose abbreviation ends with its parameter, if that is a number; take what it shows out of `named`.

    Args:
        row: Row of the table.
        named: Options as texts, whether they were given by a number or by name, so that both give one abbreviation.
    """
    if row.parameter == "threshold":
        return _with_overlap(row, named)
    text = named.get(row.parameter)
    if row.parameter in LENGTH_PARAMETERS and text is None:
        text = str(inspect.signature(row.function).parameters[row.parameter].default)
    number = None if text is None else _number_of(text)
    # What is no number of this kind, such as a tuple of percentiles, stays an option by name.
    if number is None:
        return row
    named.pop(row.parameter, None)
    shown = f"@{_digits_of(number)}mm" if row.parameter in LENGTH_PARAMETERS else _digits_of(number)
    return with_option(dataclasses.replace(row, abbreviation=row.abbreviation + shown), row.parameter, number)


def _with_overlap(row: Metric, named: dict[str, str]) -> Metric:
    """Return a metric of components whose abbreviation shows what their overlap is and has to be."""
    # Other rules have no such threshold.
    if named.get("matching", "").lower().startswith(("any", "centroid")):
        return row
    kind, number = named.get("overlap", "iou").lower(), _number_of(named.get("threshold", "0.5"))
    if kind not in OVERLAPS or number is None:
        return row
    asked = [named.pop(option, None) for option in ("overlap", "threshold")] != [None, None]
    row = dataclasses.replace(row, abbreviation=f"{row.abbreviation}@{_OVERLAP_WORDS[kind]}{_digits_of(number)}")
    return with_option(with_option(row, "overlap", kind), "threshold", number) if asked else row


def _number_of(text: str) -> float | None:
    """Return a number that an abbreviation can show, which has no sign; None for other texts."""
    try:
        number = float(text)
    except ValueError:
        return None
    return abs(number) if 0 <= number < math.inf else None


def _digits_of(number: float) -> str:
    """Return a number with all its digits and no exponent, so that the name of one is the name of no other."""
    return np.format_float_positional(number, trim="-")


def _with_option(row: Metric, option: str, text: str) -> Metric:
    """Return a row with an option of its function or of its statistic set; raise if there is none of this name."""
    own = [name for name in inspect.signature(row.function).parameters if name not in _GIVEN]
    shared = (
        [] if row.statistic is None else [n for n in inspect.signature(row.statistic).parameters if n not in _GIVEN]
    )
    # The first parameter of a formula is the statistic.
    options = [*(own if row.statistic is None else own[1:]), *shared]
    if option not in options:
        needed = f"have options of {row.abbreviation} alone ({', '.join(dict.fromkeys(options)) or 'it has none'})"
        checks.invalid_value("find", "name", needed, repr(option))
    functions = _BY_WORD.get(option, {})
    value: Any = functions.get(text.lower()) if functions else text
    if value is None:
        checks.invalid_value("find", "name", f"have one of {', '.join(functions)} as {option}", repr(text))
    if not functions:
        try:
            value = _frozen(ast.literal_eval(text))
        except (ValueError, SyntaxError, TypeError):
            value = text
        # Statistics are found again by their options.
        try:
            hash(value)
        except TypeError:
            checks.invalid_value("find", "name", f"have a number, a word or a tuple as {option}", repr(text))
    joint = "," if "@" in row.abbreviation else "@"
    named = dataclasses.replace(row, abbreviation=f"{row.abbreviation}{joint}{option}={text}")
    return with_option(named, option, value)


def with_option(row: Metric, option: str, value: Any) -> Metric:
    """Return a row with an option set, in its statistic if that has it, under the same abbreviation."""
    if row.statistic is not None and option in inspect.signature(row.statistic).parameters:
        return dataclasses.replace(row, statistic=_preset(row.statistic, option, value))
    others = tuple(pair for pair in row.options if pair[0] != option)
    return dataclasses.replace(row, options=(*others, (option, value)))


def _frozen(value: Any) -> Any:
    """Return an option with tuples in place of lists, which cannot be hashed."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


@functools.cache
def _preset(statistic: Callable[..., Any], option: str, value: Any) -> Callable[..., Any]:
    """Return a statistic with an option set: the same object for the same option, so that it is computed once."""
    return functools.partial(statistic, **{option: value})


def metric(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    unit: str = "",
    statistic: Callable[..., Any] | None = None,
    lowest: float = -math.inf,
    highest: float = math.inf,
    best: float = math.nan,
    undefined: str = "",
    options: dict[str, Any] | None = None,
) -> Metric:
    """Return a row for a metric of one's own, for `evaluate` and all that reads its tables.

    Args:
        function: `function(record, **options)` with a `statistic`; else `function(prediction, reference, **options)` of
            two arrays, which with `labels` or `channels` are the masks of one structure after the other. If it has a
            parameter `spacing`, it gets the millimetres between voxels.
        name: Name in tables; that of the function by default.
        unit: Unit of the value.
        statistic: What makes the record: `confusion_counts`, `surface_distances`, or any function that takes a pair,
            `labels=` and perhaps `spacing=`, and gives a record of a value per label.
        lowest: Smallest possible value.
        highest: Largest possible value.
        best: The better end of the range, `lowest` or `highest`, for comparisons and rankings; NaN if neither is.
        undefined: When the value is NaN or infinite, for the column REASON.
        options: Keywords and values to call `function` with.

    Raises:
        TypeError: The function cannot be called.
        ValueError: The name is that of another metric, empty or not printable.

    Example:
        >>> def overlap(prediction, reference):
        ...     return float((prediction & reference).sum())
        >>> metric(overlap, unit="voxels").abbreviation
        'overlap'
    """
    if not callable(function):
        checks.invalid_kind("metric", "function", "be a function", repr(function))
    inner = getattr(function, "func", function)  # of a `functools.partial`
    title = getattr(inner, "__name__", type(inner).__name__) if name is None else name
    if not isinstance(title, str) or not title.strip() or not title.isprintable():
        checks.invalid_value("metric", "name", "be a printable text", repr(title))
    known = _ROWS.get(title.lower())
    if known is not None and known.function is not function:
        checks.invalid_value("metric", "name", "be the name of no other metric", repr(title))
    return Metric(
        name=title, abbreviation=title, function=function, statistic=statistic, unit=unit, lowest=lowest,
        highest=highest, best=best, undefined=undefined, options=tuple((options or {}).items()), groups=(OWN_GROUP,),
        summary=(inspect.getdoc(inner) or title).partition("\n")[0], formula="", source="",
        needs=("spacing",) if "spacing" in inspect.signature(function).parameters else (),
    )  # fmt: skip


def group(name: str) -> tuple[Metric, ...]:
    """Return the metrics of a group: overlap, distance, classical, segmentation, regression, and so on.

    Args:
        name: overlap, distance or classical; segmentation, which is these three together; instances, topology,
            calibration, regression or reconstruction.

    Returns:
        Rows of the table, in its order.

    Raises:
        ValueError: There is no such group.

    Example:
        >>> [metric.abbreviation for metric in group("reconstruction")]
        ['PSNR', 'SSIM']
    """
    checks.one_of("group", "name", name, sorted({entry for metric in METRICS for entry in metric.groups}))
    return tuple(metric for metric in METRICS if name in metric.groups)
