"""Images with several axes behind the spatial ones: created, read, cut, transformed and put together, to the bit."""

from functools import partial

import h5py
import numpy as np
import pytest

from mia_functional import assembly, dataset, images, indexing, transforms
from mia_functional.adapters import torch as torch_adapter
from mia_functional.dataset import Entry, Storage, Subject
from mia_functional.dataset._hdf5.compression import chunked_creation
from mia_functional.geometry import Geometry

SHAPE = (6, 7, 5)
GRID = Geometry(shape=SHAPE, spacing=(1.0, 2.0, 3.0), origin=(4.0, 5.0, 6.0))
PATCHES = partial(indexing.patches, patch_shape=(3, 4, 5))


def volume(name):
    """Complex numbers in time, as the paper's reconstruction has them: two numbers each."""
    return np.random.default_rng(ord(name)).normal(size=(*SHAPE, 8, 2)).astype(np.float32)


def load(path):
    """Load a NumPy file onto the grid."""
    return np.load(path), GRID


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """Two subjects of 5-D images and 3-D labels."""
    folder, people = tmp_path_factory.mktemp("five"), []
    for name in "AB":
        np.save(folder / f"{name}.npy", volume(name))
        np.save(folder / f"{name}_GT.npy", (volume(name)[..., 0, 0] > 0).astype(np.uint8))
        entries = (
            Entry(category="images", name="ECHO", path=folder / f"{name}.npy"),
            Entry(category="labels", name="GT", path=folder / f"{name}_GT.npy"),
        )
        people.append(Subject(name=name, entries=entries))
    return people


@pytest.fixture(scope="module", params=[{}, {"metadata_only": True}, {"storage": Storage(compression="gzip")}], ids=str)
def cohort(request, subjects, tmp_path_factory):
    """A dataset of them: with voxels, without, and compressed."""
    path = tmp_path_factory.mktemp("data") / "five.h5"
    dataset.create(path, subjects, load=load, **request.param)
    return dataset.open(path, load=load, root=subjects[0].entries[0].path.rsplit("/", 1)[0], verify=True)


def test_the_geometry_says_which_axes_are_spatial(cohort):
    assert cohort.grids == (SHAPE, SHAPE)
    assert [(c.shapes[0], c.spatial) for c in cohort.categories] == [((*SHAPE, 8, 2), True), ((*SHAPE, 1), True)]
    for name in "AB":
        assert dataset.geometry(cohort, name) == GRID
        np.testing.assert_array_equal(dataset.read(cohort, name, "images"), volume(name))
        part = dataset.read(cohort, name, "images", index=(2, slice(1, 5), 0, slice(None), 1))
        np.testing.assert_array_equal(part, volume(name)[2, 1:5, 0, :, 1])


def test_patches_are_put_together_to_the_bit(cohort):
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images", "labels"])
    assert samples[0]["images"].shape == (3, 4, 5, 8, 2)
    for name in "AB":
        own = [sample for sample in samples if sample["subject"] == name]
        whole = assembly.assemble([one["images"] for one in own], [one["index"] for one in own], SHAPE)
        np.testing.assert_array_equal(whole, volume(name))
    batches = list(dataset.prefetch(samples, batch_size=4))
    assert batches[0]["images"].shape == (4, 3, 4, 5, 8, 2)


def test_margins_slices_and_the_adapter(cohort):
    field = dataset.SampleField(category="images", margin=(1, 0, 0))
    samples = dataset.samples(cohort, indexing=indexing.slices, extract=[field])
    padded = np.pad(volume("A"), ((1, 1), *[(0, 0)] * 4))
    for position in range(6):
        np.testing.assert_array_equal(samples[position]["images"], padded[position : position + 3])
    plain = dataset.samples(cohort, indexing=indexing.slices, extract=["images"])
    (batch, *_) = torch_adapter.loader(plain, batch_size=3)
    np.testing.assert_array_equal(batch["images"].movedim(1, -1).numpy(), volume("A")[:3])


