"""The command `mia`: results on standard output, progress on standard error.

Exit status: 0 done, 1 some cases failed or a dataset is not what was written, 2 wrong usage or input, 130 interrupted.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import mia_functional as mia
from mia_functional._core import checks
from mia_functional.cli.check import CHECK_COMMAND
from mia_functional.cli.create import CREATE_COMMAND
from mia_functional.cli.demo import DEMO_COMMAND
from mia_functional.cli.evaluate import EVALUATE_COMMAND
from mia_functional.cli.info import INFO_COMMAND
from mia_functional.cli.metrics import METRICS_COMMAND
from mia_functional.cli.options import DONE, INTERRUPTED, WRONG_USAGE, Command, worded
from mia_functional.cli.plot import PLOT_COMMAND
from mia_functional.cli.report import REPORT_COMMAND
from mia_functional.cli.summarize import COMPARE_COMMAND, RANK_COMMAND, SUMMARIZE_COMMAND
from mia_functional.cli.verify import VERIFY_COMMAND

__all__ = ["COMMANDS", "main"]

# In the order of a first day with the command.
COMMANDS = (
    DEMO_COMMAND, CREATE_COMMAND, INFO_COMMAND, VERIFY_COMMAND, CHECK_COMMAND, EVALUATE_COMMAND, SUMMARIZE_COMMAND,
    COMPARE_COMMAND, RANK_COMMAND, REPORT_COMMAND, PLOT_COMMAND, METRICS_COMMAND,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (those of the process by default) and return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(words).parse_args(_positional_first(words))
    try:
        with ExitStack() as bars, warnings.catch_warnings():
            warnings.showwarning = partial(_print_note, options.command)
            options.bars, options.words, options.unfinished = bars, ["mia", *words], None
            status: int = options.run(options) or DONE
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, `head` say, has all it wanted. Python flushes once more at exit: that must not fail as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (ValueError, TypeError, OSError, ImportError) as error:
        for line in (checks.sentence_of(options.command, error), *getattr(error, "__notes__", ())):
            print(f"mia: {worded(line, options.command)}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        cure = "" if options.unfinished is None or not options.unfinished.exists() else "; `--resume` goes on"
        print(f"\nmia: interrupted{cure}.", file=sys.stderr)
        return INTERRUPTED
    return status


def _print_note(command: str, message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as one sentence above the progress bar, without the line of code that Python prints with it."""
    from tqdm import tqdm  # here, since it would double the time that `mia --help` takes

    tqdm.write(f"mia: note: {worded(str(message), command)}", file=sys.stderr)


def _positional_first(words: Sequence[str]) -> list[str]:
    """Return a command line on which no option swallows the positional arguments behind it.

    `--labels 1 2 predictions references` is what people type, and argparse takes all four for labels.
    """
    command = next((command for command in COMMANDS if list(words[:1]) == [command.name]), None)
    if command is None:
        return list(words)
    positional: list[str] = []
    rest: list[str] = []
    is_end: Callable[[str], bool] | None = None
    moves = False
    for word in words[1:]:
        if word.startswith("--"):
            is_end, moves = command.options.get(word, {}).get("until"), False
        # Whatever follows the first of them belongs with it.
        moves = moves or (is_end is not None and not word.startswith("--") and is_end(word))
        (positional if moves else rest).append(word)
    return [command.name, *positional, *rest]


def _usage_of(command: Command) -> str:
    """Return how to call a command, in one line: that of argparse has every option, and comes before every mistake."""
    words = ["mia", command.name, "[options]"]
    for name, settings in command.options.items():
        if not name.startswith("-"):
            word, number = settings.get("metavar", name), settings.get("nargs")
            words += {None: [word], "?": [f"[{word}]"], "*": [f"[{word} ...]"], "+": [word, f"[{word} ...]"]}[number]
    return " ".join(words)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the command line; the libraries are imported only when a command runs.

    Args:
        words: The command line. If it begins with a command, the parser knows no other: to note the options of all
            takes time.
    """
    parser = argparse.ArgumentParser(
        prog="mia", description="Medical images into networks, predictions back into volumes, metrics in millimetres."
    )
    parser.add_argument("--version", action="version", version=f"mia_functional {mia.__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in [command for command in COMMANDS if [command.name] == words[:1]] or COMMANDS:
        # "print the ..." becomes "Print the ...": unlike `capitalize`, this leaves the other letters as they are.
        description = f"{command.summary[0].upper()}{command.summary[1:]}."
        example = f"example: {command.example}" if command.example else None
        subparser = subparsers.add_parser(
            command.name, help=command.summary, description=description, epilog=example, usage=_usage_of(command)
        )
        subparser.set_defaults(run=command.run)
        for name, settings in command.options.items():
            subparser.add_argument(name, **{key: value for key, value in settings.items() if key != "until"})
    return parser
