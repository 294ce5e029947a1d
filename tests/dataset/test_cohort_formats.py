"""One cohort in several formats is the same dataset, to the bit, and gives the same table of an evaluation."""

import gzip
import json
import shutil
import struct
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import h5py
import nibabel
import numpy as np
import pytest
from skimage.measure import find_contours

from mia_functional import dataset, images
from mia_functional.evaluation import evaluate_folders
from mia_functional.geometry import Geometry, index_to_world
from mia_functional.images import Segment, Segmentation

from ..images.dicom_cases import write_slice
from ..images.seg_cases import STUDY
from ..images.structure_cases import contour, drawn, write_structures
from ..images.surface_cases import box

SHAPE, SPACING = (4, 6, 8), (2.0, 1.5, 1.0)
# The centre is at 0, and the first axis of files points to the left: what ANALYZE means, which cannot say it.
GRID = Geometry(shape=SHAPE, spacing=SPACING, origin=(-3.0, 3.75, -3.5), direction=((1, 0, 0), (0, -1, 0), (0, 0, 1)))
AFFINE = np.array([[-1.0, 0, 0, 3.5], [0, 1.5, 0, -3.75], [0, 0, 2.0, -3.0], [0, 0, 0, 1.0]])
"""From (x, y, z) to (R, A, S)."""

ALONG = Geometry(shape=SHAPE, spacing=SPACING, origin=(-3.0, 3.75, -3.5))
"""What formats without a direction hold, and DICOM, whose axes are right-handed."""

AT_ZERO = Geometry(shape=SHAPE, spacing=SPACING)
"""What formats without a place hold."""


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


def ours(grid=GRID):
    """Return a function that writes an image ourselves."""
    return lambda path, array: images.write(path, array, grid)


def named(grid=GRID):
    """Return a function that writes a segmentation with a name."""
    segments = (Segment(label=1, name="x", algorithm_type="MANUAL"),)
    return lambda path, array: images.write_segmentation(path, Segmentation(array, segments, grid), source(path))


def source(path):
    """Return the series on which a file of DICOM was drawn."""
    return path.parents[1] / "images" / path.stem if path.suffix == ".dcm" else None


def series(path, array):
    """Write a series of DICOM."""
    path.mkdir()
    for number, plane in enumerate(array):
        place = ALONG.origin[2], ALONG.origin[1], ALONG.origin[0] + SPACING[0] * number
        write_slice(path / f"{number}.dcm", plane, place, PixelSpacing=list(SPACING[1:]), SliceThickness=SPACING[0],
                    InstanceNumber=number + 1, **STUDY | {"SeriesInstanceUID": f"1.2.{ord(path.name)}"})  # fmt: skip


def structures(path, array):
    """Write the contours of a mask."""
    contours = [
        contour(drawn(ALONG, number, polygon[:-1] - 1, decimals=4))
        for number, plane in enumerate(np.pad(array, ((0, 0), (1, 1), (1, 1))))
        for polygon in find_contours(plane.astype(float), 0.5)
    ]
    write_structures(path, {"x": contours}, frame=STUDY["FrameOfReferenceUID"])


def case(path, array):
    """Write a case of nnU-Net, with plans that state its spacing."""
    plans = {name: {"data_identifier": name, "spacing": list(SPACING)} for name in ("images", "labels", "found")}
    (path.parents[1] / "nnUNetPlans.json").write_text(json.dumps({"configurations": plans}))
    images.write(path, array.astype(np.int16), AT_ZERO)


class Kind(NamedTuple):
    """How a cohort is written: images and labels, their endings, and the grid, which the format can hold."""

    ending: str
    image: Callable
    label: Callable | None = None
    labels: str = ""
    grid: Geometry = GRID


