"""Parts of NumPy that processes of our own load at their first use."""

import subprocess
import sys

SCRIPT = """
import sys
import numpy as np
from mia_functional import _array
_array.postpone_numpy_parts()
xp = _array.array_namespace(np.ones(2))
assert float(xp.sum(xp.ones(2))) == 2
parts = {"charset_normalizer", "numpy.f2py.f2py2e", "unittest", "numpy.ma.core", "numpy.random._generator"}
loaded = parts & set(sys.modules)
import numpy.testing
numpy.testing.assert_array_equal(np.ma.array([1, 2], mask=[0, 1]).compressed(), [1])
assert numpy.polynomial.Polynomial([1, 2])(3) == 7 and numpy.f2py.get_include()
assert isinstance(np.random.default_rng(0), np.random.Generator)
assert np.random.default_rng(0).integers(10) == 8
print(sorted(loaded))
"""


def test_they_are_loaded_when_they_are_used_and_work():
    """In a process of its own, as here they have been loaded."""
    command = [sys.executable, "-c", SCRIPT]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("[]\n", "")


WORKER = """
import sys
import numpy as np
import mia_functional.evaluation._worker
from mia_functional.evaluation import evaluate
map_of_labels = np.array([[0, 1], [1, 2]])
evaluate(map_of_labels, map_of_labels, metrics=["DICE", "HDRFDST95"], labels=(1, 2), spacing=(1.0, 1.0))
print("numpy.ma.core" in sys.modules)
masked = np.ma.array(map_of_labels, mask=map_of_labels == 2)
try:
    evaluate(masked, map_of_labels, metrics=["DICE"], labels=(1, 2))
except TypeError as error:
    print(error)
"""


def test_a_worker_loads_masked_arrays_only_if_there_is_one():
    result = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=False)
    loaded, message = result.stdout.splitlines()
    assert (loaded, result.stderr) == ("False", "")
    assert "without hidden elements" in message


def test_what_is_loaded_already_stays_what_it_is():
    import numpy.testing

    from mia_functional import _array

    before = numpy.testing, numpy.testing.assert_allclose
    _array.postpone_numpy_parts()
    assert (sys.modules["numpy.testing"], numpy.testing.assert_allclose) == before
