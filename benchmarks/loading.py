"""How long one sample takes to load: the paper's figure 5, measured again, with pymia 0.3.4 on the same file.

    python benchmarks/loading.py [FOLDER]

prints tables in Markdown and writes `loading.png` into the folder. All methods of a table take turns in one process,
and the smallest mean over the rounds counts; ratios are more telling than times.
"""

import hashlib
import math
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import matplotlib
import numpy as np
import SimpleITK
import torch

from mia_functional import dataset, images
from mia_functional.dataset.records import Storage
from mia_functional.geometry import Geometry

for name, kind in {"object": object, "float": float}.items():
    setattr(np, name, kind)
extraction, creation, subjectfile, expressions, adapter = (
    import_module(f"pymia.data.{name}")
    for name in ("extraction", "creation", "subjectfile", "indexexpression", "backends.pytorch")
)

SHAPE, PATCH, SUBJECTS, BATCH = (181, 217, 181), 84, 8, 4
GRID = Geometry(shape=SHAPE, spacing=(1.0, 1.0, 1.0))
COUNTS = {"full": 8, "patch": 24, "slice z": 80, "slice y": 40, "slice x": 16}


def indices_of(strategy: str, rng: np.random.Generator) -> list[Any]:
    """Return random indices of a strategy."""
    whole = [slice(0, size) for size in SHAPE]
    found = []
    for _ in range(COUNTS[strategy]):
        index: list[Any] = list(whole)
        if strategy == "patch":
            starts = [int(rng.integers(size - PATCH + 1)) for size in SHAPE]
            index = [slice(start, start + PATCH) for start in starts]
        elif strategy != "full":
            axis = "zyx".index(strategy[-1])
            index[axis] = int(rng.integers(SHAPE[axis]))
        found.append(tuple(index))
    return found


def expression(index: Any) -> Any:
    """Return an index as pymia's."""
    return expressions.IndexExpression([(e.start, e.stop) if isinstance(e, slice) else e for e in index])


def prepare(folder: Path) -> list[Any]:
    """Write the files: T1 and T2 per subject as MetaImage, and one subject in the other formats."""
    rng = np.random.default_rng(0)
    centre = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] / 2
    mask = np.linalg.norm(centre / (np.array(SHAPE)[:, None, None, None] / 2), axis=0) < 0.8
    subjects = []
    for number in range(SUBJECTS):
        pair = [(mask * rng.normal(100, 20, SHAPE)).astype(np.float32) for _ in "12"]
        entries = []
        for name, array in zip(("T1", "T2"), pair, strict=True):
            path = folder / f"S{number}_{name}.mha"
            images.write(path, array, GRID, overwrite=True)
            entries.append(dataset.Entry(category="images", name=name, path=str(path)))
        subjects.append(dataset.Subject(name=f"S{number}", entries=tuple(entries)))
    for name, array in zip(("T1", "T2"), pair, strict=True):
        os.link(folder / f"S{SUBJECTS - 1}_{name}.mha", folder / f"{name}_raw.mha")
        np.save(folder / f"{name}.npy", array)
        image = images.to_simpleitk(array, GRID)
        SimpleITK.WriteImage(image, folder / f"{name}_c.mha", useCompression=True)
        SimpleITK.WriteImage(image, folder / f"{name}.nii.gz")
    return subjects


def rounds(methods: dict[str, Callable[[int], Any]], count: int, repeats: int) -> dict[str, float]:
    """Return the milliseconds per call of methods that take turns: the smallest mean of several rounds."""
    best = dict.fromkeys(methods, math.inf)
    for _ in range(repeats):
        for name, method in methods.items():
            start = time.perf_counter()
            for number in range(count):
                method(number)
            best[name] = min(best[name], (time.perf_counter() - start) / count * 1e3)
    return best


