"""Images of OME-Zarr: which array, which axes, and where its levels lie; and collections that are no image."""

import warnings

import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import Geometry, index_to_world

from .cases import from_ras_affine
from .zarr_cases import ARRAY, AXES, array_fields, describe, group_fields, image_attributes, moves, put_array, put_image
from .zarr_peers import NIFTI_ZARR, OME_ZARR_04, OME_ZARR_05, unpacked


def test_levels_lie_where_the_file_states(tmp_path):
    store = put_image(tmp_path / "a.ome.zarr")
    array, geometry = images.read(store)
    np.testing.assert_array_equal(array, ARRAY)
    assert geometry == Geometry(shape=ARRAY.shape, spacing=(3.0, 2.0, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        array, geometry = images.read(store / "1")
    np.testing.assert_array_equal(array, ARRAY[:2, :2, :3])
    assert geometry == Geometry(shape=(2, 2, 3), spacing=(6.0, 4.0, 2.0), origin=(1.5, 1.0, 0.5))
    assert images.read_geometry(store / "1") == geometry
    np.testing.assert_array_equal(images.read(store / "0")[0], ARRAY)


def test_means_of_a_ramp_lie_where_their_values_are(tmp_path):
    # Of a ramp, the value of a mean is the place of its voxel: an independent definition of where a level lies.
    ramp = np.broadcast_to(np.arange(8.0), (8, 8, 8)).copy()
    means = ramp.reshape(4, 2, 4, 2, 4, 2).mean((1, 3, 5))
    store = put_image(tmp_path / "a.ome.zarr", ramp, means, levels=(((1,) * 3, (0,) * 3), ((2,) * 3, (0.5,) * 3)))
    array, geometry = images.read(store / "1")
    for x in range(4):
        assert index_to_world(geometry, (0, 0, x))[2] == array[0, 0, x]


@pytest.mark.parametrize(("shift", "word"), [((0, 0, 0), "0.25"), ((3, 2, 1), "0.25")])
def test_levels_that_need_not_be_means_are_named(tmp_path, shift, word):
    levels = (LEVEL_0, ((6, 4, 2), shift))
    store = put_image(tmp_path / "a.ome.zarr", levels=levels)
    with pytest.warns(UserWarning, match=f"level 1 of an OME-Zarr image .* up to {word} of its voxels"):
        assert images.read_geometry(store / "1").origin == shift
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.read(store)


LEVEL_0 = ((3, 2, 1), (0, 0, 0))


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (((12, 4, 2), (4.5, 1, 0.5)), "level 1 has voxels 4 times as long, and 2 of them for 4"),
        (((1.5, 4, 2), (0, 1, 0.5)), "level 1 has voxels 0.5 times as long"),
        (((6, 4, 2), (7, 1, 0.5)), "level 1 lies 0.917 of its voxels beside level 0"),
        (((6, 4, 2), (-2, 1, 0.5)), "level 1 lies 0.583 of its voxels beside level 0"),
    ],
)
def test_levels_that_contradict_the_first_are_refused(tmp_path, level, words):
    refused(put_image(tmp_path / "a.ome.zarr", levels=(LEVEL_0, level)) / "1", words)
    assert images.read(tmp_path / "a.ome.zarr")[1].spacing == (3, 2, 1)


def refused(path, words, **options):
    with pytest.raises(ValueError, match=f"^read: `path` must name a complete, well-formed image file; got .*{words}"):
        images.read(path, **options)


def test_transformations_of_the_pyramid_come_after_those_of_the_dataset(tmp_path):
    outer = moves((2, 3, 5), (100, 200, 300))
    levels = [moves((1, 1, 2), (10, 20, 30))]
    store = put_image(tmp_path / "a.ome.zarr", ARRAY, levels=levels, coordinateTransformations=outer)
    geometry = images.read_geometry(store)
    assert geometry.spacing == (2, 3, 10)
    assert geometry.origin == (120, 260, 450)


def test_units_become_millimetres(tmp_path):
    units = ("micrometer", "centimeter", "meter")
    axes = [{**axis, "unit": unit} for axis, unit in zip(AXES, units, strict=True)]
    store = put_image(tmp_path / "a.ome.zarr", ARRAY, axes=axes, levels=[((500, 2, 1), (1000, 1, 2))])
    geometry = images.read_geometry(store)
    np.testing.assert_allclose(geometry.spacing, (0.5, 20, 1000), rtol=1e-12)
    np.testing.assert_allclose(geometry.origin, (1, 10, 2000), rtol=1e-12)
    assert images.read_geometry(store, spacing=(0.5, 20, 1000)) == geometry
    with pytest.raises(ValueError, match="`spacing` must be what"):
        images.read(store, spacing=(0.5, 20, 100))


