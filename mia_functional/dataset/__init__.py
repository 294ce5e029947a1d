"""From files to a dataset to samples: discover subjects, create an HDF5 file, open it, read any part of it."""

from mia_functional.dataset.batching import collate
from mia_functional.dataset.creation import create
from mia_functional.dataset.opening import open
from mia_functional.dataset.prefetching import Batches, prefetch
from mia_functional.dataset.reading import close, files, geometry, read, view
from mia_functional.dataset.records import Category, Dataset, Storage
from mia_functional.dataset.sample_spec import RandomIndexing, SampleField
from mia_functional.dataset.sampling import Samples, SelectedSamples, at_epoch, samples
from mia_functional.dataset.selections import concatenate, take, weighted
from mia_functional.dataset.splitting import (
    Split,
    SplitPart,
    others,
    read_split,
    split,
    split_digest,
    write_split,
)
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
    "SelectedSamples",
    "Split",
    "SplitPart",
    "Storage",
    "Subject",
    "at_epoch",
    "close",
    "collate",
    "concatenate",
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
    "others",
    "prefetch",
    "read",
    "read_split",
    "samples",
    "scales",
    "split",
    "split_digest",
    "take",
    "traverse",
    "verify",
    "view",
    "weighted",
    "write_split",
]

__dir__ = __all__.copy  # dir() shows what users may touch
