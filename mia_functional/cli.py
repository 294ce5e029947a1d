"""The command `mia`: results on standard output, progress on standard error.

Exit status: 0 done, 1 some cases failed or a dataset is not what was written, 2 wrong usage or input, 130 interrupted.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional import _check
from mia_functional.typing import Label, Progress

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

OPTIONS = {"columns": "--column"} | {
    name: f"--{name}" for name in ("labels", "metrics", "overwrite", "resume", "seed", "table")
}
"""What arguments of functions, as messages name them, are on the command line, in commands that have them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process by default) and return the exit status."""
    options = parser().parse_args(arguments)
    try:
        with ExitStack() as bars:
            options.bars = bars
            status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (ValueError, TypeError, OSError, ImportError) as error:
        for line in (str(error), *getattr(error, "__notes__", ())):
            print(f"mia: {worded(line, options)}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print("\nmia: interrupted.", file=sys.stderr)
        return INTERRUPTED
    return status


def worded(text: str, options: argparse.Namespace) -> str:
    """Return a message with the options of the command in place of the arguments of functions."""

    def spelled(match: re.Match[str]) -> str:
        name = match["name"]
        return f"`{OPTIONS[name]}`" if name in OPTIONS and name in options else match[0]

    return re.sub("`(?P<name>[a-z_]+)(=True)?`", spelled, text)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; the libraries are imported only when a command runs."""
    root = argparse.ArgumentParser(
        prog="mia", description="Medical images into networks, predictions back into volumes, metrics in millimetres."
    )
    root.add_argument("--version", action="version", version=f"mia_functional {mia.__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (add_demo, add_create, add_info, add_verify, add_evaluate, add_summarize, add_metrics):
        add(commands)
    return root


def command(commands: Any, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    """Return the parser of a new command, whose name is that of the function that runs it."""
    name = run.__name__.removeprefix("run_")
    made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    made.set_defaults(run=run)
    return made


def add_demo(commands: Any) -> None:
    """Add `mia demo`."""
    demo = command(commands, run_demo, "run the whole path on a synthetic cohort, in less than a minute")
    demo.add_argument("--output", type=Path, default=Path("mia-demo"), metavar="DIR", help="folder to write (mia-demo)")
    demo.add_argument("--seed", type=int, default=0, help="seed of the cohort and of the training (0)")
    demo.add_argument("--force", action="store_true", help="replace the folder if an earlier demo wrote it")


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo, print its tables and say where its files are."""

    def stage(title: str) -> Progress:
        return bar(options, title)

    outcome = mia.demo.run(options.output, seed=options.seed, force=options.force, progress=stage)
    print(outcome.table)
    print(f"\nEverything is in {outcome.folder}: {', '.join(outcome.files)}.")
    return DONE


def add_create(commands: Any) -> None:
    """Add `mia create`."""
    create = command(commands, run_create, "make a dataset of a folder of images and a table")
    create.add_argument("dataset", type=Path, help="file to write, .h5")
    create.add_argument("root", type=Path, help="folder of the cohort")
    create.add_argument("entries", nargs="+", metavar="CATEGORY/ENTRY=PATTERN", type=entry,
                        help="for example images/T1={subject}/T1.nii.gz labels/GT={subject}/GT.nii.gz")  # fmt: skip
    create.add_argument("--table", type=Path, metavar="CSV", help="table of the subjects; the first column names them")
    create.add_argument("--column", action="append", default=[], type=entry, dest="columns",
                        metavar="CATEGORY/ENTRY=COLUMN", help="for example numerical/AGE=age")  # fmt: skip
    create.add_argument("--jobs", type=jobs, default=1, help="threads that read files (1)")
    create.add_argument("--overwrite", action="store_true", help="replace a dataset that is there")
    create.add_argument("--resume", action="store_true", help="go on where an interrupted run stopped")


def run_create(options: argparse.Namespace) -> int:
    """Create a dataset and describe it."""
    patterns, columns = nested(options.entries), nested(options.columns)
    subjects = mia.dataset.discover(options.root, patterns, table=options.table, columns=columns)
    with ThreadPoolExecutor(options.jobs) as pool:
        mia.dataset.create(
            options.dataset, subjects, executor=pool, progress=bar(options, "Creating dataset"),
            overwrite=options.overwrite, resume=options.resume,
        )  # fmt: skip
    print(mia.dataset.info(mia.dataset.open(options.dataset)))
    return DONE


def add_info(commands: Any) -> None:
    """Add `mia info`."""
    command(commands, run_info, "tell what is in a dataset").add_argument("dataset", type=Path)


def run_info(options: argparse.Namespace) -> int:
    """Describe a dataset."""
    print(mia.dataset.info(mia.dataset.open(options.dataset)))
    return DONE


def add_verify(commands: Any) -> None:
    """Add `mia verify`."""
    command(commands, run_verify, "check every bit of a dataset against its digests").add_argument("dataset", type=Path)


def run_verify(options: argparse.Namespace) -> int:
    """Verify a dataset and print what is wrong with it."""
    data = mia.dataset.open(options.dataset)
    faults = mia.dataset.verify(data, progress=bar(options, "Verifying"))
    print("\n".join(faults) or f"{options.dataset}: all {len(data)} subjects are what was written.")
    return FAILED if faults else DONE


def add_evaluate(commands: Any) -> None:
    """Add `mia evaluate`."""
    evaluate = command(commands, run_evaluate, "compare a folder of predictions with a folder of references")
    evaluate.add_argument("predictions", help="folder, or pattern such as results/{subject}_seg.nii.gz")
    evaluate.add_argument("references", help="likewise")
    evaluate.add_argument("--labels", nargs="+", type=label, default=[], metavar="LABEL[=NAME]",
                          help="labels, for example 1=liver 2=tumour 1+2=whole; without, images are masks")  # fmt: skip
    evaluate.add_argument("--metrics", nargs="+", default=["DICE", "HDRFDST95", "VOLSMTY"], metavar="METRIC",
                          help="names or abbreviations, see `mia metrics` (DICE HDRFDST95 VOLSMTY)")  # fmt: skip
    evaluate.add_argument("--output", type=Path, metavar="CSV", help="file to write the values to")
    evaluate.add_argument("--jobs", type=jobs, default=1, help="threads that evaluate (1)")


def run_evaluate(options: argparse.Namespace) -> int:
    """Evaluate two folders, print the tables, and say which subjects failed."""
    if options.output is not None and options.output.exists():
        raise FileExistsError(f"evaluate: {options.output} exists already.")
    with ThreadPoolExecutor(options.jobs) as pool:
        results = mia.evaluation.evaluate_folders(
            options.predictions, options.references, metrics=options.metrics, labels=dict(options.labels) or None,
            executor=pool, progress=bar(options, "Evaluating"),
        )  # fmt: skip
    if options.output is not None:
        mia.evaluation.write_csv(options.output, results)
    if len(results):
        print(mia.evaluation.render_console(results), end="\n\n")
        print(mia.evaluation.render_console(mia.evaluation.summarize(results)))
    for failure in results.failures:
        print(f"{failure.subject}: {failure.message}", file=sys.stderr)
    return FAILED if results.failures else DONE


def add_summarize(commands: Any) -> None:
    """Add `mia summarize`."""
    summarize = command(commands, run_summarize, "print mean and standard deviation of a table of results")
    summarize.add_argument("results", type=Path, help="CSV file that `mia evaluate` or pymia wrote")


def run_summarize(options: argparse.Namespace) -> int:
    """Summarize a table of results."""
    print(mia.evaluation.render_console(mia.evaluation.summarize(mia.evaluation.read_csv(options.results))))
    return DONE


def add_metrics(commands: Any) -> None:
    """Add `mia metrics`."""
    metrics = command(commands, run_metrics, "list the metrics, or tell all about one")
    metrics.add_argument("name", nargs="?", help="name, abbreviation or alias, for example HDRFDST95")


def run_metrics(options: argparse.Namespace) -> int:
    """List the metrics or describe one."""
    print(mia.metrics.listing() if options.name is None else mia.metrics.describe(options.name))
    return DONE


def entry(text: str) -> tuple[str, str, str]:
    """Return the category, the name and the pattern or column of an entry."""
    place, equals, value = text.partition("=")
    category, slash, name = place.partition("/")
    if not (equals and slash and category and name and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form CATEGORY/ENTRY=VALUE")
    return category, name, value


def nested(entries: Sequence[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    """Return entries as `discover` takes them: by category, then by name; refuse one that is given twice."""
    found: dict[str, dict[str, str]] = {}
    for category, name, value in entries:
        group = found.setdefault(category, {})
        if name in group:
            _check.invalid_value("create", f"{category}/{name}", "be given once", f"{group[name]} and {value}")
        group[name] = value
    return found


def jobs(text: str) -> int:
    """Return a number of threads."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def label(text: str) -> tuple[Label, str]:
    """Return a label, or the labels to merge, and the name: `1=liver`, `1+2=whole`, `3`."""
    values, _, name = text.partition("=")
    try:
        numbers = tuple(map(int, values.split("+")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form LABEL or LABEL=NAME") from None
    return numbers if len(numbers) > 1 else numbers[0], name or values


def bar(options: argparse.Namespace, title: str) -> Progress:
    """Return a progress function that draws a bar with a title on standard error, until the command ends."""
    from tqdm import tqdm

    style = "{desc:<26}{bar:24} {n_fmt}/{total_fmt} {postfix}"
    drawn = options.bars.enter_context(tqdm(total=0, desc=title, file=sys.stderr, bar_format=style))

    def progress(done: int, total: int, name: str) -> None:
        drawn.total = total
        drawn.set_postfix_str("" if done == total else name, refresh=False)
        drawn.update(done - drawn.n)
        if done == total:
            drawn.close()

    return progress
