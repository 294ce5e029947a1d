"""What the commands share: their record, exit statuses, options, progress bars, and the wording of messages."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import mia_functional as mia
from mia_functional._core import checks
from mia_functional._core.processes import available_cores
from mia_functional.typing import Progress

if TYPE_CHECKING:
    from mia_functional.evaluation.results import Results

__all__ = [
    "AFFINE",
    "ALIGN",
    "COUNTING",
    "DATASET",
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "JOBS",
    "JSON",
    "SPACING",
    "WRONG_USAGE",
    "Command",
    "Options",
    "progress_bar",
    "read_tables",
    "worded",
]

# 130 is what shells report for a process that SIGINT ended: 128 + 2.
DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


Options: TypeAlias = argparse.Namespace
"""The options of a command, parsed.

Besides, `words` is the whole command line, `bars` closes progress bars, and a command sets `unfinished` to the path of
what it leaves behind for `--resume` if it is interrupted.
"""


class Command(NamedTuple):
    """One command of `mia`.

    Attributes:
        name: What users type after `mia`.
        summary: What it does, in a few words without capital and full stop.
        run: From the parsed options to the exit status; None says that it is done.
        options: Flags and positional arguments, each with what `add_argument` takes; and for flags with several words
            `until`, a function that says of a word whether it is none of them any more but a positional argument.
        example: A command line that its help ends with; a test runs it.
    """

    name: str
    summary: str
    run: Callable[[Options], int | None]
    options: Mapping[str, Mapping[str, Any]]
    example: str = ""


def _thread_count(text: str) -> int:
    """Return a number of threads."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _word_or_number(text: str) -> str | float:
    """Return a number, or the word that is none."""
    try:
        return float(text)
    except ValueError:
        return text


DATASET = {"dataset": {"type": Path, "help": "file that `mia create` or pymia wrote"}}
AFFINE = {"--affine": {"choices": ("sform", "qform"), "help": "pose that counts of NIfTI files that state two"}}
SPACING = {"--spacing": {"nargs": "+", "type": float, "metavar": "MM",
                         "help": "what DICOM series and .npy files do not state: millimetres along the axes of the "
                                 "array, for example 3 0.75 0.75 of slices, rows and columns"}}  # fmt: skip
ALIGN = {"--align": {"nargs": "?", "const": "reorient", "choices": ("reorient", "resample"),
                     "help": "bring images on other grids onto the first or the reference: flip and permute axes "
                             "(reorient), or interpolate where that does not suffice (resample)"}}  # fmt: skip
JOBS = {
    "--jobs": {
        "type": _thread_count,
        "default": available_cores(),
        "help": "how many work at the same time (as many as there are cores)",
    }
}

COUNTING: Mapping[str, Mapping[str, Any]] = {
    "--policy": {"default": "mia", "metavar": "NAME",
                 "help": "what undefined, infinite, missing and failed cases count as: mia, metrics_reloaded, monai, "
                         "nnunet, brats, pymia (mia: what is missing or failed counts as the worst value)"},
    "--missing": {"type": _word_or_number, "metavar": "WORD",
                  "help": "what missing and failed cases count as: worst, undefined, skip, error"},
    "--infinite": {"type": _word_or_number, "metavar": "WORD",
                   "help": "what infinite distances count as: keep, diagonal (of the reference), skip, or a number"},
    "--diagonal": {"type": float, "metavar": "MM",
                   "help": "from corner to corner of all references, where no record beside the table says it"},
}  # fmt: skip
"""What all commands have that count cases without a finite number."""

JSON = {"--json": {"action": "store_true", "help": "print one JSON object in place of a table"}}

_FILE_WORDING = {
    "affine": "--affine", "spacing": "--spacing", "spacing=(slices, rows, columns)": "--spacing SLICES ROWS COLUMNS",
}  # fmt: skip
_ALIGN_WORDING = {"align": "--align", 'align="reorient"': "--align", 'align="resample"': "--align resample"}

