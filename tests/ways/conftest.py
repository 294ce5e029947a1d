"""Programs of the full matrices are compiled once each."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def equal_programs_are_compiled_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Let JAX find programs that it has compiled for another case, which takes most of the time of the full part.

    It knows functions by their identity and modes that are other ones: most cases are equal programs to XLA, though.
    """
    if request.config.getoption("part") != "full":
        yield
        return
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("programs")),
        "jax_persistent_cache_min_compile_time_secs": 0.02,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for values in (settings, before):
        for name, value in values.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        if values is settings:
            yield
