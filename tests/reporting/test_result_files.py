"""JSON, Parquet and Excel: what was written comes back to the digit; wrong files are one sentence."""

import json
import math
import subprocess
import sys
from datetime import datetime

import numpy as np
import pandas
import pytest

from mia_functional.analysis import summarize
from mia_functional.evaluation import Result, Results
from mia_functional.evaluation.run_record import CaseRecord, Run
from mia_functional.reporting import read_results, wide_table, write_excel, write_json, write_results, write_runs

from .results import TABLE, row
from .test_csv_files import WRITTEN

RUN = Run(
    versions=(("numpy", "2.4"),),
    options=(("labels", ((1, "liver"), ((1, 2), "all"))), ("spacing", None)),
    command="mia evaluate a b",
    cases=(
        CaseRecord(method="a", subject="A", prediction="A.mha", reference="A.mha", shape=(3, 4), spacing=(1.0, 2.0)),
    ),
)
NUMBERS = Results(rows=tuple(
    row(f"_x0041_{k}", "01", "DICE", value)
    for k, value in enumerate((1 / 3, 5e-324, -1.7976931348623157e308, 0.1 + 0.2, -0.0, 1.0, math.inf, -math.inf, 1e22))
))  # fmt: skip
FORMATS = [".csv", ".json", ".parquet", ".xlsx"]


@pytest.fixture(params=FORMATS)
def path(request, tmp_path):
    """A file name for each format, where the package that writes it is there."""
    package = {".parquet": "pyarrow", ".xlsx": "openpyxl"}.get(request.param)
    if package is not None:
        pytest.importorskip(package)
    return tmp_path / f"results{request.param}"


@pytest.mark.parametrize("table", [TABLE, WRITTEN, NUMBERS, Results(rows=())], ids=["all", "names", "numbers", "none"])
def test_all_fields_come_back_to_the_digit(path, table):
    write_results(path, table)
    assert list(map(repr, read_results(path).rows)) == list(map(repr, table.rows))
    with pytest.raises(FileExistsError, match="exists already"):
        write_results(path, table)


def test_how_results_came_about_comes_back(path):
    table = Results(rows=WRITTEN.rows, runs=(RUN,))
    write_runs(path, table)
    write_results(path, table)
    assert read_results(path).runs == (RUN,)


def test_numbers_of_numpy_are_numbers(path):
    write_results(
        path, Results(rows=(row("A", "x", "DICE", np.float64(1 / 3)), row("B", "x", "DICE", np.float32(0.5))))
    )
    assert [entry.value for entry in read_results(path)] == [1 / 3, 0.5]