def stacked(load: Callable[[Path], Any], folder: Path, suffix: str, index: Any) -> Any:
    """Load T1 and T2 from files, stack them and take a part, as pymia does without a dataset."""
    return np.stack([load(folder / f"{name}{suffix}") for name in ("T1", "T2")], axis=-1)[index]


def sitk_array(path: Path) -> Any:
    """Load an image with SimpleITK."""
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))


def warm(folder: Path, data: dataset.Dataset) -> dict[str, dict[str, float]]:
    """Measure every method and strategy with the files in the page cache."""
    result = {}
    source = extraction.PymiaDatasource(data.path)
    recipe = extraction.DataExtractor(("images",))
    memory = [dataset.read(data, number, "images") for number in range(2)]
    with h5py.File(data.path) as file:
        arrays = [file[f"data/images/{number}"] for number in range(SUBJECTS)]
        for strategy in COUNTS:
            places = indices_of(strategy, np.random.default_rng(1))
            exprs = [expression(index) for index in places]
            outs = np.empty(memory[0][places[0]].shape, np.float32)
            samples = dataset.samples(data, indexing=lambda _, places=places: places, extract=["images"])
            fast: dict[str, Callable[[int], Any]] = {
                "copy from memory": lambda k, p=places: memory[k % 2][p[k]].copy(),
                "ours, out=": lambda k, p=places, o=outs: dataset.read(data, k % 8, "images", index=p[k], out=o),
                "ours": lambda k, p=places: dataset.read(data, k % 8, "images", index=p[k]),
                "ours, samples": lambda k, s=samples, p=places: s[k % 8 * len(p) + k],
                "pymia": lambda k, e=exprs: source.direct_extract(recipe, k % 8, e[k]),
                "h5py": lambda k, p=places: arrays[k % 8][p[k]],
            }
            slow: dict[str, Callable[[int], Any]] = {
                ".npy": lambda k, p=places: stacked(np.load, folder, ".npy", p[k]),
                ".mha": lambda k, p=places: stacked(sitk_array, folder, "_raw.mha", p[k]),
                ".mha compressed": lambda k, p=places: stacked(sitk_array, folder, "_c.mha", p[k]),
                ".nii.gz": lambda k, p=places: stacked(sitk_array, folder, ".nii.gz", p[k]),
            }
            rounds(fast, len(places), 1)
            result[strategy] = rounds(fast, len(places), 7) | rounds(slow, 2, 2)
        channel = {
            "ours": lambda k: dataset.read(data, k % 8, "images", index=patches[k], entries="T2"),
            "ours, out=": lambda k: dataset.read(data, k % 8, "images", index=patches[k], entries="T2", out=plain),
            "h5py": lambda k: arrays[k % 8][(*patches[k], 1)],
        }
        patches, plain = indices_of("patch", np.random.default_rng(1)), np.empty((PATCH,) * 3, np.float32)
        result["one channel of a patch"] = rounds(channel, len(patches), 5)
    return result


def cold(data: dataset.Dataset) -> dict[str, dict[str, float]]:
    """Measure first reads: the file is dropped from the page cache before each, when opening it has come to rest."""
    result = {}
    for strategy in COUNTS:
        places = indices_of(strategy, np.random.default_rng(2))
        times: dict[str, list[float]] = {"ours": [], "h5py": []}
        for turn in range(16):
            subject, place = turn % SUBJECTS, places[turn % len(places)]
            for name in times if turn % 2 else reversed(times):
                dataset.view(data, subject, "images")
                with h5py.File(data.path) as file:
                    found = file[f"data/images/{subject}"]
                    time.sleep(0.02)
                    drop(data.path)
                    start = time.perf_counter()
                    if name == "ours":
                        dataset.read(data, subject, "images", index=place)
                    else:
                        found[place]
                    times[name].append((time.perf_counter() - start) * 1e3)
                dataset.close(data)
        result[strategy] = {name: float(np.median(values)) for name, values in times.items()}
    return result


