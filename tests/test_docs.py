"""What `make docs` shows: every function on one page, with all that a reader needs. The build itself is `make docs`."""

from __future__ import annotations

import importlib
import inspect
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import nnabla.functions as F
import nnabla.operators
from nnabla.graph.operator import registry

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", autouse=True)
def tools_on_path():
    """The tools import each other by name."""
    sys.path.insert(0, str(ROOT / "tools"))
    yield
    sys.path.remove(str(ROOT / "tools"))


def tool(name):
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def entries():
    return tool("doc_pages").function_entries()


FUNCTIONS = sorted(
    name
    for name, f in vars(F).items()
    if inspect.isfunction(f) and f.__module__ == "nnabla.functions" and not name.startswith("_")
)
# Arguments that the engine adds to every function, explained once.
COMMON = {"n_outputs", "outputs", "kw"}
# Operators whose docstring is not the one that readers of the public call see.
HIDDEN = sorted(
    type_name
    for type_name, cls in registry.items()
    if inspect.getdoc(getattr(F, cls.declaration.name)) != inspect.getdoc(cls)
)
FORMULA = re.compile(r":math:`|\.\. math::|``[^`]*=[^`]*``")
SHAPE = re.compile(r"shape|element|vector|as many axes|``\(")


def problems(doc, inputs, arguments, optional=()):
    """What the documentation of a function lacks.

    Args:
        doc: the docstring, taken apart.
        inputs: names of the inputs, in order.
        arguments: names of the other parameters, in order.
        optional: of these, those that need not be mentioned.
    """
    found = []
    for heading, described, names in (("Inputs", doc.inputs, inputs), ("Args", doc.args, arguments)):
        listed = [name.lstrip("*") for name in described]
        wanted = [name for name in names if name not in optional or name in listed]
        if listed != wanted:
            found.append(f"{heading} lists {listed}, not {wanted}")
        found += [f"{name} is not described" for name, text in described.items() if len(text) < 4]
    found += [f"no shape of {name}" for name, text in doc.inputs.items() if not SHAPE.search(text)]
    if not FORMULA.search(doc.text):
        found.append("no formula")
    if not re.search(r"[Ss]hape|vector|element|axis|axes|``\(", doc.returns):
        found.append("no shape of what is returned")
    return found


def split_parameters(entry):
    """Names of the inputs and of the other parameters of the public call, in order."""
    names = list(inspect.signature(entry.thing).parameters)
    cls = entry.operator
    if cls is None:
        return list(entry.documentation.inputs), [n for n in names if n not in entry.documentation.inputs]
    declaration = cls.declaration
    if declaration.variadic:
        # What the signature shows as keyword arguments; a wrapper may name them.
        named = [n for n in names if n not in (*COMMON, declaration.inputs[0].name)]
        return [declaration.inputs[0].name], named or [a.name for a in declaration.arguments]
    inputs = names[: len(declaration.inputs)]
    if set(inputs) & {a.name for a in declaration.arguments}:
        inputs = [n for n in names if n in {i.name for i in declaration.inputs}]
    return inputs, [n for n in names if n not in inputs]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_documented(name, entries):
    entry = entries[name]
    inputs, arguments = split_parameters(entry)
    found = problems(entry.documentation, inputs, arguments, COMMON)
    if not entry.documentation.example.startswith(">>> "):
        found.append("no example")
    if f"F.{name}(" not in entry.documentation.example:
        found.append("the example does not call it")
    if can_refuse(entry) and not entry.documentation.raises:
        found.append("no errors, though it refuses some input")
    assert found == []


def can_refuse(entry):
    """Whether the declaration itself shows that some input is wrong: shapes to fit, values to be checked."""
    if entry.operator is None:
        return False
    declaration = entry.operator.declaration
    checked = any(a.check or a.choices for a in declaration.arguments)
    return checked or len(declaration.inputs) > 1


@pytest.mark.parametrize("type_name", HIDDEN)
def test_an_operator_behind_a_wrapper_is_documented(type_name):
    cls = registry[type_name]
    inputs = [i.name for i in cls.declaration.inputs]
    arguments = [a.name for a in cls.declaration.arguments]
    assert problems(tool("docstrings").parse(cls.__doc__), inputs, arguments) == []


def test_declared_arguments_have_a_description():
    without = [(n, a.name) for n, cls in registry.items() for a in cls.declaration.arguments if len(a.doc) < 4]
    assert without == []


