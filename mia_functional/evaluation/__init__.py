"""From predictions and references to one long table: values per subject, label and metric."""

import importlib
from typing import TYPE_CHECKING, Any

from mia_functional.evaluation.case_values import Case
from mia_functional.evaluation.cases import evaluate, evaluate_many
from mia_functional.evaluation.results import Result, Results, concatenate, select_rows

if TYPE_CHECKING:
    from mia_functional.evaluation.folder_checks import Finding, check_folders
    from mia_functional.evaluation.folders import evaluate_folders
    from mia_functional.evaluation.subject_tables import evaluate_table

__all__ = [
    "Case",
    "Finding",
    "Result",
    "Results",
    "check_folders",
    "concatenate",
    "evaluate",
    "evaluate_folders",
    "evaluate_many",
    "evaluate_table",
    "select_rows",
]

_LAZY = {
    "Finding": "folder_checks",
    "check_folders": "folder_checks",
    "evaluate_folders": "folders",
    "evaluate_table": "subject_tables",
}
"""Names that a module gives that reads files."""

_LAZY_MODULES = ("segment_files",)
"""Modules that the command reaches as `mia.evaluation.segment_files`."""

__dir__ = __all__.copy  # dir() shows what users may touch


def __getattr__(name: str) -> Any:
    """Import what reads files at its first use (PEP 562)."""
    # It loads discovery and the readers of every image format, a third of the time that importing this package would
    # take; evaluating arrays and reading tables need neither.
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    if name in _LAZY_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
