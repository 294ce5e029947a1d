"""Write `docs/backends.md`: which public function works in which way of calling it. Run `python -m tests.ways.page`.

What a table says of a call is what the tests of that way hold it to: a call works unless it stands among the refusals
of the test's module. A way whose tests are not there has no column.
"""

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import devices, test_matrix, test_meshes
from .cases import CASES
from .public_names import ON_HOST

PAGE = Path(__file__).parents[2] / "docs" / "backends.md"

FIXED = "the distances fill a grid, with a weight of 0 off the surface, as sizes in a program are known before values"
"""What is said of `surface_distances` in programs of JAX."""

NEEDS_KEY = "draws with keys of JAX here; with generators of NumPy outside of programs"

MEANINGS = {
    "eager": "a plain call with arrays of JAX",
    "jit": "`jax.jit`",
    "vmap": "`jax.vmap`",
    "jit of vmap": "both",
    "map": "`jax.lax.map`",
    "scan": "`jax.lax.scan`",
    "nnx.jit": "`flax.nnx.jit`",
    "mixtures": "`jax.jit` with every choice of arguments that are constants from outside of the program",
    "gradients": "`jax.grad`, eager and compiled: finite and equal",
    "x64": "`jax_enable_x64`, eager and compiled",
    "strict promotion": '`jax.numpy_dtype_promotion("strict")`',
    "rank promotion": '`jax.numpy_rank_promotion("raise")`',
    "watched": "`jax.debug_nans`, `jax.checking_leaks` and, of programs, `jax.transfer_guard('disallow')`",
    "export": "`jax.export` for `cpu`, `cuda` and `tpu` at once, to bytes and back; for records among what a program "
    "takes or returns, call `adapters.flax.register_records()` first",
    "export of any batch": "`jax.export` of `jax.vmap` with a symbol for the size of the batch",
    "export of any size": "`jax.export` with symbols for the sizes of images, with limits such as `n <= 512`, "
    "as voxels are counted in 32 bits; the program gives right values for images of two shapes",
    "shard_map": "`jax.shard_map` with its default `check_vma=True`",
    "shard_map unchecked": "`jax.shard_map(check_vma=False)`",
    "pmap": "`jax.pmap`",
    "explicit": "arrays on a mesh of explicit axes, as `jax.make_mesh` makes it",
    "auto": "arrays on a mesh of automatic axes",
    "NumPy": "arrays of NumPy",
    "strict": "arrays of `array_api_strict`, the reference of the standard",
    "PyTorch": "tensors on the processor",
    "PyTorch vmap": "`torch.func.vmap`",
    "PyTorch tangents": "`torch.func.jvp` and forward-mode tangents",
    "PyTorch compile": "`torch.compile(fullgraph=True)`",
    "CuPy": f"a stand-in over NumPy that refuses what CuPy refuses; not taken is {devices.REFUSED['cupy']['*']}",
    "dask": "arrays of dask",
}
"""What each way is."""


class Way(NamedTuple):
    """A column: its name, and what is refused in it: a sentence for each call by name."""

    name: str
    refused: Mapping[str, str]


def _data(module: str, name: str) -> Any:
    """Return what the tests of a way know, or None where there are none."""
    full = f"{__package__}.{module}"
    return getattr(importlib.import_module(full), name, {}) if importlib.util.find_spec(full) else None


def _calls() -> Iterator[tuple[str, str, bool]]:
    """Yield name and label of all calls, and whether they take a key of JAX."""
    for name, cases in CASES.items():
        for case in cases:
            yield name, f"{name} {case.label}", case.keys