KINDS = {
    "NIfTI-1": Kind(".nii.gz", with_nibabel(nibabel.Nifti1Image)),
    "NIfTI-2": Kind(".nii", with_nibabel(nibabel.Nifti2Image)),
    "MetaImage": Kind(".mha", ours()),
    "NRRD": Kind(".nrrd", ours()),
    "seg.nrrd": Kind(".nrrd", ours(), named(), ".seg.nrrd"),
    "MGZ": Kind(".mgz", with_nibabel(nibabel.MGHImage)),
    "MGZ of ours": Kind(".mgz", ours()),
    "mgh.gz": Kind(
        ".mgh.gz", lambda path, array: path.write_bytes(gzip.compress(nibabel.MGHImage(array.T, AFFINE).to_bytes()))
    ),
    "ANALYZE": Kind(".hdr", analyze),
    "pairs of NIfTI": Kind(".img", with_nibabel(nibabel.Nifti1Pair)),
    "MINC 2": Kind(".mnc", minc),
    "NIfTI-Zarr": Kind(".nii.zarr", ours()),
    "OME-Zarr": Kind(".ome.zarr", ours(ALONG), named(ALONG), grid=ALONG),
    "DICOM SEG": Kind("", series, named(ALONG), ".dcm", grid=ALONG),
    "RTSTRUCT": Kind("", series, structures, ".dcm", grid=ALONG),
    "TIFF": Kind(".tif", ours(AT_ZERO), grid=AT_ZERO),
    "b2nd": Kind(".b2nd", case, grid=AT_ZERO),
}


def cohort(folder, kind, names=("images", "labels", "found")):
    """Write images, reference labels and predicted ones of two subjects."""
    for name in names:
        rng = np.random.default_rng(len(name))
        (folder / name).mkdir()
        for subject in "AB":
            array = rng.integers(-900, 900, SHAPE).astype(np.int16)
            if name == "images":
                kind.image(folder / name / f"{subject}{kind.ending}", array)
                continue
            labels = (array > 0).astype(np.uint8)
            labels[0] = name == "labels"  # so that segmentations without empty frames lie elsewhere
            (kind.label or kind.image)(folder / name / f"{subject}{kind.labels or kind.ending}", labels)


def contents(folder, kind, **options):
    """Return dtypes, bytes and grids of all that a dataset of a cohort holds."""
    endings = {"images": kind.ending, "labels": kind.labels or kind.ending}
    patterns = {name: {"T1": f"{name}/{{subject}}{ending}"} for name, ending in endings.items()}
    dataset.create(folder / "x.h5", dataset.discover(folder, patterns), overwrite=True, **options)
    found = dataset.open(folder / "x.h5", verify=True)
    arrays = [dataset.read(found, subject, name) for subject in "AB" for name in ("images", "labels")]
    return [(a.dtype.name, a.shape, a.tobytes()) for a in arrays], [dataset.geometry(found, s) for s in "AB"]


def table(folder, **options):
    """Return subjects, metrics and values of an evaluation of a cohort."""
    found = evaluate_folders(folder / "found", folder / "labels", metrics=["DICE", "HDRFDST"], **options)
    return [(row.subject, row.label, row.metric, row.value) for row in found]


@pytest.fixture(scope="module")
def in_metaimage(tmp_path_factory):
    """A function that returns the dataset and the table of the cohort in MetaImage, on a grid."""

    @cache
    def found(grid):
        folder = tmp_path_factory.mktemp("expected")
        cohort(folder, Kind(".mha", ours(grid)))
        return contents(folder, KINDS["MetaImage"]), table(folder, labels={1: "x"})

    return found


FULL = ("DICOM SEG", "RTSTRUCT", "b2nd", "OME-Zarr", "NIfTI-Zarr", "TIFF", "seg.nrrd", "MGZ of ours")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:read. preprocessed cases of nnU-Net:UserWarning")
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.full if name in FULL else ()) for name in KINDS])
def test_the_same_dataset_and_the_same_table(tmp_path, in_metaimage, name):
    kind = KINDS[name]
    expected, values = in_metaimage(kind.grid)
    cohort(tmp_path, kind)
    arrays, grids = contents(tmp_path, kind)
    if name == "b2nd":  # of signed integers, as nnU-Net marks by -1 what is empty around a body
        bytewise = [np.frombuffer(raw, np.int16).astype(np.uint8).tobytes() for _, _, raw in arrays[1::2]]
        arrays[1::2] = [("uint8", shape, raw) for (_, shape, _), raw in zip(arrays[1::2], bytewise, strict=True)]
    assert arrays == expected[0]
    assert grids == expected[1] == [kind.grid, kind.grid]
    assert contents(tmp_path, kind, metadata_only=True)[1] == grids
    if name == "RTSTRUCT":  # contours have no grid: one of the two has to be on one
        shutil.rmtree(tmp_path / "labels")
        cohort(tmp_path, Kind(".mha", ours(ALONG)), names=["labels"])
    assert table(tmp_path, labels={1: "x"}) == values
    if name in ("DICOM SEG", "seg.nrrd", "OME-Zarr"):  # which say what their labels are
        assert table(tmp_path) == values


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
