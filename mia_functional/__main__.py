"""The process of the command `mia`, which `python -m mia_functional` is, too."""

import sys

from mia_functional import cli
from mia_functional._core.processes import run_as_command


def run_command() -> int:
    """Run the command with the arguments of the process, which is its own, and return the exit status."""
    run_as_command()
    return cli.main()


if __name__ == "__main__":
    sys.exit(run_command())
