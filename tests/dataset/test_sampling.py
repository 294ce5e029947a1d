"""Samples: every index of every subject, the same for any number of workers."""

import pickle
import threading
from functools import partial

import numpy as np
import pytest

from mia_functional import assembly, dataset, extraction, indexing, selection
from mia_functional.dataset import RandomIndexing, SampleField
from mia_functional.geometry import Geometry

from .cases import PATCHES, brightened, same

CUTS = {
    "whole": indexing.whole,
    "slices": indexing.slices,
    "planes": partial(indexing.slices, axis=(0, 1, 2)),
    "slabs": partial(indexing.slabs, thickness=3),
    "patches": PATCHES,
    "overhang": partial(indexing.patches, patch_shape=(4, 4, 4), boundary=indexing.overhang),
}


def corners(rng, shape):
    """Four random patches."""
    starts = rng.integers(0, np.array(shape) - 3, (4, 3))
    return [tuple(slice(int(s), int(s) + 3) for s in start) for start in starts]


@pytest.mark.parametrize("name", CUTS)
def test_predictions_go_back_to_volumes(cohort, name):
    samples = dataset.samples(cohort, indexing=CUTS[name], extract=["images", "shape"])
    assert len(samples) == 3 * len(CUTS[name]((10, 12, 14)))
    for subject in cohort.subjects:
        mine = [sample for sample in samples if sample["subject"] == subject]
        volume = assembly.assemble([s["images"] * 2 for s in mine], [s["index"] for s in mine], mine[0]["shape"])
        np.testing.assert_allclose(volume, dataset.read(cohort, subject, "images") * 2, rtol=1e-6)


def test_a_sample_holds_what_was_asked_for(cohort, subjects):
    wishes = [
        SampleField(category="images", name="t2", entries="T2"),
        SampleField(category="images", name="swapped", entries=("T2", "T1")),
        SampleField(category="images", name="context", margin=(1, 2, 0), pad_mode=extraction.edge),
        SampleField(category="labels", whole=True),
        SampleField(category="numerical", name="age", entries="AGE"),
        SampleField(category="gender", name="sex", entries="GENDER"),
        *("numerical", "gender", "geometry", "shape", "names", "files"),
    ]
    samples = dataset.samples(cohort, indexing=PATCHES, extract=wishes)
    index = (slice(0, 4), slice(4, 8), slice(10, 14))
    sample = next(sample for sample in samples if sample["subject"] == "B" and sample["index"] == index)
    whole = next(iter(dataset.traverse(subjects[1:2])))
    np.testing.assert_array_equal(sample["t2"], whole["images"][(*index, 1)])
    np.testing.assert_array_equal(sample["swapped"], whole["images"][(*index, slice(None, None, -1))])
    expected = extraction.extract(whole["images"], index, margin=(1, 2, 0), pad_mode=extraction.edge)
    np.testing.assert_array_equal(sample["context"], expected)
    np.testing.assert_array_equal(sample["labels"], whole["labels"])
    assert sample["numerical"].tolist() == whole["numerical"].tolist()
    assert (float(sample["age"]), sample["sex"], sample["gender"]) == (21.0, "F", ("F",))
    assert (sample["geometry"], sample["shape"]) == (whole["geometry"], (10, 12, 14))
    assert sample["names"]["images"] == ("T1", "T2")
    assert [path.split("/")[-1] for path in sample["files"]["images"]] == ["B_T1.mha", "B_T2.mha"]
    assert all(value.flags.writeable for value in sample.values() if isinstance(value, np.ndarray) and value.ndim)


