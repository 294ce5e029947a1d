"""Pictures of results and of trainings: every function draws on Matplotlib axes and returns them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.analysis.ranking import Ranking
from mia_functional.evaluation.results import Result, Results, select_rows
from mia_functional.metrics.probability_bins import CalibrationBins
from mia_functional.reporting.figures import distinct_colours, literal, new_axes
from mia_functional.typing import Array, HostArray

__all__ = ["plot_bland_altman", "plot_box", "plot_curves", "plot_ranking", "plot_reliability"]

_LIMITS = 1.96
"""Standard deviations around the mean between which 95 % of normally distributed differences lie."""


def plot_box(results: Results, *, metric: str | None = None, axes: Any = None) -> Any:
    """Draw the values of a metric: a box and all points for each label and method.

    Boxes go from the first to the third quartile, with the median; whiskers to the last value within 1.5 times their
    height. Numbers on top say how many of the cases are drawn: what is undefined, infinite, missing or failed is not.
    A method has the colour of its place in the table, as in `plot_ranking`.

    Args:
        results: A table.
        metric: Which metric, by any of its names; may be left out if there is only one.
        axes: Matplotlib axes to draw on; those of a new figure by default.

    Returns:
        The axes.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        TypeError: These are no results.
        ValueError: There are no results, there is no such metric, or there are several and none is named.

    Example:
        >>> values = zip("ABC", (0.5, 0.7, math.nan), strict=True)
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=value) for name, value in values)
        >>> axes = plot_box(Results(rows=rows))
        >>> axes.get_ylabel(), axes.texts[0].get_text()
        ('DICE', '2/3')
    """
    with checks.speaking_for("plot_box", "select_rows"):
        chosen = select_rows(results, metric=metric)
    if len(names := tuple(dict.fromkeys(row.metric for row in chosen))) != 1:
        checks.invalid_value("plot_box", "metric", "name one of the metrics of the results", ", ".join(names) or "none")
    groups: dict[tuple[str, str], list[Result]] = {}
    for row in chosen:
        groups.setdefault((row.label, row.method), []).append(row)
    labels, methods = (list(dict.fromkeys(key[part] for key in groups)) for part in (0, 1))
    if axes is None:
        (axes,) = new_axes(size=(max(5.0, 2.5 + 0.7 * len(groups)), 4.5))
    width = 0.8 / len(methods)
    # Those that lack this metric have colours, too, so that the others keep theirs.
    colours = _colour_by_method(row.method for row in results)
    for number, method in enumerate(methods):
        colour = colours[method]
        for place, label in enumerate(labels):
            if (label, method) in groups:
                x = place + (number - (len(methods) - 1) / 2) * width
                _draw_box(axes, groups[label, method], x, width, colour)
        axes.plot([], [], color=colour, linewidth=6, label=literal(method))
    unit = f" [{chosen[0].unit}]" if chosen[0].unit else ""
    axes.set(ylabel=literal(f"{names[0]}{unit}"), xlim=(-0.6, len(labels) - 0.4))
    tilted = max(map(len, labels)) > 60 / len(labels)
    axes.set_xticks(
        range(len(labels)), list(map(literal, labels)), rotation=30 if tilted else 0, ha="right" if tilted else "center"
    )
    axes.grid(axis="y", alpha=0.4)
    if len(methods) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    return axes


def _colour_by_method(methods: Iterable[str]) -> dict[str, str]:
    """Return the colour of each method by its place in a table."""
    names = tuple(dict.fromkeys(methods))
    return dict(zip(names, distinct_colours(len(names)), strict=True))


def _draw_box(axes: Any, rows: Sequence[Result], x: float, width: float, colour: str) -> None:
    """Draw the box, the points and the numbers of cases of one method and label."""
    values = np.array([row.value for row in rows if math.isfinite(row.value)], dtype=np.float64)
    if values.size:
        axes.boxplot(
            values, positions=[x], widths=0.75 * width, manage_ticks=False, showfliers=False, patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.4}, medianprops={"color": "black", "linewidth": 1.5},
        )  # fmt: skip
        # Beside each other, and in the same way each time: multiples of the golden ratio spread evenly.
        offsets = (np.arange(values.size) * 0.618034 % 1 - 0.5) * 0.5 * width
        axes.plot(x + offsets, values, ".", color=colour, markersize=5, markeredgecolor="black", markeredgewidth=0.3)
    axes.text(
        x, 1.01, f"{values.size}/{len(rows)}", transform=axes.get_xaxis_transform(), fontsize=8, ha="center",
        color="black" if values.size == len(rows) else "#b00020",
    )  # fmt: skip


def plot_bland_altman(
    prediction: Array | Sequence[float], reference: Array | Sequence[float], *, quantity: str = "", unit: str = "",
    axes: Any = None,
) -> Any:  # fmt: skip
    """Draw the agreement of two measurements of the same cases, such as volumes: differences over means.

    Lines are the mean difference (bias) and the limits of agreement, the mean plus and minus 1.96 sample standard
    deviations. Pairs of which one is not finite are left out; the title says how many.

    Args:
        prediction: One number per case.
        reference: Likewise, of the same cases.
        quantity: What was measured, for the names of the axes.
        unit: Unit of both.
        axes: Matplotlib axes to draw on; those of a new figure by default.

    Returns:
        The axes.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        ValueError: The numbers of cases differ, or no pair is finite.

    Example:
        >>> axes = plot_bland_altman([11.0, 12.0, 16.0], [10.0, 12.0, 14.0], quantity="volume", unit="ml")
        >>> [round(float(line.get_ydata()[0]), 2) for line in axes.lines[1:]]
        [1.0, -0.96, 2.96]

    Source:
        Bland and Altman 1986, doi 10.1016/S0140-6736(86)90837-8.
    """
    pair = {"prediction": prediction, "reference": reference}
    first, second = (_numbers("plot_bland_altman", argument, values) for argument, values in pair.items())
    checks.dimensions("plot_bland_altman", "reference", second.shape, (1,))
    checks.same_shape("plot_bland_altman", "prediction", first.shape, second.shape)
    finite = np.isfinite(first) & np.isfinite(second)
    if not finite.any():
        checks.invalid_value("plot_bland_altman", "prediction", "have a finite pair of values", f"{len(first)} pairs")
    means, differences = (first + second)[finite] / 2, (first - second)[finite]
    (axes,) = new_axes(size=(6.5, 4.5)) if axes is None else (axes,)
    axes.plot(means, differences, "o", color="#0072b2", markersize=5, alpha=0.7)
    bias = float(differences.mean())
    spread = _LIMITS * float(differences.std(ddof=1)) if differences.size > 1 else math.nan
    ends = (("mean", bias), ("mean - 1.96 SD", bias - spread), ("mean + 1.96 SD", bias + spread))
    lines = [(name, value) for name, value in ends if math.isfinite(value)]
    for name, value in lines:
        axes.axhline(value, color="#d55e00", linestyle="solid" if name == "mean" else "dashed", linewidth=1.3)
    # Only now, as the ticks depend on all that is drawn.
    write = _axis_format(axes.yaxis, differences)
    _axis_format(axes.xaxis, means)
    for name, value in lines:
        place = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 8}
        axes.annotate(f" {name}\n {write(value)}", (1, value), **place)
    shown = literal(f" [{unit}]" if unit else "")
    axes.set(xlabel=f"mean of prediction and reference{shown}", ylabel=f"prediction - reference{shown}")
    rest = f", {finite.size - means.size} of {finite.size} left out" if means.size < finite.size else ""
    axes.set_title(f"{literal(quantity) or 'agreement'}, n = {means.size}{rest}")
    return axes


def _axis_format(axis: Any, values: HostArray) -> Callable[[float], str]:
    """Take powers of ten from an axis unless its values need them; return how numbers are written beside it."""
    ticker = optional.require("matplotlib.ticker")
    formatter, largest = ticker.ScalarFormatter, float(np.abs(values).max())
    plain = 1e-3 <= largest < 1e9
    if plain and isinstance(axis.get_major_formatter(), formatter):
        axis.get_major_formatter().set_scientific(False)
        axis.get_major_formatter().set_useOffset(False)
    if largest >= 1e5 and isinstance(axis.get_major_locator(), ticker.MaxNLocator):
        axis.get_major_locator().set_params(nbins=5)  # more numbers of so many digits would overlap
    steps = np.diff(axis.get_majorticklocs())
    # One digit more than the ticks need: a volume of 19432 mm3 beside 20000, a score of 0.62 beside 0.5.
    digits = max(0, 1 - math.floor(math.log10(float(steps.min())))) if steps.size else 3

    def write(value: float) -> str:
        text = f"{value:.{digits}f}" if plain else f"{value:.3g}"
        return str(formatter.fix_minus(text))

    return write


def _numbers(function: str, argument: str, values: Array | Sequence[float]) -> HostArray:
    """Return numbers as a NumPy array of float64; those that are no array have one axis."""
    if isinstance(values, Sequence):
        return np.array(checks.float_tuple(function, argument, values), dtype=np.float64)
    checks.require_shape(function, argument, values)
    return np.array(_array.to_numpy(values), dtype=np.float64)


def plot_ranking(ranking: Ranking, *, axes: Any = None) -> Any:
    """Draw how stable a ranking is: for each method, the area of a dot is the share of bootstrap samples with a rank.

    A cross is the rank in all cases, a line spans the ranks of the share of samples that the ranking's `level` says.
    A method has the colour of its place in the table, as in `plot_box`.

    Args:
        ranking: One of those that `rank` returns.
        axes: Matplotlib axes to draw on; those of a new figure by default.

    Returns:
        The axes, methods from best to worst.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        TypeError: This is no ranking.

    Example:
        >>> from mia_functional.analysis import rank
        >>> values = {"a": (0.8, 0.7, 0.9), "b": (0.9, 0.8, 0.95)}
        >>> rows = [Result(method=name, subject=str(k), label="liver", metric="DICE", value=value)
        ...         for name, column in values.items() for k, value in enumerate(column)]
        >>> axes = plot_ranking(rank(Results(rows=tuple(rows)))[0])
        >>> [text.get_text() for text in axes.get_yticklabels()]
        ['b (n = 3)', 'a (n = 3)']

    Source:
        Wiesenfarth et al. 2021, doi 10.1038/s41598-021-82017-6.
    """
    checks.require_instance("plot_ranking", "ranking", ranking, Ranking, "a ranking as `rank` returns them")
    entries = ranking.ranks
    (axes,) = new_axes(size=(6.5, 1.6 + 0.55 * len(entries))) if axes is None else (axes,)
    colours = _colour_by_method((*ranking.methods, *(entry.method for entry in entries)))
    for place, entry in enumerate(entries):
        axes.plot([entry.low, entry.high], [place, place], color="black", linewidth=1, zorder=1)
        ranks, shares = np.array(entry.frequencies, dtype=np.float64).reshape(-1, 2).T
        style = {"color": colours[entry.method], "edgecolors": "black", "linewidths": 0.4}
        axes.scatter(ranks, np.full_like(ranks, place), s=500 * shares, zorder=2, **style)
        axes.plot(entry.rank, place, "x", color="black", markersize=8, markeredgewidth=1.8, zorder=3)
    names = []
    for entry in entries:
        words = ("undefined", "infinite", "missing", "failed")
        counts = [f"{getattr(entry, word)} {word}" for word in words if getattr(entry, word)]
        names.append(f"{literal(entry.method)} ({', '.join([f'n = {entry.count}', *counts])})")
    axes.set_yticks(range(len(entries)), names)
    axes.set_xticks(range(1, len(entries) + 1))
    axes.set(xlim=(0.4, len(entries) + 0.6), ylim=(len(entries) - 0.4, -0.6), xlabel="rank")
    tau = "" if math.isnan(ranking.tau) else f", Kendall's tau {ranking.tau:.2f}"
    what = " ".join(filter(None, (ranking.metric, ranking.label)))
    numbers = f"{ranking.n} cases, {ranking.bootstraps} bootstrap samples{tau}"
    # Names of methods and counts may leave little to the axes: above them there is room to the left.
    axes.set_title(literal(f"{what}: {ranking.scheme}\n{numbers}"), fontsize=10, loc="right")
    axes.grid(axis="x", alpha=0.4)
    return axes


def plot_reliability(
    prediction: Array | Sequence[float] | CalibrationBins,
    *others: Array | Sequence[float],
    reference: Array | Sequence[float] | None = None,
    bins: int = 10,
    axes: Any = None,
) -> Any:
    """Draw how often what is predicted with a probability is true: a calibrated model lies on the diagonal.

    Args:
        prediction: Probabilities between 0 and 1, of any shape; or the bins of one label, of a mask or of top labels,
            as `metrics.calibration_bins` makes them, which need nothing else.
        others: The reference, if it is not given by its name.
        reference: What is true, 0 or 1, of the same shape.
        bins: How many intervals of equal width the probabilities are put into.
        axes: Matplotlib axes to draw on; those of a new figure by default.

    Returns:
        The axes: a point per bin that is not empty, mean probability and share of what is true; grey bars at the bottom
        are the shares of all values, a full height being a quarter of the picture. The title has the expected
        calibration error, `sum over bins of (values in bin / all) |share true - mean probability|`.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        TypeError: There is no reference beside probabilities, or one beside bins.
        ValueError: The shapes differ, values lie outside of 0 and 1, or bins are of several labels or empty.

    Example:
        >>> axes = plot_reliability([0.1, 0.1, 0.9, 0.9], [0, 0, 1, 0])
        >>> [(round(float(x), 2), float(y)) for x, y in axes.lines[1].get_xydata()]
        [(0.1, 0.0), (0.9, 0.5)]
    """
    references = [*others, *([] if reference is None else [reference])]
    if isinstance(prediction, CalibrationBins):
        if references:
            checks.invalid_kind(
                "plot_reliability", "reference", "not be given with bins", checks.describe(references[0])
            )
        return _draw_reliability(*_of_bins(prediction), axes=axes)
    if len(references) != 1:
        checks.invalid_kind("plot_reliability", "reference", "be given once", f"{len(references)} of it")
    count = checks.integer("plot_reliability", "bins", bins, minimum=1)
    pair = {"prediction": prediction, "reference": references[0]}
    probabilities, truths = (_numbers("plot_reliability", name, values).ravel() for name, values in pair.items())
    checks.same_shape("plot_reliability", "prediction", probabilities.shape, truths.shape)
    for argument, values in (("prediction", probabilities), ("reference", truths)):
        if not values.size or not ((values >= 0) & (values <= 1)).all():
            got = f"values from {values.min()} to {values.max()}" if values.size else "none"
            checks.invalid_value("plot_reliability", argument, "have values between 0 and 1", got)
    numbers = np.minimum((probabilities * count).astype(np.int64), count - 1)
    sizes = np.bincount(numbers, minlength=count)
    sums = [np.bincount(numbers, weights=values, minlength=count) for values in (probabilities, truths)]
    return _draw_reliability(np.arange(count + 1) / count, sizes, *sums, axes=axes)


def _of_bins(record: CalibrationBins) -> tuple[HostArray, ...]:
    """Return edges, voxels, probabilities and what is true in each bin of a record of one label."""
    fields = (record.edges, record.counts, record.probability, record.positives)
    edges, sizes, probabilities, positives = map(_array.to_numpy, fields)
    if sizes.ndim != 1 or not sizes.any():
        needed = "be bins of one label, in which there is a voxel"
        checks.invalid_value("plot_reliability", "prediction", needed, f"{sizes.sum()} in bins of shape {sizes.shape}")
    return edges, sizes, probabilities, positives


def _draw_reliability(
    edges: HostArray, sizes: HostArray, probabilities: HostArray, positives: HostArray, *, axes: Any
) -> Any:
    """Draw bins by their edges, the values in them, and the sums of probabilities and of what is true."""
    used = sizes > 0
    confidence, share = (sums[used] / sizes[used] for sums in (probabilities, positives))
    (axes,) = new_axes(size=(5.0, 5.0)) if axes is None else (axes,)
    weights, widths = sizes / sizes.sum(), np.diff(edges)
    axes.bar(edges[:-1] + widths / 2, 0.25 * weights, width=0.95 * widths, color="0.8", zorder=0, label="values")
    axes.plot([0, 1], [0, 1], color="0.4", linestyle="dashed", linewidth=1, label="calibrated")
    axes.plot(confidence, share, "o-", color="#0072b2", label="prediction")
    error = float((weights[used] * np.abs(share - confidence)).sum())
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="predicted probability", ylabel="share that is true")
    axes.set_title(f"expected calibration error {error:.3f}, n = {sizes.sum()}", fontsize=10)
    axes.legend(loc="upper left", frameon=False)
    return axes


def plot_curves(curves: Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]], *, axes: Any = None) -> Any:
    """Draw how a training went: a line for each name over epochs; values that are not finite leave gaps.

    Names such as `train/loss` and `val/loss` have the same colour, and lines of their own.

    Args:
        curves: Values of every epoch by name; or for every epoch a mapping from names to numbers, such as `scalars`
            gives, in which names may be absent.
        axes: Matplotlib axes to draw on; those of a new figure by default.

    Returns:
        The axes.

    Raises:
        ImportError: Matplotlib is not installed; the text names the extra.
        ValueError: There are no values.

    Example:
        >>> axes = plot_curves([{"train/loss": 0.9}, {"train/loss": 0.5, "val/loss": 0.7}])
        >>> [line.get_label() for line in axes.lines], [float(y) for y in axes.lines[1].get_ydata()]
        (['train/loss', 'val/loss'], [nan, 0.7])
    """
    epochs = curves if isinstance(curves, Sequence) else ()
    if not isinstance(curves, Mapping) and not (epochs and all(isinstance(epoch, Mapping) for epoch in epochs)):
        needed = "map names to values, or be such a mapping for every epoch"
        checks.invalid_kind("plot_curves", "curves", needed, checks.describe(curves))
    if isinstance(curves, Mapping):
        columns = dict(curves)
    else:
        names = dict.fromkeys(name for epoch in curves for name in epoch)
        columns = {name: [epoch.get(name, math.nan) for epoch in curves] for name in names}
    if not columns:
        checks.invalid_value("plot_curves", "curves", "have at least one name with values", "none")
    groups = list(dict.fromkeys(name.partition("/")[0] if "/" in name else "" for name in columns))
    subjects = list(dict.fromkeys(name.partition("/")[2] or name for name in columns))
    colours = dict(zip(subjects, distinct_colours(len(subjects)), strict=True))
    (axes,) = new_axes(size=(7.0, 4.2)) if axes is None else (axes,)
    for name, values in columns.items():
        numbers = _numbers("plot_curves", "curves", values)
        group = groups.index(name.partition("/")[0] if "/" in name else "")
        style = ("dashed", "solid", "dotted", "dashdot")[group % 4] if len(groups) > 1 else "solid"
        numbers[~np.isfinite(numbers)] = math.nan
        marker = "." if numbers.size < 30 else ""
        axes.plot(
            range(1, numbers.size + 1), numbers, color=colours[name.partition("/")[2] or name], linestyle=style,
            marker=marker, label=literal(name),
        )  # fmt: skip
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.4)
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    return axes
