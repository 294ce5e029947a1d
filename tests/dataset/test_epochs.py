"""Epochs: every loop draws anew, reproducibly, and can be gone on with; who draws the same twice is warned."""

import pickle
import threading
import warnings
from functools import partial

import numpy as np
import pytest

from mia_functional import dataset, indexing, selection, transforms
from mia_functional.dataset import RandomIndexing
from mia_functional.dataset.epochs import batch_positions

from .cases import PATCHES, brightened, same

DRAWN = RandomIndexing(function=partial(indexing.random_patches, patch_shape=(3, 3, 3), count=4))


def drawn(cohort, **options):
    """Return twelve samples with random places and random brightness."""
    return dataset.samples(cohort, indexing=DRAWN, extract=["images"], transform=brightened, seed=5, **options)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_prefetching_changes_nothing(cohort, threads):
    samples = dataset.samples(cohort, indexing=PATCHES, extract=["images"], transform=brightened, seed=1)
    expected = [
        dataset.collate([samples[0, p] for p in range(s, min(s + 5, len(samples)))]) for s in range(0, len(samples), 5)
    ]
    found = list(dataset.prefetch(samples, batch_size=5, workers=threads))
    assert len(found) == len(expected)
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))
    shuffled = [
        list(dataset.prefetch(samples, batch_size=5, workers=threads, rng=np.random.default_rng(7))) for _ in "12"
    ]
    assert all(same(a, b) for a, b in zip(*shuffled, strict=True))
    places = [(s, str(i)) for batch in shuffled[0] for s, i in zip(batch["subject"], batch["index"], strict=True)]
    assert len(set(places)) == len(samples)
    assert places != [(sample["subject"], str(sample["index"])) for sample in samples]
    assert len(list(dataset.prefetch(samples, batch_size=50, drop_last=True))) == len(samples) // 50


def test_prefetching_ends_with_the_loop_and_passes_errors_on(cohort):
    before = threading.active_count()
    batches = iter(dataset.prefetch(dataset.samples(cohort, indexing=PATCHES, extract=["images"]), batch_size=2))
    next(batches)
    batches.close()
    assert threading.active_count() == before

    def failing(_):
        raise RuntimeError("no good")

    bad = dataset.samples(cohort, indexing=PATCHES, extract=["images"], transform=failing)
    with pytest.raises(RuntimeError, match="no good"):
        list(dataset.prefetch(bad, batch_size=2))


def test_every_loop_is_the_next_epoch(cohort):
    samples = drawn(cohort)
    batches = dataset.prefetch(samples, batch_size=5)
    assert len(batches) == 3
    epochs = [[sample for batch in batches for sample in dataset.batching.rows_of_batch(batch)[0]] for _ in range(3)]
    for epoch, found in enumerate(epochs):
        assert all(same(one, samples[epoch, k]) for k, one in enumerate(found))
        assert all(same(one, other) for one, other in zip(found, dataset.at_epoch(samples, epoch), strict=True))
    places = [tuple(str(sample["index"]) for sample in found) for found in epochs]
    assert len(set(places)) == 3
    later = dataset.prefetch(dataset.at_epoch(samples, 1), batch_size=12)
    assert [str(index) for index in next(iter(later))["index"]] == list(places[1])


