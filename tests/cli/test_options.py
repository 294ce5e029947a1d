"""The wording of messages: functions and arguments that exist become commands and options that exist."""

import inspect

import pytest

import mia_functional as mia
from mia_functional.cli.options import _WORDING, worded
from mia_functional.cli.parser import COMMANDS

NAMESPACES = (mia.analysis, mia.dataset, mia.demo, mia.evaluation, mia.images, mia.metrics, mia.reporting)

LATER = {"check_folders": ("evaluate_folders", "summarize")}
"""Functions that a cure may be for, besides the one that says it."""


@pytest.mark.parametrize("function", _WORDING)
def test_what_is_reworded_is_an_argument_and_what_it_becomes_an_option(function):
    parameters = {
        name
        for namespace in NAMESPACES
        for one in (function, *LATER.get(function, ()))
        if hasattr(namespace, one)
        for name in inspect.signature(getattr(namespace, one)).parameters
    }
    assert parameters
    spelled = {
        word
        for command in COMMANDS
        for name, settings in command.options.items()
        for word in (name, settings.get("metavar"))
    }
    for argument, option in _WORDING[function].items():
        assert argument.partition("=")[0] in parameters
        assert option.partition(" ")[0] in spelled


def test_messages_of_other_functions_and_texts_stay():
    assert worded("discover: `columns` must be; got 1.", "create") == "create: `--column` must be; got 1."
    assert worded("create: `path` and `overwrite=True`.", "create") == "create: `dataset` and `--overwrite`."
    assert worded("open: `path` must be.", "info") == "info: `dataset` must be."
    for text in ("elsewhere: `columns`", "no colon", "[Errno 2] No such file: 'open'"):
        assert worded(text, "create") == text
