"""Check a transform of images against the laws that apply to it: as data, and by name, as those of metrics.

A law gets what is claimed of a transform, an example and what became of its image, and returns what is wrong in words.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.geometry import Geometry, index_to_world, world_to_index
from mia_functional.testing.examples import Stated, by_name, require_kept
from mia_functional.testing.scenes import Draw, draw_shape
from mia_functional.testing.strategies import geometries, images, label_maps
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["TRANSFORM_LAWS", "TransformLaw", "check_transform"]

_NEARLY = 1e-4
"""By how much intensities from 0 to 100, and positions in voxels, may differ that are taken for equal."""


class _ImageCase(NamedTuple):
    """An example: an image, where it lies, and a seed for what is drawn."""

    image: HostArray
    geometry: Geometry | None
    seed: int


class _TransformClaims(NamedTuple):
    """What is claimed of a transform; `apply` is the function with the parameters that a seed draws."""

    apply: Callable[[Any, int], Any]
    draw: Callable[..., Any] | None
    inverse: Callable[[Any, int], Any] | None
    geometry: bool
    labels: bool
    channels: bool
    keeps_shape: bool
    keeps_dtype: bool
    oracle: Callable[[Any, int], Any] | None
    libraries: tuple[_array.NamedLibrary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformLaw:
    """A law of transforms.

    Attributes:
        name: By which it is selected.
        statement: What holds, as the end of a sentence that names the law.
        applies: From what is claimed of a transform to whether the law is about it.
        check: From what is claimed, an example and what became of its image to what is wrong; "" if the law is kept.
    """

    name: str
    statement: str
    applies: Callable[[Any], bool]
    check: Callable[[Any, Any, HostArray], str]


def check_transform(
    function: Callable[..., Any], *, laws: Sequence[str] | None = None, without: Sequence[str] = (),
    xp: str | Sequence[str] = "numpy", inverse: Callable[..., Any] | None = None, geometry: bool = False,
    labels: bool = False, channels: int | None = None, keeps_shape: bool = False, keeps_dtype: bool = False,
    draw: Callable[..., Any] | None = None, oracle: Callable[..., Any] | None = None,
    dimensions: tuple[int, int] = (2, 3), smallest: int = 1, largest: int = 7, examples: int = 100,
) -> None:  # fmt: skip
    """Check a transform against the laws that apply to it (`TRANSFORM_LAWS`); the smallest example is shown.

    Args:
        function: `function(image)` gives an image; with `draw`, `function(image, *parameters)`.
        laws: Names of the laws to check; all that apply by default.
        without: Names of laws that are not claimed.
        xp: Array libraries to compare, as for `check_metric`; of "jax" and "torch" also programs.
        inverse: Undoes the function; with `draw`, it takes the same parameters.
        geometry: Whether the function also takes a `Geometry` and returns that of the result.
        labels: Whether images are label maps, of which the result must have no other labels.
        channels: Length of a last axis of channels, each of which is changed alike; none by default.
        keeps_shape: Whether the result has the shape of the image.
        keeps_dtype: Whether the result has the dtype of the image.
        draw: From a generator of NumPy to parameters, which it alone decides on.
        oracle: A second definition, of the same arguments, with arrays of NumPy.
        dimensions: Fewest and most spatial axes.
        smallest: Fewest voxels along an axis.
        largest: Most voxels along an axis.
        examples: Images that are tried.

    Raises:
        AssertionError: A law is broken. The text names the law and shows the smallest example that was found.
        TypeError: `function` cannot be called.
        ValueError: There is no such law, or it does not apply; an option is out of range.

    Example:
        >>> import numpy as np
        >>> from mia_functional import transforms
        >>> check_transform(lambda image: transforms.flip(image, 0), geometry=True, keeps_dtype=True, examples=10)
        >>> check_transform(lambda image: np.roll(image, 1, 0), keeps_shape=True, inverse=lambda image: image)
        Traceback (most recent call last):
        AssertionError: check_transform: <lambda> breaks the law "inverse" (the inverse brings the image back): ...
    """
    name = "check_transform"
    checks.booleans(name, geometry=geometry, labels=labels, keeps_shape=keeps_shape, keeps_dtype=keeps_dtype)
    checks.require_callable(name, "function", function, "`standardize`")
    names = (xp,) if isinstance(xp, str) else tuple(xp)
    known = [_array.named_library(name, one) for one in names]
    claims = _TransformClaims(
        apply=_with_parameters(function, draw), draw=draw,
        inverse=None if inverse is None else _with_parameters(inverse, draw), geometry=geometry, labels=labels,
        channels=channels is not None, keeps_shape=keeps_shape, keeps_dtype=keeps_dtype,
        oracle=None if oracle is None else _with_parameters(oracle, draw),
        libraries=tuple(library for library in known if library is not None and library.name != "numpy"),
    )  # fmt: skip
    for one in without:
        checks.one_of(name, "without", one, [law.name for law in TRANSFORM_LAWS])
    applying = [law for law in TRANSFORM_LAWS if law.name not in without and law.applies(claims)]
    chosen = by_name(name, TRANSFORM_LAWS, laws, applying)
    stated = [Stated(law.name, law.statement, functools.partial(law.check, claims)) for law in chosen]
    # A program is compiled for each shape.
    one_shape: Shape | None = None
    if claims.libraries:
        one_shape = tuple(max(smallest, 4 + axis) for axis in range(dimensions[1]))
    axes = checks.integer_tuple(name, "dimensions", dimensions, length=2, minimum=1)
    least = checks.integer(name, "smallest", smallest, minimum=1)
    most = checks.integer(name, "largest", largest, minimum=least)

    def draw_case(draw_value: Draw) -> _ImageCase:
        shape = one_shape or draw_shape(draw_value, (axes[0], axes[1]), least, most)
        whole = shape if channels is None else (*shape, channels)
        image = draw_value(label_maps(shape=whole) if labels else images(shape=whole))
        seed = draw_value(optional.require("hypothesis.strategies").integers(0, 999)) if draw is not None else 0
        return _ImageCase(image, draw_value(geometries(shape=shape)) if geometry else None, seed)

    title = getattr(getattr(function, "func", function), "__name__", type(function).__name__)
    cases = optional.require("hypothesis.strategies").composite(draw_case)()
    require_kept(name, title, stated, cases, examples, prepare=functools.partial(_result_of, claims))


def _with_parameters(function: Callable[..., Any], draw: Callable[..., Any] | None) -> Callable[[Any, int], Any]:
    """Return a function of an image and a seed, by which its parameters are drawn."""

    def apply(image: Any, seed: int) -> Any:
        return function(image) if draw is None else function(image, *draw(np.random.default_rng(seed)))

    return apply


def _result_of(claims: _TransformClaims, case: _ImageCase) -> HostArray:
    """Return what becomes of a copy of the image that cannot be written to."""
    image = case.image.copy()
    image.flags.writeable = False
    result = claims.apply(image, case.seed)
    if not checks.has_shape(result):  # NumPy makes arrays of lists, and of None one of objects that equals itself
        raise TypeError(f"it returned {type(result).__name__} and no array")
    return _array.to_numpy(result)


def _apart(value: Any, expected: Any) -> str:
    """Return how an image differs from another one; nothing if it does not."""
    value, expected = np.asarray(value), np.asarray(expected)
    if value.shape != expected.shape:
        return f"got shape {value.shape} and not {expected.shape}"
    wrong = np.argwhere(
        ~np.isclose(value.astype(float), expected.astype(float), rtol=_NEARLY, atol=_NEARLY, equal_nan=True)
    )
    if not len(wrong):
        return ""
    voxel = tuple(map(int, wrong[0]))
    return f"got {value[voxel]} and not {expected[voxel]} in voxel {voxel}, and {len(wrong)} of {value.size} differ"


def _stays(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    image = case.image.copy()
    first = np.array(_array.to_numpy(claims.apply(image, case.seed)))
    if not np.array_equal(image, case.image):
        return f"the image was changed to {image.tolist()}"
    return _apart(first, result)


def _shape_stays(_claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    return "" if result.shape == case.image.shape else f"got shape {result.shape} and not {case.image.shape}"


def _dtype_stays(_claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    return "" if result.dtype == case.image.dtype else f"got {result.dtype} and not {case.image.dtype}"


def _labels_stay(_claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    """Return whether a label appeared that the map does not hold; background may come in from outside."""
    new = sorted(set(np.unique(result).tolist()) - set(np.unique(case.image).tolist()) - {0})
    if new or result.dtype.kind not in "iub":
        return f"of labels {np.unique(case.image).tolist()} came {np.unique(result).tolist()} in {result.dtype}"
    return ""


def _places_stay(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    """Return whether a voxel that lies where one of the image lay has another value."""
    if case.geometry is None:
        return ""
    grid = claims.apply(case.geometry, case.seed)
    spatial = result.shape[: len(grid.shape)]
    if tuple(grid.shape) != spatial:
        return f"the geometry has shape {tuple(grid.shape)}, the image {spatial}"
    for voxel in np.ndindex(*spatial):
        index = world_to_index(case.geometry, index_to_world(grid, voxel))
        nearest = tuple(map(round, index))
        is_voxel = all(abs(entry - whole) < _NEARLY for entry, whole in zip(index, nearest, strict=True))
        is_inside = all(0 <= entry < size for entry, size in zip(nearest, case.image.shape, strict=False))
        if is_voxel and is_inside and (wrong := _apart(result[voxel], case.image[nearest])):
            return f"voxel {voxel} lies on voxel {nearest} of the image, but {wrong}"
    return ""


def _inverse_brings_back(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    return "" if claims.inverse is None else _apart(_array.to_numpy(claims.inverse(result, case.seed)), case.image)


def _channels_alike(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    backwards = np.ascontiguousarray(case.image[..., ::-1])
    wrong = _apart(_array.to_numpy(claims.apply(backwards, case.seed)), result[..., ::-1])
    return f"with channels in reverse order it {wrong}" if wrong else ""


def _same_in_any_memory(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    layouts = {
        "in Fortran's order": np.asfortranarray(case.image),
        "with negative strides": np.flip(np.flip(case.image).copy()),
    }
    for name, image in layouts.items():
        if wrong := _apart(_array.to_numpy(claims.apply(image, case.seed)), result):
            return f"of an image {name} it {wrong}"
    return ""


def _replayed(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    """Return whether a seed draws other parameters in a second call, or takes numbers from NumPy's global source."""
    if claims.draw is None:
        return ""
    # A draw moves the position in the table of numbers.
    before = np.random.get_state(legacy=False)["state"]["pos"]  # noqa: NPY002  # that it stays is the law
    again = _array.to_numpy(claims.apply(case.image.copy(), case.seed))
    if np.random.get_state(legacy=False)["state"]["pos"] != before:  # noqa: NPY002
        return "the global generator of NumPy was drawn from"
    wrong = _apart(again, result)
    return f"with the same seed it {wrong}" if wrong else ""


