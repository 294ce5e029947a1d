"""Time of calibration bins against the three passes of NumPy that no way around them is known.

Run `python benchmarks/calibration.py`: 8.7 million voxels of four labels, CPU time of one process in turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from mia_functional.metrics import calibration_bins, expected_calibration_error, threshold_counts

BINS, SHAPE, LABELS, TURNS = 15, (181, 217, 221), (0, 1, 2, 3), 5


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of four labels, most of them near 0 or 1, and a label map."""
    rng = np.random.default_rng(0)
    scores = rng.random((*SHAPE, len(LABELS)), dtype=np.float32) ** 6
    return scores / scores.sum(axis=-1, keepdims=True), rng.integers(0, len(LABELS), SHAPE).astype(np.uint8)


def passes(probabilities: np.ndarray) -> None:
    """Compute the indices of bins of one width, count them, and add up the probabilities in them."""
    flat = probabilities.reshape(-1)
    indices = np.minimum((flat * BINS).astype(np.intp), BINS - 1)
    np.bincount(indices, minlength=BINS)
    np.bincount(indices, weights=flat, minlength=BINS)


def cpu_time(function: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    """Print the medians of all turns, and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    turns = parser.parse_args().turns
    probabilities, reference = scene()
    calls = {
        "indices, a plain and a weighted bincount": lambda: passes(probabilities),
        "calibration_bins of 4 labels": lambda: calibration_bins(probabilities, reference, labels=LABELS),
        "calibration_bins of top labels": lambda: calibration_bins(
            probabilities, reference, labels=LABELS, top_label=True
        ),
        "expected_calibration_error of one label": lambda: expected_calibration_error(
            probabilities[..., 1], reference == 1
        ),
        "threshold_counts at 201 thresholds": lambda: threshold_counts(probabilities, reference, labels=LABELS),
    }
    rounds = [{name: cpu_time(call) for name, call in calls.items()} for _ in range(turns)]
    first = next(iter(calls))
    print(f"{np.prod(SHAPE) / 1e6:.1f} million voxels, {len(LABELS)} labels, float32, {BINS} bins; {turns} turns")
    print("| call | CPU time, median | ratio, median | ratio, range |\n|---|---|---|---|")
    for name in calls:
        times, ratios = [one[name] for one in rounds], [one[name] / one[first] for one in rounds]
        span = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {name} | {statistics.median(times):.2f} s | {statistics.median(ratios):.2f} | {span} |")


if __name__ == "__main__":
    main()
