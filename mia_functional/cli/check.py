"""`mia check`: folders of predictions and references, before hours are spent on them."""

import json

import mia_functional as mia
from mia_functional.cli.evaluate import EVALUATE_COMMAND, all_labels, by_method
from mia_functional.cli.options import DONE, FAILED, Command, Options, progress_bar, worded

__all__ = ["CHECK_COMMAND"]


def _run_check(options: Options) -> int:
    """Print what should be looked at."""
    from concurrent.futures import ThreadPoolExecutor  # here: it is a quarter of what `mia --help` would import

    with ThreadPoolExecutor(options.jobs) as pool:
        findings = mia.evaluation.check_folders(
            by_method(options.predictions, options.methods), options.references, labels=all_labels(options.labels),
            folder_layout=options.folder_layout, affine=options.affine, spacing=options.spacing, align=options.align,
            pixels=not options.headers_only, executor=pool, progress=progress_bar(options, "Checking"),
        )  # fmt: skip
    # In the words of the command, whoever reads them.
    said = [entry._replace(message=worded(f"check_folders: {entry.message}", "")[2:]) for entry in findings]
    if options.json:
        print(json.dumps({"findings": [entry._asdict() for entry in said]}, indent=1))
    else:
        lines = [f"{entry.path}: {entry.message}." for entry in said]
        print("\n".join(lines) or "Nothing was found that should be looked at.")
    return FAILED if findings else DONE


_SHARED = (
    "predictions",
    "references",
    "--methods",
    "--labels",
    "--folder-layout",
    "--affine",
    "--spacing",
    "--align",
    "--jobs",
)
"""Options that mean what they mean in `mia evaluate`."""

_SUMMARY = "look for mistakes in folders of predictions and references before they are evaluated"
CHECK_COMMAND = Command("check", _SUMMARY, _run_check, {
    **{name: EVALUATE_COMMAND.options[name] for name in _SHARED},
    "--headers-only": {"action": "store_true", "help": "read no pixels: pairs and headers alone"},
    "--json": {"action": "store_true", "help": "print the findings as JSON"},
}, example="mia check net_a net_b references --labels 1=cube 2=edge")  # fmt: skip
