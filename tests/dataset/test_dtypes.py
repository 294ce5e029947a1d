"""Dtypes of stored arrays: bfloat16 to the bit, and types of HDF5 that are nobody's."""

import re

import h5py
import ml_dtypes
import numpy as np
import pytest
import torch

from mia_functional import dataset, indexing
from mia_functional.adapters import flax
from mia_functional.adapters import torch as torch_adapter
from mia_functional.dataset import Entry, SampleField, Storage, Subject
from mia_functional.dataset._hdf5 import layout
from mia_functional.dataset._hdf5.dtypes import dtype_in_file, hdf5_type
from mia_functional.dataset._hdf5.metadata import digest_of_tables
from mia_functional.geometry import Geometry

BF = ml_dtypes.bfloat16
GRID = Geometry(shape=(5, 6, 7), spacing=(1.0, 1.0, 1.0))


def volume(name):
    """All kinds of numbers of bfloat16, of which there are 65536: infinite ones and NaN with payloads among them."""
    return np.random.default_rng(ord(name)).integers(0, 1 << 16, (*GRID.shape, 2)).astype(np.uint16).view(BF)


def signal(name):
    """An array without a grid."""
    return np.random.default_rng(ord(name)).normal(size=(3, 50)).astype(BF)


def load(path):
    """Load by name."""
    return (volume(path[0]), GRID) if path.endswith("i") else signal(path[0])


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """Two subjects; the files are empty."""
    folder = tmp_path_factory.mktemp("bf")
    people = []
    for name in "AB":
        (folder / f"{name}_i").touch()
        (folder / f"{name}_s").touch()
        image = Entry(category="images", name="T1", path=str(folder / f"{name}_i"))
        people.append(
            Subject(
                name=name, entries=(image, Entry(category="eeg", name="E", path=folder / f"{name}_s", role="numbers"))
            )
        )
    return people


def load_from(path):
    """Load by the name of the file."""
    return load(path.rpartition("/")[2])


@pytest.fixture(scope="module", params=[{}, {"metadata_only": True}, {"storage": Storage(compression="gzip")}], ids=str)
def cohort(request, subjects, tmp_path_factory):
    """A dataset of them: with voxels, without, and compressed."""
    path = tmp_path_factory.mktemp("x") / "bf.h5"
    dataset.create(path, subjects, load=load_from, **request.param)
    root = subjects[0].entries[0].path.rpartition("/")[0]
    return dataset.open(path, load=load_from, root=root, verify=True)


def bits(array):
    """The bits of an array of bfloat16."""
    assert array.dtype == BF
    return np.ascontiguousarray(array).view(np.uint16)


def test_bfloat16_is_stored_and_read_to_the_bit(cohort):
    for name in "AB":
        np.testing.assert_array_equal(bits(dataset.read(cohort, name, "images")), bits(volume(name)))
        np.testing.assert_array_equal(bits(dataset.read(cohort, name, "eeg")), bits(signal(name)))
        index = (slice(4, 0, -2), 3, slice(1, 5))
        part = dataset.read(cohort, name, "images", index=index)
        np.testing.assert_array_equal(bits(part), bits(volume(name)[index]))
        assert dataset.read(cohort, name, "images", index=(slice(2, 2),)).shape == (0, 6, 7, 2)
    out = np.empty((3, 50), np.float32)
    np.testing.assert_array_equal(dataset.read(cohort, "A", "eeg", out=out), signal("A").astype(np.float32))
    assert re.search(r"^eeg +3 x 50 +bfloat16 +numbers", dataset.info(cohort), re.MULTILINE)


def test_bfloat16_reaches_networks(cohort):
    margin = SampleField(category="images", margin=(1, 0, 0), fill_value=2.0)
    samples = dataset.samples(cohort, indexing=indexing.slices, extract=[margin, "eeg"])
    expected = np.pad(volume("B"), ((1, 1), *[(0, 0)] * 3), constant_values=BF(2))
    np.testing.assert_array_equal(bits(samples[9]["images"]), bits(expected[4:7]))
    batches = list(torch_adapter.loader(samples, batch_size=5, channels_first=False))
    assert batches[1]["images"].dtype == torch.bfloat16
    stacked = np.stack([expected[k : k + 3] for k in range(5)])
    np.testing.assert_array_equal(batches[1]["images"].view(torch.int16).numpy().view(np.uint16), bits(stacked))
    one = torch_adapter.tensors(samples[9])
    assert one["images"].shape == (2, 3, 6, 7)
    assert torch.equal(one["images"][0, 2], torch.full((6, 7), 2.0, dtype=torch.bfloat16))
    (moved,) = flax.to_device([dataset.collate([samples[0], samples[1]])])
    assert str(moved["images"].dtype) == "bfloat16"
    np.testing.assert_array_equal(bits(np.asarray(moved["images"])[0, 0]), bits(np.full((6, 7, 2), BF(2))))