def test_lengths_without_a_unit_are_said_by_the_caller(tmp_path):
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    store = put_image(tmp_path / "a.ome.zarr", ARRAY, axes=axes, levels=[((4, 2, 1), (8, 2, 3))])
    with pytest.warns(UserWarning, match="OME-Zarr images without a unit are taken to be in millimetres"):
        assert images.read_geometry(store).spacing == (4, 2, 1)
    geometry = images.read_geometry(store, spacing=(0.4, 0.2, 0.1))
    np.testing.assert_allclose(geometry.spacing, (0.4, 0.2, 0.1))
    np.testing.assert_allclose(geometry.origin, (0.8, 0.2, 0.3))


TIME, CHANNEL = {"name": "t", "type": "time", "unit": "millisecond"}, {"name": "c", "type": "channel"}


def test_channels_are_last_and_time_points_first(tmp_path):
    array = np.arange(2 * 3 * 120, dtype=np.int32).reshape(2, 3, 4, 5, 6)
    scale = ((500, 1, 3, 2, 1), (250, 0, 7, 8, 9))
    store = put_image(tmp_path / "a.ome.zarr", array, axes=[TIME, CHANNEL, *AXES], levels=[scale])
    found, geometry = images.read(store)
    np.testing.assert_array_equal(found, np.moveaxis(array, 1, -1))
    assert geometry.shape == (2, 4, 5, 6)
    assert geometry.spacing == (0.5, 3, 2, 1)
    assert geometry.origin == (0.25, 7, 8, 9)
    moved, space = images.read_channels(put_image(tmp_path / "b.zarr", array[:, 0], axes=[TIME, *AXES],
                                                  levels=[((1, 3, 2, 1), (0, 7, 8, 9))]))  # fmt: skip
    np.testing.assert_array_equal(moved, np.moveaxis(array[:, 0], 0, -1))
    assert space.origin == (7, 8, 9)


def test_axes_of_one_entry_that_are_not_of_space_are_left_out(tmp_path):
    array = ARRAY[None, None, :1]
    store = put_image(tmp_path / "a.ome.zarr", array, axes=[TIME, CHANNEL, *AXES], levels=[((1,) * 5, (0,) * 5)])
    found, geometry = images.read(store)
    np.testing.assert_array_equal(found, ARRAY[:1])
    assert geometry.shape == (1, 5, 6)


def test_axes_are_ordered_by_their_names(tmp_path):
    store = put_image(tmp_path / "a.ome.zarr", ARRAY.T.copy(), axes=AXES[::-1], levels=[((1, 2, 3), (7, 8, 9))])
    found, geometry = images.read(store)
    np.testing.assert_array_equal(found, ARRAY)
    assert (geometry.spacing, geometry.origin) == ((3, 2, 1), (9, 8, 7))
    plane = put_image(tmp_path / "b.ome.zarr", ARRAY[0], axes=AXES[1:], levels=[((2, 1), (0, 0))])
    assert images.read(plane)[1] == Geometry(shape=(5, 6), spacing=(2, 1))


def test_anatomical_orientations_turn_the_grid(tmp_path):
    words = ("superior-to-inferior", "left-to-right", "anterior-to-posterior")
    axes = [
        {**axis, "orientation": {"type": "anatomical", "value": word}} for axis, word in zip(AXES, words, strict=True)
    ]
    levels = (LEVEL_0, ((6, 4, 2), (1.5, 1, 0.5)))
    store = put_image(tmp_path / "a.ome.zarr", ARRAY, ARRAY[:2, :2, :3], axes=axes, levels=levels)
    geometry = images.read_geometry(store)
    # The first index runs down, the second to the right, against the world's x, and the third along its y.
    assert index_to_world(geometry, (1, 0, 0)) == (-3, 0, 0)
    assert index_to_world(geometry, (0, 1, 0)) == (0, 0, -2)
    assert index_to_world(geometry, (0, 0, 1)) == (0, 1, 0)
    assert index_to_world(images.read_geometry(store / "1"), (0, 0, 0)) == (-1.5, 0.5, -1)
    # Where it begins can be read in two ways, which are one only at 0.
    moved = put_image(tmp_path / "b.ome.zarr", ARRAY, axes=axes, levels=[((3, 2, 1), (30, 20, 10))])
    refused(moved, "does not begin at 0: where that is depends on the program that wrote it")


