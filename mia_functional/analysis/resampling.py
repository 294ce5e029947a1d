"""Bootstrap samples as numbers of draws, and means and medians of all of them at once.

A sample drawn with replacement is a column of whole numbers: how often each case was drawn. Means are then one product
of matrices, and a median is found among values that are sorted once. Cases come first, since arrays are gathered and
added fastest along the last axis, that of samples.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.typing import HostArray

__all__ = ["SEED", "Estimator", "bootstrap", "bootstrap_counts", "generator", "jackknife", "resampled"]

SEED = 0
"""The seed of the generator where none is given: the same call gives the same numbers."""

Estimator: TypeAlias = Callable[..., Any]
"""From a float64 NumPy array, and an axis if it has the keyword, to numbers: `numpy.mean`, `numpy.median`."""


def generator(function: str, rng: np.random.Generator | None) -> np.random.Generator:
    """Return a generator of random numbers, a new one with `SEED` for None."""
    if rng is None:
        return np.random.default_rng(SEED)
    checks.require_instance(function, "rng", rng, np.random.Generator, "a generator of NumPy")
    return rng


_DRAWS = 250_000
"""Numbers of draws that are worked with at once: a few arrays of this size stay near the processor."""


def bootstrap_counts(rng: np.random.Generator, size: int, samples: int) -> Iterator[HostArray]:
    """Yield bootstrap samples of `size` cases: how often each is drawn, a block `(size, samples)` at a time.

    Args:
        rng: A generator of NumPy.
        size: Number of cases.
        samples: Number of samples in all blocks together.
    """
    step = max(1, _DRAWS // size)
    # Small numbers take less memory to move; no case is drawn more often than there are draws.
    dtype = np.int16 if size <= np.iinfo(np.int16).max else np.int32
    for start in range(0, samples, step):
        block = min(step, samples - start)
        drawn = rng.integers(0, size, size=(size, block))
        drawn *= block
        drawn += np.arange(block)
        yield np.bincount(drawn.ravel(), minlength=block * size).astype(dtype).reshape(size, block)


def bootstrap(rng: np.random.Generator, statistic: Estimator, values: HostArray, samples: int) -> HostArray:
    """Return a statistic of the columns of `values`, `(n, columns)`, in samples with replacement: `(samples, columns)`.

    Args:
        rng: A generator of NumPy.
        statistic: See `resampled`.
        values: Cases and columns.
        samples: Number of samples.
    """
    blocks = bootstrap_counts(rng, len(values), samples)
    return np.concatenate([resampled(statistic, values, counts) for counts in blocks])


def jackknife(statistic: Estimator, values: HostArray) -> HostArray:
    """Return a statistic of the columns of `values`, `(n, columns)`, without each case in turn: `(n, columns)`."""
    size = len(values)
    step = max(1, _DRAWS // size)
    blocks = (np.arange(start, min(start + step, size)) for start in range(0, size, step))
    left_out = ((np.arange(size)[:, None] != block).astype(np.int32) for block in blocks)
    return np.concatenate([resampled(statistic, values, counts) for counts in left_out])


def resampled(statistic: Estimator, values: HostArray, counts: HostArray) -> HostArray:
    """Return a statistic of every sample of every column; NaN are left out, and it is NaN where nothing remains.

    Args:
        statistic: `numpy.mean` and `numpy.median` are fast; any other is called for many samples at once if it has the
            keyword `axis`, else for each.
        values: Cases and columns, `(n, columns)`, float64; infinities are values.
        counts: How often each case is drawn, `(n, samples)`.

    Returns:
        `(samples, columns)`.
    """
    # Where one infinity is taken from the other, NaN is the answer, no reason to warn.
    with np.errstate(invalid="ignore", over="ignore"):
        if statistic is np.mean:
            return _means(values, counts)
        one = _medians if statistic is np.median else _any_statistic(statistic)
        return np.stack([one(column, counts) for column in values.T], axis=-1)


def _means(values: HostArray, counts: HostArray) -> HostArray:
    """Return the means of samples."""
    weights = counts.T.astype(np.float64)
    finite = np.isfinite(values)
    totals = weights @ (~np.isnan(values)).astype(np.float64)
    # A product of matrices multiplies infinity by zero draws: infinities are added afterwards.
    sums = weights @ np.where(finite, values, 0.0)
    for infinity in (np.inf, -np.inf) if not finite.all() else ():
        sums = sums + np.where(weights @ (values == infinity) > 0, infinity, 0.0)
    means: HostArray = np.full(sums.shape, np.nan)
    return np.divide(sums, totals, out=means, where=totals > 0)


def _medians(values: HostArray, counts: HostArray) -> HostArray:
    """Return the medians of samples."""
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]  # NaN come last
    if not len(order):
        return np.full(counts.shape[1], np.nan)
    ordered, drawn = values[order], np.cumsum(counts[order], axis=0, dtype=counts.dtype)
    total = drawn[-1]
    # The k-th smallest value of a sample is the first up to which more than k values were drawn.
    low, high = (np.sum(drawn <= k, axis=0, dtype=counts.dtype) for k in ((total - 1) // 2, total // 2))
    smaller, larger = (ordered[np.minimum(k, len(ordered) - 1)] for k in (low, high))
    middle = np.where(smaller == larger, smaller, (smaller + larger) / 2)
    return np.where(total > 0, middle, np.nan)


def _any_statistic(statistic: Estimator) -> Callable[[HostArray, HostArray], HostArray]:
    """Return the function that computes any statistic of samples."""
    try:
        takes_axis = "axis" in inspect.signature(statistic).parameters
    except ValueError:  # some functions of C have no signature
        takes_axis = False

    def of_samples(values: HostArray, counts: HostArray) -> HostArray:
        numbers = np.where(np.isnan(values)[:, None], 0, counts).T
        sizes = numbers.sum(axis=1)
        results = np.full(len(numbers), np.nan)
        if takes_axis and len(set(sizes.tolist())) == 1 and sizes[0] > 0:
            samples = np.repeat(np.tile(values, len(numbers)), numbers.ravel()).reshape(len(numbers), -1)
            given = statistic(samples, axis=-1)
            if np.shape(given) != (len(numbers),):
                got = f"{checks.describe(given)} from {getattr(statistic, '__name__', type(statistic).__name__)}"
                checks.invalid_kind("resampled", "statistic", "give a number for each row, along `axis=-1`", got)
            return np.asarray(given, dtype=np.float64)
        for k in np.flatnonzero(sizes):
            given = statistic(np.repeat(values, numbers[k]))
            results[k] = checks.number_given("resampled", "statistic", given, statistic)
        return results

    return of_samples
