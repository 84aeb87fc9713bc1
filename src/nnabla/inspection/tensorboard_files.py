"""Graphs for TensorBoard, through the package ``tensorboard`` alone.

An event file begins with the events of `torch.utils.tensorboard.SummaryWriter`, whose methods (``add_scalar``,
``add_image``, ...) the writers here have. A graph is TensorFlow's message ``GraphDef``: a node for each function, each
parameter and each input; slashes in names make boxes that can be opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import parameter
from ..errors import ArgumentError
from ..graph.order import topological
from ..graph.variable import Variable
from .functions_seen import layer_of

try:
    from tensorboard.compat.proto import event_pb2, graph_pb2, node_def_pb2, types_pb2
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    raise ImportError(
        f"nnabla.experimental.tb_graph_writer needs TensorBoard: pip install 'nnabla[tensorboard]' ({error})",
        name="tensorboard",
    ) from error

__all__ = ["DT_FLOAT", "SummaryWriter", "TBGraphWriter", "get_parameters"]

DT_FLOAT = types_pb2.DT_FLOAT
"""TensorFlow's number of the type float32."""

get_parameters = parameter.get_parameters


class TBGraphWriter(SummaryWriter):
    """Writes graphs, and all else that a ``SummaryWriter`` writes, where TensorBoard finds them.

    Args:
        log_dir: the folder, which is made.
        comment: appended to the name of a folder that is chosen where `log_dir` is None.
        **kwargs: of ``torch.utils.tensorboard.SummaryWriter``.

    Example:
        >>> import tempfile
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> y = F.relu(PF.affine(nn.Variable((8, 3)), 4, name="fc"))
        >>> with tempfile.TemporaryDirectory() as folder, TBGraphWriter(log_dir=folder) as writer:
        ...     writer.from_variable(y)
        ...     writer.add_scalar("loss", 0.5, 0)
    """

    def __init__(self, log_dir: str | None = "log_out", comment: str = "", **kwargs: Any) -> None:
        super().__init__(log_dir, comment, **kwargs)

    def from_variable(self, leaf: Variable, output_name: str = "output") -> None:
        """Write the graph that leads to a variable.

        Args:
            leaf: the variable.
            output_name: what it is called there.

        Raises:
            TypeError: `leaf` is not a Variable.
            ArgumentError: no function leads to it.
        """
        if not isinstance(leaf, Variable):
            raise TypeError(f"TBGraphWriter.from_variable: leaf must be a Variable, not {type(leaf).__name__}")
        if leaf.parent is None:
            raise ArgumentError("TBGraphWriter.from_variable: no function leads to the variable")
        self.from_graph_def(_graph_def(leaf, output_name))

    def from_graph_def(self, graph_def: Any) -> None:
        """Write a graph.

        Args:
            graph_def: a message ``GraphDef`` of TensorFlow.

        Raises:
            TypeError: it is something else.
        """
        if not hasattr(graph_def, "SerializeToString"):
            raise TypeError(
                f"TBGraphWriter.from_graph_def: graph_def must be a GraphDef, not {type(graph_def).__name__}"
            )
        self._get_file_writer().add_event(event_pb2.Event(graph_def=graph_def.SerializeToString()))
        self.flush()


def _graph_def(leaf: Variable, output_name: str) -> Any:
    nodes: list[Any] = []
    taken: set[str] = set()
    # How inputs of later functions name each variable.
    known: dict[Variable, str] = {}
    parameters = {variable: name for name, variable in get_parameters(grad_only=False).items()}

    def add(name: str, op: str, inputs: Iterable[str], outputs: Iterable[tuple[int, ...]], arguments: Any) -> str:
        unique, number = name, 0
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        node = node_def_pb2.NodeDef(name=unique, op=op, input=inputs)
        shapes = node.attr["_output_shapes"].list
        for shape in outputs:
            described = shapes.shape.add()
            for length in shape:
                described.dim.add(size=length)
        for key, value in arguments.items():
            node.attr[key].s = str(value).encode()
        nodes.append(node)
        return unique

    def name_of(variable: Variable) -> str:
        if variable not in known:
            parameter_name = parameters.get(variable)
            kind = "Input" if parameter_name is None else "Parameter"
            known[variable] = add(parameter_name or variable.name or "input", kind, (), [variable.shape], {})
        return known[variable]

    for function in topological([leaf]):
        inputs = [name_of(v) for v in function.inputs]
        layer, kind = layer_of(function, parameters), function.info.type_name
        outputs = function.outputs
        name = add(f"{layer}/{kind}" if layer else kind, kind, inputs, [v.shape for v in outputs], function.info.args)
        known.update((v, name if i == 0 else f"{name}:{i}") for i, v in enumerate(outputs))
    add(output_name, "Output", [known[leaf]], [leaf.shape], {})
    return graph_pb2.GraphDef(node=nodes)
