"""One cohort in several formats is the same dataset, to the bit, and gives the same table of an evaluation."""

import gzip
import struct

import h5py
import nibabel
import numpy as np
import pytest

from mia_functional import dataset, images
from mia_functional.evaluation import evaluate_folders
from mia_functional.geometry import Geometry, index_to_world

from ..images.surface_cases import box

SHAPE, SPACING = (4, 6, 8), (2.0, 1.5, 1.0)
# The centre is at 0, and the first axis of files points to the left: what ANALYZE means, which cannot say it.
GRID = Geometry(shape=SHAPE, spacing=SPACING, origin=(-3.0, 3.75, -3.5), direction=((1, 0, 0), (0, -1, 0), (0, 0, 1)))
AFFINE = np.array([[-1.0, 0, 0, 3.5], [0, 1.5, 0, -3.75], [0, 0, 2.0, -3.0], [0, 0, 0, 1.0]])
"""From (x, y, z) to (R, A, S)."""


def analyze(path, array):
    """Write a pair of ANALYZE 7.5."""
    header = nibabel.AnalyzeHeader()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.T.shape)
    header["pixdim"][1:4] = SPACING[::-1]
    path.write_bytes(header.binaryblock)
    path.with_suffix(".img").write_bytes(array.tobytes())


def minc(path, array):
    """Write a MINC 2 file, whose scale is 1."""
    with h5py.File(path, "w") as file:
        level = file.create_group("minc-2.0/image/0")
        image = level.create_dataset("image", data=array)
        image.attrs["dimorder"] = np.bytes_("zspace,yspace,xspace")
        image.attrs["valid_range"] = np.array([array.min(), array.max()], float)
        level["image-min"], level["image-max"] = float(array.min()), float(array.max())
        for name, row in zip(("xspace", "yspace", "zspace"), AFFINE, strict=False):
            axis = file.create_dataset(f"minc-2.0/dimensions/{name}", data=np.int32(0))
            axis.attrs["start"], axis.attrs["step"] = row[3], row[:3].sum()


def with_nibabel(kind):
    """Return a function that writes an image with a class of nibabel."""
    return lambda path, array: nibabel.save(kind(array.T, AFFINE), path)


WRITERS = {
    ".nii.gz": with_nibabel(nibabel.Nifti1Image),
    ".nii": with_nibabel(nibabel.Nifti2Image),
    ".mha": lambda path, array: images.write(path, array, GRID),
    ".nrrd": lambda path, array: images.write(path, array, GRID),
    ".mgz": with_nibabel(nibabel.MGHImage),
    ".mgh.gz": lambda path, array: path.write_bytes(gzip.compress(nibabel.MGHImage(array.T, AFFINE).to_bytes())),
    ".hdr": analyze,
    ".img": lambda path, array: with_nibabel(nibabel.Nifti1Pair)(path, array),
    ".mnc": minc,
}


def cohort(folder, ending):
    """Write images, reference labels and predicted ones of two subjects."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels", "found"):
        (folder / name).mkdir()
        for subject in "AB":
            array = rng.integers(-900, 900, SHAPE).astype(np.int16)
            array = array if name == "images" else (array > 0).astype(np.uint8)
            WRITERS[ending](folder / name / f"{subject}{ending}", array)


def contents(folder, ending, **options):
    """Return dtypes, bytes and grids of all that a dataset of a cohort holds."""
    patterns = {name: {"T1": f"{name}/{{subject}}{ending}"} for name in ("images", "labels")}
    dataset.create(folder / "x.h5", dataset.discover(folder, patterns), overwrite=True, **options)
    found = dataset.open(folder / "x.h5", verify=True)
    arrays = [dataset.read(found, subject, name) for subject in "AB" for name in ("images", "labels")]
    return [(a.dtype.name, a.shape, a.tobytes()) for a in arrays], [dataset.geometry(found, s) for s in "AB"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The dataset and the table of the cohort in MetaImage."""
    folder = tmp_path_factory.mktemp("expected")
    cohort(folder, ".mha")
    table = evaluate_folders(folder / "found", folder / "labels", metrics=["DICE", "HDRFDST"], labels={1: "x"})
    return contents(folder, ".mha"), [(row.subject, row.metric, row.value) for row in table]


@pytest.mark.slow
@pytest.mark.parametrize("ending", WRITERS)
def test_the_same_dataset_and_the_same_table(tmp_path, expected, ending):
    cohort(tmp_path, ending)
    arrays, grids = contents(tmp_path, ending)
    assert arrays == expected[0][0]
    assert grids == expected[0][1] == [GRID, GRID]
    assert contents(tmp_path, ending, metadata_only=True) == (arrays, grids)
    table = evaluate_folders(tmp_path / "found", tmp_path / "labels", metrics=["DICE", "HDRFDST"], labels={1: "x"})
    assert [(row.subject, row.metric, row.value) for row in table] == expected[1]


def test_surfaces_are_labels_on_the_grid_of_the_images(tmp_path):
    """Boxes in STL beside images and label maps that they fill: the same dataset, and an overlap of 1."""
    for name in ("images", "labels", "found"):
        (tmp_path / name).mkdir()
    for subject, size in (("A", 1.2), ("B", 2.2)):
        # From the third voxel of each axis on, whose centre is within, to what is beyond the last one.
        corners = np.array([index_to_world(GRID, corner) for corner in box((size,) * 3, (9.5, 9.5, 9.5))[0]])
        faces = box((0, 0, 0), (1, 1, 1))[1]
        facets = [struct.pack("<12fH", *(0,) * 3, *corners[face][:, ::-1].ravel(), 0) for face in faces]
        head = b"SPACE=LPS".ljust(80) + struct.pack("<I", len(faces))
        (tmp_path / "found" / f"{subject}.stl").write_bytes(head + b"".join(facets))
        labels = np.zeros(SHAPE, np.uint8)
        labels[int(size) + 1 :, int(size) + 1 :, int(size) + 1 :] = 1
        images.write(tmp_path / "labels" / f"{subject}.mha", labels, GRID)
        images.write(tmp_path / "images" / f"{subject}.mha", np.zeros(SHAPE, np.int16), GRID)
    found = []
    for pattern in ("labels/{subject}.mha", "found/{subject}.stl"):
        patterns = {"images": {"T1": "images/{subject}.mha"}, "labels": {"GT": pattern}}
        dataset.create(tmp_path / "x.h5", dataset.discover(tmp_path, patterns), overwrite=True)
        opened = dataset.open(tmp_path / "x.h5")
        found.append([dataset.read(opened, subject, "labels").tobytes() for subject in "AB"])
    assert found[0] == found[1]
    table = evaluate_folders(tmp_path / "found", tmp_path / "labels", metrics=["DICE"], labels={1: "box"})
    assert [(row.subject, row.label, row.value) for row in table] == [("A", "box", 1), ("B", "box", 1)]
