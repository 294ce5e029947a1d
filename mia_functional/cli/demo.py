"""`mia demo`: the whole path on a synthetic cohort."""

from functools import partial
from pathlib import Path

import mia_functional as mia
from mia_functional.cli.options import Command, Options, progress_bar

__all__ = ["DEMO_COMMAND"]


def _run_demo(options: Options) -> None:
    """Run the demo, print its tables and say where its files are."""
    stages = partial(progress_bar, options)
    outcome = mia.demo.run(options.output, seed=options.seed, force=options.force, progress=stages)
    print(outcome.table)
    print(f"\nEverything is in {outcome.folder}: {', '.join(outcome.files)}.")


DEMO_COMMAND = Command("demo", "run the whole path on a synthetic cohort, in less than a minute", _run_demo, {
    "--output": {"type": Path, "default": Path("mia-demo"), "metavar": "DIR", "help": "folder to write (mia-demo)"},
    "--seed": {"type": int, "default": 0, "help": "seed of the cohort and of the training (0)"},
    "--force": {"action": "store_true", "help": "replace the folder if an earlier demo wrote it"},
}, example="mia demo --output heads --seed 1")  # fmt: skip
