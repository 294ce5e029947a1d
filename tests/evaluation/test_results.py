"""The table of results: immutable, hashable, joined and selected from."""

import dataclasses
import math

import pytest

from mia_functional.evaluation import Results, concatenate, select_rows

from ..reporting.results import TABLE, row


def test_records_are_immutable_hashable_and_tell_what_they_hold():
    assert repr(TABLE) == "Results(8 values: 2 subjects x 2 labels x 2 metrics, 1 undefined)"
    gaps = tuple(row(name, "x", "DICE", math.nan, status="failed" if name == "A" else "missing") for name in "ABC")
    assert repr(Results(rows=gaps)) == "Results(3 values: 3 subjects x 1 labels x 1 metrics, 1 failed, 2 missing)"
    assert hash(TABLE) == hash(concatenate([Results(rows=TABLE.rows[:4]), Results(rows=TABLE.rows[4:])]))
    with pytest.raises(AttributeError):
        TABLE.rows[0].value = 1.0
    words = r"^concatenate: .* every subject, label and metric once; got \('Subject_2', 'liver', 'DICE'\) twice\.$"
    with pytest.raises(ValueError, match=words):
        concatenate([TABLE, TABLE])
    with pytest.raises(ValueError, match="`label` must be one of liver, tumour; got 'kidney'"):
        select_rows(TABLE, label="kidney")


def test_rows_are_selected_by_any_name_of_their_metric():
    names = ("JACRD", "SURFDICE@2mm", "HDRFDST95")
    table = Results(rows=tuple(row("A", "liver", name, 0.5) for name in (*names, "MINE")))
    for alias, name in zip(("iou", "nsd@2.0mm", "hd95"), names, strict=True):
        assert [entry.metric for entry in select_rows(table, metric=alias)] == [name]
    assert [entry.metric for entry in select_rows(table, metric="MINE")] == ["MINE"]
    for unknown in ("mine", "nsd", "hd", 5):
        with pytest.raises(ValueError, match=r"^select_rows: `metric` must be one of JACRD, SURFDICE@2mm, .* got"):
            select_rows(table, metric=unknown)


def test_what_is_not_a_number_is_undefined_unless_it_failed_or_is_missing():
    statuses = {"ok": "undefined", "aligned": "undefined", "undefined": "undefined", "missing": "missing"}
    for status, expected in statuses.items():
        assert row("A", "x", "DICE", math.nan, status=status).status == expected
        assert row("A", "x", "HDRFDST", math.inf, status=status).status == status
    with pytest.raises(ValueError, match=r"^Result: `status` must be one of failed, missing, .*; got 'lost'\.$"):
        row("A", "x", "DICE", 1.0, status="lost")


def test_rows_are_selected_by_method_and_status():
    methods = [Results(rows=tuple(dataclasses.replace(entry, method=name) for entry in TABLE)) for name in ("a", "b")]
    both = concatenate(methods)
    assert select_rows(both, method="b") == methods[1]
    assert [entry.method for entry in select_rows(both, status="undefined")] == ["a", "b"]
    assert len(select_rows(both, status="missing")) == 0
    with pytest.raises(ValueError, match=r"^select_rows: `status` must be one of"):
        select_rows(both, status="lost")
    with pytest.raises(
        ValueError, match=r"^concatenate: .* once for a method; got \('a', 'Subject_2', 'liver', 'DICE'\)"
    ):
        concatenate([both, methods[0]])
