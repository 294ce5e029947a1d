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
from .cases import CASES

CUPY = cupy_stand_in.modules()["cupy"]

CALLS = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases if not case.keys}

NOT_RUN = {
    "cupy": "there is no GPU: a stand-in over NumPy, which refuses what CuPy 13 and 14 refuse, runs in its place",
    "cupy on several devices": "the stand-in counts devices, and holds all arrays in the memory of the host",
    "torch on cuda": "there is no GPU: a tensor that refuses what one on CUDA refuses runs in its place",
}
"""What was not run, and what was instead."""

REFUSED = {
    "cupy": {
        "*": "an array on another device than the current one: call within `with array.device:`",
        "keys": "random numbers come from NumPy's generators, JAX's keys make arrays of JAX",
    }
}
"""By library: which calls are refused, and why."""

MOVED = {
    (1,): "metrics.area, metrics.volume, metrics.prediction_area, metrics.reference_area, metrics.spatial_moments, "
    "metrics.soft_confusion_counts of a mask, morphology.border, morphology.distance_transform a mask, "
    "transforms.crop by both, transforms.gamma by an array, transforms.one_hot, transforms.relabel, "
    "transforms.resample image, transforms.resample smoothed, transforms.resample_onto, transforms.rician_noise, "
    "transforms.rot90 by an array, transforms.warp labels",
    (1, 1): "metrics.dice, metrics.jaccard, metrics.sensitivity, metrics.specificity, metrics.fallout, "
    "metrics.false_negative_rate, metrics.accuracy, metrics.precision, metrics.negative_predictive_value, "
    "metrics.true_positives, metrics.false_positives, metrics.true_negatives, metrics.false_negatives, "
    "metrics.f_measure, metrics.volume_similarity, metrics.balanced_accuracy, metrics.youden_index, "
    "metrics.matthews_correlation, metrics.area_under_curve, metrics.cohen_kappa, metrics.global_consistency_error, "
    "metrics.rand_index, metrics.adjusted_rand_index, metrics.mutual_information, metrics.variation_of_information, "
    "metrics.intraclass_correlation, metrics.probabilistic_distance, metrics.average_distance, "
    "metrics.hausdorff_distance HDRFDST, metrics.hausdorff_distance of labels, "
    "metrics.average_symmetric_surface_distance, metrics.mean_average_surface_distance, "
    "metrics.average_surface_distance, metrics.surface_overlap, metrics.normalized_surface_dice, metrics.boundary_iou, "
    "metrics.mahalanobis_distance, metrics.centroid_distance, metrics.prediction_volume, metrics.reference_volume, "
    "metrics.surface_distances, metrics.confusion_counts of labels, metrics.generalized_dice, "
    "metrics.interclass_correlation, metrics.identity, metrics.merge places, transforms.affine labels, "
    "transforms.elastic, transforms.warp image",
    (1, 1, 1): "metrics.dice in a mask, metrics.confusion_counts in a mask, metrics.confusion_matrix, "
    "metrics.expected_cost, metrics.weighted_kappa, transforms.affine image, extraction.dynamic_patch",
    (1, 1, 1, 1): "metrics.merge counts",
    (1,) * 12: "assembly.assemble a vote",
    (3,): "transforms.crop by an array, transforms.flip by an array, transforms.shift by an array, "
    "transforms.shift around, assembly.add at an array",
    (1, 3): "transforms.blur by an array",
    (336,): "morphology.distance_transform called back",
    (1, 1, 336, 336): "metrics.hausdorff_distance called back",
    (): "metrics.dice of bool, metrics.hausdorff_distance counted, metrics.hausdorff_distance pooled",
}
"""How many values each move to the host takes, by calls or functions: all others move none.

A mask or a label map of integers that could be negative is asked once whether it holds what it may, one flag for each
array, as are parameters that are arrays of the library, and images to be interpolated: whether they are finite.
Positions become Python's. Only `method="host"` and what runs on the host (`ON_HOST`) moves arrays.
"""


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


def leaves(result):
    """Return all arrays of a result."""
    return [leaf for entry in result for leaf in leaves(entry)] if isinstance(result, (tuple, list)) else [result]


def draw(name):
    return CALLS[name].draw(np.random.default_rng(0))


def moved_by(name):
    """Return what a call is known to move to the host."""
    known = {call: counts for counts, calls in MOVED.items() for call in calls.split(", ")}
    return known.get(name, known.get(name.partition(" ")[0], ()))


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


