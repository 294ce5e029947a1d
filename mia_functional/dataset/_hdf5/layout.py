"""The layout of a dataset file: where its arrays and tables are, and what may be stored in them.

The paths and dtypes are those of pymia 0.3, so that each library reads the other's files: `data/{category}/{number}`,
`meta/subjects`, `meta/shapes`, `meta/image_props` (in ITK's axis order), `meta/names`, `meta/files`. `meta/categories`,
`meta/roles` (one of each category, empty for none), `meta/digests`, `meta/file_digests`, `meta/scales`,
`meta/files/align` and, where categories lie on grids of their own, `meta/grids` (the name of the grid of each category,
empty for that of the images) and `meta/geometries/{grid}`, and `meta/dtypes` (of each subject) of categories with
dtypes that HDF5 has no name for, are additions, which pymia ignores.
"""

from typing import TypeAlias

from mia_functional.typing import HostArray

FORMAT = "mia_functional 1"
"""Value of the file's attribute `format`."""

SUBJECTS, CATEGORIES, ROLES = "meta/subjects", "meta/categories", "meta/roles"
SHAPES, NAMES = "meta/shapes/{}_shapes", "meta/names/{}_names"
IMAGE_PROPERTIES = tuple(f"meta/image_props/{name}" for name in ("shapes", "spacing", "origins", "directions"))
"""In the order of the fields of `images.to_itk`; the first is the size."""
FILE_NAMES, FILE_ROOT, ALIGN = "meta/files/{}_files", "meta/files/file_root", "meta/files/align"
GRIDS, GEOMETRIES = "meta/grids", "meta/geometries/{}"
"""A row of geometries has size, spacing, origin and direction as `images.to_itk` gives them, one after the other."""
DTYPES = "meta/dtypes/{}"
"""Earlier versions would take the bytes of bfloat16 for float32: a table that they do not know stops them."""
DIGESTS, FILE_DIGESTS, SCALES = "meta/digests/{}", "meta/file_digests/{}", "meta/scales/{}"

TABLE_GROUPS = ("shapes", "names", "files", "image_props", "geometries", "dtypes", "digests", "file_digests", "scales")
"""The groups of tables in `meta`."""

ALIGNMENT = 4096
"""Bytes that every array is aligned to, in checkpoints and in datasets: pages can be mapped, shared and cloned."""

STORABLE_KINDS = "biuf"
"""NumPy's kinds of the dtypes that are stored."""

Tables: TypeAlias = dict[str, HostArray]
"""Small arrays of numbers, or object arrays of str, by their path in the file."""


def data_path(category: str, number: int, count: int) -> str:
    """Return where the array of subject `number` of `count` is: the number is padded with zeros, as pymia does.

    Example:
        >>> data_path("images", 7, 25)
        'data/images/07'
    """
    return f"data/{category}/{number:0{len(str(count))}}"
