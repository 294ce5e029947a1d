"""Grids and volumes to and from ITK: the one place where the order of axes is reversed."""

import gc

import numpy as np
import pytest
import SimpleITK

from mia_functional import geometry as geometries
from mia_functional import images
from mia_functional.images.conversion import image_memory

from .cases import oblique


def test_itk_order_is_the_reverse_of_array_order():
    geometry = oblique((5, 4, 3))
    size, spacing, origin, direction = images.to_itk(geometry)
    assert (size, spacing, origin) == ((3, 4, 5), geometry.spacing[::-1], geometry.origin[::-1])
    assert images.from_itk(size, spacing, origin, direction) == geometry
    image = SimpleITK.Image(size, SimpleITK.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    point = image.TransformContinuousIndexToPhysicalPoint((0.5, 1.5, 2.5))
    np.testing.assert_allclose(point[::-1], geometries.index_to_world(geometry, (2.5, 1.5, 0.5)), atol=1e-9)
    assert images.from_simpleitk(image)[1] == geometry


def test_arguments_of_other_kinds():
    with pytest.raises(TypeError, match="be a SimpleITK image; got ndarray"):
        images.from_simpleitk(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="2, 3 or 4 axes; got 5"):
        images.from_simpleitk(SimpleITK.Image([2, 2, 2, 2, 2], SimpleITK.sitkUInt8))
    with pytest.raises(TypeError, match="integers or floats; got complex"):
        images.from_simpleitk(SimpleITK.Image([2, 2], SimpleITK.sitkComplexFloat32))
    with pytest.raises(ValueError, match="`direction` must have 4 entries; got 3"):
        images.from_itk((2, 3), (1, 1), (0, 0), (1, 0, 0))


@pytest.mark.slow
def test_the_memory_of_an_image_outlives_its_name():
    array = np.arange(1 << 16, dtype=np.int32).reshape(64, 32, 32)
    memory = image_memory(SimpleITK.GetImageFromArray(array))
    gc.collect()
    others = [SimpleITK.Image([32, 32, 64], SimpleITK.sitkInt32) for _ in range(4)]
    np.testing.assert_array_equal(memory, array)
    memory[0, 0, 0] = 7
    assert (len(others), memory[0, 0, 0]) == (4, 7)
