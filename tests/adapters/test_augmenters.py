"""TorchIO and batchgenerators: the real packages on our samples; geometry and labels stay true, seeds count."""

import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchio
from batchgenerators.transforms.color_transforms import GammaTransform
from batchgenerators.transforms.noise_transforms import GaussianNoiseTransform
from batchgenerators.transforms.spatial_transforms import MirrorTransform, SpatialTransform

from mia_functional import phantoms
from mia_functional.adapters import batchgenerators
from mia_functional.adapters import torchio as torchio_adapter
from mia_functional.geometry import Geometry, same_geometry
from mia_functional.transforms import compose, crop_or_pad, flip, on, resample_to

ROTATION, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))


def sample(seed=0):
    """Return a sample of a head that lies obliquely, with a source of randomness."""
    head = phantoms.head((12, 14, 16), spacing=(2.0, 1.0, 1.5), rng=np.random.default_rng(1))
    place = Geometry(
        shape=(12, 14, 16), spacing=(2.0, 1.0, 1.5), origin=(4.0, -5.0, 6.0), direction=tuple(map(tuple, ROTATION))
    )
    images = np.stack([head.t1, head.t2], axis=-1)
    images.flags.writeable = False
    return {
        "images": images,
        "labels": head.labels[..., None],
        "geometry": place,
        "subject": "A",
        "rng": np.random.default_rng(seed),
    }


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
    "lifted",
    [
        torchio_adapter.lift(torchio.RandomAffine()),
        batchgenerators.lift(
            SpatialTransform((12, 14, 16), do_elastic_deform=False, random_crop=False, p_rot_per_sample=1)
        ),
    ],
    ids=["torchio", "batchgenerators"],
)
def test_the_sample_decides_what_is_drawn(lifted):
    first, again, other = (lifted(sample(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first["images"], again["images"])
    assert not np.array_equal(first["images"], other["images"])
    assert first["labels"].dtype == np.uint8
    assert set(np.unique(first["labels"])) <= set(range(6))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lifted))(sample())["images"], first["images"])


@pytest.mark.parametrize(
    "lifted",
    [
        torchio_adapter.lift(torchio.Compose([torchio.RandomFlip(axes=(0, 1, 2)), torchio.RandomNoise()])),
        batchgenerators.lift(SpatialTransform((12, 14, 16), random_crop=False)),
    ],
    ids=["torchio", "batchgenerators"],
)
def test_threads_draw_what_one_thread_draws(lifted):
    alone = [lifted(sample(seed))["images"] for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: lifted(sample(seed))["images"], range(12)))
    np.testing.assert_array_equal(together, alone)


def test_batchgenerators_mirrors_image_and_labels_alike():
    mirror = batchgenerators.lift(MirrorTransform(axes=(0, 1, 2)))
    for seed in range(5):
        found = mirror(sample(seed))
        flips = [axes for axes in ((), 0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2))
                 if np.array_equal(found["images"], flip(sample()["images"], axes))]  # fmt: skip
        assert len(flips) == 1
        np.testing.assert_array_equal(found["labels"], flip(sample()["labels"], flips[0]))


def test_batchgenerators_leaves_numpys_global_numbers_alone():
    before = np.random.get_state()[1].copy()
    gamma = batchgenerators.lift(GammaTransform(p_per_sample=1.0), labels=())
    found = gamma(sample())
    assert not np.array_equal(found["images"], sample()["images"])
    np.testing.assert_array_equal(found["labels"], sample()["labels"])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("adapter", [torchio_adapter, batchgenerators])
def test_bad_input_is_one_sentence(adapter):
    with pytest.raises(TypeError, match=r"lift: `transform` must be a function such as .*; got 'flip'"):
        adapter.lift("flip")
    lifted = adapter.lift(lambda whole: whole)
    with pytest.raises(ValueError, match=r"lift: `categories` must be in the sample .*; got 'labels'"):
        lifted({"images": sample()["images"]})
    with pytest.raises(TypeError, match="lift: `sample` must be a dictionary of arrays by category; got 3"):
        lifted(3)


NOISE = {
    "torchio": torchio_adapter.lift(torchio.RandomNoise(std=(50, 50))),
    "batchgenerators": batchgenerators.lift(GaussianNoiseTransform(noise_variance=(50, 50))),
}
"""Noise that takes most voxels of a small number below zero."""


