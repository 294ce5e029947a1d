"""Random numbers that do not depend on which tests run."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def same_numbers_whatever_runs_before(request: pytest.FixtureRequest) -> None:
    """Start the generator of a test module afresh: in a sample of its tests each sees what it sees in all of them."""
    generator = getattr(request.module, "RNG", None)
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = np.random.default_rng(2026).bit_generator.state
