"""A page to send: what was evaluated and how, how good and how sure, which method is better, and where it fails."""

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mia_functional._core import atomic_files, checks
from mia_functional.analysis.comparison import Comparison
from mia_functional.analysis.policies import Diagonals, Infinite, Missing, Policy
from mia_functional.analysis.worst_cases import worst
from mia_functional.evaluation.results import Result, Results, select_rows
from mia_functional.evaluation.run_record import Run
from mia_functional.metrics.table import Metric
from mia_functional.reporting.case_pictures import CasePicture, Locations, case_pictures, locations_by_method
from mia_functional.reporting.conclusions import Conclusions, conclude
from mia_functional.reporting.figures import picture_bytes
from mia_functional.reporting.markup import Part, data_table, element, page, picture
from mia_functional.reporting.plots import plot_box, plot_ranking

__all__ = ["write_html"]

_LACKING = ("UNDEFINED", "INFINITE", "MISSING", "FAILED")
"""Columns that every table of methods has."""

_PICTURES = 12
"""At most so many pictures of rankings, and of cases, so that the page can be sent."""


def write_html(
    path: str | os.PathLike[str], results: Results, *, title: str = "Evaluation report", baseline: str | None = None,
    policy: Policy | str = "mia", missing: Missing | None = None, infinite: Infinite | None = None,
    diagonals: Diagonals = None, metrics: Iterable[Metric] = (), level: float = 0.95,
    predictions: Locations | None = None, references: str | os.PathLike[str] | None = None, overwrite: bool = False,
) -> Conclusions:  # fmt: skip
    """Write a report as one HTML file that needs nothing else: no network, no scripts, pictures inside.

    It says what was evaluated and how (from the records of the runs), how good each method is with confidence
    intervals, which is better and by which tests, how stable rankings are, how values are distributed, which cases are
    worst (with pictures of their errors, given the images), and every case that failed, is missing or undefined, with
    the reason.

    Args:
        path: The file; its folder must exist.
        results: A table of one method or several.
        title: Title of the page.
        baseline: The method that the others are compared with; by default all pairs are.
        policy: How undefined, infinite, missing and failed cases enter; as of `summarize`.
        missing: As of `summarize`.
        infinite: As of `summarize`.
        diagonals: As of `summarize`.
        metrics: Rows of metrics of your own.
        level: Of the intervals.
        predictions: Folder of the predictions of each method, `{method: folder}` or in any order by their names; with
            `references`, the worst cases are drawn.
        references: Folder of the references.
        overwrite: Replace a file that is there already.

    Returns:
        What the page says, as records.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        FileNotFoundError: A folder does not exist.
        ImportError: Matplotlib is not installed; the text names the extra.
        OSError: The file could not be written.
        TypeError: These are no results.
        ValueError: There are no results, there is no such baseline, the policy does not fit, only one of `predictions`
            and `references` is given, or there is a folder of no method.

    Example:
        >>> values = zip("ABC", (0.5, 0.7, math.nan), strict=True)
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=value) for name, value in values)
        >>> found = write_html(folder / "report.html", Results(rows=rows))
        >>> "1 undefined" in (folder / "report.html").read_text(encoding="utf-8")
        True
    """
    checks.require_instance("write_html", "title", title, str, "text")
    metrics = tuple(metrics)
    target = Path(checks.path_text("write_html", "path", path))
    if (predictions is None) != (references is None):
        checks.invalid_value("write_html", "predictions", "be given together with `references`", "one of them")
    with checks.speaking_for("write_html", "conclude"):
        found = conclude(results, baseline=baseline, policy=policy, missing=missing, infinite=infinite,
                         diagonals=diagonals, metrics=metrics, level=level)  # fmt: skip
    pictures: list[CasePicture] | None = None
    shown = _worst_rows(results, found, metrics)
    if predictions is not None and references is not None:
        methods = tuple(dict.fromkeys(row.method for row in results))
        places = locations_by_method("write_html", predictions, methods)
        drawn = case_pictures("write_html", shown[:_PICTURES], results, predictions=places, references=references)
        pictures = list(drawn)
    sections = [
        ("What was evaluated, and how", _what_section(results, found, level)),
        ("How good is each method?", _method_section(results, found, level)),
        ("Which method is better?", _comparison_section(found, level)),
        ("Ranking", _ranking_section(found)),
        ("Distributions", _distribution_section(results)),
        ("Worst and best cases", _extreme_section(found, pictures, len(shown))),
        ("What failed, is missing, undefined or was aligned", _gap_section(results, found)),
    ]
    text = page(title, sections, lead=element("p", _lead(results)))
    with atomic_files.atomic_write("write_html", target, overwrite=overwrite) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
    return found


