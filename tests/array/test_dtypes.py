"""Dtypes that libraries store and hardly compute with: what kind they are, and what they are computed in."""

import dask.array
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch

import mia_functional as mia
from mia_functional import _array

VALUES = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [7, 7, 0, 1]])
"""Labels that four bits hold, signed ones too."""

MAPS = {
    **{f"numpy {name}": VALUES.astype(getattr(ml_dtypes, name)) for name in ("int4", "uint4")},
    **{f"jax {name}": jnp.asarray(VALUES, getattr(jnp, name)) for name in ("int4", "uint4")},
    **{f"torch {name}": torch.asarray(VALUES).to(getattr(torch, name)) for name in ("uint16", "uint32", "uint64")},
    "numpy >i2": VALUES.astype(">i2"),
    "numpy F": np.asfortranarray(VALUES),
}


def host(array):
    """Return whole numbers of any library and dtype as NumPy's int64."""
    return array.to(torch.int64).numpy() if isinstance(array, torch.Tensor) else np.asarray(array).astype(np.int64)


@pytest.fixture(params=MAPS, ids=list(MAPS))
def labels(request):
    """A label map of 3 x 4 voxels in a dtype with few kernels."""
    return MAPS[request.param]


def test_kinds_of_dtypes_that_only_some_libraries_have():
    for dtype in (ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2):
        assert _array.dtype_kind(np.zeros(1, dtype)) == "integer"
    for array in (np.zeros(1, ml_dtypes.bfloat16), jnp.zeros(1, jnp.bfloat16), torch.ones(1).bfloat16()):
        assert _array.dtype_kind(array) == "float"
    for array in (
        np.zeros(1, ml_dtypes.float8_e5m2),
        jnp.zeros(1, jnp.float8_e4m3fn),
        torch.ones(1).to(torch.float8_e5m2),
    ):
        assert _array.dtype_kind(array) == "other"


def test_ranges_of_integers():
    ranges = {
        ml_dtypes.int4: (-8, 7),
        ml_dtypes.uint4: (0, 15),
        ml_dtypes.int2: (-2, 1),
        np.int16: (-(2**15), 2**15 - 1),
    }
    for dtype, expected in ranges.items():
        assert _array.integer_range(np.zeros(1, dtype)) == expected
    assert _array.integer_range(torch.zeros(1).to(torch.uint64)) == (0, 2**64 - 1)
    assert _array.integer_range(jnp.zeros(1, jnp.uint4)) == (0, 15)


def test_float8_is_refused_in_one_sentence():
    for array in (
        np.zeros((2, 1), ml_dtypes.float8_e5m2),
        jnp.zeros((2, 1), jnp.float8_e5m2),
        torch.ones(2, 1).to(torch.float8_e5m2),
    ):
        for call in (
            lambda a: mia.metrics.mean_squared_error(a, a),
            mia.transforms.standardize,
            lambda a: mia.assembly.start(a, (2,)),
            lambda a: mia.transforms.resample(a, (2.0,)),
        ):
            with pytest.raises(TypeError, match=r"^\w+: `\w+` must hold .*; got dtype .*float8_e5m2"):
                call(array)


def test_counts_of_labels(labels):
    # By hand: of the label 1 in 3 voxels and 2 in the turned map, none and 2 of them at the same places, and so on.
    turned = VALUES[::-1].copy()
    expected = [2 * ((k == VALUES) & (turned == k)).sum() / ((k == VALUES).sum() + (turned == k).sum()) for k in (1, 2)]
    other = mia.transforms.flip(labels, 0)
    assert other.dtype == labels.dtype
    np.testing.assert_array_equal(host(other), turned)
    np.testing.assert_allclose(np.asarray(mia.metrics.dice(labels, other, labels=(1, 2))), expected, rtol=1e-6)


@pytest.mark.slow
def test_masks_of_zeros_and_ones_and_distances_between_them(labels):
    one = labels == 1
    mask = one.to(labels.dtype) if isinstance(labels, torch.Tensor) else one.astype(labels.dtype)
    assert float(mia.metrics.dice(mask, mask)) == 1
    # The label lies in (0, 1), (1, 2) and (2, 3); moved, in (0, 2) and (1, 3), which is one row, 2 mm, from (2, 3).
    moved = mia.transforms.shift(mask, (0, 1))
    assert float(mia.metrics.hausdorff_distance(mask, moved, spacing=(2.0, 1.0))) == 2
    with pytest.raises(ValueError, match="contains 7; pass `labels`"):
        mia.metrics.dice(labels, labels)


