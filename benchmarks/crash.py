"""What is left of a dataset when the process that makes it is killed: `python benchmarks/crash.py [TRIALS]`.

Runs the harness of the tests (`tests/dataset/killed.py`) 200 times, and for comparison kills a writer that keeps the
final file open, as pymia's does (`h5py`, mode `a`, `libver="latest"`).
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

HARNESS = Path(__file__).parents[1] / "tests" / "dataset" / "killed.py"


def ours(trials: int) -> list[dict[str, object]]:
    """Return what the harness says of every trial."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HARNESS), folder, str(trials)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(json.loads(result.stdout))


def plain_writer_unreadable(path: Path, delay: float) -> bool:
    """Kill a process that writes subjects into an open file; return whether the file cannot be opened any more."""
    child = os.fork()
    if child == 0:
        with h5py.File(path, "a", libver="latest") as file:
            for number in range(100):
                file[f"data/images/{number}"] = np.full((24, 24, 24, 2), number, np.float32)
                time.sleep(0.002)
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        with h5py.File(path) as file:
            list(file["data/images"])
    except (OSError, KeyError):
        return True
    return False


def main(trials: int) -> None:
    """Run both and print what happened."""
    found = ours(trials)
    there = sum(bool(trial["there"]) for trial in found)
    print(f"{trials} kills: {there} after the file had its name, {trials - there} before")
    print(f"unreadable under the final name: {sum(not trial['whole'] for trial in found)}")
    print(f"subjects that were done and lost: {sum(len(list(trial['lost'])) for trial in found)}")
    print(f"resumed to other bytes than an uninterrupted run: {sum(not trial['same'] for trial in found)}")
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        damaged = [
            plain_writer_unreadable(Path(folder, f"{k}.h5"), random.uniform(0.02, 0.2)) for k in range(trials // 10)
        ]
    print(f"a writer that keeps the final file open: unreadable {sum(damaged)} of {len(damaged)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