def test_random_transforms_draw_maps_of_the_spatial_axes(cohort):
    draws = {}

    def keep(name, sampler):
        def sampled(rng, *, spatial_shape, channels):
            draws[name] = (spatial_shape, channels)
            return sampler(rng, spatial_shape=spatial_shape)

        return sampled

    def turn(categories):
        return transforms.randomly(categories, keep("affine", transforms.random_affine), transforms.affine)

    for indices, shape in ((PATCHES, (3, 4, 5)), (indexing.slices, (7, 5))):
        (sample, *_) = dataset.samples(
            cohort, indexing=indices, extract=["images", "labels"], transform=turn(("images", "labels")), seed=3
        )
        assert draws["affine"] == (shape, 16)
        assert sample["images"].shape == (*shape, 8, 2)
        assert "spatial_axes" not in sample
        # Each time point moves as it does alone.
        plain = dataset.samples(cohort, indexing=indices, extract=["images", "labels"])[0]
        alone = {"images": plain["images"][..., 5, :], "labels": plain["labels"]}
        expected = turn(("images", "labels"))({**alone, "rng": np.random.default_rng((3, 0, 1, 0))})
        np.testing.assert_allclose(sample["images"][..., 5, :], expected["images"], atol=1e-6)
        np.testing.assert_array_equal(sample["labels"], expected["labels"])
        assert not np.array_equal(sample["images"], plain["images"])


@pytest.mark.parametrize(
    "step",
    [
        transforms.randomly("images", transforms.random_gamma, transforms.gamma),
        transforms.randomly("images", transforms.random_noise, transforms.noise),
        transforms.randomly("images", transforms.random_bias_field, transforms.bias_field),
        transforms.randomly("images", transforms.random_blur, transforms.blur),
        transforms.randomly("images", transforms.random_elastic, transforms.elastic),
        transforms.randomly("images", transforms.random_flip, transforms.flip),
    ],
    ids=lambda step: step.args[1].function.func.__name__,
)
def test_several_axes_are_channels_to_random_transforms(step):
    array = volume("C")
    seen = {"geometry": GRID, "rng": np.random.default_rng(5)}
    found = step({"images": array, **seen})["images"]
    seen["rng"] = np.random.default_rng(5)
    flat = step({"images": array.reshape(*SHAPE, 16), **seen})["images"]
    np.testing.assert_array_equal(found, flat.reshape(array.shape))
    assert found.shape == array.shape


@pytest.mark.full
def test_in_programs_the_number_of_spatial_axes_is_given():
    jax = pytest.importorskip("jax")
    step = transforms.randomly("images", transforms.random_affine, transforms.affine, spatial_axes=3)
    array = jax.numpy.asarray(volume("A"))
    found = jax.jit(step)({"images": array, "rng": jax.random.key(1)})["images"]
    expected = step({"images": array[..., 3, :], "rng": jax.random.key(1)})["images"]
    np.testing.assert_allclose(found[..., 3, :], expected, atol=1e-5)


def test_a_patch_of_one_entry_has_no_channels_to_draw_for(cohort):
    step = transforms.randomly("labels", transforms.random_flip, transforms.flip)
    field = dataset.SampleField(category="labels", entries="GT")
    words = r"^randomly: `sample` must hold labels as \(\*spatial, channel\); got the shape \(3, 4, 5\) of spatial axes"
    with pytest.raises(ValueError, match=words):
        dataset.samples(cohort, indexing=PATCHES, extract=[field], transform=step)[0]
    cut = transforms.randomly("images", lambda _: (), lambda array: array[..., :3], spatial_axes=3)
    words = r"^randomly: `function` must keep the 16 channels of images \(6, 7, 5, 8, 2\); got \(6, 7, 5, 3\)"
    with pytest.raises(ValueError, match=words):
        cut({"images": volume("A"), "rng": np.random.default_rng(0)})


