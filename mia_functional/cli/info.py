"""`mia info`: what is in a dataset."""

import mia_functional as mia
from mia_functional.cli.options import DATASET, Command

__all__ = ["INFO_COMMAND"]

INFO_COMMAND = Command(
    "info", "print what is in a dataset", lambda options: print(mia.dataset.info(mia.dataset.open(options.dataset))),
    DATASET, example="mia info cohort.h5",
)  # fmt: skip
