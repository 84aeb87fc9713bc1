"""What tests of the examples share: importing one, and looking at its pictures."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import nnabla as nn

pytest.importorskip("sklearn")
pyplot = pytest.importorskip("matplotlib.pyplot")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(autouse=True)
def global_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Examples change parameters, context and log level as scripts may; other tests must not notice."""
    monkeypatch.syspath_prepend(str(EXAMPLES / "tutorials"))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    context = nn.get_current_context()
    level = logging.getLogger("nnabla").level
    nn.clear_parameters()
    yield
    nn.clear_parameters()
    nn.set_default_context(context)
    logging.getLogger("nnabla").setLevel(level)


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


def assert_figures(directory: Path, *names: str) -> None:
    """Each file is a PNG of reasonable size that shows something."""
    for name in names:
        path = directory / f"{name}.png"
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"), path
        pixels = pyplot.imread(path)[..., :3]
        assert min(pixels.shape[:2]) >= 200, (path, pixels.shape)
        assert pixels.std() > 0.02, f"{path} is blank"
