"""What lifted transforms of TorchIO and batchgenerators share: dtypes, libraries, seeds, threads and messages."""

import inspect
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchio
from batchgenerators.transforms.noise_transforms import GaussianNoiseTransform
from batchgenerators.transforms.spatial_transforms import SpatialTransform

from mia_functional.adapters import batchgenerators
from mia_functional.adapters import torchio as torchio_adapter

from .conftest import head_sample as sample


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


def test_both_adapters_have_one_signature():
    assert inspect.signature(torchio_adapter.lift) == inspect.signature(batchgenerators.lift)
    assert list(inspect.signature(torchio_adapter.lift).parameters) == ["transform", "images", "labels"]


def mirror_subject(subject):
    """Reverse the last axis of all arrays of a TorchIO subject."""
    return torchio.Flip(axes=2)(subject)


def mirror_batch(**batch):
    """Reverse the first spatial axis of all arrays of a batch, which is the last of TorchIO's."""
    return {key: array[:, :, ::-1].copy() for key, array in batch.items()}


@pytest.mark.parametrize(("adapter", "mirror"), [(torchio_adapter, mirror_subject), (batchgenerators, mirror_batch)])
def test_several_categories_go_through_one_transform_and_keep_their_channels_and_dtypes(adapter, mirror):
    given = sample()
    given |= {"ct": given["images"][..., :1].astype(np.float64), "mask": given["labels"] > 2}
    lifted = adapter.lift(mirror, images=("images", "ct"), labels=("labels", "mask"))
    after = lifted(given)
    for name in ("images", "ct", "labels", "mask"):
        np.testing.assert_array_equal(after[name], given[name][::-1])
        assert after[name].dtype == given[name].dtype
    with pytest.raises(TypeError, match="lift: `labels` must be a name or a tuple of names; got 3"):
        adapter.lift(mirror, labels=3)


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
