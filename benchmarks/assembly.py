"""Assembly and indexing against the other packages that are installed, in one process and in turns; the best counts.

    OMP_NUM_THREADS=1 python benchmarks/assembly.py [windows] [network] [planes] [voxels] [stream] [labels] ...

80 windows of 84^3 with half overlap into 181 x 217 x 181 x 4 float32; the limit is a zeroed volume into which every
window is written once. `OMP_NUM_THREADS=1` keeps NumPy in one thread; PyTorch gets its threads here.
"""

import gc
import importlib.metadata
import importlib.util
import math
import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np

from mia_functional import assembly, indexing

SHAPE, PATCH, STEP, CHANNELS = (181, 217, 181), (84, 84, 84), 42, 4
GRID = indexing.patches(SHAPE, PATCH, step=STEP)
PEERS = ("torchio", "monai", "pymia", "nnunetv2")
warnings.filterwarnings("ignore")


def has(*packages: str) -> bool:
    """Tell whether packages are installed."""
    return all(importlib.util.find_spec(package) is not None for package in packages)


def in_turns(calls: dict[str, Callable[[], Any]], repeats: int = 7) -> dict[str, float]:
    """Return the least milliseconds of each call; every round makes all calls once."""
    best = dict.fromkeys(calls, math.inf)
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
    return best


def report(title: str, best: dict[str, float], base: str) -> None:
    """Print the times of a scene as rows of a table, with their ratio to one of them."""
    print(f"\n{title}\n\n| | ms | ratio to {base} |\n|---|---|---|")
    for name, milliseconds in best.items():
        print(f"| {name} | {milliseconds:.1f} | {milliseconds / best[base]:.2f} |")
    sys.stdout.flush()


def windows() -> Any:
    """Return the predictions of all windows, `(80, 84, 84, 84, 4)`."""
    return np.random.default_rng(0).random((len(GRID), *PATCH, CHANNELS), dtype=np.float32)


def write_once(parts: Any) -> Any:
    """Write every window once into a zeroed volume."""
    volume = np.zeros((*SHAPE, CHANNELS), dtype=np.float32)
    for part, index in zip(parts, GRID, strict=True):
        volume[index] = part
    return volume


def in_jax(parts: Any, **options: Any) -> Any:
    """Assemble JAX arrays and wait for the result."""
    return assembly.assemble(parts, GRID, SHAPE, **options).block_until_ready()


def in_torchio(parts: Any, sampler: Any, mode: str, threads: int) -> Any:
    """Assemble by TorchIO's aggregator."""
    import torch
    import torchio

    torch.set_num_threads(threads)
    aggregator = torchio.inference.GridAggregator(sampler, overlap_mode=mode)
    locations = torch.as_tensor(sampler.locations)
    for k, part in enumerate(parts):
        aggregator.add_batch(part[None], locations[k : k + 1])
    return aggregator.get_output_tensor()


def torchio_sampler() -> Any:
    """Return TorchIO's grid of the same windows."""
    import torch
    import torchio

    subject = torchio.Subject(image=torchio.ScalarImage(tensor=torch.zeros(1, *SHAPE)))
    return torchio.GridSampler(subject, PATCH, tuple(size - STEP for size in PATCH))


def pymia() -> Any:
    """Return pymia's modules; NumPy dropped some names that it uses."""
    for name, kind in (("object", object), ("float", float), ("int", int), ("bool", bool)):
        if name not in vars(np):
            setattr(np, name, kind)
    import pymia.data.assembler
    import pymia.data.extraction
    import pymia.data.indexexpression

    return SimpleNamespace(
        Assembler=pymia.data.assembler.SubjectAssembler,
        Expression=pymia.data.indexexpression.IndexExpression,
        extraction=pymia.data.extraction,
    )


