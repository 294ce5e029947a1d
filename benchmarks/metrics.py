"""Speed of the metrics that need no distance, as ratios to peers measured in turn in one process.

`python benchmarks/metrics.py [--small] [--repeats N]`; needs the test extra. Peers (medpy, pymia, MONAI, torchmetrics)
take part if they are installed. Every line has what was measured, the times, the ratio and the bar that it has to keep.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np
from scipy.spatial import cKDTree
from skimage.metrics import structural_similarity as scikit_image

from mia_functional.metrics import (
    METRICS,
    confusion_counts,
    dice,
    find,
    gaussian_window,
    mean_squared_error,
    paired_moments,
    soft_confusion_counts,
    structural_similarity,
)

BRAIN, LARGE, SMALL = (197, 233, 189), (512, 512, 512), (64, 72, 60)
PEERS = ("medpy", "pymia", "monai", "torchmetrics")


def parcels(labels: int, shape: tuple[int, ...]) -> Any:
    """Return a label map: an ellipsoid in background 0, cut into `labels` - 1 regions around random points."""
    rng = np.random.default_rng(0)
    grid = np.meshgrid(*(np.linspace(-1.1, 1.1, size, dtype=np.float32) for size in shape), indexing="ij", sparse=True)
    inside = sum(axis**2 for axis in grid) < 1
    points = np.argwhere(inside)
    seeds = points[rng.choice(len(points), labels - 1, replace=False)]
    volume = np.zeros(shape, np.uint8)
    volume[inside] = cKDTree(seeds).query(points, workers=-1)[1] + 1
    return volume


def moved(reference: Any) -> Any:
    """Return a prediction: the reference, moved by a voxel or two."""
    return np.roll(reference, (2, -1, 1), (0, 1, 2))


def measure(functions: dict[str, Callable[[], Any]], repeats: int, pause: float = 0.0) -> dict[str, float]:
    """Return the shortest time of each function in milliseconds; they take turns, with a pause before each.

    The threads of some libraries go on spinning for a while, which a pause keeps from the next turn.
    """
    times = dict.fromkeys(functions, float("inf"))
    for turn in range(repeats + 1):
        for name, function in functions.items():
            time.sleep(pause)
            start = time.perf_counter()
            function()
            if turn:
                times[name] = min(times[name], 1e3 * (time.perf_counter() - start))
    return times


def report(what: str, times: dict[str, float], ours: str, other: str, bar: float) -> None:
    """Print one line: both times, how many times longer ours takes, and whether that keeps the bar."""
    ratio = times[ours] / times[other]
    kept = "kept" if ratio <= bar else "MISSED"
    print(f"| {what} | {times[ours]:.1f} | {times[other]:.1f} | {ratio:.3f} | {bar:.3f} | {kept} |", flush=True)


def chunked_bincount(prediction: Any, reference: Any, labels: int) -> Any:
    """Return the joint histogram of two label maps by `np.bincount` of codes, in chunks that stay in the cache."""
    kind = np.uint8 if labels <= 16 else np.uint16
    counts = np.zeros(labels * labels, np.int64)
    first, second = prediction.ravel(), reference.ravel()
    for start in range(0, first.size, 2**17):
        codes = first[start : start + 2**17].astype(kind) * kind(labels) + second[start : start + 2**17]
        counts += np.bincount(codes, minlength=counts.size)
    return counts


def counts(shape: tuple[int, ...], repeats: int) -> None:
    """Measure the counts of all labels, eager and jitted, and the metrics that follow from them."""
    for labels in (3, 5, 16, 105):
        reference = parcels(labels, shape)
        pair = moved(reference), reference
        function = partial(confusion_counts, labels=tuple(range(1, labels)))
        compiled, placed = jax.jit(function), [jax.device_put(array) for array in pair]
        functions = {
            "ours": partial(function, *pair),
            "bincount": partial(chunked_bincount, *pair, labels),
            "jit": lambda run=compiled, arrays=placed: jax.block_until_ready(run(*arrays)),
        }
        times = measure(functions, repeats)
        report(
            f"counts of {labels} labels / chunked bincount", times, "ours", "bincount", 0.75 if labels <= 16 else 1.1
        )
        report(f"jitted counts of {labels} labels / chunked bincount", times, "jit", "bincount", 2)
    rows = [row for row in METRICS if row.statistic is confusion_counts and not row.needs]
    record = function(*pair)
    times = measure({"ours": lambda: [row.function(record) for row in rows], "1 ms": lambda: time.sleep(1e-3)}, 20)
    times["1 ms"] = 1.0
    report(f"all {len(rows)} counting metrics of 104 labels / 1 ms", times, "ours", "1 ms", 1)


def peers(shape: tuple[int, ...], repeats: int) -> None:
    """Measure Dice of all labels against the peers that are installed."""
    reference = parcels(3, shape)
    prediction = moved(reference)
    functions: dict[str, Callable[[], Any]] = {"ours": partial(dice, prediction, reference, labels=(1, 2))}
    bars = {"medpy": 1.0, "pymia": 1 / 10, "monai": 1 / 25, "torchmetrics": 1 / 25}
    makers = {"medpy": with_medpy, "pymia": with_pymia, "monai": with_monai, "torchmetrics": with_torchmetrics}
    for name in PEERS:
        if find_spec(name) is None:
            print(f"| Dice: {name} is not installed | | | | | |")
        else:
            functions[name] = partial(makers[name](), prediction, reference)
    times = measure(functions, repeats, pause=0.3)
    values = {name: np.asarray(function(), dtype=float).ravel() for name, function in functions.items()}
    for name in functions.keys() - {"ours"}:
        np.testing.assert_allclose(values[name], values["ours"], rtol=1e-6)
    for name in [name for name in PEERS if name in functions]:
        report(f"Dice of 2 structures / {name}", times, "ours", name, bars[name])


def with_medpy() -> Callable[..., Any]:
    """Return medpy's Dice of both structures."""
    from medpy.metric.binary import dc

    return lambda p, r: [dc(p == label, r == label) for label in (1, 2)]


