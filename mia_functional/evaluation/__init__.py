"""From predictions and references to tables: values per subject and label, statistics over subjects, reports."""

from mia_functional.evaluation.evaluate import Case, evaluate, evaluate_many
from mia_functional.evaluation.folders import evaluate_folders
from mia_functional.evaluation.plotting import plot_overlay
from mia_functional.evaluation.reading import read_csv
from mia_functional.evaluation.reporting import (
    long,
    render_console,
    render_csv,
    render_markdown,
    statistics,
    summary,
    wide,
    write_csv,
    write_statistics_csv,
)
from mia_functional.evaluation.results import Failure, Result, Results, concatenate, select
from mia_functional.evaluation.statistics import Statistic, summarize

__all__ = [
    "Case",
    "Failure",
    "Result",
    "Results",
    "Statistic",
    "concatenate",
    "evaluate",
    "evaluate_folders",
    "evaluate_many",
    "long",
    "plot_overlay",
    "read_csv",
    "render_console",
    "render_csv",
    "render_markdown",
    "select",
    "statistics",
    "summarize",
    "summary",
    "wide",
    "write_csv",
    "write_statistics_csv",
]
