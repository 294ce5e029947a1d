"""Every public function of arrays with arrays of CuPy, by a stand-in: values, devices, and what moves to the host.

The stand-in is `cupy` for this module alone.
"""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mia_functional as mia

from . import cupy_stand_in
from .devices import CALLS, POSITIONS, PREDICTION, REFERENCE, SPACING, assert_form, draw, leaves, moved_by

CUPY = cupy_stand_in.modules()["cupy"]


@pytest.fixture(scope="module", autouse=True)
def cupy():
    """Make the stand-in `cupy`, until the last test of this module."""
    modules = cupy_stand_in.modules()
    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        yield modules["cupy"]
        # What array_api_compat made of it must not outlive it.
        for name in [name for name in sys.modules if name.startswith("array_api_compat.cupy")]:
            del sys.modules[name]
        if hasattr(sys.modules["array_api_compat"], "cupy"):
            del sys.modules["array_api_compat"].cupy


@pytest.mark.parametrize("name", CALLS)
def test_values_are_those_of_numpy_and_few_move_to_the_host(cupy, name):
    arrays = draw(name)
    given = [cupy.asarray(array) for array in arrays]
    cupy_stand_in.moved.clear()
    found, right = leaves(CALLS[name].call(*given)), leaves(CALLS[name].call(*arrays))
    assert tuple(cupy_stand_in.moved) == moved_by(name)
    assert all(isinstance(leaf, cupy.ndarray) for leaf in found)
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one.get(), other, rtol=1e-5, atol=1e-5)
    for array, before in zip(given, arrays, strict=True):
        np.testing.assert_array_equal(array.get(), before)


@pytest.mark.slow
def test_the_version_before_lacks_functions_and_gives_the_same():
    # A process of its own: array_api_compat looks once at what there is.
    program = """
import sys
import numpy as np
from ways import cupy_stand_in
sys.modules.update(cupy_stand_in.modules("13.6.0"))
cupy = sys.modules["cupy"]
assert not hasattr(cupy, "concat") and not hasattr(cupy, "isdtype")
from ways.cases import CASES
flat = lambda found: [leaf for part in found for leaf in flat(part)] if isinstance(found, (tuple, list)) else [found]
count = 0
for cases in CASES.values():
    for case in cases:
        if not case.keys:
            arrays = case.draw(np.random.default_rng(1))
            found = case.call(*map(cupy.asarray, arrays))
            for one, other in zip(flat(found), flat(case.call(*arrays)), strict=True):
                np.testing.assert_allclose(cupy.asnumpy(one), other, rtol=1e-5, atol=1e-5)
            count += 1
print(count)
"""
    folder = Path(__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(result.stdout) == len(CALLS)


REFUSALS = {
    "an implicit conversion": (TypeError, "Implicit conversion", lambda x: np.asarray(x)),
    "an operand of NumPy": (TypeError, "Unsupported type", lambda x: x + np.ones(4)),
    "an operand of NumPy in front": (TypeError, "Unsupported type", lambda x: np.ones(4) * x),
    "a comparison with NumPy's": (TypeError, "Unsupported type", lambda x: x < np.ones(4)),
    "NumPy's memory for a result": (TypeError, "Output arguments", lambda x: np.add(x, x, out=np.ones(4))),
    "a choice by NumPy's": (TypeError, "Unsupported type", lambda x: CUPY.where(np.ones(4) > 0, x, x)),
    "arrays of two libraries joined": (TypeError, "Only cupy arrays", lambda x: CUPY.concatenate([x, np.ones(4)])),
    "a slice set to NumPy's": (ValueError, "non-scalar numpy.ndarray", lambda x: x.__setitem__(..., np.ones(4))),
    "a position": (TypeError, "cannot be interpreted", lambda x: range(x[0])),
    "a slice of arrays": (TypeError, "__index__", lambda x: x[CUPY.asarray(1) : 3]),
    "a dtype of ml_dtypes": (ValueError, "Unsupported dtype", lambda x: CUPY.asarray(x.get().astype("bfloat16"))),
    "an array of another device": (ValueError, "Peer access", lambda x: x + other_device()),
    "the memory of the GPU": (BufferError, "unsupported device", lambda x: np.from_dlpack(x)),
}


def other_device():
    with CUPY.cuda.Device(1):
        return CUPY.ones(4)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")  # CuPy's neither (14)
@pytest.mark.parametrize("kind", REFUSALS)
def test_the_stand_in_refuses_what_cupy_refuses(cupy, kind):
    pytest.importorskip("ml_dtypes")
    error, text, call = REFUSALS[kind]
    with pytest.raises(error, match=text):
        call(cupy.ones(4))


def test_the_stand_in_takes_what_cupy_takes(cupy):
    array = cupy.asarray([1.0, 2.0, 3.0])
    assert array[np.asarray([2, 0])].tolist() == [3, 1]
    array[np.asarray([0])] = np.asarray([5.0])
    assert (array * np.float32(2) + True).tolist() == [11, 5, 7]
    assert array.dtype == np.float64
    assert isinstance(cupy.sum(array), cupy.ndarray)
    assert float(np.sum(array)) == 10


VIEWS = {"extraction.extract inside"}
"""Calls that do no more than to slice, as CuPy does on every device."""

COMPUTE_BEFORE_THEY_CALL = ("metrics.soft_confusion_counts of a mask", "metrics.instance_matches some ignored")


@pytest.mark.sampled(40)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in COMPUTE_BEFORE_THEY_CALL])
def test_results_lie_where_the_arguments_do(cupy, name):
    with cupy.cuda.Device(1):
        given = [cupy.asarray(array) for array in draw(name)]
        found = leaves(CALLS[name].call(*given))
    if name in VIEWS:
        found += leaves(CALLS[name].call(*given))
    else:
        with pytest.raises(ValueError, match="must lie on the current device of CuPy, <CUDA Device 0>; call this with"):
            CALLS[name].call(*given)
    assert {leaf.device.id for leaf in found} == {1}


