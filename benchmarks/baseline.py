"""This checkout against another one: `python benchmarks/baseline.py PATH_OF_THE_OTHER [scene ...]`.

Each scene is run by three processes in turns, one that imports this checkout and two that import the other; the second
of these shows how far the other differs from itself on this machine, today. Printed are the medians of 7 turns and the
ratios: below 1 means that this checkout is faster. The last column is the ratio of the processor's time, which other
work on the machine changes less. The data are made from seeds and from nilearn's MNI152 maps.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

TURNS = 7
SPACING = (1.0, 1.0, 1.0)


def tissue() -> Any:
    """Return grey and white matter of MNI152 at 1 mm as labels, and a copy that is shifted and dilated."""
    import nilearn.datasets
    import numpy as np
    from scipy import ndimage

    matter = [nilearn.datasets.load_mni152_gm_template, nilearn.datasets.load_mni152_wm_template]
    grey, white = (np.asarray(load(resolution=1).dataobj).T > 0.4 for load in matter)
    labels = np.ascontiguousarray(np.where(white, 2, grey).astype(np.uint8))
    return labels, np.roll(ndimage.grey_dilation(labels, size=(2, 2, 2)), (2, -1, 1), (0, 1, 2))


def metric_scenes(mia: Any) -> dict[str, Callable[[], Any]]:
    """Return calls on pairs of masks, label maps and images."""
    import numpy as np

    m = mia.metrics
    first, second = tissue()
    rng = np.random.default_rng(0)
    many = [rng.integers(0, 105, (128, 128, 128), dtype=np.int16) for _ in range(2)]
    image = rng.random((128, 160, 128), dtype=np.float32)
    noisy = image + rng.normal(0, 0.1, image.shape).astype(np.float32)
    five = [
        np.where(array, array + 2 * (np.arange(array.shape[2]) > 90), 0).astype(np.uint8) for array in (first, second)
    ]
    return {
        "counts of masks": lambda: m.confusion_counts(first > 0, second > 0),
        "counts of 1 label": lambda: m.confusion_counts(first, second, labels=(1,)),
        "counts of 4 labels": lambda: m.confusion_counts(*five, labels=(1, 2, 3, 4)),
        "counts of 104 labels": lambda: m.confusion_counts(*many, labels=tuple(range(1, 105))),
        "confusion matrix": lambda: m.confusion_matrix(*five, labels=(0, 1, 2, 3, 4)),
        "dice from counts x 1000": partial(repeat, m.dice, m.confusion_counts(first > 0, second > 0), 1000),
        "moments": lambda: m.paired_moments(noisy, image),
        "SSIM": lambda: m.structural_similarity(noisy, image, data_range=1.0),
    }


def repeat(function: Callable[[Any], Any], argument: Any, count: int) -> None:
    """Call a function many times: what counts is its own cost."""
    for _ in range(count):
        function(argument)


def surface_metrics(mia: Any, pair: Any, spacing: tuple[float, ...], boundary: Any) -> Any:
    """Return all metrics that share surface distances."""
    m = mia.metrics
    distances = m.surface_distances(*pair, spacing=spacing, boundary=boundary)
    return (
        m.hausdorff_distance(distances, percentile=(95, 100)),
        m.average_symmetric_surface_distance(distances),
        m.mean_average_surface_distance(distances),
        m.normalized_surface_dice(distances, tolerance=(1.0, 2.0)),
    )


def distance_scenes(mia: Any) -> dict[str, Callable[[], Any]]:
    """Return calls on surfaces near and far."""
    import jax
    import numpy as np
    from scipy import ndimage

    m = mia.metrics
    first, second = (array == 2 for array in tissue())
    noise = [ndimage.gaussian_filter(np.random.default_rng(seed).random((160, 160, 160)), 6) for seed in (0, 1)]
    blobs = [array > np.quantile(array, 0.9) for array in noise]
    grid = np.indices((256, 256, 200)) - np.array([128, 128, 100]).reshape(3, 1, 1, 1)
    ellipsoid = sum((grid[axis] / radius) ** 2 for axis, radius in enumerate((20, 16, 12))) <= 1
    ellipsoids = ellipsoid, np.roll(ellipsoid, 2, 0)
    far = {count: (first, np.roll(first, count, 0)) for count in (15, 30)}
    jitted = jax.jit(partial(mia.morphology.distance_transform, spacing=SPACING))
    small = jax.numpy.asarray(blobs[0][:128, :128, :128])
    scenes = {"real pair": (first, second), "blobs": blobs, "ellipsoid": ellipsoids}
    scenes |= {f"{count} voxels apart": pair for count, pair in far.items()}
    calls: dict[str, Callable[[], Any]] = {}
    for name, pair in scenes.items():
        for boundary in (m.surfels, m.voxels):
            calls[f"{name}, {boundary.__name__}"] = partial(surface_metrics, mia, pair, SPACING, boundary)
    return calls | {
        "real pair, 1 x 1 x 5 mm": partial(surface_metrics, mia, (first, second), (1.0, 1.0, 5.0), m.surfels),
        "HD95 alone": lambda: m.hausdorff_distance(first, second, spacing=SPACING, percentile=95),
        "average distance": lambda: m.average_distance(first, second, spacing=SPACING),
        "boundary IoU": lambda: m.boundary_iou(first, second, spacing=SPACING),
        "Mahalanobis": lambda: m.mahalanobis_distance(first, second, spacing=SPACING),
        "distance transform": lambda: mia.morphology.distance_transform(first, spacing=SPACING),
        "distance transform, jitted": lambda: jax.block_until_ready(jitted(small)),
    }


def assembly_scenes(mia: Any) -> dict[str, Callable[[], Any]]:
    """Return calls that bring patches together, with NumPy, PyTorch and JAX."""
    import jax
    import numpy as np
    import torch

    a, indexing = mia.assembly, mia.indexing
    shape, patch = (181, 217, 181), (84, 84, 84)
    indices = indexing.patches(shape, patch, step=(48, 66, 48), boundary=indexing.shift)
    parts = np.random.default_rng(0).random((len(indices), *patch, 2), dtype=np.float32)
    tensors, on_device = torch.from_numpy(parts), jax.numpy.asarray(parts)
    slices = indexing.slices(shape, axis=(0, 1, 2))
    volume = np.random.default_rng(1).random((*shape, 2), dtype=np.float32)
    planes = [mia.extraction.extract(volume, index) for index in slices]
    on_jax = jax.numpy.asarray(volume[:128, :128, :128])
    assemble = jax.jit(lambda patches: a.assemble(patches, indices, shape))
    double = jax.jit(lambda batch: batch * 2)
    grid = indexing.patches(shape, (40, 40, 40))
    return {
        "mean": lambda: a.assemble(parts, indices, shape),
        "mean, Gaussian": lambda: a.assemble(parts, indices, shape, window=a.gaussian),
        "last": lambda: a.assemble(parts, indices, shape, reduction=a.last),
        "maximum": lambda: a.assemble(parts, indices, shape, reduction=a.maximum),
        "list of patches": lambda: a.assemble(list(parts), indices, shape),
        "torch, mean": lambda: a.assemble(tensors, indices, shape),
        "three planes": lambda: a.assemble(planes, slices, shape),
        "planes, streamed": lambda: sum(1 for _ in a.assemble_planes(parts, indices, shape)),
        "JAX, jitted": lambda: jax.block_until_ready(assemble(on_device)),
        "JAX, sliding window": lambda: jax.block_until_ready(
            a.sliding_window(double, on_jax, (64, 64, 64), batch_size=2)
        ),
        "extract patches": lambda: [mia.extraction.extract(volume, index) for index in indices],
        "extract with context": lambda: [mia.extraction.extract(volume, index, margin=8) for index in grid],
        "indices": lambda: list(indexing.patches(shape, (8, 8, 8), step=4)),
    }


def transform_scenes(mia: Any) -> dict[str, Callable[[], Any]]:
    """Return calls of transforms on the host and compiled."""
    import jax
    import numpy as np

    t = mia.transforms
    image = np.random.default_rng(0).random((96, 96, 96, 2), dtype=np.float32)
    draw = [[1.02, -0.14, 0.05], [0.15, 0.97, -0.08], [-0.04, 0.09, 1.01]], [0.5, -1.0, 0.25]
    jitted = jax.jit(lambda array: t.affine(array, *draw))
    on_device = jax.numpy.asarray(image)
    return {
        "affine": lambda: t.affine(image, *draw),
        "affine, jitted": lambda: jax.block_until_ready(jitted(on_device)),
        "blur": lambda: t.blur(image, 1.5),
        "standardize": lambda: t.standardize(image),
        "clip_percentile": lambda: t.clip_percentile(image, lower=1, upper=99),
        "flip": lambda: t.flip(image, (0, 2)),
        "crop_or_pad": lambda: t.crop_or_pad(image, (80, 128, 96)),
    }


def read_scenes(d: Any, data: Any, shape: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    """Return calls that read parts as in `loading.md`, at random places: new arrays, into an array, as samples."""
    import numpy as np

    rng = np.random.default_rng(1)
    extents = {"image": (1, shape), "patch": (16, (84, 84, 84))}
    extents |= {f"slice {'zyx'[axis]}": (60, (*shape[:axis], 0, *shape[axis + 1 :])) for axis in range(3)}
    calls: dict[str, Callable[[], Any]] = {}
    for name, (count, extent) in extents.items():
        places = []
        for _ in range(count):
            low = [
                int(rng.integers(max(size - length, 0) + (length > 0)))
                for size, length in zip(shape, extent, strict=True)
            ]
            pairs = zip(low, extent, strict=True)
            places.append(tuple(slice(start, start + length) if length else start for start, length in pairs))
        out = np.empty((*filter(None, extent), 2), np.float32)
        drawn = d.samples(data, indexing=lambda _, places=places: places, extract=("images",))
        calls[f"read, {name}"] = lambda p=places: [d.read(data, k % 4, "images", index=i) for k, i in enumerate(p)]
        calls[f"read(out=), {name}"] = lambda p=places, o=out: [
            d.read(data, k % 4, "images", index=i, out=o) for k, i in enumerate(p)
        ]
        calls[f"samples, {name}"] = lambda s=drawn, n=count: [s[k % 4 * n + k] for k in range(n)]
        if name == "patch":
            calls["one channel of a patch"] = lambda p=places: [
                d.read(data, k % 4, "images", index=i, entries="T2") for k, i in enumerate(p)
            ]
    return calls


def loading_scenes(mia: Any, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return calls that create and read a dataset of four subjects of 181 x 217 x 181 x 2, and one image file."""
    import numpy as np

    d, indexing, images = mia.dataset, mia.indexing, mia.images
    shape = (181, 217, 181)
    rng = np.random.default_rng(0)
    grid = mia.geometry.Geometry(shape=shape, spacing=SPACING)
    for subject in range(4):
        for name in ("T1", "T2"):
            images.write(folder / f"s{subject}_{name}.mha", rng.random(shape, dtype=np.float32), grid)
    smooth = np.round(rng.random(shape), 1).astype(np.float32)
    images.write(folder / "image.nii", smooth, grid)
    images.write(folder / "zipped.nii.gz", smooth, grid)
    patterns = {"images": {name: f"{{subject}}_{name}.mha" for name in ("T1", "T2")}}
    subjects = d.discover(folder, patterns)
    path = folder / "cohort.h5"
    d.create(path, subjects)
    data = d.open(path)
    slices = d.samples(data, indexing=indexing.slices, extract=("images",))
    patches = d.samples(data, indexing=partial(indexing.patches, patch_shape=(84, 84, 84)), extract=("images",))
    whole = d.samples(data, indexing=indexing.whole, extract=("images",))
    order = rng.permutation(len(slices))[:200].tolist()

    def batches() -> None:
        for low in range(0, 160, 32):
            d.collate([slices[position] for position in order[low : low + 32]])

    reads = read_scenes(d, data, shape)
    return reads | {
        "slices": lambda: [slices[position]["images"].sum() for position in order],
        "patches": lambda: [patches[position]["images"].sum() for position in range(0, len(patches), 4)],
        "whole volumes": lambda: [whole[position]["images"].sum() for position in range(4)],
        "batches of slices": batches,
        "prefetch": lambda: sum(1 for _ in d.prefetch(slices, batch_size=32)),
        "create": lambda: d.create(path, subjects, overwrite=True),
        "read .nii": lambda: images.read(folder / "image.nii"),
        "read .nii.gz": lambda: images.read(folder / "zipped.nii.gz"),
        "read .mha": lambda: images.read(folder / "s0_T1.mha"),
    }


