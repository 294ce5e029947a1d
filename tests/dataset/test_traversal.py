"""Traversal: subjects to samples in memory, with every image on one grid."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import nibabel
import numpy as np
import pytest
import SimpleITK
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from mia_functional import dataset, images
from mia_functional.geometry import Geometry

GRID = Geometry(shape=(4, 3, 5), spacing=(2.0, 1.0, 1.0), origin=(1.0, 2.0, 3.0))


def subject(folder, **arrays):
    """A subject whose images are written as files; a pair is an array and its own geometry."""
    entries = []
    for name, value in arrays.items():
        array, grid = value if isinstance(value, tuple) else (value, GRID)
        images.write(folder / f"{name}.nrrd", array, grid)
        entries.append(dataset.Entry(category="images", name=name, path=str(folder / f"{name}.nrrd")))
    return dataset.Subject(name="A", entries=tuple(entries))


def test_images_are_stacked_in_order_and_keep_their_kind(tmp_path):
    rng = np.random.default_rng(0)
    one, many = rng.integers(0, 9, GRID.shape).astype(np.int16), rng.integers(0, 9, (*GRID.shape, 3)).astype(np.int16)
    sample = next(iter(dataset.traverse([subject(tmp_path, a=one, b=many, c=one)])))
    np.testing.assert_array_equal(sample["images"], np.concatenate([one[..., None], many, one[..., None]], axis=-1))
    assert sample["images"].dtype == np.int16
    assert sample["geometry"] == GRID


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("uint8", "uint8"), "uint8"),
        (("uint8", "int16"), "int16"),
        (("int16", "float32"), "float32"),
        (("int8",), "int8"),
    ],
)
def test_the_smallest_kind_that_holds_all_is_taken(tmp_path, kinds, expected):
    arrays = {f"x{k}": np.ones(GRID.shape, kind) for k, kind in enumerate(kinds)}
    assert next(iter(dataset.traverse([subject(tmp_path, **arrays)])))["images"].dtype == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (((2**60 + 1, "uint64"), (2**60 + 1, "int64")), "int64"),
        (((2**60 + 1, "int64"), (2**60 + 3, "uint64"), (-1, "int8")), "int64"),
        (((2**64 - 1, "uint64"), (5, "int8")), "uint64"),
        (((5, "int8"), (7, "uint64"), (2**64 - 1, "uint64")), "uint64"),
        (((7, "uint64"), (-5, "int8")), "int64"),
    ],
)
def test_integers_stay_integers_and_keep_their_values(tmp_path, values, expected):
    arrays = {f"x{k}": np.full(GRID.shape, *value) for k, value in enumerate(values)}
    found = next(dataset.traverse([subject(tmp_path, **arrays)]))["images"]
    assert found.dtype == expected
    assert [int(number) for number in found[0, 0, 0]] == [number for number, _ in values]


def test_integers_that_no_type_holds_are_refused(tmp_path):
    one = subject(tmp_path, a=np.full(GRID.shape, 2**64 - 1, "uint64"), b=np.full(GRID.shape, -1, "int8"))
    with pytest.raises(ValueError, match="one type of 64 bits holds; got -1 and 18446744073709551615"):
        next(dataset.traverse([one]))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            Geometry(shape=(4, 3, 5), spacing=(2.0, 1.0, 1.1), origin=(1.0, 2.0, 3.0)),
            "corners up to 0.45 voxels (0.45 mm) apart: spacing (2.0, 1.0, 1.1) and not (2.0, 1.0, 1.0)",
        ),
        (
            Geometry(shape=(4, 3, 5), spacing=(2.0, 1.0, 1.0)),
            "corners up to 3 voxels (3.74 mm) apart: shift of 3.74 mm",
        ),
        (
            Geometry(shape=(4, 5, 3), spacing=(2.0, 1.0, 1.0), origin=(1.0, 2.0, 3.0)),
            "corners up to 2 voxels (2.83 mm) apart: shape (4, 5, 3) and not (4, 3, 5)",
        ),
    ],
)
def test_images_must_lie_on_each_other(tmp_path, other, message):
    pair = {"a": np.zeros(GRID.shape), "b": (np.zeros(other.shape), other)}
    someone = subject(tmp_path, **pair)
    where = re.escape(f"({tmp_path / 'b.nrrd'} and {tmp_path / 'a.nrrd'} of A)")
    end = re.escape(f'{message} (cured by `align="resample"`).')
    for align in (None, "reorient"):
        with pytest.raises(ValueError, match=f"^traverse: `images` must lie on one grid {where}; got {end}$"):
            next(dataset.traverse([someone], align=align))


def test_turned_images_come_onto_the_grid_of_the_first(tmp_path):
    rng = np.random.default_rng(0)
    one, many = rng.integers(0, 9, GRID.shape).astype(np.int16), rng.integers(0, 9, (*GRID.shape, 3)).astype(np.int16)
    # Axes in the order x, z, y, of which x runs the other way from the far end: 3 + 4 * 1 mm.
    place = Geometry(
        shape=(5, 4, 3), spacing=(1.0, 2.0, 1.0), origin=(1.0, 2.0, 7.0), direction=((0, 1, 0), (0, 0, 1), (-1, 0, 0))
    )
    someone = subject(tmp_path, a=one, b=(many.transpose(2, 0, 1, 3)[::-1], place))
    for align in ("reorient", "resample"):
        sample = next(dataset.traverse([someone], align=align))
        np.testing.assert_array_equal(sample["images"], np.concatenate([one[..., None], many], axis=-1))
        assert sample["geometry"] == GRID
    message = r"apart: axes in the order \(1, 2, 0\), axis 2 flipped \(cured by `align=\"reorient\"`\)\.$"
    with pytest.raises(ValueError, match=message):
        next(dataset.traverse([someone]))
    with pytest.raises(ValueError, match=r"^traverse: `align` must be one of reorient, resample; got 'flip'\.$"):
        dataset.traverse([someone], align="flip")


@pytest.mark.parametrize("category", ["images", "labels"])
def test_images_are_interpolated_and_all_else_is_taken_from_the_nearest_voxel(tmp_path, category):
    line = Geometry(shape=(1, 1, 4), spacing=(1.0, 1.0, 1.0))
    images.write(tmp_path / "a.mha", np.zeros(line.shape, np.uint8), line)
    images.write(
        tmp_path / "b.mha", np.array([[[10, 20, 30]]], np.uint8), replace(line, shape=(1, 1, 3), origin=(0, 0, 0.75))
    )
    entries = [dataset.Entry(category="images", name="a", path=tmp_path / "a.mha")]
    entries += [dataset.Entry(category=category, name="b", path=tmp_path / "b.mha")]
    sample = next(dataset.traverse([dataset.Subject(name="A", entries=tuple(entries))], align="resample"))
    # Voxel 0 lies 0.75 voxels before the other file's first, outside of it; voxel 1 a quarter behind it: 12.5.
    expected = [0, 12, 22, 30] if category == "images" else [0, 10, 20, 30]
    assert sample[category][0, 0, :, -1].tolist() == expected
    assert sample[category].dtype == np.uint8


def write_series(folder, pixels, columns, spacing, origin):
    """Write a CT series with pydicom, of slices, rows and columns whose unit vectors are the columns of a matrix."""
    folder.mkdir()
    for number, plane in enumerate(pixels):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(str(folder / f"{number}.dcm"), {}, file_meta=meta, preamble=bytes(128))
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.SeriesInstanceUID, data.Modality = "1.2.3", "CT"
        data.Rows, data.Columns = plane.shape
        data.ImagePositionPatient = (origin + number * spacing[0] * columns[:, 0]).tolist()
        data.ImageOrientationPatient = [*columns[:, 2].tolist(), *columns[:, 1].tolist()]
        data.PixelSpacing, data.SliceThickness = list(spacing[1:]), spacing[0]
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.PixelData = plane.tobytes()
        data.save_as(folder / f"{number}.dcm", enforce_file_format=True)


@pytest.fixture
def converted(tmp_path):
    """A subject of a cubic, oblique DICOM series, and labels that were drawn on its conversion to NIfTI."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(-1000, 1000, (5, 5, 5)).astype(np.int16)
    labels = rng.integers(0, 4, (5, 5, 5)).astype(np.uint8)
    # How slices, rows and columns follow each other, in x, y, z of DICOM's world, which is LPS.
    columns, spacing, origin = np.array([[0.0, 0.6, 0.8], [0.0, 0.8, -0.6], [-1.0, 0, 0]]), (1.5, 0.5, 0.5), [9.0, 8, 7]
    write_series(tmp_path / "series", pixels, columns, spacing, np.array(origin))
    # As dcm2niix does: i, j, k are columns, rows from the last to the first, and slices; the world is RAS.
    to_ras = np.diag([-1.0, -1.0, 1.0])
    steps = (columns * spacing)[:, ::-1] * [1, -1, 1]
    first = np.array(origin) + 4 * spacing[1] * columns[:, 1]
    affine = nibabel.affines.from_matvec(to_ras @ steps, to_ras @ first)
    nibabel.save(nibabel.Nifti1Image(labels.transpose(2, 1, 0)[:, ::-1], affine), tmp_path / "labels.nii.gz")
    entries = [dataset.Entry(category="images", name="CT", path=tmp_path / "series")]
    entries += [dataset.Entry(category="labels", name="GT", path=tmp_path / "labels.nii.gz")]
    return dataset.Subject(name="A", entries=tuple(entries)), pixels, labels


