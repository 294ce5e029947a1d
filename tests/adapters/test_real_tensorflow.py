"""TensorFlow and Keras themselves, which `.ci/extras` installs: too heavy for the environment of the other tests."""

import warnings

import numpy as np
import pytest

import mia_functional as mia
from mia_functional.adapters import tensorflow as adapter

from ..ways.cases import CASES

tf = pytest.importorskip("tensorflow")

SAMPLES = [
    {"x": np.full((2, 3), number, np.float32), "y": np.full((2, 1), number, np.float32), "subject": f"case{number}"}
    for number in range(6)
]
VOLUME = np.random.default_rng(0).random((5, 6, 7, 1)).astype(np.float32)


def test_elements_are_the_samples_and_their_number_is_known():
    dataset = adapter.dataset(SAMPLES)
    assert int(dataset.cardinality()) == 6
    for _ in range(2):
        batches = list(dataset.batch(4))
        assert [tuple(batch["x"].shape) for batch in batches] == [(4, 2, 3), (2, 2, 3)]
        assert batches[1]["subject"].numpy().tolist() == [b"case4", b"case5"]
        np.testing.assert_array_equal(batches[0]["y"][:, 0, 0], range(4))


def test_keras_sees_where_an_epoch_ends():
    network = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    pairs = adapter.dataset(SAMPLES).map(lambda element: (element["x"], element["y"])).batch(4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = network.fit(pairs, epochs=3, verbose=0, shuffle=False)
    assert len(history.history["loss"]) == 3
    assert not [warning for warning in caught if "ran out of data" in str(warning.message)]


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        (np.zeros((3, 3), np.float32), r"`x` is float32 \(2, 3\); got float32 \(3, 3\) in sample 6\."),
        (np.zeros((2, 3)), r"`x` is float32 \(2, 3\); got float64 \(2, 3\) in sample 6\."),
    ],
)
def test_what_differs_from_the_first_sample_is_said_in_our_words(last, sentence):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"ValueError: dataset: `samples` must .* {sentence}"):
        list(adapter.dataset([*SAMPLES, SAMPLES[0] | {"x": last}]))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int64", "float16", "float64", "bool", ">f4", "bfloat16"]
)
def test_dtypes_are_kept(dtype):
    dtype = np.dtype(getattr(tf, dtype).as_numpy_dtype if dtype == "bfloat16" else dtype)
    (element,) = adapter.dataset([{"x": np.arange(3).astype(dtype)}])
    assert element["x"].dtype.as_numpy_dtype == dtype.newbyteorder("=")
    np.testing.assert_array_equal(element["x"].numpy().astype(np.float64), np.arange(3).astype(dtype))


@pytest.mark.parametrize("name", ["eager", "graph", "predict"])
def test_networks_of_keras_work_through_numpy(name):
    network = tf.keras.Sequential([tf.keras.layers.Conv3D(2, 1)])
    expected = network(VOLUME[np.newaxis]).numpy()[0]
    calls = {
        "eager": network,
        "graph": tf.function(network),
        "predict": lambda batch: network.predict(batch, verbose=0),
    }
    found = mia.assembly.sliding_window(calls[name], VOLUME, (2, 3, 4), batch_size=3)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_networks_of_keras_do_not_trace():
    jnp = pytest.importorskip("jax.numpy")
    network = tf.keras.Sequential([tf.keras.layers.Conv3D(2, 1)])
    with pytest.raises(
        TypeError, match=r"^sliding_window: `function` must be traceable .*NumPy\); got .*values\.(\n|$)"
    ):
        mia.assembly.sliding_window(network, jnp.asarray(VOLUME), (2, 3, 4))


CALLS = {
    f"{name} {case.label}": case
    for name, cases in CASES.items()
    for case in cases
    # What takes one entry of an array of positions gets a tensor beside numbers.
    if not case.keys and f"{name} {case.label}" != "transforms.crop by both"
}

REFUSED = (
    r"\w+: `\w+` must be an array of NumPy, JAX, PyTorch or CuPy: pass its `numpy\(\)`, .*; got EagerTensor of .*\."
)


@pytest.mark.parametrize("name", CALLS)
def test_tensors_in_functions_are_refused_in_one_sentence(name):
    tensors = map(tf.constant, CALLS[name].draw(np.random.default_rng(0)))
    with pytest.raises(TypeError, match=REFUSED):
        CALLS[name].call(*tensors)


def test_symbolic_tensors_and_variables_are_refused_and_functions_of_numpy_work():
    for given in (tf.keras.Input((3, 4)), tf.keras.Variable(VOLUME), tf.Variable(VOLUME)):
        with pytest.raises(
            TypeError, match=r"rescale: `image` must be an array of .*; got \w+ of (keras|tensorflow)\."
        ):
            mia.transforms.rescale(given)
    with pytest.raises(TypeError, match=r"rescale: `image` must be an array of .*; got SymbolicTensor of tensorflow\."):
        tf.function(mia.transforms.rescale)(tf.constant(VOLUME))
    wrapped = tf.function(lambda x: tf.numpy_function(mia.transforms.rescale, [x], tf.float32))
    np.testing.assert_array_equal(wrapped(tf.constant(VOLUME)), mia.transforms.rescale(VOLUME))
