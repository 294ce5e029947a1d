"""NIfTI headers place images where nibabel does; those that state two places, or none that a grid has, are refused."""

import inspect
import itertools
import struct
from contextlib import nullcontext

import nibabel
import numpy as np
import pytest

from mia_functional import geometry as geometries
from mia_functional import images

from .cases import TO_RAS, oblique, patched, ras_affine

AXIAL = np.diag([-2.0, 3, 1, 1])
SAGITTAL = np.array([[0, 0, 1.5, 5], [2.0, 0, 0, 6], [0, 3, 0, 7], [0, 0, 0, 1]])
CORONAL = np.array([[2.0, 0, 0, 5], [0, 0, -1.5, 6], [0, 3, 0, 7], [0, 0, 0, 1]])
OBLIQUE = ras_affine(oblique((5, 4, 3), seed=3))
MIRRORED = ras_affine(oblique((5, 4, 3), seed=4, mirrored=True))


def save(path, sform, shape=(5, 4, 3), *, qform=None, codes=(0, 1), units="mm"):
    """Write a NIfTI file with a sform and a qform (the same by default), pixdim, and their codes (qform, sform)."""
    image = nibabel.Nifti1Image(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), None)
    header = image.header
    header.set_qform(sform if qform is None else qform, codes[0])
    header["srow_x"], header["srow_y"], header["srow_z"], header["sform_code"] = *sform[:3], codes[1]
    header.set_xyzt_units(units)
    nibabel.save(image, path)


def displacement(geometry, affine, unit=1.0):
    """The largest distance in millimetres of a corner from where nibabel's affine places it."""
    corners = itertools.product(*((0, count - 1) for count in geometry.shape))
    return max(
        np.abs((TO_RAS @ (unit * (affine @ [*index[::-1], *[0] * (3 - len(index)), 1])[:3]))[: len(index)][::-1]
               - geometries.index_to_world(geometry, index)).max()
        for index in corners
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 4, 3), (6, 1, 4), (5, 4), (7, 2, 5)])
@pytest.mark.parametrize("steps", [(1, 1, 1), (2, 3, 0.5), (0.7, 0.7, 5)])
@pytest.mark.parametrize("qfac", [1, -1])
def test_without_codes_images_lie_where_nibabel_says(tmp_path, shape, steps, qfac):
    """As in ANALYZE: the centre is 0 and the first axis points to the left; whatever the forms hold."""
    save(tmp_path / "x.nii", OBLIQUE, shape, codes=(0, 0))
    patched(tmp_path / "x.nii", 76, struct.pack("<4f", qfac, *steps))
    affine = nibabel.load(tmp_path / "x.nii").affine
    np.testing.assert_array_equal(np.abs(np.diag(affine)[: len(shape)]), np.float32(steps)[: len(shape)])
    array, geometry = images.read(tmp_path / "x.nii")
    assert array.shape == geometry.shape == shape[::-1]
    assert displacement(geometry, affine) < 1e-5
    assert images.read(tmp_path / "x.nii", affine="sform")[1] == geometry


@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL, CORONAL, OBLIQUE, MIRRORED])
@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (1, 4)])
def test_each_pose_alone_is_that_of_nibabel(tmp_path, affine, codes):
    save(tmp_path / "x.nii", affine, codes=codes)
    geometry = images.read(tmp_path / "x.nii")[1]
    assert displacement(geometry, nibabel.load(tmp_path / "x.nii").affine) < 2e-5
    np.testing.assert_allclose(np.array(geometry.direction).T @ geometry.direction, np.eye(3), atol=1e-6)


@pytest.mark.parametrize(("units", "unit"), [("mm", 1.0), ("meter", 1e3), ("micron", 1e-3), ("unknown", 1.0)])
@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (1, 4), (0, 0)])
def test_places_are_in_millimetres_whatever_the_unit_of_the_file(tmp_path, units, unit, codes):
    save(tmp_path / "x.nii", OBLIQUE, codes=codes, units=units)
    geometry = images.read(tmp_path / "x.nii")[1]
    assert displacement(geometry, nibabel.load(tmp_path / "x.nii").affine, unit) < 2e-5 * unit
    np.testing.assert_allclose(geometry.spacing[::-1], unit * np.linalg.norm(OBLIQUE[:3, :3], axis=0), rtol=1e-6)


