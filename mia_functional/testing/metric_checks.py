"""Check a metric against all laws that apply to it, and name the one that is broken."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.metrics.names import AnyMetric
from mia_functional.testing.example_values import value_of_case
from mia_functional.testing.examples import Stated, by_name, require_kept
from mia_functional.testing.laws_of_metrics import METRIC_LAWS, MetricLaw
from mia_functional.testing.metric_claims import (
    INPUTS,
    MetricClaims,
    PairCase,
    claims_of,
)
from mia_functional.testing.scenes import Draw, draw_shape
from mia_functional.testing.strategies import (
    images,
    instance_maps,
    label_maps,
    mask_pairs,
    masks,
    probabilities,
    spacings,
)
from mia_functional.typing import Shape, Spacing

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy  # an optional package

__all__ = ["cases_of", "check_metric", "metric_laws", "parametrize_metric_laws"]

_PROGRAM_SPACING = (2.0, 1.0, 0.5)
"""The spacing of pairs for programs: each spacing would be compiled anew."""


def check_metric(
    metric: AnyMetric, *, like: AnyMetric | None = None, laws: Sequence[str] | None = None, without: Sequence[str] = (),
    xp: str | Sequence[str] = "numpy", inputs: str | None = None, limits: tuple[float, float] | None = None,
    best: float | None = None, symmetric: bool | None = None, spacing: bool | None = None, unit: str | None = None,
    padding: bool | None = None, monotone: bool | None = None, sees_misses: bool | None = None,
    triangle: bool | None = None, differentiable: bool | None = None, dtypes: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
    oracle: Callable[..., Any] | None = None, betti: Callable[..., Any] | None = None,
    statistic: Callable[..., Any] | None = None, merge: Callable[..., Any] | None = None,
    tolerance: float | None = None, pairs: "SearchStrategy[Any] | None" = None, examples: int = 100,
) -> None:  # fmt: skip
    """Check a metric against the laws that apply to it (`METRIC_LAWS`); the smallest example of a broken one is shown.

    Laws apply by what is claimed. A row of the table claims all that it says (`like="HDRFDST95"`: limits, the best
    value, symmetry, spacing and unit, the statistic), options claim more or other than that. Without `like` a metric
    has to lie within 0 and 1, to be 1 at best, and not to depend on axes and memory.

    Args:
        metric: `function(prediction, reference)` that gives a number; with `spacing` it takes `spacing=` as well, with
            `labels` `labels=`, with `statistic` the record alone. Or the name of a metric of the table, or its row.
        like: Name or row of the metric of the table that it is like.
        laws: Names of the laws to check; all that apply by default.
        without: Names of laws that are not claimed.
        xp: Array libraries to compare: "numpy", "jax", "torch", "strict", "cupy". Those that are not installed are
            left out. With "jax" go programs and batches, with "torch" compiled functions, with both gradients.
        inputs: What pairs are of: "masks", "labels" (maps of labels 0 to 3), "instances" (maps of instance numbers),
            "images" or "probabilities" (and a mask as reference).
        limits: Smallest and largest value; NaN and infinite ones are allowed besides.
        best: Value of a reference against itself, one of the limits; NaN where there is no such value.
        symmetric: Whether the two may be swapped.
        spacing: Whether to hand over a spacing, which is permuted with the axes.
        unit: "mm", "mm2" or "mm3": the value grows so with the spacing; "" if it does not grow.
        padding: Whether background around the image changes nothing.
        monotone: Whether one more right voxel is never worse.
        sees_misses: Whether an empty structure beside one that is not never has the best value.
        triangle: Whether it is a distance, so that no detour is shorter.
        differentiable: Whether gradients in a prediction of floats are finite.
        dtypes: Dtypes by name in which arrays may be handed over; bool alone by default, as `~` is something else of
            bytes.
        labels: Labels that the function takes as `labels=`, for a value each.
        oracle: A second definition, slow and plain: a function of the same arguments, with arrays of NumPy.
        betti: From a mask to its Betti numbers (b0, b1, b2), whose alternating sum has to be the Euler characteristic.
        statistic: From a pair to a record, such as `confusion_counts`; the metric is a function of the record.
        merge: Joins two records of parts; `metrics.merge` for the statistics of this package.
        tolerance: By which share values may differ that are taken for equal, where arrays are NumPy's: 1e-5 by default,
            as for single precision, and 1e-9 for metrics of the table. Other libraries and programs have 1e-5.
        pairs: A strategy of pairs of one's own.
        examples: Pairs that are tried.

    Raises:
        AssertionError: A law is broken. The text names the law and shows the smallest example that was found.
        TypeError: `metric` is neither a function nor a metric of the table.
        ValueError: There is no such law, or it does not apply; an option is unknown.

    Example:
        >>> from mia_functional.metrics import dice
        >>> check_metric(dice, like="DICE", examples=10)
        >>> def sensitivity(prediction, reference):
        ...     return (prediction & reference).sum() / reference.sum() if reference.any() else float("nan")
        >>> check_metric(sensitivity, like="DICE", examples=50)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        AssertionError: check_metric: sensitivity breaks the law "symmetry" (swapping ... changes nothing): got ...
    """
    given = {
        "inputs": inputs, "limits": limits, "best": best, "symmetric": symmetric, "spacing": spacing, "unit": unit,
        "padding": padding, "monotone": monotone, "sees_misses": sees_misses, "triangle": triangle,
        "differentiable": differentiable, "dtypes": dtypes, "labels": labels,
        "oracle": oracle, "betti": betti, "statistic": statistic, "merge": merge, "tolerance": tolerance,
    }  # fmt: skip
    claims = _claims("check_metric", metric, like, xp, without, given)
    chosen = _laws_of("check_metric", claims, laws)
    for of_programs in (False, True):
        some = [law for law in chosen if law.of_programs is of_programs]
        if some:
            cases = cases_of(claims, pairs, for_programs=of_programs, others=any(law.needs_other for law in some))
            stated = [Stated(law.name, law.statement, functools.partial(law.check, claims)) for law in some]
            prepare = functools.partial(value_of_case, claims)
            require_kept("check_metric", claims.name, stated, cases, examples, prepare=prepare)


def metric_laws(metric: AnyMetric, **options: Any) -> tuple[MetricLaw, ...]:
    """Return the laws that `check_metric` checks a metric against.

    Args:
        metric: As for `check_metric`.
        options: Those of `check_metric`.

    Example:
        >>> from mia_functional.metrics import dice
        >>> [law.name for law in metric_laws(dice, like="DICE", laws=("symmetry", "range"))]
        ['range', 'symmetry']
    """
    _check_names("metric_laws", options)
    said = dict(options)
    asked = {name: said.pop(name, None) for name in ("like", "laws", "without", "xp", "examples", "pairs")}
    claims = _claims("metric_laws", metric, asked["like"], asked["xp"] or "numpy", asked["without"] or (), said)
    return tuple(_laws_of("metric_laws", claims, asked["laws"]))


def parametrize_metric_laws(metric: AnyMetric, **options: Any) -> Any:
    """Return a decorator of pytest that makes a test of each law: the test is given `check_law`, and calls it.

    Args:
        metric: As for `check_metric`.
        options: Those of `check_metric`.

    Example:
        >>> from mia_functional.metrics import dice
        >>> @parametrize_metric_laws(dice, like="DICE", examples=10)
        ... def test_dice(check_law):
        ...     check_law()
    """
    pytest = optional.require("pytest")
    _check_names("parametrize_metric_laws", options)
    with checks.speaking_for("parametrize_metric_laws", "metric_laws"):
        names = [law.name for law in metric_laws(metric, **options)]

    def checking(name: str) -> Callable[[], None]:
        return lambda: check_metric(metric, **options | {"laws": (name,)})

    return pytest.mark.parametrize("check_law", list(map(checking, names)), ids=names)


def _check_names(function: str, options: Mapping[str, Any]) -> None:
    """Raise for an option that `check_metric` does not have."""
    for name in options:
        if name not in inspect.signature(check_metric).parameters:
            raise TypeError(
                f"{function}: got an unexpected keyword argument {name!r}; options are those of `check_metric`."
            )


def _claims(
    function: str, metric: AnyMetric, like: AnyMetric | None, xp: str | Sequence[str], without: Sequence[str],
    given: dict[str, Any],
) -> MetricClaims:  # fmt: skip
    """Return what is claimed of a metric: by the row that it is like, and other than that by options that are given."""
    said = {name: value for name, value in given.items() if value is not None}
    flags = ("symmetric", "spacing", "padding", "monotone", "sees_misses", "triangle", "differentiable")
    checks.booleans(function, **{name: said[name] for name in flags if name in said})
    if "inputs" in said:
        checks.one_of(function, "inputs", said["inputs"], INPUTS)
    claims = claims_of(function, metric, like, said)
    said.pop("statistic", None)
    if "unit" in said:
        units = ("", "mm", "mm2", "mm3")
        checks.one_of(function, "unit", said["unit"], units)
        said["power"] = units.index(said.pop("unit"))
    if "limits" in said:
        limits = checks.float_tuple(function, "limits", said["limits"])
        if len(limits) != 2 or not limits[0] <= limits[1]:
            checks.invalid_value(function, "limits", "be the smallest and the largest value, in order", limits)
    if "dtypes" in said:
        _require_dtypes(function, said["dtypes"])
    said |= {name: tuple(said[name]) for name in ("dtypes", "labels", "limits") if name in said}
    names = (xp,) if isinstance(xp, str) else tuple(xp)
    known = [_array.named_library(function, name) for name in names]
    libraries = tuple(library for library in known if library is not None and library.name != "numpy")
    for name in without:
        checks.one_of(function, "without", name, [law.name for law in METRIC_LAWS])
    excluded = claims.without | frozenset(without)
    return dataclasses.replace(claims, **said, libraries=libraries, without=excluded)


def _require_dtypes(function: str, names: Sequence[str]) -> None:
    """Raise unless all are names of dtypes; one name would be taken for a sequence of letters."""
    if isinstance(names, str) or not names:
        checks.invalid_kind(function, "dtypes", 'be a sequence of names such as ("bool", "uint8")', repr(names))
    for name in names:
        try:
            np.dtype(name)
        except TypeError:
            checks.invalid_value(function, "dtypes", "be names of dtypes", repr(name))


def _laws_of(function: str, claims: MetricClaims, names: Sequence[str] | None) -> list[MetricLaw]:
    """Return the laws that apply, or those of them that are asked for."""
    applying = [law for law in METRIC_LAWS if law.name not in claims.without and law.applies(claims)]
    chosen: list[MetricLaw] = by_name(function, METRIC_LAWS, names, applying)
    return chosen


def cases_of(
    claims: MetricClaims, pairs: "SearchStrategy[Any] | None", *, for_programs: bool, others: bool
) -> "SearchStrategy[PairCase]":
    """Return a strategy of examples; those for programs have one shape and spacing, for which these are compiled."""
    strategies = optional.require("hypothesis.strategies")
    shape: Shape | None = None
    if for_programs:
        shape = (3, 4, 5) if claims.smallest == 1 else (claims.smallest, claims.smallest + 1)

    has_numbers = claims.inputs in ("labels", "instances")
    # JAX has floats of single precision.
    dtype = "float32" if for_programs and claims.inputs == "images" else claims.dtypes[0]
    # Hypothesis reads the source of what makes a strategy, which takes as long as an example.
    pairs_of = functools.cache(functools.partial(_pairs, claims, dtype))
    own = pairs_of(shape) if pairs is None else pairs

    def draw_case(draw: Draw) -> PairCase:
        prediction, reference = draw(own)
        ndim = reference.ndim
        spacing: Spacing | None = None
        if claims.spacing:
            spacing = _PROGRAM_SPACING[-ndim:] if for_programs else draw(spacings(ndim))
        return PairCase(
            prediction=prediction,
            reference=reference,
            other=draw(pairs_of(reference.shape)) if others else None,
            spacing=spacing,
            order=tuple(draw(strategies.permutations(range(ndim)))),
            flipped=tuple(sorted(draw(strategies.sets(strategies.integers(0, ndim - 1))))),
            numbers=tuple(draw(strategies.permutations(range(1, 10)))) if has_numbers else (),
            chance=draw(strategies.integers(0, 100)),
        )

    made: SearchStrategy[PairCase] = strategies.composite(draw_case)()
    return made


def _pairs(claims: MetricClaims, dtype: str, shape: Shape | None) -> "SearchStrategy[Any]":
    """Return a strategy of the pairs that a metric takes."""
    strategies = optional.require("hypothesis.strategies")
    inputs = claims.inputs
    if inputs == "masks":
        return mask_pairs(shape=shape, dimensions=claims.dimensions, dtype=dtype)
    smallest = claims.smallest

    def draw_arrays(draw: Draw) -> Any:
        size = draw_shape(draw, claims.dimensions, smallest, max(7, smallest + 1)) if shape is None else shape
        one: Any = {"labels": label_maps, "instances": instance_maps, "images": images}.get(inputs, probabilities)
        reference = draw(masks(shape=size) if inputs == "probabilities" else one(shape=size, dtype=dtype))
        prediction = draw(one(shape=size, dtype=dtype))
        # Half of the pairs share most: what is nearly right is where metrics differ.
        if inputs != "probabilities" and draw(strategies.booleans()):
            prediction = np.where(draw(masks(shape=size)), prediction, reference)
        if inputs == "instances" and draw(strategies.booleans()):
            # Slabs that touch, cut at other places: which one stands for which is a choice.
            slabs = np.indices(size)[draw(strategies.integers(0, len(size) - 1))]
            prediction = np.where(prediction > 0, 1 + (slabs + 1) // 2, 0).astype(prediction.dtype)
            reference = np.where(reference > 0, 1 + slabs // 2, 0).astype(reference.dtype)
        return prediction, reference

    made: SearchStrategy[Any] = strategies.composite(draw_arrays)()
    return made
