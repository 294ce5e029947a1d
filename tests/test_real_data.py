"""The main job on the MNI152 template: dataset, patches, assembly and metrics on a head of real size."""

import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pytest
from nilearn import datasets
from scipy import ndimage, spatial

import mia_functional as mia

pytestmark = pytest.mark.slow

LABELS = {1: "grey matter", 2: "white matter"}


class Template(NamedTuple):
    """The T1 image and the label map as nibabel images in (x, y, z), and the folder with both as files."""

    t1: nibabel.Nifti1Image
    labels: nibabel.Nifti1Image
    folder: Path


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    t1 = datasets.load_mni152_template(resolution=1)
    grey, white = (
        load(resolution=1).get_fdata() for load in (datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    )
    labels = np.where(np.maximum(grey, white) > 0.5, np.where(white > grey, 2, 1), 0).astype(np.uint8)
    folder = tmp_path_factory.mktemp("template")
    image = nibabel.Nifti1Image(t1.get_fdata().astype(np.float32), t1.affine)
    label_map = nibabel.Nifti1Image(labels, t1.affine)
    nibabel.save(image, folder / "MNI_T1.nii.gz")
    nibabel.save(label_map, folder / "MNI_GT.nii.gz")
    return Template(image, label_map, folder)


def test_dataset_patches_and_assembly_return_every_voxel(template, tmp_path):
    patterns = {"images": {"T1": "{subject}_T1.nii.gz"}, "labels": {"GT": "{subject}_GT.nii.gz"}}
    mia.dataset.create(tmp_path / "mni.h5", mia.dataset.discover(template.folder, patterns))
    data = mia.dataset.open(tmp_path / "mni.h5")
    assert data.subjects == ("MNI",)
    volume = mia.dataset.read(data, "MNI", "images")
    np.testing.assert_array_equal(volume[..., 0], template.t1.get_fdata(dtype=np.float32).T)
    shape = volume.shape[:3]
    indices = mia.indexing.patches(shape, (84, 84, 84), step=(42, 42, 42))
    for category in ("images", "labels"):
        parts = (mia.dataset.read(data, "MNI", category, index=index) for index in indices)
        whole = mia.assembly.assemble(parts, indices, shape, reduction=mia.assembly.last)
        np.testing.assert_array_equal(whole, mia.dataset.read(data, "MNI", category))
    parts = (mia.dataset.read(data, "MNI", "images", index=index) for index in indices)
    blended = mia.assembly.assemble(parts, indices, shape, window=mia.assembly.gaussian)
    np.testing.assert_allclose(blended, volume, rtol=2e-6, atol=1e-6)


def edges(mask):
    """The centres of the border voxels, by SciPy, in millimetres at 1 mm."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def test_a_shifted_and_dilated_copy_is_measured_as_scipy_does(template):
    reference = np.asarray(template.labels.dataobj).T
    moved = np.roll(reference, (1, -1, 2), axis=(0, 1, 2))
    grown = ndimage.binary_dilation(moved == 1) & (moved == 0)
    prediction = np.where(grown, 1, moved).astype(np.uint8)
    cases = [mia.evaluation.Case("MNI", prediction, reference, (1.0, 1.0, 1.0))]
    voxels = functools.partial(mia.metrics.surface_distances, boundary=mia.metrics.voxels)
    rows = ["DICE", "VOLSMTY", dataclasses.replace(mia.metrics.find("HDRFDST95"), statistic=voxels)]
    results = mia.evaluation.evaluate_many(cases, metrics=rows, labels=LABELS)
    found = {(row.label, row.metric): row.value for row in results}
    for label, name in LABELS.items():
        p, r = prediction == label, reference == label
        assert found[name, "DICE"] == pytest.approx(2 * (p & r).sum() / (p.sum() + r.sum()), rel=1e-12)
        assert found[name, "VOLSMTY"] == pytest.approx(1 - abs(int(p.sum()) - int(r.sum())) / (p.sum() + r.sum()))
        there, _ = spatial.cKDTree(edges(r)).query(edges(p))
        back, _ = spatial.cKDTree(edges(p)).query(edges(r))
        expected = max(np.percentile(there, 95), np.percentile(back, 95))
        assert found[name, "HDRFDST95"] == pytest.approx(expected, rel=1e-12)
