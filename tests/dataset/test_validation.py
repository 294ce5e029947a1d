"""Hostile files: an error in one sentence, and nothing is read as something else."""

import re
import resource
import shutil
import time

import h5py
import numpy as np
import pytest

from mia_functional import dataset


def external(file, location, secret):
    """Put the bytes of another file in the place of an array."""
    shape = file[location].shape
    del file[location]
    file.create_dataset(location, shape, np.uint8, external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def virtual(file, location, secret):
    """Put an array of another file in the place of an array."""
    shape = file[location].shape
    del file[location]
    layout = h5py.VirtualLayout(shape, np.float32)
    layout[...] = h5py.VirtualSource(str(secret), "x", shape)
    file.create_virtual_dataset(location, layout)


def replaced(file, location, **options):
    """Put another HDF5 dataset in the place of one."""
    del file[location]
    file.create_dataset(location, **options)


def linked(file, location, link):
    """Put a link in the place of something."""
    del file[location]
    file[location] = link


def unknown_filter(file, location, _):
    """Name a filter that nobody knows, and one that runs what is installed."""
    shape = file[location].shape
    del file[location]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(shape)
    creation.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())
    h5py.h5d.create(file.id, location.encode(), h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple(shape), creation)


IMAGE = "data/images/1"


SHAPES = "meta/shapes/images_shapes"


HUGE, CHUNK = (1 << 20, 1 << 10, 1 << 10, 2), (1 << 9, 1 << 9, 1 << 9, 1)


TEXT = h5py.string_dtype()


OBJECTS = {
    "reference": h5py.ref_dtype,
    "region": h5py.regionref_dtype,
    "ragged": h5py.vlen_dtype(np.float32),
    "record": np.dtype([("a", "f4"), ("b", "i4")]),
    "opaque": np.dtype("V16"),
    "complex": np.dtype("c8"),
    "long": np.dtype("longdouble"),
    "text": h5py.string_dtype(),
}


