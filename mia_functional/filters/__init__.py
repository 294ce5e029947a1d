"""Filters of SimpleITK as functions of arrays, and registration that gives a geometry."""

from mia_functional.filters.consensus import Staple, staple
from mia_functional.filters.intensity import correct_bias, diffuse, match_histogram, threshold
from mia_functional.filters.registration import register

__all__ = ["Staple", "correct_bias", "diffuse", "match_histogram", "register", "staple", "threshold"]

__dir__ = __all__.copy  # dir() shows what users may touch