def in_pymia(parts: Any, indices: Any, dtype: Any = np.float64) -> Any:
    """Assemble by pymia's assembler, which overwrites; its default are doubles."""
    module = pymia()
    places = [
        (0, module.Expression([(e.start, e.stop) if isinstance(e, slice) else e for e in index])) for index in indices
    ]
    source = SimpleNamespace(indices=places, direct_extract=lambda *_: {"shape": SHAPE})
    assembler = module.Assembler(source, zero_fn=lambda shape, *_: np.zeros(shape, dtype=dtype))
    for k, part in enumerate(parts):
        assembler.add_batch(part[None], np.array([k]), last_batch=k == len(places) - 1)
    return assembler.get_assembled_subject(0)


def scene_windows() -> None:
    """Time the assembly of predictions that lie in memory."""
    parts = windows()
    calls: dict[str, Callable[[], Any]] = {"limit: write once": partial(write_once, parts)}
    for name, window in (("mean", assembly.uniform), ("gaussian", assembly.gaussian), ("Hann", assembly.hann)):
        calls[f"NumPy, {name}"] = partial(assembly.assemble, parts, GRID, SHAPE, window=window)
    calls["NumPy, last"] = partial(assembly.assemble, parts, GRID, SHAPE, reduction=assembly.last)
    if has("jax"):
        import jax
        import jax.numpy as jnp

        stack = jnp.asarray(parts)
        arrays = list(stack)
        for name, window in (("mean", assembly.uniform), ("gaussian", assembly.gaussian), ("Hann", assembly.hann)):
            run = jax.jit(partial(assembly.assemble, indices=GRID, shape=SHAPE, window=window))
            calls[f"JAX, {name}, one array"] = partial(lambda run: run(stack).block_until_ready(), run)
            calls[f"JAX, {name}, window by window"] = partial(in_jax, arrays, window=window)
        calls["JAX, last, one array"] = partial(in_jax, stack, reduction=assembly.last)
        calls["JAX, last, window by window"] = partial(in_jax, arrays, reduction=assembly.last)
    if has("torchio"):
        import torch

        tensors = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(part, -1, 0))) for part in parts]
        sampler = torchio_sampler()
        for mode, threads in product(("average", "hann", "crop"), (2, 1)):
            calls[f"TorchIO, {mode}, {threads} threads"] = partial(in_torchio, tensors, sampler, mode, threads)
    if has("pymia"):
        calls["pymia (last, float64)"] = partial(in_pymia, parts, GRID)
        calls["pymia (last, float32)"] = partial(in_pymia, parts, GRID, np.float32)
    report("Windows into a volume", in_turns(calls), "limit: write once")


def scene_network() -> None:
    """Time extraction, a network that changes nothing, and assembly, end to end."""
    volume = np.random.default_rng(0).random((*SHAPE, CHANNELS), dtype=np.float32)
    slide = partial(
        assembly.sliding_window, lambda batch: batch, patch_shape=PATCH, step=STEP, window=assembly.gaussian
    )
    calls: dict[str, Callable[[], Any]] = {}
    for size in (1, 4):
        calls[f"NumPy, gaussian, batch {size}"] = partial(slide, volume, batch_size=size)
    if has("jax"):
        import jax
        import jax.numpy as jnp

        array = jnp.asarray(volume)
        for size in (1, 4):
            run = jax.jit(partial(slide, batch_size=size))
            calls[f"JAX, gaussian, batch {size}"] = partial(lambda run: run(array).block_until_ready(), run)
        network = jax.jit(lambda batch: batch)
        eager = partial(
            assembly.sliding_window, network, patch_shape=PATCH, step=STEP, window=assembly.gaussian, batch_size=4
        )
        calls["JAX, gaussian, batch 4, a jitted network alone"] = lambda: eager(array).block_until_ready()
    if has("monai", "torch"):
        import torch
        from monai.inferers import sliding_window_inference

        tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, -1, 0)))[None]

        def infer(mode: str, threads: int) -> Any:
            torch.set_num_threads(threads)
            return sliding_window_inference(tensor, PATCH, 4, lambda batch: batch, overlap=0.5, mode=mode)

        for mode, threads in product(("gaussian", "constant"), (2, 1)):
            calls[f"MONAI, {mode}, batch 4, {threads} threads"] = partial(infer, mode, threads)
    report("A network over a volume", in_turns(calls), "NumPy, gaussian, batch 1")