@pytest.mark.parametrize("metadata_only", [False, True])
def test_labels_drawn_on_a_conversion_lie_on_the_series(converted, tmp_path, metadata_only):
    someone, pixels, labels = converted
    with pytest.raises(ValueError, match=r"^create: .*: ax.s .* flipped \(cured by `align=\"reorient\"`\)\.\n"):
        dataset.create(tmp_path / "x.h5", [someone])
    dataset.create(tmp_path / "x.h5", [someone], align="reorient", overwrite=True, metadata_only=metadata_only)
    found = dataset.open(tmp_path / "x.h5", verify=True)
    image, mask = (dataset.read(found, "A", category)[..., 0] for category in ("images", "labels"))
    # Every slice has its own pixels, whichever came first.
    order = [int(np.flatnonzero((pixels == plane).all(axis=(1, 2)))[0]) for plane in image]
    np.testing.assert_array_equal(image, pixels[order])
    np.testing.assert_array_equal(mask, labels[order])
    grid = images.to_simpleitk(image, dataset.geometry(found, "A"))
    drawn = SimpleITK.ReadImage(tmp_path / "labels.nii.gz")
    resampled = SimpleITK.Resample(drawn, grid, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor)
    np.testing.assert_array_equal(mask, SimpleITK.GetArrayFromImage(resampled))


