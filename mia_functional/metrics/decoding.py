"""From probabilities to the mask with the largest expected Dice, which a threshold of 0.5 does not give.

Of all masks of a size, the one of the most probable voxels has the largest expected Dice if voxels are independent (Dai
and Li 2023), so that the best mask is one of all voxels above a threshold. The expectation of the quotient is taken for
the quotient of expectations (Wang and Dai 2025): 2 sum_{x in M} p(x) / (|M| + 1 + sum p). For volumes, whose number of
voxels hardly varies beside its mean, that is exact to many digits; of masks of a few voxels it chose the best one or
one that is nearly as good (`tests/metrics/test_decoding.py` tries all).
"""

import math
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.confusion import count_true
from mia_functional.metrics.inputs import paired_arrays
from mia_functional.metrics.probabilities import check_probabilities
from mia_functional.typing import Array

__all__ = ["dice_optimal_mask", "dice_optimal_threshold"]

_PASSES = 64
"""Most steps to the best threshold; they take about six, as the error is squared in each."""

_Step: TypeAlias = tuple[Array, Array]
"""The expected Dice before the last step and after it."""


@_array.one_node
def dice_optimal_mask(probabilities: Array, *, mask: Array | None = None, zero_division: float = math.nan) -> Array:
    """Return the mask whose expected Dice with the reference is largest (RankSEG, ranking-based decoding).

    Formula: p > D / 2, with D = max over masks M of 2 sum_{x in M} p(x) / (|M| + 1 + sum p), the expected Dice.

    Args:
        probabilities: Floats from 0 to 1 of any shape: of each voxel, that it belongs to the structure. They should be
            calibrated (see `calibration_bins`). Structures are decoded one by one, and may then overlap.
        mask: Mask of that shape: voxels outside of it are known not to belong to the structure.
        zero_division: What Dice counts as where both masks are empty, 0 to 1. NaN if such cases do not count: then
            there is nothing to be gained by an empty mask.

    Returns:
        Boolean array of the same shape. It is at least as large as that of the threshold 0.5, as D is at most 1.

    Undefined:
        In a program, probabilities that are NaN: they are outside.

    Raises:
        TypeError: `probabilities` does not hold floats; arrays of two libraries other than NumPy, or of two devices,
            meet.
        ValueError: Probabilities are NaN, or lie outside of 0 and 1 as logits do; the shapes differ; `zero_division`
            does not lie within 0 and 1.

    Example:
        >>> import numpy as np
        >>> dice_optimal_mask(np.array([0.9, 0.8, 0.4, 0.1])).tolist()
        [True, True, True, False]

    Source:
        Dai and Li 2023, RankSEG: a consistent ranking-based framework for segmentation, JMLR 24; Wang and Dai 2025,
        RankSEG-RMA, NeurIPS.

    Agrees with:
        The package rankseg with its solver `RMA` and `pruning_prob=0`; by default that one returns an empty mask where
        no probability is above 0.5.
    """
    name = "dice_optimal_mask"
    worth = _worth_of_nothing(name, zero_division)
    p = _shares(name, probabilities)
    xp = _array.array_namespace(p)
    if mask is not None:
        inside = paired_arrays(name, p, p, mask=mask)[2]
        p = xp.where(inside, p, xp.zeros_like(p))
    limit = _array.jit_call(_best_threshold, p, worth=worth)
    return p > xp.astype(limit, p.dtype)


