"""Metrics of one's own without mistakes, in plain functions of any array library."""

from typing import NamedTuple

import numpy as np
import torch

from mia_functional import metrics


class Right(NamedTuple):
    """A right function: what it is, and how it is checked."""

    name: str
    function: object
    options: dict


def in_floats(*arrays):
    """Return arrays of floats and their namespace, as a program of PyTorch can trace it."""
    if isinstance(arrays[0], torch.Tensor):
        return torch, *(array.to(torch.float32) for array in arrays)
    xp = arrays[0].__array_namespace__()
    return xp, *(xp.astype(array, xp.float32) for array in arrays)


def soft_dice(p, r):
    """Return the soft Dice coefficient, whose gradient is finite also where both are empty."""
    xp, p, r = in_floats(p, r)
    whole = xp.sum(p) + xp.sum(r)
    # What is divided by is replaced before: a quotient that is not taken has a gradient all the same.
    some = whole > 0
    return xp.where(some, 2 * xp.sum(p * r) / xp.where(some, whole, xp.ones_like(whole)), xp.ones_like(whole))


def squared_error(p, r):
    """Return the mean squared error."""
    xp, p, r = in_floats(p, r)
    return xp.mean((p - r) ** 2)


def centre_distance(p, r, *, spacing):
    """Return the distance of centres in millimetres, of arrays of NumPy."""
    if not p.any() or not r.any():
        return np.inf if p.any() or r.any() else np.nan
    centres = [(np.argwhere(mask) * np.asarray(spacing)).mean(axis=0) for mask in (p, r)]
    return float(np.linalg.norm(centres[0] - centres[1]))


EVERYWHERE = (
    Right("soft Dice", soft_dice, {"like": "DICE", "dtypes": ("bool", "uint8", "float32")}),
    Right("soft Dice of probabilities", soft_dice, {"inputs": "probabilities", "differentiable": True}),
    Right("squared error", squared_error, {"like": "MSE", "dtypes": ("float32", "uint8", "int16")}),
    Right("Dice of a record", metrics.dice, {"like": "DICE"}),
    Right("surface distance", metrics.hausdorff_distance, {"like": "HDRFDST"}),
)
"""Metrics for arrays of any library, and programs of them."""

ON_NUMPY = (
    Right("centre distance", centre_distance, {"like": "CENDST", "oracle": metrics.centroid_distance}),
    Right("Dice of labels", lambda p, r: float((p == r).mean()), {"inputs": "labels", "symmetric": True}),
    Right("voxels", lambda p, r: float((p & r).sum()), {"limits": (0, np.inf), "best": np.nan, "padding": True}),
)
"""Metrics for arrays of NumPy."""