def _lead(results: Results) -> str:
    """Return in one sentence how much there is, and how much of it has no number."""
    parts = []
    for field, word in (("method", "method"), ("subject", "case"), ("label", "label"), ("metric", "metric")):
        count = len({getattr(row, field) for row in results})
        parts.append(f"{count} {word}{'s' * (count != 1)}")
    words = {"failed": 0, "missing": 0, "undefined": 0, "infinite": 0, "aligned": 0}
    for row in results:
        word = "infinite" if math.isinf(row.value) and row.status in ("ok", "aligned") else row.status
        words[word] = words.get(word, 0) + 1
    rest = ", ".join(f"{words[word]} {word}" for word in ("failed", "missing", "undefined", "infinite", "aligned"))
    return f"{', '.join(parts)}: {len(results)} values, of which {rest}."


def _number(value: float) -> str:
    """Return a number for the eye."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "\u221e" if value > 0 else "\u2212\u221e"
    # Volumes in cubic millimetres have no use for thousandths.
    text = f"{value:.3f}" if abs(value) < 1e3 else f"{value:.1f}" if abs(value) < 1e6 else f"{value:.4g}"
    return text.replace("-", "\u2212")


def _count(count: int) -> Part:
    """Return a count, which stands out if it is not 0."""
    return element("span", str(count), class_="bad") if count else "0"


def _interval(low: float, high: float) -> str:
    """Return the ends of an interval."""
    return "n/a" if math.isnan(low) else f"[{_number(low)}, {_number(high)}]"


def _shown(text: str) -> str:
    """Return a name, or a dash for one that is empty."""
    return text or "\u2013"


def _what_section(results: Results, found: Conclusions, level: float) -> list[Part]:
    """Return what was evaluated: cases of each method, policy, conventions, and the records of the runs."""
    header = ["METHOD", "CASES", "OK", "ALIGNED", "UNDEFINED", "MISSING", "FAILED"]
    rows = [
        [
            _shown(c.method),
            str(c.cases),
            str(c.ok),
            str(c.aligned),
            *map(_count, (c.undefined, c.missing, c.failed)),
        ]
        for c in found.cases
    ]
    caption = "Cases of each method, by the worst that happened to any of their values"
    parts: list[Part] = [data_table(caption, header, rows, numbers=header[1:])]
    policy = found.policy
    parts.append(element(
        "p", f"Policy {found.statistics[0].policy}: in means, intervals, comparisons and rankings, what is undefined "
        f"counts as {policy.undefined!r}, what is infinite as {policy.infinite!r}, what is missing or failed as "
        f"{policy.missing!r}. Intervals hold the true value in {level:.0%} of all cohorts if their conditions are met.",
    ))  # fmt: skip
    conventions = dict.fromkeys((row.metric, row.unit, row.convention) for row in results)
    rows = [[metric, unit or "none", convention or "none"] for metric, unit, convention in conventions]
    parts.append(data_table("Metrics", ["METRIC", "UNIT", "CONVENTION OF SURFACES"], rows))
    if not results.runs:
        text = "No record of a run lies beside the table: versions, options and files are not known."
        parts.append(element("p", text, class_="bad"))
    for number, run in enumerate(results.runs, 1):
        parts += [element("h3", f"Run {number}" if len(results.runs) > 1 else "The run"), *_run(run)]
    return parts


def _run(run: Run) -> list[Part]:
    """Return how an evaluation came about."""
    command: Part = element("code", run.command) if run.command else "none: called from Python"
    methods = dict.fromkeys(case.method for case in run.cases)
    grids = dict.fromkeys((case.shape, case.spacing) for case in run.cases if case.shape)
    rows: list[Sequence[Part]] = [["command", command]]
    rows += [[name, version] for name, version in run.versions]
    rows += [[name, _option(value)] for name, value in run.options]
    cases = len(dict.fromkeys(case.subject for case in run.cases if case.reference))
    rows.append(["cases", f"{cases}, of {len(methods)} methods, different grids: {len(grids)}"])
    if extra := [f"{case.method}: {case.subject}" for case in run.cases if not case.reference]:
        rows.append(["predictions without a reference", "; ".join(extra)])
    return [data_table("Command, versions and options", ["NAME", "VALUE"], rows)]


def _option(value: Any) -> str:
    """Return an option for the eye: metrics with their parameters, labels with their names."""
    if not isinstance(value, tuple):
        return "none" if value is None else str(value)
    parts = []
    for entry in value:
        if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], str):
            labels = entry[0] if isinstance(entry[0], tuple) else (entry[0],)
            parts.append(f"{'+'.join(map(str, labels))} = {entry[1]}")
        elif isinstance(entry, tuple):
            parts.append(" ".join(str(part) for part in _leaves(entry) if part not in ("", None)))
        else:
            parts.append(str(entry))
    return ", ".join(parts) or "none"


def _leaves(value: Any) -> list[Any]:
    """Return what nested tuples hold, one after the other."""
    return [leaf for entry in value for leaf in _leaves(entry)] if isinstance(value, tuple) else [value]


def _method_section(results: Results, found: Conclusions, level: float) -> list[Part]:
    """Return a table of statistics and intervals for each metric, and what speaks against the intervals."""
    groups: dict[tuple[str, str, str], dict[str, float]] = {}
    entries = {}
    for entry in found.statistics:
        key = (entry.metric, entry.label, entry.method)
        groups.setdefault(key, {})[entry.statistic] = entry.value
        entries[key] = entry
    intervals = dict(zip(groups, found.intervals, strict=True))
    cases = dict.fromkeys(groups, 0)
    for row in results:
        cases[row.metric, row.label, row.method] += 1
    first = next(iter(groups.values()))
    header = ["LABEL", "METHOD", "MEAN", f"INTERVAL {level:.0%}", *list(first)[1:], "N", "CASES", *_LACKING]
    parts: list[Part] = []
    for metric in dict.fromkeys(key[0] for key in groups):
        # Methods side by side, label by label.
        keys = [key for key in groups if key[0] == metric]
        labels = list(dict.fromkeys(key[1] for key in keys))
        rows = []
        for key in sorted(keys, key=lambda key: labels.index(key[1])):
            mean, *others = map(_number, groups[key].values())
            entry, ends = entries[key], intervals[key]
            lacking = (entry.undefined, entry.infinite, entry.missing, entry.failed)
            rows.append([_shown(key[1]), _shown(key[2]), mean, _interval(ends.low, ends.high), *others,
                         str(entry.count), str(cases[key]), *map(_count, lacking)])  # fmt: skip
        unit = next((f" in {row.unit}" for row in results if row.metric == metric and row.unit), "")
        parts.append(data_table(f"{metric}{unit}", header, rows, heads=2, numbers=header[2:]))
    text = "N is the number of values behind the statistics, those that the policy puts in place of others included."
    parts.append(element("p", text, class_="note"))
    return [*parts, *_notes("intervals", [entry.note for entry in found.intervals])]


def _notes(what: str, notes: Sequence[str]) -> list[Part]:
    """Return what speaks against figures, and against how many of them; nothing if nothing does."""
    # Figures in brackets are those of one entry; what counts is how many have the note.
    known = [re.sub(r" \([^)]*\)", "", note) for entry in notes for note in entry.split("; ") if entry]
    lines = [f"{note} ({known.count(note)} of {len(notes)} {what})" for note in dict.fromkeys(known)]
    if not lines:
        return []
    return [element("h3", f"Notes on the {what}"), element("ul", *(element("li", line) for line in lines))]


def _comparison_section(found: Conclusions, level: float) -> list[Part]:
    """Return a table of the comparisons of each metric."""
    text = f"Not compared or ranked, as neither high nor low is better: {', '.join(found.not_compared)}."
    parts: list[Part] = [element("p", text, class_="note")] if found.not_compared else []
    if not found.comparisons:
        return [*parts, element("p", "There is only one method, or no metric by which methods can be compared.")]
    header = ["LABEL", "METHOD", "AGAINST", "DIFFERENCE", f"INTERVAL {level:.0%}", "BETTER", "P WILCOXON",
              "P PERMUTATION", "SUPERIORITY", "N", "ONLY METHOD", "ONLY OTHER", "LEFT OUT"]  # fmt: skip
    text = (
        "Differences are mean differences of the same cases, turned so that above 0 the method in the second column is "
        "better, whatever the metric. P-values are two-sided and corrected by Holm's method for all comparisons of "
        "this page, each test on its own. Superiority is the share of cases in which the method is better, ties half. "
        "N cases are compared; of these, some only the method has or only the other one, and some are left out."
    )
    parts.append(element("p", text))
    for metric in dict.fromkeys(entry.metric for entry in found.comparisons):
        rows = [_comparison_row(entry) for entry in found.comparisons if entry.metric == metric]
        caption = f"{metric}: methods compared on the same cases"
        parts.append(data_table(caption, header, rows, heads=3, numbers=[*header[3:5], *header[6:]]))
    text = (
        "BETTER names the method whose mean over the N cases is better in the direction of the metric, or, where the "
        "means are equal or both infinite, the method that is better in more cases; neither, if nothing speaks "
        "for one of them, or if no case has both methods. Whether it is better by more than chance, the interval and "
        "the p-values say."
    )
    parts.append(element("p", text, class_="note"))
    return [*parts, *_notes("comparisons", [entry.note for entry in found.comparisons])]


def _comparison_row(entry: Comparison) -> list[Part]:
    """Return the cells of a comparison."""
    tests = (
        "n/a" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
        for value in (entry.wilcoxon_holm, entry.permutation_holm)
    )
    lacking = (len(cases) for cases in (entry.only_method, entry.only_baseline, entry.left_out))
    return [
        _shown(entry.label), _shown(entry.method), _shown(entry.baseline), _number(entry.difference),
        _interval(entry.low, entry.high), entry.better or "neither", *tests, _number(entry.superiority), str(entry.n),
        *map(_count, lacking),
    ]  # fmt: skip


def _ranking_section(found: Conclusions) -> list[Part]:
    """Return a table of the rankings of each metric, and pictures of their stability."""
    if not found.rankings:
        return [element("p", "There is only one method, or no metric by which methods can be ranked.")]
    first = found.rankings[0]
    header = ["LABEL", "METHOD", "RANK", "RANKS IN SAMPLES", "SCORE", "N", *_LACKING]
    text = (
        f"Scheme: {first.scheme}. Ranks in samples are those of {first.level:.0%} of {first.bootstraps} bootstrap "
        "samples of the cases. In the pictures, the area of a dot is the share of samples in which the method had that "
        "rank."
    )
    parts: list[Part] = [element("p", text)]
    for metric in dict.fromkeys(entry.metric for entry in found.rankings):
        rows = [
            [_shown(entry.label), _shown(r.method), f"{r.rank:g}", f"{r.low:g} to {r.high:g}", _number(r.score),
             str(r.count), *map(_count, (r.undefined, r.infinite, r.missing, r.failed))]
            for entry in found.rankings if entry.metric == metric for r in entry.ranks
        ]  # fmt: skip
        parts.append(data_table(f"{metric}: ranking of methods", header, rows, heads=2, numbers=header[2:]))
    for entry in found.rankings[:_PICTURES]:
        order = ", ".join(f"{r.rank:g} {_shown(r.method)}" for r in entry.ranks)
        what = " ".join(filter(None, (entry.metric, entry.label)))
        description = f"How often each method had which rank by {what}; in all cases: {order}."
        caption = f"Stability of the ranking by {what}; Kendall's tau {_number(entry.tau)}"
        data = picture_bytes(plot_ranking(entry), kind="svg")
        parts.append(picture(data, kind="svg+xml", description=description, caption=caption))
    if len(found.rankings) > _PICTURES:
        text = f"Pictures of the first {_PICTURES} of {len(found.rankings)} rankings are shown."
        parts.append(element("p", text, class_="note"))
    return parts


def _distribution_section(results: Results) -> list[Part]:
    """Return a picture of the values of each metric."""
    text = "A box and all points for each label and method; numbers on top say how many of the cases are drawn."
    parts: list[Part] = [element("p", text)]
    for metric in dict.fromkeys(row.metric for row in results):
        chosen = select_rows(results, metric=metric)
        drawn = sum(math.isfinite(row.value) for row in chosen)
        description = (
            f"Boxes and points of {metric} for each label and method. {drawn} of {len(chosen)} values are drawn; "
            "medians and quartiles are in the tables above."
        )
        data = picture_bytes(plot_box(results, metric=metric), kind="svg")
        parts.append(picture(data, kind="svg+xml", description=description, caption=f"Distribution of {metric}"))
    return parts


def _worst_rows(results: Results, found: Conclusions, metrics: tuple[Metric, ...]) -> list[Result]:
    """Return for each method and label the worst case that has a value, by the first metric that has one."""
    valued = tuple(row for row in results if row.status in ("ok", "aligned") and row.metric not in found.not_compared)
    rows: dict[tuple[str, str], Result] = {}
    for entry in worst(Results(rows=valued), k=1, metrics=metrics) if valued else ():
        rows.setdefault((entry.method, entry.label), entry.worst[0])
    return list(rows.values())


def _extreme_section(found: Conclusions, pictures: Sequence[CasePicture] | None, count: int) -> list[Part]:
    """Return a table of the worst and the best cases, and pictures of the worst or why there are none."""
    header = ["METRIC", "LABEL", "METHOD", "WORST CASES", "BEST CASES"]
    rows = []
    for entry in found.extremes:
        cells = [
            "; ".join(
                f"{row.subject} ({row.status if row.status in ('failed', 'missing') else _number(row.value)})"
                for row in chosen
            )
            for chosen in (entry.worst, entry.best)
        ]
        rows.append([entry.metric, _shown(entry.label), _shown(entry.method), *map(_shown, cells)])
    parts: list[Part] = [data_table("The worst and the best cases of each method", header, rows, heads=3)]
    if pictures is None:
        text = "Pictures of the worst cases are drawn if the folders of predictions and references are given."
        return [*parts, element("p", text, class_="note")]
    for shown in pictures:
        row = shown.row
        what = ", ".join(filter(None, (row.method, row.subject, row.label, f"{row.metric} {_number(row.value)}")))
        if not shown.png:
            parts.append(element("p", f"There is no picture of {what}: {shown.reason}."))
            continue
        description = f"Slices through the largest error of {what}, with voxels that are right and wrong in colours."
        parts.append(picture(shown.png, kind="png", description=description, caption=what))
    if count > len(pictures):
        text = f"Pictures of the first {len(pictures)} of {count} worst cases are shown."
        parts.append(element("p", text, class_="note"))
    return parts


def _gap_section(results: Results, found: Conclusions) -> list[Part]:
    """Return a table of every case that has no ordinary number, with the reason."""
    if not found.open_cases:
        return [element("p", "Nothing: every case of every method has a finite value of every metric.")]
    header = ["METHOD", "CASE", "STATUS", "VALUES", "LABELS AND METRICS", "REASON"]
    totals = Counter((row.method, row.subject) for row in results)
    rows = []
    for gap in found.open_cases:
        status = "infinite" if gap.status == "ok" else gap.status
        word: Part = status if status in ("aligned", "infinite") else element("span", status, class_="bad")
        what = "all" if gap.count == totals[gap.method, gap.subject] else ", ".join(gap.values)
        rows.append([_shown(gap.method), gap.subject, word, str(gap.count), what, _shown(gap.reason)])
    return [data_table("Cases without an ordinary number", header, rows, heads=2, numbers=["VALUES"])]