def dice_optimal_threshold(planes: Iterable[Array], *, zero_division: float = math.nan) -> float:
    """Return the threshold above which probabilities make the mask of `dice_optimal_mask`, from one plane at a time.

    The planes are gone over about six times, each time with a better threshold, and none is kept: volumes that lie in a
    file, or are larger than the memory, are decoded by `plane > threshold`.

    Args:
        planes: Arrays of probabilities, floats from 0 to 1, of any library and shape: a list of them, an array (which
            is gone over along its first axis), a dataset in a file; anything that can be gone over again.
        zero_division: As in `dice_optimal_mask`.

    Returns:
        A number from 0 to 0.5; inf if the best mask is empty.

    Raises:
        TypeError: `planes` can be gone over only once, as generators can; a plane does not hold floats, or is traced.
        ValueError: There are no planes; probabilities are NaN, or lie outside of 0 and 1 as logits do; `zero_division`
            does not lie within 0 and 1.

    Example:
        >>> import numpy as np
        >>> round(dice_optimal_threshold([np.array([0.9, 0.8]), np.array([0.4, 0.1])]), 4)
        0.3387

    Source:
        Dinkelbach 1967, doi 10.1287/mnsc.13.7.492, for the steps.
    """
    name = "dice_optimal_threshold"
    checks.require_instance(name, "planes", planes, Iterable, "several arrays")
    if isinstance(planes, Iterator):
        checks.invalid_kind(name, "planes", "be gone over several times", f"{type(planes).__name__}, which ends once")
    worth = _worth_of_nothing(name, zero_division)
    first = [_sums_of_all(_shares_of_plane(name, plane)) for plane in planes]
    if not first:
        checks.invalid_value(name, "planes", "hold at least one array", "none")
    every, nothing = (math.fsum(map(float, column)) for column in zip(*first, strict=True))
    before, best = -1.0, 0.0
    while best > before:
        sums = [_sums_above(_shares_of_plane(name, plane), best / 2) for plane in planes]
        count, mass = (math.fsum(map(float, column)) for column in zip(*sums, strict=True))
        before, best = best, 2 * mass / (count + 1 + every)
    return math.inf if worth * math.exp(nothing) >= best else best / 2


def _worth_of_nothing(function: str, zero_division: float) -> float:
    """Return what the Dice of two empty masks adds to an expectation: nothing if it is undefined."""
    worth = checks.number(function, "zero_division", zero_division)
    if math.isnan(worth):
        return 0.0
    if not 0 <= worth <= 1:
        checks.invalid_value(function, "zero_division", "lie within 0 and 1, or be NaN", zero_division)
    return worth


def _shares(function: str, probabilities: Array) -> Array:
    """Return probabilities within 0 and 1, at least of single precision; NaN, of which programs know nothing, is 0."""
    xp = _array.checked_namespace(function, probabilities=probabilities)
    if _array.dtype_kind(probabilities) != "float":
        checks.invalid_kind(function, "probabilities", "hold floats", f"dtype {probabilities.dtype}")
    checks.not_empty(function, "probabilities", probabilities.shape)
    _array.require_in_memory(function, "probabilities", probabilities)
    p = _array.computable(probabilities)
    p = xp.astype(p, _array.accumulator_dtype(p), copy=False)
    check_probabilities(function, p)
    return _array.clip_to(xp.where(xp.isnan(p), xp.zeros_like(p), p), 0, 1)


def _shares_of_plane(function: str, plane: Array) -> Array:
    """Return the probabilities of one plane."""
    _array.checked_namespace(function, planes=plane)
    if _array.is_unknown(plane):
        checks.invalid_kind(function, "planes", "be arrays outside of programs", "traced ones")
    with checks.speaking_for(function, function, probabilities="planes"):
        return _shares(function, plane)


def _best_threshold(p: Array, *, worth: float) -> Array:
    """Return the best threshold of probabilities from 0 to 1; inf if the best mask is empty."""
    xp = _array.array_namespace(p)
    every, nothing = _sums_of_all(p)

    def step(state: _Step) -> _Step:
        count, mass = _sums_above(p, state[1] / 2)
        return state[1], 2 * mass / (count + 1 + every)

    state: _Step = (xp.zeros_like(every) - 1, xp.zeros_like(every))
    if _array.is_jax(p):
        state = _array.while_loop(lambda state: state[1] > state[0], step, state)
    else:
        for _ in range(_PASSES):
            if _array.known_flag(state[1] > state[0]) is False:
                break
            state = step(state)
    return xp.where(worth * xp.exp(nothing) >= state[1], math.inf, state[1] / 2)


def _sums_above(p: Array, limit: Array | float) -> tuple[Array, Array]:
    """Return how many probabilities are above a limit, and their sum."""
    xp, axes = _array.array_namespace(p), tuple(range(p.ndim))
    # In the dtype of the probabilities, in which the mask is made, too.
    above = p > (limit if isinstance(limit, float) else xp.astype(limit, p.dtype))
    mass = _array.sum_along(xp.where(above, p, xp.zeros_like(p)), axes)
    return xp.astype(count_true(above, axes), mass.dtype), mass


def _sums_of_all(p: Array) -> tuple[Array, Array]:
    """Return the sum of probabilities, and the logarithm of the probability that no voxel belongs to the structure."""
    xp, axes = _array.array_namespace(p), tuple(range(p.ndim))
    with _array.quiet():  # of what is sure the logarithm is -inf
        nothing = xp.log1p(-p)
    return _array.sum_along(p, axes), _array.sum_along(nothing, axes)
