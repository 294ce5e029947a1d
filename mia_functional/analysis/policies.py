"""How cases without a finite number enter an aggregate: policies, those of other packages, and the values under one."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from mia_functional._core import checks
from mia_functional.evaluation.results import Result
from mia_functional.metrics.conventions import CONVENTIONS
from mia_functional.metrics.names import find
from mia_functional.metrics.table import Metric
from mia_functional.typing import HostArray

__all__ = [
    "POLICIES",
    "CaseCounts",
    "Counted",
    "Diagonals",
    "Infinite",
    "Missing",
    "Policy",
    "Undefined",
    "count_cases",
    "direction_of",
    "metric_of",
    "policy_name",
    "resolve_policy",
    "values_under",
]

_UndefinedWord: TypeAlias = Literal["skip", "best", "worst", "keep"]
_InfiniteWord: TypeAlias = Literal["keep", "diagonal", "skip"]
_MissingWord: TypeAlias = Literal["worst", "undefined", "skip", "error"]

Undefined: TypeAlias = _UndefinedWord | float
"""What NaN by the definition of a metric counts as."""

Infinite: TypeAlias = _InfiniteWord | float
"""What an infinity counts as."""

Missing: TypeAlias = _MissingWord | float
"""What a case without a prediction, or one that failed, counts as."""

Diagonals: TypeAlias = Mapping[str, float] | Mapping[tuple[str, str], float] | float | None
"""The physical diagonal of the reference in millimetres, by subject, by method and subject, or the same for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How undefined, infinite, missing and failed cases enter an aggregate. Whatever it says, they are counted.

    Args:
        undefined: What NaN by the definition of a metric counts as: it is left out (`skip`), the `best` or the `worst`
            value of the metric, itself (`keep`: the aggregate is NaN), or a number.
        infinite: What an infinity counts as: itself (`keep`), the `diagonal` of the reference image for metrics in
            millimetres (others keep theirs), it is left out (`skip`), or a number, which takes its sign.
        missing: What a case counts as that has no prediction or failed: the `worst` value of the metric (0 for Dice,
            inf for distances, which then is what an infinity counts as), the same as `undefined`, it is left out
            (`skip`), an `error`, or a number: the worst value, and this number where the metric has no bound. The worst
            value of a metric that is neither better high nor low is undefined.

    Raises:
        ValueError: A field is none of these.

    Example:
        >>> Policy(infinite=300)
        Policy(undefined='skip', infinite=300, missing='worst')
    """

    undefined: Undefined = "skip"
    infinite: Infinite = "keep"
    missing: Missing = "worst"

    def __post_init__(self) -> None:
        """Raise unless every field is one of its words or a number."""
        words = {"undefined": _UndefinedWord, "infinite": _InfiniteWord, "missing": _MissingWord}
        for field, kind in words.items():
            value = getattr(self, field)
            if isinstance(value, str):
                if value not in get_args(kind):
                    checks.invalid_value("Policy", field, f"be {', '.join(get_args(kind))} or a number", repr(value))
            elif math.isnan(checks.number("Policy", field, value)):
                checks.invalid_value("Policy", field, "be a number or a word", value)


# What each package does, with version and source, is a table of CORRECTNESS.md; a test compares each with it.
POLICIES: Mapping[str, Policy] = MappingProxyType({
    "mia": Policy(),
    "metrics_reloaded": Policy(undefined="best", infinite="skip", missing=1000.0),
    "monai": Policy(undefined="skip", infinite="keep", missing="skip"),
    "nnunet": Policy(undefined="skip", infinite="keep", missing="skip"),
    "brats": Policy(undefined="best", infinite=374.0, missing="worst"),
    "pymia": Policy(undefined="keep", infinite="keep", missing="skip"),
})  # fmt: skip
"""Policies by name: ours, and what other packages do when they aggregate."""


class CaseCounts(NamedTuple):
    """How many cases have no finite number: what aggregates show."""

    undefined: int
    infinite: int
    missing: int
    failed: int


class Counted(NamedTuple):
    """Values as a policy counts them.

    Attributes:
        values: A float64 NumPy array with one number per row of results; NaN where the row is left out.
        used: Whether the row is used; a NaN that a policy keeps is.
    """

    values: HostArray
    used: HostArray


def resolve_policy(
    function: str, policy: Policy | str, *, missing: Missing | None = None, infinite: Infinite | None = None
) -> Policy:
    """Return the policy that a name stands for, with the fields that are given in place of its own."""
    if isinstance(policy, str):
        checks.one_of(function, "policy", policy, tuple(POLICIES))
        policy = POLICIES[policy]
    checks.require_instance(function, "policy", policy, Policy, f"a Policy or one of {', '.join(POLICIES)}")
    with checks.speaking_for(function, "Policy"):
        if missing is not None:
            policy = replace(policy, missing=missing)
        if infinite is not None:
            policy = replace(policy, infinite=infinite)
    return policy


def policy_name(asked: Policy | str, policy: Policy) -> str:
    """Return the name by which a policy was asked for, or its fields: `undefined=skip infinite=300 missing=worst`."""
    if isinstance(asked, str) and POLICIES[asked] == policy:
        return asked
    return f"undefined={policy.undefined} infinite={policy.infinite} missing={policy.missing}"


def metric_of(function: str, name: str, metrics: Iterable[Metric]) -> Metric | None:
    """Return what is known about the metric of a row of results: from `metrics`, rows of one's own, or the table."""
    own = {}
    for row in metrics:
        # Names are what `evaluate` takes for `metrics`, so that they are given here to choose among the results.
        needed = "from `metrics.metric`; `evaluation.select_rows` chooses among the metrics of results"
        checks.require_instance(function, "metrics", row, Metric, needed)
        own[row.abbreviation] = row
    if name in own:
        return own[name]
    try:
        return find(name)
    except ValueError:  # a metric of the user's own, or a column of another program
        return None


