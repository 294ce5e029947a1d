"""Labels of sliding windows without a volume of probabilities: those of `argmax(sliding_window(...))` to the last."""

import tracemalloc
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional.assembly import frontier, gaussian, hann, jax_frontier, predict_labels, sliding_window, uniform

from .cases import VOLUME


@pytest.fixture(autouse=True)
def small_tiles(request, monkeypatch):
    """Cut volumes into tiles that are as small as those of tests are, but where memory and time are measured."""
    if "memory" not in request.node.name:
        monkeypatch.setattr(frontier, "_LEAST_MEANS", 0)
        monkeypatch.setattr(jax_frontier, "_FEW_MEANS", 0)


def four_classes(batch):
    """Return four channels of a batch with two, which differ from window to window, and are often equal."""
    parts = batch[..., :1], batch[..., 1:], batch[..., :1] * 2.0 - batch[:, :1, :1, :1, :1], 0 * batch[..., 1:] + 1.0
    stack = batch.__array_namespace__().concat if hasattr(batch, "__array_namespace__") else None
    if stack is None:
        import torch

        return torch.cat(parts, dim=-1)
    return stack(parts, axis=-1)


def keep(means):
    """Keep all channels: the probabilities themselves."""
    return means


COARSE = np.round(VOLUME * 2)
"""Values of which many are equal, so that classes tie."""


@pytest.mark.sampled(7)
@pytest.mark.parametrize("window", [uniform, gaussian])
@pytest.mark.parametrize("batch_size", [1, 4, 50])
@pytest.mark.parametrize("reduce_channels", [None, keep])
@pytest.mark.parametrize(
    ("patch", "step"), [((3, 4, 3), None), ((3, 4, 3), (2, 3, 2)), ((4, 5, 2), (1, 1, 2)), ((7, 9, 3), (7, 2, 3))]
)
def test_labels_are_those_of_the_volume_of_means_to_the_last(xp, window, batch_size, reduce_channels, patch, step):
    options = {"patch_shape": patch, "step": step, "window": window, "batch_size": batch_size}
    means = xp.run(lambda volume: sliding_window(four_classes, volume, **options), COARSE)
    found = xp.run(
        lambda volume: predict_labels(four_classes, volume, reduce_channels=reduce_channels, **options), COARSE
    )
    if reduce_channels is None:
        assert found.dtype == np.uint8
        means = means.argmax(axis=-1)
    np.testing.assert_array_equal(found, means)


def test_volumes_of_few_means_are_a_single_tile(monkeypatch):
    blocks = []

    def seen(means):
        blocks.append(means.shape)
        return means

    for least, expected in ((2**20, [(6, 6, 5, 4)]), (3 * 6 * 5 * 4, [(3, 6, 5, 4)] * 2)):
        monkeypatch.setattr(frontier, "_LEAST_MEANS", least)
        blocks.clear()
        predict_labels(four_classes, COARSE[:6, :6, :5], (3, 3, 3), step=3, reduce_channels=seen)
        assert blocks == expected


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_means_are_all_kept_in_jax(monkeypatch, number):
    volume, patch = jnp.asarray(COARSE[(0,) * (3 - number)]), (3, 4, 3)[:number]

    def network(batch):
        return jnp.concatenate([batch, batch[..., :1] * 2.0 - batch], axis=-1)

    means = sliding_window(network, volume, patch, window=gaussian, batch_size=2)
    shapes = set()

    def largest(part):
        shapes.add(part.shape)
        return part.argmax(axis=-1)

    for most in (means.size, means.size - 1):
        monkeypatch.setattr(jax_frontier, "_FEW_MEANS", most)
        shapes.clear()
        found = predict_labels(network, volume, patch, window=gaussian, batch_size=2, reduce_channels=largest)
        # A single axis is not cut into parts.
        assert (shapes == {means.shape}) is (most == means.size or number == 1)
        np.testing.assert_array_equal(found, np.asarray(means).argmax(axis=-1))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("shape", "patch", "step"),
    [
        ((9,), (4,), 3),
        ((2,), (5,), 1),
        ((9, 8), (4, 3), (2, 1)),
        ((8, 9), (8, 2), 2),
        ((5, 23), (3, 16), (3, 1)),
        ((6, 5, 7), (4, 4, 4), (3, 1, 4)),
        ((5, 6, 5, 4), (3, 3, 2, 2), (2, 3, 1, 2)),
    ],
)
@pytest.mark.parametrize("library", [np, jnp])
def test_any_number_of_axes_and_steps_and_several_trailing_axes(library, shape, patch, step):
    volume = library.asarray(np.random.default_rng(2).integers(0, 3, shape).astype(np.float32))

    def network(batch):
        corner = batch[(slice(None), *(slice(1),) * len(shape))]
        pairs = [library.stack([batch - corner, corner + 0 * batch, batch], axis=-1) for _ in range(2)]
        return library.stack([pairs[0], -pairs[1]], axis=-2)

    options = {"step": step, "window": gaussian, "batch_size": 3}
    means = sliding_window(network, volume, patch, **options)
    assert means.shape == (*shape, 2, 3)
    labels = predict_labels(network, volume, patch, **options)
    np.testing.assert_array_equal(labels, np.asarray(means).argmax(axis=-1))


