"""What is claimed of a metric: taken from a row of the table, or said by who asks for a check."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mia_functional import _array, metrics
from mia_functional._core import checks
from mia_functional.metrics import Metric, find
from mia_functional.metrics.names import AnyMetric
from mia_functional.testing.row_laws import DISTANCES, MONOTONE, SEES_MISSES, broken_laws, is_of
from mia_functional.typing import HostArray, Spacing

__all__ = ["APART", "INPUTS", "SINGLE_PRECISION", "MetricClaims", "PairCase", "claims_of", "metric_program"]

INPUTS = ("masks", "labels", "instances", "images", "probabilities")
"""Kinds of pairs: masks, label maps, maps of instance numbers, images, probabilities and a mask."""

_LENGTHS = {"mm": 1, "mm2": 2, "mm3": 3}
"""Units that are powers of a length."""

_LABELS = (1, 2, 3)
"""Labels of maps that metrics of the table get as `labels=`."""


SINGLE_PRECISION = 1e-5
"""By which share values may differ that are computed in single precision."""

_DOUBLE_PRECISION = 1e-9
"""By which share values of metrics of the table may differ, all of which compute in double precision with NumPy."""

APART = -1
"""A gap between parts that is longer than the diagonal of each."""


class PairCase(NamedTuple):
    """An example: a pair, and what laws do to it.

    Attributes:
        prediction: Array of NumPy.
        reference: Array of the same shape.
        other: A second pair of this shape; None where no law needs one.
        spacing: Millimetres between voxel centres; None for metrics without lengths.
        order: A permutation of the axes.
        flipped: Axes that are flipped.
        numbers: A permutation of 1 to 9: what labels and instances are renumbered by.
        chance: A number that chooses a voxel.
    """

    prediction: HostArray
    reference: HostArray
    other: tuple[HostArray, HostArray] | None
    spacing: Spacing | None
    order: tuple[int, ...]
    flipped: tuple[int, ...]
    numbers: tuple[int, ...]
    chance: int


# Told apart by identity: functions of users need not be hashable, and programs are found again by their claims.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MetricClaims:
    """What is claimed of a metric: laws apply by it.

    Attributes:
        name: Name for messages.
        function: `function(prediction, reference, **options)`, with `spacing=` and `labels=` where they are claimed.
        limits: Smallest and largest value, NaN and inf aside.
        best: Value of a reference against itself; NaN where there is no such value.
        symmetric: Whether prediction and reference may be swapped.
        spacing: Whether the function takes `spacing=`.
        power: By which power of a length the value grows: 1 for mm, 3 for mm3, 0 for none; None if it is not claimed.
        padding: Whether background around the image changes nothing.
        monotone: Whether one more right voxel is never worse.
        sees_misses: Whether the value is not the best one where one of the two structures is empty.
        triangle: Whether the value is a distance: never longer on a detour.
        inputs: What kind of pair there is, one of `INPUTS`.
        labels: Labels that are handed over; None for none.
        dtypes: Dtypes, by name, in which arrays are handed over and give the same value.
        libraries: Array libraries that are compared; NumPy comes first.
        differentiable: Whether gradients in the prediction are finite where the value is.
        oracle: A second definition, of arrays of NumPy; None if there is none.
        betti: From a mask to its Betti numbers; None if the metric is not of topology.
        statistic: Makes a record from a pair; None if there is none that merges.
        formula: From a record to the value.
        merge: Joins two records.
        gap: Planes of background between two parts whose records are merged; `APART` for more than a part is long.
        has_origin: Whether the statistic takes the position of the first voxel as `origin=`.
        tolerance: By which share two values of arrays of NumPy may differ that are taken for equal.
        room: Options for programs, which need fixed shapes.
        smallest: Fewest voxels along an axis.
        dimensions: Fewest and most axes.
        without: Names of laws that are not claimed.
    """

    name: str
    function: Callable[..., Any]
    limits: tuple[float, float] = (0.0, 1.0)
    best: float = 1.0
    symmetric: bool = False
    spacing: bool = False
    power: int | None = None
    padding: bool = False
    monotone: bool = False
    sees_misses: bool = False
    triangle: bool = False
    inputs: str = "masks"
    labels: tuple[int, ...] | None = None
    dtypes: tuple[str, ...] = ("bool",)
    libraries: tuple[_array.NamedLibrary, ...] = ()
    differentiable: bool = False
    oracle: Callable[..., Any] | None = None
    betti: Callable[..., Any] | None = None
    statistic: Callable[..., Any] | None = None
    formula: Callable[..., Any] | None = None
    merge: Callable[..., Any] | None = None
    gap: int = 0
    has_origin: bool = False
    tolerance: float = SINGLE_PRECISION
    room: tuple[tuple[str, int], ...] = ()
    smallest: int = 1
    dimensions: tuple[int, int] = (1, 3)
    without: frozenset[str] = frozenset()


_GAPS: dict[Callable[..., Any], int] = {
    metrics.confusion_counts: 0,
    metrics.confusion_matrix: 0,
    metrics.paired_moments: 0,
    metrics.calibration_bins: 0,
    metrics.threshold_counts: 0,
    metrics.decision_counts: 0,
    metrics.paired_spatial_moments: 0,
    metrics.instance_matches: 1,  # so that no component of one part touches one of the other
    metrics.brats_lesion_wise: 7,  # lesions grow by 3 voxels
    metrics.component_counts: APART,  # so that what is nearest lies in the same part
}
"""Statistics whose records merge to that of the whole, and the planes of background that have to lie between parts."""

_OF_PLANES = (
    metrics.centerline_counts,
    metrics.tube_counts,
    metrics.prediction_area,
    metrics.reference_area,
    metrics.structural_similarity,
)
"""Functions of pairs of two or three axes."""

_DTYPES = {
    "masks": ("bool", "uint8", "int32"),
    "labels": ("uint8", "int32"),
    "instances": ("int32", "uint8"),
    "images": ("float64", "float32", "uint8", "int16"),
    "probabilities": ("float32",),
}
"""Dtypes that metrics of the table take; the strategies' own comes first."""


