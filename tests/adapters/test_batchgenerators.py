"""batchgenerators: the real package on our samples; image and labels alike, global numbers as before."""

import importlib.util
import random

import numpy as np
import pytest
import torch
from batchgenerators.transforms.color_transforms import GammaTransform
from batchgenerators.transforms.spatial_transforms import MirrorTransform
from batchgenerators.transforms.utility_transforms import NumpyToTensor

from mia_functional.adapters import batchgenerators
from mia_functional.transforms import flip

from .conftest import head_sample as sample

FLIPS = ((), 0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2))


def flips_of(after):
    """Return the axes along which the images of a sample are flipped; labels have to be flipped alike."""
    found = [axes for axes in FLIPS if np.array_equal(after["images"], flip(sample()["images"], axes))]
    assert len(found) == 1
    np.testing.assert_array_equal(after["labels"], flip(sample()["labels"], found[0]))
    assert after["labels"].dtype == sample()["labels"].dtype
    return found[0]


def test_batchgenerators_mirrors_image_and_labels_alike():
    mirror = batchgenerators.lift(MirrorTransform(axes=(0, 1, 2)))
    assert len({flips_of(mirror(sample(seed))) for seed in range(5)}) > 1


def test_batchgenerators_leaves_numpys_global_numbers_alone():
    before = np.random.get_state()[1].copy()
    gamma = batchgenerators.lift(GammaTransform(p_per_sample=1.0), labels=())
    found = gamma(sample())
    assert not np.array_equal(found["images"], sample()["images"])
    np.testing.assert_array_equal(found["labels"], sample()["labels"])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_tensors_are_taken_as_well_and_lists_of_arrays_are_not():
    found = batchgenerators.lift(NumpyToTensor(keys=["data", "seg"]))(sample())
    np.testing.assert_array_equal(found["images"], sample()["images"])
    with pytest.raises(TypeError, match=r"must return a dictionary with an array of 5 axes as `seg`; got shape \(\)"):
        batchgenerators.lift(lambda data, seg: {"data": data, "seg": [seg, seg]})(sample())
    with pytest.raises(TypeError, match=r"with an array of 5 axes as `data`; got shape \(2, 12, 14, 16\)"):
        batchgenerators.lift(lambda data, seg: {"data": data[0], "seg": seg})(sample())


def test_channels_of_several_categories_must_stay():
    given = {**sample(), "more": sample()["images"]}

    def doubled(data):
        return {"data": np.concatenate([data, data], 1)}

    with pytest.raises(ValueError, match="lift: `transform` must keep the 4 channels of images, more; got 8"):
        batchgenerators.lift(doubled, images=("images", "more"), labels=())(given)
    assert batchgenerators.lift(doubled, labels=())(sample())["images"].shape == (12, 14, 16, 4)


class StandIn:
    """What transforms of batchgeneratorsv2 do: they take any keywords and hand on what they do not know."""

    def __call__(self, **given):
        axes = [axis for axis in (1, 2, 3) if torch.rand(1) < 0.5] if np.random.random() < 2 else []
        for key in {"image", "segmentation"} & given.keys():
            assert isinstance(given[key], torch.Tensor)
            assert given[key].dtype == (torch.float32 if key == "image" else torch.int32)
            given[key] = torch.flip(given[key], axes)
        return given


StandIn.__module__ = "batchgeneratorsv2.transforms.spatial.mirroring"


class Derived(StandIn):
    """A transform of somebody else's that is made from one of the package."""


@pytest.mark.parametrize("kind", [StandIn, Derived])
def test_transforms_of_the_second_version_get_tensors_by_their_keywords(kind):
    lifted = batchgenerators.lift(kind())
    states = np.random.get_state()[1].copy(), random.getstate(), torch.random.get_rng_state()
    flips = [flips_of(lifted(sample(seed))) for seed in range(6)]
    assert len(set(flips)) > 1
    assert flips == [flips_of(lifted(sample(seed))) for seed in range(6)]
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])
    assert random.getstate() == states[1]
    assert torch.equal(torch.random.get_rng_state(), states[2])
    wide = lifted({**sample(), "images": sample()["images"].astype(np.float64)})
    assert wide["images"].dtype == np.float64
    unseeded = {name: value for name, value in sample().items() if name != "rng"}
    assert len({flips_of(lifted(unseeded)) for _ in range(12)}) > 1


if importlib.util.find_spec("batchgeneratorsv2"):
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.spatial import mirroring, spatial
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
    from batchgeneratorsv2.transforms.utils.random import RandomTransform

    def test_the_second_version_mirrors_image_and_labels_alike():
        mirror = RandomTransform(mirroring.MirrorTransform((0, 1, 2)), apply_probability=1.0)
        lifted = batchgenerators.lift(ComposeTransforms([mirror]))
        assert len({flips_of(lifted(sample(seed))) for seed in range(6)}) > 1

    def test_the_second_version_crops_turns_and_adds_noise():
        turn = spatial.SpatialTransform((8, 10, 12), 0, random_crop=False, p_rotation=1)
        found, again = (batchgenerators.lift(turn)(sample()) for _ in range(2))
        assert found["images"].shape == (8, 10, 12, 2)
        assert found["labels"].shape == (8, 10, 12, 1)
        assert set(np.unique(found["labels"])) <= set(range(6))
        np.testing.assert_array_equal(found["images"], again["images"])
        noise = batchgenerators.lift(GaussianNoiseTransform(noise_variance=(50, 50)), labels=())(sample())["images"]
        assert np.std(noise - sample()["images"]) > 10

    def test_padding_with_minus_one_is_refused_where_labels_are_unsigned():
        pad = spatial.SpatialTransform(
            (20, 20, 20), 0, random_crop=False, border_mode_seg="constant", padding_value_seg=-1
        )
        with pytest.raises(ValueError, match=r"within 0 and 255 after the transform, which uint8 holds .* got -1"):
            batchgenerators.lift(pad)(sample())
        signed = {**sample(), "labels": sample()["labels"].astype(np.int8)}
        assert batchgenerators.lift(pad)(signed)["labels"].min() == -1

    def test_several_scales_of_labels_are_refused():
        with pytest.raises(TypeError, match="must return a dictionary with an array of 4 axes as `segmentation`"):
            batchgenerators.lift(DownsampleSegForDSTransform((1, 0.5)))(sample())
