"""How long files take to read, and how much memory, beside their own libraries: `python benchmarks/formats.py [NAME]`.

Each reading is a process of its own, which says how long the call took by the clock and by the processor, and by how
much its memory grew from when the packages were loaded to its peak. Readers take turns, and medians are printed.
"""

import importlib
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TURNS = 7

ROOT = Path(__file__).parents[1]


class Row(NamedTuple):
    """A file that is read by us and by a peer.

    Args:
        write: Writes the file into an empty folder, and returns its path.
        ours: Reads it into an array.
        peer: Reads it likewise.
        packages: What the peer is called, with the packages whose versions are printed first.
        modules: What is loaded before the clock starts.
    """

    write: Callable[[Path], Path]
    ours: Callable[[str], Any]
    peer: Callable[[str], Any]
    packages: tuple[str, ...]
    modules: tuple[str, ...]


def module(name: str) -> Any:
    """Return an imported package: only the process that reads a file loads what it needs."""
    return importlib.import_module(name)


def write_segments(folder: Path) -> Path:
    """Write 50 discs in each of 200 slices of 512 x 512 pixels, by highdicom, with all frames."""
    cases = module("tests.images.seg_cases")
    sources = cases.write_series(folder / "ct", (200, 512, 512))
    labels = np.zeros((200, 512, 512), np.uint8)
    rows, columns = np.mgrid[:512, :512]
    centres = [(45 + 70 * row, 35 + 62 * column) for row in range(7) for column in range(8)][:50]
    for number, (row, column) in enumerate(centres):
        distance = (rows - row) ** 2 + (columns - column) ** 2
        for position, plane in enumerate(labels):
            plane[distance < (15 + 14 * abs(np.sin(position / 30 + number))) ** 2] = number + 1
    path: Path = cases.write_by_highdicom(folder / "segments.dcm", sources, labels, omit_empty_frames=False)
    return path


ROWS = {
    "DICOM segmentation, 50 segments x 200 slices of 512^2, uint8": Row(
        write_segments,
        lambda path: module("mia_functional.images").read_segmentation(path).array,
        lambda path: module("highdicom").seg.segread(path).get_volume(combine_segments=True).array[::-1],
        ("highdicom", "pydicom"),
        ("mia_functional.images", "highdicom", "pydicom"),
    ),
}
"""By what is printed. The bounds of the project are in `formats.md`."""


def kilobytes(field: str) -> int:
    """Return a figure of this process's memory, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def measure(name: str, reader: str, path: str) -> dict[str, float]:
    """Return seconds by the clock and by the processor, megabytes of memory, and a checksum of what was read."""
    row = ROWS[name]
    for package in row.modules:
        module(package)
    # The peak of `getrusage` is that of the process that started this one, if it was larger.
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmHWM")
    clock, processor = time.perf_counter(), time.process_time()
    array = getattr(row, reader)(path)
    seconds = {"clock": time.perf_counter() - clock, "processor": time.process_time() - processor}
    gained = (kilobytes("VmHWM") - before) * 1024 / 1e6
    weights = np.arange(1, array.shape[0] + 1).reshape(-1, *[1] * (array.ndim - 1))
    return seconds | {"memory": gained, "array": array.nbytes / 1e6, "sum": float((array * weights).sum())}


def reading(name: str, reader: str, path: Path) -> dict[str, float]:
    """Return what another process measures."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__)), "--measure", name, reader, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(names: list[str]) -> None:
    """Print a table of all rows, or of those whose name begins with one of `names`."""
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, medians of {TURNS} turns\n")
    print(
        "| file | array (MB) | ours (s, by the processor) | peer | ratio (by the processor) | our memory (MB) | its |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, row in ROWS.items():
        if names and not any(name.startswith(start) for start in names):
            continue
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = row.write(Path(folder))
            turns = [[reading(name, reader, path) for reader in ("ours", "peer")] for _ in range(TURNS)]
        ours, peer = (
            {key: statistics.median(turn[side][key] for turn in turns) for key in turns[0][0]} for side in (0, 1)
        )
        if ours["sum"] != peer["sum"]:
            raise SystemExit(f"{name}: what is read differs")
        versions = ", ".join(f"{package} {module(package).__version__}" for package in row.packages)
        print(
            f"| {name} | {ours['array']:.0f} | {ours['clock']:.2f} ({ours['processor']:.2f}) | {versions}: "
            f"{peer['clock']:.2f} ({peer['processor']:.2f}) | {ours['clock'] / peer['clock']:.2f} "
            f"({ours['processor'] / peer['processor']:.2f}) | {ours['memory']:.0f} | {peer['memory']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(*sys.argv[2:5])))
    else:
        main(sys.argv[1:])
