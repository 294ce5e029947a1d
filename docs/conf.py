"""How Sphinx builds the site: `python -m sphinx -W --keep-going docs build/site`."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "_extensions"), str(Path(__file__).parents[1])]

import mia_functional  # noqa: E402  from this checkout

project = "mia_functional"
version = release = mia_functional.__version__
author = "The mia_functional developers"
project_copyright = "The mia_functional developers, Apache-2.0"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "myst_nb",
    "accessible_pages",
    "docstrings",
    "name_links",
    "room_pages",
    "repository_pages",
]
exclude_patterns = ["_extensions"]
# One backtick, in docstrings, is a name: a link if it is that of something public, code otherwise.
default_role = "py:obj"

myst_enable_extensions = ["colon_fence"]
# Headings are targets of links down to this level, as on other sites that show Markdown.
myst_heading_anchors = 4
# Notebooks are run by the tests and kept with their outputs.
nb_execution_mode = "off"
# Outputs that are Markdown may be tables.
nb_render_markdown_format = "myst"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False
napoleon_numpy_docstring = False

# Prompts of Python and of a shell are no part of what is copied, nor are lines of output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"mia_functional {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
toc_object_entries_show_parents = "hide"