def labelled(path):
    return dataset.Subject(name="A", entries=(dataset.Entry(category="labels", name="GT", path=str(path)),))


META = """NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
DimSize = 5 3 4
ElementToIntensityFunctionSlope = 0.5
ElementType = MET_SHORT
ElementDataFile = LOCAL
"""


READERS = [images.read, images.read_stored, images.read_channels, images.read_labels]


@pytest.mark.parametrize("load", [*READERS, partial(images.read_stored, max_bytes=10_000)])
def test_labels_are_whole_numbers_whichever_reader_reads_them(tmp_path, load):
    labels = np.arange(60).reshape(GRID.shape)
    (tmp_path / "x.mha").write_bytes(META.encode() + (2 * labels).astype("<i2").tobytes())
    sample = next(iter(dataset.traverse([labelled(tmp_path / "x.mha")], load=load)))
    assert sample["labels"].dtype == np.int32
    np.testing.assert_array_equal(sample["labels"], labels[..., None])
    (tmp_path / "x.mha").write_bytes(META.encode() + labels.astype("<i2").tobytes())
    with pytest.raises(ValueError, match=r"x\.mha: it holds 0\.5; probabilities"):
        next(iter(dataset.traverse([labelled(tmp_path / "x.mha")], load=load)))


def test_channels_of_labels_are_refused_by_our_readers_and_left_to_others(tmp_path):
    layers = np.ones((*GRID.shape, 2), np.uint8)
    images.write(tmp_path / "x.seg.nrrd", layers, GRID)
    with pytest.raises(
        ValueError, match=r"^traverse: `subjects` must name a label map.*x\.seg\.nrrd: it has 2 channels"
    ):
        next(iter(dataset.traverse([labelled(tmp_path / "x.seg.nrrd")])))
    with pytest.raises(ValueError, match=r"^create: `subjects` must name a label map"):
        dataset.create(tmp_path / "x.h5", [labelled(tmp_path / "x.seg.nrrd")])
    sample = next(iter(dataset.traverse([labelled(tmp_path / "x.seg.nrrd")], load=lambda _: (layers, GRID))))
    np.testing.assert_array_equal(sample["labels"], layers)
    sample = next(iter(dataset.traverse([subject(tmp_path, image=layers)])))
    assert sample["images"].shape == layers.shape


