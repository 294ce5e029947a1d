"""What lifted transforms of TorchIO and batchgenerators share: dtypes, libraries, seeds, threads and messages."""

import inspect
import pickle
import random
from concurrent.futures import ThreadPoolExecutor

import array_api_strict
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


def relabelled(adapter, old, new):
    """Return a lifted function that replaces a label by any number, and makes floats of labels where that is one."""

    def replace_in_subject(subject):
        data = subject["labels"].data
        subject["labels"].set_data(torch.where(data == old, torch.tensor(new), data))
        return subject

    def replace_in_batch(**batch):
        return {**batch, "seg": np.where(batch["seg"] == old, new, batch["seg"])}

    return adapter.lift(replace_in_subject if adapter is torchio_adapter else replace_in_batch)


@pytest.mark.parametrize("adapter", [torchio_adapter, batchgenerators])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_labels_that_their_dtype_does_not_hold_are_refused(adapter, dtype):
    before = sample()
    given = {**before, "labels": (before["labels"] % 2).astype(dtype)}
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for number in (low, high):
        found = relabelled(adapter, 1, int(number))(given)["labels"]
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, np.where(given["labels"] == 1, np.array(number, dtype), given["labels"]))
    for number in (int(low) - 1, int(high) + 1):
        text = rf"lift: `labels` must hold labels within {low} and {high} after the transform, which {dtype} holds"
        with pytest.raises(ValueError, match=rf"{text} \(cast it before\); got {number}\."):
            relabelled(adapter, 1, np.int64(number))(given)


@pytest.mark.parametrize("adapter", [torchio_adapter, batchgenerators])
@pytest.mark.parametrize("number", [0.5, -1.25, float("nan"), float("inf")])
def test_labels_that_are_not_whole_are_refused(adapter, number):
    with pytest.raises(ValueError, match=rf"lift: `labels` must hold whole numbers .* as labels do; got {number}\."):
        relabelled(adapter, 1, number)(sample())
    found = relabelled(adapter, 1, 3.0)(sample())["labels"]
    np.testing.assert_array_equal(found, np.where(sample()["labels"] == 1, 3, sample()["labels"]))
    assert found.dtype == np.uint8


@pytest.mark.parametrize("adapter", [torchio_adapter, batchgenerators])
def test_images_that_half_precision_does_not_hold_are_refused(adapter):
    def brighten(*subject, **batch):
        if batch:
            return {**batch, "data": batch["data"] + 7e4}
        subject[0]["images"].set_data(subject[0]["images"].data + 7e4)
        return subject[0]

    before = sample()
    for asarray in (np.array, jnp.asarray, torch.asarray):
        half = asarray(before["images"].astype(np.float16))
        with pytest.raises(ValueError, match=r"lift: `images` must lie within -65504 and 65504, which .*float16 holds"):
            adapter.lift(brighten)({**before, "images": half})
    found = adapter.lift(brighten)({**before, "images": jnp.asarray(before["images"], jnp.bfloat16)})["images"]
    np.testing.assert_allclose(found.astype(np.float32), before["images"] + 7e4, rtol=1e-2)


@pytest.mark.parametrize("asarray", [jnp.asarray, torch.asarray, array_api_strict.asarray])
def test_labels_of_other_libraries_are_refused_alike(asarray):
    given = {**sample(), "labels": asarray(sample()["labels"])}
    with pytest.raises(ValueError, match=r"within 0 and 255 after the transform, which uint8 holds .* got -1"):
        relabelled(batchgenerators, 0, -1)(given)
    found = relabelled(batchgenerators, 0, 255)(given)["labels"]
    assert type(found) is type(given["labels"])
    assert int(found[0, 0, 0, 0]) == 255


LARGEST = np.full((12, 14, 16, 1), 2**64 - 1, np.uint64)
"""Labels that no signed integer holds."""


def test_real_transforms_with_labels_outside_of_the_dtype():
    options = {"do_elastic_deform": False, "do_scale": False, "random_crop": False, "border_cval_seg": -1}
    turn = SpatialTransform((12, 14, 16), angle_x=(0.3, 0.3), order_seg=0, **options)
    for dtype in (np.uint8, np.uint16, np.uint32):
        given = {**sample(), "labels": sample()["labels"].astype(dtype)}
        with pytest.raises(ValueError, match="got -1"):
            batchgenerators.lift(turn)(given)
        with pytest.raises(ValueError, match="got -1"):
            torchio_adapter.lift(torchio.RemapLabels({0: -1}))(given)
    assert batchgenerators.lift(turn)({**sample(), "labels": sample()["labels"].astype(np.int8)})["labels"].min() == -1
    with pytest.raises(ValueError, match=r"within 0 and 255 .* got 300"):
        torchio_adapter.lift(torchio.RemapLabels({4: 300}))(sample())
    with pytest.raises(ValueError, match="`labels` must hold labels that int64 holds; got 18446744073709551615"):
        torchio_adapter.lift(torchio.Flip(axes=0))({**sample(), "labels": LARGEST})


@pytest.mark.parametrize("adapter", [torchio_adapter, batchgenerators])
def test_a_transform_that_returns_nothing_usable_is_named(adapter):
    for broken in (lambda *_, **__: None, lambda *_, **__: {}, lambda *_, **__: 3):
        with pytest.raises(TypeError, match=r"lift: `transform` must return a (Subject|dictionary) with .*; got \w+\."):
            adapter.lift(broken)(sample())


def test_without_a_source_every_sample_gets_another_draw():
    given = {name: value for name, value in sample().items() if name != "rng"}
    for lifted in NOISE.values():
        first, second = (lifted(given)["images"] for _ in range(2))
        assert not np.array_equal(first, second)
