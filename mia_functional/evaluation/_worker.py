"""What a process that evaluates files needs: imported once by the server that such processes are forked from.

Each of them would import it anew otherwise, which takes as long as a case or two.
"""

import ctypes
import gc
import sys

import numpy as np

from mia_functional import _array
from mia_functional.evaluation import folders  # noqa: F401

_array.postpone_numpy_parts()
_array.array_namespace(np.empty(0))  # the rest of NumPy's namespace, loaded at its first use

# glibc returns freed memory to the system, and gets each temporary of a volume from there again, page by page: a fifth
# of the time. Here it keeps up to a GiB of blocks below 32 MiB (the most it takes), in one heap for all threads.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
if _mallopt is not None:
    _mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    _mallopt(_M_MMAP_THRESHOLD, 32 << 20)
    _mallopt(_M_ARENA_MAX, 1)

# What is loaded stays: each walk over it by the collector would copy its pages, which forked processes share.
gc.freeze()
