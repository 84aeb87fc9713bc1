"""`QATScheduler`: a network from float to recording to training with integers, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import parameter
from ...errors import ArgumentError
from ...graph.order import topological
from ...graph.variable import Variable
from ...logger import logger
from ...network import create_graph_from_variable
from ..graph_converters.conversion import FunctionModifier, GraphConverter
from ..graph_converters.folding import BatchNormalizationFoldingModifier
from ..graph_converters.quantizing import QuantizeNonQNNToRecordingModifier, QuantizeRecordingToTrainingModifier
from ..graph_converters.self_folding import BatchNormalizationSelfFoldingModifier
from .configuration import FunctionsRankRecorder, QATConfig, QNNState, qat_default_config


class QATScheduler:
    """Changes networks while they are trained: first they record how large values are, then they compute with values
    rounded to integers.

    Args:
        config: when and how; default that for TensorRT.
        solver: its learning rate is multiplied by `config.learning_rate_scale` when training with integers begins, and
            it is given the parameters which folding makes; ``None`` for none.

    Attributes:
        config, solver: as given.
        counter: how often `step` was called.
        state: what the networks are at present.
        registry: pairs of a network's output and whether it is for training.

    Example:
        >>> import nnabla as nn, nnabla.functions as F, nnabla.parametric_functions as PF
        >>> nn.clear_parameters()
        >>> x = nn.Variable.from_numpy_array([[1.0, -2.0]])
        >>> y = PF.affine(F.relu(PF.affine(x, 3, name="a")), 2, name="b")
        >>> config = QATConfig()
        >>> config.niter_to_recording, config.niter_to_training = 1, 2
        >>> scheduler = QATScheduler(config)
        >>> scheduler(y)
        >>> for _ in range(3):
        ...     scheduler.step()
        ...     y.forward()
        >>> scheduler.state.name
        'TRAINING'

    Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", arXiv:1712.05877.
    """

    def __init__(self, config: QATConfig = qat_default_config, solver: Any = None) -> None:
        self.config = config
        self.solver = solver
        self.counter = 0
        self.state = QNNState.NON_QNN
        self.registry: list[tuple[Variable, bool]] = []

    def __call__(self, pred: Variable, training: bool = True) -> None:
        """Register a network. It is changed in place: `pred` stays its output, and what reads `pred` goes on to.

        Args:
            pred: its output.
            training: whether it is the one that is trained; one for inference uses what that has recorded.

        Raises:
            TypeError: `pred` is no Variable.
            ArgumentError: no function made `pred`, or recording has begun.
        """
        if not isinstance(pred, Variable):
            raise TypeError(f"QATScheduler: pred must be a Variable, not {type(pred).__name__}")
        if pred.parent is None:
            raise ArgumentError("QATScheduler: no function made pred")
        if self.state != QNNState.NON_QNN:
            raise ArgumentError(f"QATScheduler: networks must be registered before recording; it is {self.state.name}")
        self.registry.append((pred, training))

    def step(self) -> None:
        """Count a step, and change the networks where it is time. Call it before each step of training."""
        if self.counter == self.config.niter_to_recording and self.state == QNNState.NON_QNN:
            self._begin_recording()
        if self.counter == self.config.niter_to_training and self.state == QNNState.RECORDING:
            self._begin_training()
        self.counter += 1

    def _begin_recording(self) -> None:
        config = self.config
        folding: list[Any] = []
        if config.bn_folding:
            folding.append(BatchNormalizationFoldingModifier(channel_last=config.channel_last))
        if config.bn_self_folding:
            folding.append(BatchNormalizationSelfFoldingModifier())
        for pred, training in self.registry:
            folded = GraphConverter(folding).convert(pred)
            ranks = FunctionsRankRecorder()
            folded.visit(ranks)
            modifier = QuantizeNonQNNToRecordingModifier(ranks.functions_ranks, config, training)
            self._replace(pred, GraphConverter([modifier]).convert(folded), QNNState.RECORDING)
        self.state = QNNState.RECORDING
        self._tell_solver()

    def _begin_training(self) -> None:
        for pred, _ in self.registry:
            modifier: FunctionModifier = QuantizeRecordingToTrainingModifier({}, self.config)
            self._replace(pred, GraphConverter([modifier]).convert(pred), QNNState.TRAINING)
        self.state = QNNState.TRAINING
        if self.solver is not None:
            self.solver.set_learning_rate(self.solver.learning_rate() * self.config.learning_rate_scale)

    def _replace(self, pred: Variable, new: Variable, state: QNNState) -> None:
        logger.info("%s -> %s: %s", self.state, state, pred)
        persistent = pred.persistent
        pred.rewire_on(new)
        pred.persistent = persistent

    def _tell_solver(self) -> None:
        """Give the solver parameters that the networks read by now and that it does not have."""
        if self.solver is None:
            return
        functions = topological([pred for pred, training in self.registry if training])
        read = {v for f in functions for v in f.inputs if v.parent is None and v.need_grad}
        known = self.solver.get_parameters()
        new = {k: v for k, v in parameter.get_parameters().items() if v in read and k not in known}
        if new:
            self.solver.set_parameters(new, reset=False, retain_state=True)

    def save(self, fname: str, inputs: Any, batch_size: int = 1, net_name: str = "net", deploy: bool = False) -> None:
        """Save the network that reads `inputs` as a model file; its inputs are ``x0``, ``x1``, ..., its output ``y0``.

        Args:
            fname: path of the file.
            inputs: a Variable, a list of them, or a dict of them by name.
            batch_size: of the network in the file.
            net_name: its name.
            deploy: say that the networks are not trained any more: `state` becomes ``DEPLOYMENT``.

        Raises:
            ArgumentError: training with integers has not begun, or no registered network reads `inputs`.
        """
        if self.state not in (QNNState.TRAINING, QNNState.DEPLOYMENT):
            raise ArgumentError(f"QATScheduler.save: networks must be in TRAINING, not {self.state.name}")
        names = _named(inputs)
        pred = self._network_that_reads(list(names.values()))
        graph = create_graph_from_variable(net_name, pred, names={**names, "y0": pred})
        graph[net_name].batch_size = batch_size
        executor = {"name": "runtime", "network": net_name, "data": list(names), "output": ["y0"]}
        graph.save(fname, include_parameter=True, executors=[executor])
        if deploy:
            self.state = QNNState.DEPLOYMENT

    def _network_that_reads(self, inputs: list[Variable]) -> Variable:
        # One for inference, if there is one.
        for pred, _ in sorted(self.registry, key=lambda entry: entry[1]):
            leaves = {v for f in topological([pred]) for v in f.inputs if v.parent is None}
            if all(v in leaves for v in inputs):
                return pred
        raise ArgumentError("QATScheduler.save: no registered network reads inputs")


def _named(inputs: Any) -> dict[str, Variable]:
    if isinstance(inputs, Mapping):
        return dict(inputs)
    listed: Sequence[Variable] = [inputs] if isinstance(inputs, Variable) else list(inputs)
    return {f"x{i}": v for i, v in enumerate(listed)}