@pytest.mark.parametrize("entry", [(0, 1), (1, 2), (2, 0)])
@pytest.mark.parametrize("qform_code", [0, 1])
@pytest.mark.parametrize("shear", [1e-6, 1e-3, -2e-3])
def test_shear_of_rounding_is_read(tmp_path, entry, qform_code, shear):
    sheared = np.diag([-1.0, 1, 1.5, 1])
    sheared[entry] += shear
    save(tmp_path / "x.nii", sheared, qform=np.diag([-1.0, 1, 1.5, 1]), codes=(qform_code, 1))
    geometry = images.read(tmp_path / "x.nii")[1]
    assert displacement(geometry, nibabel.load(tmp_path / "x.nii").affine) <= 0.01
    direction = np.array(geometry.direction)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(geometry.spacing[::-1], np.linalg.norm(sheared[:3, :3], axis=0), rtol=1e-6)


@pytest.mark.parametrize(("entry", "shear", "words"), [
    ((0, 1), 0.02, "x and y are 1.15 degrees off a right angle"),
    ((1, 2), 0.3, "y and z are 11.3 degrees off a right angle"),
    ((2, 0), -1.0, "x and z are 45 degrees off a right angle"),
])  # fmt: skip
@pytest.mark.parametrize("affine", [None, "sform"])
def test_more_shear_is_refused(tmp_path, entry, shear, words, affine):
    sheared = np.diag([-1.0, 1, 1.5, 1])
    sheared[entry] += shear
    save(tmp_path / "x.nii", sheared)
    pixdim = np.linalg.norm(sheared[:3, :3], axis=0)
    patched(tmp_path / "x.nii", 80, struct.pack("<3f", *pixdim))
    with pytest.raises(
        ValueError, match=f"x.nii: its sform is sheared: {words}, and corners [0-9.]+ voxels from where"
    ):
        images.read(tmp_path / "x.nii", affine=affine)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 1, 1)])
@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL, CORONAL, OBLIQUE, MIRRORED])
@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (1, 4)])
def test_slices_lie_where_nibabel_says(tmp_path, shape, affine, codes):
    save(tmp_path / "x.nii", affine, shape, codes=codes)
    patched(tmp_path / "x.nii", 88, struct.pack("<f", 0))  # the slice has no thickness
    array, geometry = images.read(tmp_path / "x.nii")
    assert geometry.shape == ((4, 5) if shape == (5, 4) and affine is AXIAL else (1, 4, 5))
    np.testing.assert_array_equal(array.ravel(), np.arange(20, dtype=np.int16).reshape(5, 4).T.ravel())
    assert displacement(geometry, nibabel.load(tmp_path / "x.nii").affine) < 2e-5
    assert min(geometry.spacing) > 0


@pytest.mark.parametrize("column", [(0, 0, 0), (1, 2, 3), (0, -2, 0), (0, 0, -2), (1, 0, -3)])
def test_the_direction_of_a_single_slice_does_not_matter(tmp_path, column):
    """It becomes the normal on the same side of the plane, and a right-handed one if it lies in the plane."""
    affine = AXIAL.copy()
    affine[:3, 2] = column
    save(tmp_path / "x.nii", affine, (5, 4, 1), qform=AXIAL)
    geometry = images.read(tmp_path / "x.nii")[1]
    assert displacement(geometry, nibabel.load(tmp_path / "x.nii").affine) < 1e-5
    np.testing.assert_allclose(geometry.direction, np.diag([1.0 if column[2] > 0 else -1, -1, 1]), atol=1e-12)
    assert geometry.spacing[0] == pytest.approx(np.linalg.norm(column) or 1)


