"""What the commands share: exit statuses, kinds of arguments, progress bars."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from mia_functional.typing import Progress

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def command(commands: Any, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    """Return the parser of a new command, whose name is that of the function that runs it."""
    name = run.__name__.removeprefix("run_")
    made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    made.set_defaults(run=run)
    return made


def jobs(text: str) -> int:
    """Return a number of threads."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


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
