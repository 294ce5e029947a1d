"""What readers with a screen reader, a keyboard alone or a small screen need, and Sphinx and the theme leave out."""

import re

from sphinx.application import Sphinx

PARAMETERS = re.compile(r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>")
"""A signature of many lines as Sphinx 9.0 writes it: definitions without a term, in a term."""


def lines_of_signature(match: re.Match[str]) -> str:
    """Return a signature of many lines as lines, which `site.css` indents."""
    return f'<span class="parameters">{match[1].replace("<dd>", "<span>").replace("</dd>", "</span>")}</span>'


def with_breaks(match: re.Match[str]) -> str:
    """Return a table in which long names may go on in the next line, behind an underscore."""
    return re.sub(r"(?<=\w)_(?=\w)(?=[^<>]*<)", "_<wbr>", match[0])


def mend(_app: Sphinx, _page: str, _template: str, context: dict[str, object], _tree: object) -> None:
    """Give captions of the navigation a level (Sphinx 9.0), let the keyboard scroll what is wide, and break names."""
    navigation = context.get("furo_navigation_tree")
    if isinstance(navigation, str):
        context["furo_navigation_tree"] = navigation.replace('role="heading"', 'role="heading" aria-level="2"')
    body = context.get("body")
    if isinstance(body, str):
        body = PARAMETERS.sub(lines_of_signature, body.replace("<pre>", '<pre tabindex="0">'))
        body = re.sub(r"<table.*?</table>", with_breaks, body, flags=re.DOTALL)
        context["body"] = body.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')


def setup(app: Sphinx) -> dict[str, bool]:
    """Mend pages after the theme has made its parts of them."""
    app.connect("html-page-context", mend, priority=900)
    return {"parallel_read_safe": True}
