"""Links for names as the docstrings write them: `dice`, `metrics.dice`, `mia.metrics.dice`, or that of a type."""

import functools
import inspect

from docutils import nodes
from room_pages import ROOT, entry_of, public_modules
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


@functools.cache
def addresses() -> dict[str, str]:
    """Return the address of what is public on the page that describes it, by the ways to write it."""
    found: dict[str, str] = {}
    for module in public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.ismodule(value):
                short = f"{module.__name__}.{name}".removeprefix(f"{ROOT}.")
                for way in (f"{getattr(value, '__module__', None)}.{name}", short, f"mia.{short}"):
                    found.setdefault(way, entry_of(module, name).address)
    return found


def link_to(app: Sphinx, page: str, written: str, inside: str) -> nodes.reference | None:
    """Return a link from a page to what is public under a name as it is written, in a namespace; none if nothing is."""
    # A name alone is looked for beside the one that mentions it.
    public = addresses().get(written) or addresses().get(f"{inside}.{written}")
    objects = app.env.domains.python_domain.objects
    if public not in objects:
        return None
    uri = app.builder.get_relative_uri(page, objects[public].docname)
    return nodes.reference("", "", internal=True, refuri=f"{uri}#{objects[public].node_id}", reftitle=public)


def resolve(
    app: Sphinx, _environment: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.reference | None:
    """Return a link to a name that Python's domain has not found as it was written."""
    if node.get("refdomain") != "py":
        return None
    reference = link_to(app, node["refdoc"], node["reftarget"].removesuffix("()"), node.get("py:module") or "")
    if reference is not None:
        reference += content
    return reference


def link_code(app: Sphinx, document: nodes.document, page: str) -> None:
    """Make links of the names that pages write as code; in the table of metrics they have no namespace."""
    for code in list(document.findall(nodes.literal)):
        if isinstance(code.parent, nodes.TextElement) and not isinstance(code.parent, nodes.reference | nodes.title):
            reference = link_to(app, page, code.astext().partition("(")[0], "metrics" if page == "metrics" else "")
            if reference is not None:
                code.replace_self(reference)
                reference += code


def setup(app: Sphinx) -> dict[str, bool]:
    """Resolve names that are left, in docstrings and in pages."""
    app.connect("missing-reference", resolve)
    app.connect("doctree-resolved", link_code)
    return {"parallel_read_safe": True}