@pytest.mark.parametrize("library", ["numpy", pytest.param("jax", marks=pytest.mark.full), "torch"])
def test_reductions_of_any_kind(library):
    import torch

    convert, xp = {"numpy": (np.asarray, np), "jax": (jnp.asarray, jnp), "torch": (torch.asarray, torch)}[library]
    slide = partial(sliding_window, four_classes, convert(VOLUME), (3, 4, 3), window=hann)
    label = partial(predict_labels, four_classes, convert(VOLUME), (3, 4, 3), window=hann)
    means = np.asarray(slide())
    largest = label(reduce_channels=lambda block: block[..., 2])
    assert str(largest.dtype).endswith("float32")
    np.testing.assert_array_equal(largest, means[..., 2])
    np.testing.assert_array_equal(label(reduce_channels=lambda block: block[..., 1:] > 0), means[..., 1:] > 0)
    rank = label(reduce_channels=lambda block: xp.argsort(block, -1))
    np.testing.assert_array_equal(np.take_along_axis(means, np.asarray(rank), -1), np.sort(means, -1))


def test_of_equal_classes_the_first_wins_and_dtypes_are_those_of_labels():
    ones = np.ones((5, 4), dtype=np.float16)

    def repeated(count):
        return lambda batch: np.repeat(batch[..., np.newaxis], count, axis=-1)

    labels = predict_labels(repeated(256), ones, (3, 3))
    assert labels.dtype == np.uint8
    assert not labels.any()
    assert predict_labels(repeated(257), ones, (3, 3)).dtype == np.int32
    integers = predict_labels(lambda batch: np.stack([batch > 2, batch <= 2], -1).astype(np.int32), np.arange(5), (2,))
    assert integers.tolist() == [1, 1, 1, 0, 0]


def test_nothing_is_kept_for_derivatives_of_labels():
    import torch

    weight = torch.ones(3, requires_grad=True)
    network = torch.nn.Flatten(0, -1)
    volume = torch.arange(6.0)
    labels = predict_labels(lambda batch: batch[..., None] * weight, volume, (3,))
    assert not labels.requires_grad
    kept = predict_labels(lambda batch: batch[..., None] * weight, volume, (3,), reduce_channels=network.eval and keep)
    kept.sum().backward()
    np.testing.assert_allclose(weight.grad, [15, 15, 15])


@pytest.mark.slow
def test_predictions_of_another_library_than_the_volume():
    found = predict_labels(
        lambda batch: jnp.stack([jnp.asarray(batch), 1.5 - jnp.asarray(batch)], -1), COARSE, (4, 4, 4)
    )
    assert isinstance(found, jax.Array)
    np.testing.assert_array_equal(found, COARSE < 0.75)


def wide_classes(batch):
    """Return 48 classes of a batch without channels."""
    return batch[..., np.newaxis] * np.linspace(-1, 1, 48, dtype=np.float32)


@pytest.mark.slow
def test_the_memory_of_numpy_is_a_quarter_of_the_probabilities():
    volume = np.random.default_rng(0).random((96, 96, 64), dtype=np.float32)
    window_bytes, volume_bytes = (np.prod(shape) * 48 * 4 for shape in ((32, 32, 32), volume.shape))
    predict_labels(wide_classes, volume[:32, :32, :32], (16, 16, 16))
    tracemalloc.start()
    labels = predict_labels(wide_classes, volume, (32, 32, 32), window=gaussian)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The frontier is 0.222 of it; besides there are labels, planes of divisors and at most two windows of predictions.
    assert peak - 2 * window_bytes < 0.25 * volume_bytes
    assert labels.shape == volume.shape


@pytest.mark.slow
@pytest.mark.sampled(1)
@pytest.mark.parametrize("window", [uniform, gaussian])
def test_the_memory_of_a_program_is_a_quarter_of_the_probabilities(window):
    shape, patch, classes = (96, 96, 64), (32, 32, 32), 100
    weights = jnp.linspace(-1, 1, classes)

    def network(batch):
        return jnp.abs(batch[..., None] - weights) * (1 + batch[:, :1, :1, :1, None])

    program = jax.jit(lambda volume: predict_labels(network, volume, patch, window=window))
    # What a program needs besides its arguments: XLA says it before anything runs.
    memory = program.lower(jnp.zeros(shape)).compile().memory_analysis()
    window_bytes, volume_bytes = (np.prod(sizes) * classes * 4 for sizes in (patch, shape))
    extra = memory.temp_size_in_bytes + memory.output_size_in_bytes
    assert extra - 2 * window_bytes < 0.25 * volume_bytes


