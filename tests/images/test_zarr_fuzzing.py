"""Mutants of stores of Zarr: metadata and chunks with one to three faults end in what zarr-python finds, or a sentence.

`python -m tests.images.test_zarr_fuzzing 10000` reads so many.
"""

import resource
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr

from mia_functional import images
from mia_functional.geometry import Geometry

from .cases import oblique
from .fuzzing import byte_mutant, number_mutant, text_mutant

ARRAY = np.random.default_rng(3).integers(-900, 900, (6, 7, 8)).astype(np.int16)
PLAIN = Geometry(shape=ARRAY.shape, spacing=(3.0, 2.0, 1.0), origin=(4.0, 5.0, 6.0))
CODECS = {"blosc": "BloscCodec", "zstd": "ZstdCodec", "gzip": "GzipCodec"}


def originals(folder):
    """Write stores without a fault, and return their folders."""
    images.write(folder / "shards.ome.zarr", ARRAY, PLAIN)
    images.write(folder / "header.nii.zarr", ARRAY, oblique(ARRAY.shape, seed=2))
    for name, codec in CODECS.items():
        store = shutil.copytree(folder / "shards.ome.zarr", folder / f"{name}.ome.zarr")
        shutil.rmtree(store / "0")
        array = zarr.create_array(
            store / "0", shape=ARRAY.shape, dtype="int16", chunks=(4, 7, 5), fill_value=-1, dimension_names="zyx",
            compressors=getattr(zarr.codecs, codec)(),
        )  # fmt: skip
        array[...] = ARRAY
    return sorted(folder.iterdir())


def mutate(rng, original, folder):
    """Copy a store with faults in one or two of its files, and return it."""
    store = shutil.copytree(original, folder / original.name)
    files = sorted(file for file in store.rglob("*") if file.is_file())
    for _ in range(int(rng.choice([1, 1, 2]))):
        file = files[int(rng.integers(len(files)))]
        content = file.read_bytes()
        is_text = file.suffix == ".json"
        kinds = (text_mutant, text_mutant, byte_mutant) if is_text else (number_mutant, byte_mutant)
        for _ in range(int(rng.choice([1, 1, 2]))):
            end = len(content) if is_text or rng.random() < 0.5 else min(64, len(content) - 1)
            content = kinds[int(rng.integers(len(kinds)))](rng, content, end) or content
        file.write_bytes(content)
    return store


def check(store):
    """Return whether a store was read; what was read has to be what zarr-python finds."""
    refusal = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array, geometry = images.read(store, max_bytes=1 << 22)
    except (ValueError, FileNotFoundError) as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("read: ")
        assert "\n" not in refusal
        assert len(refusal) < 1000
        return False
    assert array.nbytes <= 1 << 22
    assert geometry.shape == array.shape[: len(geometry.shape)]
    try:
        found = zarr.open_group(store, mode="r")["0"][...]
    except Exception:  # zarr-python refuses what we take, such as metadata that it does not need
        return True
    np.testing.assert_array_equal(np.sort(array, axis=None), np.sort(found, axis=None))
    return True


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.mark.sampled(60)
@pytest.mark.parametrize("number", range(300))
def test_mutants_are_read_as_zarr_reads_them_or_refused(stores, tmp_path, number):
    rng = np.random.default_rng(number)
    check(mutate(rng, stores[number % len(stores)], tmp_path))


def test_stores_without_a_fault_are_read(stores):
    assert all(map(check, stores))


def main():
    """Read so many mutants, and print how many were refused and the most memory that was used."""
    count, refused = int(sys.argv[1]), 0
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as work:
        made = originals(Path(folder))
        for number in range(count):
            with tempfile.TemporaryDirectory(dir=work) as room:
                rng = np.random.default_rng(number)
                refused += not check(mutate(rng, made[number % len(made)], Path(room)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} mutants, {refused} refused, {peak:.0f} MiB at most")


if __name__ == "__main__":
    main()
