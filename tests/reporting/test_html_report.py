"""The page: every count and reason is on it, names cannot break it, it needs nothing else, and it is accessible."""

import base64
import html.parser
import itertools
import json
import math
import re
import shutil
import subprocess
from importlib import resources

import numpy as np
import pytest

from mia_functional import images
from mia_functional.analysis import compare, interval, rank, summarize
from mia_functional.evaluation import Results, evaluate_folders, select_rows
from mia_functional.geometry import Geometry
from mia_functional.reporting import write_html
from mia_functional.reporting.case_pictures import case_pictures
from mia_functional.reporting.conclusions import conclude
from mia_functional.reporting.markup import data_table, element, page

from .results import row
from .test_result_files import RUN

HOSTILE = "<script>alert(1)</script>\"'&$x_{ \u202e_"


def values_of(method, subject):
    """Return a value of Dice that differs from case to case."""
    return round(0.5 + 0.4 * math.sin(hash_of(method + subject)), 6)


def hash_of(text):
    """Return a number that is the same in every process."""
    return sum(ord(character) * (place + 3) for place, character in enumerate(text))


TABLE = Results(
    rows=tuple(
        row(f"S{k}", label, metric, values_of(method, f"{k}{label}") * scale, unit=unit, method=method)
        for method in ("net", HOSTILE, "_third")
        for k in range(6)
        for label in ("liver", "<b>tumour</b>")
        for metric, unit, scale in (("DICE", "", 1.0), ("HDRFDST95", "mm", 20.0), ("PREDVOL", "mm3", 1e6))
    )
    + tuple(
        row("S6", label, metric, math.nan, method=method, status=status, reason=reason)
        for method, status, reason in (("net", "failed", "</td>no & image"), ("_third", "missing", "no prediction"))
        for label in ("liver", "<b>tumour</b>")
        for metric in ("DICE", "HDRFDST95", "PREDVOL")
    )
    + (
        row("S7", "liver", "DICE", math.nan, method="net", reason="both empty"),
        row("S7", "liver", "HDRFDST95", math.inf, method="net", unit="mm", reason="one empty"),
    ),
    runs=(RUN,),
)  # fmt: skip


