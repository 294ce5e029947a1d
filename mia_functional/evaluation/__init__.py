"""From predictions and references to one long table: values per subject, label and metric."""

import importlib
from typing import TYPE_CHECKING, Any

from mia_functional.evaluation.cases import Case, evaluate, evaluate_many
from mia_functional.evaluation.results import Result, Results, concatenate, select_rows

if TYPE_CHECKING:
    from mia_functional.evaluation.folders import evaluate_folders

__all__ = [
    "Case",
    "Result",
    "Results",
    "concatenate",
    "evaluate",
    "evaluate_folders",
    "evaluate_many",
    "select_rows",
]

__dir__ = __all__.copy  # dir() shows what users may touch


def __getattr__(name: str) -> Any:
    """Import `evaluate_folders` at its first use (PEP 562)."""
    # It loads discovery and the readers of every image format, a third of the time that importing this package would
    # take; evaluating arrays and reading tables need neither.
    if name == "evaluate_folders":
        return importlib.import_module(f"{__name__}.folders").evaluate_folders
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
