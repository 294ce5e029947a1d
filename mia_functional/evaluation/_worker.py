"""What a process that evaluates files needs: imported once by the server that such processes are forked from.

Each of them would import it anew otherwise, which takes as long as a case or two.
"""

import numpy as np

from mia_functional import _array
from mia_functional.evaluation import folders  # noqa: F401

_array.postpone_numpy_parts()
_array.array_namespace(np.empty(0))  # the rest of NumPy's namespace, loaded at its first use

# glibc gives blocks that were mapped back to the system, so that each temporary of a volume comes from it page by page.
# Freed, a block of nearly 32 MiB, the largest that counts, makes it keep blocks up to that size: 6 % of the time.
np.empty(31 << 20, np.uint8)