def tables() -> dict[str, list[Way]]:
    """Return the columns of all tables."""
    keys = {call: NEEDS_KEY for _, call, key in _calls() if key}
    no_values = "NumPy has to know the values of an argument, which has none within `torch.func.vmap`"
    unknown = dict.fromkeys(_data("test_torch", "NEEDS_VALUES"), no_values)
    others = [
        Way("NumPy", {}),
        Way("strict", keys),
        Way("CuPy", keys),
        Way("PyTorch", keys),
        Way("PyTorch vmap", keys | unknown),
        Way("PyTorch tangents", keys),
        Way("PyTorch compile", keys),
    ]
    if (dask := _data("test_dask", "REFUSED")) is not None:
        others.append(Way("dask", keys | dask))
    sizes = dict.fromkeys(test_matrix.NEEDS_SIZES, "sizes have to be numbers, as JAX says, or this library")
    sizes |= dict.fromkeys(test_matrix.OF_NO_IMAGE, "takes a key, or patches of a grid that has one shape")
    programs = [
        Way(
            way,
            {call: text for (call, where), text in test_matrix.REFUSED.items() if where == way}
            | (sizes if way == "export of any size" else {}),
        )
        for way in test_matrix.WAYS
    ]
    return {
        "JAX": programs,
        "JAX on several devices": [Way(way, {}) for way in test_meshes.WAYS],
        "Other libraries": others,
    }


def cell(name: str, way: Way, notes: list[str]) -> str:
    """Return what a table says of a function; what is refused is added to the notes."""
    calls = [call for own, call, _ in _calls() if own == name]
    refused = {way.refused[call] for call in calls if call in way.refused}
    if name == "metrics.surface_distances" and way.name not in ("eager", "NumPy", "PyTorch", "CuPy", "dask"):
        refused = refused or {FIXED}
    marks = []
    for text in sorted(refused):
        labels = [call.removeprefix(f"{name} ") for call in calls if way.refused.get(call) == text]
        note = text if len(labels) in (0, len(calls)) else f"{text} (of: {', '.join(labels)})"
        if note not in notes:
            notes.append(note)
        kind = "fixed" if text == FIXED else "no" if len(labels) == len(calls) else "part"
        marks.append(f"{kind} [{notes.index(note) + 1}]")
    return ", ".join(marks) or "yes"


OPENING = """\
# Which function works in which way

Written by `python -m tests.ways.page`, from what the tests in `tests/ways/` hold every public function of arrays to.
`yes`: gives what arrays of NumPy give. `fixed`: works, with arrays of a fixed shape. `part`, `no`: some or all of the
calls that are tested are refused; the note has the sentence or the reason.
"""

ENDING = f"""\
## In no program

{{on_host}}

What they give depends on values. In a program of JAX they say: {test_matrix.NEEDS_VALUES}

## Not run

{{not_run}}

## Run by `.ci/extras`, in an environment of its own

Last on 2026-12-01, on two cores without a GPU, with NumPy 2.4.6 and JAX 0.10.2. TensorFlow 2.21.0 and Keras 3.15.1:
308 tests passed, of tensors that functions refuse in one sentence, networks in `sliding_window`, and datasets of
`adapters.tensorflow`. sparse 0.19.3, xarray 2026.9.0 and what other packages have for arrays: 29 passed, each worked
with or refused in one sentence.

## Awkward arrays

One voxel, one plane, one column, one and two axes, no channel, labels that are absent in one or both arrays:
`tests/ways/awkward.py` has their right values, by exact fractions, searches over all points, and NumPy. NumPy, the
strict library, PyTorch, and JAX, eager, compiled and in batches, give them.

## Notes

{{notes}}
"""


def page() -> str:
    """Return the text of the page."""
    notes: list[str] = []
    parts = [OPENING]
    for title, ways in tables().items():
        meanings = [f"- **{way.name}**: {MEANINGS[way.name]}." for way in ways]
        header = [f"| function | {' | '.join(way.name for way in ways)} |", "|---" * (len(ways) + 1) + "|"]
        rows = [f"| `{name}` | {' | '.join(cell(name, way, notes) for way in ways)} |" for name in CASES]
        parts.append("\n".join([f"## {title}", "", *meanings, "", *header, *rows, ""]))
    on_host = "\n".join(f"- `{name}` {reason}." for name, reason in ON_HOST.items())
    not_run = "\n".join(f"- {what}: {instead}." for what, instead in devices.NOT_RUN.items())
    numbered = "\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1))
    return "\n".join([*parts, ENDING.format(on_host=on_host, not_run=not_run, notes=numbered)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