def test_an_interrupted_run_goes_on_to_the_bit(cohort):
    def begin(**options):
        return dataset.prefetch(drawn(cohort), batch_size=5, rng=np.random.default_rng(3), **options)

    batches = begin()
    whole = [batch for _ in range(3) for batch in batches]
    for done in range(9):
        rest = begin(epoch=done // 3, start=done % 3)
        assert len(rest) == 3 - done % 3
        again = [batch for _ in range(3 - done // 3) for batch in rest]
        assert all(same(one, other) for one, other in zip(again, whole[done:], strict=True))
    assert not list(begin(start=3))
    with pytest.raises(ValueError, match=r"^prefetch: `start` must be at most the 3 batches of an epoch; got 4\."):
        begin(start=4)
    with pytest.raises(ValueError, match=r"^prefetch: `epoch` must be at least 0; got -1\."):
        begin(epoch=-1)


def test_a_loop_tells_where_it_is_and_another_goes_on(cohort):
    positions = batch_positions("loader", drawn(cohort), batch_size=5)
    list(positions)
    loop = iter(positions)
    assert next(loop) == [(1, k) for k in range(5)]
    other = batch_positions("loader", drawn(cohort), batch_size=5)
    resumed = iter(other)
    resumed.load_state_dict(pickle.loads(pickle.dumps(loop.state_dict())))
    assert list(resumed) == list(loop) == [[(1, k) for k in range(5, 10)], [(1, 10), (1, 11)]]
    assert next(iter(other))[0] == (2, 0)


def test_the_number_of_samples_may_change_between_epochs(cohort):
    def some(rng, shape):
        return indexing.random_patches(rng, shape, (3, 3, 3), count=int(rng.integers(1, 9)))

    samples = dataset.samples(cohort, indexing=RandomIndexing(function=some), extract=["images"])
    batches = dataset.prefetch(samples, batch_size=1)
    counts = [(len(batches), sum(1 for _ in batches)) for _ in range(5)]
    assert all(told == found for told, found in counts)
    assert len(set(counts)) > 1
    assert [told for told, _ in counts] == [len(dataset.at_epoch(samples, epoch)) for epoch in range(5)]
    with pytest.raises(IndexError):
        samples[1, len(dataset.at_epoch(samples, 1))]


def test_drawing_the_same_twice_without_an_epoch_is_warned_of_once(cohort):
    words = r"^samples: position 1 was drawn a second time in epoch 0, with the same random numbers\. Loop over"
    for samples in (drawn(cohort), dataset.samples(cohort, indexing=DRAWN, extract=["images"])):
        first = [samples[k] for k in range(3)]
        samples[0, 1]
        with pytest.warns(UserWarning, match=words) as caught:
            assert same(samples[1 - len(samples)], first[1])
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            samples[1], samples[2]
    samples = drawn(cohort)[:2]
    list(samples)
    with pytest.warns(UserWarning, match="position 0 was drawn") as caught:
        for _ in samples:
            pass
    assert caught[0].filename == __file__
    fixed = dataset.samples(cohort, indexing=PATCHES, extract=["images"], transform=lambda sample: sample)
    assert same(fixed[0], fixed[0])  # nothing is drawn
    for position in ((0,), (0, 1, 2)):
        with pytest.raises(TypeError, match=r"^samples: `position` must be a number, or an epoch and a number"):
            fixed[position]
    for epoch in ([0], "0", 0.0, None):
        with pytest.raises(TypeError, match=r"^samples: `epoch` must be a whole number; got "):
            fixed[epoch, 0]
    with pytest.raises(ValueError, match=r"^samples: `epoch` must be at least 0; got -1"):
        fixed[-1, 0]


def test_selected_draws_have_one_epoch(cohort):
    samples = drawn(cohort, select=selection.of_subjects(["A"]))
    batches = dataset.prefetch(samples, batch_size=4)
    assert len(list(batches)) == 1
    with pytest.raises(ValueError, match=r"^at_epoch: `samples` must be without `select` where indices are drawn"):
        list(batches)


def test_partners_are_drawn_anew_in_every_epoch(cohort):
    others = dataset.samples(cohort, indexing=DRAWN, extract=["images"], seed=9)
    blend = transforms.mix("images", transforms.random_mixup, lambda _, other, __: other)

    def blended(sample):
        partner = int(sample["rng"].integers(len(others)))
        return {**blend(sample, others[sample["epoch"], partner]), "partner": partner}

    samples = dataset.samples(cohort, indexing=DRAWN, extract=["images"], transform=blended, seed=5)
    batches = dataset.prefetch(samples, batch_size=12)
    seen = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epoch in range(3):
            (batch,) = batches
            expected = [others[epoch, partner]["images"] for partner in batch["partner"]]
            np.testing.assert_array_equal(batch["images"], np.stack(expected))
            assert set(samples[epoch, 0]) == {"subject", "index", "images", "partner"}
            seen.add(batch["images"].tobytes())
    assert len(seen) == 3
    assert dataset.at_epoch(samples, 2)[3]["partner"] == samples[2, 3]["partner"]
