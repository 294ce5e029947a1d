"""`mia demo`: the whole path on a synthetic cohort."""

import argparse
from pathlib import Path
from typing import Any

import mia_functional as mia
from mia_functional.cli.options import DONE, bar, command
from mia_functional.typing import Progress


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
