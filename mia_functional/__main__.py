"""The process of the command `mia`, which `python -m mia_functional` is, too."""

import os
import sys
from pathlib import Path

from mia_functional import cli
from mia_functional._core.processes import run_as_command


def run_command() -> int:
    """Run the command with the arguments of the process, which is its own, and return the exit status."""
    run_as_command()
    # Python has None for those that are closed, which neither bars of progress nor `print` expect.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
    return cli.main()


if __name__ == "__main__":
    sys.exit(run_command())
