"""A table of results into statistics."""

from mia_functional.analysis.summary import Statistic, summarize

__all__ = ["Statistic", "summarize"]

__dir__ = __all__.copy  # dir() shows what users may touch
