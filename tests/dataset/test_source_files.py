"""Image files: their digests, and pixels that are in another file."""

import hashlib
import os

import h5py
import numpy as np
import pytest

from mia_functional import dataset, images
from mia_functional.dataset import Storage
from mia_functional.dataset.source_files import fingerprint
from mia_functional.geometry import Geometry

from .cases import interrupted


def test_files_are_digested_on_request(subjects, folder, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects, storage=Storage(file_digests=True))
    with h5py.File(tmp_path / "x.h5") as file:
        table = file["meta/file_digests/images"][()]
    expected = [[hashlib.sha256((folder / f"{s}_{e}.mha").read_bytes()).digest() for e in ("T1", "T2")] for s in "ABC"]
    assert [[bytes(cell) for cell in row] for row in table] == expected


def test_digests_of_files_can_be_compared_with_the_files(subjects, cohort, tmp_path):
    dataset.create(tmp_path / "x.h5", subjects, storage=Storage(file_digests=True))
    found = dataset.open(tmp_path / "x.h5")
    for subject in found.subjects:
        paths, digests = dataset.files(found, subject), dataset.file_digests(found, subject)
        assert paths.keys() == digests.keys()
        for name, files in paths.items():
            contents = [(tmp_path / file).read_bytes() for file in files]
            assert digests[name] == tuple(hashlib.sha256(content).hexdigest() for content in contents)
    assert dataset.file_digests(cohort, "A") == {}


def test_alignment_is_part_of_what_a_checkpoint_is_made_from(subjects):
    prints = {
        fingerprint(subjects[0], Storage(), align=align, grids={}, voxels=True)
        for align in (None, "reorient", "resample", None)
    }
    assert len(prints) == 3


def replaced_pixels(path):
    """Add one to every pixel in a file, at another time."""
    raw = bytes(byte + 1 for byte in path.read_bytes())
    path.write_bytes(raw)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


@pytest.mark.parametrize("ending", [".mhd", ".nhdr"])
def test_pixels_beside_their_header_are_part_of_the_file(tmp_path, ending):
    grid, people = Geometry(shape=(2, 3), spacing=(1, 1)), []
    for name in "AB":
        images.write(tmp_path / f"{name}{ending}", np.ones(grid.shape, np.uint8), grid)
        entry = dataset.Entry(category="images", name="T1", path=tmp_path / f"{name}{ending}")
        people.append(dataset.Subject(name=name, entries=(entry,)))
    path, loaded = tmp_path / "x.h5", []
    with pytest.raises(KeyboardInterrupt):
        dataset.create(path, people, load=interrupted(loaded, after=2))
    replaced_pixels(tmp_path / "A.raw")
    dataset.create(path, people, load=interrupted(loaded, after=0), resume=True)
    assert loaded == ["A", "B", "A", "B"]
    assert [int(dataset.read(dataset.open(path), k, "images").max()) for k in range(2)] == [2, 1]
    found = []
    for _ in range(2):
        dataset.create(path, people, storage=Storage(file_digests=True), overwrite=True)
        with h5py.File(path) as file:
            found.append(file["meta/file_digests/images"][()].tobytes())
        replaced_pixels(tmp_path / "A.raw")
    assert found[0][:32] != found[1][:32]
    assert found[0][32:] == found[1][32:]


@pytest.mark.parametrize("content", [b"", b"not a header\n", b"NRRD0004\ndata file: gone.raw\n\n"])
def test_files_of_other_kinds_are_left_to_their_loader(tmp_path, content):
    (tmp_path / "A.nhdr").write_bytes(content)
    one = dataset.Subject(name="A", entries=(dataset.Entry(category="images", name="x", path=tmp_path / "A.nhdr"),))
    grid = Geometry(shape=(2, 3), spacing=(1, 1))
    dataset.create(tmp_path / "x.h5", [one], load=lambda _: (np.ones((2, 3)), grid), storage=Storage(file_digests=True))
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["meta/file_digests/images"][()].tobytes() == hashlib.sha256(content).digest()