@pytest.mark.parametrize("cut", [PATCHES, indexing.slices])
@pytest.mark.parametrize("mode", [extraction.constant, extraction.edge, extraction.reflect])
def test_margins_are_context_inside_and_padding_outside(cohort, cut, mode):
    wish = SampleField(category="images", margin=(1, 2, 0), pad_mode=mode, fill_value=-7)
    for sample in dataset.samples(cohort, indexing=cut, extract=[wish], subjects=["B"]):
        whole = dataset.read(cohort, "B", "images")
        expected = extraction.extract(whole, sample["index"], margin=(1, 2, 0), pad_mode=mode, fill_value=-7)
        np.testing.assert_array_equal(sample["images"], expected)
        assert sample["images"].flags.writeable


def test_a_margin_may_differ_before_and_after(cohort):
    wish = SampleField(category="images", margin=((2, 0), 1, (0, 3)))
    for sample in dataset.samples(cohort, indexing=PATCHES, extract=[wish], subjects=["A"]):
        expected = extraction.extract(dataset.read(cohort, "A", "images"), sample["index"], margin=wish.margin)
        np.testing.assert_array_equal(sample["images"], expected)
        assert sample["images"].shape == (6, 6, 7, 2)


def test_positions_are_those_of_a_sequence(cohort):
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images"])
    same(samples[-1], samples[len(samples) - 1])
    same(samples[np.int64(5)], samples[5])
    for position in (len(samples), -len(samples) - 1):
        with pytest.raises(IndexError, match="`position` must lie within"):
            samples[position]
    assert len(list(samples)) == len(samples)
    assert repr(samples) == f"Samples({len(samples)} of images from 3 subjects of {cohort.path!r}, seed 0, epoch 0)"


def test_selection_and_subsets(cohort):
    cut = indexing.slices
    chosen = dataset.samples(
        cohort, indexing=cut, extract=["labels"], select=partial(selection.has_foreground, at_least=140)
    )
    counts = [int(np.count_nonzero(s["labels"])) for s in dataset.samples(cohort, indexing=cut, extract=["labels"])]
    assert 0 < len(chosen) < len(counts)
    assert len(chosen) == sum(count >= 140 for count in counts)
    assert all(np.count_nonzero(sample["labels"]) >= 140 for sample in chosen)
    assert pickle.loads(pickle.dumps(chosen)).kept[0].dtype == np.uint32
    subset = dataset.samples(cohort, indexing=cut, extract=["labels"], subjects=["C", "A"])
    assert [sample["subject"] for sample in subset] == ["C"] * 10 + ["A"] * 10
    by_name = dataset.samples(cohort, indexing=cut, extract=["labels"], select=selection.of_subjects(["C"]))
    assert {sample["subject"] for sample in by_name} == {"C"}


def test_randomness_is_a_function_of_seed_epoch_and_position(cohort):
    make = partial(
        dataset.samples, cohort, indexing=RandomIndexing(function=corners), extract=["images"], transform=brightened
    )
    samples = make(seed=3)
    forwards = list(samples)
    assert all(same(a, b) for a, b in zip(forwards, pickle.loads(pickle.dumps(samples)), strict=True))
    backwards = [samples[0, position] for position in reversed(range(len(samples)))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))
    for other in (make(seed=4), dataset.at_epoch(samples, 1)):
        assert [sample["index"] for sample in other] != [sample["index"] for sample in forwards]
    again = dataset.at_epoch(dataset.at_epoch(samples, 1), 0)
    assert all(same(a, b) for a, b in zip(forwards, again, strict=True))
    assert len({float(sample["images"].sum()) for sample in forwards}) == 12


def test_indices_are_drawn_where_something_is(cohort):
    def at_labels(rng, labels):
        places = np.argwhere(labels[..., 0] == 4)
        return [tuple(map(int, place)) for place in places[rng.integers(0, len(places), 5)]]

    samples = dataset.samples(cohort, indexing=RandomIndexing(function=at_labels, at="labels"), extract=["labels"])
    assert [sample["labels"].tolist() for sample in samples] == [[4]] * 15


def random_boxes(rng, shape):
    """Many random patches."""
    return indexing.random_patches(rng, shape, (3, 3, 3), count=5000)


