"""From predictions and references to one long table: values per subject, label and metric."""

from mia_functional.evaluation.cases import Case, evaluate, evaluate_many
from mia_functional.evaluation.folders import evaluate_folders
from mia_functional.evaluation.results import Failure, Result, Results, concatenate, select_rows

__all__ = [
    "Case",
    "Failure",
    "Result",
    "Results",
    "concatenate",
    "evaluate",
    "evaluate_folders",
    "evaluate_many",
    "select_rows",
]

__dir__ = __all__.copy  # dir() shows what users may touch