def test_own_readers_take_them_out_of_numpy_files(tmp_path, subjects):
    array, geometry = images.read(subjects[0].entries[0].path)
    np.testing.assert_array_equal(array, volume("A"))
    assert geometry.shape == SHAPE
    dataset.create(tmp_path / "x.h5", subjects)
    np.testing.assert_array_equal(dataset.read(dataset.open(tmp_path / "x.h5"), "B", "images"), volume("B"))


def test_files_of_a_category_agree_in_all_axes_but_the_last(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((*SHAPE, 4, 2)))
    # One that NumPy would broadcast without a word.
    np.save(tmp_path / "b.npy", np.zeros((*SHAPE, 1, 2)))
    entries = tuple(Entry(category="images", name=name, path=tmp_path / f"{name}.npy") for name in "ab")
    words = (
        r"^create: `subjects` must be alike in all axes but the last for the files of a category; got \(6, 7, 5, 1, 2\)"
    )
    with pytest.raises(ValueError, match=words):
        dataset.create(tmp_path / "x.h5", [Subject(name="A", entries=entries)])
    np.save(tmp_path / "b.npy", np.ones((*SHAPE, 4, 3)))
    dataset.create(tmp_path / "x.h5", [Subject(name="A", entries=entries)])
    stacked = dataset.read(dataset.open(tmp_path / "x.h5"), 0, "images")
    assert stacked.shape == (*SHAPE, 4, 5)
    np.testing.assert_array_equal(stacked.sum(axis=-1), 3)


def test_a_transform_moves_images_and_geometry_together(subjects):
    cropped = transforms.on(("images", "labels", "geometry"), transforms.crop, start=(1, 1, 1), shape=(4, 4, 4))
    sample = next(dataset.traverse(subjects, load=load, transform=cropped))
    np.testing.assert_array_equal(sample["images"], volume("A")[1:5, 1:5, 1:5])
    alone = transforms.on("images", transforms.crop, start=(1, 1, 1), shape=(4, 4, 4))
    with pytest.raises(
        ValueError, match=r"must change `geometry` with the shape of the images; got images \(4, 4, 4, 8"
    ):
        next(dataset.traverse(subjects, load=load, transform=alone))


def test_chunks_stay_small_whatever_the_axes():
    for shape in ((350, 350, 5, 175, 2), (64, 64, 64, 350), (2, 3, 1 << 28), (4, 4, 1)):
        chunk = chunked_creation(shape, 4, "gzip").get_chunk()
        assert np.prod(chunk, dtype=float) * 4 <= 1 << 26
        assert all(1 <= edge <= size for edge, size in zip(chunk, shape, strict=True))
    assert chunked_creation((100, 100, 100, 4), 4, "gzip").get_chunk() == (64, 64, 64, 4)


def test_crop_or_pad_and_pad_are_told_which_axes_are_spatial(cohort, subjects):
    sized = transforms.on(("images", "labels", "geometry"), transforms.crop_or_pad, shape=(4, 9, 5))
    sample = next(dataset.traverse(subjects, load=load, transform=sized))
    np.testing.assert_array_equal(sample["images"], np.pad(volume("A")[1:5], ((0, 0), (1, 1), *[(0, 0)] * 3)))
    padded = transforms.on(("images", "labels", "geometry"), transforms.pad, widths=1)
    assert next(dataset.traverse(subjects, load=load, transform=padded))["images"].shape == (8, 9, 7, 8, 2)
    # A patch of one entry has no axis of channels: two sizes were taken for those of slices.
    field = dataset.SampleField(category="labels", entries="GT")
    for shape, extent in (((2, 2, 2), (2, 2, 2)), ((5, 5, None), (5, 5, 5))):
        step = transforms.on("labels", transforms.crop_or_pad, shape=shape)
        assert dataset.samples(cohort, indexing=PATCHES, extract=[field], transform=step)[0]["labels"].shape == extent
    step = transforms.on("labels", transforms.crop_or_pad, shape=(2, 2))
    with pytest.raises(
        ValueError, match=r"^crop_or_pad: `shape` must have 3 entries, one for each spatial axis.*got 2"
    ):
        dataset.samples(cohort, indexing=PATCHES, extract=[field], transform=step)[0]
    step = transforms.on("labels", transforms.pad, widths=1)
    assert dataset.samples(cohort, indexing=PATCHES, extract=[field], transform=step)[0]["labels"].shape == (5, 6, 7)
    with pytest.raises(ValueError, match=r"^pad: `spatial_axes` must be at most 2, the axes of the array; got 3"):
        transforms.pad(np.zeros((2, 2)), 1, spatial_axes=3)