def test_every_function_is_on_one_page(entries):
    pages = tool("doc_pages")
    shown = [entry.name for page in pages.FUNCTION_PAGES for entry in pages.page_entries(page, entries)]
    assert sorted(shown) == sorted(entries) == FUNCTIONS


def test_every_page_has_functions_and_every_module_exists(entries):
    pages = tool("doc_pages")
    for page in pages.FUNCTION_PAGES:
        declaring = {pages.declaring_module(entry) for entry in pages.page_entries(page, entries)}
        assert declaring == set(page.modules), page.name
        assert all(hasattr(nnabla.operators, module) for module in page.modules)


def test_functions_that_are_not_elementary_have_a_source(entries):
    pages = tool("doc_pages")
    without = [
        entry.name
        for page in pages.FUNCTION_PAGES
        if not page.elementary
        for entry in pages.page_entries(page, entries)
        if not entry.documentation.source
    ]
    assert without == []


def test_the_rest_of_the_api_is_documented():
    """Every page of a module can be written: all its docstrings have the form that the pages are made from."""
    pages, rst = tool("doc_pages"), tool("doc_rst")
    seen: set[int] = set()
    for name, _ in pages.MODULE_PAGES:
        found = pages.module_entries(pages.imported(name), seen)
        writer = rst.Writer(entry.path for entry in found)
        assert found, name
        for entry in found:
            assert f"{entry.path}" in writer.entry(entry)


def test_what_a_page_shows_of_an_argument(entries):
    """Type, range and default come from the declaration, the formula and links from the docstring."""
    text = tool("doc_rst").Writer(e.path for e in entries.values()).entry(entries["softplus"])
    assert text.startswith(".. py:function:: nnabla.functions.softplus(x, beta=1.0, n_outputs=-1, outputs=None)\n")
    assert "* **beta** (a number, other than 0; default ``1.0``) – " in text
    assert ":py:obj:`relu <nnabla.functions.relu>`" in text
    assert r":math:`y = \log(1 + e^{\beta x}) / \beta`" in text
    assert "``SoftPlus``" in text
    choices = tool("doc_rst").Writer([]).entry(entries["pad"])
    assert "* **mode** (a string: ``'constant'``, ``'reflect'``, ``'repeat'``; default ``'constant'``) – " in choices


def test_a_parameter_hides_a_function_of_its_name():
    writer = tool("doc_rst").Writer(["nnabla.functions.mean", "nnabla.functions.relu"])
    text = writer.linked("`mean`, `relu` and :math:`x`, ``mean``", "nnabla.functions.f", {"mean"})
    assert text == "``mean``, :py:obj:`relu <nnabla.functions.relu>` and :math:`x`, ``mean``"


GOOD = """One sentence. Another one.

Inputs:
    x: shape ``(M, N)``,
        over two lines.
    *rest: any shapes.
Args:
    a, b: two numbers.
Returns:
    Shape ``(N,)``.
Example:
    >>> 1
    1

Source: A paper,
of two lines.

A note.
"""


def test_a_docstring_is_taken_apart():
    doc = tool("docstrings").parse(GOOD)
    assert doc.summary == "One sentence."
    assert doc.inputs == {"x": "shape ``(M, N)``, over two lines.", "*rest": "any shapes."}
    assert doc.args == {"a": "two numbers.", "b": "two numbers."}
    assert doc.returns == "Shape ``(N,)``."
    assert doc.example == ">>> 1\n1"
    assert doc.source == "A paper, of two lines."
    assert doc.notes == "A note."


@pytest.mark.parametrize(
    ("docstring", "message"),
    [
        ("", "there is no docstring"),
        ("A.\n\nArgs:\n    x: one.\nArgs:\n    y: two.", "section 'Args' stands twice"),
        ("A.\n\nArgs:\n    x: one.\n    x: two.", "Args: 'x' stands twice"),
        ("A.\n\nArgs:\n    no entry", "Args: 'no entry' belongs to no entry"),
        ("A.\n\nArgs:\n    x: one\n    line too far left", "Args: 'line too far left' belongs to no entry"),
        ("A.\n\nReturns:\nat the margin", "'at the margin' must be indented, as part of 'Returns'"),
    ],
)
def test_a_docstring_of_another_form_is_refused(docstring, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        tool("docstrings").parse(docstring)


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        ("Value :math:`y`.\n\nInputs:\n    x: any shape.\nReturns:\n    Shape of `x`.", []),
        ("Value.\n\nInputs:\n    x: any shape.\nReturns:\n    Shape of `x`.", ["no formula"]),
        ("Value :math:`y`.\n\nInputs:\n    x: numbers.\nReturns:\n    Shape of `x`.", ["no shape of x"]),
        (
            "Value :math:`y`.\n\nInputs:\n    z: any shape.\nReturns:\n    Shape of `x`.",
            ["Inputs lists ['z'], not ['x']"],
        ),
        ("Value :math:`y`.\n\nInputs:\n    x: any shape.", ["no shape of what is returned"]),
    ],
)
def test_gaps_are_found(docstring, found):
    assert problems(tool("docstrings").parse(docstring), ["x"], []) == found


