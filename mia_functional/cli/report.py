"""`mia report`: tables of results into a page to send."""

import json
from pathlib import Path

import mia_functional as mia
from mia_functional._core import checks
from mia_functional.cli.evaluate import by_method
from mia_functional.cli.options import COUNTING, Command, Options, read_tables

__all__ = ["REPORT_COMMAND"]


def _run_report(options: Options) -> None:
    """Write the page, and print where it is, or its numbers."""
    output = options.output or options.results[0].with_suffix(".html")
    if output.suffix.lower() not in (".html", ".htm"):
        checks.invalid_value("report", "--output", "end in .html", output)
    if output.exists() and not options.overwrite:
        raise FileExistsError(f"report: {output} exists already (`--overwrite` replaces it).")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"report: the folder {output.parent} does not exist.")
    results = read_tables(options, options.results, "results")
    predictions = options.predictions
    if predictions is not None:
        with checks.speaking_for("report", "evaluate"):
            predictions = by_method(predictions, options.methods)
    found = mia.reporting.write_html(
        output, results, title=options.title, baseline=options.baseline, policy=options.policy, missing=options.missing,
        infinite=options.infinite, diagonals=options.diagonal, level=options.level, predictions=predictions,
        references=options.references, overwrite=options.overwrite,
    )  # fmt: skip
    print(json.dumps(mia.reporting.json_files.plain_data(found), indent=1) if options.json else output)


REPORT_COMMAND = Command("report", "write a page about tables of results that needs nothing else", _run_report, {
    "results": {"nargs": "+", "type": Path, "help": "files that `mia evaluate` or pymia wrote"},
    "--output": {"type": Path, "metavar": "HTML", "help": "the page (beside the first table, named like it)"},
    "--overwrite": {"action": "store_true", "help": "replace a page that is there already"},
    "--title": {"default": "Evaluation report", "metavar": "TEXT", "help": "title of the page (Evaluation report)"},
    "--predictions": {"nargs": "+", "metavar": "FOLDER",
                      "help": "folders of the methods, to draw the worst cases; with --references"},
    "--references": {"metavar": "FOLDER", "help": "folder of the references"},
    "--methods": {"nargs": "+", "metavar": "NAME", "help": "methods of --predictions (the names of the folders)"},
    "--baseline": {"metavar": "METHOD", "help": "compare all others with this method (all pairs)"},
    "--level": {"type": float, "default": 0.95, "metavar": "SHARE", "help": "of the confidence intervals (0.95)"},
    **COUNTING,
    "--json": {"action": "store_true", "help": "print the numbers of the page as one JSON object, too"},
}, example="mia report results.csv --predictions net_a net_b --references references --output report.html")  # fmt: skip
