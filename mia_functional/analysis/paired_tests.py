"""Tests of paired differences: Wilcoxon's signed ranks, permutations of signs, and Holm's correction."""

import math

import numpy as np

from mia_functional.typing import HostArray

__all__ = ["bootstrap_wilcoxon", "holm", "permutation_tests", "wilcoxon"]

_EXACT, _ENUMERATED = 50, 13
"""Up to so many differences Wilcoxon's distribution is exact: without ties and zeros, and with them, as in SciPy."""


_DRAWN = 1_000_000
"""Numbers of signs that are drawn at once."""


def wilcoxon(differences: HostArray) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test, with zeros by Pratt's method.

    Exact for at most 50 differences that are neither equal in size nor zero, and for at most 13 of any; else by the
    normal distribution, with the variance corrected for ties.

    Undefined:
        No differences: NaN. All are zero: 1, as nothing speaks against equal methods.

    Agrees with:
        `scipy.stats.wilcoxon(differences, zero_method="pratt")` of SciPy 1.17.
    """
    # SciPy is not called: its choice of the distribution changed between 1.13 and 1.17, and it gives NaN with a warning
    # for more than 13 zeros.
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        return math.nan
    if not differences.any():
        return 1.0
    sizes, first, numbers = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(numbers) - (numbers - 1) / 2)[first]
    ranks = ranks[differences != 0]
    positive = float(ranks[differences[differences != 0] > 0].sum())
    distinct = len(sizes) == len(differences) == len(ranks)
    if len(differences) <= (_EXACT if distinct else _ENUMERATED):
        return _exact_p(ranks, positive)
    mean, variance = ranks.sum() / 2, (ranks**2).sum() / 4
    return math.erfc(abs(positive - mean) / math.sqrt(2 * variance))


def _exact_p(ranks: HostArray, positive: float) -> float:
    """Return the two-sided p-value of a sum of positive ranks, when every sign is as likely as the other."""
    # Ranks of ties end in a half: twice of them are whole numbers.
    doubled = np.rint(2 * ranks).astype(int)
    distribution = np.zeros(doubled.sum() + 1)
    distribution[0] = 1.0
    for rank in doubled.tolist():
        distribution[rank:] = (distribution[rank:] + distribution[: len(distribution) - rank]) / 2
        distribution[:rank] /= 2
    observed = round(2 * positive)
    tails = float(distribution[: observed + 1].sum()), float(distribution[observed:].sum())
    return min(1.0, 2 * min(tails))


def permutation_tests(rng: np.random.Generator, differences: HostArray, *, samples: int) -> HostArray:
    """Return the two-sided p-values of mean differences when every sign is as likely as the other.

    Args:
        rng: A generator of NumPy.
        differences: Cases and pairs of methods, `(n, pairs)`; NaN are left out.
        samples: All changes of signs are tried if there are no more, else as many at random, and the observed one.

    Returns:
        `(pairs,)`.

    Undefined:
        No differences, or infinite ones: NaN. All are zero: 1.

    Agrees with:
        `scipy.stats.permutation_test` with `permutation_type="samples"` for few differences.
    """
    p_values = np.full(differences.shape[1], np.nan)
    used = ~np.isnan(differences)
    tested = used.any(axis=0) & ~np.isinf(differences).any(axis=0)
    few = 2.0 ** used.sum(axis=0) <= samples
    for k in np.flatnonzero(tested & few):
        values = differences[used[:, k], k]
        signs = (np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1
        p_values[k] = _as_extreme(signs, values[:, None])[0] / len(signs)
    if (many := np.flatnonzero(tested & ~few)).size:
        # What is left out changes no sum.
        values = np.where(used, differences, 0.0)[:, many]
        step = max(1, _DRAWN // len(values))
        sizes = (min(step, samples - start) for start in range(0, samples, step))
        drawn = (rng.integers(0, 2, size=(size, len(values)), dtype=np.int8) for size in sizes)
        extreme = np.sum([_as_extreme(signs, values) for signs in drawn], axis=0)
        p_values[many] = (extreme + 1) / (samples + 1)
    return p_values


def _as_extreme(signs: HostArray, values: HostArray) -> HostArray:
    """Return in how many rows of signs, 0 and 1, the sums of the columns of values are as far from 0 as observed."""
    sums = np.abs((1.0 - 2.0 * signs) @ values)
    # Sums of the same numbers in another order differ in the last digits.
    extreme: HostArray = np.count_nonzero(sums >= np.abs(values.sum(axis=0)) * (1 - 1e-12), axis=0)
    return extreme


def holm(p_values: HostArray) -> HostArray:
    """Return p-values corrected for their number by Holm's step-down method; NaN stay and do not count.

    The k-th smallest of m is multiplied by m - k + 1, is at least the one before it, and at most 1.

    Agrees with:
        `statsmodels.stats.multitest.multipletests(p_values, method="holm")`.

    Source:
        Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values, kind="stable")[: np.count_nonzero(~np.isnan(p_values))]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def bootstrap_wilcoxon(differences: HostArray, counts: HostArray) -> HostArray:
    """Return both one-sided p-values of Wilcoxon's test in samples of cases, by the normal distribution.

    With a correction for continuity of a half and without zeros, as R's
    `wilcox.test(x, y, alternative="greater", exact=FALSE, paired=TRUE)`.

    Args:
        differences: One per case, NaN where one of the two has no value.
        counts: How often each case is drawn, `(n, samples)`.

    Returns:
        `(2, samples)`: how likely differences so far above 0, and so far below, are by chance; NaN where none remains.

    Agrees with:
        `scipy.stats.wilcoxon(differences, correction=True, alternative=..., method="asymptotic")`.
    """
    from scipy import special  # here, since it would double the time that the import of the room takes

    kept = np.flatnonzero(~np.isnan(differences) & (differences != 0))
    if not len(kept):
        return np.full((2, counts.shape[1]), np.nan)
    kept = kept[np.argsort(np.abs(differences[kept]), kind="stable")]
    sizes, positive = np.abs(differences[kept]), differences[kept] > 0
    starts = np.flatnonzero(np.append(True, sizes[1:] != sizes[:-1]))
    drawn = counts[kept].astype(np.float64)
    # Without ties, which is the rule, every group has one member.
    members = drawn if len(starts) == len(kept) else np.add.reduceat(drawn, starts, axis=0)
    above = drawn * positive[:, None]
    above = above if len(starts) == len(kept) else np.add.reduceat(above, starts, axis=0)
    # The rank of a group of ties is the mean of those that its members would have.
    ranks = np.cumsum(members, axis=0)
    total = ranks[-1].copy()
    ranks -= (members - 1) / 2
    observed = np.einsum("gs,gs->s", above, ranks)
    mean = total * (total + 1) / 4
    variance = total * (total + 1) * (2 * total + 1) / 24 - (np.einsum("gs,gs,gs->s", *[members] * 3) - total) / 48
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = (np.stack([observed - mean, mean - observed]) - 0.5) / np.sqrt(variance)
    return np.where(total > 0, special.ndtr(-scores), np.nan)
