"""The builder that functions called with ProtoVariables add to."""

from __future__ import annotations

from typing import Any


class InForce:
    """Holds the `ProtoGraphBuilder` in force. Variables and networks reach it here, since it is made of them.

    Attributes:
        builder: set by `nnabla.network.tracing`.
    """

    builder: Any = None


in_force = InForce()
