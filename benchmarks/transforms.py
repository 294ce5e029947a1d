"""Transforms of images beside SciPy, TorchIO and MONAI, and beside another checkout.

    python benchmarks/transforms.py [--baseline PATH] [--turns N] [--memory] [row ...]

Rows are calls on 128^3 voxels of two channels in float32 and of labels in uint8. All calls of a row run in turns within
one process; with `--baseline`, ours and those of another checkout also run in processes of their own, in turns with the
rest, and in fresh ones, whose memory is cold. Printed are medians of all turns of wall time and of processor time,
and the ratios of ours to each. To add a row, write a function that returns its calls, ours first, and name it in
`ROWS`.
"""

import argparse
import importlib.metadata
import inspect
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import ndimage

from mia_functional import transforms

Calls: TypeAlias = dict[str, Callable[[], Any]]
"""Calls by name; the first is the one that others are compared with."""

SIZE, CHANNELS, TURNS = 128, 2, 7
SHAPE = (SIZE,) * 3
ANGLE = np.deg2rad(9.0)
TURN = np.array([[1, 0, 0], [0, np.cos(ANGLE), -np.sin(ANGLE)], [0, np.sin(ANGLE), np.cos(ANGLE)]])
LEAN = np.array([[np.cos(ANGLE), np.sin(ANGLE), 0], [-np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
MATRIX, OFFSET = TURN @ LEAN * 1.05, np.array([2.5, -1.25, 0.75])
"""A map as `random_affine` draws it: from voxels of the result to those of the source, about the centre."""


class Times(NamedTuple):
    """Milliseconds of one call."""

    wall: float
    processor: float


@cache
def image() -> Any:
    """Return a smooth image with noise, `(*SHAPE, CHANNELS)` float32."""
    rng = np.random.default_rng(0)
    smooth = [ndimage.gaussian_filter(rng.normal(size=SHAPE), 4) for _ in range(CHANNELS)]
    return np.stack(smooth, axis=-1).astype(np.float32) + rng.normal(0, 0.01, (*SHAPE, CHANNELS)).astype(np.float32)


@cache
def labels() -> Any:
    """Return labels 0 to 3, `(*SHAPE, 1)` uint8."""
    return np.digitize(image()[..., :1], (-0.02, 0.0, 0.02)).astype(np.uint8)


@cache
def control() -> Any:
    """Return displacements of 7 control points along each axis, as `random_elastic` draws them."""
    return np.random.default_rng(1).normal(0, 2, (3, 7, 7, 7)).astype(np.float32)


def affine_image() -> Calls:
    """Return calls of an affine map of the image alone."""
    start = OFFSET + (SIZE - 1) / 2 - MATRIX @ np.full(3, (SIZE - 1) / 2)

    def in_scipy() -> Any:
        return [ndimage.affine_transform(image()[..., c], MATRIX, start, order=1) for c in range(CHANNELS)]

    return {"ours": lambda: transforms.affine(image(), MATRIX, OFFSET), "SciPy, channel by channel": in_scipy}


def elastic_image() -> Calls:
    """Return calls of an elastic deformation of the image alone."""
    return {"ours": lambda: transforms.elastic(image(), control())}


def affine_sample() -> Calls:
    """Return calls of an affine map of image and labels."""
    sample = {"images": image(), "labels": labels()}
    ours = transforms.on(("images", "labels"), transforms.affine, matrix=MATRIX, offset=OFFSET)
    calls: Calls = {"ours": lambda: ours(sample), **torchio_sample("RandomAffine", 0.1, 10)}
    if has("monai"):
        from monai.transforms import RandAffined

        options = {"rotate_range": (np.deg2rad(10),) * 3, "scale_range": (0.1,) * 3}
        calls |= monai_sample(RandAffined, **options)
    return calls


def elastic_sample() -> Calls:
    """Return calls of an elastic deformation of image and labels, with 7 control points along each axis."""
    sample = {"images": image(), "labels": labels()}
    ours = transforms.on(("images", "labels"), transforms.elastic, control=control())
    calls: Calls = {"ours": lambda: ours(sample), **torchio_sample("RandomElasticDeformation", 7, 5.0)}
    if has("monai"):
        from monai.transforms import Rand3DElasticd

        calls |= monai_sample(Rand3DElasticd, sigma_range=(5, 7), magnitude_range=(50, 150))
    return calls


def torchio_sample(name: str, *options: Any) -> Calls:
    """Return the call of a random transform of TorchIO on image and labels, if it is installed."""
    if not has("torchio", "torch"):
        return {}
    import torch
    import torchio

    channels_first = [torch.from_numpy(np.moveaxis(array, -1, 0).copy()) for array in (image(), labels())]
    subject = torchio.Subject(
        image=torchio.ScalarImage(tensor=channels_first[0]), labels=torchio.LabelMap(tensor=channels_first[1])
    )
    transform = getattr(torchio, name)(*options)
    return {f"TorchIO's {name}": lambda: transform(subject)}


def monai_sample(transform: Any, **options: Any) -> Calls:
    """Return the call of a random transform of dictionaries of MONAI on image and labels."""
    import torch

    arrays = {"image": image(), "labels": labels()}
    sample = {key: torch.from_numpy(np.moveaxis(array, -1, 0).copy()) for key, array in arrays.items()}
    call = transform(tuple(arrays), prob=1.0, mode=("bilinear", "nearest"), padding_mode="zeros", **options)
    return {f"MONAI's {transform.__name__}": lambda: call(sample)}


def affine_tensor() -> Calls:
    """Return calls of an affine map of the image as a tensor, beside PyTorch's own two functions for it."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    tensor = torch.from_numpy(image())
    batch = tensor.movedim(-1, 0).contiguous()[None]
    # From -1 to 1 between the centres of the outermost voxels, the last axis first.
    offset = 2 * OFFSET / (SIZE - 1)
    theta = torch.from_numpy(np.column_stack([MATRIX[::-1, ::-1], offset[::-1]]).astype(np.float32))[None]

    def bare() -> Any:
        grid = affine_grid(theta, list(batch.shape), align_corners=True)
        return grid_sample(batch, grid, padding_mode="border", align_corners=True)

    return {"ours": lambda: transforms.affine(tensor, MATRIX, OFFSET), "affine_grid and grid_sample": bare}


def sample_of_tensors(name: str) -> Calls:
    """Return calls of a map of an image and labels as tensors."""
    import torch

    sample = {"images": torch.from_numpy(image()), "labels": torch.from_numpy(labels())}
    options: dict[str, Any] = {"matrix": MATRIX, "offset": OFFSET} if name == "affine" else {"control": control()}
    ours = transforms.on(("images", "labels"), getattr(transforms, name), **options)
    peers = affine_sample() if name == "affine" else elastic_sample()
    return {"ours": lambda: ours(sample), **{peer: call for peer, call in peers.items() if peer != "ours"}}


def blur_of_tensor() -> Calls:
    """Return calls of a blur of the image as a tensor."""
    import torch

    tensor = torch.from_numpy(image())
    return {"ours": lambda: transforms.blur(tensor, (1.5,) * 3), **torchio_call("RandomBlur", (1.5, 1.5))}


def jitted(name: str) -> Calls:
    """Return the call of a program of JAX that warps the image."""
    import jax

    array, function = jax.numpy.asarray(image()), jax.jit(getattr(transforms, name))
    parameters = [jax.numpy.asarray(entry, "float32") for entry in ((MATRIX, OFFSET), (control(),))[name == "elastic"]]
    return {"ours": lambda: jax.block_until_ready(function(array, *parameters))}


def torchio_call(name: str, *options: Any) -> Calls:
    """Return the call of a random transform of TorchIO, if it is installed."""
    if not has("torchio", "torch"):
        return {}
    import torch
    import torchio

    transform, tensor = getattr(torchio, name)(*options), torch.from_numpy(np.moveaxis(image(), -1, 0).copy())
    return {f"TorchIO's {name}": lambda: transform(tensor)}


def pointwise(name: str, peer: str, *options: Any, **drawn: Any) -> Calls:
    """Return calls of a transform of intensities, our sampler and our function, beside a random one of TorchIO."""
    sampler, function = getattr(transforms, f"random_{name}"), getattr(transforms, name)
    takes = inspect.signature(sampler).parameters
    given = {key: size for key, size in (("spatial_shape", SHAPE), ("channels", CHANNELS)) if key in takes}
    # Older checkouts want the shape of the image.
    shape = () if given else ((*SHAPE, CHANNELS),)
    rng = np.random.default_rng(0)
    return {"ours": lambda: function(image(), *sampler(rng, *shape, **given, **drawn)), **torchio_call(peer, *options)}


ROWS: dict[str, Callable[[], Calls]] = {
    "affine, image": affine_image,
    "affine, image and labels": affine_sample,
    "affine, jitted": partial(jitted, "affine"),
    "elastic, image": elastic_image,
    "elastic, image and labels": elastic_sample,
    "elastic, jitted": partial(jitted, "elastic"),
    "resample": lambda: {"ours": lambda: transforms.resample(image(), (0.8, 0.8, 0.8))},
    "tensor, affine": affine_tensor,
    "tensors, affine": partial(sample_of_tensors, "affine"),
    "tensors, elastic": partial(sample_of_tensors, "elastic"),
    "tensor, blur": blur_of_tensor,
    "blur": partial(pointwise, "blur", "RandomBlur", (1.5, 1.5), sigma=(1.5, 1.5)),
    "bias field": partial(pointwise, "bias_field", "RandomBiasField"),
    "gamma": partial(pointwise, "gamma", "RandomGamma"),
    "noise": partial(pointwise, "noise", "RandomNoise"),
    "flip": partial(pointwise, "flip", "RandomFlip", (0, 1, 2)),
}


def has(*packages: str) -> bool:
    """Return whether packages are installed."""
    return all(find_spec(package) is not None for package in packages)


def timed(call: Callable[[], Any]) -> Times:
    """Return how long a call took."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return Times(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor))


def in_turns(calls: dict[str, Callable[[], Times]], turns: int) -> dict[str, Times]:
    """Return the medians of each call; every turn makes all calls once, after one that does not count."""
    for call in calls.values():
        call()
    rounds = [{name: call() for name, call in calls.items()} for _ in range(turns)]
    return {name: Times(*(statistics.median(kind) for kind in zip(*(r[name] for r in rounds), strict=True)))
            for name in calls}  # fmt: skip


def start_server(path: str) -> subprocess.Popen[str]:
    """Start a process that imports another checkout, and times our call of a row for each name it is sent."""
    environment = {**os.environ, "PYTHONPATH": str(Path(path).resolve())}
    command = [sys.executable, "-P", __file__, "--serve"]
    return subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ask(server: subprocess.Popen[str], name: str) -> Times:
    """Return how long our call of a row took in another process."""
    assert server.stdin is not None
    assert server.stdout is not None
    print(name, file=server.stdin, flush=True)
    return Times(*map(float, server.stdout.readline().split()))


def ask_fresh(path: str, name: str) -> Times:
    """Return how long our call of a row took as the first one of a process."""
    with start_server(path) as server:
        times = ask(server, name)
        server.communicate()
    return times


def serve() -> None:
    """Time our calls of the rows that come in, on demand."""
    found: dict[str, Calls] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in found:
            found[name] = ROWS[name]()
            # The data and the modules are ready; what is timed is the call.
            image(), labels(), control()
        ours = next(iter(found[name].values()))
        print(*timed(ours), flush=True)


def print_memory() -> None:
    """Print the peak of NumPy's memory beyond image and result, relative to the image."""
    print("\nPeak of memory beyond image and result\n\n| | times the image |\n|---|---|")
    for name in ("affine, image", "elastic, image", "resample"):
        call = next(iter(ROWS[name]().values()))
        image(), control(), call()
        tracemalloc.start()
        result = call()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"| {name} | {(peak - result.nbytes) / image().nbytes:.2f} |", flush=True)


def report(name: str, times: dict[str, Times]) -> None:
    """Print a row with the ratio of ours to each other call."""
    ours = next(iter(times.values()))
    print(f"\n{name}\n\n| | ms | ms of processors | ours / this | of processors |\n|---|---|---|---|---|")
    for call, found in times.items():
        ratios = f"{ours.wall / found.wall:.2f} | {ours.processor / found.processor:.2f}"
        print(f"| {call} | {found.wall:.1f} | {found.processor:.1f} | {ratios} |", flush=True)


def main() -> None:
    """Run the rows that are named, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--baseline", help="another checkout")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--memory", action="store_true", help="print peaks of memory instead")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("rows", nargs="*", help="names of rows, or beginnings of them")
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    if options.memory:
        print_memory()
        return
    warnings.filterwarnings("ignore")
    packages = [name for name in ("numpy", "scipy", "SimpleITK", "torch", "jax", "torchio", "monai") if has(name)]
    print("With", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages))
    # Both checkouts in processes of their own: one in which PyTorch has run is slower for all that comes after.
    paths = {"ours": str(Path(__file__).parent.parent), "baseline": options.baseline} if options.baseline else {}
    servers = {title: start_server(path) for title, path in paths.items()}
    for name in (row for row in ROWS if not options.rows or row.startswith(tuple(options.rows))):
        calls = {call: partial(timed, function) for call, function in ROWS[name]().items()}
        for title, path in paths.items():
            calls[f"{title}, own process"] = partial(ask, servers[title], name)
            calls[f"{title}, fresh process"] = partial(ask_fresh, path, name)
        report(name, in_turns(calls, options.turns))
    for server in servers.values():
        server.communicate()


if __name__ == "__main__":
    main()