ATTACKS = {
    "external image": lambda f, s: external(f, IMAGE, s),
    "external table": lambda f, s: external(f, SHAPES, s),
    "virtual image": lambda f, s: virtual(f, IMAGE, s),
    "virtual table": lambda f, s: virtual(f, "meta/image_props/spacing", s),
    "link to an image": lambda f, s: linked(f, IMAGE, h5py.ExternalLink(str(s), "x")),
    "link to a category": lambda f, s: linked(f, "data/images", h5py.ExternalLink(str(s), "g")),
    "link to all data": lambda f, s: linked(f, "data", h5py.ExternalLink(str(s), "data")),
    "link to a table": lambda f, s: linked(f, "meta/subjects", h5py.ExternalLink(str(s), "x")),
    "link to all tables": lambda f, s: linked(f, "meta", h5py.ExternalLink(str(s), "meta")),
    "soft link": lambda f, _: linked(f, IMAGE, h5py.SoftLink("/data/images/0")),
    "soft link to itself": lambda f, _: linked(f, IMAGE, h5py.SoftLink("/" + IMAGE)),
    "soft link into nothing": lambda f, _: linked(f, "meta/names", h5py.SoftLink("/nowhere")),
    "unknown filter": lambda f, s: unknown_filter(f, IMAGE, s),
    "huge and sparse": lambda f, _: replaced(f, IMAGE, shape=HUGE, dtype="f4", chunks=(64, 64, 64, 2)),
    "huge and unwritten": lambda f, _: replaced(f, IMAGE, shape=HUGE, dtype="f4"),
    "huge chunk": lambda f, _: replaced(
        f, IMAGE, shape=(1 << 9, 1 << 9, 1 << 9, 1), dtype="f4", chunks=(1 << 9,) * 3 + (1,)
    ),
    "huge table": lambda f, _: replaced(
        f, "meta/subjects", shape=(1 << 34,), dtype=h5py.string_dtype(), chunks=(1 << 10,)
    ),
    "sparse": lambda f, _: replaced(f, IMAGE, shape=(300, 300, 300, 2), dtype="f4", chunks=(10, 10, 10, 2)),
    "unwritten": lambda f, _: replaced(f, IMAGE, shape=(10, 12, 14, 2), dtype="f4"),
    "another shape": lambda f, _: replaced(f, IMAGE, data=np.zeros((12, 10, 14, 2), "f4")),
    "scalar": lambda f, _: replaced(f, IMAGE, data=1.0),
    "nothing": lambda f, _: replaced(f, IMAGE, data=h5py.Empty("f4")),
    "a group for an image": lambda f, _: (f.pop(IMAGE), f.create_group(IMAGE)),
    "a group for a table": lambda f, _: (f.pop("meta/subjects"), f.create_group("meta/subjects")),
    "an array for a group": lambda f, _: replaced(f, "data/images", data=np.zeros(3)),
    "an array for all": lambda f, _: replaced(f, "data", data=np.zeros(3)),
    "no tables": lambda f, _: f.pop("meta"),
    "no subjects": lambda f, _: f.pop("meta/subjects"),
    "no image": lambda f, _: f.pop(IMAGE),
    "path as subject": lambda f, _: replaced(f, "meta/subjects", data=["../x", "B", "C"]),
    "path as category": lambda f, _: replaced(f, "meta/categories", data=["../x", "images"]),
    "unknown category": lambda f, _: replaced(f, "meta/categories", data=["images", "more"]),
    "unknown role": lambda f, _: replaced(f, "meta/roles", data=["image", "labels", "numbers", "picture"]),
    "too few roles": lambda f, _: replaced(f, "meta/roles", data=["image"]),
    "numbers for roles": lambda f, _: replaced(f, "meta/roles", data=np.zeros(4)),
    "subject twice": lambda f, _: replaced(f, "meta/subjects", data=["A", "A", "C"]),
    "too few shapes": lambda f, _: replaced(f, SHAPES, data=np.array([[10, 12, 14, 2]] * 2)),
    "no text": lambda f, _: replaced(f, "meta/subjects", data=np.array([b"\xff\xfe", b"B", b"C"])),
    "numbers for subjects": lambda f, _: replaced(f, "meta/subjects", data=np.zeros((3, 0))),
    "texts for shapes": lambda f, _: replaced(f, SHAPES, data=["1", "2", "3"]),
    "array as digest": lambda f, _: f.attrs.create("digest", np.zeros(1000)),
}


def of_kind(kind):
    """An attack that puts an array of a dtype in the place of an image."""
    return lambda file, _: replaced(file, IMAGE, shape=(10, 12, 14, 2), dtype=kind)


ATTACKS |= {f"{name} for an image": of_kind(kind) for name, kind in OBJECTS.items()}


@pytest.fixture
def secret(tmp_path):
    """A file that must not be read."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = file["g/1"] = file["data/images/1"] = file["meta/subjects"] = np.full(
            (10, 12, 14, 2), 7, np.float32
        )
    return tmp_path / "secret.h5"


@pytest.mark.sampled(len(ATTACKS))  # all of them, but for the quick part
@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_files_are_refused(cohort, secret, tmp_path, capfd, name):
    path = tmp_path / "x.h5"
    shutil.copy(cohort.path, path)
    with h5py.File(path, "r+") as file:
        del file.attrs["digest"]
        ATTACKS[name](file, secret)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        dataset.read(dataset.open(path), "B", "images")
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
    assert str(caught.value).startswith("open: `path` must name a complete, well-formed dataset; got ")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(4096), b"not a dataset\n" * 999]
)
def test_what_is_no_hdf5_is_refused(tmp_path, content):
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(ValueError, match="name a complete, well-formed dataset"):
        dataset.open(tmp_path / "x.h5")


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.h5"):
        dataset.open(tmp_path / "nothing.h5")
    with pytest.raises((ValueError, OSError), match=str(tmp_path)):
        dataset.open(tmp_path)