def test_all_pages_are_written(tmp_path):
    pages, functions = tool("make_docs").write_sources(tmp_path / "source")
    written = [path for path in (tmp_path / "source").rglob("*.*") if path.suffix in (".md", ".rst")]
    assert (pages, functions) == (len(written), len(FUNCTIONS))
    index = (tmp_path / "source" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^[\w/]+$", index, re.MULTILINE)
    assert {path.stem for path in written if path.parent.name == "source"} <= {*listed, "index"}


def test_pictures_are_drawn(tmp_path, entries):
    """Curves, schemes and images, of functions, parametric functions and schedulers that have an entry."""
    found = tool("doc_pictures").draw_all(tmp_path)
    names = {path.rpartition(".")[2] for path in found}
    assert {
        "relu",
        "gelu",
        "huber_loss",
        "layer_normalization",
        "convolution",
        "random_erase",
        "CosineScheduler",
    } <= names
    assert {path.rpartition(".")[2] for path in found if path.startswith("nnabla.functions.")} <= set(entries)
    assert {"convolution", "group_normalization"} <= {
        p.rpartition(".")[2] for p in found if p.startswith("nnabla.parametric_functions.")
    }
    for file in found.values():
        data = (tmp_path / file).read_bytes()
        if file.endswith(".svg"):
            drawn = [element.tag.rpartition("}")[2] for element in ElementTree.fromstring(data)]
            assert max(drawn.count("polyline"), drawn.count("rect")) > 5, file
        else:
            pixels = np.asarray(Image.open(io.BytesIO(data)))
            assert pixels.shape[0] == 128 and pixels[:, 136:].std() > 20, file


def test_what_pictures_show():
    pictures = tool("doc_pictures")
    x, y, slope = pictures.value_and_slope(lambda x: F.leaky_relu(x, 0.5))
    assert np.allclose(y, np.where(x > 0, x, x / 2)) and np.allclose(slope[x != 0], np.where(x > 0, 1, 0.5)[x != 0])
    assert pictures.ticks(-4, 4) == [-4, -2, 0, 2, 4] and pictures.ticks(-0.05, 1.05) == [0, 0.5, 1]
    assert pictures.outputs(7, 3, 1, 2, 1) == 4 and pictures.outputs(7, 3, 0, 1, 2) == 3
    entry = tool("doc_pages").function_entries()["relu"]
    text = tool("doc_rst").Writer([], {"nnabla.functions.relu": "relu.svg"}).entry(entry)
    assert ".. image:: /pictures/relu.svg\n      :alt: relu\n" in text


def test_the_page_on_performance_has_the_last_table():
    page = tool("make_docs").with_results((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"))
    assert "| LeNet, 64x1x28x28, Adam (ms) |" in page and "<!--" not in page


def test_links_in_hand_written_pages():
    text = "[a](docs/a.md), [b](../src/b.py), [c](https://c.org), [d](#d), [e](../examples/tutorials/e.py)"
    expected = "[a](a.md), b, [c](https://c.org), [d](#d), [e](examples/e.md)"
    assert tool("make_docs").in_place(text, {"a.md"}) == expected


def test_pages_of_examples():
    examples = tool("doc_examples")
    table = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert {script.name for script in examples.scripts()} >= {"gan.py", "fine_tuning.py", "train_digits.py"}
    for script in examples.scripts():
        page = examples.example_page(script, table)
        assert (
            page.startswith("# ")
            and "\n```python\n" in page
            and '"""' not in page.split("```python\nfrom __future__")[0]
        )
        assert "def main(" in page.split("```python\n")[-1], script
