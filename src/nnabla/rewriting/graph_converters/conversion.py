"""`GraphConverter` builds a graph anew, function by function; a `FunctionModifier` says what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ... import parameter
from ...engine.forward import forward_all
from ...graph.function import Function
from ...graph.modes import modes, switched_auto_forward
from ...graph.order import topological
from ...graph.variable import Variable
from .rebuilding import rebuilt


class FunctionModifier:
    """Base of the modifiers of a graph. Derive, and define `modify`.

    Example:
        >>> import nnabla as nn, nnabla.functions as F
        >>> class LeakyModifier(FunctionModifier):
        ...     def modify(self, f, inputs):
        ...         if f.info.type_name == "ReLU":
        ...             return F.leaky_relu(inputs[0])
        >>> x = nn.Variable.from_numpy_array([-1.0, 2.0])
        >>> y = GraphConverter([LeakyModifier()]).convert(F.relu(x) * 10)
        >>> y.forward()
        >>> y.d
        array([-1., 20.], dtype=float32)
    """

    # Set here as well, since derived classes may leave out our constructor.
    _leaves: dict[Variable, Variable]
    _outputs: dict[Variable, Variable]
    _names: dict[Variable, str]

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._leaves = {}
        self._outputs = {}
        self._names = {}
        self._roots: set[Variable] = set()
        self._map_func_inputs: dict[Function, list[Variable]] = {}

    def init_map_func_inputs(self, f: Function, inputs: Sequence[Variable]) -> None:
        """Note what a function of the original graph reads in the new one."""
        self._map_func_inputs[f] = list(inputs)

    def get_parameter_scope(self, v: Variable) -> str:
        """The scope of a parameter in the current scope, ``"conv1/conv"`` for ``"conv1/conv/W"``; empty for others."""
        return self._parameter_name(v).rpartition("/")[0]

    def _parameter_name(self, v: Variable) -> str:
        name = self._names.get(v)
        if name is None:
            # It may be new; parameters are made as functions are modified.
            self._names = {param: key for key, param in parameter.get_parameters(grad_only=False).items()}
            name = self._names.get(v, "")
        return name

    def _now(self, v: Variable) -> Variable:
        """What stands for a variable of the original graph in the new one."""
        return (self._leaves if v.parent is None else self._outputs).get(v, v)

    def __call__(self, f: Function) -> None:
        """Build what becomes of a function of the original graph; called in forward order."""
        if "_outputs" not in self.__dict__:
            self._begin()
        inputs = [self._now(v) for v in f.inputs]
        self.init_map_func_inputs(f, inputs)
        found = self.modify(f, inputs)
        if found is None:
            found = rebuilt(f, inputs)
        made = [found] if isinstance(found, Variable) else found
        before = f.outputs
        if not isinstance(made, (list, tuple)) or len(made) != len(before):
            raise TypeError(
                f"{type(self).__name__}.modify must return {len(before)} Variables for {f.name}, or None, not {found!r}"
            )
        for old, new in zip(before, made, strict=True):
            if not isinstance(new, Variable):
                raise TypeError(f"{type(self).__name__}.modify must return Variables for {f.name}, not {new!r}")
            self._outputs[old] = new

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        """What becomes of a function.

        Args:
            f: of the original graph.
            inputs: what it reads in the new graph.

        Returns:
            A Variable for each of its outputs, or ``None`` to build the function again as it is. The default is
            ``None``.
        """
        return None

    def finish_up(self) -> None:
        """Called after the last function of a graph. Modifiers that keep something for a graph clear it here."""

    def _is_inner(self, v: Variable) -> bool:
        """Whether a variable of the original graph is read by one function, and is none of its results."""
        return len(v.function_references) == 1 and v not in self._roots

    def _convert(self, roots: list[Variable]) -> list[Variable]:
        self._begin()
        self._roots = set(roots)
        for f in topological(roots):
            self(f)
        found = [self._now(root) for root in roots]
        self._begin()
        self.finish_up()
        return found


class GraphConverter:
    """Builds graphs anew as modifiers say. The original graph stays as it is, and inputs and parameters are shared.

    Args:
        modifiers: carried out one after the other; there may be lists of them in the list.

    Example:
        >>> import nnabla as nn, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> y = PF.batch_normalization(PF.convolution(nn.Variable((1, 3, 8, 8)), 4, (3, 3)), batch_stat=False)
        >>> from nnabla.experimental.graph_converters import BatchNormalizationFoldingModifier
        >>> folded = GraphConverter([BatchNormalizationFoldingModifier()]).convert(y)
        >>> folded.visit(lambda f: print(f.name))
        Convolution
    """

    def __init__(self, modifiers: Sequence[Any] = ()) -> None:
        self._modifiers = list(_flat(modifiers))

    def convert(self, o: Any) -> Any:
        """Build the graph that leads to one or several variables anew.

        Args:
            o: a Variable, or a list of them.

        Returns:
            What stands for `o` in the new graph: a Variable, or a list where `o` has not just one.

        Raises:
            TypeError: `o` holds something else, or a modifier returns something else.
        """
        roots = list(o) if isinstance(o, (list, tuple)) else [o]
        if not all(isinstance(root, Variable) for root in roots):
            raise TypeError(f"GraphConverter.convert: o must be a Variable or a list of Variables, not {o!r}")
        # A graph that computes while it is built would count the statistics of a batch for every modifier.
        with switched_auto_forward(False):
            for modifier in self._modifiers:
                roots = modifier._convert(roots)
        if modes.auto_forward:
            forward_all([root for root in roots if root.parent is not None])
        return roots if len(roots) != 1 else roots[0]


def _flat(modifiers: Any) -> Iterator[FunctionModifier]:
    """The modifiers in a list in which there may be lists."""
    for modifier in modifiers:
        if isinstance(modifier, (list, tuple)):
            yield from _flat(modifier)
        elif isinstance(modifier, FunctionModifier):
            yield modifier
        else:
            raise TypeError(f"GraphConverter: modifiers must be FunctionModifiers, not {modifier!r}")
