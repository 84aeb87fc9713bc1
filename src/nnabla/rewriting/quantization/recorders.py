"""Recorders: functions that pass their input on and note how large its values are; and scales that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ... import functions as F
from ... import parameter
from ..._nd_array import NdArray
from ...context import Context, get_current_context
from ...errors import ArgumentError
from ...graph.python_function import PythonFunction
from ...graph.variable import Variable
from ...initializer import ConstantInitializer

# ---- functions ---------------------------------------------------------------------------------------------


class Recorder(PythonFunction):
    """Base of the recorders: the first input is passed on, its values are noted in the others.

    A graph with recorders is not trained: no gradient goes through them.

    Args:
        ctx: context to compute in.
        training: whether to note anything.

    Attributes:
        training: as given.
        place: what the modifier that put it into a graph knows about it.
    """

    place: Any = None

    def __init__(self, ctx: Context, training: bool = True) -> None:
        super().__init__(ctx)
        self.training = training

    @property
    def name(self) -> str:
        """Name of the function."""
        return type(self).__name__

    def min_outputs(self) -> int:
        """One output."""
        return 1

    def setup_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        """The output has the shape of the first input."""
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        """Note the values, and pass them on."""
        if self.training:
            self.note(inputs[0].data, [v.data for v in inputs[1:]])
        outputs[0].data.copy_from(inputs[0].data)

    def note(self, x: NdArray, noted: list[NdArray]) -> None:
        """Note the values of `x` in one or two arrays, in place."""
        raise NotImplementedError

    def backward_impl(
        self, inputs: list[Variable], outputs: list[Variable], propagate_down: list[bool], accum: list[bool]
    ) -> None:
        """No gradient: it is zero where it is not added to."""
        for v, wanted, added in zip(inputs, propagate_down, accum, strict=True):
            if wanted and not added:
                v.grad.zero()

    def grad_depends_output_data(self, i: int, o: int) -> bool:
        """No."""
        return False

    def grad_depends_input_data(self, i: int, j: int) -> bool:
        """No."""
        return False


class AbsMaxRecorder(Recorder):
    """Notes the largest absolute value."""

    def note(self, x: NdArray, noted: list[NdArray]) -> None:
        """`noted` is the largest absolute value."""
        noted[0].copy_from(_extreme(F.max, F.abs(x), noted[0]))


class MaxMaxRecorder(Recorder):
    """Notes the largest value of all so far."""

    def note(self, x: NdArray, noted: list[NdArray]) -> None:
        """`noted` is the largest value."""
        noted[0].copy_from(F.maximum2(noted[0], _extreme(F.max, x, noted[0])))


class MaxMvaRecorder(Recorder):
    """Notes the moving average of largest values.

    Args:
        ctx: context to compute in.
        decay: how much of the average stays in each step.
        training: whether to note anything.
    """

    def __init__(self, ctx: Context, decay: float = 0.99, training: bool = True) -> None:
        super().__init__(ctx, training)
        self.decay = decay

    def note(self, x: NdArray, noted: list[NdArray]) -> None:
        """`noted` is the average of the largest values."""
        _average(noted[0], _extreme(F.max, x, noted[0]), self.decay)


class MinMaxMinMaxRecorder(Recorder):
    """Notes the smallest and the largest value of all so far, and 0."""

    def note(self, x: NdArray, noted: list[NdArray]) -> None:
        """`noted` are the smallest and the largest value."""
        noted[0].copy_from(F.minimum2(noted[0], _extreme(F.min, x, noted[0])))
        noted[1].copy_from(F.maximum2(noted[1], _extreme(F.max, x, noted[1])))


class MinMaxMvaRecorder(Recorder):
    """Notes the moving averages of smallest and largest values.

    Args:
        ctx: context to compute in.
        decay: how much of the averages stays in each step.
        training: whether to note anything.
    """

    def __init__(self, ctx: Context, decay: float = 0.99, training: bool = True) -> None:
        super().__init__(ctx, training)
        self.decay = decay

    def note(self, x: NdArray, noted: list[NdArray]) -> None:
        """`noted` are the averages of the smallest and the largest values."""
        _average(noted[0], _extreme(F.min, x, noted[0]), self.decay)
        _average(noted[1], _extreme(F.max, x, noted[1]), self.decay)


def _extreme(reduce: Any, x: NdArray, like: NdArray) -> NdArray:
    """The smallest or largest value of `x`, in the shape of `like`, which has one element."""
    return F.reshape(reduce(x), like.shape)


def _average(noted: Any, found: Any, decay: float) -> None:
    noted.copy_from(noted * decay + found * (1 - decay))


def abs_max_recorder(x: Any, M: Any, training: bool = True) -> Any:
    """`AbsMaxRecorder` of `x`, noted in `M`."""
    return AbsMaxRecorder(get_current_context(), training)(x, M)


def max_max_recorder(x: Any, M: Any, training: bool = True) -> Any:
    """`MaxMaxRecorder` of `x`, noted in `M`."""
    return MaxMaxRecorder(get_current_context(), training)(x, M)


def max_mva_recorder(x: Any, M: Any, decay: float = 0.99, training: bool = True) -> Any:
    """`MaxMvaRecorder` of `x`, noted in `M`."""
    return MaxMvaRecorder(get_current_context(), decay, training)(x, M)


def minmax_minmax_recorder(x: Any, m: Any, M: Any, training: bool = True) -> Any:
    """`MinMaxMinMaxRecorder` of `x`, noted in `m` and `M`."""
    return MinMaxMinMaxRecorder(get_current_context(), training)(x, m, M)


def minmax_mva_recorder(x: Any, m: Any, M: Any, decay: float = 0.99, training: bool = True) -> Any:
    """`MinMaxMvaRecorder` of `x`, noted in `m` and `M`."""
    return MinMaxMvaRecorder(get_current_context(), decay, training)(x, m, M)


# ---- recorders with their parameters -----------------------------------------------------------------------


class RecorderCallback:
    """Base of what a configuration names as recorder: how it is made, with its parameters, and the scale afterwards."""

    _recorder: ClassVar[type[Recorder]]
    _noted: ClassVar[tuple[str, ...]] = ("M",)

    def name(self) -> str:
        """Name of the recorder."""
        return self._recorder.__name__

    def __call__(self, x: Variable, axes: Sequence[int] = (1,), training: bool = True, name: str = "") -> Variable:
        """A recorder of `x`.

        Args:
            x: any shape.
            axes: accepted for compatibility; one number is noted for all of `x`.
            training: whether to note anything.
            name: of the parameters in the current scope: ``M-<name>``, and ``m-<name>`` for smallest values.

        Returns:
            `x`, as a variable that needs no gradient.
        """
        noted = []
        for letter in self._noted:
            # As there is one, it broadcasts to x.
            one = parameter.get_parameter_or_create(f"{letter}-{name}", (1,) * x.ndim, ConstantInitializer(0))
            noted.append(one.get_unlinked_variable(need_grad=False))
        y: Variable = self._recorder(get_current_context(), training=training)(x, *noted)
        y.need_grad = False
        return y

    def get_scale_zeropoint(
        x: Any, axes: Sequence[int] = (1,), narrow_range: bool = False, round_method: str = "NOTROUND", name: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scale and zero point for 8 bits, from what was noted.

        Called through the class: ``MaxMvaRecorderCallback.get_scale_zeropoint(x, name="x0")``.

        Args:
            x: the variable that was recorded.
            axes: accepted for compatibility.
            narrow_range: whether the smallest integer is left out.
            round_method: how the scale becomes a power of two: ``"ROUND"``, ``"CEIL"``, ``"FLOOR"``, or
                ``"NOTROUND"`` for not at all.
            name: of the parameters in the current scope.

        Returns:
            Arrays of one element, as many axes as `x`.
        """
        raise NotImplementedError


