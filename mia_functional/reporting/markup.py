"""HTML by parts: every text is escaped, tables have captions and scoped headers, pictures have descriptions."""

import base64
import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

__all__ = ["Markup", "Part", "data_table", "element", "page", "picture"]


class Markup(NamedTuple):
    """Text that is HTML already; any other text is escaped."""

    html: str


Part: TypeAlias = Markup | str
"""What an element may hold."""

_VOID = ("img", "meta")
"""Elements without an end tag."""

_STYLE = """
:root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff;
  max-width: 80rem; margin: 0 auto; padding: 1rem 1.5rem 3rem; }
h1 { line-height: 1.2; } h2 { border-bottom: 2px solid #5a6b7b; margin-top: 2.5rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
a { color: #0b4f8a; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid #c8cdd2; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #5a6b7b; }
.number { text-align: right; } td.number { white-space: nowrap; } thead th { vertical-align: bottom; }
td, tbody th { overflow-wrap: break-word; } tbody th { min-width: 3rem; max-width: 16rem; font-weight: 600; }
.reason { min-width: 16rem; overflow-wrap: anywhere; }
.bad { color: #8a1020; font-weight: 700; }
.note { color: #3d4750; font-size: .9rem; }
code { overflow-wrap: anywhere; background: #f1f3f5; padding: .05rem .25rem; }
figure { margin: 1rem 0 1.5rem; } figcaption { font-size: .9rem; }
img { max-width: 100%; height: auto; }
@media (max-width: 40rem) { body { padding: .75rem; } table { font-size: .82rem; } }
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; } a { color: inherit; }
  .scroll { overflow: visible; } table { font-size: 8pt; } thead { display: table-header-group; }
  /* Browsers heed no break-after of captions: a table that fits on a page stays whole, a longer one begins a page. */
  tr, figure, .scroll { break-inside: avoid; } h2, h3 { break-after: avoid; }
}
"""


def element(tag: str, *parts: Part, **attributes: str) -> Markup:
    """Return an element; `class_` and the like are attributes whose names Python keeps for itself.

    Example:
        >>> element("p", "1 < 2", class_="note").html
        '<p class="note">1 &lt; 2</p>'
    """
    names = "".join(f' {name.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for name, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{names}>")
    texts = (part.html if isinstance(part, Markup) else _escaped(part) for part in parts)
    return Markup(f"<{tag}{names}>{''.join(texts)}</{tag}>")


def _escaped(text: str) -> str:
    """Return text as HTML; characters that cannot be seen, or turn the direction of writing, are replaced."""
    seen = (character if character.isprintable() or character == "\u00a0" else "\ufffd" for character in text)
    return html.escape("".join(seen), quote=True)


def data_table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[Part]], *, heads: int = 1, numbers: Sequence[str] = ()
) -> Markup:
    """Return a table that scrolls by itself on small screens.

    Args:
        caption: What it shows.
        header: Names of the columns.
        rows: Cells, as many as columns.
        heads: Cells at the beginning of a row that are its header.
        numbers: Columns that are aligned to the right.

    Example:
        >>> text = data_table("Ages", ["NAME", "AGE"], [["<b>", "31"]], numbers=["AGE"]).html
        >>> '<th scope="row">&lt;b&gt;</th><td class="number">31</td>' in text
        True
    """
    kinds = ["number" if name in numbers else "reason" if name == "REASON" else "" for name in header]
    lines = []
    for row in rows:
        cells = [
            element("th" if k < heads else "td", part, **({"scope": "row"} if k < heads else {}),
                    **({"class_": kind} if kind else {}))
            for k, (part, kind) in enumerate(zip(row, kinds, strict=True))
        ]  # fmt: skip
        lines.append(element("tr", *cells))
    titles = [
        element("th", name, scope="col", **({"class_": kind} if kind else {}))
        for name, kind in zip(header, kinds, strict=True)
    ]
    parts = (element("caption", caption), element("thead", element("tr", *titles)), element("tbody", *lines))
    # What scrolls has to be reached with the keyboard, and then needs a name.
    return element("div", element("table", *parts), class_="scroll", role="region", tabindex="0", aria_label=caption)


def picture(data: bytes, *, kind: str, description: str, caption: str) -> Markup:
    """Return a picture, which is part of the page, with a description for those who do not see it."""
    code = base64.b64encode(data).decode("ascii")
    image = element("img", src=f"data:image/{kind};base64,{code}", alt=description)
    return element("figure", image, element("figcaption", caption))


def page(title: str, sections: Sequence[tuple[str, Sequence[Part]]], *, lead: Part) -> str:
    """Return a whole page.

    Args:
        title: Its title and first heading.
        sections: The heading of each section, and its parts.
        lead: What stands below the title.
    """
    contents = [element("li", element("a", name, href=f"#part-{k}")) for k, (name, _) in enumerate(sections, 1)]
    body = [
        element("section", element("h2", name, id=f"part-{k}"), *parts, aria_labelledby=f"part-{k}")
        for k, (name, parts) in enumerate(sections, 1)
    ]
    head = element(
        "head", element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title), Markup(f"<style>{_STYLE}</style>"),
    )  # fmt: skip
    header = element("header", element("h1", title), lead)
    nav = element("nav", element("ul", *contents), aria_label="Contents")
    whole = element("html", head, element("body", header, nav, element("main", *body)), lang="en")
    # Line ends between blocks, so that the file can be read and compared.
    return "<!DOCTYPE html>\n" + whole.html.replace("><tr>", ">\n<tr>").replace("><section", ">\n<section") + "\n"
