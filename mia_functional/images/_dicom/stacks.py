"""Which frames of a DICOM object are one stack of slices: time points, echoes, b-values and the like set others apart.

The frames of a stack lie at places of their own. Where several lie at one place, what differs between them is looked
for among what the functional groups say of a frame, in the order of `_TRAITS`.
"""

import math
import struct
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mia_functional.images._dicom.frames import FrameGroups
from mia_functional.images._dicom.header import DicomObject, pydicom_reads
from mia_functional.images.header import invalid_file

__all__ = ["TRAIT_GROUPS", "FrameStack", "frame_stacks", "stack_in_words"]

_POSITION, _ORIENTATION, _DIMENSIONS = 0x00200032, 0x00200037, 0x00209157

_Value: TypeAlias = float | str


class _Trait(NamedTuple):
    """Something that frames may differ in: its name, the sequence and the element it stands in, and the kind of value.

    Args:
        form: `s` for text, `n` for numbers as text, else a letter of `struct`.
    """

    name: str
    sequence: int
    element: int
    form: str


_TRAITS = (
    _Trait("stack", 0x00209111, 0x00209056, "s"),
    _Trait("time point", 0x00209111, 0x00209128, "I"),
    _Trait("b-value", 0x00189117, 0x00189087, "d"),
    _Trait("directionality of diffusion", 0x00189117, 0x00189075, "s"),
    _Trait("echo time", 0x00189114, 0x00189082, "d"),
    _Trait("cardiac delay", 0x00189118, 0x00209153, "d"),
    _Trait("respiratory delay", 0x00209253, 0x00209255, "d"),
    _Trait("time", 0x00209310, 0x0020930D, "d"),
    _Trait("frame type", 0x00189226, 0x00089007, "s"),
    _Trait("component", 0x00189226, 0x00089208, "s"),
    _Trait("frame type", 0x00189329, 0x00089007, "s"),
    _Trait("frame type", 0x00189751, 0x00089007, "s"),
    _Trait("repetition time", 0x00189112, 0x00180080, "n"),
    _Trait("flip angle", 0x00189112, 0x00181314, "n"),
    _Trait("tube voltage", 0x00189325, 0x00180060, "n"),
    _Trait("acquisition", 0x00209111, 0x00209156, "H"),
)
"""What sets frames at one place apart, the first that does so before others."""

_PLACES = (0x00200032, 0x00209057, 0x00201041, 0x00209056)
"""What an index of a dimension may count that is the place of a frame: positions, and names of stacks."""


def _groups() -> dict[int, tuple[int, ...]]:
    """Return the elements of all traits by their sequence."""
    groups: dict[int, set[int]] = defaultdict(set)
    for trait in _TRAITS:
        groups[trait.sequence].add(trait.element)
    groups[0x00209111].add(_DIMENSIONS)
    return {sequence: tuple(sorted(elements)) for sequence, elements in groups.items()}


TRAIT_GROUPS: Mapping[int, tuple[int, ...]] = _groups()
"""The functional groups that say what a frame is, beside its place."""


class FrameStack(NamedTuple):
    """The numbers of the frames of one stack, from 0 on, and what sets it apart from the others."""

    frames: Sequence[int]
    traits: tuple[tuple[str, _Value], ...]


def stack_in_words(stack: FrameStack) -> str:
    """Return what sets a stack apart from the others."""
    words = (f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in stack.traits)
    return ", ".join(words)


