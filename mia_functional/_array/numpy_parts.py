"""Parts of NumPy that no array needs, in processes of our own: loaded at their first use, if there is one."""

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec

import numpy as np

__all__ = ["postpone_numpy_parts"]

_UNUSED_PARTS = ("f2py", "testing", "ma", "polynomial", "ctypeslib", "random")


def postpone_numpy_parts() -> None:
    """Let some parts of NumPy be loaded at their first use.

    The namespace of `array_api_compat` (1.16) has all names of NumPy, for which it loads the compiler of Fortran, the
    tools of tests and random numbers as well: that doubles the time that NumPy takes, with each process. Only for the
    command and its workers, as it changes what `numpy.f2py` is: whoever calls functions may have plans for it.
    """
    for part in _UNUSED_PARTS:
        name = f"numpy.{part}"
        spec = None if name in sys.modules else find_spec(name)
        if spec is None or spec.loader is None:
            continue
        spec.loader = LazyLoader(spec.loader)
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        # NumPy would ask the import system for it, which asks NumPy.
        setattr(np, part, module)
