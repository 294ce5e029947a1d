"""Any table goes the whole way without a warning: gaps, infinities, one case, one method, ends of the range."""

import itertools
import math
import random

import numpy as np
import pytest

from mia_functional.analysis import POLICIES, Policy, compare, rank, scalars, summarize, worst
from mia_functional.analysis.intervals import INTERVAL_METHODS
from mia_functional.analysis.ranking import SCHEMES, TIES
from mia_functional.evaluation import Result, Results
from mia_functional.reporting import render_console, render_csv

UNITS = {"DICE": "", "HDRFDST95": "mm", "PSNR": "dB", "R2": "", "ASSD": "mm", "KAPPA": ""}
WORDS = {
    "undefined": ("skip", "best", "worst", "keep", 0.5),
    "infinite": ("keep", "skip", "diagonal", 9.0),
    "missing": ("worst", "skip", "undefined", 7.0),
}
STRANGE = (
    *((math.nan, status) for status in ("undefined", "missing", "failed")),
    *((value, "ok") for value in (0.0, math.inf, -math.inf, 1e-300, 1e300)),
)


def any_table(draw):
    """Return a table with rows in any order, some of them absent."""
    strange, cases = draw.choice((0, 0.2, 0.7)), draw.choice((1, 2, 3, 12))
    names = itertools.product(range(draw.randint(1, 4)), range(cases), draw.sample(list(UNITS), 2))
    rows = []
    for method, case, metric in names:
        value, status = round(draw.random(), draw.choice((1, 15))), "ok"
        if draw.random() < strange:
            value, status = draw.choice(STRANGE)
        rows.append(Result(method=f"m {method}", subject=f"s{case}", label="", metric=metric, unit=UNITS[metric],
                           value=value, status=status, reason="x" * (status != "ok")))  # fmt: skip
    return Results(rows=tuple(draw.sample(rows, k=len(rows) - draw.randint(0, len(rows) // 4))))


@pytest.mark.sampled(6)
@pytest.mark.parametrize("seed", range(60))
def test_any_table_goes_the_whole_way(seed):
    draw = random.Random(seed)
    for _ in range(5):
        results = any_table(draw)
        policy = draw.choice([*POLICIES, Policy(**{field: draw.choice(words) for field, words in WORDS.items()})])
        rest = {"policy": policy, "diagonals": 50.0}
        statistics = summarize(results, **rest)
        render_console(statistics)
        render_csv(statistics)
        assert len(scalars(results, **rest)) == len({(row.method, row.metric) for row in results})
        assert sum(len(entry.worst) + len(entry.best) for entry in worst(results, k=99)) <= len(results)
        if len({row.method for row in results}) > 1:
            for found in compare(results, method=draw.choice(INTERVAL_METHODS), samples=50, **rest):
                p_values = (found.wilcoxon, found.permutation, found.wilcoxon_holm, found.permutation_holm)
                assert all(math.isnan(p) or 0 <= p <= 1 for p in p_values)
                assert math.isnan(found.low) or found.low <= found.high
                assert len({*found.only_method, *found.only_baseline}) <= found.n + len(found.left_out)
        for scheme, function in itertools.product(SCHEMES, (np.mean, np.median)):
            for ranking in rank(
                results, scheme=scheme, function=function, ties=draw.choice(TIES), bootstraps=9, **rest
            ):
                methods = len(ranking.ranks)
                for entry in ranking.ranks:
                    last = math.isnan(entry.rank) if methods == 1 else entry.rank == methods
                    assert last if math.isnan(entry.score) else 1 <= entry.rank <= methods
                    assert entry.count or math.isnan(entry.score)
                    assert sum(share for _, share in entry.frequencies) == pytest.approx(1)