def test_drawn_patches_are_no_objects(cohort):
    samples = dataset.samples(cohort, indexing=RandomIndexing(function=random_boxes), extract=["images"], seed=2)
    later = dataset.at_epoch(samples, 1)
    assert len(samples) == len(later) == 15000
    assert all(isinstance(indices, indexing.Boxes) for indices in (*samples.indices, *later.indices))
    assert sum(indices.corners.nbytes for indices in samples.indices) == 12 * len(samples)
    assert len(pickle.dumps(samples)) < 13 * len(samples)
    again = pickle.loads(pickle.dumps(later))
    assert all(same(again[k], later[k]) for k in (0, 4999, 5000, -1))
    found = samples[5001]
    np.testing.assert_array_equal(found["images"], dataset.read(cohort, "B", "images", index=found["index"]))
    assert len({sample["index"][0].start for sample in (samples[k] for k in range(100))}) == 8


def test_threads_read_the_same(cohort):
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images", "labels", "gender"])
    expected, wrong = list(samples), []

    def work():
        wrong.extend(k for k in range(len(samples)) if not same(samples[k], expected[k]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_table_of_voxels_is_small(tmp_path):
    someone = dataset.Subject(name="A", entries=(dataset.Entry(category="n", name="x", value=1.0),))
    volume = np.zeros((41, 47, 41, 1), np.uint8)
    grid = Geometry(shape=volume.shape[:3], spacing=(1, 1, 1))
    dataset.create(tmp_path / "x.h5", [someone], transform=lambda s: {**s, "images": volume, "geometry": grid})
    samples = dataset.samples(dataset.open(tmp_path / "x.h5"), indexing=indexing.voxels, extract=["images"])
    assert len(samples) == volume.size
    assert len(pickle.dumps(samples)) < 4096
    assert samples[-1]["index"] == (40, 46, 40)


def test_wishes_that_cannot_be_met(cohort):
    wish = partial(SampleField, category="images")
    for change, message in (
        ({"extract": ["nothing"]}, "`category` must be one of images, labels, numerical, gender; got 'nothing'"),
        ({"extract": [wish(entries="T9")]}, "`entries` must be of T1, T2; got T9"),
        ({"extract": ["images", wish(margin=1)]}, "a `name` of its own for each part; got images, i"),
        ({"extract": [wish(name="index")]}, "a `name` other than subject, index, .*; got index"),
        ({"extract": [wish(margin=-1)]}, "`margin` must be at least 0 on every axis"),
        ({"extract": [wish(margin=(1, 1))]}, "`margin` must be a number or have 3 entries"),
        ({"subjects": ["Z"]}, "`subject` must be one of A, B, C; got 'Z'"),
        ({"select": lambda _: False}, "lead to samples"),
        ({"subjects": []}, "lead to samples"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"indexing": lambda _: [3]}, "`indexing` must give tuples of at most 3 integers and slices.*; got 3"),
        ({"indexing": lambda _: [(0.5,)]}, "`indexing` must give tuples of at most 3 integers and slices"),
        ({"indexing": lambda _: [(..., 0)]}, "`indexing` must give tuples of at most 3 integers and slices"),
        ({"indexing": lambda _: [(0, 0, 0, 0)]}, "`indexing` must give tuples of at most 3 integers and slices"),
    ):
        with pytest.raises(ValueError, match=f"samples: .*{message}"):
            dataset.samples(cohort, **{"indexing": PATCHES, "extract": ["images"], **change})
    for change, message in (
        ({"extract": "images"}, "`extract` must be a sequence of categories or `SampleField`; got 'images'"),
        ({"extract": [3]}, "`extract` must be a sequence of categories or `SampleField`; got 3"),
        ({"extract": [wish(pad_mode="edge")]}, "`pad_mode` must be a function such as .*; got 'edge'"),
        (
            {"indexing": indexing.patches},
            r"`indexing` must take a shape alone, .*`functools.partial\(patches, .*got patches",
        ),
        ({"indexing": indexing.random_patches}, "`indexing` must take a shape alone, or be a `RandomIndexing`; "),
        (
            {"indexing": RandomIndexing(function=indexing.random_patches)},
            "`indexing` must take a generator and a shape",
        ),
        ({"indexing": indexing.slices((10, 12, 14))}, "`indexing` must be a function such as .*; got Indices"),
        ({"transform": 3}, "`transform` must be a function such as .*; got 3"),
        ({"indexing": None}, "`indexing` must be a function such as .*; got None"),
        ({"indexing": RandomIndexing(function=3)}, "`indexing` must be a function such as .*; got 3"),
        ({"indexing": lambda _: 3}, "`indexing` must return a sequence of indices; got 3"),
        ({"select": lambda sample: sample["images"] > 0}, "`select` must return whether it is true, once a sample"),
        ({"select": "labels"}, "`select` must be a function such as .*; got 'labels'"),
        ({"subjects": "A"}, "`subjects` must be a sequence of identifiers; got 'A'"),
        ({"seed": None}, "`seed` must be a whole number; got None"),
    ):
        with pytest.raises(TypeError, match=f"samples: {message}"):
            dataset.samples(cohort, **{"indexing": PATCHES, "extract": ["images"], **change})


def test_mistakes_with_samples(cohort):
    samples = dataset.samples(cohort, indexing=lambda _: ((k,) for k in range(3)), extract=["images"])
    assert len(samples) == 9
    for position in ("a", 1.0):
        with pytest.raises(TypeError, match="samples: `position` must be a whole number; got"):
            samples[position]
    silent = dataset.samples(cohort, indexing=PATCHES, extract=["images"], transform=lambda _: None)
    with pytest.raises(TypeError, match="`transform` must return a sample, which is a dictionary; got NoneType"):
        silent[0]
    for parts in ([], [{"a": 1}, {"b": 1}]):
        with pytest.raises(ValueError, match="collate: `samples` must be at least one, all with the same keys; got"):
            dataset.collate(parts)
    with pytest.raises(TypeError, match="prefetch: `samples` must have a length and items; got generator"):
        dataset.prefetch((sample for sample in samples), batch_size=2)
    with pytest.raises(TypeError, match=r"prefetch: `rng` must be a numpy\.random\.Generator; got 0"):
        dataset.prefetch(samples, batch_size=2, rng=0)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (slice(6, 2), ValueError), (slice(None, -2), ValueError), (slice(-3, None), ValueError),
        (slice(0, 6, 2), TypeError), (slice(None, None, -1), TypeError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("margin", [0, 2])
def test_slices_mean_what_they_mean_for_arrays_or_are_refused(cohort, entry, kind, margin):
    field = SampleField(category="images", margin=margin)
    found = dataset.samples(cohort, indexing=lambda _: [(entry, slice(0, 4), slice(0, 4))], extract=[field])
    with pytest.raises(kind, match=r"^samples: `indexing` must hold .*slices .*; got slice\("):
        found[0]


def test_open_slices_and_margins_in_arrays_are_those_of_arrays(cohort):
    image = dataset.read(cohort, "A", "images")
    index = (slice(None), slice(3, None), slice(np.uint8(2), np.uint8(9)))
    found = dataset.samples(cohort, indexing=lambda _: [index], extract=["images"], subjects=["A"])
    np.testing.assert_array_equal(found[0]["images"], image[index])
    fields = [SampleField(category="images", margin=margin) for margin in (np.array([0, 1, 2]), (0, 1, 2))]
    closed = [(slice(0, 3), slice(0, 4), slice(2, 5))]
    pair = [dataset.samples(cohort, indexing=lambda _: closed, extract=[field])[0]["images"] for field in fields]
    np.testing.assert_array_equal(*pair)
    assert pair[0].shape == (3, 6, 7, image.shape[-1])
