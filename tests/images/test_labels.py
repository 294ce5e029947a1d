"""Label maps: the whole numbers that a file means, or one sentence; channels and layers are never pooled."""

import warnings

import nibabel
import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import Geometry

GRID = Geometry(shape=(2, 3, 4), spacing=(3.0, 1.0, 2.0), origin=(1.0, 2.0, 3.0))
LABELS = np.arange(24).reshape(GRID.shape) % 5


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".npy"])
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("uint8", "uint8"), ("int16", "int16"), ("int64", "int64"), ("bool", "uint8"), ("float32", "int32"),
        ("float64", "int32"),
    ],
)  # fmt: skip
def test_labels_of_every_type_are_whole_numbers(tmp_path, suffix, stored, expected):
    array = (LABELS > 2).astype(bool) if stored == "bool" else LABELS.astype(stored)
    if suffix == ".npy":
        np.save(tmp_path / "x.npy", array)
    else:
        images.write(tmp_path / f"x{suffix}", array, GRID)
    labels, grid = images.read_labels(tmp_path / f"x{suffix}")
    assert labels.dtype == ("bool" if stored == "bool" and suffix == ".npy" else expected)
    np.testing.assert_array_equal(labels, array)
    assert grid.shape == GRID.shape


def write_nifti(path, stored, slope, intercept):
    """Write stored integers with a scale, in the single precision of NIfTI."""
    image = nibabel.Nifti1Image(stored.T, np.diag([2.0, 1.0, 3.0, 1.0]))
    image.header.set_data_dtype(stored.dtype)
    raw = bytearray(image.to_bytes())
    raw[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(raw)


def write_metaimage(path, stored, slope, intercept):
    kind = {"i2": "SHORT", "u1": "UCHAR", "i4": "INT"}[stored.dtype.str[1:]]
    size = " ".join(map(str, stored.shape[::-1]))
    scale = f"ElementToIntensityFunctionSlope = {slope}\nElementToIntensityFunctionOffset = {intercept}\n"
    header = (
        f"NDims = 3\nBinaryData = True\nDimSize = {size}\n{scale}ElementType = MET_{kind}\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode() + stored.tobytes())


@pytest.mark.parametrize(("write", "suffix"), [(write_nifti, ".nii"), (write_metaimage, ".mha")])
@pytest.mark.parametrize(
    ("dtype", "stored", "slope", "intercept", "meant"),
    [
        ("u1", [0, 1, 5, 255], 2, 0, [0, 2, 10, 510]),
        ("i2", [2, 4, 6, -2], 0.5, -1, [0, 1, 2, -2]),
        ("i2", [0, 1, 2, 7], 1, 3, [3, 4, 5, 10]),
    ],
)
def test_scaled_labels_are_what_the_stored_numbers_mean(
    tmp_path, write, suffix, dtype, stored, slope, intercept, meant
):
    write(tmp_path / f"x{suffix}", np.array(stored, dtype).reshape(1, 2, 2), slope, intercept)
    labels, _ = images.read_labels(tmp_path / f"x{suffix}")
    assert labels.dtype == "int32"
    assert labels.ravel().tolist() == meant


@pytest.mark.parametrize(("write", "suffix"), [(write_nifti, ".nii"), (write_metaimage, ".mha")])
@pytest.mark.parametrize(
    ("dtype", "slope", "intercept"), [("i2", 1.000015, 0), ("u1", 1, 0.0005), ("i4", 0.9999, -1e-5)]
)
def test_labels_that_a_scale_moved_a_little_are_rounded_with_a_note(tmp_path, write, suffix, dtype, slope, intercept):
    write(tmp_path / f"x{suffix}", np.array([0, 1, 2, 7], dtype).reshape(1, 2, 2), slope, intercept)
    with pytest.warns(UserWarning, match=rf"x{suffix} holds labels that are .* off whole numbers: they are rounded"):
        labels, _ = images.read_labels(tmp_path / f"x{suffix}")
    assert labels.ravel().tolist() == [0, 1, 2, 7]


@pytest.mark.parametrize(
    ("values", "dtype", "reason"),
    [
        ([0, 0.37], "float32", r"it holds 0\.37; probabilities have to be thresholded"),
        ([1, 2.002], "float64", r"it holds 2\.002"),
        ([0, np.nan], "float32", "it holds NaN or infinite numbers"),
        ([-np.inf, 1], "float64", "it holds NaN or infinite numbers"),
        ([0, 2.0**24], "float32", "it holds 16777216 as float32, which rounds such numbers; store integers"),
        ([-(2.0**53), 0], "float64", "it holds 9007199254740992 as float64"),
        ([1e300, 0], "float64", r"it holds 1\.?[0-9]*e\+300 as float64"),
    ],
)
def test_numbers_that_are_no_labels_are_refused(tmp_path, values, dtype, reason):
    for suffix in (".nii", ".mha", ".nrrd", ".npy"):
        array = np.array(values, dtype).reshape(1, 1, 2)
        if suffix == ".npy":
            np.save(tmp_path / "x.npy", array)
        elif suffix == ".nii":  # ITK would write zeros for what is not finite
            nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4)), tmp_path / "x.nii")
        else:
            images.write(tmp_path / f"x{suffix}", array, Geometry(shape=(1, 1, 2), spacing=(1, 1, 1)))
        with pytest.raises(ValueError, match=rf"^read_labels: `path` must name a label map.*x{suffix}: {reason}"):
            images.read_labels(tmp_path / f"x{suffix}")


def test_the_largest_labels_that_floats_hold_are_kept(tmp_path):
    for dtype, largest, kind in (("float32", 2**24 - 1, "int32"), ("float64", 2**53 - 1, "int64")):
        array = np.array([[[0, -1, largest]]], dtype)
        images.write(tmp_path / f"{dtype}.nrrd", array, Geometry(shape=(1, 1, 3), spacing=(1, 1, 1)))
        labels, _ = images.read_labels(tmp_path / f"{dtype}.nrrd")
        assert labels.dtype == kind
        assert labels.ravel().tolist() == [0, -1, largest]


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd", ".npy"])
def test_channels_are_refused_in_every_format(tmp_path, suffix):
    for count in (2, 3, 5):
        array = np.ones((*GRID.shape, count), np.uint8)
        if suffix == ".npy":
            np.save(tmp_path / "x.npy", array)
        elif suffix == ".nii.gz":
            nibabel.save(nibabel.Nifti1Image(np.ones((4, 3, 2, 1, count), np.uint8), np.eye(4)), tmp_path / "x.nii.gz")
        else:
            images.write(tmp_path / f"x{suffix}", array, GRID, overwrite=True)
        with pytest.raises(ValueError, match=rf"x{suffix}: it has {count} channels"):
            images.read_labels(tmp_path / f"x{suffix}")


def test_one_channel_is_none(tmp_path):
    np.save(tmp_path / "x.npy", LABELS[..., np.newaxis])
    labels, _ = images.read_labels(tmp_path / "x.npy")
    assert labels.shape == GRID.shape
    nibabel.save(nibabel.Nifti1Image(LABELS.T[..., None, None].astype(np.uint8), np.eye(4)), tmp_path / "x.nii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels, _ = images.read_labels(tmp_path / "x.nii")
    np.testing.assert_array_equal(labels.reshape(GRID.shape), LABELS)
