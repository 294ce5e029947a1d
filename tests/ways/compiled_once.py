"""A cache of compiled programs of JAX, without which the full matrices spend most of their time in the compiler."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
from jax.experimental.compilation_cache import compilation_cache


@contextmanager
def compiled_once(folder: str) -> Iterator[None]:
    """Let JAX find programs that it has compiled for another case, in a folder.

    It knows functions by their identity and modes that are other ones: many cases are equal programs to XLA, though.
    """
    settings = {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0.02,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    _set(settings)
    try:
        yield
    finally:
        _set(before)


def _set(settings: dict[str, object]) -> None:
    """Set options of JAX, and let its cache see them."""
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
