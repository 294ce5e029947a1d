"""Pages that lie elsewhere in the repository, brought into the site: what is said once is not written twice.

Links between them become links between pages of the site; those to other files of the repository become their names.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

REPOSITORY = Path(__file__).parents[2]

FOLDERS = ("benchmarks", "notebooks")
"""Folders whose pages and notebooks lie in the site under the same names."""

PAGES = {"CORRECTNESS.md": "correctness.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Single pages, and where they lie in the site."""

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s:]*)(#[^)\s]*)?\)")
"""A link of Markdown to a file, or to a heading of one; none with a scheme."""


def brought_in() -> dict[Path, str]:
    """Return where in the site a page lies, by its path in the repository."""
    pages = {REPOSITORY / source: target for source, target in PAGES.items()}
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).iterdir()):
            if path.suffix in (".md", ".ipynb"):
                pages[path] = f"{folder}/{'index.md' if path.name == 'README.md' else path.name}"
    return pages


def with_links(path: Path, text: str, pages: dict[Path, str]) -> str:
    """Return the text of a page with its links as they are in the site."""
    up = "../" * pages[path].count("/")

    def link(match: re.Match[str]) -> str:
        words, file, anchor = match[1], match[2], match[3] or ""
        target = (path.parent / file).resolve()
        if not file:
            return match[0]
        if target in pages:
            return f"[{words}]({up}{pages[target]}{anchor})"
        if target.is_relative_to(REPOSITORY / "docs"):
            return f"[{words}]({up}{target.relative_to(REPOSITORY / 'docs')}{anchor})"
        return f"{words} (`{target.relative_to(REPOSITORY)}`)"

    return LINK.sub(link, text)


def as_page(path: Path, pages: dict[Path, str]) -> str:
    """Return a page as it is in the site: with a heading of the first level, before the pages of its folder."""
    text = with_links(path, path.read_text(encoding="utf-8"), pages)
    if text.startswith("## "):
        text = re.sub(r"^#(#+ )", r"\1", text, flags=re.MULTILINE)
    if path.name == "README.md":
        text += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"
    return text


def link_files(app: Sphinx, document: nodes.document, page: str) -> None:
    """Make links of the files that pages name, where they are pages of the site."""
    sites = {str(path.relative_to(REPOSITORY)): target.rpartition(".")[0] for path, target in brought_in().items()}
    for code in list(document.findall(nodes.literal)):
        file = code.astext()
        target = sites.get(file, file.removeprefix("docs/").removesuffix(".md") if file.startswith("docs/") else "")
        if target in app.env.found_docs and isinstance(code.parent, nodes.paragraph | nodes.list_item):
            reference = nodes.reference("", "", internal=True, refuri=app.builder.get_relative_uri(page, target))
            code.replace_self(reference)
            reference += code


def write(app: Sphinx) -> None:
    """Write the pages that have changed, and take away those that are no more."""
    site, pages = Path(app.srcdir), brought_in()
    for folder in FOLDERS:
        (site / folder).mkdir(exist_ok=True)
        for path in (site / folder).iterdir():
            if f"{folder}/{path.name}" not in pages.values():
                path.unlink()
    for path, target in pages.items():
        text = as_page(path, pages) if path.suffix == ".md" else path.read_text(encoding="utf-8")
        copy = site / target
        if not copy.exists() or copy.read_text(encoding="utf-8") != text:
            copy.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Bring the pages in before Sphinx looks for them, and link to them where they are named."""
    app.connect("builder-inited", write)
    app.connect("doctree-resolved", link_files)
    return {"parallel_read_safe": True}