def frame_stacks(found: DicomObject, groups: FrameGroups, count: int) -> list[FrameStack]:
    """Return the stacks of an object whose frames state positions, sorted by what sets them apart."""
    frames = groups.frames or [{}] * count
    places = [frame.get(_POSITION, groups.shared.get(_POSITION, b"")) for frame in frames]
    stacks = [FrameStack(range(count), ())]
    for name, values in _varying(found, groups, frames):
        # Each direction is a stack of its own, even if no two frames lie at one place.
        if name != "orientation" and all(_most(places, stack) == 1 for stack in stacks):
            break
        split = [_split_stack(stack, name, values) for stack in stacks]
        # What has more values than there are frames at one place belongs to slices, such as a time of each.
        apart = [len(parts) <= max(_most(places, stack), name == "orientation" and len(parts))
                 for parts, stack in zip(split, stacks, strict=True)]  # fmt: skip
        if all(apart):
            stacks = [part for parts in split for part in parts]
    together = max(_most(places, stack) for stack in stacks)
    if together > 1:
        invalid_file(found.path, f"{together} of its frames lie at one place, and nothing that is read sets them apart")
    return stacks


def _most(places: Sequence[bytes], stack: FrameStack) -> int:
    """Return how many frames of a stack lie at one place, at most."""
    return max(Counter(places[frame] for frame in stack.frames).values())


def _split_stack(stack: FrameStack, name: str, values: Sequence[_Value]) -> list[FrameStack]:
    """Return the parts of a stack that differ in a value, sorted by it."""
    parts: dict[_Value, list[int]] = defaultdict(list)
    for frame in stack.frames:
        parts[values[frame]].append(frame)
    order = sorted(parts, key=lambda value: (isinstance(value, str), value))
    return [FrameStack(parts[value], (*stack.traits, (name, value))) for value in order]


def _varying(
    found: DicomObject, groups: FrameGroups, frames: Sequence[Mapping[int, bytes]]
) -> list[tuple[str, list[_Value]]]:
    """Return what differs between frames: names, and the value of each frame."""
    varying: list[tuple[str, list[_Value]]] = []
    directions: list[_Value] = [_direction(frame.get(_ORIENTATION, b"")) for frame in frames]
    columns = [("orientation", directions)]
    for trait in _TRAITS:
        raw = [frame.get(trait.element, groups.shared.get(trait.element, b"")) for frame in frames]
        columns.append((trait.name, [_value(entry, groups.order, trait.form) for entry in raw]))
    columns += _dimensions(found, groups, frames)
    for name, values in columns:
        if len(set(values)) > 1:
            varying.append((name, values))
    return varying


def _direction(raw: bytes) -> str:
    """Return an orientation with the decimals that tell two directions apart: the last ones are rounded."""
    try:
        return " ".join(f"{float(word) + 0:.2f}" for word in raw.split(b"\\")) if raw else ""
    except ValueError:
        return ""  # `frame_planes` says what is wrong


def _value(raw: bytes, order: str, form: str) -> _Value:
    """Return a number, or a text for what is none."""
    text = raw.decode("latin-1").strip(" \0")
    if form == "s":
        return text.replace("\\", " ")
    try:
        number = float(text) if form == "n" else float(struct.unpack(order + form, raw)[0])
    except (ValueError, struct.error):
        return ""
    return number if math.isfinite(number) else ""


def _dimensions(
    found: DicomObject, groups: FrameGroups, frames: Sequence[Mapping[int, bytes]]
) -> list[tuple[str, list[_Value]]]:
    """Return the indices of the dimensions by which the object orders its frames, but those of places."""
    with pydicom_reads(found.path):
        pointers = [
            (int(item.get("DimensionIndexPointer") or 0), str(item.get("DimensionDescriptionLabel", "") or ""))
            for item in found.header.get("DimensionIndexSequence") or []
        ]
    form = f"{groups.order}{len(pointers)}I"
    rows = [frame.get(_DIMENSIONS, b"") for frame in frames]
    if not pointers or any(len(row) != struct.calcsize(form) for row in rows):
        return []
    columns = zip(*(struct.unpack(form, row) for row in rows), strict=True)
    return [
        (f"index of {label or f'{pointer:08x}'}", list(map(float, column)))
        for (pointer, label), column in zip(pointers, columns, strict=True)
        if pointer not in _PLACES
    ]
