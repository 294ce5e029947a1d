"""Metrics of single lesions beside panoptica and MONAI, components beside SciPy, and the memory of matches.

    python benchmarks/instances.py [--panoptica PYTHON] [--turns N] [--small]

`PYTHON` is the interpreter of an environment with panoptica 2.1 (it wants an older NumPy than ours at times); it runs
beside this process and is called in turns with it, on the lesions in 512^3 once, as that takes most of a minute; MONAI
takes part if it is installed. Printed are medians of all turns and ratios. Euler characteristics and Betti numbers are
in `topology.py`.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy
from scipy import ndimage

from mia_functional.metrics import component_dice, instance_matches, instance_metrics
from mia_functional.morphology import connected_components

TURNS, WORKERS = 7, 1
METRICS = ("DICE", "JACRD", "ASSD", "HD95", "NSD@1mm")

PANOPTICA = """
import sys, time
import numpy as np
from panoptica import (
    ConnectedComponentsInstanceApproximator, InputType, Metric, NaiveThresholdMatching, Panoptica_Evaluator
)
if __name__ == "__main__":
    evaluator = Panoptica_Evaluator(
        InputType.SEMANTIC, ConnectedComponentsInstanceApproximator(), NaiveThresholdMatching(), global_metrics=[],
        instance_metrics=[Metric.DSC, Metric.IOU, Metric.ASSD, Metric.HD95, Metric.NSD],
    )
    for line in sys.stdin:
        pair = np.load(line.strip())
        start = time.perf_counter()
        found = evaluator.evaluate(
            pair["prediction"], pair["reference"], voxelspacing=tuple(pair["spacing"].tolist()), verbose=False
        )["ungrouped"]
        print("measured", time.perf_counter() - start, found.tp, found.sq_dsc, flush=True)
