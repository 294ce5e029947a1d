"""One segmentation from those of several raters, with an estimate of how good each rater is."""

from typing import NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask
from mia_functional.images.itk_globals import simpleitk
from mia_functional.typing import Array

__all__ = ["Staple", "staple"]


class Staple(NamedTuple):
    """What STAPLE makes of several segmentations of one structure.

    Attributes:
        probabilities: How likely each voxel belongs to the structure; above 0.5 is the consensus.
        sensitivity: The estimated sensitivity of each rater, `(raters,)`.
        specificity: The estimated specificity of each rater, `(raters,)`.
    """

    probabilities: Array
    sensitivity: Array
    specificity: Array


def staple(ratings: Array, *, confidence: float = 1.0, iterations: int = 100) -> Staple:
    """Estimate the structure that several raters mean, and their sensitivities and specificities (STAPLE).

    Expectation and maximisation take turns: raters who agree with the estimate get more weight in the next one.

    Args:
        ratings: Masks of shape (raters, *spatial), two raters or more, two or three spatial axes.
        confidence: Weight of the prior, which is the mean share of the structure in the ratings.
        iterations: Most turns.

    Returns:
        Float64 arrays, or the widest floats of the library.

    Raises:
        TypeError: The ratings are not an array, or neither boolean nor integer.
        ValueError: There are fewer than two raters, or not two or three spatial axes; a rating holds values besides 0
            and 1; no rating has a voxel; the confidence is not positive, `iterations` less than 1.

    Example:
        >>> ratings = np.zeros((3, 8, 8), bool)
        >>> ratings[:, 2:6, 2:6] = True
        >>> ratings[2, 2] = False
        >>> found = staple(ratings)
        >>> int((found.probabilities > 0.5).sum()), bool(found.sensitivity[2] < found.sensitivity[0])
        (16, True)

    Source:
        Warfield, Zou and Wells 2004, doi 10.1109/TMI.2004.828354.

    Agrees with:
        SimpleITK's `STAPLE`, which computes it.
    """
    name = "staple"
    xp = _array.checked_namespace(name, ratings=ratings)
    checks.not_empty(name, "ratings", ratings.shape)
    checks.dimensions(name, "ratings", ratings.shape, (3, 4))
    if ratings.shape[0] < 2:
        checks.invalid_value(name, "ratings", "have two raters or more on the first axis", ratings.shape[0])
    masks = _array.to_numpy(binary_mask(name, "ratings", ratings))
    # Without a voxel the prior is 0, and ITK divides by it.
    if not masks.any():
        checks.invalid_value(name, "ratings", "have a voxel of the structure", "none")
    itk = simpleitk()
    estimate = itk.STAPLEImageFilter()
    estimate.SetForegroundValue(1)
    estimate.SetConfidenceWeight(checks.positive(name, "confidence", confidence))
    estimate.SetMaximumIterations(checks.integer(name, "iterations", iterations, minimum=1))
    result = estimate.Execute([itk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks])
    columns = itk.GetArrayFromImage(result), estimate.GetSensitivity(), estimate.GetSpecificity()
    dtype = _array.widest_float(xp, ratings)
    fields = (_array.from_numpy(np.array(column, dtype=np.float64), xp, ratings) for column in columns)
    return Staple(*(xp.astype(field, dtype, copy=False) for field in fields))
