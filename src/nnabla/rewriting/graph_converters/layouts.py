"""Graphs with channels first (NCHW) as graphs with channels last (NHWC), and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import functions as F
from ...errors import ArgumentError
from ...graph.function import Function
from ...graph.operator import registry
from ...graph.variable import Variable
from ...operators.shapes import Binary, Elementwise
from .conversion import FunctionModifier
from .derived_parameters import derived_parameter
from .rebuilding import connected, inputs_by_name, rebuilt

_POOLINGS = frozenset({"MaxPooling", "AveragePooling", "SumPooling", "Unpooling"})
_CONVOLUTIONS = frozenset({"Convolution", "Deconvolution"})
_NORMALIZATIONS = frozenset({"BatchNormalization", "FusedBatchNormalization", "SyncBatchNormalization"})
# Any number of arrays of one shape, element by element; and functions of one array with arguments that are no axes.
_BY_ELEMENT = frozenset({"AddN", "MulN", "Dropout"})


def moved_axes(ndim: int, to_last: bool) -> list[int]:
    """The order of axes that brings channels from axis 1 to the end, or from the end to axis 1.

    Example:
        >>> moved_axes(4, True), moved_axes(4, False)
        ([0, 2, 3, 1], [0, 3, 1, 2])
    """
    return [0, *range(2, ndim), 1] if to_last else [0, ndim - 1, *range(1, ndim - 1)]


def _works_by_element(type_name: str) -> bool:
    cls = registry.get(type_name)
    return type_name in _BY_ELEMENT or (cls is not None and issubclass(cls, (Elementwise, Binary)))


class LayoutModifier(FunctionModifier):
    """Moves the channels of what convolutions, poolings and batch normalizations read.

    Element-wise functions and Concatenate pass on the new order. In front of all others it is taken back by a
    Transpose, so that results stay what they are.

    Args:
        inputs: of the original graph.
        moved_inputs: what stands for them, channels moved; default new Variables.
        to_last: whether channels go to the end, or come from there.
        name: of the caller, for errors.
    """

    def __init__(
        self, inputs: Sequence[Variable], moved_inputs: Sequence[Variable] | None, to_last: bool, name: str
    ) -> None:
        self._to_last = to_last
        self._originals = list(inputs)
        axes = [moved_axes(v.ndim, to_last) if v.ndim > 2 else list(range(v.ndim)) for v in self._originals]
        shapes = [tuple([v.shape[a] for a in order]) for v, order in zip(self._originals, axes, strict=True)]
        if moved_inputs is None:
            moved_inputs = []
            for v, order, shape in zip(self._originals, axes, shapes, strict=True):
                moved = Variable(shape, need_grad=v.need_grad)
                moved.name, moved.persistent = v.name, v.persistent
                if v.parent is None and v.data._has_values():
                    moved.d = np.transpose(v.d, order)
                moved_inputs.append(moved)
        if len(moved_inputs) != len(shapes) or any(v.shape != s for v, s in zip(moved_inputs, shapes, strict=True)):
            found = [v.shape for v in moved_inputs]
            raise ArgumentError(f"{name}: the moved inputs must have shapes {shapes}, not {found}")
        self._moved_inputs = list(moved_inputs)
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        self._moved: dict[Variable, None] = {}
        self._transposed: dict[Variable, Variable] = {}
        for original, moved in zip(self._originals, self._moved_inputs, strict=True):
            self._leaves[original] = moved
            if moved.ndim > 2:
                self._moved[moved] = None

    # ---- variables -----------------------------------------------------------------------------------------

    def _in_new_order(self, v: Variable) -> Variable:
        return v if v in self._moved else self._transpose(v, self._to_last)

    def _in_old_order(self, v: Variable) -> Variable:
        return self._transpose(v, not self._to_last) if v in self._moved else v

    def _transpose(self, v: Variable, to_last: bool) -> Variable:
        found = self._transposed.get(v)
        if found is None:
            found = self._transposed[v] = F.transpose(v, moved_axes(v.ndim, to_last))
            if to_last == self._to_last:
                self._moved[found] = None
        return found

    def _mark(self, made: Variable) -> Variable:
        self._moved[made] = None
        return made

    # ---- functions -----------------------------------------------------------------------------------------

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        kind, args = f.info.type_name, f.info.args
        if kind in _CONVOLUTIONS and self._comes_first(f) and args["base_axis"] in (1, 1 - f.inputs[0].ndim):
            return self._convolution(f, inputs)
        if kind in _POOLINGS and self._comes_first(f) and f.inputs[0].ndim == len(args["kernel"]) + 2:
            return self._mark(rebuilt(f, [self._in_new_order(inputs[0])], channel_last=self._to_last))
        if any(v in self._moved for v in inputs):
            if kind in _NORMALIZATIONS and self._normalizes_channels(f) and len(f.outputs) == 1:
                return self._normalization(f, inputs)
            same = len({v.ndim for v in inputs}) == 1
            if kind == "Concatenate" and same:
                order = moved_axes(f.inputs[0].ndim, self._to_last)
                axis = order.index(args["axis"] % len(order))
                return self._mark(rebuilt(f, [self._in_new_order(v) for v in inputs], axis=axis))
            if _works_by_element(kind) and same:
                return self._mark(rebuilt(f, [self._in_new_order(v) for v in inputs]))
        return rebuilt(f, [self._in_old_order(v) for v in inputs])

    def _comes_first(self, f: Function) -> bool:
        """Whether a function has its channels where they are to be taken away."""
        return bool(f.info.args["channel_last"]) != self._to_last

    def _normalizes_channels(self, f: Function) -> bool:
        ndim = f.inputs[0].ndim
        return [a % ndim for a in f.info.args["axes"]] == [1 if self._to_last else ndim - 1]

    def _convolution(self, f: Function, inputs: list[Variable]) -> Variable:
        x, weight, *bias = inputs
        moved = [self._in_new_order(x), self._moved_parameter(weight), *bias]
        return self._mark(rebuilt(f, moved, channel_last=self._to_last))

    def _normalization(self, f: Function, inputs: list[Variable]) -> Variable:
        given = inputs_by_name(f, inputs)
        moved: list[Variable] = []
        for name, v in given.items():
            if v is not None:
                moved.append(self._in_new_order(v) if name in ("x", "z") else self._moved_parameter(v))
        axis = f.inputs[0].ndim - 1 if self._to_last else 1
        return self._mark(rebuilt(f, moved, axes=[axis]))

    def _moved_parameter(self, v: Variable) -> Variable:
        """A weight, or a parameter of a normalization, in the new order: a parameter beside it, with a suffix."""
        name = self._parameter_name(v)
        if v.parent is not None or not name:
            return self._transposed_weight(v)
        values = np.transpose(np.array(v.d), moved_axes(v.ndim, self._to_last))
        found = derived_parameter(f"{name}-channel-{'last' if self._to_last else 'first'}", values, [v])
        found.need_grad = v.need_grad
        return found

    def _transposed_weight(self, v: Variable) -> Variable:
        return F.transpose(v, moved_axes(v.ndim, self._to_last))


class ChannelLastModifier(LayoutModifier):
    """Builds a graph with channels last: ``(N, H, W, C)`` instead of ``(N, C, H, W)``.

    Convolutions, deconvolutions, poolings, Unpooling, batch normalizations and Concatenate are changed; element-wise
    functions pass on the new order. In front of all others it is taken back by a Transpose, so that results are those
    of the original graph; a result that is an image has its channels last. Weights and the parameters of batch
    normalizations are new parameters, with ``-channel-last`` behind their name.

    Args:
        inputs: the inputs of the original graph.
        inputs_cl: what stands for them, channels last; default: new Variables, with the values of `inputs`.

    Attributes:
        inputs, inputs_cl: these.

    Example:
        >>> import nnabla as nn, nnabla.parametric_functions as PF
        >>> from nnabla.experimental.graph_converters import GraphConverter
        >>> nn.clear_parameters()
        >>> x = nn.Variable((1, 3, 8, 8))
        >>> modifier = ChannelLastModifier([x])
        >>> GraphConverter([modifier]).convert(PF.convolution(x, 4, (3, 3))).shape, modifier.inputs_cl[0].shape
        ((1, 6, 6, 4), (1, 8, 8, 3))
    """

    def __init__(self, inputs: Sequence[Variable], inputs_cl: Sequence[Variable] | None = None) -> None:
        super().__init__(inputs, inputs_cl, True, "ChannelLastModifier")
        self.inputs, self.inputs_cl = self._originals, self._moved_inputs

    def connect(self, fname: str, inputs: Sequence[Variable], args: dict[str, Any]) -> Any:
        """A function of a type, on inputs."""
        return connected(fname, inputs, args)


class ChannelFirstModifier(LayoutModifier):
    """Builds a graph with channels first: ``(N, C, H, W)`` instead of ``(N, H, W, C)``. The opposite of
    `ChannelLastModifier`; new parameters have ``-channel-first`` behind their name.

    Args:
        inputs: the inputs of the original graph.
        inputs_cf: what stands for them, channels first; default: new Variables, with the values of `inputs`.

    Attributes:
        inputs, inputs_cf: these.
    """

    def __init__(self, inputs: Sequence[Variable], inputs_cf: Sequence[Variable] | None = None) -> None:
        super().__init__(inputs, inputs_cf, False, "ChannelFirstModifier")
        self.inputs, self.inputs_cf = self._originals, self._moved_inputs

    def connect(self, fname: str, inputs: Sequence[Variable], args: dict[str, Any]) -> Any:
        """A function of a type, on inputs."""
        return connected(fname, inputs, args)
