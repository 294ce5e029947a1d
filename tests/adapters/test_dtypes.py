"""Lifted transforms of TorchIO and batchgenerators keep labels and intensities of every dtype."""

import numpy as np
import pytest
import torchio
from batchgenerators.transforms import color_transforms, noise_transforms, resample_transforms, spatial_transforms
from batchgeneratorsv2.transforms.noise import gaussian_blur
from batchgeneratorsv2.transforms.spatial import mirroring

from mia_functional.adapters import batchgenerators
from mia_functional.adapters import torchio as torchio_adapter
from mia_functional.geometry import Geometry

SHAPE = (8, 9, 10)
LABELS = (np.arange(720) % 3).reshape(*SHAPE, 1)
GRID = Geometry(shape=SHAPE, spacing=(1.0, 1.0, 1.0), direction=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
DTYPES = (
    *(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")),
    "bool",
    "float16",
    "float32",
    "float64",
)

LIFTED = {
    "ToCanonical": torchio_adapter.lift(torchio.ToCanonical()),
    "Transpose": torchio_adapter.lift(torchio.Transpose()),
    "KeepLargestComponent": torchio_adapter.lift(torchio.KeepLargestComponent()),
    "Contour": torchio_adapter.lift(torchio.Contour()),
    "Resample": torchio_adapter.lift(torchio.Resample(2)),
    "CropOrPad": torchio_adapter.lift(torchio.CropOrPad(6)),
    "RandomAffine": torchio_adapter.lift(torchio.RandomAffine()),
    "RandomElasticDeformation": torchio_adapter.lift(torchio.RandomElasticDeformation()),
    "RandomAnisotropy": torchio_adapter.lift(torchio.RandomAnisotropy()),
    "RemapLabels": torchio_adapter.lift(torchio.RemapLabels({1: 0})),
    "RandomMotion": torchio_adapter.lift(torchio.RandomMotion()),
    "ZNormalization": torchio_adapter.lift(torchio.ZNormalization()),
    "SpatialTransform": batchgenerators.lift(spatial_transforms.SpatialTransform(SHAPE, random_crop=False)),
    "MirrorTransform": batchgenerators.lift(spatial_transforms.MirrorTransform((0, 1, 2))),
    "ResizeTransform": batchgenerators.lift(spatial_transforms.ResizeTransform(6)),
    "RicianNoiseTransform": batchgenerators.lift(noise_transforms.RicianNoiseTransform()),
    "ContrastAugmentation": batchgenerators.lift(color_transforms.ContrastAugmentationTransform()),
    "SimulateLowResolution": batchgenerators.lift(resample_transforms.SimulateLowResolutionTransform()),
    "MirrorTransform of v2": batchgenerators.lift(mirroring.MirrorTransform((0, 1, 2))),
    "GaussianBlurTransform of v2": batchgenerators.lift(gaussian_blur.GaussianBlurTransform(blur_sigma=(1.0, 1.0))),
}

WARNS = pytest.mark.filterwarnings("ignore::Warning")  # of TorchIO and batchgenerators, on small images and their NumPy


def applied(name, images, labels):
    return LIFTED[name]({"images": images, "labels": labels, "geometry": GRID, "rng": np.random.default_rng(0)})


@WARNS
@pytest.mark.slow
@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", LIFTED)
def test_labels_and_images_of_every_dtype_are_those_of_8_bits(name):
    for dtype in DTYPES:
        values = LABELS > 0 if dtype == "bool" else LABELS
        found = applied(name, values.astype(dtype), values.astype(dtype))
        right = applied(name, values.astype(np.float32), values.astype(np.uint8))
        assert found["labels"].dtype == dtype
        np.testing.assert_array_equal(found["labels"].astype(np.int64), right["labels"], err_msg=dtype)
        tolerance = 2e-3 if dtype == "float16" else 1e-5
        np.testing.assert_allclose(found["images"], right["images"], tolerance, tolerance, err_msg=dtype)


@pytest.mark.parametrize("largest", [2**31, 2**53])
def test_labels_of_64_bits_are_turned_around_to_the_digit(largest):
    labels = np.where(LABELS == 2, largest, LABELS)
    found = applied("ToCanonical", LABELS.astype(np.float32), labels)
    # From LPS, of which all axes of `GRID` are, to RAS: the first two of TorchIO's, our last ones, turn.
    np.testing.assert_array_equal(found["labels"], labels[:, ::-1, ::-1])
    assert found["labels"].dtype == np.int64
