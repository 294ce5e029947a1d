"""The command `mia`: results on standard output, progress on standard error.

Exit status: 0 done, 1 some cases failed or something is not as it should be, 2 wrong usage or input,
130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import mia_functional as mia
from mia_functional.typing import Progress

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process by default) and return the exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"mia {options.command}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print(f"\nmia {options.command}: interrupted; nothing was left under a final name.", file=sys.stderr)
        return INTERRUPTED
    return status


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; the libraries are imported only when a command runs."""
    root = argparse.ArgumentParser(
        prog="mia", description="Medical images into networks, predictions back into volumes, metrics in millimetres."
    )
    root.add_argument("--version", action="version", version=f"mia_functional {mia.__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="run the whole path on a synthetic cohort, in about half a minute")
    demo.add_argument("--output", type=Path, default=Path("mia-demo"), metavar="DIR", help="folder to write (mia-demo)")
    demo.add_argument("--seed", type=int, default=0, help="seed of the cohort and of the training (0)")
    demo.add_argument("--force", action="store_true", help="replace the folder if an earlier demo wrote it")
    demo.set_defaults(run=run_demo)
    return root


def bar(open_bars: ExitStack, title: str) -> Progress:
    """Return a progress function that draws a bar with a title on standard error, until the bars are closed."""
    from tqdm import tqdm

    style = "{desc:<26}{bar:24} {n_fmt}/{total_fmt} {postfix}"
    drawn = open_bars.enter_context(tqdm(total=0, desc=title, file=sys.stderr, leave=True, bar_format=style))

    def progress(done: int, total: int, name: str) -> None:
        drawn.total = total
        drawn.set_postfix_str("" if done == total else name, refresh=False)
        drawn.update(done - drawn.n)
        if done == total:
            drawn.close()

    return progress


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo, print its tables and say where its files are."""
    with ExitStack() as bars:
        start = partial(bar, bars)
        outcome = mia.demo.run(options.output, seed=options.seed, force=options.force, progress=start)
    print(outcome.table)
    print(f"\nEverything is in {outcome.folder}: {', '.join(outcome.files)}.")
    return DONE