"""


class Scene(NamedTuple):
    """A pair of masks of lesions."""

    prediction: np.ndarray
    reference: np.ndarray
    spacing: tuple[float, ...]


def lesions(shape: tuple[int, ...], spacing: tuple[float, ...], count: int, missed: int, false: int) -> Scene:
    """Return balls of 3 to 8 mm, one in each of as many cells of a grid; those found are shifted by up to a voxel."""
    rng = np.random.default_rng(0)
    step, size = np.array(spacing), np.array(shape)
    side = int(np.ceil((count + false) ** (1 / 3)))
    cells = np.stack(np.unravel_index(rng.permutation(side**3)[: count + false], (side,) * 3), axis=1)
    pair = np.zeros((2, *shape), np.uint8)

    def paint(mask: np.ndarray, centre: np.ndarray, radius: float) -> None:
        first = np.maximum(np.floor(centre - radius / step), 0).astype(int)
        last = np.minimum(np.ceil(centre + radius / step) + 1, size).astype(int)
        box = tuple(map(slice, first, last))
        grid = np.ogrid[box]
        mask[box] |= sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, step, strict=True)) <= radius**2

    for number, cell in enumerate(cells):
        radius = rng.uniform(3, 8)
        room = np.maximum(size / side / 2 - radius / step - 2, 0)
        centre = (cell + 0.5) * size / side + rng.uniform(-1, 1, 3) * room
        if number < count:
            paint(pair[1], centre, radius)
        if number >= missed:
            paint(pair[0], centre + (rng.integers(-1, 2, 3) if number < count else 0), radius)
    return Scene(pair[0], pair[1], spacing)


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def medians(calls: dict[str, Callable[[], float]], turns: int) -> dict[str, float]:
    """Return the medians of calls, which return what they took, in turns that begin with each of them alike."""
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(turns):
        # What a call leaves in the caches and to its threads is for the next one to bear.
        for name in names if turn % 2 else reversed(names):
            times[name].append(calls[name]())
    return {name: statistics.median(values) for name, values in times.items()}


def line(what: str, ours: float, peer: str, theirs: float, bar: float) -> None:
    """Print a row of the table."""
    print(
        f"| {what} | {ours * 1e3:.1f} ms | {peer} | {theirs * 1e3:.1f} ms | {ours / theirs:.3f} | {bar} |", flush=True
    )


def beside_panoptica(python: str, scenes: dict[str, tuple[Scene, int, float]]) -> None:
    """Print how long five metrics of every lesion take, and how long panoptica takes."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "peer.py"
        script.write_text(PANOPTICA)
        command = [python, str(script)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            assert peer.stdin is not None
            assert peer.stdout is not None
            stdin, stdout = peer.stdin, peer.stdout

            def theirs(path: Path) -> float:
                stdin.write(f"{path}\n")
                stdin.flush()
                return next(float(text.split()[1]) for text in stdout if text.startswith("measured"))

            for number, (name, (scene, turns, bar)) in enumerate(scenes.items()):
                path = Path(folder) / f"{number}.npz"
                np.savez(path, **scene._asdict())
                ours = partial(instance_metrics, *scene[:2], spacing=scene.spacing, metrics=METRICS, workers=WORKERS)
                if turns > 1:
                    theirs(path)
                ours()
                # Beside a call that is made once, the median of three.
                repeats = 1 if turns > 1 else 3
                calls = {
                    "ours": lambda: statistics.median(seconds(ours) for _ in range(repeats)),  # noqa: B023
                    "panoptica": partial(theirs, path),
                }
                found = medians(calls, turns)
                line(f"five metrics of {name}", found["ours"], "panoptica", found["panoptica"], bar)
            stdin.close()


def beside_monai(name: str, scene: Scene, turns: int) -> None:
    """Print how long the Dice of every reference component in its Voronoi region takes, and how long MONAI takes."""
    if find_spec("monai") is None:
        print("MONAI is not installed.")
        return
    import torch
    from monai.metrics import DiceMetric

    # With two channels, of which the first is the background.
    tensors = [torch.as_tensor(np.stack([mask == 0, mask])[None].astype(np.float32)) for mask in scene[:2]]
    metric = DiceMetric(include_background=False, per_component=True)
    ours = partial(component_dice, *scene[:2], spacing=scene.spacing)
    ours()
    calls = {"ours": partial(seconds, ours), "MONAI": lambda: seconds(lambda: metric(*tensors))}
    found = medians(calls, turns)
    line(f"Dice per component of {name}", found["ours"], "MONAI", found["MONAI"], 0.05)


def finished(program: Callable[[Any], Any], array: Any) -> Any:
    """Return what a program of JAX returns, once it is there."""
    return jax.block_until_ready(program(array))


def components(scenes: dict[str, np.ndarray], turns: int) -> None:
    """Print how long components take, and how long SciPy takes."""
    for name, mask in scenes.items():
        for connectivity in (1, mask.ndim):
            structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
            find = partial(connected_components, connectivity=connectivity)
            program, array = jax.jit(find), jax.numpy.asarray(mask)
            jax.block_until_ready(program(array))
            scipys = partial(seconds, partial(ndimage.label, mask, structure=structure, output=np.int32))
            ours, jitted = partial(seconds, partial(find, mask)), partial(seconds, partial(finished, program, array))
            what = f"components of {name}, connectivity {connectivity}"
            # Not all three in turns: XLA's threads go on for a while, and would slow down what follows.
            for label, call, bar in ((what, ours, 1.0), (f"{what}, `jit`", jitted, 20.0)):
                found = medians({"SciPy": scipys, "ours": call}, turns)
                line(label, found["ours"], "SciPy", found["SciPy"], bar)


def memory(name: str, scene: Scene) -> None:
    """Print how many bytes a voxel `instance_matches` takes beyond its arguments."""
    for what, options, bar in (
        ("", {}, 4.5),
        (" as label maps", {"labels": (1,)}, 4.5),
        (" with `memory=2**26`", {"memory": 2**26}, 1.2),
        (" as label maps with `memory=2**26`", {"labels": (1,), "memory": 2**26}, 1.2),
    ):
        tracemalloc.start()
        instance_matches(*scene[:2], spacing=scene.spacing, **options)
        peak = tracemalloc.get_traced_memory()[1] / scene.reference.size
        tracemalloc.stop()
        print(f"| memory of `instance_matches` of {name}{what} | {peak:.2f} bytes a voxel | | | | {bar} |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panoptica", help="the interpreter of an environment with panoptica")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--small", action="store_true", help="without the lesions in 512^3")
    given = parser.parse_args()
    few = lesions((192, 192, 160), (1.0, 1.0, 1.5), 50, 8, 12)
    many = None if given.small else lesions((512,) * 3, (1.0,) * 3, 2000, 320, 480)
    names = "50 lesions in 192 x 192 x 160", "2,000 lesions in 512^3"
    print(f"NumPy {np.__version__}, SciPy {scipy.__version__}, JAX {jax.__version__}, {sys.platform}\n")
    print("| what | ours | beside | takes | ratio | at most |\n|---|---|---|---|---|---|")
    if given.panoptica:
        pairs = {names[0]: (few, given.turns, 0.5)} | ({} if many is None else {names[1]: (many, 1, 0.1)})
        beside_panoptica(given.panoptica, pairs)
    beside_monai(names[0], few, given.turns)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(128,) * 3), 2) > 0
    components({names[0]: few.reference != 0, "smooth noise in 128^3": noise}, given.turns)
    memory(*((names[0], few) if many is None else (names[1], many)))


if __name__ == "__main__":
    main()
