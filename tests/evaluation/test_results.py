"""The table of results: immutable, hashable, joined and selected from."""

import pytest

from mia_functional.evaluation import Failure, Results, concatenate, select_rows

from ..reporting.results import TABLE, row


def test_records_are_immutable_hashable_and_tell_what_they_hold():
    assert repr(TABLE) == "Results(8 values: 2 subjects x 2 labels x 2 metrics)"
    assert repr(Results(failures=(Failure(subject="A", message="no"),))).endswith("1 failed)")
    assert hash(TABLE) == hash(concatenate([Results(rows=TABLE.rows[:4]), Results(rows=TABLE.rows[4:])]))
    with pytest.raises(AttributeError):
        TABLE.rows[0].value = 1.0
    with pytest.raises(ValueError, match="twice"):
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
