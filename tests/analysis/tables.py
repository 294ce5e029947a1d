"""Tables of results made by hand, for the tests of this folder."""

import math

import numpy as np

from mia_functional.evaluation import Result, Results


def column(values, *, metric="DICE", label="liver", method="", unit="", first=0):
    """Return one row per value, of the subjects s0, s1, ...; a word in place of a value is a status."""
    rows = []
    for k, value in enumerate(values, first):
        fields = {"value": value} if not isinstance(value, str) else {"value": math.nan, "status": value}
        reason = f"{value} on purpose" if isinstance(value, str) else ""
        rows.append(
            Result(method=method, subject=f"s{k}", label=label, metric=metric, unit=unit, reason=reason, **fields)
        )
    return rows


def table(values, **rest):
    """Return the results of one method."""
    return Results(rows=tuple(column(values, **rest)))


def methods(values, **rest):
    """Return the results of several methods, by name."""
    return Results(rows=tuple(row for name, entries in values.items() for row in column(entries, method=name, **rest)))


def cohort(rng, cases, names, *, spread=0.03):
    """Return Dice values of cases that are hard or easy for all methods, of which later ones are a little better."""
    values = rng.beta(8, 2, (cases, 1)) + rng.normal(0, 0.05, (cases, names)) + np.linspace(0, spread, names)
    return {f"m{k}": np.clip(values[:, k], 0, 1).tolist() for k in range(names)}
