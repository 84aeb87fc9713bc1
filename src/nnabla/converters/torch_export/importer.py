"""From a program of `torch.export` to a described network."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind

from ...errors import ArgumentError, FormatError, ShapeError
from ...logger import logger
from ...network import ProtoGraph
from ..obstacles import Unsupported
from ..reading.description import described
from ..reading.graph_reader import Budget, GraphReader, Value
from ..reading.readings import Reading, needed, opened
from . import elementwise, layers, shapes  # noqa: F401  (enter their rules)
from .registry import RULES

# The size of the batch that programs with an open one are read for, first.
_TRIAL = 2
_PYTHON = {operator.add, operator.sub, operator.mul, operator.floordiv, operator.truediv, operator.mod, operator.neg,
           operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge}  # fmt: skip
_CHECKS = ("_assert_tensor_metadata", "sym_constrain_range_for_size", "_assert_scalar", "sym_constrain_range")


def from_torch_export(program: ExportedProgram, *, batch_size: int = 1, name: str = "model") -> ProtoGraph:
    """Read a program that `torch.export.export` made as a network with parameters.

    No detour over ONNX is taken. The network computes in float32. Parameters keep their names, as ``conv.weight``, and
    those that have a gradient there may be trained; so do inputs. Outputs are called ``output``, or ``output_0``,
    ``output_1``, ... Programs are read as they are run after ``eval()``.

    An axis that the program leaves open is the batch's and stays open, if it is the first axis of inputs; where that
    cannot be expressed, a warning in the log says why, and the network is for `batch_size`.

    Args:
        program: what `torch.export.export` made.
        batch_size: of the network; where it is open, what it is run with unless the caller gives another one.
        name: of the network.

    Returns:
        A graph with one network, its parameters, and the executor ``runtime``, which names inputs and outputs.

    Raises:
        ArgumentError: `program` is something else, or `batch_size` is not positive.
        FormatError: operators or arguments have no counterpart in NNabla, all of which the message names; or the
            program changes its buffers.

    Example:
        >>> import torch
        >>> from nnabla.converters.torch_export import from_torch_export
        >>> module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()).eval()
        >>> graph = from_torch_export(torch.export.export(module, (torch.zeros(4, 3),)))
        >>> [f.type for f in graph.default_graph().functions.values()], list(graph.get_parameters())
        (['Affine', 'ReLU'], ['0.weight', '0.bias'])
    """
    if not isinstance(program, ExportedProgram):
        raise ArgumentError(
            f"from_torch_export: program must be what torch.export.export returns, not {type(program).__name__}"
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError(f"from_torch_export: batch_size must be at least 1, not {batch_size!r}")
    # What has a rule stays whole, in place of what it could be taken apart into.
    table = torch.export.default_decompositions()
    for op in list(table):
        if _packet(op) in RULES:
            del table[op]
    with warnings.catch_warnings():
        # PyTorch's own, about itself.
        warnings.simplefilter("ignore", FutureWarning)
        core = program.run_decompositions(table)
    return _Importer(core, name).graph(batch_size)


def _packet(op: Any) -> str:
    return str(getattr(op, "overloadpacket", op)).rpartition(".")[2]


class _Importer:
    def __init__(self, program: ExportedProgram, name: str) -> None:
        self.program = program
        self.name = name
        self.inputs: list[str] = []
        self.outputs: list[str] = []

    def graph(self, batch_size: int) -> ProtoGraph:
        try:
            if self._symbols():
                reading = self._opened(batch_size)
            else:
                reading = self._reading(None)
            return described(reading, self.name, self.inputs, self.outputs)
        except Unsupported as reason:
            raise FormatError(f"from_torch_export: {reason}") from None

    def _opened(self, batch_size: int) -> Reading:
        try:
            reading = opened(self._reading(_TRIAL), self._reading(_TRIAL + 1))
        except (Unsupported, FormatError) as reason:
            reading = self._reading(batch_size)
            logger.warning("from_torch_export: the batch size is fixed to %d: %s", batch_size, reason)
        reading.batch = batch_size
        return reading

    def _symbols(self) -> list[Any]:
        """Symbols of open lengths."""
        found: list[Any] = []
        for node in self.program.graph.nodes:
            value = node.meta.get("val")
            if node.op == "placeholder" and isinstance(value, torch.Tensor):
                for length in value.shape:
                    if isinstance(length, torch.SymInt):
                        found += [s for s in length.node.expr.free_symbols if s not in found]
        return found

    def _reading(self, batch: int | None) -> Reading:
        symbols = self._symbols()
        if len(symbols) > 1:
            raise Unsupported(f"more than one length is open: {', '.join(map(str, symbols))}")
        return _Walk(self, dict.fromkeys(symbols, batch)).reading(batch)


class _Walk:
    """Reads the nodes of a program for one size of the batch."""

    def __init__(self, importer: _Importer, lengths: Mapping[Any, int | None]) -> None:
        self.importer = importer
        self.program = importer.program
        self.lengths = lengths
        arrays = [*self.program.state_dict.values(), *self.program.constants.values()]
        held = sum(t.numel() * t.element_size() for t in arrays if isinstance(t, torch.Tensor))
        self.reader = GraphReader(Budget(held + (1 << 20)))
        self.values: dict[Any, Any] = {}
        self.obstacles: dict[str, list[str]] = {}

    def reading(self, batch: int | None) -> Reading:
        inputs, outputs = [], []
        specs = iter(self.program.graph_signature.input_specs)
        user: list[str] = []
        for node in self.program.graph.nodes:
            if node.op == "placeholder":
                spec = next(specs)
                self.values[node] = self._placeholder(node, spec)
                if spec.kind == InputKind.USER_INPUT and isinstance(self.values[node], Value):
                    inputs.append(self.values[node].edge)
                    user.append(node.name)
            elif node.op == "call_function":
                self._call(node)
            elif node.op == "output":
                outputs = self._outputs(node)
        if self.obstacles:
            lines = [f"\n  {', '.join(names[:4])}: {reason}" for reason, names in self.obstacles.items()]
            raise FormatError(f"from_torch_export: the program cannot be read as a network:{''.join(lines)}")
        self.importer.inputs = user
        self.importer.outputs = ["output"] if len(outputs) == 1 else [f"output_{i}" for i in range(len(outputs))]
        ends, calls = needed(self.reader, outputs, inputs)
        return Reading(inputs, ends, calls, batch)

    def _placeholder(self, node: Any, spec: Any) -> Any:
        if spec.kind == InputKind.USER_INPUT:
            value = node.meta["val"]
            if not isinstance(value, torch.Tensor):
                return value
            kind = shapes.KINDS.get(value.dtype)
            if kind is None:
                raise Unsupported(f"input {node.name!r} is of type {value.dtype}")
            return self.reader.input(node.name, tuple([self._length(d) for d in value.shape]), kind)
        source = self.program.state_dict.get(spec.target)
        tensor = self.program.constants.get(spec.target) if source is None else source
        if not isinstance(tensor, torch.Tensor) or tensor.dtype not in shapes.KINDS:
            raise Unsupported(f"{spec.target!r} is no tensor of a type that has a counterpart")
        kept = tensor.detach().cpu()
        array = (kept.float() if kept.dtype == torch.bfloat16 else kept).numpy()
        learned = spec.kind == InputKind.PARAMETER and tensor.requires_grad
        return self.reader.constant(array, shapes.KINDS[tensor.dtype], spec.target, learned)

    def _length(self, length: Any) -> int:
        if isinstance(length, (torch.SymInt, torch.SymFloat, torch.SymBool)):
            found = length.node.expr.subs(self.lengths)
            return int(found)
        return int(length)

    def _outputs(self, node: Any) -> list[Value]:
        found = []
        for spec, source in zip(self.program.graph_signature.output_specs, node.args[0], strict=True):
            if spec.kind in (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION):
                self._note("output", f"the program changes {spec.target!r}; export it in eval()")
            elif spec.kind == OutputKind.USER_OUTPUT and source in self.values:
                value = self.values[source]
                if isinstance(value, Value):
                    found.append(value)
                elif value is not None:
                    self._note("output", f"{value!r} is no tensor")
        return found

    # ---- nodes -------------------------------------------------------------------------------------------

    def _note(self, name: str, reason: str) -> None:
        self.obstacles.setdefault(reason, []).append(name)

    def _call(self, node: Any) -> None:
        target, name = node.target, _packet(node.target)
        if any(self.values.get(source, 0) is None for source in node.all_input_nodes):
            self.values[node] = None
            return
        try:
            self.values[node] = self._result(node, target, name)
        except (Unsupported, ShapeError, ArgumentError, TypeError) as error:
            # Among them arguments that a rule does not know.
            reason = str(error).split("\n", 1)[0]
            self._note(node.name, f"{name}: {reason}")
            self.values[node] = None

    def _result(self, node: Any, target: Callable[..., Any], name: str) -> Any:
        args, kwargs = self._given(node.args), {k: self._given(v) for k, v in node.kwargs.items()}
        if target is operator.getitem:
            source, place = args
            if place >= len(source):
                raise Unsupported(f"output {place} has no counterpart")
            return source[place]
        if target in _PYTHON:
            return target(*args)
        if name in _CHECKS:
            return ()
        if name in ("sym_size", "sym_numel"):
            return args[0].shape[args[1]] if len(args) > 1 else torch.Size(args[0].shape).numel()
        if name not in RULES:
            raise Unsupported("the operator has no counterpart")
        return RULES[name](self.reader, *args, **kwargs)

    def _given(self, x: Any) -> Any:
        if isinstance(x, torch.fx.Node):
            return self.values[x]
        if isinstance(x, (torch.SymInt, torch.SymFloat)):
            return self._length(x)
        if isinstance(x, (list, tuple)):
            return [self._given(each) for each in x]
        return x
