"""`mia info`: what is in a dataset."""

import mia_functional as mia
from mia_functional.cli.options import DATASET, Command, Options

__all__ = ["INFO_COMMAND"]


def _run_info(options: Options) -> None:
    """Describe a dataset."""
    print(mia.dataset.info(mia.dataset.open(options.dataset)))


INFO_COMMAND = Command("info", "print what is in a dataset", _run_info, DATASET)