def scene_planes() -> None:
    """Time the mean of the slices in three planes."""
    volume = np.random.default_rng(0).random((*SHAPE, CHANNELS), dtype=np.float32)
    planes = [indexing.slices(SHAPE, axis=axis) for axis in range(3)]
    parts = [[np.ascontiguousarray(volume[index]) for index in indices] for indices in planes]

    def merged() -> Any:
        assembled = (
            assembly.assemble(rows, indices, SHAPE, reduction=assembly.last)
            for rows, indices in zip(parts, planes, strict=True)
        )
        return assembly.merge_planes(assembled)

    def at_once() -> Any:
        every = [part for rows in parts for part in rows]
        return assembly.assemble(every, indexing.slices(SHAPE, axis=(0, 1, 2)), SHAPE)

    def three_volumes(assembler: Callable[..., Any]) -> Any:
        return np.stack([assembler(rows, indices) for rows, indices in zip(parts, planes, strict=True)]).mean(axis=0)

    calls: dict[str, Callable[[], Any]] = {"one volume, all slices": at_once, "merge_planes": merged}
    if has("pymia"):
        calls["pymia, three volumes, float64"] = partial(three_volumes, in_pymia)
        calls["pymia, three volumes, float32"] = partial(three_volumes, partial(in_pymia, dtype=np.float32))
    report("The mean of slices in three planes", in_turns(calls), "one volume, all slices")


def scene_voxels() -> None:
    """Time voxels that were predicted one by one: all of a head, in order and shuffled."""
    parts = np.random.default_rng(0).random((math.prod(SHAPE), CHANNELS), dtype=np.float32)
    order = np.random.default_rng(1).permutation(len(parts))
    indices = indexing.voxels(SHAPE)
    shuffled = indexing.patches_at(indexing.starts(indices)[order], (None,) * 3)
    arrays: dict[str, Callable[[Any], Any]] = {"NumPy": np.asarray}
    if has("jax"):
        import jax.numpy as jnp

        arrays["JAX"] = jnp.asarray
    if has("torch"):
        import torch

        arrays["PyTorch"] = torch.from_numpy
    calls: dict[str, Callable[[], Any]] = {}
    for name, convert in arrays.items():
        for title, where, rows in (("in order", indices, parts), ("shuffled", shuffled, parts[order])):
            calls[f"{name}, {title}"] = partial(waited, assembly.assemble, convert(rows), where, SHAPE)
    few = indexing.voxels((16, 16, 16))
    calls["one by one, 4096 voxels"] = lambda: assembly.assemble(iter(parts[:4096]), few, (16, 16, 16))
    report("7.1 million voxels, each predicted on its own", in_turns(calls, repeats=3), "NumPy, in order")


