"""A table of results into statistics: summaries, intervals, comparisons, rankings, and the cases to look at."""

from mia_functional.analysis.comparison import Comparison, compare
from mia_functional.analysis.intervals import Interval, interval
from mia_functional.analysis.monitoring import scalars
from mia_functional.analysis.policies import POLICIES, Policy
from mia_functional.analysis.ranking import Rank, Ranking, rank
from mia_functional.analysis.rater_agreement import BlandAltman, bland_altman, intraclass_correlations
from mia_functional.analysis.summary import Statistic, summarize
from mia_functional.analysis.worst_cases import Extremes, worst

__all__ = [
    "POLICIES",
    "BlandAltman",
    "Comparison",
    "Extremes",
    "Interval",
    "Policy",
    "Rank",
    "Ranking",
    "Statistic",
    "bland_altman",
    "compare",
    "interval",
    "intraclass_correlations",
    "rank",
    "scalars",
    "summarize",
    "worst",
]

__dir__ = __all__.copy  # dir() shows what users may touch
