"""The hundred pairs of each kind that packages and ours are asked about; other environments draw them, too."""

import hashlib

import numpy as np

COUNT = 100
TOLERANCE = 1.3
"""Millimetres, of surface Dice."""


def mask_pairs():
    """Yield prediction, reference and spacing; of twenty pairs three have empty masks, and one is equal."""
    rng = np.random.default_rng(18)
    for number in range(COUNT):
        shape = tuple(rng.integers(5, 9, 3).tolist())
        noise = rng.random((3, *shape))
        for axis in (1, 2, 3):
            noise = noise + 0.7 * np.roll(noise, 1, axis=axis)
        first, second, third = noise
        cut = rng.uniform(0.3, 0.85)
        prediction, reference = (
            mask >= np.sort(mask, axis=None)[int(cut * mask.size)]
            for mask in (first + 0.4 * second, first + 0.4 * third)
        )
        kind = number % 20
        if kind in (0, 1):
            prediction[:] = False
        if kind in (0, 2):
            reference[:] = False
        if kind == 3:
            prediction = reference.copy()
        yield prediction, reference, tuple(round(step, 3) for step in rng.uniform(0.5, 3.0, 3).tolist())


def label_pairs():
    """Yield label maps of 0 to 3; in every tenth a label is in the prediction alone, in others it is in neither."""
    rng = np.random.default_rng(19)
    for number in range(COUNT):
        reference = rng.integers(0, 4, (5, 6, 4)).astype(np.uint8)
        prediction = np.where(rng.random(reference.shape) < 0.6, reference, rng.permutation(reference))
        if number % 10 == 0:
            reference[reference == 3] = 0
        if number % 10 == 1:
            prediction[prediction == 2] = reference[reference == 2] = 0
        if number % 20 == 2:
            prediction[:] = reference[:] = 0
        yield prediction.astype(np.uint8), reference


def image_pairs():
    """Yield positive images up to 1, of the size that a Gaussian window needs."""
    rng = np.random.default_rng(20)
    for _ in range(COUNT):
        reference = rng.uniform(0.05, 0.85, (13, 16))
        yield reference + rng.uniform(-0.05, 0.15, reference.shape), reference


def probability_pairs():
    """Yield probabilities, which lie on no edge of a bin, and masks that they are of."""
    rng = np.random.default_rng(21)
    for _ in range(COUNT):
        probabilities = rng.uniform(0.001, 0.999, (4, 6, 5))
        yield probabilities, rng.random(probabilities.shape) < probabilities**1.5


KINDS = {"masks": mask_pairs, "labels": label_pairs, "images": image_pairs, "probabilities": probability_pairs}


def digest():
    """Return a number that changes with the pairs."""
    state = hashlib.sha256()
    for draw in KINDS.values():
        for pair in draw():
            for array in pair:
                state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()[:16]