def test_slices_without_a_direction_are_refused_without_a_warning(tmp_path):
    for number, lost in enumerate(([0, 0, 0], [0, 0, -2.0])):
        affine = SAGITTAL.copy()
        affine[:3, 1] = lost  # the columns of x and y are parallel, or there is none of y
        affine[:3, 0] = [0, 0, 1]
        save(tmp_path / f"{number}.nii", affine, (5, 4), qform=AXIAL)
        patched(tmp_path / f"{number}.nii", 80, struct.pack("<ff", 1, max(np.abs(lost).max(), 1)))
        # Warnings are errors in these tests.
        with pytest.raises(ValueError, match=r"its sform (is sheared|has an axis without a direction)") as caught:
            images.read(tmp_path / f"{number}.nii", affine="sform")
        assert "ITK" not in str(caught.value)


MOVED, TURNED, LARGER = np.eye(4), np.diag([-1.0, -1, 1, 1]), np.diag([1.0, 1, 1.01, 1])
MOVED[0, 3] = 2
PLACES = "`affine` must be 'sform' or 'qform' for a NIfTI file that states two places; got none for"


@pytest.mark.parametrize(("sform", "codes", "words"), [
    (MOVED, (1, 4), r"sform \(code 4: MNI 152\) and qform \(code 1: scanner\) place a corner 2 mm apart"),
    (TURNED, (1, 2), r"sform \(code 2: another image\) and qform \(code 1: scanner\) place a corner 10 mm apart"),
    (LARGER, (2, 5), r"sform \(code 5: a template\) and qform \(code 2: another image\) place a corner 0.02 mm apart"),
])  # fmt: skip
def test_two_places_are_refused_unless_one_is_chosen(tmp_path, sform, codes, words):
    save(tmp_path / "x.nii", sform, qform=np.eye(4), codes=codes)
    for read in (images.read, images.read_stored, images.read_channels):
        with pytest.raises(ValueError, match=f"{read.__name__}: {PLACES} .*x.nii, whose {words}"):
            read(tmp_path / "x.nii")
        other = nibabel.load(tmp_path / "x.nii")
        assert displacement(read(tmp_path / "x.nii", affine="sform")[1], other.get_sform()) < 1e-5
        assert displacement(read(tmp_path / "x.nii", affine="qform")[1], other.get_qform()) < 1e-5


def test_poses_that_differ_by_rounding_are_one(tmp_path):
    moved = np.eye(4)
    moved[0, 3] = 0.005
    for codes in ((1, 4), (2, 2), (1, 1)):
        save(tmp_path / "x.nii", moved, qform=np.eye(4), codes=codes)
        assert images.read(tmp_path / "x.nii")[1].origin[2] == pytest.approx(-0.005)
        assert images.read(tmp_path / "x.nii", affine="qform")[1].origin[2] == 0


def test_an_sform_with_another_spacing_than_pixdim_has_to_be_chosen(tmp_path):
    save(tmp_path / "x.nii", np.diag([3.0, 1, 1, 1]))
    patched(tmp_path / "x.nii", 80, struct.pack("<f", 1))
    with pytest.raises(ValueError, match=r"whose pixdim states another spacing; got none for .*x\.nii, "):
        images.read(tmp_path / "x.nii")
    with pytest.raises(ValueError, match="whose pixdim states another spacing"):
        images.read(tmp_path / "x.nii", affine="qform")  # there is none in use
    assert images.read(tmp_path / "x.nii", affine="sform")[1].spacing == (1, 1, 3)