def test_label_images_and_levels_in_folders_are_images(tmp_path):
    store = put_image(tmp_path / "a.ome.zarr")
    labels = np.ones_like(ARRAY)
    put_image(store / "labels" / "organs", labels, levels=[LEVEL_0])
    np.testing.assert_array_equal(images.read(store / "labels" / "organs")[0], labels)
    np.testing.assert_array_equal(images.read(store / "labels" / "organs" / "0")[0], labels)
    nested = image_attributes(levels=[LEVEL_0])
    nested["ome"]["multiscales"][0]["datasets"][0]["path"] = "scale0/image"
    describe(tmp_path / "b.ome.zarr", "zarr.json", group_fields(nested))
    describe(tmp_path / "b.ome.zarr" / "scale0", "zarr.json", group_fields({}))
    put_array(tmp_path / "b.ome.zarr" / "scale0" / "image", ARRAY)
    for path in ("b.ome.zarr", "b.ome.zarr/scale0/image"):
        np.testing.assert_array_equal(images.read(tmp_path / path)[0], ARRAY)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"ome": {"version": "0.5", "plate": {"wells": []}}}, "a plate with wells, .* PLATE.ome.zarr/A/1/0"),
        ({"well": {"images": []}}, "a plate with wells, or a well"),
        ({"ome": {"version": "0.5", "bioformats2raw.layout": 3}}, "a collection of images; name one of them, such as"),
        ({"ome": {"version": "0.5", "labels": ["organs"]}}, "a list of the label images 'organs'; name one of them"),
        ({}, "it is no image of OME, of version 0.4 or 0.5"),
        ({"multiscales": []}, "does not hold one image with levels"),
        ({"multiscales": [{}, {}]}, "does not hold one image with levels"),
        ({"multiscales": [{"version": "0.3"}]}, "version of OME-Zarr is '0.3'; 0.4 and 0.5 are read"),
        ({"ome": {"version": "0.6", "multiscales": [{}]}}, "version of OME-Zarr is '0.6'"),
    ],
)
def test_what_is_no_image_says_what_to_name(tmp_path, attributes, words):
    refused(put_image(tmp_path / "a.ome.zarr", ARRAY, attributes=attributes), words)


ONE = [((3, 2, 1), (0, 0, 0))]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"levels": [[]]}, "coordinateTransformations are \\[\\]"),
        ({"levels": [moves((1, 1, 1), (0, 0, 0))[::-1]]}, "\\['translation', 'scale'\\]; a scale, and then"),
        ({"levels": [moves((1, 1, 1), (0, 0, 0), (0, 0, 0))]}, "a scale, and then a translation, are read"),
        ({"levels": [[{"type": "scale", "path": "0"}]]}, "hold None, and not 3 numbers"),
        ({"levels": [moves((1, 1))]}, "hold \\[1, 1\\], and not 3 numbers"),
        ({"levels": [moves((1, 1, "1"))]}, "and not 3 numbers"),
        ({"levels": [moves((1, 1, True))]}, "and not 3 numbers"),
        ({"levels": [moves((1, 1, -1))]}, "scale is \\[1, 1, -1\\]; sizes of voxels are above 0"),
        ({"levels": [moves((1, 1, float("nan")))]}, "and not 3 numbers"),
        ({"levels": [[{"type": "affine", "affine": []}]]}, "\\['affine'\\]; a scale, and then a translation"),
        ({"levels": [((1, 1, 1e-300), (0, 0, 0))]}, "its geometry is invalid"),
        ({"levels": ONE, "coordinateTransformations": [{"type": "translation"}]}, "a scale, and then"),
        ({"levels": [((1e300, 1, 1), (0, 0, 0))], "coordinateTransformations": moves((1e300, 1, 1))}, "has the scale"),
        ({"levels": ONE, "axes": AXES[:2]}, "hold \\[3, 2, 1\\], and not 2 numbers"),
        ({"levels": ONE, "axes": [*AXES[:2], AXES[1]]}, "axes are \\['z', 'y', 'y'\\]"),
        ({"levels": ONE, "axes": ["z", "y", "x"]}, "axis 'z' is none of space"),
        ({"levels": ONE, "axes": [{"name": "q"}, *AXES[1:]]}, "axis {'name': 'q'} is none of space"),
        ({"levels": ONE, "axes": [CHANNEL, TIME, AXES[0]]}, "two or three of space are read"),
        ({"levels": ONE, "axes": [{**axis, "unit": "parsec"} for axis in AXES]}, "axes are 'parsec'; units of length"),
        ({"levels": ONE, "axes": [{"name": "z"}, *AXES[1:]]}, "all of space have one, or none"),
        ({"levels": ONE, "axes": [{**AXES[0], "orientation": {"value": "up"}}, *AXES[1:]]}, "that is not known"),
        ({"levels": [((1, 3, 2), (0,) * 3)], "axes": [TIME, *AXES[1:]]}, "several time points of a plane"),
        ({"levels": []}, "it names no levels"),
    ],
)
def test_contradictory_metadata_are_refused(tmp_path, options, words):
    refused(put_image(tmp_path / "a.ome.zarr", ARRAY, **options), words)


