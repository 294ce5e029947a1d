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
from functools import partial
from importlib import metadata
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


def smooth_volume(size: int) -> Any:
    """Return a cube of int16 that compresses as scans do, to half of its bytes or so."""
    noise = np.random.default_rng(0).normal(size=(size,) * 3)
    return (module("scipy.ndimage").gaussian_filter(noise, 2) * 4000).astype(np.int16)


def write_shards(folder: Path) -> Path:
    """Write a volume as OME-Zarr by ourselves: chunks of 32^3 voxels in shards of 256^3."""
    voxels = smooth_volume(256)
    grid = module("mia_functional.geometry").Geometry(shape=voxels.shape, spacing=(1.0, 1.0, 1.0))
    module("mia_functional.images").write(folder / "volume.ome.zarr", voxels, grid)
    return folder / "volume.ome.zarr"


def write_chunks(folder: Path) -> Path:
    """Write a volume as other programs do, in chunks of 64^3 voxels, each in a file."""
    path, voxels = write_shards(folder), smooth_volume(256)
    module("shutil").rmtree(path / "0")
    zarr = module("zarr")
    array = zarr.create_array(path / "0", shape=voxels.shape, chunks=(64,) * 3, dtype="int16",
                              compressors=zarr.codecs.BloscCodec(cname="zstd", clevel=3))  # fmt: skip
    array[...] = voxels
    return path


def stored_in_zarr(path: str) -> Any:
    """Return an opened image, as tensorstore has it."""
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/0"}}
    return module("tensorstore").open(spec, read=True).result()


_PATCHES = 40
"""Patches that are read from an opened image, one after the other: one alone takes some milliseconds."""


def read_patches(read: Callable[[tuple[slice, ...]], Any]) -> Any:
    """Return patches of 84^3 voxels at places that are drawn."""
    starts = np.random.default_rng(1).integers(0, 256 - 84, (_PATCHES, 3)).tolist()
    patches = np.empty((_PATCHES, 84, 84, 84), np.int16)
    for patch, corner in zip(patches, starts, strict=True):
        patch[...] = read(tuple(slice(start, start + 84) for start in corner))
    return patches


_ZARR = (("tensorstore",), ("mia_functional.images", "tensorstore", "numcodecs.blosc", "google_crc32c"))


def smooth_pages() -> Any:
    """Return 128 slices of 256 x 256 pixels that compress as images do."""
    noise = np.random.default_rng(0).integers(0, 60, (128, 256, 256))
    return (noise + np.arange(256)).astype(np.int16)


def write_tiff(folder: Path, **options: Any) -> Path:
    """Write the slices as pages of a TIFF file."""
    path = folder / "stack.tif"
    module("tifffile").imwrite(path, smooth_pages().astype(np.uint16), photometric="minisblack", **options)
    return path


def write_mgz(folder: Path) -> Path:
    """Write a volume of FreeSurfer by nibabel."""
    nibabel = module("nibabel")
    nibabel.save(nibabel.MGHImage(smooth_pages().T, np.eye(4)), folder / "volume.mgz")
    return folder / "volume.mgz"


def tiff_row(**options: Any) -> Row:
    """Return the row of a TIFF file that is written so."""
    return Row(
        partial(write_tiff, **options),
        lambda path: module("mia_functional.images").read(path, spacing=(1.0, 1.0, 1.0))[0],
        lambda path: module("tifffile").imread(path),
        ("tifffile", "imagecodecs"),
        ("mia_functional.images", "tifffile", "imagecodecs"),
    )


ROWS = {
    "OME-Zarr, 40 patches of 84^3 of an opened volume in shards": Row(
        write_shards,
        lambda path: read_patches(module("mia_functional.images").open(path).__getitem__),
        lambda path: (stored := stored_in_zarr(path)) and read_patches(lambda index: stored[index].read().result()),
        *_ZARR,
    ),
    "OME-Zarr, 40 patches of 84^3 of an opened volume in chunks of 64^3": Row(
        write_chunks,
        lambda path: read_patches(module("mia_functional.images").open(path).__getitem__),
        lambda path: (stored := stored_in_zarr(path)) and read_patches(lambda index: stored[index].read().result()),
        *_ZARR,
    ),
    "OME-Zarr, a volume of 256^3 in shards": Row(
        write_shards,
        lambda path: module("mia_functional.images").read(path)[0],
        lambda path: stored_in_zarr(path).read().result(),
        *_ZARR,
    ),
    "DICOM segmentation, 50 segments x 200 slices of 512^2, uint8": Row(
        write_segments,
        lambda path: module("mia_functional.images").read_segmentation(path).array,
        lambda path: module("highdicom").seg.segread(path).get_volume(combine_segments=True).array[::-1],
        ("highdicom", "pydicom"),
        ("mia_functional.images", "highdicom", "pydicom"),
    ),
    "MGZ, 128 x 256^2, int16": Row(
        write_mgz,
        lambda path: module("mia_functional.images").read(path)[0],
        lambda path: np.asarray(module("nibabel").load(path).dataobj).T,
        ("nibabel",),
        ("mia_functional.images", "nibabel"),
    ),
    "TIFF, 128 x 256^2, uint16, Deflate": tiff_row(compression="zlib"),
    "TIFF, 128 x 256^2, uint16, tiles of 128^2, Deflate": tiff_row(compression="zlib", tile=(128, 128)),
    "TIFF, 128 x 256^2, uint16, LZW": tiff_row(compression="lzw"),
    "TIFF, 128 x 256^2, uint16, not compressed": tiff_row(metadata=None),
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
        versions = ", ".join(f"{package} {metadata.version(package)}" for package in row.packages)
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
