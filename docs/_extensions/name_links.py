"""Links for names as the docstrings write them: `dice`, `metrics.dice`, `mia.metrics.dice`, or that of a type."""

import functools

from docutils import nodes
from room_pages import ROOT, public_modules
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


@functools.cache
def addresses() -> dict[str, str]:
    """Return the address of what is public on its page, by the ways to write it."""
    found: dict[str, str] = {}
    for module in public_modules():
        for name in module.__all__:
            public = f"{module.__name__}.{name}"
            value = getattr(module, name)
            source = f"{getattr(value, '__module__', None)}.{name}"
            short = public.removeprefix(f"{ROOT}.")
            for way in (source, short, f"mia.{short}"):
                found.setdefault(way, public)
    return found


def resolve(app: Sphinx, _environment: BuildEnvironment, node: pending_xref, content: nodes.Element) -> object:
    """Return a link to a name that Python's domain has not found as it was written."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].removesuffix("()")
    inside = node.get("py:module") or ""
    # A name alone is looked for beside the one that mentions it, then in rooms below.
    public = addresses().get(target) or addresses().get(f"{inside}.{target}")
    domain = app.env.domains.python_domain
    if public is None or public not in domain.objects:
        return None
    place = domain.objects[public]
    uri = app.builder.get_relative_uri(node["refdoc"], place.docname)
    reference = nodes.reference("", "", internal=True, refuri=f"{uri}#{place.node_id}", reftitle=public)
    reference += content
    return reference


def setup(app: Sphinx) -> dict[str, bool]:
    """Resolve names that are left."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