ROOMS = {
    "metrics": metric_scenes,
    "distances": distance_scenes,
    "assembly": assembly_scenes,
    "transforms": transform_scenes,
    "loading": loading_scenes,
}


def work(room: str) -> None:
    """Make the scenes of a room, print their names, then time one call for every name that comes in."""
    import mia_functional as mia

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        scenes = ROOMS[room](mia, Path(folder)) if room == "loading" else ROOMS[room](mia)
        print(*scenes, sep="\t", file=sys.__stdout__, flush=True)
        for line in sys.stdin:
            call = scenes[line.strip()]
            begin, busy = time.perf_counter(), time.process_time()
            call()
            print(time.perf_counter() - begin, time.process_time() - busy, file=sys.__stdout__, flush=True)


@contextlib.contextmanager
def worker(room: str, checkout: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that imports a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, __file__, "--work", room]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def seconds(process: subprocess.Popen[str], scene: str) -> tuple[float, ...]:
    """Let a process run a scene once, and return how long it took, and how long the processor."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(scene, file=process.stdin, flush=True)
    return tuple(map(float, process.stdout.readline().split()))


def compare(room: str, other: Path, chosen: list[str]) -> None:
    """Print the ratios of a room's scenes."""
    here = Path(__file__).parents[1]
    with worker(room, here) as ours, worker(room, other) as first, worker(room, other) as second:
        processes = ours, first, second
        names = [process.stdout.readline().strip().split("\t") for process in processes if process.stdout]  # all ready
        for scene in names[0]:
            if chosen and not any(word in scene for word in chosen):
                continue
            for process in processes:
                seconds(process, scene)
            turns = [[seconds(process, scene) for process in processes] for _ in range(TURNS)]
            mine, base, again = (
                [statistics.median(values) for values in zip(*column, strict=True)]
                for column in zip(*turns, strict=True)
            )
            text = f"{room:<11}{scene:<28}{1e3 * mine[0]:9.2f}{1e3 * base[0]:9.2f}"
            print(
                f"{text}{mine[0] / base[0]:8.2f}{again[0] / base[0]:8.2f}{mine[1] / max(base[1], 1e-9):8.2f}",
                flush=True,
            )


def main(arguments: list[str]) -> None:
    """Compare with another checkout, in all rooms or in those that are named; words pick scenes."""
    other, *words = arguments
    rooms = [word for word in words if word in ROOMS] or list(ROOMS)
    print(f"{'room':<11}{'scene':<28}{'ours, ms':>9}{'other, ms':>9}{'ratio':>8}{'itself':>8}{'busy':>8}")
    for room in rooms:
        compare(room, Path(other).resolve(), [word for word in words if word not in ROOMS])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2])
    else:
        main(sys.argv[1:])
