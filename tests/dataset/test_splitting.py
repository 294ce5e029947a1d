"""Splits: no leak, whole groups, shares within one group of what is asked, the same for one seed; files of them."""

import json
import math
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedKFold

from mia_functional import dataset
from mia_functional.dataset import others, read_split, split, split_digest, write_split
from mia_functional.dataset.records import Dataset

from .cases import someone

PARTS = {"training": 0.6, "validation": 0.15, "test": 0.25}


def people(count):
    """A dataset of which nothing but the subjects is known."""
    return Dataset(path="", subjects=tuple(f"S{k}" for k in range(count)), categories=(), grids=(), digest="")


def by_name(cohort, values):
    """Values by subject."""
    return dict(zip(cohort.subjects, values, strict=True))


def rng(seed=0):
    """A generator."""
    return np.random.default_rng(seed)


@given(
    groups=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    weights=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    classes=st.integers(1, 4),
    seed=st.integers(0, 9),
)
@settings(max_examples=150)
def test_laws(groups, weights, classes, seed):
    cohort = people(len(groups))
    shares = {f"part{k}": weight / sum(weights) for k, weight in enumerate(weights)}
    options = {
        "fractions": shares, "groups": by_name(cohort, groups),
        "stratify": by_name(cohort, rng(seed).integers(0, classes, len(groups)).tolist()),
    }  # fmt: skip
    try:
        parts = split(cohort, rng=rng(seed), **options)
    except ValueError as error:
        # Some part may be smaller than the smallest group.
        assert "must leave at least one group of subjects for every part" in str(error)  # noqa: PT017
        assert min(shares.values()) * len(groups) < max(Counter(groups).values()) or len(set(groups)) < len(shares)
        return
    assert parts == split(cohort, rng=rng(seed), **options)
    assert hash(parts) == hash(split(cohort, rng=rng(seed), **options))
    everyone = [name for part in parts for name in parts[part]]
    assert sorted(everyone) == sorted(cohort.subjects)
    owner = {name: part for part in parts for name in parts[part]}
    for group in set(groups):
        assert len({owner[name] for name, own in options["groups"].items() if own == group}) == 1
    largest = max(Counter(groups).values())
    for name, share in shares.items():
        assert abs(len(parts[name]) - share * len(groups)) <= largest + 1e-6