VIEWS = {"transforms.crop by numbers", "transforms.crop by an array", "transforms.crop by both"} | {
    "extraction.extract inside"
}
"""Calls of which the result is a part of the argument's memory."""


DIVIDES_BEFORE_IT_CALLS = "metrics.soft_confusion_counts of a mask"


@pytest.mark.parametrize("name", [name for name in CALLS if name != DIVIDES_BEFORE_IT_CALLS])
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


IMAGE = np.arange(8 * 7 * 6 * 2, dtype=np.float32).reshape(8, 7, 6, 2)
LABELS = (IMAGE[..., 0] % 4).astype(np.int32)
CORNERS = np.array([[1, 2, 3], [0, 0, 0]])

POSITIONS = {
    "patches_at": lambda f: [*mia.indexing.patches_at(f(CORNERS), (2, 2, None))],
    "starts": lambda f: mia.indexing.starts([(slice(f(np.int64(1)), 3), f(np.int64(2)))]).tolist(),
    "dilate": lambda f: mia.indexing.dilate((slice(f(np.int64(1)), 3), f(np.int64(2))), f(np.array([1, 2]))),
    "random_patches_at": lambda f: [
        *mia.indexing.random_patches_at(np.random.default_rng(0), f(LABELS), (2, 2, 2), count=3, shares={1: 1, 2: 2})
    ],
    "extract": lambda f: mia.extraction.extract(f(IMAGE), (slice(f(np.int64(-1)), f(np.int64(4))), f(np.int64(2)))),
    "extract_batch": lambda f: mia.extraction.extract_batch(f(IMAGE), mia.indexing.patches_at(f(CORNERS), (2, 2, 2))),
    "dynamic_patch": lambda f: mia.extraction.dynamic_patch(f(IMAGE), [f(np.int64(1)), 2, 3], (2, 2, 2)),
    "crop": lambda f: mia.transforms.crop(f(IMAGE), (f(np.int64(1)), 1, 2), (f(np.int64(2)), 2, 2)),
    "shift": lambda f: mia.transforms.shift(f(IMAGE), [f(np.int64(2)), 0, 1]),
    "permute": lambda f: mia.transforms.permute(f(IMAGE), (f(np.int64(2)), 1, 0)),
    "blur": lambda f: mia.transforms.blur(f(IMAGE), f(np.float64(1)), radius=f(np.int64(1))),
    "volume": lambda f: mia.metrics.volume(f(LABELS), labels=f(np.array([1, 2])), spacing=f(np.array([3.0, 1, 0.5]))),
    "area": lambda f: mia.metrics.area(f(LABELS == 1), spacing=(3, 1, 0.5), axis=f(np.int64(1)), index=f(np.int64(2))),
    "expected_cost": lambda f: mia.metrics.expected_cost(
        f(LABELS), f(LABELS[::-1]), labels=(0, 1, 2, 3), costs=f(1 - np.eye(4))
    ),
    "assemble": lambda f: mia.assembly.assemble(
        f(IMAGE[:2, 0]), mia.indexing.patches_at(f(np.array([[0], [3]])), (6,)), (9,)
    ),
    "assemble voxels": lambda f: mia.assembly.assemble(
        f(IMAGE[0, :4, 0]), mia.indexing.patches_at(f(np.indices((2, 2)).reshape(2, -1).T), (None, None)), (2, 2)
    ),
    "largest_components": lambda f: mia.morphology.largest_components(f(LABELS == 1), count=f(np.int64(1))),
    "bounding_box": lambda f: mia.morphology.bounding_box(f(LABELS == 1)),
}
"""Calls with positions, sizes and numbers that `f` makes arrays of the library, on its device."""


@pytest.mark.parametrize("name", POSITIONS)
def test_positions_may_be_arrays_of_the_library(cupy, name):
    found, right = POSITIONS[name](cupy.asarray), POSITIONS[name](np.asarray)
    if isinstance(found, cupy.ndarray):
        np.testing.assert_allclose(found.get(), right, rtol=1e-6)
    else:
        assert found == right


def test_numbers_beside_arrays_lie_on_their_device(cupy):
    with cupy.cuda.Device(1):
        counts = mia.metrics.ConfusionCounts(cupy.asarray([3, 0]), 1, 0, cupy.asarray([2, 2]))
        dice = mia.metrics.dice(counts, zero_division=math.inf)
    assert dice.device.id == 1
    np.testing.assert_allclose(dice.get(), [6 / 7, 0])
