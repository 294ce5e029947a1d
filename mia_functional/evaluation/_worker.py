"""What a process that evaluates files needs: imported once by the server that such processes are forked from.

Each of them would import it anew otherwise, which takes as long as a case or two.
"""

import ctypes
import sys

import numpy as np

from mia_functional import _array
from mia_functional.evaluation import folders  # noqa: F401

_array.postpone_numpy_parts()
_array.array_namespace(np.empty(0))  # the rest of NumPy's namespace, loaded at its first use

# glibc returns memory that is freed to the system, and gets each temporary of a volume from there again, page by page: a
# quarter of the time. In these processes it keeps up to a GiB of blocks below 32 MiB (the most it takes), in one heap for
# all threads.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -3, -1, -8
if sys.platform == "linux":
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of other C libraries, nothing
    for parameter, value in ((_M_MMAP_THRESHOLD, 1 << 25), (_M_TRIM_THRESHOLD, 1 << 30), (_M_ARENA_MAX, 1)):
        _ = mallopt is not None and mallopt(parameter, value)
