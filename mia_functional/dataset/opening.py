"""Open a dataset file: a record of all that it says of itself."""

import os
from collections.abc import Hashable

import numpy as np

from mia_functional import images
from mia_functional._core import checks
from mia_functional._core.roles import ROLES, role_by_name
from mia_functional.dataset import verification
from mia_functional.dataset._hdf5 import handles, layout, validation
from mia_functional.dataset.records import Category, Dataset, Files
from mia_functional.discovery.records import Load, is_name
from mia_functional.typing import Role, Shape

__all__ = ["open"]

_CACHE_BYTES = 1 << 30
"""Bytes of decoded volumes that are kept by default."""


def open(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    load: Load = images.read,
    cache_bytes: int = _CACHE_BYTES,
    verify: bool = False,
) -> Dataset:
    """Open (describe) a dataset file: its subjects, its categories, their entries and shapes.

    Only the tables of the file are read, and they are checked. Files of pymia 0.3 can be opened too; in these, and in
    older ones of this library, the role of a category is what `images` and `labels` are names of.

    Args:
        path: The file.
        root: For a dataset that leaves the images in their files: the folder of the files. By default it is found if
            it is the folder of the dataset, or one in it.
        load: Reads one of these files.
        cache_bytes: Most bytes of their volumes that are kept in memory.
        verify: Check every array too, as `verify` does; it takes as long as reading them all.

    Returns:
        A record that can be hashed, pickled and sent to other processes.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not a dataset, is damaged, or refers to other files.

    Example:
        >>> open(folder / "cohort.h5").subjects
        ('A',)
    """
    checks.booleans("open", verify=verify)
    checks.require_callable("open", "load", load, "`images.read`")
    checks.require_instance("open", "load", load, Hashable, "a function that can be hashed")
    most = checks.integer("open", "cache_bytes", cache_bytes, minimum=0)
    absolute = os.path.abspath(checks.path_text("open", "path", path))
    handle = handles.open_handle(absolute)
    files = Files(root=_root_of_files(absolute, handle.tables, root), load=load, cache_bytes=most)
    dataset = _dataset_record(absolute, handle, files)
    if verify and (faults := verification.verify(dataset)):
        validation.malformed(absolute, faults[0])
    return dataset


def _dataset_record(path: str, handle: handles.Handle, files: Files) -> Dataset:
    """Return the record of a file from its tables."""
    tables = handle.tables
    subjects = tuple(map(str, tables[layout.SUBJECTS].ravel()))
    # Files of pymia have no table of categories.
    shaped = sorted(key.split("/")[-1].removesuffix("_shapes") for key in tables if key.startswith("meta/shapes/"))
    names = [str(name) for name in tables[layout.CATEGORIES]] if layout.CATEGORIES in tables else shaped
    shapes = {name: _shape_rows(path, tables, layout.SHAPES.format(name)) for name in names}
    # Without images in the file, the size in their properties is that of ITK, in its axis order. Files of pymia may
    # hold slices of volumes, so that all axes but the last are spatial at most.
    sizes = tuple(size[::-1] for size in _shape_rows(path, tables, layout.IMAGE_PROPERTIES[0]))
    spatial = min((len(size) for size in sizes), default=32)
    grids = tuple(shape[:-1][:spatial] for shape in shapes.get("images", ())) or sizes
    lengths = {len(rows) for rows in (*shapes.values(), *([grids] if grids else []))}
    unfit = any(not is_name(name) for name in (*subjects, *names))
    if unfit or len(set(subjects)) != len(subjects) or not lengths <= {len(subjects)}:
        validation.malformed(path, "its tables contradict each other")
    roles = _roles_of(path, tables, names)
    stored = set(validation.group_at(handle.file, "data")) if "data" in handle.file else set()
    own_grids = _own_grids(path, tables, shapes)
    main = ""
    categories = []
    for name, rows in shapes.items():
        entries = tuple(map(str, tables.get(layout.NAMES.format(name), ())))
        # Numbers lie on no grid, even where their shape begins with that of the images.
        fits = bool(grids) and all(row[: len(grid)] == grid for row, grid in zip(rows, grids, strict=True))
        spatial = (fits or name in own_grids) and roles[name] not in ("numbers", "text")
        if spatial and name not in own_grids and not main:
            main = "images" if "images" in names else name
        grid, axes = own_grids.get(name, (main, len(grids[0]) if grids else 0)) if spatial else ("", 0)
        category = Category(
            name=name, entries=entries, shapes=rows, spatial=spatial, stored=name in stored, role=roles[name],
            grid=grid, spatial_axes=axes,
        )  # fmt: skip
        categories.append(category)
    return Dataset(
        path=path, subjects=subjects, categories=tuple(categories), grids=grids, digest=handle.digest,
        files=None if stored >= set(names) else files, grid=main,
    )  # fmt: skip


