"""`mia evaluate`: a folder of predictions against a folder of references."""

import argparse
import sys
from pathlib import Path

import mia_functional as mia
from mia_functional._core import checks
from mia_functional.cli.options import (
    AFFINE,
    ALIGN,
    DONE,
    FAILED,
    JOBS,
    SPACING,
    Command,
    Options,
    progress_bar,
    worded,
)
from mia_functional.typing import Label

__all__ = ["EVALUATE_COMMAND"]


def _run_evaluate(options: Options) -> int:
    """Evaluate two folders, print the tables, and say which subjects failed."""
    from concurrent import futures  # here: it is a quarter of what `mia --help` would import

    # `write_csv` would say so too, but after an evaluation that may take hours.
    if options.output is not None and options.output.exists():
        raise FileExistsError(f"evaluate: {options.output} exists already.")
    if options.output is not None and not options.output.absolute().parent.is_dir():
        raise FileNotFoundError(f"evaluate: the folder {options.output.parent} does not exist.")
    names = [name for _, name in options.labels]
    # In a dictionary the second would silently replace the first.
    if len(dict(options.labels)) < len(names) or len(set(names)) < len(names):
        checks.invalid_value("evaluate", "--labels", "name every label and every structure once", names)
    with futures.ThreadPoolExecutor(options.jobs) as pool:
        results = mia.evaluation.evaluate_folders(
            options.predictions, options.references, metrics=options.metrics, labels=dict(options.labels) or None,
            affine=options.affine, spacing=options.spacing, align=options.align, executor=pool,
            progress=progress_bar(options, "Evaluating"),
        )  # fmt: skip
    if options.output is not None:
        mia.reporting.write_csv(options.output, results)
    print(mia.reporting.render_console(results, layout=mia.reporting.wide_table), end="\n\n")
    print(mia.reporting.render_console(mia.analysis.summarize(results)))
    # Once for all labels and metrics of a case.
    lacking = [(row.method, row.subject, row.reason) for row in results if row.status in ("failed", "missing")]
    for method, subject, reason in dict.fromkeys(lacking):
        prefix = f"{method}, " if len({row.method for row in results}) > 1 else ""
        print(f"{prefix}{subject}: {worded(reason, 'evaluate')}", file=sys.stderr)
    return FAILED if lacking else DONE


def _label(text: str) -> tuple[Label, str]:
    """Return a label, or the labels to merge, and the name: `1=liver`, `1+2=whole`, `3`."""
    values, _, name = text.partition("=")
    try:
        numbers = tuple(map(int, values.split("+")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form LABEL or LABEL=NAME") from None
    return numbers if len(numbers) > 1 else numbers[0], name or values


EVALUATE_COMMAND = Command("evaluate", "compare a folder of predictions with a folder of references", _run_evaluate, {
    "predictions": {"help": "folder, or pattern such as results/{subject}_seg.nii.gz"},
    "references": {"help": "likewise"},
    "--labels": {"nargs": "+", "type": _label, "default": [], "metavar": "LABEL[=NAME]",
                 "help": "labels, for example 1=liver 2=tumour 1+2=whole; without, images are masks"},
    "--metrics": {"nargs": "+", "default": ["DICE", "HDRFDST95", "VOLSMTY"], "metavar": "METRIC",
                  "help": "names or abbreviations, see `mia metrics` (DICE HDRFDST95 VOLSMTY)"},
    "--output": {"type": Path, "metavar": "CSV", "help": "file to write the values to"},
    **AFFINE,
    **SPACING,
    **ALIGN,
    **JOBS,
})  # fmt: skip