def count_cases(rows: Iterable[Result]) -> CaseCounts:
    """Return how many rows have no finite number, whatever a policy makes of them."""
    rows = tuple(rows)
    status = Counter(row.status for row in rows)
    infinite = sum(math.isinf(row.value) for row in rows if row.status not in ("missing", "failed"))
    return CaseCounts(status["undefined"], infinite, status["missing"], status["failed"])


def direction_of(function: str, name: str, metrics: Iterable[Metric]) -> int:
    """Return 1 if a metric is better when it is higher, -1 if lower; raise if that is not known."""
    row = metric_of(function, name, metrics)
    if row is None or math.isnan(row.best):
        needed = "hold metrics of which higher or lower is better, or `metrics` their rows"
        checks.invalid_value(function, "results", needed, name)
    return 1 if row.best == row.highest else -1


def values_under(
    function: str,
    rows: Sequence[Result],
    policy: Policy,
    *,
    diagonals: Diagonals = None,
    metrics: Iterable[Metric] = (),
) -> Counted:
    """Return the values of rows of one metric as a policy counts them.

    Args:
        function: The public function, for messages.
        rows: Results of one metric.
        policy: What each case counts as.
        diagonals: Needed where `infinite` is the diagonal and there is an infinity in millimetres.
        metrics: Rows of metrics of the user's own.

    Raises:
        ValueError: A case is missing under `missing="error"`, a diagonal is needed and was not given, or the rows are
            not of one convention.
    """
    conventions = dict.fromkeys(row.convention for row in rows)
    # Files of wide tables have none, but a number of another package has its name in all others.
    foreign = [name for name in conventions if name.partition(", ")[0] in CONVENTIONS]
    if len(conventions) > 1 and (foreign or "" not in conventions or len(conventions) > 2):
        names = " and ".join(name or "ours" for name in conventions)
        checks.invalid_value(function, "results", f"have {rows[0].metric} under one convention", names)
    known = metric_of(function, rows[0].metric, metrics)
    worst, best = math.nan, math.nan
    if known is not None and not math.isnan(known.best):
        best, worst = known.best, known.lowest if known.best == known.highest else known.highest
    absent = np.array([row.status in ("missing", "failed") for row in rows], dtype=bool)
    if policy.missing == "error" and absent.any():
        names = ", ".join(dict.fromkeys(row.subject for row, gone in zip(rows, absent, strict=True) if gone))
        needed = f'have {rows[0].metric} of {rows[0].label or "every case"} for every subject under `missing="error"`'
        checks.invalid_value(function, "results", needed, f"none for {names}")
    # What is missing has no value, whatever stands in a table that somebody wrote by hand.
    values = np.array([math.nan if gone else row.value for row, gone in zip(rows, absent, strict=True)], np.float64)
    if policy.missing == "worst" or not isinstance(policy.missing, str):
        bound = math.inf if isinstance(policy.missing, str) else policy.missing
        values[absent] = math.copysign(bound, worst) if math.isinf(worst) else worst
    used = ~(absent & (policy.missing == "skip"))
    used &= _replace_undefined(values, used, policy, best=best, worst=worst)
    # A wide table has no units.
    is_length = (rows[0].unit or (known.unit if known is not None else "")) == "mm"
    if policy.infinite == "diagonal" and is_length:
        infinite = np.isinf(values)
        values[infinite] = _diagonals_of(function, [rows[k] for k in np.flatnonzero(infinite).tolist()], diagonals)
    elif policy.infinite == "skip":
        used &= ~np.isinf(values)
    elif not isinstance(policy.infinite, str):
        values = np.where(np.isinf(values), np.copysign(policy.infinite, values), values)
    values[~used] = math.nan
    return Counted(values, used)


def _replace_undefined(values: HostArray, used: HostArray, policy: Policy, *, best: float, worst: float) -> HostArray:
    """Put in place of NaN what it counts as, and return which values remain."""
    undefined = np.isnan(values) & used
    if policy.undefined == "keep":
        return np.ones_like(undefined)
    if policy.undefined != "skip":
        words = {"best": best, "worst": worst}
        values[undefined] = words[policy.undefined] if isinstance(policy.undefined, str) else policy.undefined
    return ~np.isnan(values)


def _diagonals_of(function: str, rows: Sequence[Result], diagonals: Diagonals) -> list[float]:
    """Return the diagonal of the reference of each row."""
    if diagonals is not None and not isinstance(diagonals, Mapping):
        return [checks.positive(function, "diagonals", diagonals)] * len(rows)
    lengths: Mapping[Any, float] = diagonals or {}
    found = [lengths.get((row.method, row.subject), lengths.get(row.subject)) for row in rows]
    if lacking := [row.subject for row, length in zip(rows, found, strict=True) if length is None]:
        needed = 'have the millimetres from corner to corner of every reference under `infinite="diagonal"`'
        checks.invalid_value(function, "diagonals", needed, f"none for {', '.join(dict.fromkeys(lacking))}")
    return [checks.positive(function, "diagonals", length) for length in found]
