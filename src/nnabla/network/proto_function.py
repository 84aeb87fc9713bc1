"""`ProtoFunction`: a node of a described network. It has a type and arguments, and names what it reads and computes."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from .. import operators  # noqa: F401  (declares them all)
from ..errors import ArgumentError, ShapeError
from ..graph.call import apply
from ..graph.callback import Callback
from ..graph.operator import Operator, Shape, registry
from ..graph.python_function import PythonFunction
from ..graph.setup import set_up
from ..graph.variable import Variable
from .loop_control import Recurrent, Repeat

if TYPE_CHECKING:
    from .proto_network import ProtoNetwork


class ProtoFunction:
    """A function of a described network.

    Args:
        func: the `PythonFunction` that it describes; ``None`` for a registered function.
        f_type: type name, ``"Convolution"``.
        args: values of the arguments by name; missing ones take their default.
        name: in the network.
        owner: the network.

    Attributes:
        type, args, name: as given.
        owner: weak reference to the network, or ``None``.
        inputs: names of the variables that it reads; an optional input that is not given is left out.
        outputs: names of the variables that it computes.
        path_name: of the module that it comes from, ``"@net/@conv1"``; ``""`` for none.
        repeat_id: names of the loops that it stands in, from the outermost; expanding them empties it.
        repeat_param, recurrent_param: of a function that stands for a loop, which one; else ``None``.
        function_instance: the Function that stood for it when the network was last called.

    Example:
        >>> import nnabla as nn
        >>> relu = ProtoFunction(None, "ReLU", {"inplace": False})
        >>> relu(nn.Variable((2, 3))).parent
        ReLU
    """

    def __init__(
        self,
        func: PythonFunction | None,
        f_type: str,
        args: dict[str, Any],
        name: str | None = None,
        owner: ProtoNetwork | None = None,
    ) -> None:
        self._func = func
        self.type = f_type
        self.args = copy.deepcopy(args)
        self.name = name
        self.owner = None if owner is None else weakref.ref(owner)
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.path_name = ""
        self.repeat_id: list[str] = []
        self.repeat_param: Repeat | None = None
        self.recurrent_param: Recurrent | None = None
        self.function_instance: Any = None
        # Which of the declared inputs are given. None, as in descriptions from files: those that fit the shapes.
        self._present: tuple[bool, ...] | None = None

    @staticmethod
    def describe(operator: Operator, name: str, path_name: str, owner: ProtoNetwork) -> ProtoFunction:
        """A function for a network, from an operator that has met its inputs; without names of inputs and outputs.

        Raises:
            ValueError: it is none of the registered functions, as the gradients in a graph made by `nnabla.grad`.
        """
        func = operator.user if isinstance(operator, Callback) else None
        if func is None and type(operator) is not registry.get(operator.declaration.type_name):
            raise ValueError(f"{operator.declaration.type_name}: only registered functions can be described")
        function = ProtoFunction(func, operator.declaration.type_name, operator.arguments, name, owner)
        function.path_name = path_name
        function._present = operator.present if func is None else None
        return function

    def clone(self, owner: ProtoNetwork | None) -> ProtoFunction:
        """A function with the same facts, for the network `owner`."""
        twin = ProtoFunction(self._func, self.type, self.args, self.name, owner)
        twin.inputs = list(self.inputs)
        twin.outputs = list(self.outputs)
        twin.path_name = self.path_name
        twin.repeat_id = list(self.repeat_id)
        twin.repeat_param = self.repeat_param
        twin.recurrent_param = self.recurrent_param
        twin._present = self._present
        return twin

    def __getitem__(self, item: str) -> Any:
        """One of type, args, name, inputs, outputs, path_name."""
        if item not in ("type", "args", "name", "inputs", "outputs", "path_name"):
            raise KeyError(item)
        return getattr(self, item)

    # ---- application -------------------------------------------------------------------------------------

    def __call__(self, *inputs: Any, n_outputs: int = -1) -> Any:
        """Apply the function to other inputs.

        Args:
            inputs: Variables, NdArrays or ProtoVariables, one for each name in `inputs`.
            n_outputs: how many outputs are wanted; default as many as are described.

        Returns:
            What the function of that name in `nnabla.functions` returns for them.

        Raises:
            ValueError: no function of that type is registered.
            ShapeError, ArgumentError: inputs or arguments do not fit.
        """
        operator = self._operator(self.args)
        count = n_outputs if n_outputs > 0 else len(self.outputs) or -1
        return apply(operator, self._with_gaps(inputs), count)

    def graph_call(self, *, batch_size: int | None = None) -> tuple[Any, ...]:
        """Apply the function to the `variable_instance` of its inputs, and set those of its outputs.

        Args:
            batch_size: put where a shape among the arguments leaves it open.

        Returns:
            The outputs.
        """
        network = self._network()
        values = [network._variable(name).variable_instance for name in self.inputs]
        results = self._results(values, batch_size)
        for name, result in zip(self.outputs, results, strict=True):
            network._variable(name).variable_instance = result
        self.function_instance = results[0].parent if isinstance(results[0], Variable) else None
        return results

    def output_shapes(self, shapes: Sequence[Shape], args: dict[str, Any] | None = None) -> list[Shape]:
        """The shapes of the outputs, for inputs of these shapes; nothing is computed.

        Args:
            shapes: one for each name in `inputs`.
            args: values of the arguments instead of its own.

        Raises:
            ValueError: no function of that type is registered.
            ShapeError, ArgumentError: inputs or arguments do not fit.
        """
        operator = self._operator(self.args if args is None else args)
        inputs = self._with_gaps([Variable(shape) for shape in shapes])
        return set_up(operator, inputs, [x for x in inputs if x is not None], len(self.outputs) or -1)

    @property
    def proto(self) -> Any:
        """A message ``Function`` of a model file with what is said here."""
        from .to_messages import function_message

        return function_message(self)

    def _network(self) -> ProtoNetwork:
        network = None if self.owner is None else self.owner()
        if network is None:
            raise ValueError(f"{self.type}: this function belongs to no network")
        return network

    def _results(self, inputs: Sequence[Any], batch_size: int | None) -> tuple[Any, ...]:
        operator = self._operator(self._with_batch(batch_size))
        try:
            found = apply(operator, self._with_gaps(inputs), len(self.outputs))
        except TypeError as error:
            # The number of inputs, of which only the description can be blamed.
            raise ValueError(f"{self.name}: {error}") from None
        results = found if isinstance(found, tuple) else (found,)
        if len(results) != len(self.outputs):
            raise ValueError(f"{self.name}: {self.type} has {len(results)} outputs, not {len(self.outputs)}")
        return results

    def _operator(self, args: dict[str, Any]) -> Operator:
        if self._func is not None:
            return Callback(self._func)
        cls = registry.get(self.type)
        if cls is None:
            raise ValueError(f"{self.name}: there is no function of type {self.type!r}")
        return cls(**args)

    def _with_batch(self, batch_size: int | None) -> dict[str, Any]:
        """The arguments for a size of the batch, where the first axis of the output is that of the batch.

        It is put into a shape that begins with -1, and a slice that begins at the first sample takes all of them.
        """
        args: Any = self.args
        shape, stop = args.get("shape"), args.get("stop")
        if batch_size is None or self.owner is None:
            return args
        changed: dict[str, Any] = {}
        if shape and shape[0] == -1:
            changed["shape"] = [batch_size, *shape[1:]]
        elif isinstance(stop, list) and stop and [args["start"][:1], args["step"][:1]] == [[0], [1]]:
            changed["stop"] = [None, *stop[1:]]
        if not changed or not self.outputs:
            return args
        described = self._network().variables[self.outputs[0]].shape
        return args if not described or described[0] > 0 else args | changed

    def _with_gaps(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """`inputs` with None for each declared input that is not given."""
        cls = registry.get(self.type)
        if self._func is not None or cls is None or cls.declaration.variadic:
            return inputs
        if self._present is not None and sum(self._present) == len(inputs):
            return _spread(inputs, [i for i, there in enumerate(self._present) if there], len(self._present))
        declared = cls.declaration.inputs
        required = [i for i, entry in enumerate(declared) if not entry.optional]
        optional = [i for i, entry in enumerate(declared) if entry.optional]
        rest = len(inputs) - len(required)
        if not 0 <= rest <= len(optional):
            return inputs  # `apply` says what is wrong
        ways = [_spread(inputs, sorted([*required, *taken]), len(declared)) for taken in combinations(optional, rest)]
        # Files name the inputs that there are, and not which these are. Those on the left are the likeliest.
        return next((way for way in ways if len(ways) == 1 or self._fits(way)), ways[0])

    def _fits(self, inputs: Sequence[Any]) -> bool:
        try:
            set_up(self._operator(self.args), inputs, [x for x in inputs if x is not None], len(self.outputs) or -1)
        except (ShapeError, ArgumentError):
            return False
        return True

    def __repr__(self) -> str:
        return f"<ProtoFunction {self.name!r} {self.type}>"


def _spread(inputs: Sequence[Any], positions: Iterable[int], count: int) -> list[Any]:
    spread: list[Any] = [None] * count
    for position, value in zip(positions, inputs, strict=True):
        spread[position] = value
    return spread
