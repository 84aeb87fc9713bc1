"""`nnabla.summary`: the layers of a network with their shapes, parameters and operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..graph.order import topological
from ..graph.variable import Variable
from .functions_seen import layer_of, parameter_names
from .operation_counts import forward_operations
from .text_table import html_table, in_units, text_table


@dataclass(frozen=True)
class Layer:
    """One function of a network.

    Attributes:
        name: of the layer, from its parameters; empty where it has none.
        type: of the function, ``"Convolution"``.
        inputs: shapes of the inputs that are no parameters.
        outputs: shapes of the outputs.
        parameters: number of elements of the parameters that no earlier function has read.
        trained: how many of them are trained.
        operations: floating point operations of a forward, see `nnabla.inspection.operation_counts`.
    """

    name: str
    type: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    parameters: int
    trained: int
    operations: int


@dataclass(frozen=True)
class Summary:
    """The layers of a network; printed, or as the last line of a notebook's cell, it is a table."""

    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        """Number of elements of all parameters; one that several functions read counts once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trained(self) -> int:
        """Number of those that are trained."""
        return sum(layer.trained for layer in self.layers)

    @property
    def operations(self) -> int:
        """Floating point operations of a forward."""
        return sum(layer.operations for layer in self.layers)

    _header = ("layer", "function", "inputs", "outputs", "parameters", "operations")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                layer.name,
                layer.type,
                _shapes(layer.inputs),
                _shapes(layer.outputs),
                f"{layer.parameters:,}" if layer.parameters else "",
                in_units(layer.operations, "FLOP") if layer.operations else "",
            )
            for layer in self.layers
        ]

    def _total(self) -> str:
        rest = "" if self.trained == self.parameters else f" ({self.trained:,} trained)"
        return f"{self.parameters:,} parameters{rest}, {in_units(self.operations, 'FLOP')} in a forward"

    def __str__(self) -> str:
        return f"{text_table(self._header, self._rows(), left=4)}\n{self._total()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Representation in a notebook."""
        return f"{html_table(self._header, self._rows())}<p>{self._total()}</p>"


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(shape) for shape in shapes)


def summary(variables: Variable | Sequence[Variable]) -> Summary:
    """The functions that lead to one or several variables, in the order in which they run. Nothing is computed.

    Args:
        variables: the outputs of a network. Parameters are looked up in the current scope.

    Raises:
        TypeError: they are no Variables.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> x = nn.Variable((8, 3))
        >>> found = nn.summary(PF.affine(F.relu(PF.affine(x, 5, name="a")), 2, name="b"))
        >>> print(found)
        layer     function  inputs  outputs  parameters  operations
        --------  --------  ------  -------  ----------  ----------
        a/affine  Affine    (8, 3)  (8, 5)           20    240 FLOP
                  ReLU      (8, 5)  (8, 5)
        b/affine  Affine    (8, 5)  (8, 2)           12    160 FLOP
        32 parameters, 400 FLOP in a forward
        >>> found.parameters
        32
    """
    roots = [variables] if isinstance(variables, Variable) else list(variables)
    for root in roots:
        if not isinstance(root, Variable):
            raise TypeError(f"summary: variables must be Variables, not {type(root).__name__}")
    names = parameter_names()
    seen: set[Variable] = set()
    layers = []
    for function in topological(roots):
        parameters = [v for v in function.inputs if v in names]
        new = dict.fromkeys(v for v in parameters if v not in seen)
        seen.update(new)
        layers.append(
            Layer(
                layer_of(function, names),
                function.info.type_name,
                tuple(v.shape for v in function.inputs if v not in names),
                tuple(v.shape for v in function.outputs),
                sum(v.size for v in new),
                sum(v.size for v in new if v.need_grad),
                forward_operations(function),
            )
        )
    return Summary(tuple(layers))