def drop(path: str) -> None:
    """Drop a file from the page cache."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def loaders(data: dataset.Dataset) -> dict[str, float]:
    """Measure patches in batches of four: milliseconds per patch."""
    places = indices_of("patch", np.random.default_rng(3))[:16]
    samples = dataset.samples(data, indexing=lambda _: places, extract=["images"])
    source = extraction.PymiaDatasource(data.path, extractor=extraction.DataExtractor(("images",)))
    source.indices = [(number, expression(index)) for number in range(SUBJECTS) for index in places]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(samples)).tolist()

    def torch_loader(workers: int) -> None:
        source.close_reader()
        loader = torch.utils.data.DataLoader(
            adapter.PytorchDatasetAdapter(source), BATCH, sampler=order, num_workers=workers
        )
        for _ in loader:
            pass

    def ours(threads: int) -> None:
        for _ in dataset.prefetch(samples, batch_size=BATCH, workers=threads, rng=np.random.default_rng(0)):
            pass

    def batches() -> None:
        for start in range(0, len(order), BATCH):
            dataset.collate(samples.__getitems__(order[start : start + BATCH]))

    methods = {
        "pymia, DataLoader, 0 workers": lambda _: torch_loader(0),
        "pymia, DataLoader, 2 workers": lambda _: torch_loader(2),
        "ours, one batch after the other": lambda _: batches(),
        "ours, prefetch, 1 thread": lambda _: ours(1),
        "ours, prefetch, 2 threads": lambda _: ours(2),
    }
    return {name: value / len(order) for name, value in rounds(methods, 1, 5).items()}


def least_of_one(descriptor: int, number: int, subject: Any) -> None:
    """Load, stack, hash and write one subject."""
    array = np.stack([sitk_array(entry.path) for entry in subject.entries], axis=-1)
    hashlib.sha256(array.reshape(-1).view(np.uint8)).hexdigest()
    rest = memoryview(array).cast("B")
    while len(rest):
        done = os.pwrite(descriptor, rest, (number + 1) * array.nbytes - len(rest))
        rest = rest[done:]


def creating(folder: Path, subjects: list[Any]) -> dict[str, dict[str, float]]:
    """Measure creation: seconds per subject, and those that the cores were busy."""
    path = folder / "created.h5"

    def pymia() -> None:
        path.unlink(missing_ok=True)
        people = [subjectfile.SubjectFile(s.name, images={e.name: e.path for e in s.entries}) for s in subjects]
        with creation.get_writer(str(path)) as writer:
            callbacks = creation.get_default_callbacks(writer).callbacks[1:]
            creation.Traverser().traverse(people, callback=creation.ComposeCallback(callbacks))

    def ours(storage: Storage, threads: int) -> None:
        path.unlink(missing_ok=True)
        with ThreadPoolExecutor(threads) as pool:
            dataset.create(path, subjects, executor=pool, storage=storage)

    def least() -> None:
        """Load with SimpleITK, stack, hash, and write the bytes once: what no library can leave out."""
        path.unlink(missing_ok=True)
        with ThreadPoolExecutor(2) as pool, path.open("wb", buffering=0) as stream:
            list(pool.map(partial(least_of_one, stream.fileno()), range(len(subjects)), subjects))

    methods: dict[str, Callable[[int], Any]] = {"pymia": lambda _: pymia(), "no library, 2 threads": lambda _: least()}
    for label, storage in (("", Storage()), (", not flushed", Storage(durable=False))):
        for threads in (1, 2):
            methods[f"ours, {threads} thread(s){label}"] = lambda _, s=storage, t=threads: ours(s, t)
    found = {name: {"s": math.inf, "s of CPU": math.inf} for name in methods}
    for _ in range(5):
        for name, method in methods.items():
            start = time.perf_counter(), time.process_time()
            method(0)
            times = time.perf_counter() - start[0], time.process_time() - start[1]
            found[name] = {
                key: min(found[name][key], value / len(subjects)) for key, value in zip(found[name], times, strict=True)
            }
    path.unlink()
    return found


MEMORY = """
import pickle, sys
from concurrent.futures import ThreadPoolExecutor
from mia_functional import dataset
def most():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
subjects = pickle.load(open(sys.argv[1], "rb"))
before = most()
with ThreadPoolExecutor(2) as pool:
    dataset.create(sys.argv[2], subjects, executor=pool)
