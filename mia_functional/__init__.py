"""Medical images into networks, predictions back into volumes, and metrics in millimetres: pure functions, any array.

From files to samples:
    images        read and write one image file, with its geometry
    discovery     find the files and table rows of every subject
    dataset       one HDF5 file from a cohort; samples and batches from it
    geometry      where a voxel grid lies in the patient
    indexing      which parts of a volume to look at: slices, slabs, patches, voxels
    extraction    parts of volumes, with context around them
    selection     which samples to keep
    transforms    functions of arrays, lifted to samples; random augmentation
    filters       filters and registration by SimpleITK

From predictions to conclusions:
    assembly      predictions of parts, put together to volumes
    morphology    distances, connected components, borders, bounding boxes
    metrics       statistics of a pair, metrics as formulas on them, the table of metrics
    evaluation    pairs, cohorts and folders into one long table
    analysis      a table into statistics
    reporting     a table into CSV files, console, Markdown, pictures

Besides:
    adapters      PyTorch, TensorFlow, Grain, Flax, TensorBoard, TorchIO, batchgenerators
    phantoms      synthetic heads and cohorts
    demo          the whole path on a synthetic cohort
    testing       strategies and laws for tests of your own metrics, transforms and indices

Each is a namespace: `import mia_functional as mia`, then `mia.metrics.dice`. It is imported when it is first used, so
that `import mia_functional` stays light.
"""

import importlib
from types import ModuleType

__version__ = "0.2.0"

__all__ = [
    "adapters",
    "analysis",
    "assembly",
    "dataset",
    "demo",
    "discovery",
    "evaluation",
    "extraction",
    "filters",
    "geometry",
    "images",
    "indexing",
    "metrics",
    "morphology",
    "phantoms",
    "reporting",
    "selection",
    "testing",
    "transforms",
]

__dir__ = ["__version__", *__all__].copy  # dir() imports no namespace


def __getattr__(name: str) -> ModuleType:
    """Import a namespace at its first use (PEP 562)."""
    # The import system sets the attribute as well, so this runs once for each.
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
