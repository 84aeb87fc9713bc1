"""Changes to a network of a file while it is built: `NnpNetworkPass`, and what its callbacks are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...files.model_messages import MODEL
from ...graph.variable import Variable
from ...network import ProtoFunction, ProtoNetwork, ProtoVariable
from ...network.argument_values import get_arguments
from ...network.to_messages import put_function, put_variable

Callback = Callable[..., Any]


class PassVariable:
    """A variable as callbacks see it.

    Attributes:
        name: of the variable.
        proto: a message ``Variable``. Once the network is built, it has the shape that the variable gets; the shape of
            an input may be changed there.
        variable: of an input, the Variable that stands for it; ``None`` for a new one. When a function is made, another
            one for a parameter that it reads.
        stop: whether the network is used only up to it.
        need_grad: whether it is a parameter that is trained.
        pv, pn: the `ProtoVariable` and its `ProtoNetwork`.
    """

    def __init__(self, owner: Network, described: ProtoVariable) -> None:
        self._owner = owner
        self.pv = described
        self.pn = owner.network
        self.name = str(described.name)
        self.variable: Variable | None = None
        self.stop = False
        self.need_grad = described.need_grad
        self._proto: Any = None

    @property
    def proto(self) -> Any:
        if self._proto is None:
            self._proto = MODEL.message("Variable")()
            put_variable(self._proto, self.pv)
        return self._proto

    @property
    def parent(self) -> PassFunction | None:
        """The function that computes it."""
        return None if self.pv.parent is None else self._owner.functions.get(self.pv.parent)

    @property
    def referrers(self) -> dict[str, PassFunction]:
        """The functions that read it, by name."""
        functions = self._owner.functions
        return {name: functions[name] for name in self.pv.required if name in functions}

    @property
    def num_referrers(self) -> int:
        """How many functions read it."""
        return len(self.referrers)

    def rewire_on(self, other: PassVariable) -> None:
        """Let all functions that read this variable read `other` instead."""
        for function in self.referrers.values():
            inputs = function.pf.inputs
            function.pf.inputs = [other.name if name == self.name else name for name in inputs]
        self._owner.network.relink()

    def described_shape(self) -> tuple[int, ...]:
        """The shape in `proto`."""
        return self.pv.shape if self._proto is None else tuple(self._proto.shape.dim)

    def settle(self, shape: tuple[int, ...]) -> None:
        """Note the shape that the variable got."""
        self.pv.shape = shape
        self._proto = None


class PassFunction:
    """A function as callbacks see it.

    Attributes:
        name: of the function.
        proto: a message ``Function``; its arguments may be changed there.
        disabled: whether it is left out.
        inputs, outputs: variables.
        pf, pn: the `ProtoFunction` and its `ProtoNetwork`.
    """

    def __init__(self, owner: Network, described: ProtoFunction) -> None:
        self._owner = owner
        self.pf = described
        self.pn = owner.network
        self.name = str(described.name)
        self.disabled = False
        self._proto: Any = None

    @property
    def proto(self) -> Any:
        if self._proto is None:
            self._proto = MODEL.message("Function")()
            put_function(self._proto, self.pf)
        return self._proto

    @property
    def inputs(self) -> list[PassVariable]:
        return [self._owner.variables[name] for name in self.pf.inputs]

    @property
    def outputs(self) -> list[PassVariable]:
        return [self._owner.variables[name] for name in self.pf.outputs]

    def disable(self) -> None:
        """Leave the function out: its outputs become inputs of the network."""
        self.disabled = True

    def settle(self) -> None:
        """Take over the arguments in `proto`."""
        if self._proto is not None:
            self.pf.args = get_arguments(self._proto)


class Network:
    """A described network with its variables and functions as callbacks see them.

    Args:
        network: which is changed.
    """

    def __init__(self, network: ProtoNetwork) -> None:
        self.network = network
        self.variables = {
            name: PassVariable(self, v) for name, v in (*network.variables.items(), *network.parameters.items())
        }
        self.functions = {name: PassFunction(self, f) for name, f in network.functions.items()}

    def ordered(self) -> list[PassFunction]:
        """The functions in forward order."""
        return [self.functions[str(f.name)] for f in self.network.forward_sequence()]

    def remove(self, gone: set[str]) -> None:
        """Take functions out, and what only they used."""
        network = self.network
        for name in gone:
            del network.functions[name], self.functions[name]
        network.relink()
        used = {name for f in network.functions.values() for name in (*f.inputs, *f.outputs)}
        for table in (network.variables, network.parameters):
            for name in [name for name in table if name not in used]:
                del table[name]


class NnpNetworkPass:
    """Changes to a network while `NnpLoader.get_network` builds it.

    The methods that begin with ``on_`` are decorators of callbacks. The others are the changes that are needed most.

    Args:
        verbose: 1 and 2 print what is done.

    Example:
        >>> passes = NnpNetworkPass()
        >>> passes.remove_and_rewire("Dropout")
        >>> @passes.on_generate_function_by_type("AveragePooling")
        ... def ignore_padding(f):
        ...     f.proto.average_pooling_param.including_pad = False
        ...     return f
    """

    def __init__(self, verbose: int = 0) -> None:
        self._verbose = verbose
        self._function_by_name: dict[str, list[Callback]] = {}
        self._function_by_type: dict[str, list[Callback]] = {}
        self._variable: dict[str, list[Callback]] = {}
        self._generated_by_name: dict[str, list[Callback]] = {}
        self._generated_by_type: dict[str, list[Callback]] = {}
        self._dropped: list[str] = []
        self._stops: list[str] = []
        self._fixes_parameters = False

    def verbose(self, text: str) -> None:
        """Print a line, if the pass is verbose."""
        if self._verbose >= 1:
            print(f"Pass: {text}")

    def verbose2(self, text: str) -> None:
        """Print a line, if the pass is very verbose."""
        if self._verbose >= 2:
            print(f"Pass: {text}")

    # ---- callbacks -----------------------------------------------------------------------------------------

    def on_function_pass_by_name(self, name: str) -> Callable[[Callback], Callback]:
        """Before the network is built, call ``callback(f, variables, param_scope)`` with the function of that name.

        `f` is a `PassFunction`, `variables` a list of all `PassVariable`, `param_scope` holds the parameters.
        """
        return _appending(self._function_by_name, name)

    def on_function_pass_by_type(self, name: str) -> Callable[[Callback], Callback]:
        """As `on_function_pass_by_name`, for all functions of a type."""
        return _appending(self._function_by_type, name)

    def on_generate_variable(self, name: str) -> Callable[[Callback], Callback]:
        """When the variable of that name is made, call ``callback(v)``, which returns a `PassVariable`."""
        return _appending(self._variable, name)

    def on_generate_function_by_name(self, name: str) -> Callable[[Callback], Callback]:
        """When the function of that name is made, call ``callback(f)``, which returns a `PassFunction`."""
        return _appending(self._generated_by_name, name)

    def on_generate_function_by_type(self, name: str) -> Callable[[Callback], Callback]:
        """As `on_generate_function_by_name`, for all functions of a type."""
        return _appending(self._generated_by_type, name)

    # ---- changes -------------------------------------------------------------------------------------------

    def drop_function(self, *names: str) -> None:
        """Leave out functions; what they compute becomes inputs, what only they read becomes outputs."""
        self._dropped.extend(names)

    def fix_parameters(self) -> None:
        """Do not train the parameters of the network."""
        self._fixes_parameters = True

    def use_up_to(self, *names: str) -> None:
        """Leave out the functions that follow variables of these names."""
        self._stops.extend(names)

    def remove_and_rewire(self, name: str, i: int = 0, o: int = 0) -> None:
        """Leave out a function: what reads its output number `o` reads its input number `i`."""

        @self.on_function_pass_by_name(name)
        def rewire(f: PassFunction, variables: list[PassVariable], param_scope: Any) -> None:
            self.verbose2(f"Rewiring {name}.")
            f.outputs[o].rewire_on(f.inputs[i])
            f.disable()

    def set_variable(self, name: str, input_var: Variable) -> None:
        """Use `input_var` as the input of that name."""

        @self.on_generate_variable(name)
        def use(v: PassVariable) -> PassVariable:
            self.verbose2(f"Replacing variable {name}.")
            v.variable = input_var
            return v

    def force_average_pooling_global(self, name: str, by_type: bool = False) -> None:
        """Let a pooling take the average of all of its input.

        Args:
            name: of the function, or its type.
            by_type: whether it is the type.
        """
        decorate = self.on_generate_function_by_type if by_type else self.on_generate_function_by_name

        @decorate(name)
        def force(f: PassFunction) -> PassFunction:
            size, pooling = _pooled(f)
            for sizes, each in ((pooling.kernel, size), (pooling.stride, size), (pooling.pad, [0] * len(size))):
                sizes.dim[:] = each
            return f

    def check_average_pooling_global(self, name: str, by_type: bool = False) -> None:
        """See to it that a pooling takes the average of all of its input; else a ValueError is raised.

        Args:
            name: of the function, or its type.
            by_type: whether it is the type.
        """
        decorate = self.on_generate_function_by_type if by_type else self.on_generate_function_by_name

        @decorate(name)
        def check(f: PassFunction) -> PassFunction:
            size, pooling = _pooled(f)
            if list(pooling.kernel.dim) != size or any(pooling.pad.dim):
                raise ValueError(
                    f"check_average_pooling_global: {f.name!r} has a kernel of {list(pooling.kernel.dim)} and a pad of "
                    f"{list(pooling.pad.dim)}, its input is {size}; force_average_pooling_global makes it global"
                )
            return f

    def set_batch_normalization_batch_stat_all(self, batch_stat: bool) -> None:
        """Let batch normalizations use the statistics of the batch, or the running ones."""
        for kind, field in _BATCH_NORMALIZATIONS.items():

            @self.on_generate_function_by_type(kind)
            def set_flag(f: PassFunction, field: str = field) -> PassFunction:
                getattr(f.proto, field).batch_stat = batch_stat
                return f

    # ---- what is done with them ----------------------------------------------------------------------------

    def change(self, described: Network, param_scope: Any) -> None:
        """Carry out what is done before the network is built."""
        for f in described.ordered():
            for callback in (*self._function_by_type.get(f.pf.type, ()), *self._function_by_name.get(f.name, ())):
                if not f.disabled:
                    callback(f, list(described.variables.values()), param_scope)
        for name in self._stops:
            if name in described.variables:
                described.variables[name].stop = True
        self._remove(described)

    def _remove(self, described: Network) -> None:
        gone = {name for name, f in described.functions.items() if f.disabled or name in self._dropped}
        after: set[str] = {name for name, v in described.variables.items() if v.stop}
        for f in described.ordered():
            if after.intersection(f.pf.inputs):
                after.update(f.pf.outputs)
                gone.add(f.name)
        for name in sorted(gone):
            self.verbose2(f"Deleting {name}.")
        described.remove(gone)

    def variable(self, v: PassVariable) -> PassVariable:
        """The variable as it is to be made."""
        for callback in self._variable.get(v.name, ()):
            v = _returned(callback(v), PassVariable, v.name)
        return v

    def function(self, f: PassFunction) -> PassFunction:
        """The function as it is to be made."""
        for callback in (*self._generated_by_type.get(f.pf.type, ()), *self._generated_by_name.get(f.name, ())):
            f = _returned(callback(f), PassFunction, f.name)
        return f

    @property
    def trains(self) -> bool:
        """Whether parameters are trained."""
        return not self._fixes_parameters


_BATCH_NORMALIZATIONS = {
    "BatchNormalization": "batch_normalization_param",
    "FusedBatchNormalization": "fused_batch_normalization_param",
    "SyncBatchNormalization": "sync_batch_normalization_param",
}


def _appending(table: dict[str, list[Callback]], name: str) -> Callable[[Callback], Callback]:
    def decorate(callback: Callback) -> Callback:
        table.setdefault(name, []).append(callback)
        return callback

    return decorate


def _returned(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"NnpNetworkPass: a callback for {name!r} must return what it is given, not {value!r}")
    return value


def _pooled(f: PassFunction) -> tuple[list[int], Any]:
    """The size of the spatial axes of a pooling's input, and its arguments."""
    pooling = f.proto.average_pooling_param
    shape = list(f.inputs[0].proto.shape.dim)
    count = len(pooling.kernel.dim)
    return (shape[-count - 1 : -1] if pooling.channel_last else shape[-count:]), pooling
