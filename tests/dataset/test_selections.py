"""Some of the samples, those of several datasets, subjects drawn by weights: the same draws, loaders, volumes."""

import pickle
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mia_functional import assembly, dataset, indexing
from mia_functional.adapters import grain as grain_adapter
from mia_functional.adapters import torch as torch_adapter
from mia_functional.assembly import last, maximum
from mia_functional.dataset import RandomIndexing, concatenate, take, weighted

from .cases import PATCHES, brightened, same
from .conftest import PATTERNS, make_files

DRAWN = RandomIndexing(function=partial(indexing.random_patches, patch_shape=(3, 3, 3), count=4))


def drawn(cohort, **options):
    """Return twelve samples with random places and random brightness."""
    given = {"indexing": DRAWN, "extract": ["images"], "transform": brightened, "seed": 5, **options}
    return dataset.samples(cohort, **given)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A dataset of two other subjects."""
    folder = make_files(tmp_path_factory.mktemp("other"), ("D", "E"))
    dataset.create(folder / "other.h5", dataset.discover(folder, PATTERNS))
    return dataset.open(folder / "other.h5")


@given(bounds=st.tuples(*[st.none() | st.integers(-15, 15)] * 2), step=st.none() | st.integers(-3, 3).filter(bool))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_slice_is_the_slice_of_the_list(cohort, bounds, step):
    samples = drawn(cohort)
    wanted = range(12)[slice(*bounds, step)]
    some = samples[slice(*bounds, step)]
    assert len(some) == len(wanted)
    for epoch in (0, 3):
        assert all(same(some[epoch, k], samples[epoch, position]) for k, position in enumerate(wanted))


def test_a_selection_is_of_the_samples_in_every_epoch(cohort):
    samples = drawn(cohort)
    some = take(samples, [7, -1, 0])
    for epoch in range(3):
        of_epoch = dataset.at_epoch(some, epoch)
        for k, position in enumerate([7, 11, 0]):
            assert same(some[epoch, k], samples[epoch, position])
            assert same(of_epoch[k], samples[epoch, position])
    again = take(some[1:], np.array([1, 0], dtype=np.uint8))
    assert [str(again[0, k]["index"]) for k in (0, 1)] == [str(samples[0, k]["index"]) for k in (0, 11)]
    assert "SelectedSamples(2 of Samples(12 of images" in repr(again)
    restored = pickle.loads(pickle.dumps(some))
    assert same(dataset.collate(restored.__getitems__([(2, 1), (2, 2)])), dataset.collate([some[2, 1], some[2, 2]]))
    assert len(samples[5:5]) == 0
    assert list(samples[5:5]) == []


def test_what_comes_again_is_of_the_same_place_and_transformed_anew(cohort):
    samples = drawn(cohort)
    for twice in (take(samples, [3, 3, 3]), concatenate(samples[3:4], samples[2:4])[::2]):
        first, second = twice[0, 0], twice[0, 1]
        assert same(first, samples[0, 3])
        assert first["index"] == second["index"]
        difference = second["images"] - first["images"]
        assert np.ptp(difference) < 1e-5 < abs(difference).max()
        assert same(second, twice[0, 1])


def test_concatenated_samples_are_those_of_each(cohort, other):
    parts = (drawn(cohort), drawn(other, seed=9, subjects=["E"]), drawn(cohort)[:2])
    whole = concatenate(*parts)
    assert len(whole) == 12 + 4 + 2
    for epoch in (0, 2):
        found = [whole[epoch, k] for k in range(16)]
        expected = [part[epoch, k] for part in parts[:2] for k in range(len(part))]
        assert all(same(one, two) for one, two in zip(found, expected, strict=True))
    assert [str(whole[0, k]["index"]) for k in (16, 17)] == [str(parts[0][0, k]["index"]) for k in (0, 1)]
    # Nested selections are the same as those made at once.
    nested = concatenate(concatenate(parts[1], parts[0])[2:], parts[1])
    expected = [parts[1][1, 2], parts[1][1, 3], *(parts[0][1, k] for k in range(12))]
    assert all(same(nested[1, k], sample) for k, sample in enumerate(expected))


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_loaders_take_selections(cohort, other, workers):
    whole = concatenate(drawn(cohort)[::2], drawn(other))
    loader = torch_adapter.loader(whole, batch_size=5, shuffle=True, workers=workers)
    epochs = [list(loader) for _ in range(2)]
    for epoch, batches in enumerate(epochs):
        places = [(s, str(i)) for batch in batches for s, i in zip(batch["subject"], batch["index"], strict=True)]
        expected = [whole[epoch, k] for k in range(len(whole))]
        assert Counter(places) == Counter((sample["subject"], str(sample["index"])) for sample in expected)
        total = sum(float(batch["images"].sum()) for batch in batches)
        assert total == pytest.approx(sum(float(sample["images"].sum()) for sample in expected), rel=1e-4)
    elements = grain_adapter.pipeline(whole, batch_size=5).repeat(2)
    assert same(elements[3], dataset.collate([whole[1, k] for k in range(5, 10)]))
    threads = dataset.prefetch(whole, batch_size=5, workers=1 + workers)
    for epoch in range(2):
        for number, batch in enumerate(threads):
            rows = [whole[epoch, k] for k in range(5 * number, min(5 * number + 5, len(whole)))]
            assert same(batch, dataset.collate(rows))


@pytest.mark.parametrize("reduction", [last, maximum])
@pytest.mark.parametrize("cut", [partial(indexing.patches, patch_shape=(4, 4, 4), step=(3, 3, 3)), indexing.voxels])
def test_volumes_of_selections_are_assembled(cohort, other, reduction, cut):
    options = {"indexing": cut, "extract": ["images"]}
    rng = np.random.default_rng(0)
    one, two = dataset.samples(cohort, **options), dataset.samples(other, **options)
    picked = rng.integers(0, len(one) + len(two), 200)
    whole = take(concatenate(one, two), picked)
    predictions = [(sample, sample["images"] + np.float32(k % 7)) for k, sample in enumerate(whole)]
    # Those of one index are taken in the order of their predictions, hence they keep it.
    keys = [(sample["subject"], str(sample["index"])) for sample, _ in predictions]
    order = sorted(range(200), key=lambda k: keys[k][::-1])
    options = {"reduction": reduction, "fill_value": 0}
    volumes = dict(assembly.assemble_subjects(whole, [predictions[k] for k in order], **options))
    assert sorted(volumes) == ["A", "B", "C", "D", "E"]
    for name, volume in volumes.items():
        own = [(sample["index"], value) for sample, value in predictions if sample["subject"] == name]
        expected = assembly.assemble(
            [value for _, value in own], [index for index, _ in own], volume.shape[:3], **options
        )
        np.testing.assert_array_equal(volume, expected)
    with pytest.raises(ValueError, match=r"^assemble_subjects: `predictions` must hold every sample once; got none"):
        list(assembly.assemble_subjects(whole, predictions[1:], **options))


def test_subjects_of_two_datasets_with_one_name_are_not_mixed(cohort, tmp_path):
    make_files(tmp_path, ("A",))
    dataset.create(tmp_path / "a.h5", dataset.discover(tmp_path, PATTERNS))
    options = {"indexing": indexing.whole, "extract": ["images"]}
    both = concatenate(dataset.samples(cohort, **options), dataset.samples(dataset.open(tmp_path / "a.h5"), **options))
    with pytest.raises(ValueError, match=r"`samples` must have a name of its own for each subject .*; got 'A' twice"):
        list(assembly.assemble_subjects(both, ((sample, sample["images"]) for sample in both)))


def test_weights_decide_how_often_a_subject_comes(cohort):
    some = weighted(drawn(cohort), {"A": 3, "B": 1, "C": 0}, count=4000)
    assert len(some) == 4000
    own = [some.parts[0].numbers[position // 4] for position in some.positions.tolist()]
    counts = Counter(own)
    # Five standard deviations of a binomial distribution: 5 * sqrt(4000 * 3/4 * 1/4) = 137.
    assert counts.keys() == {0, 1}
    assert abs(counts[0] - 3000) < 137
    # All samples of a subject come before one comes again.
    for number, count in counts.items():
        often = Counter(position for position in some.positions.tolist() if position // 4 == number)
        assert len(often) == 4
        assert max(often.values()) - min(often.values()) <= 1
        assert sum(often.values()) == count
    few = weighted(drawn(cohort), {"A": 3, "B": 1, "C": 0})
    epochs = [dataset.at_epoch(few, epoch).positions.tolist() for epoch in range(3)]
    assert len({tuple(positions) for positions in epochs}) == 3
    assert epochs == [dataset.at_epoch(few, epoch).positions.tolist() for epoch in range(3)]
    assert same(few[1, 0], pickle.loads(pickle.dumps(few))[1, 0])
    assert "12, drawn by weights of Samples" in repr(few)
    of_taken = weighted(drawn(cohort)[3:6], {"A": 1, "B": 1e300})
    assert set(of_taken.positions.tolist()) <= {4, 5}


def varying(rng, shape):
    """Another number of patches in each epoch."""
    return indexing.random_patches(rng, shape, (3, 3, 3), count=int(rng.integers(1, 9)))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda s: take(s, [12]), IndexError, r"take: `positions?` must lie within -12 and 11; got 12"),
        (lambda s: take(s, [1.5]), TypeError, r"take: `positions?` must be a whole number; got 1.5"),
        (lambda s: take(s, "12"), TypeError, r"take: `positions` must be a sequence of whole numbers; got '12'"),
        (lambda s: take(s, 3), TypeError, r"take: `positions` must be a sequence of whole numbers; got 3"),
        (lambda _: take([1], [0]), TypeError, r"take: `samples` must be from `samples`; got \[1\]"),
        (lambda s: s[0.5:2], TypeError, r"samples: `position` must be a slice of whole numbers; got slice\(0\.5"),
        (lambda s: s[::0], TypeError, r"samples: `position` must be a slice of whole numbers; got slice\("),
        (lambda s: concatenate(s, 3), TypeError, r"concatenate: `samples` must be from `samples`; got 3"),
        (lambda s: concatenate(s, dataset.at_epoch(s, 1)), ValueError, r"concatenate: `samples` must be at one epoch"),
        (lambda s: weighted(s, {"A": 1}), ValueError, r"weighted: `weights` must have a number for every subject; got"),
        (
            lambda s: weighted(s, {"A": 1, "B": 1, "C": 1, "D": 1}),
            ValueError,
            r"weighted: `weights` must name subjects of the samples; got 'D'",
        ),
        (lambda s: weighted(s, {"A": 1, "B": -1, "C": 1}), ValueError, r"weighted: .* finite and at least 0; got -1"),
        (lambda s: weighted(s, dict.fromkeys("ABC", 0)), ValueError, r"weighted: `weights` must have a number above 0"),
        (lambda s: weighted(s, dict.fromkeys("ABC", "x")), TypeError, r"weighted: `weights` must be a number"),
        (lambda s: weighted(s, [1]), TypeError, r"weighted: `weights` must be a mapping from subjects to numbers"),
        (lambda s: weighted(s, dict.fromkeys("ABC", 1), count=0), ValueError, r"weighted: `count` must be at least 1"),
        (lambda s: weighted(s, dict.fromkeys("ABC", 1))[:2], ValueError, r"samples: `samples` must be picked before"),
    ],
)  # fmt: skip
def test_wrong_selections_are_refused_in_one_sentence(cohort, call, kind, words):
    with pytest.raises(kind, match=f"^{words}"):
        call(drawn(cohort))


def test_samples_with_other_names_or_another_number_are_refused(cohort):
    with pytest.raises(ValueError, match=r"^concatenate: `samples` must hold the same names; got images and labels\."):
        concatenate(drawn(cohort), dataset.samples(cohort, indexing=PATCHES, extract=["labels"]))
    samples = drawn(cohort, indexing=RandomIndexing(function=varying))
    some, counts = samples[:1], [len(dataset.at_epoch(samples, epoch)) for epoch in range(20)]
    other = next(epoch for epoch in range(20) if counts[epoch] != counts[0])
    with pytest.raises(ValueError, match=r"^at_epoch: `samples` must have as many in every epoch to be picked from"):
        some[other, 0]