SHAPES = {
    (160, 512, 512): True,
    (512, 512, 512): True,
    (1024, 1024, 1024): True,
    (40, 512, 512): False,  # 1.2 GB for a cube of 512, ours takes 0.4
    (1, 1, 288): True,
    (1, 1, 289): False,
    (1025, 1025, 1025): False,
    (2048, 2048): True,
    (1, 2048): True,
    (1, 2049): False,
    (7,): False,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transform_of_cupy_is_taken_where_its_padded_mask_is_not_too_large(cupy, shape):
    mask = cupy.broadcast_to(cupy.zeros((), dtype=bool), shape)
    assert mia._array.has_cupy_distance_transform(mask) is SHAPES[shape]
    assert not mia._array.has_cupy_distance_transform(mask.host)


@pytest.mark.parametrize("shape", [(5, 6), (3, 2052), (5, 6, 7), (2, 3, 300), (9,)])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_both_transforms_give_the_distances_of_scipy(cupy, shape, count):
    mask = np.zeros(shape, bool)
    mask.flat[np.random.default_rng(count).integers(0, mask.size, count)] = True
    spacing = (2.0, 0.5, 1.5)[: len(shape)]
    cupy_stand_in.transformed.clear()
    for function in (
        lambda mask: mia.morphology.distance_transform(mask, spacing=spacing),
        lambda mask: mia.metrics.hausdorff_distance(mask, mask[::-1], spacing=spacing),
    ):
        np.testing.assert_allclose(function(cupy.asarray(mask)).get(), function(mask), rtol=1e-6)
    own = max(shape) > 289 or len(shape) == 1
    assert bool(cupy_stand_in.transformed) is not own


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_may_be_arrays_of_the_library(cupy, name):
    found, right = POSITIONS[name](cupy.asarray), POSITIONS[name](np.asarray)
    if isinstance(found, cupy.ndarray):
        np.testing.assert_allclose(found.get(), right, rtol=1e-6)
    else:
        assert found == right


def test_numbers_are_moved_into_a_range_without_waiting(cupy):
    array = cupy.asarray(np.array([-np.inf, 0.5, np.nan, 4]))
    cupy_stand_in.moved.clear()
    found = mia._array.clip_to(array, 0, 3)
    assert not cupy_stand_in.moved
    np.testing.assert_array_equal(found.get(), [0, 0.5, np.nan, 3])


def test_numbers_beside_arrays_lie_on_their_device(cupy):
    with cupy.cuda.Device(1):
        counts = mia.metrics.ConfusionCounts(cupy.asarray([3, 0]), 1, 0, cupy.asarray([2, 2]))
        dice = mia.metrics.dice(counts, zero_division=math.inf)
    assert dice.device.id == 1
    np.testing.assert_allclose(dice.get(), [6 / 7, 0])


@pytest.mark.parametrize("form", ["grid", "compact"])
def test_surface_distances_fill_a_grid_or_are_compact_by_the_host(cupy, form):
    method = "auto" if form == "grid" else "host"
    pair = cupy.asarray(PREDICTION), cupy.asarray(REFERENCE)
    record = mia.metrics.surface_distances(*pair, spacing=SPACING, method=method)
    fields = [field.get() for field in record]
    assert_form(fields, form, mia.metrics.surfels)