def with_pymia() -> Callable[..., Any]:
    """Return pymia's Dice of both structures."""
    from pymia.evaluation.metric.base import ConfusionMatrix
    from pymia.evaluation.metric.categorical import DiceCoefficient

    def one(p: Any, r: Any) -> float:
        metric = DiceCoefficient()
        metric.confusion_matrix = ConfusionMatrix(p.astype(np.uint8), r.astype(np.uint8))
        return float(metric.calculate())

    return lambda p, r: [one(p == label, r == label) for label in (1, 2)]


def with_monai() -> Callable[..., Any]:
    """Return MONAI's Dice of both structures."""
    import torch
    from monai.metrics.meandice import compute_dice

    def all_labels(p: Any, r: Any) -> Any:
        pair = [torch.from_numpy(np.stack([array == label for label in (1, 2)]))[None] for array in (p, r)]
        return compute_dice(*pair)

    return all_labels


def with_torchmetrics() -> Callable[..., Any]:
    """Return torchmetrics' Dice of both structures."""
    import torch
    from torchmetrics.functional.segmentation import dice_score

    def all_labels(p: Any, r: Any) -> Any:
        pair = [torch.from_numpy(array)[None].long() for array in (p, r)]
        return dice_score(*pair, num_classes=3, include_background=False, average="none", input_format="index")

    return all_labels


