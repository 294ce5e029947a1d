"""The MNI152 template as files: read where nibabel places it, written where nibabel finds it."""

import nibabel
import numpy as np
import pytest

from mia_functional import images

from .cases import from_ras_affine, ras_affine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template():
    datasets = pytest.importorskip("nilearn.datasets")
    image = datasets.load_mni152_template(resolution=1)
    return nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine)


def test_a_head_is_read_where_nibabel_places_it_and_written_the_same(template, tmp_path):
    nibabel.save(template, tmp_path / "t1.nii.gz")
    array, geometry = images.read(tmp_path / "t1.nii.gz")
    assert array.shape == (189, 233, 197)
    np.testing.assert_array_equal(array, template.get_fdata(dtype=np.float32).T)
    np.testing.assert_allclose(ras_affine(geometry), template.affine, atol=1e-6)
    images.write(tmp_path / "again.nii.gz", array, geometry)
    again = nibabel.load(tmp_path / "again.nii.gz")
    np.testing.assert_allclose(again.affine, template.affine, atol=1e-6)
    np.testing.assert_array_equal(again.get_fdata(dtype=np.float32), template.get_fdata(dtype=np.float32))


def test_a_label_map_comes_back_on_the_grid_of_its_image(template, tmp_path):
    labels = np.ascontiguousarray(template.get_fdata(dtype=np.float32).T > 0.5).astype(np.uint8)
    geometry = from_ras_affine(template.affine, template.shape)
    images.write(tmp_path / "labels.nii", labels, geometry)
    again, place = images.read(tmp_path / "labels.nii")
    assert place == geometry
    np.testing.assert_array_equal(again, labels)
    np.testing.assert_array_equal(nibabel.load(tmp_path / "labels.nii").affine, template.affine)
