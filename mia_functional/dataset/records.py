"""What a dataset file consists of, and how it is written: frozen records without data."""

from dataclasses import dataclass, replace

from mia_functional._core import checks
from mia_functional.discovery.records import Load
from mia_functional.typing import Role, Shape

__all__ = ["Category", "Dataset", "Files", "Storage", "category_of", "check_dataset", "on_grid", "subject_number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How a dataset file is written.

    Args:
        compression: `gzip`, which every HDF5 reads, or `blosc` (LZ4; needs the extra of that name): chunks of voxels
            with checksums, smaller and much slower to read than uncompressed voxels, which are mapped into memory.
        paths: Keep the names of the files, relative to a common folder.
        file_digests: Keep the SHA-256 of every file, for `dataset.file_digests`; of a file whose pixels are in another,
            and of a folder, it is that of the digests of all their files.
        durable: Flush everything to the disk, so that it also survives a loss of power.

    Raises:
        ValueError: The compression is unknown.
    """

    compression: str | None = None
    paths: bool = True
    file_digests: bool = False
    durable: bool = True

    def __post_init__(self) -> None:
        """Raise unless the compression is known."""
        if self.compression not in (None, "gzip", "blosc"):
            checks.invalid_value("Storage", "compression", "be gzip, blosc or none", repr(self.compression))


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A category of a dataset file.

    Args:
        name: `images`, `labels`, `numerical`.
        entries: Names of what is stacked on the last axis; empty where the file does not name them.
        shapes: The shape of every subject's array, in the order of the subjects.
        spatial: Whether it lies on a grid, so that an index applies; numbers and texts do not.
        grid: The name of that grid, which is the first category that lies on it; empty where there is none.
        spatial_axes: How many of the axes are those of the grid; they come first.
        stored: Whether the arrays are in the file; if not, they are read from the image files.
        role: What it is, which decides on interpolation: `image`, `labels`, `numbers` or `text`; none where neither the
            file nor the name of the category says so.
    """

    name: str
    entries: tuple[str, ...]
    shapes: tuple[Shape, ...]
    spatial: bool
    stored: bool
    role: Role | None
    grid: str = ""
    spatial_axes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a dataset that holds no voxels finds them.

    Args:
        root: The folder that the paths in the dataset start from; none if it is unknown.
        load: Reads one file.
        cache_bytes: Most bytes of decoded volumes that a process keeps.
    """

    root: str | None
    load: Load
    cache_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset file: all that is small enough to know. Hashable and picklable; holds no open file.

    Args:
        path: Absolute path of the HDF5 file.
        subjects: Identifiers in order.
        categories: What every subject has.
        grids: Spatial shape of every subject's images, in the order of the subjects; empty without images. In
            `samples(grid=)`, that of the grid of another category.
        grid: The name of that grid, which is the first category that lies on it, `images` as a rule.
        digest: SHA-256 of the tables in the file, which tells it from another that took its place.
        files: Where the voxels are, if they are not in the file.
    """

    path: str
    subjects: tuple[str, ...]
    categories: tuple[Category, ...]
    grids: tuple[Shape, ...]
    digest: str
    files: Files | None = None
    grid: str = ""

    def __len__(self) -> int:
        """Return the number of subjects."""
        return len(self.subjects)

    def __repr__(self) -> str:
        """Return the file, the number of subjects and what each has."""
        contents = ", ".join(f"{c.name} ({' '.join(c.entries) or '?'})" for c in self.categories)
        return f"Dataset({self.path!r}: {len(self.subjects)} subjects with {contents})"


def check_dataset(function: str, dataset: object) -> None:
    """Raise unless the argument is an opened dataset."""
    if not isinstance(dataset, Dataset):
        checks.invalid_kind(function, "dataset", "come from `open`", repr(dataset))


def subject_number(function: str, dataset: Dataset, subject: str | int) -> int:
    """Return the position of a subject that is given by its identifier or its position."""
    check_dataset(function, dataset)
    if checks.is_integer(subject):
        if not 0 <= int(subject) < len(dataset.subjects):
            checks.invalid_value(function, "subject", f"lie within 0 and {len(dataset.subjects) - 1}", subject)
        return int(subject)
    if subject not in dataset.subjects:
        some = ", ".join(dataset.subjects[:5]) + (", ..." if len(dataset.subjects) > 5 else "")
        checks.invalid_value(function, "subject", f"be one of {some}", repr(subject))
    return dataset.subjects.index(str(subject))


def category_of(function: str, dataset: Dataset, name: str) -> Category:
    """Return the category of a name."""
    category = next((category for category in dataset.categories if category.name == name), None)
    if category is None:
        names = ", ".join(category.name for category in dataset.categories)
        checks.invalid_value(function, "category", f"be one of {names}", repr(name))
    return category


def on_grid(function: str, dataset: Dataset, name: str) -> Dataset:
    """Return a dataset whose `grids` are those of a name, on which indices are then made."""
    checks.one_of(function, "grid", name, sorted({category.grid for category in dataset.categories} - {""}))
    category = category_of(function, dataset, name)
    return replace(dataset, grid=name, grids=tuple(shape[: category.spatial_axes] for shape in category.shapes))