@pytest.mark.parametrize("name", NOISE)
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("bool", "f4"), ("uint8", "f4"), ("int16", "f4"), ("uint16", "f4"), ("float16", "f2"), ("float64", "f8")],
)
def test_images_of_integers_become_float32_and_floats_keep_their_dtype(name, dtype, expected):
    before = sample()
    images = (before["images"] > 0).astype(dtype)
    found = NOISE[name]({**before, "images": images, "labels": before["labels"].astype(np.uint16)})
    assert found["images"].dtype == np.dtype(expected)
    assert found["labels"].dtype == np.uint16
    assert 0.3 < (found["images"] < 0).mean() < 0.6
    np.testing.assert_allclose((found["images"] - images).std(dtype=np.float64), 50, rtol=0.1)
    np.testing.assert_array_equal(found["labels"], before["labels"])


def test_torchio_standardises_and_rescales_images_of_integers():
    before = {**sample(), "images": (sample()["images"] // 4).astype(np.int16)}
    standard = torchio_adapter.lift(torchio.ZNormalization(), labels=())(before)["images"]
    assert standard.std() == pytest.approx(1, abs=1e-3)
    assert len(np.unique(torchio_adapter.lift(torchio.RescaleIntensity((0, 1)))(before)["images"])) > 20


@pytest.mark.parametrize("name", NOISE)
def test_noise_follows_from_the_samples_source_alone(name):
    random.seed(1)
    first = NOISE[name](sample())["images"]
    random.seed(2)
    state = random.getstate()
    np.testing.assert_array_equal(NOISE[name](sample())["images"], first)
    assert random.getstate() == state
    key = jax.random.key(0)
    found, again = (NOISE[name]({**sample(), "rng": key}) for _ in range(2))
    np.testing.assert_array_equal(found["images"], again["images"])
    assert not np.array_equal(NOISE[name](found)["images"] - found["images"], found["images"] - sample()["images"])
    with pytest.raises(TypeError, match=r"lift: `rng` must be a numpy.random.Generator or a JAX key; got int\."):
        NOISE[name]({**sample(), "rng": 3})


@pytest.mark.parametrize("adapter", [torchio_adapter, batchgenerators])
@pytest.mark.parametrize("asarray", [jnp.asarray, torch.asarray, lambda array: torch.asarray(array).bfloat16()])
def test_arrays_of_other_libraries_come_back_as_such(adapter, asarray):
    before = sample()
    given = {**before, "images": asarray(np.array(before["images"])), "labels": asarray(before["labels"])}
    found = adapter.lift(lambda *subject, **batch: batch or subject[0])(given)
    for name in ("images", "labels"):
        assert type(found[name]) is type(given[name])
        assert found[name].dtype == given[name].dtype
        assert bool((found[name] == given[name]).all())


@pytest.mark.parametrize("adapter", [torchio_adapter, batchgenerators])
def test_what_does_not_fit_together_is_one_sentence(adapter):
    before, lifted = sample(), adapter.lift(lambda **batch: batch)
    with pytest.raises(
        ValueError,
        match=r"lift: `labels` must have the spatial shape of `images`, \(12, 14, 16\); got \(11, 14, 16\)\.",
    ):
        lifted({**before, "labels": before["labels"][1:]})
    with pytest.raises(TypeError, match=r"lift: `images` must be an array; got list\."):
        lifted({**before, "images": [1]})
    with pytest.raises(TypeError, match=r"lift: `images` must hold real numbers; got dtype complex64\."):
        lifted({**before, "images": before["images"] * 1j})
    with pytest.raises(TypeError, match=r"lift: `images` must be known, .*; got a traced array\."):
        jax.jit(lambda images: lifted({**before, "images": images}))(before["images"])
    with pytest.raises(TypeError, match=r"lift: `rng` must be known, .*; got a traced key\."):
        jax.jit(lambda rng: lifted({**before, "rng": rng}))(jax.random.key(0))


def test_torchio_takes_volumes_only():
    flat = {"images": np.zeros((4, 5, 1), np.float32), "labels": np.zeros((4, 5, 1), np.uint8)}
    with pytest.raises(ValueError, match="lift: `images` must have 4 axes; got shape"):
        torchio_adapter.lift(torchio.Flip(axes=0))(flat)
