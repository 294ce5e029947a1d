"""Speed for `claims.py`: each function returns figures by the names of their claims, and runs in a process of its own.

A figure is how many times as long a peer takes as we do: medians of the ratios of up to seven turns, by the processor's
time and by the clock. Scenes and calls are those of the other scripts of this folder.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import mia_functional as mia

SECONDS = 120
"""A comparison begins no further turn after as many seconds, but for a third one."""


class Figure(NamedTuple):
    """What was measured: a number, and for ratios of the processor's time that by the clock."""

    value: float
    wall: float | None = None


Figures: TypeAlias = dict[str, Figure]
Calls: TypeAlias = dict[str, Callable[[], Any]]


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Return the processor's seconds and those of the clock that a call takes."""
    # Threads of libraries go on spinning for a while after a call.
    time.sleep(0.2)
    processor, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - processor, time.perf_counter() - wall


def times_as_long(calls: Calls) -> Figures:
    """Return how many times as long each call takes as the first one, all in turns."""
    ours, *peers = calls
    for call in calls.values():
        call()
    started, rounds = time.perf_counter(), []
    while len(rounds) < 3 or (len(rounds) < 7 and time.perf_counter() - started < SECONDS):
        rounds.append({name: timed(call) for name, call in calls.items()})
    figures = {}
    for name in peers:
        ratios = [[turn[name][kind] / turn[ours][kind] for turn in rounds] for kind in (0, 1)]
        figures[name] = Figure(*map(statistics.median, ratios))
    return figures


def named(prefix: str, figures: Figures) -> Figures:
    """Return figures with a word in front of their names."""
    return {f"{prefix} {name}": figure for name, figure in figures.items()}


def hausdorff_distances() -> Figures:
    """Time the 95th percentile of the Hausdorff distance of brain tissues."""
    import distances

    scene = distances.scenes()["real pair, 1 mm, both labels"]
    calls: Calls = {"ours": partial(distances.our_hd95, *scene, boundary=mia.metrics.surfels)}
    peers = {name: call for name, call in distances.HD95.items() if distances.has(name)}
    calls |= {distances.PEERS[name]: partial(call, *scene) for name, call in peers.items()}
    return named("HD95:", times_as_long(calls))


def boundary_metrics() -> Figures:
    """Time Dice, three distances and surface Dice of brain tissues together."""
    import distances

    scene = distances.scenes()["real pair, 1 mm, both labels"]
    calls: Calls = {"ours": partial(distances.ours, *scene, boundary=mia.metrics.surfels)}
    peers = {"surface_distance": distances.deepmind, "monai": distances.monai, "medpy": distances.medpy}
    calls |= {distances.PEERS[name]: partial(call, *scene) for name, call in peers.items() if distances.has(name)}
    return named("five metrics:", times_as_long(calls))


def dice() -> Figures:
    """Time Dice of two structures."""
    import metrics

    reference = metrics.parcels(3, metrics.BRAIN)
    pair = metrics.moved(reference), reference
    makers = {"medpy": metrics.with_medpy, "pymia": metrics.with_pymia, "monai": metrics.with_monai}
    calls: Calls = {"ours": partial(mia.metrics.dice, *pair, labels=(1, 2))}
    calls |= {name: partial(make(), *pair) for name, make in makers.items() if find_spec(name) is not None}
    return named("Dice:", times_as_long(calls))


def similarity() -> Figures:
    """Time structural similarity with a Gaussian window, in NumPy and as a program of JAX."""
    import jax
    import metrics

    rng = np.random.default_rng(0)
    reference = rng.random(metrics.BRAIN).astype(np.float32)
    prediction = (reference + 0.1 * rng.standard_normal(metrics.BRAIN)).astype(np.float32)
    function = partial(mia.metrics.structural_similarity, data_range=1.0, window=mia.metrics.gaussian_window())
    compiled, placed = jax.jit(function), [jax.device_put(array) for array in (prediction, reference)]
    theirs = partial(metrics.scikit_image, prediction, reference, data_range=1.0, gaussian_weights=True)
    programs: Calls = {"ours": lambda: jax.block_until_ready(compiled(*placed)), "scikit-image, jit": theirs}
    arrays: Calls = {"ours": partial(function, prediction, reference), "scikit-image": theirs}
    return named("SSIM:", times_as_long(arrays) | times_as_long(programs))


