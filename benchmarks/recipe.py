"""The whole recipe of a training: patches of a dataset, augmented by two workers, in batches, beside other libraries.

    python benchmarks/recipe.py [--turns N] [--threads] [name ...]

Flip, affine map, elastic deformation, bias field, gamma and noise, each of them on every patch of 96^3 voxels, two
channels in float32 and labels in uint8. Beside ours: TorchIO's `Queue` with its transforms, MONAI's `CacheDataset`
with `RandSpatialCropSamplesd` and its transforms, and transforms of batchgeneratorsv2 (which have a gradient of
brightness in place of a bias field, and one interpolation for rotation, scale and deformation) on patches cut from
arrays in memory maps. Each keeps two worker processes, gives batches of two patches of four per volume, and takes turns
with the rest; the first epoch is not counted. `--threads` adds our `prefetch` with two threads. Printed are medians of
wall time, and of the processor's time of all processes, per patch.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from mia_functional import dataset, images, indexing, transforms
from mia_functional.adapters import torch as torch_adapter
from mia_functional.geometry import Geometry

SHAPE, PATCH, SUBJECTS, PER_VOLUME, BATCH, WORKERS = (160, 176, 144), 96, 4, 4, 2, 2
PATCHES = SUBJECTS * PER_VOLUME
GRID = Geometry(shape=SHAPE, spacing=(1.0, 1.0, 1.0))

Epoch = Callable[[], Iterator[Any]]
"""Starts an epoch of batches, whose images are `(2, channel, z, y, x)` or channels-last."""

BOTH = ("images", "labels")

AUGMENT = transforms.compose(
    transforms.randomly(BOTH, partial(transforms.random_flip, probability=0.5), transforms.flip),
    transforms.randomly(BOTH, transforms.random_affine, transforms.affine, rotation=10.0, scale=0.1),
    transforms.randomly(BOTH, transforms.random_elastic, transforms.elastic, points=7, sigma=2.0),
    transforms.randomly("images", transforms.random_bias_field, transforms.bias_field),
    transforms.randomly("images", transforms.random_gamma, transforms.gamma, max_change=0.3),
    transforms.randomly("images", transforms.random_noise, transforms.noise, sigma=(0.0, 0.1)),
)


def prepare(folder: Path) -> None:
    """Write the volumes as image files, and as memory maps for libraries that cut patches from those."""
    rng = np.random.default_rng(0)
    for number in range(SUBJECTS):
        smooth = [ndimage.gaussian_filter(rng.normal(size=SHAPE), 4).astype(np.float32) for _ in "12"]
        labels = np.digitize(smooth[0], np.quantile(smooth[0], (0.5, 0.75, 0.9))).astype(np.uint8)
        for name, array in (("T1", smooth[0]), ("T2", smooth[1]), ("GT", labels)):
            images.write(folder / f"{number}_{name}.nii", array, GRID)
        np.save(folder / f"{number}_images.npy", np.stack(smooth))
        np.save(folder / f"{number}_labels.npy", labels[np.newaxis])


def random_boxes(rng: np.random.Generator, shape: Any) -> Any:
    """Return patches at random places."""
    return indexing.random_patches(rng, shape, (PATCH,) * 3, count=PER_VOLUME)


def our_samples(folder: Path) -> dataset.Samples:
    """Make a dataset, and return its patches."""
    patterns = {
        "images": {name: f"{{subject}}_{name}.nii" for name in ("T1", "T2")},
        "labels": {"GT": "{subject}_GT.nii"},
    }
    if not (folder / "cohort.h5").exists():
        dataset.create(folder / "cohort.h5", dataset.discover(folder, patterns))
    drawn = dataset.RandomIndexing(function=random_boxes)
    return dataset.samples(dataset.open(folder / "cohort.h5"), indexing=drawn, extract=BOTH, transform=AUGMENT)


def ours(folder: Path) -> Epoch:
    """Our loader of PyTorch."""
    loader = torch_adapter.loader(our_samples(folder), batch_size=BATCH, shuffle=True, workers=WORKERS)
    return lambda: (batch["images"] for batch in loader)


def ours_in_threads(folder: Path) -> Epoch:
    """Our threads."""
    batches = dataset.prefetch(our_samples(folder), batch_size=BATCH, workers=WORKERS, rng=np.random.default_rng(0))
    return lambda: (batch["images"] for batch in batches)


def torchio_queue(folder: Path) -> Epoch:
    """TorchIO transforms whole volumes, of which its queue draws patches."""
    import torchio as tio

    recipe = tio.Compose([
        tio.RandomFlip(axes=(0, 1, 2), flip_probability=0.5), tio.RandomAffine(scales=0.1, degrees=10),
        tio.RandomElasticDeformation(num_control_points=7, max_displacement=6, locked_borders=0),
        tio.RandomBiasField(), tio.RandomGamma(log_gamma=0.3), tio.RandomNoise(std=(0, 0.1)),
    ])  # fmt: skip
    people = [
        tio.Subject(
            images=tio.ScalarImage([folder / f"{number}_{name}.nii" for name in ("T1", "T2")]),
            labels=tio.LabelMap(folder / f"{number}_GT.nii"),
        )
        for number in range(SUBJECTS)
    ]
    queue = tio.Queue(
        tio.SubjectsDataset(people, transform=recipe),
        PATCHES,
        PER_VOLUME,
        tio.UniformSampler(PATCH),
        num_workers=WORKERS,
    )
    loader = tio.SubjectsLoader(queue, batch_size=BATCH, num_workers=0)
    return lambda: (batch["images"]["data"] for batch in loader)


def monai_cache(folder: Path) -> Epoch:
    """MONAI reads the volumes once, and transforms patches of them."""
    from monai import data
    from monai import transforms as mt

    linear_and_nearest = ("bilinear", "nearest")
    recipe = mt.Compose([
        mt.LoadImaged(BOTH), mt.EnsureChannelFirstd(BOTH),
        mt.RandSpatialCropSamplesd(BOTH, (PATCH,) * 3, PER_VOLUME, random_size=False),
        *(mt.RandFlipd(BOTH, prob=0.5, spatial_axis=axis) for axis in range(3)),
        mt.RandAffined(BOTH, prob=1, rotate_range=(0.17,) * 3, scale_range=(0.1,) * 3, mode=linear_and_nearest),
        mt.Rand3DElasticd(BOTH, (5, 7), (50, 150), prob=1, mode=linear_and_nearest),
        mt.RandBiasFieldd("images", prob=1), mt.RandAdjustContrastd("images", prob=1, gamma=(0.7, 1.4)),
        mt.RandGaussianNoised("images", prob=1, std=0.1),
    ])  # fmt: skip
    files = [
        {
            "images": [str(folder / f"{number}_{name}.nii") for name in ("T1", "T2")],
            "labels": str(folder / f"{number}_GT.nii"),
        }
        for number in range(SUBJECTS)
    ]
    cached = data.CacheDataset(files, recipe, progress=False)
    # Each item is a list of patches, so that one of them makes two batches.
    loader = data.DataLoader(cached, batch_size=1, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    return lambda: (half for batch in loader for half in torch.split(batch["images"], BATCH))


class Patches(torch.utils.data.Dataset):
    """Random patches of arrays in memory maps, transformed."""

    def __init__(self, folder: Path, recipe: Any) -> None:
        """Keep where the arrays are."""
        self.folder, self.recipe = folder, recipe

    def __len__(self) -> int:
        """Return the number of patches of an epoch."""
        return PATCHES

    def __getitem__(self, position: int) -> Any:
        """Return a patch."""
        low = [int(torch.randint(size - PATCH + 1, ())) for size in SHAPE]
        box = (slice(None), *(slice(start, start + PATCH) for start in low))
        arrays = [
            np.load(self.folder / f"{position // PER_VOLUME}_{name}.npy", mmap_mode="r")[box].copy() for name in BOTH
        ]
        image, labels = map(torch.from_numpy, arrays)
        return self.recipe(image=image, segmentation=labels.to(torch.int16))["image"]


def batchgenerators_patches(folder: Path) -> Epoch:
    """Transforms of batchgeneratorsv2, as nnU-Net has them, all on every patch."""
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.local.brightness_gradient import BrightnessGradientAdditiveTransform
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

    recipe = ComposeTransforms([
        MirrorTransform((0, 1, 2)),
        SpatialTransform(
            (PATCH,) * 3, 0, random_crop=False, p_elastic_deform=1, elastic_deform_scale=(0.1, 0.2),
            elastic_deform_magnitude=(0.02, 0.05), p_rotation=1, rotation=(-0.17, 0.17), p_scaling=1,
            scaling=(0.9, 1.1), mode_seg="nearest",
        ),
        BrightnessGradientAdditiveTransform(scale=(30.0, 90.0), max_strength=(-0.5, 0.5)),
        GammaTransform((0.7, 1.4), p_invert_image=0, synchronize_channels=False, p_per_channel=1, p_retain_stats=0),
        GaussianNoiseTransform(noise_variance=(0, 0.1)),
    ])  # fmt: skip
    loader = torch.utils.data.DataLoader(
        Patches(folder, recipe), batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    return lambda: iter(loader)


METHODS: dict[str, tuple[str, Callable[[Path], Epoch]]] = {
    "ours": ("numpy", ours),
    "ours, threads": ("numpy", ours_in_threads),
    "TorchIO": ("torchio", torchio_queue),
    "MONAI": ("monai", monai_cache),
    "batchgeneratorsv2": ("batchgeneratorsv2", batchgenerators_patches),
}
"""By name the package that is needed, and what makes the loader."""


def processor_seconds() -> float:
    """Return the processor's time of this process and all that it has started, of Linux."""
    ticks, waiting, seen = 0, [os.getpid()], set()
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            tasks = [path.read_text().split() for path in Path(f"/proc/{number}/task").glob("*/children")]
        except OSError:  # it has ended; its time is that of children that were waited for
            continue
        ticks += sum(map(int, fields[11:15]))
        waiting += [int(child) for children in tasks for child in children]
    return ticks / os.sysconf("SC_CLK_TCK")