def _same_in_libraries(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    for library in claims.libraries:
        if wrong := _apart(_array.to_numpy(claims.apply(library.asarray(case.image), case.seed)), result):
            return f"of arrays of {library.name} it {wrong}"
    return ""


def _same_in_programs(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    for library in claims.libraries:
        if library.compiled is None:
            continue

        def function(image: Array) -> Any:
            return claims.apply(image, case.seed)

        if wrong := _apart(_array.to_numpy(library.compiled(function)(library.asarray(case.image))), result):
            return f"in a program of {library.name} it {wrong}"
    return ""


def _same_as_oracle(claims: _TransformClaims, case: _ImageCase, result: HostArray) -> str:
    return "" if claims.oracle is None else _apart(result, claims.oracle(case.image.copy(), case.seed))


TRANSFORM_LAWS: tuple[TransformLaw, ...] = (
    TransformLaw(
        name="no mutation",
        statement="the image stays as it is, and a second call gives the same",
        applies=lambda claims: claims.draw is None,
        check=_stays,
    ),
    TransformLaw(
        name="replay",
        statement="a seed gives the same in every call",
        applies=lambda claims: claims.draw is not None,
        check=_replayed,
    ),
    TransformLaw(
        name="shape", statement="the shape stays", applies=lambda claims: claims.keeps_shape, check=_shape_stays
    ),
    TransformLaw(
        name="dtype", statement="the dtype stays", applies=lambda claims: claims.keeps_dtype, check=_dtype_stays
    ),
    TransformLaw(
        name="labels", statement="no new label appears", applies=lambda claims: claims.labels, check=_labels_stay
    ),
    TransformLaw(
        name="geometry",
        statement="what lies where a voxel lay has its value",
        applies=lambda claims: claims.geometry,
        check=_places_stay,
    ),
    TransformLaw(
        name="inverse",
        statement="the inverse brings the image back",
        applies=lambda claims: claims.inverse is not None,
        check=_inverse_brings_back,
    ),
    TransformLaw(
        name="channels",
        statement="all channels are changed alike",
        applies=lambda claims: claims.channels,
        check=_channels_alike,
    ),
    TransformLaw(
        name="memory order",
        statement="how the image lies in memory changes nothing",
        applies=lambda _claims: True,
        check=_same_in_any_memory,
    ),
    TransformLaw(
        name="oracle",
        statement="the second definition gives the same",
        applies=lambda claims: claims.oracle is not None,
        check=_same_as_oracle,
    ),
    TransformLaw(
        name="libraries",
        statement="arrays of every library give what those of NumPy give",
        applies=lambda claims: len(claims.libraries) > 0,
        check=_same_in_libraries,
    ),
    TransformLaw(
        name="programs",
        statement="compiled functions give what plain calls give",
        applies=lambda claims: any(library.compiled is not None for library in claims.libraries),
        check=_same_in_programs,
    ),
)
"""All laws of transforms, in the order in which they are tried."""