def memory(shape: tuple[int, ...]) -> None:
    """Measure the extra memory of the counts of a large volume, and their time against a chunked bincount."""
    reference = np.zeros(shape, np.uint8)
    reference[shape[0] // 8 : -shape[0] // 8, shape[1] // 6 : -shape[1] // 6] = np.arange(shape[2]) // 8 % 5
    prediction = moved(reference)
    function = partial(confusion_counts, prediction, reference, labels=(1, 2, 3, 4))
    times = measure({"ours": function, "bincount": partial(chunked_bincount, prediction, reference, 5)}, 2)
    report(f"counts of 5 labels, {shape[0]}^3 / chunked bincount", times, "ours", "bincount", 0.75)
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    report(f"extra memory of counts, {shape[0]}^3, in MB / 32 MB", {"ours": peak, "bar": 32.0}, "ours", "bar", 1)


def images(shape: tuple[int, ...], repeats: int) -> None:
    """Measure errors and correlations, and structural similarity."""
    rng = np.random.default_rng(0)
    six = [find(name) for name in ("R2", "MAE", "MSE", "RMSE", "NRMSE", "PSNR")]
    windows = {"uniform": (7, {}), "Gaussian": (gaussian_window(), {"gaussian_weights": True})}
    bars = {"uniform": (1 / 3, 1 / 8), "Gaussian": (1 / 2, 1 / 4)}
    for kind in (np.float32, np.float64):
        reference = rng.random(shape).astype(kind)
        prediction = (reference + 0.1 * rng.standard_normal(shape)).astype(kind)

        def together(p: Any = prediction, r: Any = reference) -> list[Any]:
            record = paired_moments(p, r)
            return [row.function(record) for row in six]

        def one_pass(p: Any = prediction, r: Any = reference) -> Any:
            return np.mean(np.square(p - r))

        times = measure({"ours": together, "numpy": one_pass}, repeats)
        name = np.dtype(kind).name
        report(f"six errors, {name} / mean(square(a - b))", times, "ours", "numpy", 2)
        for window, (ours, theirs) in windows.items():
            function = partial(structural_similarity, data_range=1.0, window=ours)
            compiled, placed = jax.jit(function), [jax.device_put(array) for array in (prediction, reference)]
            functions = {
                "ours": partial(function, prediction, reference),
                "scikit-image": partial(scikit_image, prediction, reference, data_range=1.0, **theirs),
                "jit": lambda run=compiled, arrays=placed: jax.block_until_ready(run(*arrays)),
            }
            times = measure(functions, max(1, repeats // 2))
            report(f"SSIM, {window}, {name} / scikit-image", times, "ours", "scikit-image", bars[window][0])
            report(f"jitted SSIM, {window}, {name} / scikit-image", times, "jit", "scikit-image", bars[window][1])


def programs(repeats: int) -> None:
    """Measure programs of `torch.compile` beside the same calls of eager PyTorch, after the first call."""
    import torch

    side = (64,) * 3
    masks, volumes = torch.rand(2, *side) > 0.5, torch.rand(2, *side)
    calls: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "Dice": (dice, tuple(masks)),
        "soft Dice": (lambda p, r: dice(soft_confusion_counts(p, r)), (volumes[0], masks[1])),
        "mean squared error": (mean_squared_error, tuple(volumes)),
        "SSIM": (partial(structural_similarity, data_range=1.0), tuple(volumes)),
    }
    for name, (function, arrays) in calls.items():
        compiled = torch.compile(function, fullgraph=True)
        rounds = [
            measure({"eager": partial(function, *arrays), "compiled": partial(compiled, *arrays)}, 1)
            for _ in range(max(7, repeats))
        ]
        middle = sorted(rounds, key=lambda times: times["compiled"] / times["eager"])[len(rounds) // 2]
        report(f"torch.compile of {name}, {side[0]}^3 / eager", middle, "compiled", "eager", 1.2)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small volumes, to see that everything runs")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the shortest time counts (5)")
    options = parser.parse_args()
    shape = SMALL if options.small else BRAIN
    print(f"Volumes of {' x '.join(map(str, shape))}; times in ms.\n")
    print("| what / beside what | ours | other | ratio | bar | |\n|---|---|---|---|---|---|")
    counts(shape, options.repeats)
    peers(shape, options.repeats)
    memory((128,) * 3 if options.small else LARGE)
    images(shape, options.repeats)
    programs(options.repeats)


if __name__ == "__main__":
    main()
