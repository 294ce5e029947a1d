"""Docstrings as reStructuredText: what they say in plain text, with both forms of a metric as signatures.

Docstrings of the package are written to be read in a terminal: a star is a multiplication, a bar an absolute value.
Here they get the marks that keep Sphinx from reading more into them; napoleon does the rest.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

from sphinx.application import Sphinx

FIELDS = ("Returns", "Yields", "Undefined", "Warns", "Source", "Agrees with", "Differs from")
"""Sections that are one text, and become a field beside those of the arguments."""

SECTION = re.compile(r"([A-Z][a-z]+(?: [a-z]+)?):$")
"""The first line of a section."""


def with_marks(line: str) -> str:
    """Return a line of prose in which stars, bars and last underscores are what they look like."""
    spans = re.split(r"(``.+?``|`[^`]+`)", line)
    spans[::2] = [re.sub(r"\\|\*|\||_(?![\w`])", r"\\\g<0>", text) for text in spans[::2]]
    return "".join(spans)


def with_references(text: str) -> str:
    """Return a source in which DOIs and numbers of arXiv are links."""
    text = re.sub(r"doi (10\.\S*\w)", lambda found: f"`{found[0]} <https://doi.org/{quote(found[1])}>`__", text)
    return re.sub(r"arXiv (\d{4}\.\d+)", r"`\g<0> <https://arxiv.org/abs/\1>`__", text)


def sections_of(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the sections of a docstring by name, at first what comes before them, which has none."""
    name, body = "", list[str]()
    for line in lines:
        if head := SECTION.match(line):
            yield name, body
            name, body = head[1], []
        else:
            body.append(line)
    yield name, body


def marked_up(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a docstring as Sphinx and napoleon take them."""
    for name, body in sections_of(lines):
        if name == "Forms":  # they are the signatures
            continue
        if name == "Example":
            yield from (f"{name}:", *body)
            continue
        text = [with_marks(line) for line in body]
        if name in FIELDS:
            # A field, by hand: napoleon takes what stands before a colon for a type.
            yield f":{name}:"
            if name == "Source":
                # A DOI may stand at the beginning of a line, and its word at the end of the one before.
                text = [f"    {with_references(' '.join(map(str.strip, text)))}", ""]
            yield from text
        elif name:
            # Fields of a record are the arguments that make it.
            yield "Args:" if name == "Attributes" else f"{name}:"
            # Stars of `*arrays` and `**options` are those of the name.
            yield from (re.sub(r"^(\s+)((?:\\\*)+)(?=\w+:)", unescaped, line) for line in text)
        else:
            yield from (re.sub(r"^Formula:", "**Formula:**", line) for line in text)


def unescaped(match: re.Match[str]) -> str:
    """Return what was matched without its backslashes."""
    return match[0].replace("\\", "")


def convert(_app: Sphinx, _kind: str, _name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Rewrite a docstring in place, before napoleon does."""
    lines[:] = list(marked_up(lines))


def signatures(
    _app: Sphinx, kind: str, name: str, value: object, _options: object, arguments: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Return the signature of a function, of a metric those of its two forms; defaults that are functions by name."""
    forms = dict(sections_of((getattr(value, "__doc__", None) or "").splitlines())).get("Forms")
    if kind == "function" and forms:
        # The name before the first of them is there.
        return "\n".join(line.strip() for line in forms if line.strip()).removeprefix(name.rpartition(".")[2]), ""
    if getattr(value, "_is_protocol", False):  # nobody makes one
        return "", ""
    return re.sub(r"<function (\w+)[^>]*>", r"\1", arguments) if arguments else arguments, returned


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the functions to the events of autodoc."""
    app.connect("autodoc-process-docstring", convert, priority=400)
    # After Sphinx has noted the types of arguments, which it does at the same event.
    app.connect("autodoc-process-signature", signatures, priority=600)
    return {"parallel_read_safe": True}
