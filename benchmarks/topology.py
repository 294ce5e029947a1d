"""How long Euler characteristics and Betti numbers take beside one labelling by SciPy: `python benchmarks/topology.py`.

Both are measured in seconds of the processor, in turns, so that what else runs on the machine matters little.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import scipy
import skimage
from scipy import ndimage
from skimage.measure import euler_number

from mia_functional.metrics import betti_numbers, euler_characteristic

SIDE, TURNS = 256, 3


def scenes() -> dict[str, np.ndarray]:
    """Return masks of one size: a ball, tubes that meet everywhere, smooth noise, and single voxels."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices((SIDE,) * 3, dtype=np.float32)
    return {
        "ball": (z - 128) ** 2 + (y - 128) ** 2 + (x - 128) ** 2 < 90**2,
        "waves": np.sin(z / 9) * np.sin(y / 7) + np.sin(x / 11) * np.cos(z / 6) > 0.3,
        "smooth noise": ndimage.gaussian_filter(rng.normal(size=(SIDE,) * 3).astype(np.float32), 2) > 0,
        "30 % of all voxels": rng.random((SIDE,) * 3) < 0.3,
    }


def seconds(call: Callable[[], object]) -> float:
    """Return the processor's seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """Print a table."""
    print(f"NumPy {np.__version__}, SciPy {scipy.__version__}, scikit-image {skimage.__version__}, {sys.platform}\n")
    print("| scene, adjacency | label (s) | Euler | Betti | scikit-image's Euler | b0, b1, b2 |")
    print("|---|---|---|---|---|---|")
    for name, mask in scenes().items():
        for connectivity, pair in ((3, "26, 6"), (1, "6, 26")):
            structure = ndimage.generate_binary_structure(3, connectivity)
            calls: tuple[Callable[[], object], ...] = (
                lambda: ndimage.label(mask, structure=structure, output=np.int32),  # noqa: B023
                lambda: euler_characteristic(mask, connectivity=connectivity),  # noqa: B023
                lambda: betti_numbers(mask, connectivity=connectivity),  # noqa: B023
                lambda: euler_number(mask, connectivity),  # noqa: B023
            )
            times = [[seconds(call) for call in calls] for _ in range(TURNS)]
            label, *others = (statistics.median(column) for column in zip(*times, strict=True))
            ratios = " | ".join(f"{other / label:.2f}" for other in others)
            found = ", ".join(map(str, betti_numbers(mask, connectivity=connectivity)))
            print(f"| {name}, ({pair}) | {label:.3f} | {ratios} | {found} |", flush=True)


if __name__ == "__main__":
    main()