def test_files_and_values_are_not_mixed(tmp_path):
    someone = subject(tmp_path, a=np.zeros(GRID.shape))
    value = dataset.Entry(category="images", name="b", value=1.0)
    with pytest.raises(ValueError, match="have files or values in a category, not both; got images"):
        next(iter(dataset.traverse([dataset.Subject(name="A", entries=(*someone.entries, value))])))


def test_values_become_arrays_or_texts():
    values = {"n": 1.5, "m": 2}
    entries = [dataset.Entry(category="numbers", name=name, value=value) for name, value in values.items()]
    entries += [dataset.Entry(category="mixed", name=name, value=value) for name, value in {"a": "x", "b": 2.0}.items()]
    sample = next(iter(dataset.traverse([dataset.Subject(name="A", entries=tuple(entries))])))
    assert sample["numbers"].tolist() == [1.5, 2.0]
    assert sample["mixed"] == ("x", "2.0")
    assert sample["geometry"] is None


def test_it_is_lazy_and_transforms(tmp_path):
    seen = []

    def transform(sample):
        seen.append(sample["subject"])
        return {**sample, "images": sample["images"] + 1}

    one = subject(tmp_path, a=np.zeros(GRID.shape))
    samples = dataset.traverse([one, one], transform=transform)
    assert seen == []
    assert next(samples)["images"].min() == 1
    assert seen == ["A"]
    for wrong in (lambda _: None, lambda sample: {"images": sample["images"]}):
        with pytest.raises(TypeError, match="return the sample, a dictionary"):
            next(dataset.traverse([one], transform=wrong))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subjects": 3}, "`subjects` must be several `Subject`; got 3"),
        ({"executor": 4}, "`executor` must be a `concurrent.futures.Executor`; got 4"),
        ({"load": None}, "`load` must be a function such as `images.read`; got None"),
        ({"transform": "abc"}, "`transform` must be a function such as .*; got 'abc'"),
    ],
)
def test_wrong_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(TypeError, match=rf"^traverse: {message}\.$"):
        dataset.traverse(**{"subjects": [], **arguments})


def test_what_is_no_subject_or_no_geometry_is_refused(tmp_path):
    one = subject(tmp_path, a=np.zeros(GRID.shape))
    with pytest.raises(TypeError, match=r"^traverse: `subjects` must be several `Subject`; got 'a' among them"):
        next(dataset.traverse(["a"]))
    with pytest.raises(
        TypeError, match=r"^traverse: `transform` must return a Geometry as `geometry`, or none; got 'a'"
    ):
        next(dataset.traverse([one], transform=lambda sample: {**sample, "geometry": "a"}))


