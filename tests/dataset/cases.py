"""Subjects, transforms and checks that several files of tests use."""

from functools import partial
from pathlib import Path

import numpy as np

from mia_functional import dataset, images, indexing

PATCHES = partial(indexing.patches, patch_shape=(4, 4, 4))


def someone(name="A", **values):
    """A subject of values, without files."""
    values = values or {"AGE": 31.0}
    return dataset.Subject(
        name=name, entries=tuple(dataset.Entry(category="numerical", name=key, value=v) for key, v in values.items())
    )


def numbered(folder, shapes):
    """Subjects with a NumPy file each, full of their number."""
    people = []
    for number, shape in enumerate(shapes):
        np.save(folder / f"{number}.npy", np.full(shape, number))
        entry = dataset.Entry(category="images", name="T1", path=str(folder / f"{number}.npy"))
        people.append(dataset.Subject(name=str(number), entries=(entry,)))
    return people


def channelled(folder, name, **channels):
    """A subject of images with some number of channels each."""
    entries = []
    for entry, count in channels.items():
        np.save(folder / f"{name}_{entry}.npy", np.ones((4, 3, 5, count)))
        path = folder / f"{name}_{entry}.npy"
        entries.append(dataset.Entry(category="images", name=entry, path=path))
    return dataset.Subject(name=name, entries=tuple(entries))


def interrupted(loaded, *, after):
    """Return a loader that notes what it loads, and is interrupted at some file."""

    def load(name):
        loaded.append(Path(name).stem)
        if len(loaded) == after:
            raise KeyboardInterrupt
        return images.read(name)

    return load


def double(sample):
    """A transform that processes can import."""
    return {**sample, "images": sample["images"] * np.float32(2)}


def fail_at(names, sample):
    """A transform that fails for some subjects."""
    if sample["subject"] in names:
        raise RuntimeError("no good")
    return sample


def brightened(sample):
    """Add a random number."""
    return {**sample, "images": sample["images"] + sample["rng"].normal()}


def same(first, second):
    """Whether two samples or batches are equal, array by array."""
    assert first.keys() == second.keys()
    for name in first:
        if isinstance(first[name], np.ndarray):
            np.testing.assert_array_equal(first[name], second[name])
        else:
            assert first[name] == second[name]
    return True


def total(found):
    """A sum that another process computes."""
    return float(dataset.read(found, "B", "images").sum())


def everything(found):
    """All that a dataset says and holds."""
    arrays = [dataset.read(found, name, c.name) for name in found.subjects for c in found.categories]
    return [found.subjects, found.categories, found.grids, [getattr(a, "tobytes", lambda a=a: a)() for a in arrays]]
