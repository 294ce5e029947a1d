"""Links of the pages that Sphinx does not build as they are: files that they name exist, addresses are well-formed."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.full

REPOSITORY = Path(__file__).parents[2]
GENERATED = ("docs/api", "docs/benchmarks", "docs/notebooks")
"""What Sphinx makes of other files; their links are looked at where they stand."""

PAGES = [
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "benchmarks/*.md",
        "notebooks/*.ipynb",
        "tests/README.md",
        ".github/**/*.md",
    )
    for path in sorted(REPOSITORY.glob(pattern))
    if not path.relative_to(REPOSITORY).as_posix().startswith(GENERATED)
]
LINK = re.compile(r"\[[^\]\n]*\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)")
ADDRESS = re.compile(r"https?://[^\s)\]>\"'`,]+")


def prose(path):
    """Return the text of a page without its code, in which brackets and addresses are something else."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(path):
    """Return the anchors of the headings of a page, as sites that show Markdown make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_and_headings_that_are_linked_exist(path):
    for target in LINK.findall(prose(path)):
        file, _, anchor = target.partition("#")
        if urlsplit(target).scheme:
            continue
        linked = (path.parent / file).resolve() if file else path
        if linked.is_relative_to(REPOSITORY / "docs") and not linked.exists():
            continue  # a page that Sphinx makes, which knows whether it is there
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in headings(linked), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_addresses_are_well_formed(path):
    for address in ADDRESS.findall(path.read_text(encoding="utf-8")):
        parts = urlsplit(address)
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", parts.netloc) or parts.hostname == "localhost", address


def test_a_dead_link_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading: of two\n\n[here](#a-heading-of-two) `[not](this)` [gone](gone.md)\n", encoding="utf-8"
    )
    test_files_and_headings_that_are_linked_exist(REPOSITORY / "CONTRIBUTING.md")
    with pytest.raises(AssertionError, match="gone"):
        test_files_and_headings_that_are_linked_exist(page)
