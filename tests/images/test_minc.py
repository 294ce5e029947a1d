"""MINC 2: values and places of nibabel and of MINC's own rule, ITK's mirrored world, hostile HDF5."""

import os
import struct
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import SimpleITK

from mia_functional import images

from .cases import oblique, random_array, ras_affine

DATA = Path(nibabel.__file__).parent / "tests" / "data"
SPACE = ("zspace", "yspace", "xspace")


def written(path, array, names=SPACE, *, scales=None, attributes=None, **options):
    """Write a MINC 2 file: integers on scales along their first axes, starts 10, 20, ... and steps 1, 2, ..."""
    with h5py.File(path, "w") as file:
        level = file.create_group("minc-2.0/image/0")
        image = level.create_dataset("image", data=array, **options)
        image.attrs["dimorder"] = np.bytes_(",".join(names))
        for name, numbers in zip(("image-min", "image-max"), scales or (0.0, 1.0), strict=True):
            limits = level.create_dataset(name, data=np.asarray(numbers, float))
            limits.attrs["dimorder"] = np.bytes_(",".join(names[: limits.ndim]))
        for number, name in enumerate(names, start=1):
            axis = file.create_dataset(f"minc-2.0/dimensions/{name}", data=np.int32(0))
            axis.attrs["start"], axis.attrs["step"], axis.attrs["length"] = 10.0 * number, float(number), len(array)
            axis.attrs["length"] = np.uint32(array.shape[number - 1])
        for item, values in (attributes or {}).items():
            for name, value in values.items():
                file[f"minc-2.0/{item}"].attrs[name] = value
    return path


def nibabel_image(path):
    """Return values and affine matrix of nibabel, whose columns are in the order of the file."""
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine[:, [2, 1, 0, 3]]


@pytest.mark.parametrize("name", ["minc2-no-att.mnc", "minc2_1_scale.mnc", "small.mnc"])
def test_files_of_nibabel_are_read_as_nibabel_does(name):
    array, geometry = images.read(DATA / name)
    values, affine = nibabel_image(DATA / name)
    np.testing.assert_array_equal(array, values.astype(np.float32))
    np.testing.assert_allclose(ras_affine(geometry), affine, atol=1e-9)
    assert images.read_geometry(DATA / name) == geometry


def test_times_come_first():
    array, geometry = images.read(DATA / "minc2_4d.mnc")
    np.testing.assert_allclose(array, np.asarray(nibabel.load(DATA / "minc2_4d.mnc").dataobj), rtol=1e-6)
    assert geometry.shape == (2, 10, 20, 20)
    assert geometry.spacing == (1.0, 2.0, 2.0, 2.0)


@pytest.mark.parametrize("names", [SPACE, SPACE[::-1], ("yspace", "zspace", "xspace")])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_axes_in_any_order_and_scales_of_slices(tmp_path, names, dtype):
    array = random_array((4, 3, 2), dtype)
    scales = np.linspace(-5, 0, 4), np.linspace(3, 9, 4)
    path = written(tmp_path / "x.mnc", array, names, scales=scales, compression="gzip", chunks=(2, 3, 2))
    values, affine = nibabel_image(path)
    found, geometry = images.read(path)
    np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-6)
    assert found.dtype == ("float64" if dtype in ("int32", "float64") else "float32")
    np.testing.assert_allclose(ras_affine(geometry), affine, atol=1e-9)


def test_labels_stay_integers_and_what_is_outside_of_the_valid_range_is_its_end(tmp_path):
    labels = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    plain = {"image/0/image": {"valid_range": np.array([0.0, 20.0])}}
    path = written(tmp_path / "x.mnc", labels, scales=(0, 20), attributes=plain)
    found, _ = images.read_labels(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.minimum(labels, 20))
    np.testing.assert_array_equal(found, nibabel_image(path)[0])


def test_colours_are_channels_and_units_count(tmp_path):
    array = random_array((4, 3, 2, 3), "uint8")
    units = {f"dimensions/{name}": {"units": np.bytes_("cm")} for name in SPACE}
    path = written(tmp_path / "x.mnc", array, (*SPACE, "vector_dimension"), scales=(0, 255), attributes=units)
    found, geometry = images.read(path)
    np.testing.assert_array_equal(found, array)
    assert geometry.spacing == (10.0, 20.0, 30.0)


