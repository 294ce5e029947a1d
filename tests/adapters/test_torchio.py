"""TorchIO: the real package on our samples; geometry and labels stay true."""

import numpy as np
import pytest
import torchio

from mia_functional import phantoms
from mia_functional.adapters import torchio as torchio_adapter
from mia_functional.geometry import same_geometry
from mia_functional.transforms import compose, crop_or_pad, flip, on, resample_to

from .conftest import head_sample as sample


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (torchio.Flip(axes=(0, 2)), on(("images", "labels"), flip, axes=(0, 2))),
        (torchio.CropOrPad((10, 14, 16)), on(("images", "labels", "geometry"), crop_or_pad, shape=(16, 14, 10))),
        (torchio.Lambda(lambda tensor: tensor), compose()),
    ],
    ids=["flip", "crop_or_pad", "nothing"],
)
def test_torchio_agrees_with_our_own(theirs, ours):
    found, expected = torchio_adapter.lift(theirs)(sample()), ours(sample())
    for name in ("images", "labels"):
        np.testing.assert_array_equal(found[name], expected[name])
        assert found[name].dtype == expected[name].dtype
    assert same_geometry(found["geometry"], expected["geometry"], tolerance=1e-9)
    assert found["subject"] == "A"


def test_torchio_smooths_as_we_do_before_voxels_become_coarser():
    smooth = phantoms.head((24, 28, 32), spacing=(2.0, 1.0, 1.5), rng=np.random.default_rng(1), noise=0.0)
    given = {"images": smooth.t1[..., None], "labels": smooth.labels[..., None], "geometry": smooth.geometry}
    found = torchio_adapter.lift(torchio.Resample((3.0, 4.0, 4.0), antialias=True))(given)
    expected = resample_to(("images", "labels"), (4.0, 4.0, 3.0), antialias=True)(given)
    assert same_geometry(found["geometry"], expected["geometry"], tolerance=1e-9)
    np.testing.assert_allclose(found["images"], expected["images"], atol=0.01 * np.ptp(smooth.t1))
    np.testing.assert_array_equal(found["labels"], expected["labels"])


def test_torchio_resampling_changes_the_geometry():
    found = torchio_adapter.lift(torchio.Resample(2.0))(sample())
    assert found["geometry"].spacing == pytest.approx((2.0, 2.0, 2.0))
    assert found["images"].shape == (*found["geometry"].shape, 2)
    assert set(np.unique(found["labels"])) <= set(range(6))


@pytest.mark.parametrize(
    ("images_alone", "reason"),
    [
        (torchio.Resample(2.0, include=["images"]), "shape .* and not .*, spacing .* and not .*"),
        (torchio.Flip(axes=0, include=["images"]), None),
        (torchio.Crop((0, 0, 0, 0, 1, 0), include=["images"]), "shape .* and not .*, shift of .* mm"),
        (torchio.Lambda(lambda subject: subject), None),
    ],
    ids=["resample", "flip", "crop", "nothing"],
)
def test_images_and_labels_stay_on_one_grid(images_alone, reason):
    function = torchio_adapter.lift(images_alone)
    if reason is None:
        assert same_geometry(function(sample())["geometry"], sample()["geometry"])
        return
    message = rf"^lift: `transform` must leave images and labels on one grid \(labels and images\); got .*: {reason}\.$"
    for given in (sample(), {**sample(), "geometry": None}):
        with pytest.raises(ValueError, match=message):
            function(given)


def test_torchio_standardises_and_rescales_images_of_integers():
    before = {**sample(), "images": (sample()["images"] // 4).astype(np.int16)}
    standard = torchio_adapter.lift(torchio.ZNormalization(), labels=())(before)["images"]
    assert standard.std() == pytest.approx(1, abs=1e-3)
    assert len(np.unique(torchio_adapter.lift(torchio.RescaleIntensity((0, 1)))(before)["images"])) > 20


def test_torchio_takes_volumes_only():
    flat = {"images": np.zeros((4, 5, 1), np.float32), "labels": np.zeros((4, 5, 1), np.uint8)}
    with pytest.raises(ValueError, match="lift: `images` must have 4 axes; got shape"):
        torchio_adapter.lift(torchio.Flip(axes=0))(flat)


class SubjectOfTwo:
    """A subject as TorchIO 2.0.0a2 has it: no dictionary, images by name, and their names among its attributes."""

    def __init__(self, **images):
        self.images = images

    def __getitem__(self, name):
        return self.images[name]


class ImageOfTwo:
    """An image as TorchIO 2.0.0a2 has it: of a `source`, and of an affine matrix that is an object of its own."""

    def __init__(self, source=None, *, affine=None, **metadata):
        assert not metadata
        self.data, self.affine, self.spatial_shape = source, memoryview(np.ascontiguousarray(affine)), source.shape[1:]


class LabelsOfTwo(ImageOfTwo):
    """A label map as TorchIO 2.0.0a2 has it."""


def test_what_version_two_renamed_is_found(monkeypatch):
    for name, kind in {"Subject": SubjectOfTwo, "ScalarImage": ImageOfTwo, "LabelMap": LabelsOfTwo}.items():
        monkeypatch.setattr(torchio, name, kind)
    seen = {}

    def note(subject):
        seen.update({name: type(image) for name, image in subject.images.items()})
        return subject

    found = torchio_adapter.lift(note)(sample())
    assert seen == {"images": ImageOfTwo, "labels": LabelsOfTwo}
    np.testing.assert_array_equal(found["images"], sample()["images"])
    assert same_geometry(found["geometry"], sample()["geometry"], tolerance=1e-9)
    with pytest.raises(TypeError, match="must return a Subject with images, labels; got SubjectOfTwo"):
        torchio_adapter.lift(lambda subject: SubjectOfTwo(images=subject["images"]))(sample())
