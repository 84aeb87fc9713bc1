"""The table of rules: how each function of a network is written in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...rule_tables import entering
from ..graph_writer import GraphWriter, Shape

if TYPE_CHECKING:
    from ....graph.operator import Operator

# A rule writes the nodes of a function and returns the name of each output; one alone if there is one.
Rule = Callable[..., Any]

RULES: dict[str, Rule] = {}


class Call:
    """A function of the network as a rule sees it. The values of its arguments are attributes, settled by the shapes.

    Args:
        operator: the function, which has met inputs of its shapes.
        inputs: names of the inputs; ``None`` for one that is not given.
        outputs: names of the outputs.
        lengths: shapes of the outputs, in which the size of the batch may be open.
    """

    def __init__(self, operator: Operator, inputs: list[str | None], outputs: list[str], lengths: list[Shape]) -> None:
        self.operator = operator
        self.inputs = inputs
        self.outputs = outputs
        self.shapes = lengths

    def __getattr__(self, name: str) -> Any:
        return getattr(self.operator, name)

    @property
    def shape_out(self) -> Shape:
        """Shape of the first output."""
        return self.shapes[0]


def export(*type_names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for functions of these types: ``rule(writer, call, *inputs)``."""
    return entering(RULES, type_names)


def run(writer: GraphWriter, call: Call) -> tuple[str, ...]:
    """Write the nodes of a function; names of the results."""
    found = RULES[call.operator.declaration.type_name](writer, call, *call.inputs)
    return (found,) if isinstance(found, str) else tuple(found)