def test_other_programs_read_the_same_values(subjects, tmp_path):
    for compression in (None, "gzip"):
        path = tmp_path / f"{compression}.h5"
        dataset.create(path, subjects, load=load_from, storage=Storage(compression=compression))
        with h5py.File(path) as file:
            stored = file["data/images/0"]
            assert stored.dtype == np.float32
            np.testing.assert_array_equal(stored[()], volume("A").astype(np.float32))
            # What an earlier version reads as its tables is not what was hashed, so that it refuses the file.
            tables = {f"meta/{n}": t for n, t in _tables(file).items() if not n.startswith("dtypes/")}
            assert digest_of_tables(tables) != file.attrs["digest"].decode()


def _tables(file):
    found = {}

    def visit(name, node):
        if isinstance(node, h5py.Dataset):
            is_text = h5py.check_string_dtype(node.dtype) is not None
            found[name] = np.array(node.asstr()[()], object) if is_text else node[()]

    file["meta"].visititems(visit)
    return found


@pytest.mark.parametrize("names", [["<f4", "bfloat16"], ["bfloat16"], ["bfloat16", "<f4"], ["uint16"] * 2])
def test_tables_that_name_another_dtype_are_refused(subjects, tmp_path, names):
    path = tmp_path / "x.h5"
    dataset.create(path, subjects, load=load_from)
    with h5py.File(path, "r+") as file:
        location = layout.DTYPES.format("images")
        del file[location]
        file.create_dataset(location, data=np.array(names, object), dtype=h5py.string_dtype())
        tables = {f"meta/{name}": table for name, table in _tables(file).items()}
        file.attrs["digest"] = np.bytes_(digest_of_tables(tables))
    found = dataset.open(path)
    subject = "B" if names == ["bfloat16", "<f4"] else "A"
    with pytest.raises(ValueError, match=r"^open: .*images is not of the dtype that its tables name"):
        dataset.read(found, subject, "images")


def _odd_type():
    """A float of 24 bits, which nobody has."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(23, 15, 8, 0, 15)
    kind.set_size(3)
    return kind


@pytest.mark.parametrize("kind", [_odd_type, lambda: hdf5_type("bfloat16"), lambda: h5py.h5t.STD_I32BE])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_types_of_foreign_files_are_converted_by_hdf5(tmp_path, kind, is_chunked):
    values = np.arange(210, dtype=np.float32).reshape(5, 6, 7, 1) - 100
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["meta/subjects"] = np.array(["A"], object)
        file["meta/shapes/images_shapes"] = np.array([[5, 6, 7, 1]])
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if is_chunked:
            creation.set_chunk((5, 3, 7, 1))
            creation.set_deflate(1)
        group = file.create_group("data/images")
        stored = h5py.h5d.create(group.id, b"0", kind(), h5py.h5s.create_simple(values.shape), creation)
        stored.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    found = dataset.open(path)
    np.testing.assert_array_equal(dataset.read(found, "A", "images").astype(np.float32), values)
    part = dataset.read(found, "A", "images", index=(3, slice(5, 1, -2)))
    np.testing.assert_array_equal(part.astype(np.float32), values[3, 5:1:-2])


def test_the_dtype_of_bytes_is_not_the_one_that_h5py_names(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for dtype in ("<f2", "<f4", "<f8", ">f4", "u1", "<i8"):
            assert dtype_in_file(file.create_dataset(dtype, (3,), dtype)) == np.dtype(dtype)
        kinds = h5py.enum_dtype({"OFF": 0, "ON": 1}, basetype="i1")
        assert dtype_in_file(file.create_dataset("enum", (3,), kinds)) is None
        h5py.h5d.create(file.id, b"odd", _odd_type(), h5py.h5s.create_simple((3,)))
        assert (file["odd"].dtype, dtype_in_file(file["odd"])) == (np.float32, None)