def test_a_row_that_is_there_twice_is_refused(path):
    write_results(path, Results(rows=TABLE.rows[:1] * 2))
    row = TABLE.rows[0]
    words = f"{', '.join(filter(None, (row.method, row.subject, row.label, row.metric)))} twice in {path}."
    with pytest.raises(
        ValueError, match=r"^read_results: `path` must have every subject, label and metric of a"
    ) as told:
        read_results(path)
    assert str(told.value).endswith(words)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no archive", b"PAR1PAR1", b"{}", b"[1", b"\xff\xfe\0", b"A,B\n1,2\n"]
)
def test_wrong_files_are_one_sentence(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^read_results: `path` must name .*; got .*results") as caught:
        read_results(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "rows",
    [
        [{"subject": "A"}],
        [{"subject": "A", "label": "x", "metric": "DICE", "value": "much"}],
        [{"subject": "A", "label": "x", "metric": "DICE", "value": None}],
        [{"subject": 1, "label": "x", "metric": "DICE", "value": 1}],
        [{"subject": "A", "label": "x", "metric": "DICE", "value": 1, "status": "gone"}],
        {"subject": "A"},
    ],
)
def test_json_of_something_else_is_refused(tmp_path, rows):
    (tmp_path / "x.json").write_text(json.dumps({"rows": rows, "runs": []}))
    with pytest.raises(ValueError, match="must name results that `write_json` wrote"):
        read_results(tmp_path / "x.json")


def test_json_is_read_by_others(tmp_path):
    write_json(tmp_path / "x.json", Results(rows=WRITTEN.rows, runs=(RUN,)))
    data = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert data["rows"][1] == {
        "method": "", "subject": "A", "label": "liver", "metric": "HDRFDST95", "value": "inf", "unit": "mm",
        "convention": "surfels", "status": "ok", "reason": "r",
    }  # fmt: skip
    assert data["runs"][0]["cases"][0]["shape"] == [3, 4]


def test_parquet_tells_undefined_from_null(tmp_path):
    pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_results(tmp_path / "x.parquet", TABLE)
    column = parquet.read_table(tmp_path / "x.parquet")["VALUE"]
    assert (str(column.type), column.null_count) == ("double", 0)
    assert math.isnan(column[6].as_py())


def test_excel_has_numbers_words_and_no_formulas(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = (row("=1+1", "x", "DICE", -1.5), row("A", "x", "DICE", math.inf))
    write_results(tmp_path / "x.xlsx", Results(rows=rows))
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").active
    assert (sheet["B2"].value, sheet["B2"].data_type) == ("'=1+1", "s")
    assert (sheet["E2"].value, sheet["E2"].data_type) == (-1.5, "n")
    assert sheet["E3"].value == "inf"
    write_excel(tmp_path / "statistics.xlsx", summarize(TABLE))
    sheet = openpyxl.load_workbook(tmp_path / "statistics.xlsx").active
    assert [cell.value for cell in sheet[1]][:4] == ["LABEL", "METRIC", "STATISTIC", "VALUE"]
    for value, words in (("x" * 32768, "at most 32767 characters"), ("a\nb", "printable text")):
        with pytest.raises(ValueError, match=words):
            write_excel(tmp_path / "y.xlsx", Results(rows=(row("A", "x", "DICE", 1.0, reason=value),)))
    assert not (tmp_path / "y.xlsx").exists()


def test_a_workbook_that_a_person_typed_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in (["SUBJECT", "LABEL", "DICE"], [7, "liver", 1], [None, None, None], ["B", "liver", "inf"]):
        book.active.append(line)
    book.save(tmp_path / "x.xlsx")
    assert [(entry.subject, entry.value) for entry in read_results(tmp_path / "x.xlsx")] == [("7", 1), ("B", math.inf)]
    book.active["C2"] = datetime(2020, 1, 1)
    book.save(tmp_path / "x.xlsx")
    with pytest.raises(ValueError, match=r"must hold numbers; got '2020-01-01 00:00:00' in line 2 of"):
        read_results(tmp_path / "x.xlsx")


@pytest.mark.parametrize("name", ["x.json", "x.parquet"])
def test_layouts_belong_to_tables_of_lines(tmp_path, name):
    with pytest.raises(ValueError, match=r"^write_results: `path` must end in .csv or .xlsx for any layout"):
        write_results(tmp_path / name, TABLE, layout=wide_table)


def test_wide_tables_come_back_from_excel(tmp_path):
    pytest.importorskip("openpyxl")
    write_results(tmp_path / "x.xlsx", TABLE, layout=wide_table)
    assert [(r.value, r.status) for r in read_results(tmp_path / "x.xlsx")][-1] == (math.inf, "ok")


def test_the_extension_decides(tmp_path):
    for function in (read_results, lambda path: write_results(path, TABLE)):
        with pytest.raises(ValueError, match=r"`path` must end in .csv, .json, .parquet, .xlsx; got .*results.txt"):
            function(tmp_path / "results.txt")
    write_results(tmp_path / "RESULTS.CSV", TABLE)
    with pytest.raises(FileNotFoundError):
        read_results(tmp_path / "none.json")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "package"), [("x.parquet", "pyarrow"), ("x.xlsx", "openpyxl")])
def test_a_package_that_is_not_there_is_named(tmp_path, name, package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from mia_functional.reporting import write_results\nfrom mia_functional.evaluation import Results\n"
        f"try: write_results({str(tmp_path / name)!r}, Results())\nexcept ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert "pip install 'mia_functional[tables]'" in run.stdout


def test_results_alone_are_written(path):
    with pytest.raises(TypeError, match=r"^write_results: `results` must be"):
        write_results(path, [Result(subject="A", label="x", metric="DICE", value=1.0)])


@pytest.mark.parametrize("ending", [".parquet", ".xlsx"])
def test_a_file_that_pandas_wrote_keeps_what_is_missing(tmp_path, ending):
    """Of NaN it makes a null, or no cell."""
    pytest.importorskip({".parquet": "pyarrow", ".xlsx": "openpyxl"}[ending])
    rows = (row("A", "x", "DICE", 0.5), row("B", "x", "DICE", math.nan, status="missing", reason="no file"))
    write_results(tmp_path / "x.csv", Results(rows=rows))
    frame = pandas.read_csv(tmp_path / "x.csv")
    {".parquet": frame.to_parquet, ".xlsx": frame.to_excel}[ending](tmp_path / f"y{ending}", index=False)
    first, second = read_results(tmp_path / f"y{ending}")
    assert (first, second.status, second.reason) == (rows[0], "missing", "no file")
    assert math.isnan(second.value)
