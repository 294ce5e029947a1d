"""Agreement of raters or methods on one number per case, such as a volume: intraclass correlations, Bland-Altman."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.analysis.intervals import Interval
from mia_functional.typing import Array

__all__ = ["BlandAltman", "bland_altman", "intraclass_correlations"]


_Estimate: TypeAlias = tuple[float, float, float]
"""A value with the ends of its interval."""


class _MeanSquares(NamedTuple):
    """Mean squares of a table of ratings: between cases, within them, between raters, and of the rest."""

    between: float
    within: float
    raters: float
    rest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BlandAltman:
    """The mean difference of two methods and the limits of agreement around it, each with its interval.

    Args:
        bias: The mean difference.
        lower: The mean minus z sample standard deviations.
        upper: The mean plus z sample standard deviations.
    """

    bias: Interval
    lower: Interval
    upper: Interval


def bland_altman(
    first: Array | Sequence[float], second: Array | Sequence[float], *, coverage: float = 0.95, level: float = 0.95
) -> BlandAltman:
    """Return the Bland-Altman limits of agreement of two methods, with confidence intervals.

    Formula: m - z s and m + z s, with the mean m and the sample standard deviation s of the differences first - second
    and the normal quantile z of the coverage (1.96 for 95 %). Half the width of the intervals is t s / sqrt(n) for the
    bias and t s sqrt(1 / n + z^2 / (2 (n - 1))) for the limits, with Student's t of n - 1 degrees of freedom.

    Args:
        first: One number per case.
        second: Those of the other method, in the same order.
        coverage: Share of the differences that is meant to lie between the limits.
        level: How often the intervals are meant to hold the true value. Those of the limits are approximate: of 95 %,
            of normal differences, 93 % hold it with 10 cases, 94 % with 20 and 94.5 % with 50.

    Returns:
        The three numbers with their intervals, in the unit of the values.

    Undefined:
        Fewer than two cases: NaN.

    Raises:
        TypeError: The values are not numbers.
        ValueError: They are not equally many, or none; one is NaN or infinite; a share does not lie between 0 and 1.

    Example:
        >>> found = bland_altman([5.0, 7.0, 6.0, 9.0], [4.0, 7.0, 6.5, 7.5])
        >>> round(found.bias.value, 3), round(found.lower.value, 3), round(found.upper.value, 3)
        (0.5, -1.289, 2.289)

    Source:
        Bland and Altman 1999, doi 10.1177/096228029900800204.
    """
    name = "bland_altman"
    columns = [_column(name, *named) for named in (("first", first), ("second", second))]
    if columns[0].size != columns[1].size:
        checks.invalid_value(name, "second", f"have {columns[0].size} entries, as `first`", columns[1].size)
    from scipy import special  # at its first use: SciPy takes as long to import as NumPy

    z = float(special.ndtri((1 + _share(name, "coverage", coverage)) / 2))
    differences, count = columns[0] - columns[1], columns[0].size
    bias = float(differences.mean())
    spread = float(differences.std(ddof=1)) if count > 1 else math.nan
    t = float(special.stdtrit(max(count - 1, 1), (1 + _share(name, "level", level)) / 2))
    widths = [spread * math.sqrt(1 / count)] + [spread * math.sqrt(1 / count + z**2 / (2 * max(count - 1, 1)))] * 2
    return BlandAltman(**{
        key: Interval(low=value - t * width, high=value + t * width, level=level, method="t", n=count, value=value)
        for key, value, width in zip(
            ("bias", "lower", "upper"), (bias, bias - z * spread, bias + z * spread), widths, strict=True
        )
    })  # fmt: skip


def intraclass_correlations(ratings: Array | Sequence[Sequence[float]], *, level: float = 0.95) -> dict[str, Interval]:
    """Return the six intraclass correlations of Shrout and Fleiss, with confidence intervals.

    Formula: with the mean squares B between cases, W within them, J between raters and E of the rest, n cases and k
    raters: ICC(1,1) = (B - W) / (B + (k - 1) W), each case has raters of its own; ICC(2,1) = (B - E) / (B + (k - 1) E +
    k (J - E) / n), raters are a sample, and absolute values have to agree; ICC(3,1) = (B - E) / (B + (k - 1) E), these
    raters and no others, whose shifts do not matter; and of the mean of k raters, ICC(1,k) = (B - W) / B, ICC(2,k) = (B
    - E) / (B + (J - E) / n), ICC(3,k) = (B - E) / B.

    Args:
        ratings: Numbers of shape (raters, cases), none missing.
        level: How often the intervals are meant to hold the true value.

    Returns:
        An `Interval` for each of `ICC(1,1)`, `ICC(2,1)`, `ICC(3,1)`, `ICC(1,k)`, `ICC(2,k)`, `ICC(3,k)`; `method` is
        `F`, `n` the number of cases. Values are at most 1; higher is better.

    Undefined:
        All ratings equal: NaN. All raters agree on different cases: 1, without intervals.

    Raises:
        TypeError: The ratings are not numbers.
        ValueError: There are fewer than two raters or cases; one rating is NaN or infinite; the level does not lie
            between 0 and 1.

    Example:
        >>> found = intraclass_correlations([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4]])
        >>> {name: round(icc.value, 2) for name, icc in found.items()}
        {'ICC(1,1)': -0.02, 'ICC(2,1)': 0.22, 'ICC(3,1)': 0.79, 'ICC(1,k)': -0.06, 'ICC(2,k)': 0.46, 'ICC(3,k)': 0.92}

    Source:
        Shrout and Fleiss 1979, doi 10.1037/0033-2909.86.2.420; McGraw and Wong 1996, doi 10.1037/1082-989X.1.1.30.

    Agrees with:
        pingouin's `intraclass_corr`, whose ICC(A,1) is ICC(2,1) and ICC(C,1) ICC(3,1).
    """
    name = "intraclass_correlations"
    table = _finite_numbers(name, "ratings", ratings)
    if table.ndim != 2 or min(table.shape) < 2:
        checks.invalid_value(name, "ratings", "have two raters and two cases or more", f"shape {table.shape}")
    _share(name, "level", level)
    k, n = table.shape
    apart = table - table.mean()
    cases, raters = apart.mean(axis=0), apart.mean(axis=1)
    rest = apart - cases - raters[:, None]
    # What rounding leaves of equal numbers is no difference.
    least = (8 * float(np.finfo(np.float64).eps)) ** 2 * float((table**2).sum())
    sums = (k * (cases**2).sum(), ((apart - cases) ** 2).sum(), n * (raters**2).sum(), (rest**2).sum())
    freedoms = (n - 1, n * (k - 1), k - 1, (n - 1) * (k - 1))
    squares = _MeanSquares(*(
        float(total) / freedom if total > least else 0.0 for total, freedom in zip(sums, freedoms, strict=True)
    ))  # fmt: skip
    one = _one_way(squares.between, squares.within, (n - 1, n * (k - 1)), k, level)
    three = _one_way(squares.between, squares.rest, (n - 1, (n - 1) * (k - 1)), k, level)
    two = _two_way(squares, n, k, level)
    named = zip(("ICC(1,1)", "ICC(2,1)", "ICC(3,1)"), (one, two, three), strict=True)
    found = {key: _estimate_record(numbers[0], level, n) for key, numbers in named}
    averaged = zip(("ICC(1,k)", "ICC(2,k)", "ICC(3,k)"), (one, two, three), strict=True)
    return found | {key: _estimate_record(numbers[1], level, n) for key, numbers in averaged}


def _one_way(
    between: float, error: float, freedom: tuple[int, int], k: int, level: float
) -> tuple[_Estimate, _Estimate]:
    """Return the correlation of one rating and of the mean of k, by the mean squares of cases and errors."""
    ratio = _quotient(between, error)
    low, high = ratio / _f_quantile(level, *freedom), ratio * _f_quantile(level, *freedom[::-1])
    value = _quotient(between - error, between + (k - 1) * error)
    single = value, (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)
    mean = _quotient(between - error, between), 1 - _quotient(1.0, low), 1 - _quotient(1.0, high)
    return single, mean


def _two_way(squares: _MeanSquares, n: int, k: int, level: float) -> tuple[_Estimate, _Estimate]:
    """Return the correlation of one rating and of the mean of k, where raters are a sample as well."""
    between, _, raters, rest = squares
    value = _quotient(between - rest, between + (k - 1) * rest + k * (raters - rest) / n)
    mean = _quotient(between - rest, between + (raters - rest) / n)
    # Satterthwaite's degrees of freedom of the mean square that the two kinds of error have together.
    parts = k * value * _quotient(raters, rest), n * (1 + (k - 1) * value) - k * value
    freedom = _quotient((k - 1) * (n - 1) * sum(parts) ** 2, (n - 1) * parts[0] ** 2 + parts[1] ** 2)
    error = k * raters + (k * n - k - n) * rest
    low, high = _f_quantile(level, n - 1, freedom), _f_quantile(level, freedom, n - 1)
    ends = [
        _quotient(n * (between - low * rest), low * error + n * between),
        _quotient(n * (high * between - rest), error + n * high * between),
    ]
    averaged = [end * k / (1 + end * (k - 1)) for end in ends]
    return (value, ends[0], ends[1]), (mean, averaged[0], averaged[1])


def _f_quantile(level: float, numerator: float, denominator: float) -> float:
    """Return the upper quantile of the F distribution for the two sides of an interval."""
    from scipy import special  # at its first use: SciPy takes as long to import as NumPy

    return float(special.fdtri(numerator, denominator, (1 + level) / 2))


def _quotient(numerator: float, denominator: float) -> float:
    """Return a quotient, NaN by zero."""
    return numerator / denominator if denominator else math.nan


def _estimate_record(numbers: _Estimate, level: float, n: int) -> Interval:
    """Return a value with its interval as a record."""
    value, low, high = numbers
    return Interval(low=low, high=high, level=level, method="F", n=n, value=value)


def _share(function: str, argument: str, value: float) -> float:
    """Return a number between 0 and 1."""
    given = checks.number(function, argument, value)
    if not 0 < given < 1:
        checks.invalid_value(function, argument, "lie between 0 and 1", value)
    return given


def _column(function: str, argument: str, values: Any) -> NDArray[np.float64]:
    """Return one finite number per case."""
    column = _finite_numbers(function, argument, values)
    if column.ndim != 1 or not column.size:
        checks.invalid_value(function, argument, "have one number per case", f"shape {column.shape}")
    return column


def _finite_numbers(function: str, argument: str, values: Any) -> NDArray[np.float64]:
    """Return finite numbers as an array."""
    checks.no_hidden_elements(function, argument, values)
    given: Any = _array.to_numpy(values) if hasattr(values, "shape") else values
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        checks.invalid_kind(function, argument, "be numbers", checks.describe(values))
    if not np.isfinite(numbers).all():
        checks.invalid_value(function, argument, "be finite", "NaN or an infinity")
    return numbers
