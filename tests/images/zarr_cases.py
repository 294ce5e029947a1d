"""Stores of Zarr that the tests write by hand, without any library: JSON, and the bytes of chunks."""

import json

import numpy as np

ARRAY = np.arange(-60, 60, dtype="<i2").reshape(4, 5, 6)
"""What lies in the first level."""

AXES = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]

LEVELS = (((3.0, 2.0, 1.0), (0.0, 0.0, 0.0)), ((6.0, 4.0, 2.0), (1.5, 1.0, 0.5)))
"""Scale and translation of two levels, of which the second is made of means of two voxels along each axis."""


def moves(scale, *translation):
    """The transformations of a level."""
    second = [{"type": "translation", "translation": list(entry)} for entry in translation]
    return [{"type": "scale", "scale": list(scale)}, *second]


def describe(folder, name, value):
    """Write an object of JSON to a file in a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def array_fields(shape=ARRAY.shape, dtype="int16", **changes):
    """The metadata of an array of format 3, in one chunk without compression."""
    fields = {
        "zarr_format": 3, "node_type": "array", "shape": list(shape), "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "attributes": {},
    }  # fmt: skip
    return {**fields, **changes}


def group_fields(attributes):
    """The metadata of a group of format 3."""
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}


def image_attributes(*, axes=AXES, levels=LEVELS, **changes):
    """The attributes of an image; `levels` are pairs of scale and translation, or lists of transformations."""
    datasets = [
        {"path": str(k), "coordinateTransformations": entry if isinstance(entry, list) else moves(*entry)}
        for k, entry in enumerate(levels)
    ]
    return {"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets, **changes}]}}


def put_array(folder, array, **changes):
    """Write an array of format 3 as one chunk; `changes` are made to its metadata."""
    describe(folder, "zarr.json", array_fields(array.shape, array.dtype.name, **changes))
    chunk = folder.joinpath("c", *["0"] * array.ndim)
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return chunk


def put_image(folder, *arrays, attributes=None, **options):
    """Write an image of OME-Zarr 0.5 whose levels are arrays, by default the two of `LEVELS`."""
    arrays = arrays or (ARRAY, ARRAY[:2, :2, :3])
    described = image_attributes(**options) if attributes is None else attributes
    describe(folder, "zarr.json", group_fields(described))
    for number, array in enumerate(arrays):
        put_array(folder / str(number), array)
    return folder