def _claims_of_row(row: Metric, inputs: str) -> MetricClaims:
    """Return what a row says of its metric, for pairs of a kind."""
    pair_function = row.statistic or row.function
    # Signatures are looked at once, and not in each of thousands of calls.
    is_spaced, knows_instances = _takes(pair_function, "spacing"), _takes(pair_function, "instances")
    with_spacing = "spacing" in row.needs or is_spaced
    with_labels = inputs == "labels" and _takes(pair_function, "labels")
    options = dict(row.options)

    def formula(record: Any, *, spacing: Spacing | None = None) -> Any:
        return row.function(record, **options, **({"spacing": spacing} if "spacing" in row.needs else {}))

    def statistic(prediction: Any, reference: Any, *, spacing: Spacing | None = None, **others: Any) -> Any:
        known = {"spacing": spacing} if is_spaced else {}
        if inputs == "instances" and knows_instances:
            others["instances"] = True
        return pair_function(prediction, reference, **known, **others)

    def function(prediction: Any, reference: Any, *, spacing: Spacing | None = None, **others: Any) -> Any:
        if row.statistic is not None:
            return formula(statistic(prediction, reference, spacing=spacing, **others), spacing=spacing)
        known = {"spacing": spacing} if with_spacing else {}
        return row.function(prediction, reference, **options, **known, **others)

    return MetricClaims(
        name=row.abbreviation,
        function=function,
        limits=(row.lowest, row.highest),
        best=row.best,
        symmetric=row.symmetric,
        spacing=with_spacing,
        power=_LENGTHS.get(row.unit, 0) if with_spacing else None,
        padding=inputs not in ("images", "probabilities"),
        monotone=row.abbreviation in MONOTONE,
        sees_misses=inputs == "masks" and is_of(row.abbreviation, SEES_MISSES),
        triangle=row.abbreviation in DISTANCES,
        inputs=inputs,
        labels=_LABELS if with_labels else None,
        dtypes=_DTYPES[inputs],
        differentiable=True,
        betti=metrics.betti_numbers if row.statistic is metrics.topology_counts else None,
        statistic=None if row.statistic is None else statistic,
        formula=None if row.statistic is None else formula,
        merge=metrics.merge if row.statistic in _GAPS else None,
        gap=0 if row.statistic is None else _GAPS.get(row.statistic, 0),
        has_origin=_takes(pair_function, "origin"),
        tolerance=_DOUBLE_PRECISION,
        room=(("max_components", 16), ("max_pairs", 32)) if row.statistic is metrics.instance_matches else (),
        smallest=7 if row.name == "structural_similarity" else 1,
        dimensions=(2, 3) if pair_function in _OF_PLANES else (1, 3),
        without=broken_laws(row.abbreviation),
    )


