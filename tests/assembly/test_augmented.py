"""Test-time augmentation: what `apply` does is undone, and predictions are merged."""

from functools import partial
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional.assembly import gaussian, maximum, predict_labels, sliding_window, tta, vote

from .cases import VOLUME


class Flip(NamedTuple):
    """Axes that are turned around."""

    axes: tuple[int, ...]


FLIPS = [Flip(axes) for axes in ((), (0,), (1,), (2,), (0, 1), (0, 1, 2))]


def flip(array, draw):
    """Turn an array of any library around along some axes."""
    if hasattr(array, "flip"):
        return array.flip(draw.axes)
    xp = array.__array_namespace__()
    return xp.flip(array, axis=draw.axes) if draw.axes else array


def turn(array, quarters):
    """Turn an array by quarters."""
    return np.rot90(array, quarters)


both = partial(tta, apply=flip, invert=flip)


def test_a_network_that_changes_nothing_gives_the_volume_back_to_the_bit(xp):
    np.testing.assert_array_equal(xp.run(lambda volume: both(lambda v: v, volume, FLIPS), VOLUME), VOLUME)
    window = partial(sliding_window, lambda batch: batch, patch_shape=(3, 4, 3), window=gaussian)
    np.testing.assert_array_equal(xp.run(lambda volume: both(window, volume, FLIPS[:3]), VOLUME), VOLUME)


def test_the_mean_is_that_of_all_predictions_in_place(xp):
    def network(volume):
        return volume * volume[:1, :1, :1, :]

    found = xp.run(lambda volume: both(network, volume, FLIPS), VOLUME)
    expected = [np.flip(network(np.flip(VOLUME, draw.axes)), draw.axes) for draw in FLIPS]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-5, atol=1e-6)
    found = xp.run(lambda volume: both(network, volume, FLIPS, reduction=maximum), VOLUME)
    np.testing.assert_array_equal(found, np.max(expected, axis=0))


def test_shapes_may_change_between_apply_and_invert():
    def network(volume):
        return np.cumsum(volume, axis=0)

    found = tta(network, VOLUME, range(4), apply=turn, invert=lambda array, quarters: turn(array, -quarters))
    expected = [np.rot90(network(np.rot90(VOLUME, k)), -k) for k in range(4)]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-5, atol=1e-5)


def test_labels_are_voted_for():
    def rolled(volume):
        return np.roll(np.stack([volume, 1 - volume], axis=-1), 1, axis=0)

    label = partial(predict_labels, rolled, patch_shape=(4, 4))
    volume = (np.random.default_rng(0).random((4, 4)) > 0.5).astype(np.float32)
    draws = [Flip(axes) for axes in ((), (0,), (1,))]
    found = tta(label, volume, draws, apply=flip, invert=flip, reduction=vote((0, 1)))
    votes = [np.flip(label(np.flip(volume, draw.axes)), draw.axes) for draw in draws]
    np.testing.assert_array_equal(found, np.sum(votes, axis=0) >= 2)


@pytest.mark.slow
def test_gradients_are_those_of_the_mean():
    volume = VOLUME[..., 0]

    def merged(volume):
        return (both(lambda v: v**2 * v[:1], volume, FLIPS) ** 2).sum()

    def written_out(volume):
        predictions = [flip((turned := flip(volume, draw)) ** 2 * turned[:1], draw) for draw in FLIPS]
        return ((sum(predictions) / len(FLIPS)) ** 2).sum()

    np.testing.assert_allclose(*(jax.grad(f)(jnp.asarray(volume)) for f in (merged, written_out)), rtol=1e-3, atol=1e-3)
    import torch

    tensors = [torch.tensor(volume, requires_grad=True) for _ in range(2)]
    for function, tensor in zip((merged, written_out), tensors, strict=True):
        function(tensor).backward()
    np.testing.assert_allclose(*(tensor.grad for tensor in tensors), rtol=1e-3, atol=1e-3)


def test_predictions_are_made_one_after_the_other():
    alive = []
    draws = list(product((False, True), repeat=2))

    def network(volume):
        alive.append("made")
        return volume

    def invert(prediction, draw):
        alive.append(draw)
        return prediction

    tta(network, np.ones(3), iter(draws), apply=lambda volume, _: volume, invert=invert)
    assert alive == [entry for draw in draws for entry in ("made", draw)]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: both(abs, np.ones(3), []), ValueError, "`draws` must hold at least one draw; got none"),
        (
            lambda: both(abs, np.ones(3), Flip((0,))),
            TypeError,
            "`draws` must hold draws one after the other.*single Flip",
        ),
        (lambda: both(abs, np.ones(3), 3), TypeError, "`draws` must hold draws one after the other.*single int"),
        (lambda: both("net", np.ones(3), FLIPS), TypeError, "`network` must be a function such as a network"),
        (
            lambda: tta(abs, np.ones(3), FLIPS, apply=flip, invert=None),
            TypeError,
            "`invert` must be a function such as",
        ),
        (lambda: both(abs, np.ones(3), FLIPS[:2], reduction="mean"), TypeError, "`reduction` must be a Reduction"),
        (lambda: both(lambda v: [v], np.ones(3), FLIPS[:1]), TypeError, "`network` must return an array; got list"),
        (
            lambda: tta(abs, np.ones(3), [], apply=flip, invert=flip),
            ValueError,
            "`draws` must hold at least one draw",
        ),
        (
            lambda: tta(abs, np.ones(3), FLIPS[:1], apply=flip, invert=lambda _, __: None),
            TypeError,
            "`invert` must return an array; got NoneType",
        ),
        (
            lambda: tta(abs, np.ones((3, 2)), (0, 1), apply=turn, invert=lambda prediction, _: prediction),
            ValueError,
            r"`invert` must return predictions of one shape, \(3, 2\); got \(2, 3\)",
        ),
        (lambda: both(np.sum, np.ones(3), FLIPS[:1]), ValueError, "`invert` must return predictions with axes"),
    ],
)
def test_mistakes_are_one_sentence(call, kind, text):
    with pytest.raises(kind, match="^tta: " + text):
        call()
