"""A table of results with all that a summary or a report has to deal with."""

import math

from mia_functional.evaluation import Result, Results


def row(subject, label, metric, value, **rest):
    """Return one value."""
    return Result(subject=subject, label=label, metric=metric, value=value, **rest)


TABLE = Results(
    rows=(
        row("Subject_2", "liver", "DICE", 0.5),
        row("Subject_2", "liver", "HDRFDST95", 3.25, unit="mm"),
        row("Subject_2", "tumour", "DICE", 1 / 3),
        row("Subject_2", "tumour", "HDRFDST95", 12.0, unit="mm"),
        row("Subject_10", "liver", "DICE", 0.9),
        row("Subject_10", "liver", "HDRFDST95", 1.0, unit="mm"),
        row("Subject_10", "tumour", "DICE", math.nan, reason="empty in the prediction and the reference"),
        row("Subject_10", "tumour", "HDRFDST95", math.inf, unit="mm", reason="empty in the prediction"),
    )
)
