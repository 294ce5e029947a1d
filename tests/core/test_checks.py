"""Validators: what they let pass, and messages that name the function that was called."""

import array_api_strict
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mia_functional import metrics
from mia_functional._core import checks


def test_errors_of_inner_functions_name_the_public_one():
    inner = checks.speaking_for("dice", "counts", prediction="predictions")
    with pytest.raises(TypeError, match=r"^dice: `predictions` must be an array; got list\.$"), inner:
        checks.require_shape("counts", "prediction", [])
    for error in (ValueError("other: text"), ValueError("no function in front"), FileNotFoundError(2, "counts: x")):
        text = str(error)
        with pytest.raises(type(error)) as caught, checks.speaking_for("dice", "counts"):
            raise error
        assert str(caught.value) == text


@pytest.mark.parametrize(
    "value",
    [1, np.int16(1), np.array(1), np.uint8(1), torch.tensor(1), torch.tensor(1, dtype=torch.uint16),
     array_api_strict.asarray(1), jnp.uint8(1)],
)  # fmt: skip
def test_whole_numbers_come_in_many_kinds(value):
    assert checks.is_integer(value)
    assert type(checks.integer("f", "x", value, minimum=0)) is int
    assert type(checks.axis("f", value, 3)) is int
    assert checks.integer_tuple("f", "x", [value], minimum=0) == (1,)
    assert checks.is_integer_slice(slice(value, None))


@pytest.mark.parametrize(
    "value",
    [True, 1.0, "1", None, np.array([1]), np.float32(1), np.bool_(1), np.timedelta64(1, "D"), jnp.array(1.0),
     jnp.array(1).astype(bool), torch.tensor(1.5), torch.tensor(1.0), torch.tensor(1).bool(), torch.tensor([1]),
     torch.tensor(1).bfloat16(), array_api_strict.asarray(1.0), array_api_strict.asarray(np.bool_(1))],
)  # fmt: skip
def test_what_is_not_a_whole_number_is_an_error(value):
    assert not checks.is_integer(value)
    for check in (
        lambda: checks.integer("f", "x", value, minimum=0),
        lambda: checks.axis("f", value, 3),
        lambda: checks.integer_tuple("f", "x", [value], minimum=0),
    ):
        with pytest.raises(TypeError, match="whole number"):
            check()


@pytest.mark.parametrize(
    ("value", "expected"), [(None, (0, 1, 2)), (-1, (2,)), ((2, 0), (2, 0)), ((-3, np.int8(1)), (0, 1))]
)
def test_axes_count_from_the_front(value, expected):
    assert checks.axes("f", value, 3) == expected


@pytest.mark.parametrize("value", [(), (0, 0), (1, -2)])
def test_axes_are_named_once(value):
    with pytest.raises(ValueError, match="`axis` must name at least one axis, and none of them twice"):
        checks.axes("f", value, 3)


@pytest.mark.parametrize("value", ["12", b"12", 3, ["a"], [None], [[1.0]]])
def test_what_is_not_a_sequence_of_numbers_is_an_error(value):
    with pytest.raises(TypeError, match="`x` must be a sequence of numbers"):
        checks.float_tuple("f", "x", value)


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_names_of_files_may_be_no_unicode(text):
    with pytest.raises(ValueError, match="text of Unicode without null characters"):
        checks.unicode_text("f", "x", text)
    checks.unicode_text("f", "x", "häß")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("f: `x` must be 1; got 2."), "f: `x` must be 1; got 2."),
        (FileNotFoundError("f: the folder x does not exist."), "f: the folder x does not exist."),
        (FileNotFoundError(2, "No such file or directory", "a.nii"), "f: a.nii: No such file or directory."),
        (OSError(28, "No space left on device"), "f: No space left on device."),
        (
            OSError(28, "g: a.h5 could not be written: No space left on device", "a.h5"),
            "g: a.h5 could not be written: No space left on device.",
        ),
    ],
)
def test_every_error_is_one_sentence(error, text):
    assert checks.sentence_of("f", error) == text


def test_values_are_described_on_one_line():
    record = metrics.calibration_bins(np.array([0.2, 0.9]), np.array([0, 1]))
    with pytest.raises(TypeError, match=r"^roc_curve: `record` must be ThresholdCounts; got CalibrationBins\.$"):
        metrics.roc_curve(record)
    assert checks.describe([1, "a"]) == "[1, 'a']"