def _noted_values(letters: Sequence[str], name: str) -> list[np.ndarray]:
    found = []
    for letter in letters:
        noted = parameter.get_parameter(f"{letter}-{name}")
        if noted is None:
            raise ArgumentError(f"get_scale_zeropoint: nothing was recorded: there is no parameter '{letter}-{name}'")
        found.append(np.array(noted.d, np.float64))
    return found


def rounded_scale(scale: np.ndarray, round_method: str) -> np.ndarray:
    """A scale as power of two.

    Example:
        >>> rounded_scale(np.array(0.3), "ROUND").item(), rounded_scale(np.array(0.3), "CEIL").item()
        (0.25, 0.5)
    """
    if round_method == "NOTROUND":
        return scale
    rounds: dict[str, Any] = {"ROUND": np.round, "CEIL": np.ceil, "FLOOR": np.floor}
    if round_method not in rounds:
        raise ArgumentError(f"round_method must be NOTROUND, ROUND, CEIL or FLOOR, not {round_method!r}")
    with np.errstate(divide="ignore"):
        return np.exp2(rounds[round_method](np.log2(scale)))


def _of_maximum(
    x: Any, axes: Sequence[int] = (1,), narrow_range: bool = False, round_method: str = "NOTROUND", name: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point, see `RecorderCallback.get_scale_zeropoint`: the range from minus to plus the largest value
    is divided into 255 steps, or 254.
    """
    (largest,) = _noted_values(("M",), name)
    scale = rounded_scale(2 * np.maximum(largest, 0) / (254 if narrow_range else 255), round_method)
    return scale, np.zeros_like(scale)


def _of_range(
    x: Any, axes: Sequence[int] = (1,), narrow_range: bool = False, round_method: str = "NOTROUND", name: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point, see `RecorderCallback.get_scale_zeropoint`: the range is divided into 255 steps, or 254."""
    smallest, largest = _noted_values(("m", "M"), name)
    scale = rounded_scale((largest - smallest) / (254 if narrow_range else 255), round_method)
    return scale, np.zeros_like(scale)


class AbsMaxRecorderCallback(RecorderCallback):
    """`AbsMaxRecorder` with its parameter."""

    _recorder = AbsMaxRecorder
    get_scale_zeropoint = _of_maximum


class MaxMaxRecorderCallback(RecorderCallback):
    """`MaxMaxRecorder` with its parameter."""

    _recorder = MaxMaxRecorder
    get_scale_zeropoint = _of_maximum


class MaxMvaRecorderCallback(RecorderCallback):
    """`MaxMvaRecorder` with its parameter."""

    _recorder = MaxMvaRecorder
    get_scale_zeropoint = _of_maximum


class MinMaxMinMaxRecorderCallback(RecorderCallback):
    """`MinMaxMinMaxRecorder` with its parameters."""

    _recorder = MinMaxMinMaxRecorder
    _noted = ("m", "M")
    get_scale_zeropoint = _of_range


class MinMaxMvaRecorderCallback(RecorderCallback):
    """`MinMaxMvaRecorder` with its parameters."""

    _recorder = MinMaxMvaRecorder
    _noted = ("m", "M")
    get_scale_zeropoint = _of_range
