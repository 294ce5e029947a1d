"""The one folder that knows array libraries: everything else is written against the standard, with what is here."""

from mia_functional._array.backends import *
from mia_functional._array.compilation import *
from mia_functional._array.cupy_distances import *
from mia_functional._array.dtypes import *
from mia_functional._array.elementary import *
from mia_functional._array.host_blocks import *
from mia_functional._array.libraries import *
from mia_functional._array.loops import *
from mia_functional._array.named_libraries import *
from mia_functional._array.numpy_parts import *
from mia_functional._array.random import *
from mia_functional._array.reductions import *
from mia_functional._array.torch_programs import *
from mia_functional._array.torch_sampling import *
from mia_functional._array.tracing import *
from mia_functional._array.updates import *
