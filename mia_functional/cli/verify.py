"""`mia verify`: a dataset against its digests."""

import mia_functional as mia
from mia_functional.cli.options import DATASET, DONE, FAILED, Command, Options, progress_bar

__all__ = ["VERIFY_COMMAND"]


def _run_verify(options: Options) -> int:
    """Verify a dataset and print what is wrong with it."""
    data = mia.dataset.open(options.dataset)
    faults = mia.dataset.verify(data, progress=progress_bar(options, "Verifying"))
    print("\n".join(faults) or f"{options.dataset}: all {len(data)} subjects are what was written.")
    return FAILED if faults else DONE


VERIFY_COMMAND = Command(
    "verify", "check every bit of a dataset against its digests", _run_verify, DATASET, example="mia verify cohort.h5"
)
