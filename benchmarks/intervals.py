"""How often confidence intervals hold the true value, and how long rankings take: `python benchmarks/intervals.py`.

2,000 cohorts of each size are drawn from laws whose mean and median are known. An interval of 95 % should hold them in
1,900; by chance alone, 94 to 96 % do in 19 of 20 runs.
"""

import itertools
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy import stats

from mia_functional.analysis import interval, rank
from mia_functional.evaluation import Result, Results

COHORTS, SIZES, SAMPLES = 2000, (50, 100), 2000
WAYS = ((np.mean, "bca"), (np.mean, "percentile"), (np.mean, "t"), (np.median, "bca"), (np.median, "percentile"))
MISSED = 0.05
"""Share of structures that are missed, with a Dice of 0, in the third law."""


def beta(a: float, b: float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Return the function that draws a cohort from a beta distribution."""
    return lambda rng, size: rng.beta(a, b, size)


def with_failures(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a cohort in which some structures are missed."""
    values = rng.beta(9, 1.5, size)
    values[rng.random(size) < MISSED] = 0
    return values


# Each law with its true mean and median.
LAWS = {
    "Beta(8, 2)": (beta(8, 2), stats.beta(8, 2).mean(), stats.beta(8, 2).median()),
    "Beta(3, 0.5)": (beta(3, 0.5), stats.beta(3, 0.5).mean(), stats.beta(3, 0.5).median()),
    "Beta(9, 1.5), 5 % zeros": (
        with_failures,
        (1 - MISSED) * stats.beta(9, 1.5).mean(),
        stats.beta(9, 1.5).ppf((0.5 - MISSED) / (1 - MISSED)),
    ),
}


def coverage() -> None:
    """Print the share of cohorts whose interval holds the true value, and of those with a note on far values."""
    names = [f"{function.__name__}, {way}" for function, way in WAYS]
    print(f"| law | cases | {' | '.join(names)} | noted |\n|---|---|{'---|' * (len(WAYS) + 1)}")
    for (name, (draw, mean, median)), size in itertools.product(LAWS.items(), SIZES):
        rng = np.random.default_rng(size)
        hits, noted = np.zeros(len(WAYS)), 0
        for _ in range(COHORTS):
            values = draw(rng, size)
            for k, (function, way) in enumerate(WAYS):
                found = interval(values, statistic=function, method=way, samples=SAMPLES, rng=rng)
                hits[k] += found.low <= (mean if function is np.mean else median) <= found.high
                noted += k == 0 and "far off" in found.note
        shares = " | ".join(f"{100 * hit / COHORTS:.1f}" for hit in hits)
        print(f"| {name} | {size} | {shares} | {100 * noted / COHORTS:.0f} |", flush=True)


def speed() -> None:
    """Print how long rankings of 10 methods on 100 cases take, best of five rounds."""
    rng = np.random.default_rng(0)
    values = np.clip(rng.beta(8, 2, (100, 1)) + rng.normal(0, 0.05, (100, 10)), 0, 1)
    rows = (
        Result(method=f"m{method}", subject=f"s{case}", label="x", metric="DICE", value=float(values[case, method]))
        for case, method in np.ndindex(values.shape)
    )
    results = Results(rows=tuple(rows))
    scenes = (
        ("aggregate then rank", np.mean, 10_000),
        ("aggregate then rank", np.median, 10_000),
        ("rank then aggregate", np.mean, 10_000),
        ("test then rank", np.mean, 1_000),
        ("test then rank", np.mean, 10_000),
    )
    print("\n| scheme | bootstraps | seconds |\n|---|---|---|")
    for scheme, function, bootstraps in scenes:
        best = np.inf
        for _ in range(5):
            start = time.perf_counter()
            rank(results, scheme=scheme, function=function, bootstraps=bootstraps)
            best = min(best, time.perf_counter() - start)
        print(f"| {scheme}, {function.__name__} | {bootstraps} | {best:.2f} |", flush=True)
    start = time.perf_counter()
    for one, other in itertools.permutations(range(10), 2):
        stats.wilcoxon(values[:, one] - values[:, other], alternative="greater", correction=True)
    seconds = 1000 * (time.perf_counter() - start)
    print(f"| test then rank by `scipy.stats.wilcoxon` in a loop, from one round | 1000 | {seconds:.0f} |")


if __name__ == "__main__":
    if "--speed" not in sys.argv:
        coverage()
    speed()
