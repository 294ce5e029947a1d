"""The conventions of other packages by name: what `evaluate(..., convention="monai")` follows.

A convention says how a number is computed: surface, rule of the percentile, values of empty masks, normalisation. What
undefined and infinite ones count as in an aggregate is its policy (`analysis.policies`).
"""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mia_functional._core import checks
from mia_functional.metrics.names import OWN_GROUP, find, with_option
from mia_functional.metrics.package_recipes import PACKAGES, Convention, Recipe
from mia_functional.metrics.table import METRICS, Metric

__all__ = ["CONVENTIONS", "under_convention"]

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({rules.name: rules for rules in PACKAGES})
"""By name, how each package computes its numbers."""


def under_convention(metric: str | Metric, *, convention: str) -> Metric:
    """Return the row of a metric that gives the number of another package.

    Args:
        metric: A name of a metric with its parameters, as for `find`, or a row of the table.
        convention: One of `CONVENTIONS`: deepmind, monai, metrics_reloaded, medpy, panoptica, torchmetrics, simpleitk,
            skimage, nnunet, brats or pymia.

    Returns:
        The row, with the options of the package set, under the same abbreviation; `convention` has its name, and
        `empties` the values that `evaluate` gives where masks are empty.

    Raises:
        TypeError: The metric is neither.
        ValueError: There is no such convention, it does not have the metric, which the text says why, or another value
            is asked for of an option that the convention sets.

    Example:
        >>> row = under_convention("hd95", convention="medpy")
        >>> row.abbreviation, row.convention, row.options
        ('HDRFDST95', 'medpy', (('percentile', 95.0), ('pooled', True)))
    """
    checks.one_of("under_convention", "convention", convention, tuple(CONVENTIONS))
    rules = CONVENTIONS[convention]
    if isinstance(metric, Metric):
        row = metric
    else:
        with checks.speaking_for("under_convention", "find", name="metric"):
            row = find(metric)
    if OWN_GROUP in row.groups:
        needed = f"be of {rules.package}, whose numbers are asked for"
        checks.invalid_value("under_convention", "metric", needed, f"{row.abbreviation}, a function of one's own")
    asked = _options_of(row)
    defaults = {option.name: option.default for option in inspect.signature(row.function).parameters.values()}
    recipe = next((recipe for recipe in rules.recipes if _fits(recipe, row, defaults | asked)), None)
    if recipe is None:
        names = (
            one.abbreviation for one in METRICS if any(_fits(each, one, dict(one.options)) for each in rules.recipes)
        )
        needed = f"be of {rules.package} ({', '.join(names)})"
        checks.invalid_value("under_convention", "metric", needed, f"{row.abbreviation}: {_why_absent(rules, row)}")
    for option, value in recipe.options:
        if option in asked and asked[option] != value:
            needed = f"leave {option} to {rules.package}, which has {getattr(value, '__name__', value)}"
            checks.invalid_value("under_convention", "metric", needed, row.abbreviation)
    chosen = dict(recipe.defaults) | asked | dict(recipe.options)
    for option in dict(recipe.defaults) | dict(recipe.options):
        row = with_option(row, option, chosen[option])
    return replace(row, convention=rules.name, empties=recipe.empties)


def _options_of(row: Metric) -> dict[str, Any]:
    """Return the options that are set in a row, also those in its statistic."""
    options: dict[str, Any] = {}
    statistic: Any = row.statistic
    while hasattr(statistic, "func"):  # of a `functools.partial`, perhaps of another one
        options = statistic.keywords | options
        statistic = statistic.func
    return options | dict(row.options)


def _fits(recipe: Recipe, row: Metric, options: Mapping[str, Any]) -> bool:
    """Return whether a recipe is for a metric with these options; those that are not among them may be any."""
    return recipe.function == row.name and all(
        options.get(option, possible[0]) in possible for option, possible in recipe.only
    )


def _why_absent(rules: Convention, row: Metric) -> str:
    """Return why a package does not have a metric with these options."""
    only = [pair for recipe in rules.recipes if recipe.function == row.name for pair in recipe.only]
    if only:
        texts = (f"{option}={value}" for option, possible in only for value in possible)
        return f"it has this with {' or '.join(dict.fromkeys(texts))} alone"
    return dict(rules.absent).get(row.name, "which it does not have")