@given(labels=st.lists(st.integers(0, 3), min_size=12, max_size=80), folds=st.integers(2, 5), seed=st.integers(0, 5))
@settings(max_examples=150)
def test_folds_are_as_even_as_those_of_scikit_learn(labels, folds, seed):
    labels = [label if labels.count(label) >= folds else 0 for label in labels]
    if min(Counter(labels).values()) < folds:
        return
    cohort = people(len(labels))
    parts = split(cohort, rng=rng(seed), folds=folds, stratify=by_name(cohort, labels))
    of_subject = by_name(cohort, labels)
    ours = [Counter(of_subject[name] for name in parts[part]) for part in parts]
    peer = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    theirs = [Counter(labels[k] for k in test) for _, test in peer]
    for label in set(labels):
        spread = [max(c[label] for c in each) - min(c[label] for c in each) for each in (ours, theirs)]
        assert spread[0] <= max(spread[1], 1), (ours, theirs)
    sizes = [len(parts[part]) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_groups_are_as_even_as_those_of_scikit_learn():
    groups = np.repeat(np.arange(20), rng(3).integers(1, 12, 20)).tolist()
    cohort = people(len(groups))
    parts = split(cohort, rng=rng(), folds=4, groups=by_name(cohort, groups))
    theirs = [len(test) for _, test in GroupKFold(4).split(groups, groups=groups)]
    ours = [len(parts[part]) for part in parts]
    assert max(ours) - min(ours) <= max(theirs) - min(theirs) + 1
    assert set(others(parts, "fold2")) == set(cohort.subjects) - set(parts["fold2"])


def test_a_split_by_hand():
    # Sites of 5, 3 and 2 for shares of a half each: 5 and 3 + 2 alone keep them.
    cohort = people(10)
    sites = by_name(cohort, "aaaaabbbcc")
    for seed in range(5):
        parts = split(cohort, rng=rng(seed), fractions={"one": 0.5, "two": 0.5}, groups=sites)
        assert {parts["one"], parts["two"]} == {cohort.subjects[:5], cohort.subjects[5:]}
    # Of 6 women and 4 men, half of each.
    sexes = by_name(cohort, "FFFFFFMMMM")
    seen = set()
    for seed in range(5):
        parts = split(cohort, rng=rng(seed), fractions={"one": 0.5, "two": 0.5}, stratify=sexes)
        assert [Counter(sexes[name] for name in parts[part]) for part in parts] == [{"F": 3, "M": 2}] * 2
        seen.add(parts)
    assert len(seen) == 5


def test_stratification_of_groups():
    # 12 sites of 5, in a third of which all are patients: each part gets its third.
    site = [k // 5 for k in range(60)]
    cohort = people(60)
    patients = by_name(cohort, ["patient" if s < 4 else "control" for s in site])
    parts = split(cohort, rng=rng(), folds=4, groups=by_name(cohort, site), stratify=patients)
    assert [Counter(patients[name] for name in parts[part]) for part in parts] == [{"patient": 5, "control": 10}] * 4


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Twelve subjects with a site, a sex and a score that some lack."""
    subjects = []
    for k in range(12):
        one = someone(f"S{k:02}", AGE=20.0 + k // 6, SCORE=math.nan if k % 3 else 1.0)
        texts = (
            dataset.Entry(category="site", name="SITE", value=f"site{k // 4}"),
            dataset.Entry(category="person", name="SEX", value="FM"[k % 2]),
            dataset.Entry(category="person", name="HAND", value="R"),
        )
        subjects.append(dataset.Subject(name=one.name, entries=(*one.entries, *texts)))
    path = tmp_path_factory.mktemp("split") / "cohort.h5"
    dataset.create(path, subjects)
    return dataset.open(path)


@pytest.mark.parametrize("groups", ["site", "SITE", "site/SITE"])
def test_columns_come_from_the_dataset(cohort, groups):
    parts = split(cohort, rng=rng(), folds=3, groups=groups, stratify="person/SEX")
    assert {parts[name] for name in parts} == {cohort.subjects[k : k + 4] for k in (0, 4, 8)}
    halves = split(cohort, rng=rng(), folds=2, stratify=("AGE", "SEX"))
    for name in halves:
        rows = [(dataset.read(cohort, s, "numerical", entries="AGE"), dataset.read(cohort, s, "person")[0])
                for s in halves[name]]  # fmt: skip
        assert sorted(Counter((float(age), sex) for age, sex in rows).values()) in ([1, 1, 2, 2], [1, 2, 1, 2])
    # Missing numbers are one class.
    scores = split(cohort, rng=rng(), folds=2, stratify="SCORE")
    for name in scores:
        values = [float(dataset.read(cohort, s, "numerical", entries="SCORE")) for s in scores[name]]
        assert sum(map(math.isnan, values)) == 4
    options = {"indexing": lambda _: [()], "extract": ["numerical"]}
    of_part = dataset.samples(cohort, subjects=parts["fold1"], **options)
    assert [sample["subject"] for sample in of_part] == list(parts["fold1"])


def test_files_hold_what_was_split(tmp_path):
    parts = split(people(20), rng=rng(4), fractions=PARTS)
    write_split(tmp_path / "split.json", parts)
    assert read_split(tmp_path / "split.json") == parts
    assert pickle.loads(pickle.dumps(parts)) == parts
    data = json.loads((tmp_path / "split.json").read_text())
    assert data["sha256"] == split_digest(parts) == split_digest(read_split(tmp_path / "split.json"))
    assert data["parts"][1] == {"name": "validation", "share": 0.15, "subjects": list(parts["validation"])}
    with pytest.raises(FileExistsError):
        write_split(tmp_path / "split.json", parts)
    assert split_digest(split(people(20), rng=rng(5), fractions=PARTS)) != split_digest(parts)
    with pytest.raises(FileNotFoundError, match=r"^read_split: .* does not exist\."):
        read_split(tmp_path / "none.json")
    data["parts"][0]["subjects"].append(data["parts"][1]["subjects"][0])
    for text, words in (
        (json.dumps(data), r"must lead to a split as it was written; got .*: its digest is of another one"),
        ("[1", r"must lead to a split; got .*: it cannot be read"),
        ('{"parts": 3}', r"must lead to a split; got .*: it cannot be read"),
        ("[" * 100_000, r"must lead to a split; got .*: it cannot be read"),
    ):
        (tmp_path / "split.json").write_text(text)
        with pytest.raises(ValueError, match=f"^read_split: `path` {words}"):
            read_split(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, ValueError, "`fractions` must be given, or `folds`, and not both; got neither"),
        ({"folds": 2, "fractions": PARTS}, ValueError, "`fractions` must be given, .* got both"),
        ({"folds": 1}, ValueError, "`folds` must be at least 2; got 1"),
        ({"folds": 13}, ValueError, "`folds` must leave at least one group of subjects for every part; got none for"),
        ({"folds": 4, "groups": "site"}, ValueError, "`folds` must leave at least one group .* 'fold.' of 3 groups"),
        ({"fractions": {"a": 0.5}}, ValueError, r"`fractions` must add up to 1; got \{'a': 0\.5\}"),
        ({"fractions": {"a": 1.5, "b": -0.5}}, ValueError, "`fractions` must be positive and finite; got -0.5"),
        ({"fractions": (0.5, 0.5)}, TypeError, "`fractions` must be a mapping from names of parts to shares"),
        (
            {"folds": 2, "groups": "SIZE"},
            ValueError,
            "`groups` must name one entry of .*/SEX, .*'SIZE'",
        ),
        (
            {"folds": 2, "stratify": "person"},
            ValueError,
            r"`stratify` must name one entry .*; got 'person', which names none\.",
        ),
        (
            {"folds": 2, "groups": "SCORE"},
            ValueError,
            "`groups` must have a value .* none for 'S01'",
        ),
        ({"folds": 2, "groups": {"S00": 1}}, ValueError, "`groups` must have a value for every subject; got none for"),
        ({"folds": 2, "groups": 3}, TypeError, "`groups` must be a category or an entry"),
        ({"folds": 2, "rng": 3}, TypeError, "`rng` must be a numpy.random.Generator; got 3"),
    ],
)
def test_wrong_splits_are_refused_in_one_sentence(cohort, options, kind, words):
    with pytest.raises(kind, match=f"^split: {words}"):
        split(cohort, **{"rng": rng(), **options})


def test_unknown_parts_are_refused(cohort):
    parts = split(cohort, rng=rng(), folds=2)
    with pytest.raises(ValueError, match=r"^split: `name` must be one of fold1, fold2; got 'test'\."):
        parts["test"]
    with pytest.raises(ValueError, match=r"^others: `name` must be one of fold1, fold2; got 'test'\."):
        others(parts, "test")
