"""Two images made one: definitions, boxes, lesions by distance, and pairs of samples."""

import pickle
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.transforms import (
    carvemix,
    cutmix,
    linear,
    mix,
    mixup,
    one_hot,
    random_carvemix,
    random_cutout,
    random_mixup,
)

rng = np.random.default_rng(0)
FIRST, SECOND = (rng.random((6, 7, 8, 2)).astype(np.float32) for _ in range(2))
LABELS, OTHERS = ((image[..., :1] * 4).astype(np.uint8) for image in (FIRST, SECOND))
LESIONS = np.zeros((6, 7, 8, 1), np.uint8)
LESIONS[1:5, 2:6, 3:7] = 2
LESIONS[3, 3, 3] = 0


@pytest.mark.sampled(7)
def test_blending_is_a_weighted_mean_and_labels_stay_labels(xp):
    for weight in (0.0, 0.25, 0.5, 1.0):
        found = xp.run(mixup, FIRST, SECOND, np.float32(weight))
        np.testing.assert_allclose(found, weight * FIRST + (1 - weight) * SECOND, atol=1e-6)
        labels = xp.run(mixup, LABELS, OTHERS, np.float32(weight))
        np.testing.assert_array_equal(labels, LABELS if weight >= 0.5 else OTHERS)
        assert labels.dtype == np.uint8
    np.testing.assert_array_equal(xp.run(mixup, FIRST, SECOND, np.float32(1)), FIRST)


def test_integers_that_are_images_are_rounded_and_soft_labels_are_blended():
    ints = mixup(np.array([[10]], np.int16), np.array([[13]], np.int16), 0.5, interpolation=linear)
    assert (ints.item(), ints.dtype) == (12, np.int16)
    soft = mixup(one_hot(LABELS, range(4)), one_hot(OTHERS, range(4)), 0.3)
    np.testing.assert_allclose(soft.sum(axis=-1), 1, rtol=1e-6)


@pytest.mark.sampled(7)
def test_a_box_comes_from_the_other_image(xp):
    for one, other in ((FIRST, SECOND), (LABELS, OTHERS)):
        expected = one.copy()
        expected[1:4, 2:4, 5:8] = other[1:4, 2:4, 5:8]
        found = xp.run(cutmix, one, other, np.array([[1, 2, 5]]), np.array([[3, 2, 9]]))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("level", [-0.4, 0.0, 0.3, 1.0])
def test_lesions_are_carved_by_their_distance(xp, level):
    spacing, mask = (2.0, 1.0, 0.5), LESIONS[..., 0] != 0
    outer, inner = (ndimage.distance_transform_edt(side, spacing) for side in (~mask, mask))
    carved = np.where(mask, -inner, outer) <= np.float32(level) * inner.max()
    assert 0 < carved.sum() < carved.size
    for one, other in ((FIRST, SECOND), (LABELS, OTHERS)):
        found = xp.run(
            lambda a, b, share, lesions: carvemix(a, b, share, lesions=lesions, spacing=spacing),
            one, other, np.float32(level), LESIONS,
        )  # fmt: skip
        np.testing.assert_array_equal(found, np.where(carved[..., None], other, one))


def test_without_lesions_the_image_stays_and_all_lesion_is_the_other():
    for level in (-0.5, 0.0, 1.0):
        np.testing.assert_array_equal(carvemix(FIRST, SECOND, level, lesions=0 * LESIONS), FIRST)
        np.testing.assert_array_equal(carvemix(FIRST, SECOND, level, lesions=0 * LESIONS + 1), SECOND)


def sample(images, labels, seed=0):
    """Return a sample with a source of randomness."""
    return {"images": images, "labels": labels, "subject": str(seed), "rng": np.random.default_rng(seed)}