class Page(html.parser.HTMLParser):
    """What a page holds: open elements, headings, tables as lists of rows, pictures."""

    VOID = ("meta", "img")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.headings, self.tables, self.attributes, self.texts = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append({"caption": "", "rows": []})
        elif tag == "tr":
            self.tables[-1]["rows"].append([])
        elif tag in ("td", "th"):
            self.tables[-1]["rows"][-1].append("")
        elif re.fullmatch("h[1-6]", tag):
            self.headings.append([tag, ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1]["rows"][-1][-1] += data
        elif "caption" in self.open:
            self.tables[-1]["caption"] += data
        elif self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings[-1][1] += data

    def table(self, caption):
        """Return the rows of a table as dictionaries."""
        header, *rows = next(table["rows"] for table in self.tables if table["caption"].startswith(caption))
        return [dict(zip(header, line, strict=True)) for line in rows]


def test_the_page_says_what_better_means_and_what_is_not_paired(tmp_path):
    rows = [row(f"S{k}", "x", "DICE", 0.5 + k / 10, method=name) for k, name in enumerate("aaab")]
    rows += [row(f"S{k}", "y", "DICE", 0.5 + k / 10, method=name) for k in range(2) for name in "ab"]
    rows += [row("S9", "y", "DICE", value, method=name) for name, value in (("a", 0.1), ("b", 0.4))]
    write_html(tmp_path / "x.html", Results(rows=tuple(rows)))
    page = Page((tmp_path / "x.html").read_text(encoding="utf-8"))
    lines = page.table("DICE: methods compared")
    assert [(line["LABEL"], line["BETTER"], line["N"]) for line in lines] == [("x", "neither", "4"), ("y", "b", "3")]
    texts = [text for text in page.texts if text.strip()]
    explained = next(k for k, text in enumerate(texts) if text.startswith("BETTER names the method whose mean over"))
    assert "Whether it is better by more than chance, the interval and the p-values say." in texts[explained]
    assert explained > texts.index("DICE: methods compared on the same cases")
    assert "nothing is paired: no case has both methods (1 of 2 comparisons)" in texts


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page of the table above, and what it says as records."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    found = write_html(path, TABLE, title=f"Report {HOSTILE}", baseline="net")
    return path, Page(path.read_text(encoding="utf-8")), found


def test_every_element_is_closed_and_headings_are_in_order(written):
    path, page, _ = written
    assert page.open == []
    assert path.read_text(encoding="utf-8").startswith('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">')
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.attributes if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = [a["href"][1:] for tag, a in page.attributes if tag == "a"]
    assert targets == ids


def test_names_are_text_and_nothing_else(written):
    path, page, _ = written
    text = path.read_text(encoding="utf-8")
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;$x_{ \ufffd_" in text
    assert "\u202e" not in text
    assert any("</td>no & image" in cell for table in page.tables for line in table["rows"] for cell in line)


def test_nothing_comes_from_elsewhere(written):
    _, page, _ = written
    addresses = [a[name] for _, a in page.attributes for name in ("src", "href") if name in a]
    assert all(address.startswith(("data:image/", "#")) for address in addresses)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert not any(name.startswith("on") for _, attributes in page.attributes for name in attributes)


def test_what_speaks_against_comparisons_and_intervals_is_said(written):
    path, _, found = written
    text = path.read_text(encoding="utf-8")
    for what, entries in (("intervals", found.intervals), ("comparisons", found.comparisons)):
        few = sum(entry.note.startswith("fewer than 50 values") for entry in entries)
        assert few > 0
        assert f"Notes on the {what}" in text
        sentence = "fewer than 50 values: the interval may hold the true value less often than it says"
        assert f"{sentence} ({few} of {len(entries)} {what})" in text


def test_pictures_are_described_and_complete(written):
    _, page, _ = written
    pictures = [attributes for tag, attributes in page.attributes if tag == "img"]
    # One ranking for each of two metrics and labels, and one distribution for each metric.
    assert len(pictures) == 4 + 3
    assert all(len(attributes["alt"]) > 20 for attributes in pictures)
    for attributes in pictures:
        data = base64.b64decode(attributes["src"].partition(",")[2])
        assert data.startswith(b"<?xml")
        assert data.rstrip().endswith(b"</svg>")


def test_every_table_has_the_numbers_of_the_functions(written):
    _, page, found = written
    with_direction = Results(rows=tuple(entry for entry in TABLE if entry.metric != "PREDVOL"))
    for records, expected in (
        (found.statistics, summarize(TABLE)),
        (found.comparisons, compare(with_direction, baseline="net")),
        (found.rankings, rank(with_direction)),
    ):
        assert list(map(repr, records)) == list(map(repr, expected))
    assert found.not_compared == ("PREDVOL",)
    first = page.table("DICE")[0]
    values = [*(entry.value for entry in select_rows(TABLE, method="net", label="liver", metric="DICE").rows[:6]), 0.0]
    ends = interval(values)
    assert (first["LABEL"], first["METHOD"], first["MEAN"]) == ("liver", "net", f"{np.mean(values):.3f}")
    assert first["INTERVAL 95%"] == f"[{ends.low:.3f}, {ends.high:.3f}]"
    assert found.intervals[0] == ends
    line = page.table("DICE: methods compared")[0]
    (entry, *_) = found.comparisons
    assert (line["METHOD"], line["AGAINST"], line["BETTER"]) == (
        HOSTILE.replace("\u202e", "\ufffd"),
        "net",
        entry.better,
    )
    assert line["DIFFERENCE"] == f"{entry.difference:.3f}".replace("-", "\u2212")
    assert line["N"] == str(entry.n)


def test_every_failed_case_is_counted_in_every_table(written):
    _, page, _ = written
    cases = {line["METHOD"]: line for line in page.table("Cases of each method")}
    assert [cases["net"][name] for name in ("CASES", "OK", "UNDEFINED", "MISSING", "FAILED")] == [
        "8",
        "6",
        "1",
        "0",
        "1",
    ]
    assert [cases["_third"][name] for name in ("CASES", "OK", "MISSING", "FAILED")] == ["7", "6", "1", "0"]
    for caption in ("DICE", "HDRFDST95 in mm", "PREDVOL", "DICE: ranking"):
        for line in page.table(caption):
            lacking = {"net": ("0", "1"), "_third": ("1", "0")}.get(line["METHOD"], ("0", "0"))
            if caption != "DICE: ranking":
                assert (line["MISSING"], line["FAILED"]) == lacking
            assert line["FAILED"] == lacking[1]
    assert page.table("DICE")[0]["UNDEFINED"] == "1"
    assert page.table("HDRFDST95 in mm")[0]["INFINITE"] == "1"
    gaps = page.table("Cases without an ordinary number")
    assert [(line["METHOD"], line["CASE"], line["STATUS"], line["VALUES"], line["REASON"]) for line in gaps] == [
        ("net", "S6", "failed", "6", "</td>no & image"),
        ("_third", "S6", "missing", "6", "no prediction"),
        ("net", "S7", "undefined", "1", "both empty"),
        ("net", "S7", "infinite", "1", "one empty"),
    ]
    assert [line["LABELS AND METRICS"] for line in gaps][::2] == ["all", "liver DICE"]


def test_how_it_was_evaluated_is_told(written):
    _, page, _ = written
    lines = {line["NAME"]: line["VALUE"] for line in page.table("Command, versions and options")}
    assert lines["command"] == "mia evaluate a b"
    assert lines["numpy"] == "2.4"
    assert lines["labels"] == "1 = liver, 1+2 = all"
    assert "Policy mia" in "".join(page.texts)
    assert "Pictures of the worst cases are drawn if the folders" in "".join(page.texts)


def test_without_a_record_or_a_second_method_the_page_says_so(tmp_path):
    one = Results(rows=select_rows(TABLE, method="net", metric="DICE").rows)
    write_html(tmp_path / "x.html", one)
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "No record of a run lies beside the table" in text
    assert text.count("There is only one method") == 2
    with pytest.raises(FileExistsError, match="exists already"):
        write_html(tmp_path / "x.html", one)
    volumes = Results(rows=tuple(entry for entry in TABLE if entry.metric == "PREDVOL"))
    write_html(tmp_path / "volumes.html", volumes)
    assert "neither high nor low is better: PREDVOL" in (tmp_path / "volumes.html").read_text(encoding="utf-8")


def test_the_same_results_give_the_same_page(tmp_path):
    some = select_rows(TABLE, metric="DICE", label="liver")
    for name in ("a.html", "b.html"):
        write_html(tmp_path / name, some)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


@pytest.fixture
def folders(tmp_path):
    """Two methods and references: one prediction that is shifted, one that is broken, one that is missing."""
    grid = Geometry(shape=(8, 9, 10), spacing=(2.0, 1.0, 1.0))
    reference = np.zeros(grid.shape, np.uint8)
    reference[2:6, 2:6, 2:6] = 1
    reference[6:, 6:, 6:] = 2
    for folder in ("refs", "a", "b"):
        (tmp_path / folder).mkdir()
        for k in range(3):
            shifted = np.roll(reference, 0 if folder == "refs" else k, axis=2)
            images.write(tmp_path / folder / f"S{k}.nii.gz", shifted, grid)
    (tmp_path / "a" / "S0.nii.gz").write_bytes(b"none")
    (tmp_path / "b" / "S1.nii.gz").unlink()
    return tmp_path


@pytest.mark.slow
def test_worst_cases_are_drawn_from_the_folders(folders):
    places = [folders / "a", folders / "b"]
    results = evaluate_folders(places, folders / "refs", metrics=["DICE"], labels={1: "cube", (1, 2): "all"})
    write_html(folders / "x.html", results, predictions=places, references=folders / "refs")
    page = Page((folders / "x.html").read_text(encoding="utf-8"))
    pictures = [a for tag, a in page.attributes if tag == "img" and a["src"].startswith("data:image/png")]
    worst = "Slices through the largest error of a, S2, cube, DICE 0.500, with"
    assert len(pictures) == 4
    assert pictures[0]["alt"].startswith(worst)
    assert base64.b64decode(pictures[0]["src"].partition(",")[2]).startswith(b"\x89PNG")
    for wrong, words in (
        ({"predictions": places}, "`predictions` must be given together with `references`"),
        ({"predictions": [folders / "refs"], "references": folders / "refs"}, "must be folders of the methods a, b"),
        (
            {"predictions": [folders / "a", folders / "a"], "references": folders / "refs"},
            "write_html: `predictions` must be folders of different names",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            write_html(folders / "y.html", results, **wrong)
    assert not (folders / "y.html").exists()


@pytest.mark.slow
def test_a_method_with_many_failures_has_a_picture_of_its_worst_value(folders):
    results = evaluate_folders({"a": folders / "a"}, folders / "refs", metrics=["DICE"], labels={1: "cube"})
    lost = [row(f"X{k}", "cube", "DICE", math.nan, method="a", status="failed", reason="gone") for k in range(5)]
    whole = Results(rows=(*results.rows, *lost), runs=results.runs)
    write_html(folders / "x.html", whole, predictions=folders / "a", references=folders / "refs")
    text = (folders / "x.html").read_text(encoding="utf-8")
    assert text.count("data:image/png") == 1
    assert "a, S2, cube, DICE 0.500" in text


@pytest.mark.slow
def test_a_case_without_a_picture_has_a_reason(folders):
    results = evaluate_folders({"a": folders / "a"}, folders / "refs", metrics=["DICE"], labels={1: "cube"})
    options = {"predictions": {"a": folders / "a"}, "references": folders / "refs"}
    rows = (row("S0", "cube", "DICE", 0.1, method="a"), row("S9", "cube", "DICE", 0.1, method="a"))
    broken, absent = case_pictures("write_html", rows, results, **options)
    assert "must name a complete, well-formed image file" in broken.reason
    assert absent.reason == "no prediction of S9 was found in the folders given"
    unknown = Results(rows=results.rows)
    named, numbered, mask = case_pictures(
        "write_html", [row("S2", label, "DICE", 0.1, method="a") for label in ("cube", "1", "")], unknown, **options
    )
    assert named.reason == "which value cube has in the label maps is not known without the record of the run"
    assert numbered.png.startswith(b"\x89PNG")
    assert mask.png.startswith(b"\x89PNG")


def test_conclusions_need_results():
    with pytest.raises(TypeError, match="conclude: `results` must be a table of results"):
        conclude([])
    with pytest.raises(ValueError, match="write_html: `results` must hold at least one value"):
        write_html("x.html", Results())
    with pytest.raises(ValueError, match="write_html: `baseline` must be one of"):
        write_html("x.html", TABLE, baseline="none")


def test_parts_are_escaped():
    assert element("p", "a<b", element("b", "&"), title='"').html == '<p title="&quot;">a&lt;b<b>&amp;</b></p>'
    assert 'aria-label="&lt;i&gt;"' in data_table("<i>", ["A"], [["1"]]).html


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
@pytest.mark.parametrize("width", [1280, 360])
def test_an_accessibility_check_in_a_browser_finds_nothing(written, tmp_path, width):
    pytest.importorskip("axe_core_python")
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    path, _, _ = written
    script = (
        f"<script>{axe}</script><script>axe.run().then(found => {{ const node = document.createElement('pre');"
        "node.id = 'found'; node.textContent = btoa(unescape(encodeURIComponent(JSON.stringify({passes:"
        "found.passes.length, wide: document.documentElement.scrollWidth, violations: found.violations.map(v =>"
        "[v.id, v.nodes.map(n => n.html.slice(0, 200))])})))); document.body.append(node); })</script></body>"
    )
    checked = tmp_path / "checked.html"
    checked.write_text(path.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},900", "--virtual-time-budget=20000", "--dump-dom", checked.as_uri(),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=120)
    found = json.loads(base64.b64decode(re.search(r'<pre id="found">([^<]*)</pre>', run.stdout)[1]))
    assert found["violations"] == []
    assert found["passes"] > 15
    # Only tables scroll sideways, never the page. Chromium without a window is never narrower than 500.
    assert found["wide"] <= max(width, 500)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_no_table_leaves_its_heading_behind_when_it_is_printed(tmp_path):
    """Destinations of links tell on which page of the print captions and first rows are."""
    parts = []
    for number in range(24):
        rows = [[element("span", "first", id=f"row-{number}")], *(["more"] for _ in range(3))]
        # At every place at the foot of a page of 186 mm, which are 703 pixels, there is a table.
        space = element("p", style=f"break-before: page; margin: 0; height: {540 + 8 * number}px")
        parts += [space, data_table(f"T{number}.", ["NAME"], rows), element("a", "up", href=f"#row-{number}"),
                  element("a", "up", href=f"#caption-{number}")]  # fmt: skip
    text = re.sub(r"<caption>T(\d+)", r'<caption id="caption-\1">T\1', page("Tables", [("All", parts)], lead="24"))
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    printed = tmp_path / "page.pdf"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [*command, f"--print-to-pdf={printed}", (tmp_path / "page.html").as_uri()], capture_output=True, check=True,
        timeout=120,
    )  # fmt: skip
    pages = dict(re.findall(rb"/((?:row|caption)-\d+) \[(\d+) 0 R", printed.read_bytes()))
    assert len(set(pages.values())) >= 24
    assert [pages[b"row-%d" % k] for k in range(24)] == [pages[b"caption-%d" % k] for k in range(24)]
