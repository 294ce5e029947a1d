"""Distances of landmarks, and Jacobian determinants against NumPy's gradients and SimpleITK's filter."""

from functools import partial

import numpy as np
import pytest
import SimpleITK

from mia_functional import metrics

pytestmark = pytest.mark.sampled(4)

RNG = np.random.default_rng(2026)


def test_distances_of_landmarks(xp):
    points = RNG.normal(size=(2, 9, 3)).astype(np.float32)
    found = xp.run(metrics.target_registration_error, *points)
    np.testing.assert_allclose(found, np.linalg.norm(points[0] - points[1], axis=-1), rtol=1e-5)
    spacing = (3.0, 1.0, 0.5)
    found = xp.run(partial(metrics.target_registration_error, spacing=spacing), *points)
    np.testing.assert_allclose(found, np.linalg.norm((points[0] - points[1]) * spacing, axis=-1), rtol=1e-5)
    voxels = RNG.integers(0, 200, (2, 5, 2)).astype(np.uint8)
    found = xp.run(metrics.target_registration_error, *voxels)
    np.testing.assert_allclose(found, np.linalg.norm(voxels[0].astype(float) - voxels[1], axis=-1), rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 8), (5, 6, 7)])
def test_determinants_are_those_of_gradients(xp, shape):
    ndim = len(shape)
    spacing = (2.0, 1.0, 0.5)[:ndim]
    field = 0.7 * RNG.normal(size=(*shape, ndim)).astype(np.float32)
    rows = [
        [np.gradient(field[..., part].astype(float), spacing[axis], axis=axis) + (part == axis) for axis in range(ndim)]
        for part in range(ndim)
    ]
    expected = np.linalg.det(np.moveaxis(np.array(rows), (0, 1), (-2, -1)))
    np.testing.assert_allclose(
        xp.run(partial(metrics.jacobian_determinant, spacing=spacing), field), expected, atol=2e-5
    )
    share = xp.run(partial(metrics.negative_jacobian_share, spacing=spacing), field)
    np.testing.assert_allclose(share, np.mean(expected <= 0), rtol=1e-6)
    mask = RNG.random(shape) < 0.4
    share = xp.run(lambda f, m: metrics.negative_jacobian_share(f, spacing=spacing, mask=m), field, mask)
    np.testing.assert_allclose(share, np.mean(expected[mask] <= 0), rtol=1e-6)
    none = xp.run(lambda f, m: metrics.negative_jacobian_share(f, spacing=spacing, mask=m), field, mask & ~mask)
    assert np.isnan(none)


def test_determinants_are_those_of_simpleitk_inside():
    spacing = (2.0, 1.0, 0.5)
    field = 0.5 * RNG.normal(size=(6, 7, 8, 3))
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(field[..., ::-1]), isVector=True)
    image.SetSpacing(spacing[::-1])
    theirs = SimpleITK.GetArrayFromImage(SimpleITK.DisplacementFieldJacobianDeterminant(image))
    inside = (slice(1, -1),) * 3
    ours = metrics.jacobian_determinant(field, spacing=spacing)
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-10)


def test_bad_fields_are_named():
    for shape in ((4, 5, 3), (4, 1, 2), (4, 4), (2, 2, 2, 2, 4)):
        with pytest.raises(ValueError, match=r"^jacobian_determinant: `displacement` must have two or three spatial"):
            metrics.jacobian_determinant(np.zeros(shape), spacing=(1.0, 1.0))
    with pytest.raises(TypeError, match=r"^negative_jacobian_share: `displacement` must hold real numbers"):
        metrics.negative_jacobian_share(np.zeros((3, 3, 2), bool), spacing=(1.0, 1.0))
    with pytest.raises(ValueError, match=r"^negative_jacobian_share: `mask` must have the shape of the field without"):
        metrics.negative_jacobian_share(np.zeros((3, 3, 2)), spacing=(1.0, 1.0), mask=np.ones((3, 2), bool))
    with pytest.raises(ValueError, match=r"^target_registration_error: `prediction` must have the shape"):
        metrics.target_registration_error(np.zeros((3, 2)), np.zeros((2, 2)))