def test_directions_and_steps_below_zero(tmp_path):
    turned = np.array(oblique((4, 3, 2), seed=5).direction)
    attributes = {f"dimensions/{name}": {"direction_cosines": row} for name, row in zip(SPACE, turned, strict=True)}
    attributes["dimensions/yspace"]["step"] = -2.0
    path = written(tmp_path / "x.mnc", random_array((4, 3, 2), "float32"), attributes=attributes)
    np.testing.assert_allclose(ras_affine(images.read(path)[1]), nibabel_image(path)[1], atol=1e-9)


def test_what_itk_writes_lies_turned_by_mincs_rule(tmp_path):
    """ITK 5.4 writes its world (L, P, S) into files whose world is (R, A, S), and says so in comments of the axes."""
    image = SimpleITK.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetOrigin((10, 20, 30))
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("MINCImageIO")
    writer.SetFileName(tmp_path / "x.mnc")
    writer.Execute(image)
    found, geometry = images.read(tmp_path / "x.mnc")
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, np.arange(24).reshape(2, 3, 4))
    assert geometry.origin == (30.0, -20.0, -10.0)
    np.testing.assert_allclose(ras_affine(geometry), nibabel_image(tmp_path / "x.mnc")[1], atol=1e-9)


def change(path, function):
    """Change an open file."""
    with h5py.File(path, "r+") as file:
        function(file)


def replaced(name, make):
    """Return a change that makes something else of an entry of the image."""

    def edit(file):
        group = file["minc-2.0/image/0"]
        del group[name]
        make(group, name)

    return edit


def external(group, name):
    """Put the numbers of an array into another file."""
    group.create_dataset(name, shape=(4, 3, 2), dtype="u1", external=[("/etc/passwd", 0, 24)])


def virtual(group, name):
    """Make an array a view of another file."""
    layout = h5py.VirtualLayout(shape=(4, 3, 2), dtype="u1")
    layout[:] = h5py.VirtualSource("/etc/secret.h5", "x", shape=(4, 3, 2))
    group.create_virtual_dataset(name, layout)


def attribute(item, name, value):
    """Return a change of an attribute."""

    def edit(file):
        file[f"minc-2.0/{item}"].attrs[name] = value

    return edit


def link(kind, *target):
    """Return a change that makes the image a link."""
    return replaced("image", lambda group, name: group.__setitem__(name, kind(*target)))


