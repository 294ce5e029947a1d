"""Check an indexing function, and an assembly of what lies at its indices, against the laws that apply to them."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.testing.examples import Stated, by_name, require_kept
from mia_functional.testing.scenes import Draw, draw_shape
from mia_functional.typing import HostArray, Index, Shape

__all__ = ["INDEXING_LAWS", "IndexingLaw", "check_indexing"]


class _VolumeCase(NamedTuple):
    """An example: the shape of a volume, and a seed for the order of patches."""

    shape: Shape
    seed: int


class _IndexingClaims(NamedTuple):
    """What is claimed of an indexing function."""

    function: Callable[..., Any]
    covers: bool
    disjoint: bool
    patch_shape: Shape | None
    assemble: Callable[..., Any] | None
    channels: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexingLaw:
    """A law of indexing functions.

    Attributes:
        name: By which it is selected.
        statement: What holds, as the end of a sentence that names the law.
        applies: From what is claimed of a function to whether the law is about it.
        check: From what is claimed, an example and its indices to what is wrong; "" if the law is kept.
    """

    name: str
    statement: str
    applies: Callable[[Any], bool]
    check: Callable[[Any, Any, list[Index]], str]


def check_indexing(
    function: Callable[..., Any], *, laws: Sequence[str] | None = None, without: Sequence[str] = (),
    covers: bool = True, disjoint: bool = False, patch_shape: Shape | None = None,
    assemble: Callable[..., Any] | None = None, channels: int | None = None, dimensions: tuple[int, int] = (1, 3),
    smallest: int = 1, largest: int = 7, examples: int = 100,
) -> None:  # fmt: skip
    """Check an indexing function against the laws that apply to it (`INDEXING_LAWS`); the smallest shape is shown.

    Args:
        function: `function(shape)` gives indices: tuples of whole numbers and slices, one entry per axis.
        laws: Names of the laws to check; all that apply by default.
        without: Names of laws that are not claimed.
        covers: Whether every voxel lies in an index.
        disjoint: Whether no voxel lies in two.
        patch_shape: Voxels along each axis of what lies at every index; None if they may differ.
        assemble: `assemble(patches, indices, shape)` puts what lies at indices together: the volume comes back.
        channels: Length of a last axis that volumes have besides for `assemble`; none by default.
        dimensions: Fewest and most axes.
        smallest: Fewest voxels along an axis.
        largest: Most voxels along an axis.
        examples: Shapes that are tried.

    Raises:
        AssertionError: A law is broken. The text names the law and shows the smallest example that was found.
        TypeError: `function` cannot be called.
        ValueError: There is no such law, or it does not apply; an option is out of range.

    Example:
        >>> from mia_functional import indexing
        >>> check_indexing(indexing.slices, disjoint=True, examples=10)
        >>> check_indexing(lambda shape: [(slice(0, 2),)], dimensions=(1, 1))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        AssertionError: check_indexing: <lambda> breaks the law "inside" (...): ...
    """
    name = "check_indexing"
    checks.booleans(name, covers=covers, disjoint=disjoint)
    checks.require_callable(name, "function", function, "`slices`")
    patch = None if patch_shape is None else checks.integer_tuple(name, "patch_shape", patch_shape, minimum=1)
    claims = _IndexingClaims(function, covers, disjoint, patch, assemble, channels)
    for one in without:
        checks.one_of(name, "without", one, [law.name for law in INDEXING_LAWS])
    applying = [law for law in INDEXING_LAWS if law.name not in without and law.applies(claims)]
    chosen = by_name(name, INDEXING_LAWS, laws, applying)
    stated = [Stated(law.name, law.statement, functools.partial(law.check, claims)) for law in chosen]
    axes = checks.integer_tuple(name, "dimensions", dimensions, length=2, minimum=1)
    least = checks.integer(name, "smallest", smallest, minimum=1)
    most = checks.integer(name, "largest", largest, minimum=least)
    strategies = optional.require("hypothesis.strategies")

    def draw_case(draw: Draw) -> _VolumeCase:
        return _VolumeCase(draw_shape(draw, (axes[0], axes[1]), least, most), draw(strategies.integers(0, 99)))

    title = getattr(getattr(function, "func", function), "__name__", type(function).__name__)
    cases = strategies.composite(draw_case)()
    require_kept(
        name, title, stated, cases, examples, prepare=lambda case: [tuple(one) for one in function(case.shape)]
    )


def _volume(claims: _IndexingClaims, case: _VolumeCase) -> HostArray:
    """Return a volume each voxel of which has another value."""
    shape = case.shape if claims.channels is None else (*case.shape, claims.channels)
    return np.arange(1, int(np.prod(shape)) + 1, dtype=np.float32).reshape(shape)


def _all_inside(_claims: _IndexingClaims, case: _VolumeCase, indices: list[Index]) -> str:
    for index in indices:
        if len(index) != len(case.shape):
            return f"{index} has {len(index)} entries for {len(case.shape)} axes"
        for entry, size in zip(index, case.shape, strict=True):
            if not isinstance(entry, slice):
                is_inside = 0 <= entry < size
            elif entry.start is None and entry.stop is None:
                is_inside = True
            else:
                # Slices count negative ends from the other side, and cut long ones: neither is meant.
                is_inside = (
                    entry.step in (None, 1)
                    and 0 <= (entry.start or 0) < (size if entry.stop is None else entry.stop) <= size
                )
            if not is_inside:
                return f"{index} is not inside of {case.shape}"
    return ""


def _coverage(case: _VolumeCase, indices: list[Index]) -> HostArray:
    """Return how many indices hold each voxel."""
    counts = np.zeros(case.shape, int)
    for index in indices:
        counts[index] += 1
    return counts


def _all_covered(_claims: _IndexingClaims, case: _VolumeCase, indices: list[Index]) -> str:
    missing = np.argwhere(_coverage(case, indices) == 0)
    return f"{len(missing)} voxels are in none, the first is {tuple(map(int, missing[0]))}" if len(missing) else ""


def _none_twice(_claims: _IndexingClaims, case: _VolumeCase, indices: list[Index]) -> str:
    twice = np.argwhere(_coverage(case, indices) > 1)
    return f"{len(twice)} voxels are in several, the first is {tuple(map(int, twice[0]))}" if len(twice) else ""


def _all_of_one_shape(claims: _IndexingClaims, case: _VolumeCase, indices: list[Index]) -> str:
    for index in indices:
        shape = np.empty(case.shape)[index].shape
        if claims.patch_shape is not None and shape != claims.patch_shape[-len(case.shape) :]:
            return f"{index} is of shape {shape}"
    return ""


def _same_again(claims: _IndexingClaims, case: _VolumeCase, indices: list[Index]) -> str:
    again = [tuple(one) for one in claims.function(case.shape)]
    return "" if again == indices else f"got {indices}, then {again}"


def _comes_back(claims: _IndexingClaims, case: _VolumeCase, indices: list[Index]) -> str:
    if claims.assemble is None:
        return ""
    volume = _volume(claims, case)
    patches = [volume[index].copy() for index in indices]
    kept = [patch.copy() for patch in patches]
    result = _array.to_numpy(claims.assemble(patches, indices, case.shape))
    if not all(map(np.array_equal, patches, kept)):
        return "the patches were changed"
    if result.shape != volume.shape:
        return f"got shape {result.shape} and not {volume.shape}"
    wrong = np.argwhere(~np.isclose(result, volume, rtol=1e-5))
    return f"{len(wrong)} voxels differ, the first is {tuple(map(int, wrong[0]))}" if len(wrong) else ""


def _in_any_order(claims: _IndexingClaims, case: _VolumeCase, indices: list[Index]) -> str:
    if claims.assemble is None:
        return ""
    # Of patches that do not agree, so that an average shows which of them were taken.
    volume, rng = _volume(claims, case), np.random.default_rng(case.seed)
    patches = [volume[index] + rng.integers(0, 50) for index in indices]
    order = rng.permutation(len(indices))
    first = _array.to_numpy(claims.assemble(patches, indices, case.shape))
    other = _array.to_numpy(claims.assemble([patches[at] for at in order], [indices[at] for at in order], case.shape))
    wrong = np.argwhere(~np.isclose(first, other, rtol=1e-5))
    return f"in the order {order.tolist()} {len(wrong)} voxels differ" if len(wrong) else ""


INDEXING_LAWS: tuple[IndexingLaw, ...] = (
    IndexingLaw(
        name="inside", statement="every index is inside, and not empty", applies=lambda _claims: True, check=_all_inside
    ),
    IndexingLaw(
        name="coverage",
        statement="every voxel is in an index, those at the border too",
        applies=lambda claims: claims.covers,
        check=_all_covered,
    ),
    IndexingLaw(
        name="disjoint",
        statement="no voxel is in two indices",
        applies=lambda claims: claims.disjoint,
        check=_none_twice,
    ),
    IndexingLaw(
        name="patch shape",
        statement="all patches have one shape",
        applies=lambda claims: claims.patch_shape is not None,
        check=_all_of_one_shape,
    ),
    IndexingLaw(
        name="repeat", statement="a second call gives the same", applies=lambda _claims: True, check=_same_again
    ),
    IndexingLaw(
        name="round trip",
        statement="what was cut out and put together again is the volume",
        applies=lambda claims: claims.assemble is not None,
        check=_comes_back,
    ),
    IndexingLaw(
        name="order",
        statement="the order of the patches changes nothing",
        applies=lambda claims: claims.assemble is not None,
        check=_in_any_order,
    ),
)
"""All laws of indexing functions, in the order in which they are tried."""