@pytest.mark.parametrize(
    ("sampler", "function", "given"),
    [
        (random_mixup, mixup, None),
        (partial(random_cutout, boxes=2), cutmix, None),
        (random_carvemix, carvemix, {"lesions": "labels"}),
    ],
    ids=["mixup", "cutmix", "carvemix"],
)
def test_pairs_of_samples_share_one_draw(sampler, function, given):
    apply = pickle.loads(pickle.dumps(mix(("images", "labels"), sampler, function, given=given)))
    first, second = sample(FIRST, LABELS, 1), sample(SECOND, OTHERS * (LESIONS > 0), 2)
    after = apply(first, second)
    assert after["subject"] == "1"
    again = apply(sample(FIRST, LABELS, 1), second)
    np.testing.assert_array_equal(after["images"], again["images"])
    assert set(np.unique(after["labels"])) <= set(range(4))
    if function is mixup:
        np.testing.assert_array_equal(after["labels"], LABELS)
        return
    taken = (after["images"] == SECOND).all(axis=-1)
    assert 0 < taken.sum() < taken.size
    np.testing.assert_array_equal(after["images"], np.where(taken[..., None], SECOND, FIRST))
    np.testing.assert_array_equal(after["labels"], np.where(taken[..., None], second["labels"], LABELS))
    np.testing.assert_array_equal(first["images"], FIRST)


def test_chance_spares_samples_and_trailing_axes_are_channels():
    never = mix("images", random_mixup, mixup, probability=0.0)
    np.testing.assert_array_equal(never(sample(FIRST, LABELS), sample(SECOND, OTHERS))["images"], FIRST)
    apply = mix("images", random_cutout, cutmix)
    many = {**sample(FIRST.reshape(6, 7, 8, 1, 2), LABELS), "spatial_axes": {"images": 3}}
    other = {**sample(SECOND.reshape(6, 7, 8, 1, 2), LABELS), "spatial_axes": {"images": 3}}
    found = apply(many, other)["images"]
    plain = apply(sample(FIRST, LABELS), sample(SECOND, LABELS))["images"]
    np.testing.assert_array_equal(found, plain.reshape(6, 7, 8, 1, 2))


def test_levels_and_weights_stay_within_their_ranges():
    source = np.random.default_rng(0)
    levels = np.array([random_carvemix(source).level for _ in range(1000)])
    assert -0.5 <= levels.min() < -0.49 < 0.99 < levels.max() <= 1
    assert 0.45 < (levels < 0).mean() < 0.55
    weights = np.array([random_mixup(source, lowest=0.3).weight for _ in range(300)])
    assert 0.3 <= weights.min() < 0.31 < 0.99 < weights.max() <= 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mixup(FIRST, SECOND[:3], 0.5), "mixup: `other` must have the shape of `array`"),
        (lambda: mixup(FIRST, SECOND.astype(np.float64), 0.5), "mixup: `other` must have the dtype float32"),
        (lambda: mixup(FIRST, SECOND, 1.5), "mixup: `weight` must lie within 0 and 1"),
        (lambda: mixup(FIRST, SECOND, [0.5, 0.5]), "mixup: `weight` must have the shape"),
        (lambda: cutmix(FIRST, SECOND[:3], [1], [1]), "cutmix: `other` must have the shape"),
        (lambda: carvemix(FIRST, SECOND, 0.5, lesions=LESIONS[:3]), "carvemix: `lesions` must have the shape"),
        (lambda: carvemix(FIRST, SECOND, np.inf, lesions=LESIONS), "carvemix: `level` must be finite"),
        (lambda: mix("images", random_mixup, mixup, probability=2), "mix: `probability` must lie within"),
        (lambda: mix("images", random_mixup, {"labels": mixup}), "mix: `function` must have a function for each"),
        (lambda: mix("images", random_mixup, mixup)(sample(FIRST, LABELS), {}), "mix: `categories` must be in the"),
        (
            lambda: mix("images", random_mixup, mixup)({"images": FIRST}, sample(SECOND, OTHERS)),
            "mix: `sample` must have a source of randomness",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        call()
