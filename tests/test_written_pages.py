"""The hand-written pages: their links lead somewhere, and their code runs."""

from __future__ import annotations

import doctest
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla_cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "design").glob("*.md"),
        *ROOT.glob("*/README.md"),
    ]
)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Pages whose code other tests run, or whose blocks are pieces of files, not programs.
ELSEWHERE = {
    "docs/adding_a_function.md": "tests/test_adding_a_function.py",
    "docs/quick_start.md": "tests/test_quick_start.py",
    "docs/distributed.md": "for several processes; tests/distributed runs such programs",
    "docs/how_it_works.md": "lines of the engine, quoted",
    "docs/nnb.md": "reads the model of the reader",
    "docs/onnx.md": "reads the model of the reader",
    "docs/tensorflow.md": "needs TensorFlow; tests/converters/tensorflow calls the same functions",
}


def anchors(text):
    """What a heading is called in links: words in lower case, joined by dashes."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    broken = []
    for target in LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


def write_model_of_the_reader(folder):
    """A small network, and inputs for it."""
    x = nn.Variable((2, 3, 8, 8))
    y = PF.affine(F.relu(PF.convolution(x, 4, (3, 3))), 5)
    nn.graph_def.create_graph_from_variable("net", y, names={"x": x, "y": y}).save(str(folder / "model.nnp"))
    nn.clear_parameters()
    np.save(folder / "samples.npy", np.random.RandomState(0).rand(10, 3, 8, 8).astype(np.float32))


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if CODE.search(p.read_text(encoding="utf-8")) and str(p.relative_to(ROOT)) not in ELSEWHERE],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_code_runs(page, tmp_path, monkeypatch):
    """Blocks with prompts are doctests; the others are programs."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if '"model.nnp"' in text:
        write_model_of_the_reader(tmp_path)
    blocks = CODE.findall(text)
    if any(">>> " in block for block in blocks):
        assert all(block.startswith(">>> ") for block in blocks)
        failed, tried = doctest.testfile(str(page), module_relative=False)
        assert tried > 0
        assert failed == 0
    else:
        for number, block in enumerate(blocks):
            nn.clear_parameters()
            exec(compile(block, f"{page.name}, block {number}", "exec"), {"__name__": "__main__"})


def test_commands_stand_on_their_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    module = importlib.import_module("doc_commands")
    page = module.command_page()
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == [name for name in module.ARGUMENTS if name in COMMANDS]
    for name, command in module.subparsers().items():
        part = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for action in command._actions:
            for flag in action.option_strings:
                assert flag in ("-h", "--help") or f"`{flag}`" in part, (name, flag)
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        assert all(line.replace("\\|", "").count("|") == 5 for line in rows), name


def test_readers_are_led_to_every_page():
    """Each page of the guide is there, and the first page names it or a page that does."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        guide = importlib.import_module("make_docs").GUIDE
    finally:
        sys.path.remove(str(ROOT / "tools"))
    assert [name for name in guide if not (ROOT / "docs" / f"{name}.md").exists()] == []


def test_pictures_are_there():
    for page in PAGES:
        for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).read_bytes().startswith(b"\x89PNG"), (page.name, target)


def test_the_citation_says_what_is_cited():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "type", "license"} <= set(cited)
    assert cited["cff-version"] == "1.2.0"
    assert cited["license"] == "Apache-2.0"
    assert all(set(author) == {"name"} for author in cited["authors"])


def test_what_the_dockerfile_copies_is_there(monkeypatch):
    """It was not built; its steps are followed by tools/try_dockerfile.py, which takes minutes."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert copied and [name for name in copied if not (ROOT / name).exists()] == []
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (extras,) = re.findall(r"\$\{wheel\}\[([\w,]+)\]", text)
    assert all(re.search(rf"^{extra} = ", project, re.MULTILINE) for extra in extras.split(","))
    # What the tool that follows its steps without Docker knows.
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    tool = importlib.import_module("try_dockerfile")
    steps = tool.instructions(text)
    names = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps} == names and [name for name, _ in steps].count("FROM") == 2
    programs = [rest.split()[0] for name, rest in steps if name == "RUN"]
    assert [p for p in programs if p not in (*tool.SYSTEM, "python") and not p.startswith("wheel=")] == []
    moved = tool.ABSOLUTE.sub("ROOT/", "ls /wheels/a > /tmp/b; c ./wheels d/tmp --url https://e.org/whl/cpu")
    assert moved == "ls ROOT/wheels/a > ROOT/tmp/b; c ./wheels d/tmp --url https://e.org/whl/cpu"
    assert 'nnabla_cli = "nnabla_cli:main"' in project and 'ENTRYPOINT ["nnabla_cli"]' in text
