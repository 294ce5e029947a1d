"""A small voxel classifier in plain NumPy: one hidden layer on local intensities and the position in the head.

It is what the demo trains, so that the demo needs no framework; it is not part of the library's interface.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy  # its subpackages are imported at their first use, which keeps ours light

from mia_functional.typing import HostArray

__all__ = ["CONTEXT", "Network", "balanced_voxels", "forward", "patch_features", "train"]

CONTEXT = 6
"""Voxels around a patch that its features depend on."""

# SciPy cuts the wider one off at 8 voxels; less than 0.2 % of its weights along an axis lie beyond `CONTEXT`.
_SCALES = (1.0, 2.0)
"""Standard deviations, in voxels, of the Gaussians whose responses are features."""

_BATCH = 1024
"""Voxels in a mini-batch."""


class Network(NamedTuple):
    """Weights of `softmax(relu(x @ hidden + bias) @ output + offset)`."""

    hidden: HostArray
    bias: HostArray
    output: HostArray
    offset: HostArray


def patch_features(sample: Mapping[str, Any]) -> HostArray:
    """Return the features of all voxels of a patch, `(voxels, features)` float32.

    They are the intensities, the same blurred at two scales, the edge strength, and the position in the volume (linear
    and squared), each about within -1 and 1.

    Args:
        sample: `images`, the patch with `CONTEXT` voxels around it, `(*spatial, channels)`, standardised intensities;
            `index`, where it lies in the volume (without context); `shape`, the spatial shape of the volume.
    """
    images, shape = sample["images"], sample["shape"]
    inner = (slice(CONTEXT, -CONTEXT),) * len(shape)
    maps = []
    for channel in np.moveaxis(images, -1, 0):
        maps.append(channel[inner])
        maps.extend(scipy.ndimage.gaussian_filter(channel, scale)[inner] for scale in _SCALES)
        maps.append(scipy.ndimage.gaussian_gradient_magnitude(channel, 1.0)[inner])
    size = maps[0].shape
    for axis, (along, length, full) in enumerate(zip(sample["index"], size, shape, strict=True)):
        # Centres of voxels, so that the positions are symmetric about the middle of the volume.
        position = (np.arange(along.start, along.start + length) + 0.5) / full * 2 - 1
        line = position.reshape([-1 if other == axis else 1 for other in range(len(size))])
        maps += [np.broadcast_to(line, size), np.broadcast_to(2 * line**2 - 1, size)]
    return np.stack([feature.reshape(-1) for feature in maps], axis=-1).astype(np.float32)


def balanced_voxels(rng: np.random.Generator, labels: HostArray, classes: int) -> HostArray:
    """Return positions of random voxels of every class: few of a common one, more than its share of a rare one."""
    chosen = []
    for label in range(classes):
        positions = np.flatnonzero(labels == label)
        # Of a million voxels of background 19,000 are taken, of 1000 voxels of a hippocampus 151.
        chosen.append(rng.permutation(positions)[: int(1.2 * len(positions) ** 0.7)])
    return np.concatenate(chosen)


def forward(network: Network, inputs: HostArray) -> tuple[HostArray, HostArray]:
    """Return the activations of the hidden layer, and the probability of every class, `(voxels, classes)` float32."""
    hidden = np.maximum(inputs @ network.hidden + network.bias, 0)
    scores = hidden @ network.output + network.offset
    # Softmax does not change with an offset of all scores; with the largest at 0, no exponential overflows.
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return hidden, powers / powers.sum(axis=-1, keepdims=True)


def train(
    rng: np.random.Generator, inputs: HostArray, targets: HostArray, *, classes: int, hidden: int = 32, epochs: int = 12
) -> Network:
    """Return a network trained with Adam (Kingma and Ba 2015) on mini-batches of 1024 voxels.

    Args:
        rng: Source of the first weights and of the order of the batches.
        inputs: Features, `(voxels, features)`.
        targets: Classes, `(voxels,)` integers below `classes`.
        classes: Number of classes.
        hidden: Units of the hidden layer.
        epochs: Passes over all voxels.
    """
    # He's initialisation keeps the variance through the rectifier.
    network = Network(
        rng.normal(0, np.sqrt(2 / inputs.shape[1]), (inputs.shape[1], hidden)).astype(np.float32),
        np.zeros(hidden, dtype=np.float32),
        rng.normal(0, np.sqrt(1 / hidden), (hidden, classes)).astype(np.float32),
        np.zeros(classes, dtype=np.float32),
    )
    first = second = Network(*map(np.zeros_like, network))
    step, steps = 0, epochs * -(-len(targets) // _BATCH)
    for _ in range(epochs):
        order = rng.permutation(len(targets))
        for start in range(0, len(targets), _BATCH):
            step += 1
            batch = order[start : start + _BATCH]
            slope = _gradient(network, inputs[batch], targets[batch])
            first = Network(*(0.9 * m + 0.1 * g for m, g in zip(first, slope, strict=True)))
            second = Network(*(0.99 * v + 0.01 * g * g for v, g in zip(second, slope, strict=True)))
            # Falls linearly to 0; the roots undo the bias of moments that started at 0 (section 3 of the paper).
            rate = 0.01 * (1 - step / (steps + 1)) * np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
            terms = zip(network, first, second, strict=True)
            network = Network(*((w - rate * m / (np.sqrt(v) + 1e-8)).astype(np.float32) for w, m, v in terms))
    return network


def _gradient(network: Network, inputs: HostArray, targets: HostArray) -> Network:
    """Return the gradient of the mean cross-entropy of a batch."""
    hidden, error = forward(network, inputs)
    error[np.arange(len(targets)), targets] -= 1
    error /= len(targets)
    back = (error @ network.output.T) * (hidden > 0)
    return Network(inputs.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0))
