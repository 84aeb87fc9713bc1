"""Make the documentation: pages from the declarations and docstrings, built to HTML.

The functions have one page for each category, each module that users import has a page, each example, and the commands
have one; the hand-written pages are README.md, as the first one, and docs/*.md. Warnings are errors.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from doc_commands import command_page
from doc_examples import example_page, scripts
from doc_pages import (
    FUNCTION_PAGES,
    MODULE_PAGES,
    Entry,
    documented,
    function_entries,
    imported,
    module_entries,
    page_entries,
)
from doc_pictures import draw_all
from doc_rst import Writer

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "docs" / "_build"

FUNCTIONS = """\
Functions
=========

{count} functions in {pages} categories, all in ``nnabla.functions``, which scripts import as ``F``.

They take Variables and build a graph, which computes when it is told to; or NdArrays, and compute at once. Arguments
come after the inputs, by position or by name. Two more exist for every function that does not say otherwise:

* **n_outputs** – accepted for compatibility; the number of outputs follows from the inputs.
* **outputs** – a list of NdArrays that the results are written to, instead of new ones.

An error says which function and argument it is about, what was given, and the shapes of all inputs. Where an entry
names a function in model files, that is its type name there, and the arguments are those that are stored with it.

.. toctree::
   :maxdepth: 1

{names}
"""

INDEX = """
```{{toctree}}
:hidden:
:caption: Guide

{guide}
```

```{{toctree}}
:hidden:
:caption: Examples

{examples}
```

```{{toctree}}
:hidden:
:caption: Reference

functions/index
{modules}
all_commands
```

```{{toctree}}
:hidden:
:caption: Design

{written}
```
"""

# The pages for users, in the order in which to read them; all others are about the design.
GUIDE = (
    "quick_start",
    "install",
    "examples",
    "migration",
    "graphs",
    "training",
    "compile",
    "distributed",
    "scaling",
    "data",
    "files",
    "inspection",
    "graph_converters",
    "models",
    "digits_on_the_command_line",
    "nnabla_cli",
    "dataset_commands",
    "onnx",
    "tflite",
    "tensorflow",
    "nnb",
    "support",
    "performance",
    "clients",
    "faq",
)


def title(text: str) -> str:
    """A heading in reStructuredText."""
    return f"{text}\n{'=' * len(text)}\n\n"


def with_results(markdown: str) -> str:
    """The page on performance with the last table of benchmarks/README.md."""
    results = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- results: begin.*?-->\n(.*?)<!-- results: end -->", results, re.DOTALL)
    return markdown.replace("<!-- results of benchmarks/README.md -->", found[1].strip() if found else "")


def module_stem(name: str) -> str:
    """File name of a module's page."""
    return name.replace(".", "_")


def in_place(markdown: str, pages: set[str]) -> str:
    """Hand-written text with its links to files of the repository as links to pages, or as plain text."""

    def link(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        if "://" in target or target.startswith("#"):
            return match[0]
        name = target.rpartition("/")[2]
        if "examples/" in target and name.endswith(".py"):
            return f"[{text}](examples/{name.removesuffix('.py')}.md)"
        return f"[{text}]({name})" if name in pages else text

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, markdown)


def write_sources(folder: Path) -> tuple[int, int]:
    """Write all pages as sources below `folder`, which is made anew.

    Returns:
        How many pages there are, and how many functions they document.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "functions").mkdir(parents=True)
    functions = function_entries()
    modules: dict[str, list[Entry]] = {}
    seen = {id(entry.thing) for entry in functions.values()}
    for name, _ in MODULE_PAGES:
        modules[name] = module_entries(imported(name), seen)
    if (ROOT / "docs" / "pictures").exists():
        shutil.copytree(ROOT / "docs" / "pictures", folder / "pictures")
    entries_of_all = [entry for entries in (functions.values(), *modules.values()) for entry in entries]
    writer = Writer([entry.path for entry in entries_of_all], draw_all(folder / "pictures"))

    for page in FUNCTION_PAGES:
        entries = page_entries(page, functions)
        text = title(page.title) + writer.summary(entries) + "\n" + "\n".join(writer.entry(e) for e in entries)
        (folder / "functions" / f"{page.name}.rst").write_text(text, encoding="utf-8")
    names = "\n".join(f"   {page.name}" for page in FUNCTION_PAGES)
    text = FUNCTIONS.format(count=len(functions), pages=len(FUNCTION_PAGES), names=names)
    (folder / "functions" / "index.rst").write_text(text, encoding="utf-8")

    for name, heading in MODULE_PAGES:
        entries = modules[name]
        about = writer.text(documented(name, imported(name)), name)
        text = title(heading) + f"Module ``{name}``.\n\n" + about + "\n" + writer.summary(entries) + "\n"
        text += "\n".join(writer.entry(e) for e in entries)
        (folder / f"{module_stem(name)}.rst").write_text(text, encoding="utf-8")

    docs = ROOT / "docs"
    written = sorted(docs.glob("*.md")) + sorted(p for p in docs.glob("design/*.md") if p.name != "README.md")
    pages = {path.name for path in written}
    for path in written:
        text = with_results(in_place(path.read_text(encoding="utf-8"), pages))
        (folder / path.name).write_text(text, encoding="utf-8")
    table = (docs / "examples.md").read_text(encoding="utf-8")
    (folder / "examples").mkdir()
    for script in scripts():
        (folder / "examples" / f"{script.stem}.md").write_text(example_page(script, table), encoding="utf-8")
    (folder / "all_commands.md").write_text(command_page(), encoding="utf-8")
    index = INDEX.format(
        guide="\n".join(GUIDE),
        examples="\n".join(f"examples/{script.stem}" for script in scripts()),
        modules="\n".join(module_stem(name) for name, _ in MODULE_PAGES),
        written="\n".join(path.stem for path in written if path.stem not in GUIDE),
    )
    readme = in_place((ROOT / "README.md").read_text(encoding="utf-8"), pages)
    (folder / "index.md").write_text(readme + index, encoding="utf-8")
    return len(FUNCTION_PAGES) + 1 + len(MODULE_PAGES) + len(written) + len(scripts()) + 2, len(functions)


def main() -> int:
    """Make everything; the exit status."""
    # Not above: the tests write the pages, but build nothing, and do without Sphinx.
    from sphinx.cmd.build import main as sphinx

    pages, functions = write_sources(BUILD / "source")
    configuration = str(ROOT / "docs")
    options = ["-q", "-W", "--keep-going", "-n", "-j", "auto", "-c", configuration, "-d", str(BUILD / "doctrees")]
    status = sphinx([*options, "-b", "html", str(BUILD / "source"), str(BUILD / "html")])
    if status == 0:
        print(f"{pages} pages, {functions} functions: {(BUILD / 'html' / 'index.html').relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
