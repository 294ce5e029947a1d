"""A table into what people read: files, tables for the console, Markdown and LaTeX, pictures, a page."""

from mia_functional.reporting.csv_files import read_csv, render_csv, write_csv
from mia_functional.reporting.excel_files import read_excel, write_excel
from mia_functional.reporting.html_report import write_html
from mia_functional.reporting.json_files import read_json, write_json
from mia_functional.reporting.overlays import plot_overlay
from mia_functional.reporting.parquet_files import read_parquet, write_parquet
from mia_functional.reporting.plots import (
    plot_bland_altman,
    plot_box,
    plot_curves,
    plot_ranking,
    plot_reliability,
)
from mia_functional.reporting.rendering import render_console, render_latex, render_markdown
from mia_functional.reporting.result_files import read_results, write_results
from mia_functional.reporting.run_files import read_runs, write_runs
from mia_functional.reporting.tables import (
    comparison_table,
    long_table,
    ranking_table,
    statistics_table,
    summary_table,
    wide_table,
)

__all__ = [
    "comparison_table",
    "long_table",
    "plot_bland_altman",
    "plot_box",
    "plot_curves",
    "plot_overlay",
    "plot_ranking",
    "plot_reliability",
    "ranking_table",
    "read_csv",
    "read_excel",
    "read_json",
    "read_parquet",
    "read_results",
    "read_runs",
    "render_console",
    "render_csv",
    "render_latex",
    "render_markdown",
    "statistics_table",
    "summary_table",
    "wide_table",
    "write_csv",
    "write_excel",
    "write_html",
    "write_json",
    "write_parquet",
    "write_results",
    "write_runs",
]

__dir__ = __all__.copy  # dir() shows what users may touch
