"""A table into what people read: CSV files, tables for the console and in Markdown, pictures."""

from mia_functional.reporting.csv_files import read_csv, render_csv, write_csv
from mia_functional.reporting.plots import plot_overlay
from mia_functional.reporting.rendering import render_console, render_markdown
from mia_functional.reporting.run_files import read_runs, write_runs
from mia_functional.reporting.tables import long_table, statistics_table, summary_table, wide_table

__all__ = [
    "long_table",
    "plot_overlay",
    "read_csv",
    "read_runs",
    "render_console",
    "render_csv",
    "render_markdown",
    "statistics_table",
    "summary_table",
    "wide_table",
    "write_csv",
    "write_runs",
]

__dir__ = __all__.copy  # dir() shows what users may touch