def test_moves_keep_dtype_and_values(labels):
    t, whole = mia.transforms, (slice(-1, 4), slice(0, 5))
    calls = {
        "extract": (lambda a: mia.extraction.extract(a, whole), np.pad(VALUES, ((1, 1), (0, 1)))),
        "edge": (lambda a: t.pad(a, (1, 1), pad_mode=t.edge), np.pad(VALUES, 1, mode="edge")),
        "flip": (lambda a: t.flip(a, (0, 1)), VALUES[::-1, ::-1]),
        "rot90": (lambda a: t.rot90(a[..., None], 1)[..., 0], np.rot90(VALUES)),
        "shift": (lambda a: t.shift(a, (1, 0)), np.pad(VALUES, ((1, 0), (0, 0)))[:3]),
        "relabel": (lambda a: t.relabel(a, {7: 4}), np.where(VALUES == 7, 4, VALUES)),
        "resample": (lambda a: t.resample(a[..., None], (2, 2))[..., 0], None),
        "affine": (
            lambda a: t.affine(a[..., None], np.eye(2), (1.0, 0.0))[..., 0],
            np.pad(VALUES, ((0, 1), (0, 0)))[1:],
        ),
        "last": (
            lambda a: mia.assembly.assemble([a], mia.indexing.whole((3, 4)), (3, 4), reduction=mia.assembly.last),
            VALUES,
        ),
        "vote": (
            lambda a: mia.assembly.assemble(
                [a], mia.indexing.whole((3, 4)), (3, 4), reduction=mia.assembly.vote(range(8))
            ),
            VALUES,
        ),
    }
    for name, (call, expected) in calls.items():
        found = call(labels)
        right = host(call(VALUES)) if expected is None else expected
        assert _array.native_dtype(found) == _array.native_dtype(labels), name
        np.testing.assert_array_equal(host(found), right, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["numpy", "jax", "torch"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_half_precision_is_computed_with_in_single(library, dtype, tolerance):
    """Right is what NumPy makes of the same values in float64; only a result in the dtype itself is rounded to it."""
    rng = np.random.default_rng(0)
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    first, second = (rng.uniform(90, 110, (6, 7, 8, 1)).astype(kind) for _ in range(2))
    exact = [array.astype(np.float64) for array in (first, second)]
    own = {
        "numpy": lambda array: array,
        "jax": jnp.asarray,
        "torch": lambda array: torch.asarray(array.astype(np.float32)).to(getattr(torch, dtype)),
    }[library]
    a, b = own(first), own(second)

    m, index = mia.metrics, mia.indexing.whole((6, 7, 8))
    for call in (
        m.mean_squared_error,
        m.pearson_correlation,
        lambda x, y: m.structural_similarity(x[..., 0], y[..., 0], data_range=20.0, window=3),
        lambda x, y: m.dice(m.soft_confusion_counts(x / 128, y > 100)),
    ):
        np.testing.assert_allclose(float(call(a, b)), float(call(*exact)), rtol=max(1e-4, tolerance / 4))
    for call in (
        mia.transforms.standardize,
        mia.transforms.rescale,
        lambda x: mia.transforms.resample(x, (3, 3, 3)),
        lambda x: mia.assembly.assemble([x], index, (6, 7, 8)),
    ):
        found = call(a)
        assert str(found.dtype).endswith(dtype)
        values = found.double().numpy() if library == "torch" else np.asarray(found).astype(float)
        np.testing.assert_allclose(values, call(exact[0]), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [">f4", ">i2", ">f8"])
def test_byte_orders_may_be_mixed_in_a_mean(dtype):
    found = mia.assembly.merge_planes([VALUES.astype(dtype), (VALUES + 1).astype(np.dtype(dtype).newbyteorder("="))])
    np.testing.assert_array_equal(found, VALUES + 0.5)


def test_planes_of_two_byte_orders_are_joined():
    planes = [VALUES.astype(dtype)[..., None] for dtype in ("<i4", ">i4")]
    index = [(slice(0, 3), slice(0, 4), slice(k, k + 1)) for k in (0, 1)]
    np.testing.assert_array_equal(mia.assembly.assemble(planes, index, (3, 4, 2)), np.stack([VALUES, VALUES], -1))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_dask_arrays_are_refused_by_all_that_writes(dtype):
    array = dask.array.ones((4, 4), chunks=2, dtype=dtype)
    index, votes = mia.indexing.patches((4, 4), (2, 2)), mia.assembly.vote((0, 1))
    parts = [array[:2, :2]] * 4
    calls = {
        "patches": [
            lambda: mia.assembly.assemble(parts, index, (4, 4)),
            lambda: mia.assembly.assemble(parts, index, (4, 4), reduction=mia.assembly.maximum),
            lambda: mia.assembly.assemble(dask.array.stack(parts), index, (4, 4), reduction=votes),
            lambda: mia.assembly.assemble(array.reshape(-1), mia.indexing.voxels((4, 4)), (4, 4)),
            lambda: list(mia.assembly.assemble_planes(parts, index, (4, 4))),
        ],
        "volumes": [lambda: mia.assembly.merge_planes([array, array])],
        "volume": [lambda: mia.assembly.sliding_window(lambda batch: batch, array, (2, 2))],
        "patch": [lambda: mia.assembly.start(array, (4, 4))],
    }
    for argument, several in calls.items():
        for call in several:
            with pytest.raises(TypeError, match=rf"^\w+: `{argument}` must be an array in memory; call .*; got"):
                call()
