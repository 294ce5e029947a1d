"""Results as named numbers, for whatever draws the course of a training."""

from collections.abc import Iterable

import numpy as np

from mia_functional._core import checks
from mia_functional.analysis.policies import Diagonals, Infinite, Missing, Policy
from mia_functional.analysis.resampling import Estimator
from mia_functional.analysis.summary import summarize
from mia_functional.evaluation.results import Results
from mia_functional.metrics.table import Metric

__all__ = ["scalars"]


def scalars(
    results: Results,
    *,
    prefix: str = "val",
    function: Estimator = np.mean,
    policy: Policy | str = "mia",
    missing: Missing | None = None,
    infinite: Infinite | None = None,
    diagonals: Diagonals = None,
    metrics: Iterable[Metric] = (),
) -> dict[str, float]:
    """Return one number per metric and label under a name such as `val/DICE/liver`.

    For TensorBoard, MLflow and Weights and Biases, which group numbers by what stands before a slash.

    Args:
        results: A table.
        prefix: What every name begins with; nothing for "".
        function: From the values of all subjects to one number.
        policy: How undefined, infinite, missing and failed cases enter; as of `summarize`.
        missing: In place of the policy's.
        infinite: In place of the policy's.
        diagonals: As of `summarize`.
        metrics: As of `summarize`.

    Returns:
        Numbers by `prefix/METRIC/label`, in the order of the table; without the label where it is empty, and with the
        method behind the prefix where there are several. Slashes within a name become hyphens.

    Raises:
        TypeError: These are no results, the prefix is no text, or the function gives no number.
        ValueError: There are no results, or the policy does not fit (see `summarize`).

    Example:
        >>> from mia_functional.evaluation import Result
        >>> values = zip("AB", (0.7, 0.9), strict=True)
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=value) for name, value in values)
        >>> scalars(Results(rows=rows))
        {'val/DICE/liver': 0.8}
    """
    checks.require_instance("scalars", "prefix", prefix, str, "text")
    checks.require_callable("scalars", "function", function, "numpy.mean")
    name = getattr(function, "__name__", type(function).__name__)
    with checks.speaking_for("scalars", "summarize", functions="function"):
        statistics = summarize(
            results, functions={name: function}, policy=policy, missing=missing, infinite=infinite,
            diagonals=diagonals, metrics=metrics,
        )  # fmt: skip
    several = len({entry.method for entry in statistics}) > 1
    numbers = {}
    for entry in statistics:
        parts = (entry.method if several else "", entry.metric, entry.label)
        numbers["/".join(part for part in (prefix, *(part.replace("/", "-") for part in parts)) if part)] = entry.value
    return numbers
