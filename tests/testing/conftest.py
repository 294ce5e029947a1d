"""What tests of checks share: Hypothesis stops at the first offender, which takes a tenth of the time."""

import pytest
from hypothesis import Phase, settings

settings.register_profile("hasty", phases=[Phase.generate])


@pytest.fixture
def hasty():
    """Let checks look for an offender, and for no smaller one."""
    settings.load_profile("hasty")
    yield
    settings.load_profile("default")