@pytest.mark.full
def test_the_memory_of_pytorch_is_a_quarter_of_the_probabilities():
    import torch

    shape, patch, classes = (96, 96, 64), (32, 32, 32), 48
    weights, volume = torch.linspace(-1, 1, classes), torch.rand(shape)
    alive, most = {}, 0

    class Storages(torch.utils._python_dispatch.TorchDispatchMode):
        """Counts the bytes of all storages that operations have made and that are still there."""

        def __torch_dispatch__(self, function, _, arguments=(), keywords=None):
            nonlocal most
            result = function(*arguments, **(keywords or {}))
            if isinstance(result, torch.Tensor):
                storage = result.untyped_storage()
                reference = torch.multiprocessing.reductions.StorageWeakRef(storage)
                alive[storage.data_ptr()] = reference, storage.nbytes()
            for key in [key for key, (reference, _) in alive.items() if reference.expired()]:
                del alive[key]
            most = max(most, sum(count for _, count in alive.values()))
            return result

    with Storages():
        predict_labels(lambda batch: batch[..., None] * weights, volume, patch, window=gaussian)
    window_bytes, volume_bytes = (np.prod(size) * classes * 4 for size in (patch, shape))
    # Here, what `update_block` works on at a time, and a copy of it, are not small beside the volume.
    assert most - 2 * window_bytes - 2 * 2**16 * 4 < 0.25 * volume_bytes


@pytest.mark.slow
def test_a_network_in_jax_is_traced_once_and_its_program_is_found_again():
    calls = []

    @jax.jit
    def network(batch):
        calls.append(batch.shape)
        return batch * 2

    volume = jnp.asarray(VOLUME)
    label = partial(predict_labels, network, patch_shape=(3, 4, 3), step=(2, 3, 2), batch_size=3)
    np.testing.assert_array_equal(label(volume), VOLUME.argmax(axis=-1))
    traced = len(calls)
    assert traced <= 2
    np.testing.assert_array_equal(label(-volume), (-VOLUME).argmax(axis=-1))
    assert len(calls) == traced


def many(batch):
    """Return two channels."""
    return np.stack([batch, -batch], axis=-1)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: predict_labels(lambda b: b[:, 1:], np.ones(5), (3,)),
            ValueError,
            r"`network` must return predictions \(1, 3\)",
        ),
        (
            lambda: predict_labels(lambda b: b, np.ones(5), (3,)),
            ValueError,
            "`network` must return predictions with channels, ",
        ),
        (
            lambda: predict_labels(lambda b: b, jnp.ones(5), (3,)),
            ValueError,
            "`network` must return predictions with channels, ",
        ),
        (
            lambda: predict_labels(lambda _: None, np.ones(5), (3,)),
            TypeError,
            "`network` must return an array; got NoneType",
        ),
        (lambda: predict_labels("net", np.ones(5), (3,)), TypeError, "`network` must be a function such as a network"),
        (lambda: predict_labels(many, np.ones(5), (3, 3)), ValueError, "`patch_shape` must have at most 1 entries"),
        (lambda: predict_labels(many, np.ones(5), (3,), step=4), ValueError, "`step` must be at most the patch"),
        (lambda: predict_labels(many, np.ones(5), (3,), batch_size=0), ValueError, "`batch_size` must be at least 1"),
        (
            lambda: predict_labels(many, np.ones(5), (3,), reduce_channels="argmax"),
            TypeError,
            "`reduce_channels` must be a function such as an arg max",
        ),
        (
            lambda: predict_labels(many, np.ones(5), (3,), reduce_channels=lambda m: int(m.argmax())),
            TypeError,
            "`reduce_channels` must return an array of the library of the predictions; got int",
        ),
        (
            lambda: predict_labels(many, np.ones(5), (3,), reduce_channels=np.argmax),
            ValueError,
            r"`reduce_channels` must return something for each of \(1,\) voxels of a block \(1, 2\); got \(\)",
        ),
        (
            lambda: predict_labels(many, np.ones(5), (3,), reduce_channels=lambda m: m.sum(axis=0)),
            ValueError,
            r"`reduce_channels` must return something for each of \(\d,\) voxels of a block \(\d, 2\); got \(2,\)",
        ),
        (
            lambda: predict_labels(lambda b: jnp.stack([b, b], -1), jnp.ones(5), (3,), reduce_channels=lambda m: m[0]),
            ValueError,
            "`reduce_channels` must return something for each of ",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, kind, text):
    with pytest.raises(kind, match="^predict_labels: " + text):
        call()