_COUNTING_WORDING = {
    "by": "--by",
    "policy": "--policy",
    "missing": "--missing",
    "infinite": "--infinite",
    "diagonals": "--diagonal",
    'missing="error"': "--missing error",
    'infinite="diagonal"': "--infinite diagonal",
}
_WORDING: Mapping[str, Mapping[str, str]] = {
    "create": {
        "path": "dataset",
        "subjects": "CATEGORY/ENTRY=PATTERN",
        "overwrite=True": "--overwrite",
        "resume=True": "--resume",
        **_ALIGN_WORDING,
    },
    "check_folders": {
        "labels": "--labels",
        "channels": "--channels",
        "missing=": "--missing",
        **_FILE_WORDING,
        **_ALIGN_WORDING,
    },
    "describe": {},
    "discover": {"patterns": "CATEGORY/ENTRY=PATTERN", "table": "--table", "columns": "--column", "roles": "--role"},
    "evaluate_folders": {
        "labels": "--labels",
        "channels": "--channels",
        "ignore": "--ignore",
        "metrics": "--metrics",
        "convention": "--convention",
        "probabilities": "--probabilities",
        "predictions={method: folder}": "--methods",
        "resume=True": "--resume",
        "journal": "--output",
        **_FILE_WORDING,
        **_ALIGN_WORDING,
    },
    "find": {},
    "open": {"path": "dataset"},
    "read": {"path": "CATEGORY/ENTRY=PATTERN", **_FILE_WORDING},
    "read_results": {"path": "results"},
    "read_runs": {"path": "results"},
    "run": {"folder": "--output", "seed": "--seed", "force=True": "--force"},
    "compare": {**_COUNTING_WORDING, "baseline": "--baseline"},
    "rank": {**_COUNTING_WORDING, "bootstraps": "--bootstraps"},
    "summarize": _COUNTING_WORDING,
    "select_rows": {"metric": "--metrics"},
    "plot_box": {"metric": "--metric"},
    "plot_overlay": {"point": "--point", "labels": "--labels"},
    "write_html": {
        "path": "--output",
        "baseline": "--baseline",
        "predictions": "--predictions",
        "references": "--references",
        "level": "--level",
        **{name: option for name, option in _COUNTING_WORDING.items() if name != "by"},
    },
    "traverse": {"subjects": "CATEGORY/ENTRY=PATTERN"},
    "write_results": {"path": "--output"},
    "write_runs": {"path": "--output"},
}
"""The functions behind the commands, and what their arguments are on the command line where they have another name.

Users of a command know its options alone, so a message of `discover` about `columns` becomes one about `--column`.
"""


def worded(text: str, command: str) -> str:
    """Return a message with the command and its options in place of a function and its arguments."""
    return checks.reworded(text, command, _WORDING, _WORDING.get(text.partition(":")[0], {}))


def read_tables(options: Options, paths: Sequence[Path], argument: str) -> "Results":
    """Return the rows of files of results as one table; `argument` is what the files are called in messages."""
    with checks.speaking_for(options.command, "concatenate", tables=argument):
        results: Results = mia.evaluation.concatenate([mia.reporting.read_results(path) for path in paths])
    return results


def progress_bar(options: Options, title: str) -> Progress:
    """Return a progress function that draws a bar with a title on standard error, until the command ends."""
    style = (
        "{desc:<26}{bar:24} {n_fmt}/{total_fmt} {remaining} left{postfix}"  # tqdm puts a comma before what is told last
    )
    begun, bar = time.time(), cast("Any", None)

    def progress(done: int, total: int, name: str) -> None:
        from tqdm import tqdm  # here: it takes as long to import as all commands, and workers need not wait for it

        nonlocal bar
        # Work goes on where nothing can be told, on a full disk say.
        with suppress(OSError):
            # Not before the first is done: a command that refuses its arguments would leave an empty bar behind.
            if bar is None:
                bar = tqdm(total=total, desc=title, file=sys.stderr, bar_format=style)
                bar.start_t = begun
                # The stack of `main` closes it after an error too, so that the message begins on a line of its own.
                options.bars.callback(close)
            bar.set_postfix_str("" if done == total else name, refresh=False)
            bar.update(done - bar.n)
            if done == total:
                bar.close()

    def close() -> None:
        with suppress(OSError):
            bar.close()

    return progress
