"""Colours as DICOM recommends them for display: CIELab of 16 bits (PS3.3, section C.10.7.1.1), to and from sRGB."""

import numpy as np

__all__ = ["lab_to_rgb", "rgb_to_lab"]

_WHITE = np.array([0.96422, 1.0, 0.82521])
"""The white of ICC's profile connection space (D50)."""

_TO_LINEAR = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
"""From XYZ at D50 to linear sRGB, whose white is D65 (adapted by Bradford's method)."""

_KNEE = 6 / 29
"""Where the cube root of CIELab goes over into a line."""

_LARGEST, _CENTRE = 65535, 128
"""Lightness from 0 to 100, and both differences from -128 to 127, become 0 to 65535."""


def lab_to_rgb(lab: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return red, green and blue within [0, 1] of a colour in CIELab."""
    lightness = lab[0] / _LARGEST * 100
    differences = [value / _LARGEST * 255 - _CENTRE for value in lab[1:]]
    middle = (lightness + 16) / 116
    roots = np.array([middle + differences[0] / 500, middle, middle - differences[1] / 200])
    linear = _TO_LINEAR @ (_WHITE * np.where(roots > _KNEE, roots**3, 3 * _KNEE**2 * (roots - 4 / 29)))
    clipped = np.clip(linear, 0, 1)
    red, green, blue = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055).tolist()
    return red, green, blue


def rgb_to_lab(rgb: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return the colour in CIELab of red, green and blue within [0, 1]."""
    colour = np.array(rgb)
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    ratios = np.linalg.solve(_TO_LINEAR, linear) / _WHITE
    roots = np.where(ratios > _KNEE**3, np.cbrt(ratios), ratios / (3 * _KNEE**2) + 4 / 29)
    lightness, first, second = 116 * roots[1] - 16, 500 * (roots[0] - roots[1]), 200 * (roots[1] - roots[2])
    scaled = np.array([lightness / 100, (first + _CENTRE) / 255, (second + _CENTRE) / 255]) * _LARGEST
    values = np.clip(np.rint(scaled), 0, _LARGEST).astype(int).tolist()
    return values[0], values[1], values[2]
