"""`ProtoNetwork`: a network as a value, named functions between named variables."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from .._nd_array import NdArray
from ..context import Context, context_scope
from ..graph.variable import Variable
from .from_messages import read_network
from .in_force import in_force
from .initial_values import InitialValues
from .loops import expand, has_loops
from .proto_function import ProtoFunction
from .proto_variable import PARAMETER, ProtoVariable
from .variable_batch import variable_batch_size as open_batch

if TYPE_CHECKING:
    from .proto_graph import ProtoGraph

FACTS = ("name", "batch_size", "variables", "parameters", "functions", "inputs", "outputs")


class ProtoNetwork:
    """A network, described: it can be inspected, changed, written to a file, and called to build a graph.

    What reads a model from somewhere makes one with `add_variable` and `add_function`.

    Args:
        owner: the ProtoGraph that holds its parameters.
        name: of the network.
        batch_size: used for variables that leave it open, unless the caller gives another one.

    Attributes:
        name, owner, batch_size: as given.
        variables: inputs and results by name, in the order in which they were added.
        parameters: parameters by name.
        functions: functions by name.
        repeat_info: how often loops are gone through, by their names; expanding them empties it.
        copies: by the name of a variable in loops, what it became when they were expanded.
        func_names, var_names: how often each name was needed, to number functions and variables.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> x = nn.Variable((2, 3))
        >>> g = nn.graph_def.create_graph_from_variable("net", F.relu(F.tanh(x)), names={"x": x})
        >>> network = g["net"]
        >>> network.inputs, network.outputs, [f.type for f in network.forward_sequence()]
        (['x'], ['@net/ReLU_out'], ['Tanh', 'ReLU'])
        >>> network(nn.Variable((5, 3))).shape
        (5, 3)
    """

    def __init__(self, owner: ProtoGraph, name: str | None = None, batch_size: int | None = None) -> None:
        self.owner = owner
        self.name = "model" if name is None else name
        self.batch_size = batch_size
        self.variables: OrderedDict[str, ProtoVariable] = OrderedDict()
        self.parameters: OrderedDict[str, ProtoVariable] = OrderedDict()
        self.functions: OrderedDict[str, ProtoFunction] = OrderedDict()
        self.repeat_info: dict[str, int] = {}
        self.copies: dict[str, list[str]] = {}
        self.func_names: dict[str, int] = {}
        self.var_names: dict[str, int] = {}
        # Names here of variables of other networks that this one reads.
        self._foreign: dict[ProtoVariable, str] = {}

    # ---- what it holds -----------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[str]:
        """Names of the variables that no function computes, without parameters."""
        return [name for name, variable in self.variables.items() if variable.parent is None]

    @property
    def outputs(self) -> list[str]:
        """Names of the variables that no function reads."""
        return [n for n, variable in self.variables.items() if variable.parent is not None and not variable.required]

    @property
    def current_context(self) -> Context:
        """The context that its functions are made in."""
        return self.owner.current_context

    def __getitem__(self, item: str) -> Any:
        """One of name, batch_size, variables, parameters, functions, inputs, outputs."""
        if item not in FACTS:
            raise KeyError(item)
        return getattr(self, item)

    def _variable(self, name: str) -> ProtoVariable:
        found = self.variables.get(name) or self.parameters.get(name)
        if found is None:
            raise ValueError(f"network {self.name!r} has no variable {name!r}")
        return found

    def __repr__(self) -> str:
        return f"<ProtoNetwork {self.name!r}: {len(self.functions)} functions>"

    # ---- how it is put together --------------------------------------------------------------------------

    def add_variable(self, variable: ProtoVariable) -> ProtoVariable:
        """Add a variable or parameter, which must have a name.

        Raises:
            ValueError: it has none, or a variable of that name is there.
        """
        name = variable.name
        if not name:
            raise ValueError(f"network {self.name!r}: a variable must have a name")
        if name in self.variables or name in self.parameters:
            raise ValueError(f"network {self.name!r}: there is a variable {name!r} already")
        (self.parameters if variable.type == PARAMETER else self.variables)[name] = variable
        variable._in_network = True
        return variable

    def add_function(self, function: ProtoFunction) -> ProtoFunction:
        """Add a function. Its `name`, `inputs` and `outputs` must be set, and the variables be there.

        Raises:
            ValueError: a function of that name is there, a variable is not, or another function computes an output.
        """
        name = function.name
        if not name or name in self.functions:
            raise ValueError(f"network {self.name!r}: functions must have names of their own, not {name!r}")
        sources = [self._variable(source) for source in function.inputs]
        results = [self._variable(result) for result in function.outputs]
        for result in results:
            if result.parent is not None or result.type == PARAMETER:
                by = "parameter" if result.parent is None else f"output of {result.parent!r}"
                raise ValueError(f"network {self.name!r}: {result.name!r}, output of {name!r}, is a {by} already")
        for source in sources:
            source.required.append(name)
        for result in results:
            result.parent = name
        self.functions[name] = function
        return function

    def check_adoptable(self, variables: Iterable[ProtoVariable]) -> None:
        """See to it that `adopt` will take all of `variables`.

        Raises:
            ValueError: a variable that is in no network has a name that another one has here.
        """
        fresh = {v for v in variables if v.name and not v._in_network}
        for variable in fresh:
            if self._has_variable(variable.name) or any(v.name == variable.name for v in fresh - {variable}):
                raise ValueError(f"network {self.name!r}: there is another variable {variable.name!r}")

    def adopt(self, variable: ProtoVariable, default_name: str) -> str:
        """The name here of a variable that a function reads, which becomes an input if it is new.

        Args:
            variable: of this network, of another one, or of none.
            default_name: for a variable without a name; a number follows where it is taken.
        """
        name = variable.name
        if name and (self.variables.get(name) is variable or self.parameters.get(name) is variable):
            return name
        if not variable._in_network:
            variable.name = name or self.new_variable_name(default_name)
            return str(self.add_variable(variable).name)
        known = self._foreign.get(variable)
        if known is None:
            copy = variable.clone()
            copy.parent, copy.required = None, []
            copy.name = known = self.new_variable_name(str(name))
            self.add_variable(copy)
            self._foreign[variable] = known
        return known

    def _unique(self, name: str, counts: dict[str, int], taken: Callable[[str], bool]) -> str:
        """`name` for the first that needs it, then ``name_1``, ``name_2``; none that is taken."""
        count = counts.get(name, 0)
        while True:
            candidate = f"{name}_{count}" if count else name
            count += 1
            if not taken(candidate):
                counts[name] = count
                return candidate

    def _has_variable(self, name: str | None) -> bool:
        return name in self.variables or name in self.parameters

    def new_variable_name(self, name: str, reserved: Iterable[str] = ()) -> str:
        """`name`, with a number where a variable has that name already, or it is one of `reserved`."""
        return self._unique(name, self.var_names, lambda n: n in reserved or self._has_variable(n))

    def new_function_name(self, name: str) -> str:
        """`name`, with a number where a function has that name already."""
        return self._unique(name, self.func_names, self.functions.__contains__)

    def relink(self) -> None:
        """Work out anew which function computes and which read each variable, after names in functions changed.

        Raises:
            ValueError: a function names a variable that is not there.
        """
        for variable in (*self.variables.values(), *self.parameters.values()):
            variable.parent = None
            variable.required = []
        for function in self.functions.values():
            for source in function.inputs:
                self._variable(source).required.append(str(function.name))
            for result in function.outputs:
                self._variable(result).parent = function.name

    def clone(self) -> ProtoNetwork:
        """A copy of the description, with the same owner and parameters. The owner does not list it."""
        copy = ProtoNetwork(self.owner, self.name, self.batch_size)
        for variable in (*self.variables.values(), *self.parameters.values()):
            copy.add_variable(variable.clone())
        for name, function in self.functions.items():
            copy.functions[name] = function.clone(copy)
        copy.repeat_info = dict(self.repeat_info)
        copy.copies = dict(self.copies)
        copy.func_names = dict(self.func_names)
        copy.var_names = dict(self.var_names)
        return copy

    def promote(self, callback: Callable[[ProtoNetwork], Any]) -> ProtoNetwork:
        """A copy of this network that `callback` has changed.

        Args:
            callback: called with the copy, which it may change as it likes.
        """
        if not callable(callback):
            raise TypeError(f"ProtoNetwork.promote: callback must be callable, not {type(callback).__name__}")
        copy = self.clone()
        callback(copy)
        copy.relink()
        return copy

    # ---- model files -------------------------------------------------------------------------------------

    def as_proto(self, variable_batch_size: bool = True) -> Any:
        """A message ``Network`` of a model file. The network stays as it is.

        Args:
            variable_batch_size: leave the size of the batch open, see `nnabla.core.variable_batch_size`.
        """
        from .to_messages import network_message

        network = self.clone()
        network.update_actual_shape_of_reshape()
        if variable_batch_size:
            open_batch(network)
        return network_message(network)

    def update_actual_shape_of_reshape(self) -> None:
        """Put the shape that each Reshape gives its output in place of one that it works out, as files have it.

        Where inputs leave the size of the batch open, such a length may depend on it, and stays as it is.
        """
        if any(-1 in self.variables[name].shape for name in self.inputs):
            return
        for function in self.functions.values():
            shape = function.args.get("shape")
            if function.type == "Reshape" and shape is not None and -1 in shape:
                actual = self._variable(function.outputs[0]).shape
                if all(length >= 0 for length in actual):
                    function.args = function.args | {"shape": list(actual)}

    @staticmethod
    def from_proto(
        owner: ProtoGraph, proto: Any, rng: np.random.RandomState | None = None, batch_size: int | None = None
    ) -> ProtoNetwork:
        """The network in a message ``Network``, with its loops as they stand there.

        Args:
            owner: the graph that holds its parameters. It does not list the network.
            proto: the message.
            rng: draws the values of parameters that have an initializer.
            batch_size: instead of the one in the message.

        Raises:
            ValueError: a function is not known, or names do not fit together.
        """
        network = ProtoNetwork(owner, proto.name, batch_size)
        read_network(network, proto, rng)
        return network

    def expand_loop_control(self) -> ProtoNetwork:
        """This network, or where it has loops one with the same owner in which they are written out.

        Raises:
            ValueError: loops do not fit together, or become too large.
        """
        if not has_loops(self):
            return self
        expanded = ProtoNetwork(self.owner, self.name, self.batch_size)
        expand(self, expanded)
        return expanded

    def save(
        self,
        filename: Any,
        include_parameter: bool = False,
        variable_batch_size: bool = True,
        executors: Iterable[Any] | None = None,
    ) -> None:
        """Save this network alone; see `ProtoGraph.save`."""
        self.owner._save([self], filename, include_parameter, variable_batch_size, executors)

    # ---- order -------------------------------------------------------------------------------------------

    def forward_sequence(self) -> Iterator[ProtoFunction]:
        """The functions, each after those whose outputs it reads; as far as that allows in the order of `functions`.

        Raises:
            ValueError: the functions depend on each other in a circle.
        """
        done: set[str] = set()
        waiting: set[str] = set()
        for first in list(self.functions):
            stack = [first]
            while stack:
                name = stack[-1]
                if name in done:
                    stack.pop()
                    continue
                parents = [self._variable(source).parent for source in self.functions[name].inputs]
                before = [parent for parent in parents if parent is not None and parent not in done]
                if not before:
                    stack.pop()
                    done.add(name)
                    yield self.functions[name]
                    continue
                if name in waiting:
                    raise ValueError(f"network {self.name!r}: function {name!r} needs its own output")
                waiting.add(name)
                stack.extend(reversed(before))

    def execute_on_proto(self, execute: Callable[[ProtoFunction], Any]) -> None:
        """Call `execute` with each function, in forward order. It may change or remove functions."""
        for function in list(self.forward_sequence()):
            execute(function)

    # ---- execution ---------------------------------------------------------------------------------------

    def __call__(self, *args: Any, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Build the graph that is described.

        Args:
            args: Variables for the inputs, in the order of `inputs`. An input that is not given is a new Variable,
                found as ``network.variables[name].variable_instance``. With NdArrays the network is computed at
                once; with ProtoVariables it becomes part of the network that is being described.
            batch_size: for inputs that leave it open; default what the given inputs have there, else `batch_size` of
                the network.
            kwargs: Variables for inputs, by name.

        Returns:
            The output, or a tuple of outputs in the order of `outputs`.

        Raises:
            TypeError: too many inputs, or an input of another name or kind.
            ValueError: the batch size is open; a parameter has no values; a function is not known.
            ShapeError, ArgumentError: a function does not accept its inputs.
        """
        given = self._bound(args, kwargs)
        if not self.functions:
            raise ValueError(f"network {self.name!r} has no functions")
        if batch_size is None:
            batch_size = self._batch_of(given)
        values: dict[str, Any] = {name: given.get(name) for name in self.inputs}
        described = any(isinstance(value, ProtoVariable) for value in given.values())
        computed = any(isinstance(value, NdArray) for value in given.values())
        with InitialValues(self.owner, at_once=computed) as initial:
            for name in [name for name in self.inputs if name not in given]:
                values[name] = initial.input(self.variables[name], self.name, batch_size)
                if described:
                    values[name] = ProtoVariable(values[name].shape, need_grad=self.variables[name].need_grad)
            values |= {name: initial.parameter(variable) for name, variable in self.parameters.items()}
            if described:
                in_force.builder.propose_names({values[name]: name for name in self.parameters})
            for name, variable in (*self.variables.items(), *self.parameters.items()):
                variable.variable_instance = values.get(name)
            context = self.owner._context
            with nullcontext() if context is None else context_scope(context):
                self.execute_on_proto(lambda function: function.graph_call(batch_size=batch_size))
        outputs = tuple([self.variables[name].variable_instance for name in self.outputs])
        return outputs[0] if len(outputs) == 1 else outputs

    def _bound(self, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        names = self.inputs
        if len(args) > len(names):
            raise TypeError(f"network {self.name!r} takes {len(names)} inputs {names}, {len(args)} were given")
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise TypeError(f"network {self.name!r} has no input {name!r}; it has {names}")
            if name in given:
                raise TypeError(f"network {self.name!r}: input {name!r} is given twice")
            given[name] = value
        for name, value in given.items():
            if not isinstance(value, (Variable, NdArray, ProtoVariable)):
                raise TypeError(
                    f"network {self.name!r}: input {name!r} must be a Variable, an NdArray or a ProtoVariable, "
                    f"not {type(value).__name__}"
                )
        return given

    def _batch_of(self, given: dict[str, Any]) -> int | None:
        for name, value in given.items():
            for described, length in zip(self.variables[name].shape, value.shape, strict=False):
                if described < 1:
                    return int(length)
        return self.batch_size
