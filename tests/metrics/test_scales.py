"""Images whose squares single precision does not hold, as tiny as 1e-30 or as large as 1e30, in every library."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import metrics as skimage_metrics

from mia_functional import metrics, transforms
from mia_functional.metrics import merge, paired_moments

SCALES = (1e-30, 1e-24, 1e-12, 1.0, 1e15, 1e20, 1e30)
RNG = np.random.default_rng(5)
REFERENCE = RNG.random((9, 10, 11))
PREDICTION = 1.1 * REFERENCE + 0.02 * RNG.standard_normal(REFERENCE.shape)


def pair(scale, dtype=np.float32):
    """Return a pair of images, and the same in double precision without the scale."""
    images = [(scale * image).astype(dtype) for image in (PREDICTION, REFERENCE)]
    return images, [image.astype(np.float64) / scale for image in images]


def by_definition(p, r):
    """Return the metrics that a common scale of both images does not change, and errors in its unit."""
    error, n = ((p - r) ** 2).mean(), p.size
    centred = p - p.mean(), r - r.mean()
    scatter = [float((one * other).mean()) for one, other in (centred[:1] * 2, centred[1:] * 2, centred)]
    middle = (p + r) / 2
    between = 2 / (n - 1) * ((middle - middle.mean()) ** 2).sum()
    within = ((p - middle) ** 2 + (r - middle) ** 2).mean()
    return {
        "peak_signal_noise_ratio": 10 * math.log10(r.max() ** 2 / error),
        "normalized_root_mean_squared_error": math.sqrt(error) / (r.max() - r.min()),
        "normalized_mean_squared_error": error / (r**2).mean(),
        "r_squared": 1 - error / scatter[1],
        "pearson_correlation": scatter[2] / math.sqrt(scatter[0] * scatter[1]),
        "concordance_correlation": 2 * scatter[2] / (scatter[0] + scatter[1] + (p.mean() - r.mean()) ** 2),
        "root_mean_squared_error": math.sqrt(error),
        "mean_absolute_error": np.abs(p - r).mean(),
        "intraclass_correlation": (between - within) / (between + within),
        "structural_similarity": skimage_metrics.structural_similarity(p, r, data_range=r.max()),
    }


NAMES = tuple(by_definition(PREDICTION, REFERENCE))


def measured(prediction, reference, scale):
    """Return what `by_definition` does, by the library."""
    moments = paired_moments(prediction, reference)
    values = {name: getattr(metrics, name)(moments) for name in NAMES if name != "structural_similarity"}
    for name in ("root_mean_squared_error", "mean_absolute_error"):
        values[name] = values[name] / scale
    values["structural_similarity"] = metrics.structural_similarity(prediction, reference)
    return tuple(values[name] for name in NAMES)


@pytest.mark.sampled(20)
@pytest.mark.parametrize("scale", SCALES)
def test_a_common_scale_changes_nothing(xp, scale):
    images, plain = pair(scale)
    found = xp.run(lambda p, r: measured(p, r, scale), *images)
    np.testing.assert_allclose(np.stack(found), list(by_definition(*plain).values()), rtol=3e-6)


@pytest.mark.parametrize("scale", [1e-250, 1e-100, 1e100, 1e250])
def test_double_precision_has_a_scale_too(scale):
    images, plain = pair(scale, np.float64)
    np.testing.assert_allclose(np.stack(measured(*images, scale)), list(by_definition(*plain).values()), rtol=1e-11)
    normalized = metrics.normalized_root_mean_squared_error
    for kind in (metrics.reference_norm, metrics.reference_mean):
        expected = float(normalized(*plain, normalization=kind))
        assert math.isclose(float(normalized(*images, normalization=kind)), expected, rel_tol=1e-11)


def test_sums_of_ordinary_images_are_in_their_own_unit(xp):
    for scale in (1e-5, 1.0, 5e5):
        images, plain = pair(scale)
        moments = xp.run(paired_moments, *images)
        assert moments.prediction_scale == moments.reference_scale == 1
        np.testing.assert_allclose(moments.squared_error, ((plain[0] - plain[1]) ** 2).sum() * scale**2, rtol=2e-6)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("axis", [0, (1, 2)])
def test_each_cell_has_a_scale_of_its_own(xp, axis):
    factors = np.array([1e-25, 1e-3, 1e25]).reshape((1, 3, 1) if axis == 0 else (3, 1, 1))
    shape = (5, 3, 4) if axis == 0 else (3, 5, 4)
    p, r = ((factors * RNG.random(shape)).astype(np.float32) for _ in range(2))
    found = xp.run(lambda p, r: metrics.pearson_correlation(p, r, axis=axis), p, r)
    wide = [array.astype(np.float64) for array in (p, r)]
    np.testing.assert_allclose(found, metrics.pearson_correlation(*wide, axis=axis), rtol=2e-6)
    assert np.isfinite(found).all()


@pytest.mark.sampled(8)
@pytest.mark.parametrize("prediction", [(-1e20, 1e20, 3e19, -5e19), (1e25, 0.0, 0.0, 0.0), (-1e25, 0.0, 1.0, 0.0)])
def test_images_may_differ_in_size(xp, prediction):
    p, r = np.repeat(np.float32(prediction), 50), RNG.random(200).astype(np.float32)
    for pair in ((p, r), (r, p)):
        expected = np.corrcoef(*(image.astype(np.float64) for image in pair))[0, 1]
        np.testing.assert_allclose(xp.run(metrics.pearson_correlation, *pair), expected, rtol=3e-6, atol=1e-7)
        error = (pair[0].astype(np.float64) - pair[1]) / 1e20
        found = xp.run(lambda p, r: metrics.root_mean_squared_error(p, r) / 1e20, *pair)
        np.testing.assert_allclose(found, np.sqrt((error**2).mean()), rtol=3e-6)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("scales", [(1e-24, 1.0, 1e-30), (1e20, 1e24, 1e20), (1e-24, 1e-24, 1e-26), (0.0, 1e-24, 0.0)])
def test_parts_of_different_scales_are_merged(xp, scales):
    parts = [pair(scale or 1)[0] if scale else [np.zeros(REFERENCE.shape, np.float32)] * 2 for scale in scales]
    p, r = (np.concatenate(images) for images in zip(*parts, strict=True))
    largest = max(scales)
    names = ["pearson_correlation", "r_squared", "concordance_correlation", "peak_signal_noise_ratio"]

    def merged(p, r):
        moments = [paired_moments(p[start : start + 9, ...], r[start : start + 9, ...]) for start in (0, 9, 18)]
        whole = merge(metrics.identity(moments[0]), *moments)
        return (*(getattr(metrics, name)(whole) for name in names), metrics.root_mean_squared_error(whole) / largest)

    plain = [image.astype(np.float64) / largest for image in (p, r)]
    expected = [by_definition(*plain)[name] for name in (*names, "root_mean_squared_error")]
    np.testing.assert_allclose(np.stack(xp.run(merged, p, r)), expected, rtol=4e-6)


@pytest.mark.slow
def test_batches_and_gradients_at_every_scale():
    stacks = [jnp.stack(images) for images in zip(*(pair(scale)[0] for scale in SCALES), strict=True)]
    expected = [list(by_definition(*pair(scale)[1]).values()) for scale in SCALES]
    found = jax.jit(jax.vmap(measured))(*stacks, jnp.asarray(SCALES, jnp.float32))
    np.testing.assert_allclose(np.stack(found, axis=-1), expected, rtol=3e-6)
    errors = metrics.normalized_root_mean_squared_error, metrics.peak_signal_noise_ratio
    losses = *errors, metrics.pearson_correlation, metrics.r_squared, metrics.structural_similarity
    gradients = jax.jit(lambda p, r: jnp.stack([jnp.stack(jax.grad(loss, (0, 1))(p, r)) for loss in losses]))
    for scale in (1e-20, 1e-12, 1.0, 1e12):
        images, plain = pair(scale)
        found, same = gradients(*images), gradients(*(image.astype(np.float32) for image in plain))
        for one, other in zip(found, same, strict=True):
            np.testing.assert_allclose(one * scale, other, atol=3e-4 * float(abs(other).max()))


@pytest.mark.slow
@pytest.mark.parametrize("metric", [metrics.root_mean_squared_error, metrics.pearson_correlation])
def test_gradients_of_equal_and_of_constant_images_are_zero_and_not_undefined(metric):
    flat = jnp.full((3, 4), 2.0)
    assert not np.asarray(jax.grad(lambda p: jnp.nan_to_num(metric(p, flat)))(flat)).any()


@pytest.mark.sampled(8)
@pytest.mark.parametrize("scale", SCALES)
def test_scores_of_an_image_do_not_depend_on_its_unit(xp, scale):
    image = (scale * REFERENCE).astype(np.float32)
    plain = image.astype(np.float64) / scale
    expected = (plain - plain.mean(axis=(0, 1))) / plain.std(axis=(0, 1))
    np.testing.assert_allclose(xp.run(transforms.standardize, image), expected, atol=5e-6)
