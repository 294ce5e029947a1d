"""What the import of the metrics loads."""

import subprocess
import sys


def test_the_import_loads_nothing_slow():
    program = "import sys, mia_functional.metrics; print(*{name.split('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    slow = {"scipy", "jax", "torch", "h5py", "SimpleITK", "matplotlib", "pandas", "cupy", "tqdm"}
    assert slow.isdisjoint(result.stdout.split())