def _foreign(path, **tables):
    """Write a file without a digest, as pymia does, and return what is opened."""
    with h5py.File(path, "w") as file:
        file["meta/subjects"] = np.array(["A"], object)
        for name, table in tables.items():
            file["meta/" + name.replace("__", "/")] = table
        file["data/images/0"] = volume("A")
    return dataset.open(path)


def test_files_of_pymia_say_by_their_geometry_how_many_axes_are_spatial(tmp_path):
    shapes, sizes = np.array([volume("A").shape], np.uint16), np.array([SHAPE[::-1]], np.uint16)
    found = _foreign(tmp_path / "x.h5", shapes__images_shapes=shapes, image_props__shapes=sizes)
    assert found.grids == (SHAPE,)
    (first, *_) = dataset.samples(found, indexing=indexing.slices, extract=["images"])
    np.testing.assert_array_equal(first["images"], volume("A")[0])
    # Without one, and for slices of volumes, all axes but the last are spatial.
    assert _foreign(tmp_path / "y.h5", shapes__images_shapes=shapes).grids == ((*SHAPE, 8),)
    flat = np.array([[7, 5, 2]], np.uint16)
    assert _foreign(tmp_path / "z.h5", shapes__images_shapes=flat, image_props__shapes=sizes).grids == ((7, 5),)


@pytest.mark.parametrize("name", ["shapes__images_shapes", "image_props__shapes"])
@pytest.mark.parametrize(
    "wrong", [np.array([6, 7]), np.array([[6.0, 7.0]]), np.array([[True]]), np.ones((1, 2, 2), int)]
)
def test_tables_that_are_no_shapes_are_refused(tmp_path, name, wrong):
    shapes, sizes = np.array([volume("A").shape], np.uint16), np.array([SHAPE[::-1]], np.uint16)
    tables = {"shapes__images_shapes": shapes, "image_props__shapes": sizes, name: wrong}
    with pytest.raises(ValueError, match=r"^open: .*_?shapes is not a table of shapes"):
        _foreign(tmp_path / "x.h5", **tables)


def test_turns_and_blurs_leave_time_alone():
    sample = {"images": volume("A"), "geometry": GRID, "roles": {"images": "image"}}
    turned = transforms.on(("images", "geometry"), transforms.rot90, turns=1)(sample)
    np.testing.assert_array_equal(turned["images"], np.rot90(volume("A"), axes=(1, 2)))
    assert turned["geometry"].shape == (6, 5, 7)
    for sigma in (1.0, (1.0, 0.5, 2.0)):
        found = transforms.on("images", transforms.blur, sigma=sigma)(sample)["images"]
        np.testing.assert_allclose(found[..., 3, :], transforms.blur(volume("A")[..., 3, :], sigma), atol=1e-6)
    finer = transforms.resample_to("images", (1.0, 1.0, 1.0))(sample)
    alone = transforms.resample_to("images", (1.0, 1.0, 1.0))({**sample, "images": volume("A")[..., 3, :]})
    np.testing.assert_allclose(finer["images"][..., 3, :], alone["images"], atol=1e-6)
    assert finer["images"].shape == (*finer["geometry"].shape, 8, 2)
