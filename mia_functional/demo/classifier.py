"""A small voxel classifier in plain NumPy: one hidden layer on local intensities and the place in the head.

It is what the demo trains; it is no part of the library's interface.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy  # its subpackages are imported at their first use, which keeps ours light

SCALES = (1.0, 2.0)
"""Widths, in voxels, of the Gaussians whose responses are features."""

CONTEXT = 6
"""Voxels around a patch that its features depend on."""


class Network(NamedTuple):
    """Weights of `softmax(relu(x @ hidden + bias) @ output + offset)`."""

    hidden: Any
    bias: Any
    output: Any
    offset: Any


def features(images: Any, start: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Return the features of all voxels of a patch, `(voxels, features)` float32.

    They are the intensities, the same blurred at two scales, the edge strength, and the place in the volume (linear and
    squared), each about within -1 and 1.

    Args:
        images: The patch with `CONTEXT` voxels around it, `(*spatial, channels)`, standardised intensities.
        start: Index of the first voxel of the patch (without context) in the volume.
        shape: Spatial shape of the volume.
    """
    inner = (slice(CONTEXT, -CONTEXT),) * len(shape)
    maps = []
    for channel in np.moveaxis(images, -1, 0):
        maps.append(channel[inner])
        maps.extend(scipy.ndimage.gaussian_filter(channel, scale)[inner] for scale in SCALES)
        maps.append(scipy.ndimage.gaussian_gradient_magnitude(channel, 1.0)[inner])
    size = maps[0].shape
    for axis, (first, length, full) in enumerate(zip(start, size, shape, strict=True)):
        place = (np.arange(first, first + length) + 0.5) / full * 2 - 1
        line = place.reshape([-1 if other == axis else 1 for other in range(len(size))])
        maps += [np.broadcast_to(line, size), np.broadcast_to(2 * line**2 - 1, size)]
    return np.stack([part.reshape(-1) for part in maps], axis=-1).astype(np.float32)


def balanced(labels: Any, classes: int, rng: np.random.Generator) -> Any:
    """Return positions of random voxels of every class: few of a common one, more than its share of a rare one."""
    chosen = []
    for label in range(classes):
        places = np.flatnonzero(labels == label)
        chosen.append(rng.permutation(places)[: int(1.2 * len(places) ** 0.7)])
    return np.concatenate(chosen)


def initial(inputs: int, hidden: int, classes: int, rng: np.random.Generator) -> Network:
    """Return random first weights."""
    return Network(
        rng.normal(0, np.sqrt(2 / inputs), (inputs, hidden)).astype(np.float32),
        np.zeros(hidden, dtype=np.float32),
        rng.normal(0, np.sqrt(1 / hidden), (hidden, classes)).astype(np.float32),
        np.zeros(classes, dtype=np.float32),
    )


def predict(network: Network, inputs: Any) -> Any:
    """Return the probability of every class, `(voxels, classes)` float32."""
    hidden = np.maximum(inputs @ network.hidden + network.bias, 0)
    return softmax(hidden @ network.output + network.offset)


def softmax(scores: Any) -> Any:
    """Return probabilities from scores, along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def gradient(network: Network, inputs: Any, targets: Any) -> Network:
    """Return the gradient of the mean cross-entropy of a batch."""
    hidden = np.maximum(inputs @ network.hidden + network.bias, 0)
    error = softmax(hidden @ network.output + network.offset)
    error[np.arange(len(targets)), targets] -= 1
    error /= len(targets)
    back = (error @ network.output.T) * (hidden > 0)
    return Network(inputs.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0))


def train(
    inputs: Any, targets: Any, rng: np.random.Generator, *, classes: int, hidden: int = 32, epochs: int = 12
) -> Network:
    """Return a network trained with Adam (Kingma and Ba 2015) on mini-batches of 1024 voxels.

    Args:
        inputs: Features, `(voxels, features)`.
        targets: Classes, `(voxels,)` integers below `classes`.
        rng: Source of the first weights and of the order of the batches.
        classes: Number of classes.
        hidden: Units of the hidden layer.
        epochs: Passes over all voxels.
    """
    network = initial(inputs.shape[1], hidden, classes, rng)
    first = second = Network(*(np.zeros_like(part) for part in network))
    total = epochs * -(-len(targets) // 1024)
    for step, batch in enumerate(batches(len(targets), epochs, rng), start=1):
        slope = gradient(network, inputs[batch], targets[batch])
        first = Network(*(0.9 * m + 0.1 * g for m, g in zip(first, slope, strict=True)))
        second = Network(*(0.99 * v + 0.01 * g * g for v, g in zip(second, slope, strict=True)))
        rate = 0.01 * (1 - step / (total + 1)) * np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        moved = zip(network, first, second, strict=True)
        network = Network(*((w - rate * m / (np.sqrt(v) + 1e-8)).astype(np.float32) for w, m, v in moved))
    return network


def batches(count: int, epochs: int, rng: np.random.Generator) -> Iterable[Any]:
    """Yield the positions of each mini-batch, in a new order every epoch."""
    for _ in range(epochs):
        order = rng.permutation(count)
        yield from (order[start : start + 1024] for start in range(0, count, 1024))