def waited(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns, computed to the end."""
    result = function(*arguments)
    return result.block_until_ready() if hasattr(result, "block_until_ready") else result


def scene_stream() -> None:
    """Time the label map of the most likely class, from the whole volume and plane by plane."""
    parts = windows()
    calls = {"whole volume, then argmax": partial(labels_of_volume, parts), "planes": partial(labels_of_planes, parts)}
    assert (calls["planes"]() == calls["whole volume, then argmax"]()).all()
    report("The label map", in_turns(calls), "whole volume, then argmax")


def labels_of_volume(parts: Any) -> Any:
    """Return the label map from all means."""
    return assembly.assemble(parts, GRID, SHAPE, window=assembly.gaussian).argmax(axis=-1).astype(np.uint8)


def labels_of_planes(parts: Any) -> Any:
    """Return the label map plane by plane."""
    labels = np.empty(SHAPE, dtype=np.uint8)
    for position, plane in assembly.assemble_planes(parts, GRID, SHAPE, window=assembly.gaussian):
        labels[position] = plane.argmax(axis=-1)
    return labels


def scene_labels() -> None:
    """Time labels of 100 classes by sliding windows, with and without all probabilities, and measure their memory."""
    print(
        "\n| labels of 100 classes | ms | processor | peak beyond the input, of the probabilities |\n|---|---|---|---|"
    )
    context = multiprocessing.get_context("spawn")
    for library in ("numpy", *filter(has, ("torch", "jax"))):
        calls = label_calls(library)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
        first, *others = [call() for call in calls.values()]
        assert all((np.asarray(labels) == np.asarray(first)).all() for labels in others)
        for _ in range(5):
            for name, call in calls.items():
                start, busy = time.perf_counter(), time.process_time()
                call()
                times[name].append((time.perf_counter() - start, time.process_time() - busy))
        for name, rows in times.items():
            with context.Pool(1) as pool:
                share = pool.apply(peak_of_labels, (library, name))
            wall, processor = (1e3 * float(np.median(column)) for column in zip(*rows, strict=True))
            print(f"| {library}, {name} | {wall:.0f} | {processor:.0f} | {share:.3f} |", flush=True)


LABELLED, WINDOW, CLASSES = (96, 96, 64), (32, 32, 32), 100
"""A quarter of 384 x 384 x 256 along each axis: the same windows, and the same share of the frontier."""


def label_calls(library: str) -> dict[str, Callable[[], Any]]:
    """Return both ways from a volume to labels."""
    volume = np.random.default_rng(0).random(LABELLED, dtype=np.float32)
    weights = np.linspace(-1, 1, CLASSES, dtype=np.float32)
    options: dict[str, Any] = {"patch_shape": WINDOW, "window": assembly.gaussian}
    if library == "jax":
        import jax
        import jax.numpy as jnp

        given, own = jnp.asarray(volume), jnp.asarray(weights)
        # A mean over the window, as of a normalisation, is more than XLA fuses with what is around it.
        network = lambda batch: jnp.abs(batch[..., None] - own) * batch.mean()  # noqa: E731
        full = jax.jit(lambda array: assembly.sliding_window(network, array, **options).argmax(-1).astype("uint8"))
        ours = jax.jit(lambda array: assembly.predict_labels(network, array, **options))
        return {
            "`sliding_window`, arg max": lambda: full(given).block_until_ready(),
            "`predict_labels`": lambda: ours(given).block_until_ready(),
        }
    if library == "torch":
        import torch

        torch.set_num_threads(1)
        volume, weights = torch.from_numpy(volume), torch.from_numpy(weights)

    def network_on_host(batch: Any) -> Any:
        return batch[..., None] * weights

    return {
        "`sliding_window`, arg max": lambda: assembly.sliding_window(network_on_host, volume, **options).argmax(-1),
        "`predict_labels`": lambda: assembly.predict_labels(network_on_host, volume, **options),
    }


def peak_of_labels(library: str, name: str) -> float:
    """Return the peak of resident memory of a way to labels, less two windows of predictions, by the probabilities."""
    call = label_calls(library)[name]
    call()  # what is imported and compiled by the first call does not count
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = resident("VmRSS")
    call()
    extra = 1024 * (resident("VmHWM") - before) - 2 * 4 * CLASSES * math.prod(WINDOW)
    return extra / (4 * CLASSES * math.prod(LABELLED))


def scene_memory() -> None:
    """Print the peak of memory beyond what was there before, relative to the volume, each in a process of its own."""
    print("\nPeak extra memory relative to the volume, 114 MB\n\n| | ratio |\n|---|---|")
    context = multiprocessing.get_context("spawn")
    for name in MEMORY:
        if has(*MEMORY[name][0]):
            with context.Pool(1) as pool:
                print(f"| {name} | {pool.apply(peak, (name,)):.2f} |", flush=True)


def peak(name: str) -> float:
    """Return the peak of resident memory while a method of `MEMORY` runs, relative to the volume."""
    call = MEMORY[name][1]()
    call()
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = resident("VmRSS")
    call()
    return (resident("VmHWM") - before) / (math.prod(SHAPE) * CHANNELS * 4 / 1024)


def resident(entry: str) -> int:
    """Return an entry of the process' status in kB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(entry))


def few() -> Any:
    """Return one window for every index, always the same memory."""
    part = np.random.default_rng(0).random((*PATCH, CHANNELS), dtype=np.float32)
    return [part] * len(GRID)


def memory_jax(**options: Any) -> Callable[[], Any]:
    """Prepare the assembly in JAX."""
    import jax.numpy as jnp

    return partial(in_jax, [jnp.asarray(few()[0])] * len(GRID), **options)


def memory_stack() -> Callable[[], Any]:
    """Prepare the assembly of one array in JAX."""
    import jax.numpy as jnp

    return partial(in_jax, jnp.stack([jnp.asarray(few()[0])] * len(GRID)), window=assembly.gaussian)


def memory_torchio(mode: str) -> Callable[[], Any]:
    """Prepare TorchIO's."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(few()[0], -1, 0)))
    return partial(in_torchio, [tensor] * len(GRID), torchio_sampler(), mode, 2)


def memory_monai() -> Callable[[], Any]:
    """Prepare MONAI's."""
    import torch
    from monai.inferers import sliding_window_inference

    tensor = torch.rand(1, CHANNELS, *SHAPE)
    return partial(sliding_window_inference, tensor, PATCH, 1, lambda batch: batch, overlap=0.5, mode="gaussian")


def memory_sliding() -> Callable[[], Any]:
    """Prepare the sliding window in JAX."""
    import jax
    import jax.numpy as jnp

    array = jnp.asarray(np.random.default_rng(0).random((*SHAPE, CHANNELS), dtype=np.float32))
    slide = partial(
        assembly.sliding_window, lambda batch: batch, patch_shape=PATCH, step=STEP, window=assembly.gaussian
    )
    run = jax.jit(slide)
    return lambda: run(array).block_until_ready()


MEMORY: dict[str, tuple[tuple[str, ...], Callable[[], Callable[[], Any]]]] = {
    "NumPy, mean": ((), lambda: partial(assembly.assemble, few(), GRID, SHAPE)),
    "NumPy, gaussian": ((), lambda: partial(assembly.assemble, few(), GRID, SHAPE, window=assembly.gaussian)),
    "JAX, mean": (("jax",), memory_jax),
    "JAX, gaussian": (("jax",), partial(memory_jax, window=assembly.gaussian)),
    "JAX, gaussian, one array": (("jax",), memory_stack),
    "JAX, sliding window, gaussian": (("jax",), memory_sliding),
    "NumPy, label map by planes": ((), lambda: partial(labels_of_planes, few())),
    "NumPy, label map of the whole volume": ((), lambda: partial(labels_of_volume, few())),
    "TorchIO, average": (("torchio",), partial(memory_torchio, "average")),
    "TorchIO, hann": (("torchio",), partial(memory_torchio, "hann")),
    "MONAI, gaussian": (("monai",), memory_monai),
    "pymia": (("pymia",), lambda: partial(in_pymia, few(), GRID)),
}


def scene_draws() -> None:
    """Time random patches around the foreground, and the table of all voxels."""
    weights = (np.random.default_rng(0).random(SHAPE) < 0.2).astype(np.float32)
    rng = np.random.default_rng(0)
    calls: dict[str, Callable[[], Any]] = {
        "random_patches_at, 10 patches": lambda: indexing.random_patches_at(rng, weights, PATCH, count=10),
        "random_patches_at, two classes": lambda: indexing.random_patches_at(
            rng, weights, PATCH, count=10, shares={0: 1, 1: 1}
        ),
        "starts of voxels of 64^3": lambda: indexing.starts(indexing.voxels((64, 64, 64))),
        "iterating over voxels of 64^3": lambda: sum(1 for _ in indexing.voxels((64, 64, 64))),
    }
    if has("torchio"):
        import torch
        import torchio

        image = torchio.ScalarImage(tensor=torch.zeros(1, *SHAPE))
        subject = torchio.Subject(image=image, weights=torchio.LabelMap(tensor=torch.from_numpy(weights)[None]))
        sampler = torchio.WeightedSampler(PATCH, "weights")
        calls["TorchIO WeightedSampler, 10 patches"] = lambda: list(sampler(subject, 10))
    if has("pymia"):
        module = pymia()
        calls["pymia VoxelWiseIndexing of 64^3"] = lambda: module.extraction.VoxelWiseIndexing(3)((64, 64, 64))
    report("Drawing and indexing", in_turns(calls, repeats=3), "random_patches_at, 10 patches")


def scene_starts() -> None:
    """Compare lists of starts with those of the packages, over all sizes, patches and steps up to 40."""
    counts: dict[str, int] = {}

    def same(name: str, theirs: Any, ours: Any) -> None:
        assert [int(start) for start in theirs] == [start for start, _ in ours], (name, theirs, ours)
        counts[name] = counts.get(name, 0) + 1

    triples = [(n, p, s) for n in range(1, 41) for p in range(1, n + 1) for s in range(1, p + 1)]
    if has("monai"):
        from monai.data.utils import dense_patch_slices, iter_patch_position

        for n, p, s in triples:
            same("MONAI windows", [t[0].start for t in dense_patch_slices((n,), (p,), (s,))], indexing.shift(n, p, s))
            if s == p:
                same("MONAI patches", [t[0] for t in iter_patch_position((n,), (p,), (0,))], indexing.drop(n, p, p))
                padded = iter_patch_position((n,), (p,), (0,), padded=True)
                same("MONAI padded patches", [t[0] for t in padded], indexing.overhang(n, p, p))
    if has("nnunetv2"):
        from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window as steps

        for n, p, s in triples:
            if p * (s / p) == s:
                same("nnU-Net", steps((n,), (p,), s / p)[0], indexing.even(n, p, s))
    if has("torchio"):
        from torchio.data.sampler.grid import GridSampler

        for n, p, s in triples:
            if (p - s) % 2 == 0:
                found = GridSampler._get_patches_locations((n, 1, 1), (p, 1, 1), (p - s, 0, 0))
                same("TorchIO", found[:, 0], indexing.shift(n, p, s))
    if has("pymia"):
        module = pymia()
        for n, p, s in triples:
            if s == p:
                for rule, incomplete in ((indexing.drop, True), (indexing.overhang, False)):
                    found = module.extraction.PatchWiseIndexing((p,), ignore_incomplete=incomplete)((n,))
                    same("pymia", [e.expression[0].start for e in found], rule(n, p, p))
    print("\nLists of starts that are equal\n\n| | lists |\n|---|---|")
    for name, count in counts.items():
        print(f"| {name} | {count} |")


SCENES = {
    "windows": scene_windows,
    "network": scene_network,
    "planes": scene_planes,
    "voxels": scene_voxels,
    "stream": scene_stream,
    "labels": scene_labels,
    "memory": scene_memory,
    "draws": scene_draws,
    "starts": scene_starts,
}


if __name__ == "__main__":
    installed = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "jax", *PEERS) if has(name)]
    print("With", ", ".join(installed))
    for chosen in sys.argv[1:] or SCENES:
        SCENES[chosen]()
