"""Settings of Sphinx; `tools/make_docs.py` writes the pages that it builds."""

from nnabla import __version__

project = "nnabla"
author = "the nnabla authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.mathjax"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}

html_theme = "furo"
html_title = f"nnabla {release}"
html_show_copyright = False
html_copy_source = False

# The tables of contents name functions without their modules.
add_module_names = False
toc_object_entries_show_parents = "hide"
# Long signatures get a line for each parameter.
maximum_signature_line_length = 90