HOSTILE = {
    "external link": (link(h5py.ExternalLink, "other.h5", "/x"), "is ExternalLink and not part of the file"),
    "soft link": (link(h5py.SoftLink, "/minc-2.0/image/0/image-max"), "is SoftLink and not part of the file"),
    "external storage": (replaced("image", external), "has its data in other files"),
    "virtual": (replaced("image", virtual), "has its data in other files"),
    "missing": (lambda file: file.pop("minc-2.0/image/0/image-max"), "image-max is missing"),
    "group": (replaced("image", lambda group, name: group.create_group(name)), "is not an array"),
    "texts": (replaced("image", lambda group, name: group.create_dataset(name, data=["a"])), "instead of numbers"),
    "complex": (replaced("image", lambda group, name: group.create_dataset(name, data=1j)), "holds complex128"),
    "no numbers": (replaced("image", lambda group, name: group.create_dataset(name, data=h5py.Empty("f"))), "holds"),
    "bomb": (
        replaced("image", lambda group, name: group.create_dataset(name, (10**6,) * 3, "u1", compression="gzip")),
        r"declares 10+ bytes and stores 0",
    ),
    "huge": (
        replaced("image", lambda group, name: group.create_dataset(name, (10**6,) * 3, "u1")),
        "declares|incomplete",
    ),
    "filter": (
        replaced("image", lambda group, name: group.create_dataset(name, (4, 3, 2), "u1", scaleoffset=3)),
        r"needs the filters \[6\]",
    ),
    "axes": (attribute("image/0/image", "dimorder", np.bytes_("time,yspace,xspace")), "its axes are time,yspace"),
    "one axis twice": (attribute("image/0/image", "dimorder", np.bytes_("xspace,yspace,xspace")), "its axes are xspa"),
    "text in a heap": (attribute("image/0/image", "dimorder", "zspace,yspace,xspace"), "not a text of fixed length"),
    "incomplete": (attribute("image/0/image", "complete", np.bytes_("false_")), "says that it is not complete"),
    "range": (attribute("image/0/image", "valid_range", np.array([9.0, 9.0])), "valid_range is 9 to 9"),
    "wide range": (attribute("image/0/image", "valid_range", np.array([0.0, 1e9])), "valid_range is 0 to 1e"),
    "range NaN": (attribute("image/0/image", "valid_range", np.array([np.nan, 1.0])), "valid_range is"),
    "range of three": (attribute("image/0/image", "valid_range", np.zeros(3)), "does not hold 2 numbers"),
    "scales": (
        replaced("image-max", lambda group, name: group.create_dataset(name, data=np.ones(7))),
        "it states lowest values",
    ),
    "scales of rows": (
        replaced(
            "image-max",
            lambda group, name: group.create_dataset(name, data=np.ones(4)).attrs.update(dimorder=np.bytes_("yspace")),
        ),
        "states lowest|vary along",
    ),
    "scale NaN": (replaced("image-max", lambda group, name: group.create_dataset(name, data=np.nan)), "not finite"),
    "length": (attribute("dimensions/xspace", "length", 642), "its xspace states 642 voxels, and its image has 2"),
    "irregular": (attribute("dimensions/xspace", "spacing", np.bytes_("irregular")), "is not spaced regularly"),
    "step 0": (attribute("dimensions/xspace", "step", 0.0), "its xspace has the step 0"),
    "step infinite": (attribute("dimensions/xspace", "step", np.inf), "its attribute step is"),
    "start text": (attribute("dimensions/xspace", "start", np.bytes_("1")), "does not hold 1 numbers"),
    "no direction": (attribute("dimensions/xspace", "direction_cosines", np.zeros(3)), "not of length 1"),
    "long direction": (attribute("dimensions/xspace", "direction_cosines", np.full(3, 2.0)), "not of length 1"),
    "one plane": (attribute("dimensions/xspace", "direction_cosines", np.array([0.0, 1, 0])), "is sheared"),
    "unit": (attribute("dimensions/xspace", "units", np.bytes_("Hz")), "units of length are read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_sentence(tmp_path, name):
    edit, words = HOSTILE[name]
    path = written(tmp_path / "x.mnc", np.arange(24, dtype=np.uint8).reshape(4, 3, 2))
    change(path, edit)
    with pytest.raises(ValueError, match=rf"^read: .*x\.mnc: .*{words}") as caught:
        images.read(path)
    assert "\n" not in str(caught.value)


def test_files_of_other_kinds_and_damaged_ones(tmp_path):
    with pytest.raises(ValueError, match="it is of MINC 1, which is not read; `mincconvert -2` makes MINC 2 of it"):
        images.read(DATA / "tiny.mnc")
    path = written(tmp_path / "x.mnc", np.arange(24, dtype=np.uint8).reshape(4, 3, 2))
    raw = path.read_bytes()
    with pytest.raises(ValueError, match=r"the image takes .* bytes, and `max_bytes` is 10"):
        images.read(path, max_bytes=10)
    for size in (0, 5, 8, 100, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:size])
        with pytest.raises(ValueError, match=r"^read: .*x\.mnc: "):
            images.read(path)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"`spacing` must be what .* states"):
        images.read(path, spacing=(1.0, 1.0, 1.0))
    os.remove(path)
    with pytest.raises(FileNotFoundError):
        images.read(path)


@pytest.mark.parametrize("place", [16, 2**40])
def test_heaps_whose_lists_have_no_end_are_refused_before_hdf5_walks_them(tmp_path, place):
    path = written(tmp_path / "x.mnc", np.arange(24, dtype=np.uint8).reshape(4, 3, 2))
    raw = bytearray(path.read_bytes())
    # A heap: its mark, its size, where its unused parts begin, and where its content is.
    start = raw.index(b"HEAP")
    _, free, content = struct.unpack_from("<3Q", raw, start + 8)
    struct.pack_into("<Q", raw, content + free, free if place == 16 else place)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"x\.mnc: it is damaged: a list in it has no end"):
        images.read(path)
