"""The package `tensorflow`, imported when it is needed, and names as it takes them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError


def tensorflow() -> Any:
    """The package, which writes nothing but errors to the terminal unless the user has asked for more.

    Raises:
        ArgumentError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow
    except ModuleNotFoundError as error:
        raise ArgumentError(
            f"TensorFlow's formats need the package {error.name!r}: pip install nnabla[tensorflow]"
        ) from None
    return tensorflow


def node_names(names: Sequence[str]) -> list[str]:
    """Names that TensorFlow takes for nodes and for arguments of signatures, each another one.

    >>> node_names(["x", "a/b", "a:b", "5"])
    ['x', 'a_b', 'a_b_1', 'x5']
    """
    found: list[str] = []
    for name in names:
        legal = re.sub(r"[^A-Za-z0-9_]", "_", name)
        legal = legal if legal[:1].isalpha() else f"x{legal}"
        number, candidate = 0, legal
        while candidate in found:
            number += 1
            candidate = f"{legal}_{number}"
        found.append(candidate)
    return found
