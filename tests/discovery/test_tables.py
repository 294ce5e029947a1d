"""Tables of subjects: numbers, texts and missing values, or an error that names the table."""

import pytest

from mia_functional import dataset

from .files import listed, touch


def test_numbers_and_texts_come_from_a_table(tmp_path):
    touch(tmp_path, "a.mha", "b.mha")
    columns = {"numerical": {"AGE": "age", "GPA": "gpa"}, "gender": {"GENDER": "sex"}}
    for delimiter in ",;\t":
        text = "\ufeffid,age,gpa,sex\nb,31,3.5,M\nunused,1,1,F\na,1e1,-.5,F\n".replace(",", delimiter)
        (tmp_path / "table").write_text(text, encoding="utf-8")
        found = dataset.discover(
            tmp_path, {"images": {"T1": "{subject}.mha"}}, table=tmp_path / "table", columns=columns
        )
        assert [[entry.value for entry in subject.entries[1:]] for subject in found] == [
            [10.0, -0.5, "F"],
            [31.0, 3.5, "M"],
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,age\nb,3", "have a row for a; got none"),
        ("id,age\na,3\na,4", r"name every subject once in its first column; got \['a'\] in"),
        ("id,years\na,3", r"name columns of .* \(id, years\); got 'age'"),
        ("id,age\na,", "have a value of age for a"),
        ("id,age\na,n/a", "have a value of age for a"),
        ("id,age\na", "have a value of age for a"),
        ("id,age\n", "have a header and rows"),
        ("", "have a header and rows"),
    ],
)
def test_tables_that_do_not_tell_are_refused(tmp_path, text, message):
    touch(tmp_path, "a.mha")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        dataset.discover(
            tmp_path,
            {"images": {"T1": "{subject}.mha"}},
            table=tmp_path / "t.csv",
            columns={"numerical": {"AGE": "age"}},
        )


def cells(folder, text, columns, *, name="t.csv"):
    """Write a table; return the values that are found in it for the subjects that have a file, one row each."""
    (folder / name).write_text(text)
    found = dataset.discover(folder, {"images": {"T1": "{subject}.mha"}}, table=folder / name, columns=columns)
    return [[entry.value for entry in subject.entries[1:]] for subject in found]


def test_numbers_beside_text_stay_the_text_they_are(tmp_path):
    touch(tmp_path, "a.mha", "b.mha")
    columns = {"text": {"HOSPITAL": "hospital", "SEX": "sex"}, "numerical": {"AGE": "age"}}
    text = "id,hospital,sex,age\na,00123,F,31\nb, 1e3,M,n/a\n"
    with pytest.raises(ValueError, match=r"have a value of age for b"):
        cells(tmp_path, text, columns)
    assert cells(tmp_path, text.replace("n/a", "5"), columns) == [["00123", "F", 31.0], [" 1e3", "M", 5.0]]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,12\nb,3B\n", [["12"], ["3B"]]),
        ("a,12\nb,3\nunused,3B\n", [["12"], ["3"]]),
        ("a,12\nb,3\nunused,n/a\n", [[12.0], [3.0]]),
        ('a,F\nb,"1,5"\n', [["F"], ["1,5"]]),
        ("a,00123\nb,45678\n", [["00123"], ["45678"]]),
        ("a,0.5\nb,-0\n", [[0.5], [0.0]]),
        ("a,10\nb,.5e2\n", [[10.0], [50.0]]),
    ],
)
def test_the_values_of_a_category_are_of_one_kind_in_all_rows_of_the_table(tmp_path, rows, expected):
    touch(tmp_path, "a.mha", "b.mha")
    assert cells(tmp_path, f"id,grade\n{rows}", {"clinical": {"GRADE": "grade"}}) == expected


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("t.tsv", "id\tage (years, months, days)\na\t3\n", "age (years, months, days)"),
        ("t.TSV", "id\tage; weight; height\na\t3\n", "age; weight; height"),
        ("t.tsv", "id,age\na,3\n", "age"),
        ("t.csv", "\nid;age\na;3\n", "age"),
        ("t.csv", "\r\n  \r\nid;age\r\na;3\r\n", "age"),
        ("t.tsv", "\t\n\nid\tage\na\t3\n", "age"),
    ],
)
def test_commas_in_a_header_and_blank_lines_before_it_do_not_matter(tmp_path, name, text, column):
    touch(tmp_path, "a.mha")
    assert cells(tmp_path, text, {"numerical": {"AGE": column}}, name=name) == [[3.0]]


def test_columns_without_a_table_are_refused(tmp_path):
    patterns = {"images": {"T1": "{subject}.mha"}}
    touch(tmp_path, "a.mha")
    with pytest.raises(ValueError, match="discover: `table` must be given with `columns`; got none"):
        dataset.discover(tmp_path, patterns, columns={"numerical": {"AGE": "age"}})
    for none in (None, {}, {"numerical": {}}):
        assert len(dataset.discover(tmp_path, patterns, columns=none)) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfid,t1,age\nA,1.mha,8\n",
        b"id,t1,age\r\nA,1.mha,8\r\n",
        b"id;t1;age\nA;1.mha;8\n",
        b"id\tt1\tage\nA\t1.mha\t8\n",
        b'"id","t1","age"\n\n"A","1.mha","8"\n\n',
        b"id,t1,age,,\nA,1.mha,8,,\n,,,,\n",
        b"id,t1,age,note\nA,1.mha,8\n",
    ],
)
def test_every_table_of_this_kind_is_read(tmp_path, raw):
    touch(tmp_path, "1.mha")
    (tmp_path / "t.csv").write_bytes(raw)
    found = dataset.discover_table(
        tmp_path / "t.csv", paths={"images": {"T1": "t1"}}, columns={"numerical": {"AGE": "age"}}
    )
    assert listed(found, tmp_path) == {"A": [("images", "T1", "1.mha"), ("numerical", "AGE", 8.0)]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("id,age\nA,8\n".encode("utf-16"), "be a CSV or TSV file in UTF-8"),
        (b"id,age\nJ\xf6rg,8\n", "be a CSV or TSV file in UTF-8"),
        (b"id,age\nA," + b"x" * 200_000, "be a CSV or TSV file in UTF-8"),
        (b"", "have a header and rows"),
        (b"id,age\n", "have a header and rows"),
        (b"id,age\nA,8,5\n", "have 2 cells in a row, as in the header; got more for A"),
        (b"id;age\nA;8,5\n", r"write numbers with a point \(age of A\); got 8,5"),
        (b"id,age,age\nA,8,9\n", "name every column once; got id, age, age"),
        (b"id,age\nA,8\nA,9\n", "name every subject once"),
    ],
)
def test_other_tables_are_refused_by_name(tmp_path, raw, message):
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(ValueError, match=rf"^discover_table: `table` must {message}.*{tmp_path}/t\.csv"):
        dataset.discover_table(tmp_path / "t.csv", paths={"numerical": {}}, columns={"numerical": {"AGE": "age"}})
