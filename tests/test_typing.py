"""The types are for readers and checkers: what imports them stays light, and arrays of all libraries fit them."""

import subprocess
import sys

from mia_functional import typing


def test_types_load_no_numpy():
    code = "import sys, mia_functional.typing; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_samples_and_sources_are_recognised_by_what_they_can_do():
    assert isinstance([1, 2], typing.SampleSequence)
    assert not isinstance({1, 2}, typing.SampleSequence)
    assert not isinstance([1, 2], typing.Sliceable)