def seconds_per_patch(epoch: Epoch) -> tuple[float, float]:
    """Go through an epoch; return the wall time and the processor's time per patch."""
    start = time.perf_counter(), processor_seconds()
    count = 0
    for batch in epoch():
        assert sorted(batch.shape)[-3:] == [PATCH] * 3, batch.shape
        count += len(batch)
    assert count == PATCHES, count
    return (time.perf_counter() - start[0]) / count, (processor_seconds() - start[1]) / count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [name for name in METHODS if (name in options.names or not options.names)]
    chosen = [name for name in chosen if name != "ours, threads" or options.threads]
    if missing := [name for name in chosen if find_spec(METHODS[name][0]) is None]:
        print(f"Not installed: {', '.join(missing)}.")
    warnings.simplefilter("ignore")
    # As in the workers of PyTorch, so that two threads of ours are two.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        epochs = {name: METHODS[name][1](folder) for name in chosen if name not in missing}
        for epoch in epochs.values():
            seconds_per_patch(epoch)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in epochs}
        for _, (method, epoch) in itertools.product(range(options.turns), epochs.items()):
            times[method].append(seconds_per_patch(epoch))
        medians = {
            method: [statistics.median(column) for column in zip(*rows, strict=True)] for method, rows in times.items()
        }
        first = next(iter(medians.values()))
        print("| | wall, ms | processor, ms | x ours, wall | x ours, processor |\n|---|---:|---:|---:|---:|")
        for method, pair in medians.items():
            wall, processor = (value / own for value, own in zip(pair, first, strict=True))
            print(f"| {method} | {1e3 * pair[0]:.0f} | {1e3 * pair[1]:.0f} | {wall:.2f} | {processor:.2f} |")


if __name__ == "__main__":
    main()