@pytest.mark.parametrize(
    ("pair", "kind", "message"),
    [
        (np.zeros(GRID.shape), TypeError, "got ndarray for .*a.nrrd"),
        ((np.zeros(GRID.shape), None), TypeError, "got tuple for .*a.nrrd"),
        (([[0]], GRID), ValueError, r"got \(\) and \(4, 3, 5\) for .*a.nrrd"),
        ((np.zeros((4, 3, 6)), GRID), ValueError, r"got \(4, 3, 6\) and \(4, 3, 5\) for .*a.nrrd"),
        ((np.zeros((4, 3)), GRID), ValueError, "whose shape is that of the first axes of the array; got"),
    ],
)
def test_a_loader_returns_an_array_on_its_grid(tmp_path, pair, kind, message):
    one = subject(tmp_path, a=np.zeros(GRID.shape))
    with pytest.raises(kind, match=f"`load` must return an array and its Geometry.*{message}"):
        next(dataset.traverse([one], load=lambda _: pair))


def test_any_loader_and_numpy_files_and_channels(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    grid = Geometry(shape=(5, 2, 3, 4), spacing=(1.0, 3.0, 2.0, 1.0))
    images.write(tmp_path / "b.nii.gz", np.random.default_rng(0).normal(size=grid.shape), grid)
    for name, load, shape in (("a.npy", images.read, (2, 3, 4, 1)), ("b.nii.gz", images.read_channels, (2, 3, 4, 5))):
        entry = dataset.Entry(category="images", name="x", path=str(tmp_path / name))
        dataset.create(tmp_path / "x.h5", [dataset.Subject(name="A", entries=(entry,))], load=load, overwrite=True)
        found = dataset.open(tmp_path / "x.h5", verify=True)
        assert found.categories[0].shapes == (shape,)
        assert dataset.geometry(found, 0).shape == (2, 3, 4)


def double(sample):
    """A transform that processes can import, and that one subject fails."""
    if sample["numerical"][0] == 22:
        raise RuntimeError("no good")
    return {**sample, "images": sample["images"] * np.float32(2)}


def test_samples_are_the_same_for_any_workers(subjects, executor):
    expected = list(dataset.traverse([*subjects, *subjects]))
    found = list(dataset.traverse(iter([*subjects, *subjects]), executor=executor))
    for sample, other in zip(found, expected, strict=True):
        assert sample.keys() == other.keys()
        others = ("subject", "geometry", "gender", "roles")
        for name in sample.keys() - set(others):
            np.testing.assert_array_equal(sample[name], other[name])
            assert sample[name].dtype == other[name].dtype
        assert [sample[name] for name in others] == [other[name] for name in others]


def test_a_failure_comes_in_its_turn(subjects, executor):
    samples = dataset.traverse(subjects, transform=double, executor=executor)
    assert [next(samples)["subject"], next(samples)["subject"]] == ["A", "B"]
    with pytest.raises(RuntimeError, match="no good"):
        next(samples)


def test_only_a_few_samples_wait(subjects):
    done = []
    with ThreadPoolExecutor(2) as pool:
        samples = dataset.traverse(subjects * 7, transform=lambda sample: done.append(1) or sample, executor=pool)
        next(samples)
        pool.submit(int).result()
        assert len(done) <= 3
        samples.close()
    assert len(done) <= 3


def test_the_pose_of_nifti_files_that_state_two_is_part_of_the_loader(tmp_path):
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(4, 3, 2), None)
    image.header.set_qform(np.diag([2.0, 2, 2, 1]), 1)
    image.header.set_sform(np.diag([1.0, 1, 3, 1]), 4)
    nibabel.save(image, tmp_path / "A.nii")
    person = dataset.Subject(name="A", entries=(dataset.Entry(category="images", name="T1", path=tmp_path / "A.nii"),))
    for pose, spacing in (("sform", (3, 1, 1)), ("qform", (2, 2, 2))):
        load = partial(images.read, affine=pose)
        assert next(dataset.traverse([person], load=load))["geometry"].spacing == spacing
        dataset.create(tmp_path / "x.h5", [person], load=load, metadata_only=True, overwrite=True)
        volume = dataset.read(dataset.open(tmp_path / "x.h5", root=tmp_path, load=load), "A", "images")
        np.testing.assert_array_equal(volume[..., 0], np.asarray(image.dataobj).T)
    with pytest.raises(ValueError, match="`affine` must be 'sform' or 'qform' for a NIfTI file that states two places"):
        next(dataset.traverse([person]))