@pytest.mark.parametrize("suffix", [".nii", ".mha", ".nrrd", ".npy"])
def test_files_with_one_place_take_any_choice(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    geometry = oblique((5, 4, 3))
    if suffix == ".npy":
        np.save(path, np.zeros((5, 4, 3)))
    else:
        images.write(path, np.zeros((5, 4, 3)), geometry)
    for affine in ("sform", "qform"):
        assert geometries.same_geometry(images.read(path)[1], images.read(path, affine=affine)[1], tolerance=1e-4)
    with pytest.raises(ValueError, match="read: `affine` must be one of sform, qform; got 'best'"):
        images.read(path, affine="best")


@pytest.mark.parametrize(("fields", "words"), [
    (struct.pack("<3f", 1, 1, 0), "its qform has the quaternion"),
    (struct.pack("<3f", 0.9, 0.9, 0.9), "its qform has the quaternion"),
])  # fmt: skip
def test_a_qform_that_is_no_rotation_is_refused(tmp_path, fields, words):
    save(tmp_path / "x.nii", np.eye(4), codes=(1, 0))
    patched(tmp_path / "x.nii", 256, fields)
    with pytest.raises(ValueError, match=words):
        images.read(tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 256, struct.pack("<3f", 0, 0, 0) + struct.pack("<f", 0))
    patched(tmp_path / "x.nii", 76, struct.pack("<f", -5))
    with pytest.raises(ValueError, match="qfac -5"):
        images.read(tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 76, struct.pack("<f", 0))  # the standard takes 0 for 1
    assert images.read(tmp_path / "x.nii")[1].direction[0] == (1, 0, 0)


def test_a_quaternion_that_is_too_long_by_rounding_is_a_rotation(tmp_path):
    save(tmp_path / "x.nii", np.diag([-2.0, -3, 1.5, 1]), codes=(1, 0))
    patched(tmp_path / "x.nii", 256, struct.pack("<3f", 0, 0, 1.0004))
    geometry = images.read(tmp_path / "x.nii")[1]
    np.testing.assert_allclose(geometry.direction, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(geometry.spacing, (1.5, 3, 2), rtol=1e-12)


@pytest.mark.parametrize("codes", [(6, 1), (1, 7), (0, 512), (9, 0)])
def test_unknown_codes_are_refused_and_negative_ones_are_none(tmp_path, codes):
    save(tmp_path / "x.nii", OBLIQUE)
    patched(tmp_path / "x.nii", 252, struct.pack("<hh", *codes))
    with pytest.raises(ValueError, match=f"its qform_code is {codes[0]} and its sform_code {codes[1]}; codes up to 5"):
        images.read(tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 252, struct.pack("<hh", -codes[0], -codes[1] if codes[1] > 1 else 0))
    assert displacement(images.read(tmp_path / "x.nii")[1], nibabel.load(tmp_path / "x.nii").affine) < 2e-5


@pytest.mark.parametrize(("step", "units", "expected"), [(2, 2, 2), (0, 2, 1), (2, 16, 0.002), (4, 24, 4e-6)])
def test_the_fourth_axis_is_time_in_seconds(tmp_path, step, units, expected):
    save(tmp_path / "x.nii", OBLIQUE, (5, 4, 3, 2))
    patched(tmp_path / "x.nii", 92, struct.pack("<f", step))
    patched(tmp_path / "x.nii", 123, bytes([units | 2]))
    geometry = images.read(tmp_path / "x.nii")[1]
    assert geometry.spacing[0] == pytest.approx(expected)
    assert geometry.direction[0] == (1, 0, 0, 0)


@pytest.mark.parametrize("affine", [None, "sform"])
def test_an_sform_of_zeros_is_no_other_spacing(tmp_path, affine):
    save(tmp_path / "x.nii", OBLIQUE)
    patched(tmp_path / "x.nii", 280, bytes(48))
    with pytest.raises(ValueError, match="its sform has an axis without a direction"):
        images.read(tmp_path / "x.nii", affine=affine)


def test_two_poses_may_differ_as_much_as_two_grids(tmp_path):
    same = inspect.signature(geometries.same_geometry).parameters["tolerance"].default
    for shift, refusal in ((0.9 * same, nullcontext()), (1.1 * same, pytest.raises(ValueError, match="two places"))):
        moved = np.diag([1.0, 2, 3, 1])
        moved[0, 3] = shift
        save(tmp_path / "x.nii", np.diag([1.0, 2, 3, 1]), qform=moved, codes=(1, 1))
        with refusal:
            images.read(tmp_path / "x.nii")
