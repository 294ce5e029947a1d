"""What is no array of a library but looks like one: each call gives NumPy's values, or says in one sentence what to do.

Of TensorFlow a stand-in is enough, as the package that a type comes from decides; `.ci/extras` has the real one.
"""

import re
import traceback

import h5py
import nibabel
import numpy as np
import pandas
import PIL.Image
import pytest
import scipy.sparse
import SimpleITK
import tensorstore
import zarr

import mia_functional as mia

from .cases import CASES

CALLS = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases if not case.keys}


class EagerTensor:
    """A tensor as TensorFlow's, which NumPy can convert, slice and compare."""

    __module__ = "tensorflow.python.framework.ops"

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype, copy=copy)

    def __getitem__(self, index):
        return EagerTensor(self.array[index])

    def __len__(self):
        return len(self.array)


def in_hdf5(array):
    """Return a dataset of a file in memory."""
    return h5py.File("a", "w", driver="core", backing_store=False).create_dataset("a", data=array)


def nifti(array):
    """Return an image of nibabel, whose integers are int32 at most."""
    return nibabel.Nifti1Image(array.astype(np.float32 if array.dtype.kind == "f" else np.int32), np.eye(4))


def flat(array):
    """Return an array with two axes."""
    return array.reshape(len(array), -1)


KINDS = {
    "list": np.ndarray.tolist,
    "tensor": EagerTensor,
    "table": lambda array: pandas.DataFrame(flat(array)),
    "sparse matrix": lambda array: scipy.sparse.csr_array(flat(array)),
    "series": lambda array: pandas.Series(array.reshape(-1)),
    "h5py": in_hdf5,
    "zarr": zarr.array,
    "tensorstore": tensorstore.array,
    "image of nibabel": nifti,
    "dataobj": lambda array: nibabel.Nifti1Image.from_bytes(nifti(array).to_bytes()).dataobj,
    "image of ITK": lambda array: SimpleITK.GetImageFromArray(flat(array).astype(np.float32)),
    "image of PIL": lambda array: PIL.Image.fromarray(flat(array).astype(np.uint8)),
    "none": lambda _: None,
}
"""From an array to what looks like it."""

NEVER = KINDS.keys() - {"h5py", "zarr", "tensorstore", "dataobj"}
"""What is refused by all functions; files can be extracted and assembled from."""

OF_NUMBERS = {"list": "transforms.inverse"}
"""Functions that take a kind for numbers: a draw that was stored holds lists."""

SENTENCE = r"\w+: `[\w, ]+` must [^\n]+; got [^\n]+\."


def fault(name, kind):
    """Return what is wrong with a call whose first array is of some kind; None if nothing is."""
    case = CALLS[name]
    first, *others = case.draw(np.random.default_rng(0))
    try:
        found = case.call(KINDS[kind](first), *others)
    except Exception as error:
        frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        # Some cases slice or divide their arrays themselves, before they call anything.
        ours = any("/mia_functional/" in frame and "/tests/" not in frame for frame in frames)
        text = f"{type(error).__name__}: {error}"
        return text if ours and not re.fullmatch(rf"(Type|Value)Error: {SENTENCE}", text) else None
    if kind in NEVER and not name.startswith(OF_NUMBERS.get(kind, "no function")):
        return f"gives {type(found).__name__}"
    try:
        assert_equal(found, case.call(first, *others))
    except AssertionError as error:
        return str(error)
    return None


def assert_equal(found, right):
    if isinstance(right, tuple):
        for one, other in zip(found, right, strict=True):
            assert_equal(one, other)
        return
    # Numbers of Python are float64, whatever the array was.
    found = np.asarray(found)
    np.testing.assert_allclose(found, right, rtol=0 if found.dtype == right.dtype else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_array_likes_are_worked_with_or_refused_in_one_sentence(kind):
    faults = {name: found for name in CALLS if (found := fault(name, kind)) is not None}
    assert not faults


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("list", "an array; got list"),
        ("tensor", r"pass its `numpy\(\)`, within .* by `tf.numpy_function`; got EagerTensor of tensorflow"),
        ("sparse matrix", r"pass its `toarray\(\)`; got csr_array of scipy"),
        ("table", r"pass its `to_numpy\(\)`; got DataFrame of pandas"),
        ("series", r"pass its `to_numpy\(\)`; got Series of pandas"),
        ("h5py", r"pass its voxels, `dataset\[...\]`; got Dataset of h5py"),
        ("zarr", r"pass its voxels, `array\[...\]`; got Array of zarr"),
        ("tensorstore", r"pass its voxels, `store.read\(\).result\(\)`; got TensorStore of tensorstore"),
        ("image of nibabel", r"pass its voxels, `numpy.asarray\(image.dataobj\)`; got Nifti1Image of nibabel"),
        ("dataobj", "pass its voxels, `numpy.asarray` of it; got ArrayProxy of nibabel.arrayproxy"),
        ("image of ITK", "pass what `mia.images.from_simpleitk` makes of it; got Image of SimpleITK"),
        ("image of PIL", "pass `numpy.asarray` of it; got Image of PIL"),
        ("none", "an array; got NoneType"),
    ],
)
def test_the_sentence_says_how_to_make_an_array(kind, advice):
    image = np.ones((3, 4, 2), np.float32)
    with pytest.raises(TypeError, match=rf"^standardize: `image` must be .*{advice}\.$"):
        mia.transforms.standardize(KINDS[kind](image))
    with pytest.raises(TypeError, match=rf"^dice: `prediction` must be .*{advice}\.$"):
        mia.metrics.dice(KINDS[kind](image), image > 0)


@pytest.mark.parametrize(
    ("package", "kind", "advice"), [("sparse", "COO", r"`todense\(\)`"), ("xarray", "DataArray", "`data`")]
)
def test_packages_of_the_extras_are_refused_alike(package, kind, advice):
    image = np.ones((3, 4, 2), np.float32)
    given = getattr(pytest.importorskip(package), kind)(image)
    sentence = rf"must be an array of NumPy, JAX, PyTorch or CuPy: pass its {advice}; got {kind} of {package}\.$"
    with pytest.raises(TypeError, match=f"^pad: `array` {sentence}"):
        mia.transforms.pad(given, 1)
    with pytest.raises(TypeError, match=f"^mean_absolute_error: `reference` {sentence}"):
        mia.metrics.mean_absolute_error(image, given)


def test_files_are_extracted_from():
    image = np.random.default_rng(0).random((5, 4, 3)).astype(np.float32)
    index = (slice(-1, 3), slice(1, 6))
    for kind in ("h5py", "zarr", "tensorstore", "dataobj"):
        found = mia.extraction.extract(KINDS[kind](image), index)
        np.testing.assert_array_equal(found, mia.extraction.extract(image, index))
