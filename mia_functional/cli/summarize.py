"""`mia summarize`: statistics of a table of results."""

import json
from pathlib import Path

import mia_functional as mia
from mia_functional._core import checks
from mia_functional.cli.options import COUNTING, JSON, Command, Options

__all__ = ["SUMMARIZE_COMMAND"]


def _run_summarize(options: Options) -> None:
    """Summarize a table of results."""
    results = mia.reporting.read_results(options.results)
    statistics = mia.analysis.summarize(
        results, by=_columns(options), policy=options.policy, missing=options.missing, infinite=options.infinite,
        diagonals=options.diagonal,
    )  # fmt: skip
    if options.json:
        print(json.dumps(mia.reporting.json_files.plain_data({"statistics": statistics}), indent=1))
    else:
        print(mia.reporting.render_console(statistics))


def _columns(options: Options) -> list[object]:
    """Return the columns to group by: those of the table of subjects, and of the results."""
    rows: dict[str, dict[str, str]] = {} if options.table is None else mia.discovery.tables.table_rows(options.table)
    known = next(iter(rows.values()), {})
    if options.table is not None and not any(name in known for name in options.by):
        checks.invalid_value("summarize", "--by", f"name a column of {options.table}", ", ".join(options.by) or "none")
    return [
        {name: {subject: row[name] for subject, row in rows.items()}} if name in known else name for name in options.by
    ]


SUMMARIZE_COMMAND = Command("summarize", "print statistics of a table of results", _run_summarize, {
    "results": {"type": Path, "help": "file that `mia evaluate` or pymia wrote"},
    "--by": {"nargs": "+", "default": [], "metavar": "COLUMN",
             "help": "group by columns of the results or of --table, for example site sex"},
    "--table": {"type": Path, "metavar": "CSV", "help": "table of subjects, whose first column names them"},
    **COUNTING,
    **JSON,
})  # fmt: skip
