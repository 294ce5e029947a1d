"""The command `mia`: results on standard output, progress on standard error.

Exit status: 0 done, 1 some cases failed or a dataset is not what was written, 2 wrong usage or input, 130 interrupted.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import mia_functional as mia
from mia_functional.cli.create import add_create
from mia_functional.cli.demo import add_demo
from mia_functional.cli.evaluate import add_evaluate
from mia_functional.cli.info import add_info
from mia_functional.cli.metrics import add_metrics
from mia_functional.cli.options import DONE, INTERRUPTED, WRONG_USAGE
from mia_functional.cli.summarize import add_summarize
from mia_functional.cli.verify import add_verify

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