print((most() - before) * 1024)
"""


def memory(folder: Path, subjects: list[Any]) -> float:
    """Measure how much memory creation with two threads takes, in arrays of a subject."""
    (folder / "subjects").write_bytes(pickle.dumps(subjects))
    command = [sys.executable, "-c", MEMORY, str(folder / "subjects"), str(folder / "memory.h5")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    (folder / "memory.h5").unlink()
    return float(result.stdout) / (math.prod(SHAPE) * 8)


def opening(folder: Path) -> float:
    """Measure how long a cohort of 2,000 small subjects takes to open, in seconds."""
    someone = [
        dataset.Subject(name=f"S{k}", entries=(dataset.Entry(category="age", name="AGE", value=float(k)),))
        for k in range(2000)
    ]
    volume, grid = np.zeros((8, 8, 8, 1), np.float32), Geometry(shape=(8, 8, 8), spacing=(1, 1, 1))
    dataset.create(
        folder / "many.h5", someone, storage=Storage(durable=False),
        transform=lambda sample: {**sample, "images": volume, "geometry": grid},
    )  # fmt: skip
    times = []
    for _ in range(5):
        start = time.perf_counter()
        dataset.close(dataset.open(folder / "many.h5"))
        times.append(time.perf_counter() - start)
    return min(times)


def print_table(title: str, columns: list[str], rows: dict[str, dict[str, float]], digits: int = 3) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{row[c]:.{digits}g}' if c in row else '' for c in columns)} |")


def plot(path: Path, found: dict[str, dict[str, float]]) -> None:
    """Draw the paper's figure 5: the time of a sample for three strategies and every method."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    strategies, methods = ["full", "patch", "slice z"], ["ours", "pymia", ".npy", ".mha", ".mha compressed", ".nii.gz"]
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for place, method in enumerate(methods):
        heights = [found[strategy][method] for strategy in strategies]
        axes.bar(np.arange(3) + 0.13 * (place - 2.5), heights, 0.12, label=method)
    axes.set(yscale="log", ylabel="ms per sample", xticks=range(3), xticklabels=["3-D image", "patch 84³", "slice"])
    axes.legend(ncols=3, loc="upper right")
    figure.savefig(path, dpi=120)


def main(folder: Path) -> None:
    """Measure everything."""
    subjects = prepare(folder)
    dataset.create(folder / "cohort.h5", subjects)
    data = dataset.open(folder / "cohort.h5")
    found = warm(folder, data)
    ratios = {s: {m: row["pymia"] / row[m] for m in row} for s, row in found.items() if "pymia" in row}
    columns = list(found["full"])
    print_table("Warm, ms per sample (8 subjects of 181x217x181x2 float32)", columns, found)
    print_table("Warm, how many times as fast as pymia", columns, ratios)
    plot(folder / "loading.png", found)
    print_table("Cold, ms", ["ours", "h5py"], cold(data))
    batches = {name: {"ms per patch": value} for name, value in loaders(data).items()}
    print_table("Batches of four patches of 84x84x84x2", ["ms per patch"], batches)
    made = creating(folder, subjects)
    print_table("Creation from uncompressed MetaImages, per subject; ours with SHA-256", ["s", "s of CPU"], made)
    print(f"\nCreation with two threads takes {memory(folder, subjects):.2f} subjects' arrays of memory.")
    print(f"\n2,000 subjects open in {opening(folder) * 1e3:.0f} ms.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch))
