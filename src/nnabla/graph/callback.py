"""The operator that stands for a user's function in graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .operator import Declaration, Input, Kind, Operator


class Callback(Operator):
    """Calls a user's function. It is a separate object because users give their functions attributes of any name.

    Args:
        user: a `PythonFunction`.
        differentiable: whether it has a gradient.
    """

    # What a user's code does with memory is not known.
    view = True
    node_name = "Callback"

    def __init__(self, user: Any, differentiable: bool = True) -> None:
        self.user = user
        self.differentiable = differentiable
        self.settle(user.ctx)

    @property
    def declaration(self) -> Declaration:  # type: ignore[override]
        name = self.user.name
        return Declaration(name, name, (Input("inputs", False, True),), (), (), False, (Kind.COMPUTE,), True, True)

    @property
    def arguments(self) -> dict[str, Any]:
        """The attribute or property `args` of the function, where it has one that is a dict; else nothing."""
        args = getattr(self.user, "args", None)
        return dict(args) if isinstance(args, dict) else {}

    def again(self, **arguments: Any) -> Callback:
        return Callback(self.user, self.differentiable)

    def reads(self, role: str, index: int) -> bool:
        depends = self.user.grad_depends_input_data if role == "x" else self.user.grad_depends_output_data
        return any([depends(i, index) for i in range(len(self.present))])

    def read_places(self) -> tuple[Sequence[int], Sequence[int]]:
        xs = [i for i in range(len(self.present)) if self.reads("x", i)]
        return xs, [i for i in range(self.user.min_outputs()) if self.reads("y", i)]

    def __repr__(self) -> str:
        return self.user.name
