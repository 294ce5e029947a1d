"""From files to a dataset to samples: discover subjects, create an HDF5 file, open it, read any part of it."""

from mia_functional.dataset.batching import collate
from mia_functional.dataset.creation import create
from mia_functional.dataset.opening import open
from mia_functional.dataset.prefetching import Batches, prefetch
from mia_functional.dataset.reading import close, files, geometry, read, view
from mia_functional.dataset.records import Category, Dataset, Storage
from mia_functional.dataset.sample_spec import RandomIndexing, SampleField
from mia_functional.dataset.sampling import Samples, at_epoch, samples
from mia_functional.dataset.traversal import traverse
from mia_functional.dataset.verification import file_digests, info, scales, verify
from mia_functional.discovery.layouts import discover_bids, discover_decathlon, discover_nnunet, discover_table
from mia_functional.discovery.patterns import discover
from mia_functional.discovery.records import Entry, Subject
from mia_functional.transforms.composition import Sample

__all__ = [
    "Batches",
    "Category",
    "Dataset",
    "Entry",
    "RandomIndexing",
    "Sample",
    "SampleField",
    "Samples",
    "Storage",
    "Subject",
    "at_epoch",
    "close",
    "collate",
    "create",
    "discover",
    "discover_bids",
    "discover_decathlon",
    "discover_nnunet",
    "discover_table",
    "file_digests",
    "files",
    "geometry",
    "info",
    "open",
    "prefetch",
    "read",
    "samples",
    "scales",
    "traverse",
    "verify",
    "view",
]

__dir__ = __all__.copy  # dir() shows what users may touch
