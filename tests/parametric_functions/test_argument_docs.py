"""Documentation of layers: arguments that they share are described in one place, and each is described."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nnabla.experimental.parametric_function_classes as PFC
import nnabla.parametric_functions as PF
from nnabla.parametric_functions.argument_docs import SHARED, describe_arguments

TOOLS = str(Path(__file__).resolve().parents[2] / "tools")
FUNCTIONS = [name for name in PF.__all__ if name not in ("LSTMCell", "parametric_function_api")]
LAYERS = {f"PF.{name}": getattr(PF, name) for name in FUNCTIONS}
LAYERS |= {f"PFC.{name}": getattr(PFC, name) for name in PFC.__all__ if name != "Module"}


@pytest.fixture(scope="module")
def docstrings() -> ModuleType:
    """What takes docstrings apart for `make docs`."""
    sys.path.insert(0, TOOLS)
    try:
        return importlib.import_module("docstrings")
    finally:
        sys.path.remove(TOOLS)


@pytest.mark.parametrize("name", LAYERS)
def test_every_argument_is_described(name: str, docstrings: ModuleType) -> None:
    layer = LAYERS[name]
    described = docstrings.parse(layer.__doc__).args
    assert list(described) == list(inspect.signature(layer).parameters)
    assert [n for n, text in described.items() if len(text) < 8 or not text.endswith(".")] == []


def test_every_shared_argument_is_shared(docstrings: ModuleType) -> None:
    """Each description is used by two layers or more; classes of two names count once."""
    used = [
        name
        for layer in dict.fromkeys(LAYERS.values())
        for name, text in docstrings.parse(layer.__doc__).args.items()
        if SHARED.get(name) == text
    ]
    assert [name for name in SHARED if used.count(name) < 2] == []


def test_descriptions_stand_in_the_order_of_the_signature() -> None:
    @describe_arguments({"stride": "of this layer.", "other": "of another one."})
    def layer(inp: Any, kernel: Any, stride: Any, unknown: Any, pad: Any) -> None:
        """A layer.

        Text.

        Args:
            pad: described here,
                over two lines.
            inp: any shape.

        Returns:
            Nothing.
        """

    assert layer.__doc__ == (
        "A layer.\n\nText.\n\nArgs:\n    inp: any shape.\n    kernel: size of the filters along each spatial axis.\n"
        "    stride: of this layer.\n    pad: described here,\n        over two lines.\n\nReturns:\n    Nothing."
    )


def test_stale_descriptions_are_refused() -> None:
    def layer(inp: Any) -> None:
        """A layer.

        Args:
            inp: any shape.
            x: another name.
        """

    with pytest.raises(ValueError, match=r"layer: no argument is called x"):
        describe_arguments()(layer)


def undocumented(pad: Any) -> None: ...


def without_section(pad: Any) -> None:
    """See `pad`."""


@pytest.mark.parametrize("layer", [undocumented, without_section])
def test_without_the_section_nothing_is_added(layer: Callable[..., Any]) -> None:
    before = layer.__doc__
    assert describe_arguments()(layer).__doc__ == before


def test_functions_of_users_keep_their_docstrings() -> None:
    @PF.parametric_function_api("shift")
    def shift(inp: Any, pad: Any, x: Any) -> None:
        """A layer.

        Args:
            inp: any shape.
            y: not an argument.
        """

    assert shift.__doc__ == "A layer.\n\nArgs:\n    inp: any shape.\n    y: not an argument."
