"""One image in or out: NIfTI, MetaImage, NRRD, FreeSurfer's volumes, Zarr, TIFF and `.b2nd`; many others in, as DICOM.

Every file is read as if a stranger had written it. Our own parser sees the header first; the extension alone chooses
the reader, from an allow-list; nothing beyond `max_bytes` is allocated and nothing outside the file's folder is opened;
and a file that is not complete to the byte is an error. What remains is the C++ code behind that: a process of its own
contains it.
"""

from mia_functional.images.conversion import ItkGrid, from_itk, from_simpleitk, to_itk, to_simpleitk
from mia_functional.images.files import (
    intent,
    read,
    read_channels,
    read_geometry,
    read_stack,
    read_stored,
    scale,
)
from mia_functional.images.labels import read_labels
from mia_functional.images.opening import open
from mia_functional.images.segmentation import read_segmentation, read_segments, read_structures, write_segmentation
from mia_functional.images.segments import Code, Segment, Segmentation
from mia_functional.images.stored_images import StoredImage
from mia_functional.images.surfaces import Surface, read_surface, surface_mask
from mia_functional.images.writing import write

__all__ = [
    "Code",
    "ItkGrid",
    "Segment",
    "Segmentation",
    "StoredImage",
    "Surface",
    "from_itk",
    "from_simpleitk",
    "intent",
    "open",
    "read",
    "read_channels",
    "read_geometry",
    "read_labels",
    "read_segmentation",
    "read_segments",
    "read_stack",
    "read_stored",
    "read_structures",
    "read_surface",
    "scale",
    "surface_mask",
    "to_itk",
    "to_simpleitk",
    "write",
    "write_segmentation",
]

__dir__ = __all__.copy  # dir() shows what users may touch
