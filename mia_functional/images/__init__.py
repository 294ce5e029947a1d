"""One image file in or out: NIfTI, MetaImage and NRRD, through SimpleITK; DICOM series and `.npy` in.

A file is read as if a stranger had written it: its header is parsed first, the format is that of its extension, nothing
is allocated beyond `max_bytes`, no other folder is touched, and a file that is not complete to the byte is refused.
"""

from mia_functional.images.conversion import ItkGrid, from_itk, from_simpleitk, to_itk, to_simpleitk
from mia_functional.images.files import read, read_channels, read_stored, scale, write

__all__ = [
    "ItkGrid",
    "from_itk",
    "from_simpleitk",
    "read",
    "read_channels",
    "read_stored",
    "scale",
    "to_itk",
    "to_simpleitk",
    "write",
]