def _shape_rows(path: str, tables: layout.Tables, name: str) -> tuple[Shape, ...]:
    """Return the rows of a table of shapes; none if there is no such table."""
    if name not in tables:
        return ()
    if tables[name].ndim != 2 or tables[name].dtype.kind not in "iu":
        validation.malformed(path, f"{name} is not a table of shapes")
    return tuple(map(tuple, tables[name].tolist()))


def _own_grids(path: str, tables: layout.Tables, shapes: dict[str, tuple[Shape, ...]]) -> dict[str, tuple[str, int]]:
    """Return name and number of axes of the grid of each category that does not lie on that of the images."""
    kept = [str(name) for name in tables[layout.GRIDS].ravel()] if layout.GRIDS in tables else [""] * len(shapes)
    located = {name for name in tables if name.startswith(layout.GEOMETRIES.format(""))}
    if len(kept) != len(shapes) or located != {layout.GEOMETRIES.format(grid) for grid in kept if grid}:
        validation.malformed(path, "its grids are not those of categories")
    named = {category: grid for category, grid in zip(shapes, kept, strict=True) if grid}
    own = {}
    for category, grid in named.items():
        table = tables.get(layout.GEOMETRIES.format(grid), np.empty(0))
        axes = next((n for n in range(1, 5) if table.ndim == 2 and table.shape[1] == n * (n + 3)), 0)
        sizes = tuple(map(tuple, table[:, :axes][:, ::-1].tolist())) if axes and table.dtype.kind == "f" else ()
        on_it = tuple(shape[:axes] for shape in shapes[category])
        if named.get(grid) != grid or category == "images" or not sizes or sizes != on_it:
            validation.malformed(path, f"{category} does not lie on its grid, {grid}")
        own[category] = (grid, axes)
    return own


def _roles_of(path: str, tables: layout.Tables, names: list[str]) -> dict[str, Role | None]:
    """Return the roles of categories: those that the file keeps, and of older files those of their names."""
    if layout.ROLES not in tables:
        return {name: role_by_name(name) for name in names}
    kept = [str(role) for role in tables[layout.ROLES].ravel()]
    if len(kept) != len(names) or not set(kept) <= {"", *ROLES}:
        validation.malformed(path, "its roles are not those of categories")
    by_text: dict[str, Role] = {role: role for role in ROLES}
    return {name: by_text.get(role) for name, role in zip(names, kept, strict=True)}


def _root_of_files(path: str, tables: layout.Tables, root: str | os.PathLike[str] | None) -> str | None:
    """Return the folder of the files of a dataset, as an absolute path; none if it has to be given and is not."""
    if root is not None:
        return os.path.abspath(root)
    # A file from elsewhere must not make us read what lies outside of its own folder.
    inner = str(tables[layout.FILE_ROOT]) if layout.FILE_ROOT in tables else ".."
    outside = os.path.isabs(inner) or ".." in inner.split("/")
    return None if outside else os.path.join(os.path.dirname(path), inner)