def test_names_of_axes_in_the_array_have_to_be_those_of_the_image(tmp_path):
    store = put_image(tmp_path / "a.ome.zarr", ARRAY, levels=ONE)
    describe(store / "0", "zarr.json", array_fields(dimension_names=["z", "y", "x"]))
    images.read(store)
    describe(store / "0", "zarr.json", array_fields(dimension_names=["x", "y", "z"]))
    refused(store, "level 0 has the axes .*'x', 'y', 'z'.*, and not")


def test_missing_levels_and_stores_are_named(tmp_path):
    store = put_image(tmp_path / "a.ome.zarr")
    with pytest.raises(FileNotFoundError, match="9 does not exist"):
        images.read(store / "9")
    put_array(store / "other", ARRAY)
    refused(store / "other", "it is none of the levels 0, 1 of")
    with pytest.raises(FileNotFoundError, match=r"b\.zarr does not exist"):
        images.read(tmp_path / "b.zarr")
    put_array(tmp_path / "c.zarr", ARRAY)
    refused(tmp_path / "c.zarr", "it is an array without the metadata of OME")


PEERS_ARRAY = np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8)


@pytest.mark.parametrize("text", [OME_ZARR_04, OME_ZARR_05], ids=["0.4", "0.5"])
def test_what_ome_zarr_wrote_is_read(tmp_path, text):
    store = unpacked(text, tmp_path)
    array, geometry = images.read(store)
    np.testing.assert_array_equal(array, PEERS_ARRAY)
    np.testing.assert_allclose(geometry.spacing, (3e-3, 2e-3, 1e-3))
    # What zarr 3.1.6 finds in the second level, and the file states: of seven rows it has three.
    array, geometry = images.read(store / "s1")
    assert array.shape == (3, 3, 4)
    assert array.ravel()[:5].tolist() == [41, 43, 45, 46, 58]
    np.testing.assert_allclose(geometry.spacing, (6e-3, 14e-3 / 3, 2e-3))
    np.testing.assert_allclose(geometry.origin, (1.5e-3, 4e-3 / 3, 0.5e-3))


def test_what_nifti_zarr_wrote_is_read(tmp_path):
    store = unpacked(NIFTI_ZARR, tmp_path)
    np.testing.assert_array_equal(images.read(store)[0], PEERS_ARRAY)
    # nibabel 5.4.2 of the file that was converted, and of what `zarr2nii(level=1)` makes of the second level.
    affines = (
        [[0.5696583986282349, -0.3527756929397583, 0.7570446133613586, -90.0],
         [0.32889240980148315, 0.7060512900352478, 0.03605662286281586, -120.0],
         [-0.23941409587860107, 0.13054072856903076, 1.8508331775665283, 33.0], [0, 0, 0, 1]],
        [[1.1393167972564697, -0.6173574924468994, 1.5140892267227173, -89.46894073486328],
         [0.6577848196029663, 1.2355897426605225, 0.07211324572563171, -119.5527572631836],
         [-0.47882819175720215, 0.22844627499580383, 3.7016663551330566, 33.85466384887695], [0, 0, 0, 1]],
    )  # fmt: skip
    for level, shape, affine in zip("01", ((8, 7, 6), (4, 4, 3)), affines, strict=True):
        expected = from_ras_affine(np.array(affine), shape)
        found = images.read_geometry(store / level)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.origin, expected.origin, atol=1e-4)
        np.testing.assert_allclose(found.spacing, expected.spacing, rtol=1e-6)
        np.testing.assert_allclose(found.direction, expected.direction, atol=1e-6)
    assert images.read(store / "1")[0].ravel()[:3].tolist() == [38, 40, 42]
