"""Images made of labels, and labels that grow: against loops over labels, and scikit-image."""

import numpy as np
import pytest
from skimage.segmentation import expand_labels

from mia_functional.transforms import (
    compose,
    label_dilation,
    labels_to_image,
    on,
    random_label_dilation,
    random_labels_to_image,
    randomly,
)

rng = np.random.default_rng(0)
LABELS = rng.integers(0, 6, (5, 6, 7, 1)).astype(np.uint8)
MEAN, SIGMA = rng.normal(size=(3, 2)), rng.uniform(0, 1, (3, 2))
FIELD = rng.normal(size=(5, 6, 7, 2)).astype(np.float32)
VALUES = (0, (2, 5), 3)


@pytest.mark.sampled(7)
def test_every_label_has_its_own_intensity(xp):
    expected = np.zeros(FIELD.shape)
    for number, labels in enumerate(((0,), (2, 5), (3,))):
        for label in labels:
            expected = np.where(label == LABELS, MEAN[number] + SIGMA[number] * FIELD, expected)
    found = xp.run(lambda *given: labels_to_image(*given, values=VALUES), LABELS, MEAN, SIGMA, FIELD)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found[LABELS[..., 0] == 1] == 0).all()


def test_labels_beyond_the_named_ones_have_no_intensity_in_any_dtype():
    for dtype in (np.uint8, np.int16, np.int64, np.uint64):
        far = np.array([[0], [1], [250]], dtype)
        found = labels_to_image(far, [[3.0]], [[0.0]], np.ones((3, 1)), values=(1,))
        assert found[:, 0].tolist() == [0, 3, 0]
    both = labels_to_image(np.array([[True], [False]]), [[1.0], [2.0]], [[0.0]] * 2, np.ones((2, 1)), values=(0, 1))
    assert both[:, 0].tolist() == [2, 1]


def test_statistics_are_those_that_were_drawn():
    big = np.repeat(np.array([0, 1, 2]), 30000).reshape(-1, 1)
    draw = random_labels_to_image(
        np.random.default_rng(1), spatial_shape=(90000,), values=(0, 1, 2), mean=(10.0, 20.0), sigma=(0.5, 1.0)
    )
    assert ((draw.mean >= 10) & (draw.mean <= 20)).all()
    assert ((draw.sigma >= 0.5) & (draw.sigma <= 1)).all()
    image = labels_to_image(big, *draw, values=(0, 1, 2)).reshape(3, -1)
    np.testing.assert_allclose(image.mean(axis=1), draw.mean[:, 0], atol=0.02)
    np.testing.assert_allclose(image.std(axis=1), draw.sigma[:, 0], rtol=0.02)


def test_samples_get_an_image_from_their_labels():
    paint = randomly(
        "images",
        lambda source, *, spatial_shape: random_labels_to_image(
            source, spatial_shape=spatial_shape, values=VALUES, contrasts=2
        ),
        lambda labels, *draw: labels_to_image(labels, *draw, values=VALUES),
    )
    make = compose(lambda given: {**given, "images": given["labels"]}, paint)
    first, second = (make({"labels": LABELS, "rng": np.random.default_rng(seed)}) for seed in (0, 1))
    assert first["images"].shape == (5, 6, 7, 2)
    assert first["labels"] is LABELS
    assert not np.array_equal(first["images"], second["images"])


SPARSE = np.zeros((9, 10, 11, 1), np.int32)
SPARSE[2, 2, 2], SPARSE[6, 7, 8], SPARSE[4, 1, 9], SPARSE[0, 9, 0] = 1, 2, 3, 9


@pytest.mark.sampled(10)
@pytest.mark.parametrize("radius", [0.0, 1.0, 2.3, 50.0])
def test_labels_grow_into_the_background(xp, radius):
    spacing = (2.0, 1.0, 0.9)
    grid = np.moveaxis(np.indices(SPARSE.shape[:3]), 0, -1) * spacing
    centres = {label: np.argwhere(SPARSE[..., 0] == label)[0] * spacing for label in (3, 1, 2)}
    far = {label: np.sqrt(((grid - centre) ** 2).sum(axis=-1)) for label, centre in centres.items()}
    expected, best = SPARSE[..., 0].copy(), np.full(SPARSE.shape[:3], np.inf)
    for label, distance in far.items():
        expected = np.where((SPARSE[..., 0] == 0) & (distance <= radius) & (distance < best), label, expected)
        best = np.minimum(best, distance)
    found = xp.run(
        lambda labels, reach: label_dilation(labels, reach, values=(3, 1, 2), spacing=spacing),
        SPARSE, np.float32(radius),
    )  # fmt: skip
    np.testing.assert_array_equal(found[..., 0], expected)
    assert found.dtype == SPARSE.dtype
    assert found[0, 9, 0, 0] == 9


def test_scikit_image_grows_them_alike():
    for radius in (1, 2, 3.5):
        theirs = expand_labels(SPARSE[..., 0], distance=radius, spacing=(2.0, 1.0, 0.9))
        ours = label_dilation(SPARSE, radius, values=(1, 2, 3, 9), spacing=(2.0, 1.0, 0.9))
        np.testing.assert_array_equal(ours[..., 0], theirs)


def test_equally_near_the_first_wins_and_merged_labels_grow_as_the_first():
    row = np.array([5, 0, 7, 0, 6])[:, None]
    assert label_dilation(row, 1, values=(7, (5, 6)))[:, 0].tolist() == [5, 7, 7, 7, 6]
    assert label_dilation(row, 1, values=((5, 6), 7))[:, 0].tolist() == [5, 5, 7, 5, 6]
    grown = label_dilation(np.array([True, False, False])[:, None], 1, values=(1,))
    assert (grown[:, 0].tolist(), grown.dtype) == ([1, 1, 0], np.uint8)
    draws = [float(random_label_dilation(rng, max_radius=3.0).radius) for _ in range(100)]
    assert 0 <= min(draws) < 0.2 < 2.8 < max(draws) <= 3
    applied = on("labels", label_dilation, radius=1.0, values=(5, 6, 7))({"labels": row})["labels"]
    assert applied[:, 0].tolist() == [5, 5, 7, 6, 6]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: labels_to_image(LABELS[..., 0], MEAN, SIGMA, FIELD, values=VALUES), "`labels` must have one channel"),
        (lambda: labels_to_image(LABELS, MEAN[:2], SIGMA, FIELD, values=VALUES), "`mean` must have the shape"),
        (lambda: labels_to_image(LABELS, MEAN, -SIGMA, FIELD, values=VALUES), "`sigma` must not be negative"),
        (lambda: labels_to_image(LABELS, MEAN, SIGMA, FIELD[:2], values=VALUES), "`field` must have the shape"),
        (lambda: labels_to_image(LABELS, MEAN, SIGMA, FIELD, values=(1, 2, (2, 3))), "`values` must name every label"),
        (lambda: label_dilation(SPARSE, -1.0, values=(1,)), "`radius` must not be negative"),
        (lambda: label_dilation(SPARSE, 1.0, values=(0, 1)), "`values` must name labels above 0"),
        (lambda: label_dilation(SPARSE[..., 0], 1.0, values=(1,)), "`labels` must have one channel"),
        (
            lambda: random_labels_to_image(rng, spatial_shape=(4,), values=(1,), mean=(2, 1)),
            "`mean` must be the smallest",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()
