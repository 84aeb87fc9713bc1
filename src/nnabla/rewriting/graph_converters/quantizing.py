"""Graphs with recorders, and with arrays rounded to integers in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ... import functions as F
from ... import parameter
from ...errors import ArgumentError
from ...graph.callback import Callback
from ...graph.function import Function
from ...graph.variable import Variable
from ..quantization.configuration import PrecisionMode, QATConfig, RecorderPosition, qat_default_config
from ..quantization.recorders import Recorder, rounded_scale
from .conversion import FunctionModifier
from .rebuilding import rebuilt

# What has weights behind its first input.
_WEIGHTED = frozenset({"Convolution", "Deconvolution", "DepthwiseConvolution", "DepthwiseDeconvolution", "Affine"})
# Statistics are gathered in float32; normalizations are folded where integers are wanted.
_NEVER = frozenset({"BatchNormalization", "FusedBatchNormalization", "SyncBatchNormalization"})


# What the names of parameters of a weight's recorder end with.
_WEIGHT = "w0"

# What adds integers, or puts them beside one another: they must have the same scale.
_ONE_SCALE = frozenset({"Add2", "Concatenate"})


class Place(NamedTuple):
    """Where a recorder stands.

    Attributes:
        scope: of its parameters, ``"Convolution-3"``.
        tag: what their names end with, ``"x0"``, ``"w0"``.
        callback: knows the scale.
        factors: for a bias the places of input and weight, whose scales give its own.
    """

    scope: str
    tag: str
    callback: Any
    factors: tuple[Place, Place] | None = None


def _place_of(v: Variable) -> Place | None:
    """The place of the recorder that computes a variable."""
    operator = None if v.parent is None else v.parent._operator
    return getattr(operator.user, "place", None) if isinstance(operator, Callback) else None


def _configuration(config: QATConfig | None) -> QATConfig:
    found = qat_default_config if config is None else config
    if found.precision_mode != PrecisionMode.SIM_QNN:
        raise ArgumentError(f"QATConfig: precision_mode must be SIM_QNN, not {found.precision_mode.name}")
    if found.weight_bits not in range(2, 9):
        raise ArgumentError(f"QATConfig: weight_bits must be from 2 to 8, not {found.weight_bits!r}")
    return found


class QuantizeNonQNNToRecordingModifier(FunctionModifier):
    """Puts recorders in front of functions: of activations ``x0``, ``x1``, ..., and of weights ``w0`` and biases
    ``w1``. Their parameters stand in a scope for each function, such as ``Convolution-3``.

    A variable that several functions read has one recorder. Where a function reads several activations and one of them
    has a recorder already, the others note in the same parameters, so that all have the same scale.

    Args:
        functions_ranks: numbers of the functions, see `nnabla.utils.qnn.FunctionsRankRecorder`.
        config: what is recorded; default that for TensorRT.
        training: whether anything is noted; else what another graph has noted is used.

    Raises:
        ArgumentError: the precision mode or the number of bits is none that there is.
    """

    def __init__(
        self, functions_ranks: Mapping[Function, int], config: QATConfig | None = None, training: bool = True
    ) -> None:
        super().__init__()
        self.functions_ranks = functions_ranks
        self._config = _configuration(config)
        self._training = training

    def _begin(self) -> None:
        super()._begin()
        self._recorded: dict[Variable, Variable] = {}

    def get_function_rank(self, f: Function) -> int:
        """The number of a function; -1 if it has none."""
        return self.functions_ranks.get(f, -1)

    def check(self, f: Function) -> bool:
        """Whether a function of the original graph is quantized."""
        kind, config = f.info.type_name, self._config
        if not f.inputs or kind in _NEVER or (config.record_layers and kind not in config.record_layers):
            return False
        if kind in config.skip_inputs_layers and f.inputs[0].parent is None:
            return False
        return not (kind in config.skip_outputs_layers and any(v in self._roots for v in f.outputs))

    def _follows_quantized(self, f: Function) -> bool:
        """Whether recorders are wanted behind one of the functions that `f` reads from."""
        if self._config.recorder_position != RecorderPosition.BOTH:
            return False
        return any(v.parent is not None and self.check(v.parent) for v in f.inputs)

    def _scope(self, f: Function) -> str:
        return f"{f.info.type_name}-{self.get_function_rank(f)}"

    def _record(self, v: Variable, place: Place) -> Variable:
        with parameter.parameter_scope(place.scope):
            y: Variable = place.callback(v, training=self._training, name=place.tag)
        operator = None if y.parent is None else y.parent._operator
        if not isinstance(operator, Callback):
            raise TypeError(f"QATConfig: a recorder must return what a PythonFunction computes, not {y!r}")
        operator.user.place = place
        return y

    def share_recorder(
        self, f: Function, inputs: list[Variable], new_inputs: list[Variable], cfg: QATConfig
    ) -> list[Variable]:
        """Give the activations that a function reads recorders.

        Args:
            f: of the original graph.
            inputs: what it reads in the new one.
            new_inputs: to which the recorded ones are added.
            cfg: the configuration.
        """
        callback = _made(cfg.recorder_activation)
        known = [self._recorded[v] for v in inputs if v in self._recorded]
        shared = _place_of(known[0]) if known else None
        for i, v in enumerate(inputs):
            recorded = self._recorded.get(v)
            if recorded is None:
                place = Place(self._scope(f), f"x{i}", callback) if shared is None else shared
                recorded = self._record(v, place)
                if v.parent is not None:  # Inputs of the network and parameters are recorded for each function.
                    self._recorded[v] = recorded
            new_inputs.append(recorded)
        return new_inputs

    def add_recorder(self, f: Function, inputs: list[Variable], cfg: QATConfig) -> list[Variable]:
        """What a function reads in the new graph, with recorders."""
        if f.info.type_name not in _WEIGHTED:
            return self.share_recorder(f, inputs, [], cfg)
        found = self.share_recorder(f, inputs[:1], [], cfg)
        callback, scope = _made(cfg.recorder_weight), self._scope(f)
        weight = Place(scope, _WEIGHT, callback)
        found.append(self._record(inputs[1], weight))
        for bias in inputs[2:]:
            activation = _place_of(found[0])
            assert activation is not None
            found.append(self._record(bias, Place(scope, "w1", callback, (activation, weight))))
        return found

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        if self.check(f):
            return rebuilt(f, self.add_recorder(f, inputs, self._config))
        if self._follows_quantized(f):
            # Only what functions have computed: weights of a function that is not quantized stay as they are.
            computed = [i for i, v in enumerate(f.inputs) if v.parent is not None]
            made = self.share_recorder(f, [inputs[i] for i in computed], [], self._config)
            for i, v in zip(computed, made, strict=True):
                inputs[i] = v
            return rebuilt(f, inputs)
        return None


def _made(callback: Any) -> Any:
    return callback() if isinstance(callback, type) else callback


class QuantizeRecordingToTrainingModifier(FunctionModifier):
    """Puts QuantizeLinear and DequantizeLinear in the place of recorders. Scales and zero points are parameters beside
    those of the recorder, ``scale-x0`` and ``zeropoint-x0``, that are not trained.

    Args:
        functions_ranks: accepted for compatibility; recorders know where they stand.
        config: how values are rounded; default that for TensorRT.

    Raises:
        ArgumentError: the precision mode or the number of bits is none that there is; nothing was recorded.
    """

    def __init__(self, functions_ranks: Mapping[Function, int], config: QATConfig | None = None) -> None:
        super().__init__()
        self.functions_ranks = functions_ranks
        self._config = _configuration(config)

    def _begin(self) -> None:
        super()._begin()
        # What was rounded, and where, by the result.
        self._places: dict[Variable, tuple[Variable, Place]] = {}
        self._results: dict[Variable, Variable] = {}

    def modify(self, f: Function, inputs: list[Variable]) -> Any:
        operator = f._operator
        user = operator.user if isinstance(operator, Callback) else None
        if not isinstance(user, Recorder):
            return self._with_one_scale(f, inputs) if f.info.type_name in _ONE_SCALE else None
        place: Place = user.place
        scale, zero = self._parameters(place, f.inputs[0])
        if place.factors is not None:
            if self._config.skip_bias:
                return inputs[0]
            factors = [self._parameters(factor, f.inputs[0])[0] for factor in place.factors]
            product = factors[0].d.reshape(()) * factors[1].d.reshape(())
            with parameter.parameter_scope(place.scope):
                scale = _fixed("scale-b", np.reshape(product, scale.shape))
                zero = _fixed("zeropoint-b", np.zeros(scale.shape))
        y = self._rounded(inputs[0], scale, zero)
        self._places[y] = (inputs[0], place)
        self._results[inputs[0]] = y
        return y

    def _rounded(self, x: Variable, scale: Variable, zero: Variable) -> Variable:
        config = self._config
        whole = F.quantize_linear(x, scale, zero, config.round_mode, config.narrow_range, config.dtype)
        return F.dequantize_linear(whole, scale, zero)

    def _with_one_scale(self, f: Function, inputs: list[Variable]) -> Any:
        """A function that adds or joins integers: all that it reads has the scale of the last input that has one."""
        inputs = [self._results.get(v, v) for v in inputs]
        places = [self._places[v] for v in inputs if v in self._places]
        if not places or any(v.parent is None and v not in self._places for v in inputs):
            return None
        place = places[-1][1]
        made = []
        for v in inputs:
            x, own = self._places.get(v, (v, None))
            made.append(v if own == place else self._rounded(x, *self._parameters(place, x)))
        return rebuilt(f, made)

    def _parameters(self, place: Place, x: Variable) -> tuple[Variable, Variable]:
        """Scale and zero point of a recorder, made from what it has noted unless they are there."""
        config = self._config
        with parameter.parameter_scope(place.scope):
            found = [parameter.get_parameter(f"{word}-{place.tag}") for word in ("scale", "zeropoint")]
            if None not in found:
                return _fixed(f"scale-{place.tag}"), _fixed(f"zeropoint-{place.tag}")
            get = getattr(type(place.callback), "get_scale_zeropoint")  # noqa: B009 - its first argument is x
            rounding = getattr(config.pow2, "value", config.pow2)
            scale, zero = get(x, narrow_range=config.narrow_range, round_method=rounding, name=place.tag)
            if config.weight_bits < 8 and place.tag == _WEIGHT:
                scale = _scale_of_all(x, config.weight_bits, np.shape(scale), rounding)
            zeros = _fixed(f"zeropoint-{place.tag}", np.asarray(zero))
            # Where there were zeros only, any scale will do, but 0.
            return _fixed(f"scale-{place.tag}", np.where(np.asarray(scale) > 0, scale, 1.0)), zeros


def _scale_of_all(weight: Variable, bits: int, shape: tuple[int, ...], rounding: str) -> np.ndarray:
    """The least scale with which the integers of all weights fit into some bits; a power of two unless that is not
    wanted.
    """
    scale = np.abs(weight.d).max(initial=0.0) / (2 ** (bits - 1) - 1)
    return np.full(shape, scale if rounding == "NOTROUND" else rounded_scale(scale, "CEIL"))


def _fixed(name: str, values: np.ndarray | None = None) -> Variable:
    """A parameter of the current scope that is not trained."""
    floats = None if values is None else values.astype(np.float32)
    return parameter.get_parameter_or_create(name, initializer=floats, need_grad=False)