def windows() -> Figures:
    """Time the mean of windows that overlap by half, and a network over a volume, as programs of JAX."""
    import assembly
    import jax
    import jax.numpy as jnp

    figures: Figures = {}
    if assembly.has("torchio"):
        import torch

        parts = assembly.windows()
        tensors = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(part, -1, 0))) for part in parts]
        stack, sampler = jnp.asarray(parts), assembly.torchio_sampler()
        put = jax.jit(partial(mia.assembly.assemble, indices=assembly.GRID, shape=assembly.SHAPE))
        calls: Calls = {
            "ours": lambda: put(stack).block_until_ready(),
            "TorchIO": partial(assembly.in_torchio, tensors, sampler, "average", 2),
        }
        figures |= named("assembly:", times_as_long(calls))
    if assembly.has("monai", "torch"):
        import torch
        from monai.inferers import sliding_window_inference

        volume = np.random.default_rng(0).random((*assembly.SHAPE, assembly.CHANNELS), dtype=np.float32)
        options = {"patch_shape": assembly.PATCH, "step": assembly.STEP, "window": mia.assembly.gaussian}
        slide = jax.jit(partial(mia.assembly.sliding_window, lambda batch: batch, batch_size=4, **options))
        array, tensor = jnp.asarray(volume), torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, -1, 0)))[None]
        theirs = partial(sliding_window_inference, overlap=0.5, mode="gaussian")
        calls = {
            "ours": lambda: slide(array).block_until_ready(),
            "MONAI": lambda: theirs(tensor, assembly.PATCH, 4, lambda batch: batch),
        }
        figures |= named("sliding window:", times_as_long(calls))
    return figures


def lesions() -> Figures:
    """Time the Dice of every component in its region beside MONAI, and components beside SciPy."""
    import instances
    from scipy import ndimage

    scene = instances.lesions((192, 192, 160), (1.0, 1.0, 1.5), 50, 8, 12)
    mask, cross = scene.reference != 0, ndimage.generate_binary_structure(3, 3)
    calls: Calls = {
        "ours": partial(mia.morphology.connected_components, mask, connectivity=3),
        "SciPy": partial(ndimage.label, mask, structure=cross, output=np.int32),
    }
    figures = named("components:", times_as_long(calls))
    if find_spec("monai") is not None:
        import torch
        from monai.metrics import DiceMetric

        tensors = [torch.as_tensor(np.stack([mask == 0, mask])[None].astype(np.float32)) for mask in scene[:2]]
        metric = DiceMetric(include_background=False, per_component=True)
        ours = partial(mia.metrics.component_dice, *scene[:2], spacing=scene.spacing)
        figures |= named("component Dice:", times_as_long({"ours": ours, "MONAI": partial(metric, *tensors)}))
    return figures


def euler() -> Figures:
    """Time Euler characteristics of smooth noise."""
    import topology
    from skimage.measure import euler_number

    mask = topology.scenes()["smooth noise"]
    ours, theirs = partial(mia.metrics.euler_characteristic, mask), partial(euler_number, mask, 3)
    calls: Calls = {"ours": ours, "scikit-image": theirs}
    return named("Euler:", times_as_long(calls))


def warps() -> Figures:
    """Time affine maps and elastic deformations of an image and its labels."""
    import transforms

    figures: Figures = {}
    for name, row in (("affine:", transforms.affine_sample), ("elastic:", transforms.elastic_sample)):
        found = times_as_long(row())
        figures |= named(name, {peer.partition("'")[0]: figure for peer, figure in found.items()})
    return figures


def loading() -> Figures:
    """Time patches out of a dataset beside pymia and out of compressed files; smallest means, by the clock."""
    import loading as script

    script.COUNTS = {"patch": script.COUNTS["patch"]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mia.dataset.create(folder / "cohort.h5", script.prepare(folder))
        found = script.warm(folder, mia.dataset.open(folder / "cohort.h5"))["patch"]
    return {f"patch: {peer}": Figure(found[peer] / found["ours"]) for peer in ("pymia", ".nii.gz")}