def _claims_of_own(function: Callable[..., Any], row: Metric | None, given: Mapping[str, Any]) -> MetricClaims:
    """Return what is claimed of a user's function that is like a row, or of which nothing is known.

    Args:
        function: Of a pair, or of the record of a statistic.
        row: What it is like; None for nothing.
        given: `statistic` and `inputs`, if they are given.
    """
    title = getattr(getattr(function, "func", function), "__name__", type(function).__name__)
    like = row or Metric(name=title, abbreviation="", function=function, summary="", formula="", source="", groups=())
    inputs = given.get("inputs", _inputs_of(like))
    statistic = given.get("statistic", like.statistic if _takes_one(function) else None)
    spaced = _takes(function, "spacing") or (given.get("spacing", False) and statistic is None)
    needs = ("spacing",) if spaced else ()
    own = dataclasses.replace(like, function=function, statistic=statistic, options=(), needs=needs)
    claims = dataclasses.replace(
        _claims_of_row(own, inputs),
        name=title,
        dtypes=("float32",) if inputs == "images" else _DTYPES[inputs][:1],
        tolerance=SINGLE_PRECISION,
    )
    if row is not None:
        return claims
    return dataclasses.replace(
        claims,
        padding=False,
        monotone=False,
        sees_misses=False,
        triangle=False,
        differentiable=False,
        power=None,
    )


def _takes_one(function: Callable[..., Any]) -> bool:
    """Return whether a function needs a single argument: a record, and not a pair."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of some built-in functions nothing is known
        return False
    return sum(entry.kind in _POSITIONAL and entry.default is entry.empty for entry in parameters) == 1


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


# Each new closure would be compiled anew, for a second; the laws of a check share one shape and few spacings.
@functools.lru_cache(maxsize=16)
def metric_program(
    claims: MetricClaims, library: _array.NamedLibrary, spacing: Spacing | None, *, of_batches: bool
) -> Callable[..., Any]:
    """Return a metric of a pair, or of batches of pairs, as a program of a library."""
    options: dict[str, Any] = dict(claims.room)
    if claims.labels is not None:
        options["labels"] = claims.labels
    if claims.spacing:
        options["spacing"] = spacing

    def function(prediction: Any, reference: Any) -> Any:
        return claims.function(prediction, reference, **options)

    if library.compiled is None:
        return function
    return library.compiled(library.mapped(function) if of_batches and library.mapped else function)


def _inputs_of(row: Metric) -> str:
    """Return what kind of pair a metric of the table is of, if nothing else is said."""
    if "calibration" in row.groups:
        return "probabilities"
    is_of_images = row.statistic is metrics.paired_moments or row.name == "structural_similarity"
    return "images" if is_of_images else "masks"


def claims_of(function: str, metric: AnyMetric, like: AnyMetric | None, given: Mapping[str, Any]) -> MetricClaims:
    """Return what is claimed of a metric by the row that it is, or that it is like.

    Args:
        function: Name for messages.
        metric: A function of one's own, or a metric of the table by name or row.
        like: Name or row of the metric that a function is like; None if it claims to be like none.
        given: `statistic`, `inputs` and `spacing`, as far as they are given.
    """
    known = metric if like is None and not callable(metric) else like
    if known is not None and not isinstance(known, str | Metric):
        name = "metric" if known is metric else "like"
        checks.invalid_kind(function, name, "be the name or the row of a metric", checks.describe(known))
    with checks.speaking_for(function, "find", name="metric" if known is metric else "like"):
        row = find(known) if isinstance(known, str) else known
    # A function of the table is checked as its row has it, with the statistic.
    if callable(metric) and not (row is not None and metric is row.function):
        return _claims_of_own(metric, row, given)
    if row is None or (not callable(metric) and known is not metric):
        checks.invalid_kind(function, "metric", "be a function, with `like`", checks.describe(metric))
    return _claims_of_row(row, given.get("inputs", _inputs_of(row)))


def _takes(function: Callable[..., Any], option: str) -> bool:
    """Return whether a function has a parameter."""
    try:
        return option in inspect.signature(function).parameters
    except ValueError:  # of some built-in functions nothing is known
        return False
