"""Stochastic gradient descent, with and without momentum."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from .._private_torch import foreach_add_, foreach_zero_, fused_sgd_
from ..graph.variable import Variable
from .base import Solver
from .decay import DecoupledDecay
from .multi_tensor import Tensors, scale_
from .states import SolverState


class Sgd(Solver):
    r"""Stochastic gradient descent, :math:`w \leftarrow w - \eta g`.

    Args:
        lr: learning rate :math:`\eta`.

    Example:
        >>> import numpy as np, nnabla as nn
        >>> w = nn.Variable.from_numpy_array(np.array([1.0, 2.0], np.float32), need_grad=True)
        >>> solver = Sgd(lr=0.5)
        >>> solver.set_parameters({"w": w})
        >>> w.g = [2.0, -2.0]
        >>> solver.update()
        >>> w.d
        array([0., 3.], dtype=float32)
    """

    def __init__(self, lr: float = 1e-3) -> None:
        super().__init__(lr=lr)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        foreach_add_(params, grads, alpha=-self._rate)


def momentum_step(params: Tensors, grads: Tensors, m: Tensors, momentum: float, lr: float, step: float = 1.0) -> None:
    """``m = momentum * m + lr * g``, then ``w -= step * m``.

    torch's fused rule is ``m = momentum * m + (1 - dampening) * g; w -= rate * m``: with the learning rate in place of
    1 - dampening, it becomes part of the state, as in NNabla. Without momentum, torch would not update the state.
    """
    if momentum == 0:
        foreach_zero_(m)
        foreach_add_(m, grads, alpha=lr)
        foreach_add_(params, m, alpha=-step)
        return
    fused_sgd_(
        params,
        grads,
        m,
        weight_decay=0.0,
        momentum=momentum,
        lr=step,
        dampening=1.0 - lr,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )


class Momentum(Solver):
    r"""Gradient descent with momentum, :math:`m \leftarrow \gamma m + \eta g`, :math:`w \leftarrow w - m`.

    Args:
        lr: learning rate :math:`\eta`.
        momentum: decay :math:`\gamma` of the momentum.

    Source: Qian, "On the momentum term in gradient descent learning algorithms", 1999.
    """

    states = ("m",)

    def __init__(self, lr: float = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(lr=lr, momentum=momentum)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        momentum_step(params, grads, states[0], self._settings["momentum"], self._rate)


class Nesterov(Solver):
    r"""Nesterov's accelerated gradient: with :math:`m' = \gamma m - \eta g`,
    :math:`w \leftarrow w - \gamma m + (1 + \gamma) m'` and :math:`m \leftarrow m'`.

    Args:
        lr: learning rate :math:`\eta`.
        momentum: decay :math:`\gamma` of the momentum.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
    """

    states = ("m",)

    def __init__(self, lr: float = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(lr=lr, momentum=momentum)
        # The states hold m divided by this.
        self._unit = 1.0

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        momentum, rate = self._settings["momentum"], self._rate
        if self.in_pieces or momentum == 0 or rate == 0:
            self._measure(1.0)
            # The update is -lr * g + momentum * m' in terms of the new momentum.
            momentum_step(params, grads, states[0], momentum, -rate, step=-momentum)
            foreach_add_(params, grads, alpha=-rate)
            return
        # torch's rule is the same with the momentum in units of the negative learning rate: one kernel instead of two.
        self._measure(-rate)
        fused_sgd_(
            params,
            grads,
            states[0],
            weight_decay=0.0,
            momentum=momentum,
            lr=rate,
            dampening=0.0,
            nesterov=True,
            maximize=False,
            is_first_step=False,
        )

    def _measure(self, unit: float) -> None:
        """Convert all states to m in other units."""
        if unit != self._unit:
            for state in self._states.values():
                tensor = state.pstate["m"].data._tensor
                if tensor is not None:
                    tensor.mul_(self._unit / unit)
            self._unit = unit

    def get_states(self) -> OrderedDict[str, SolverState]:
        """The states by parameter name; the arrays are the solver's own, not copies."""
        self._measure(1.0)
        self.in_pieces = True  # The arrays may be looked at and changed at any time: they hold m from now on.
        return super().get_states()

    def set_states(self, states: Mapping[str, SolverState]) -> None:
        """Go on from states of parameters that are set already; see `Solver.set_states`."""
        self.in_pieces = True  # as in get_states: the arrays are the caller's, too
        super().set_states(states)

    def _take_states(self, states: Mapping[str, SolverState]) -> None:
        self._measure(1.0)
        super()._take_states(states)

    def _states_to_save(self) -> Mapping[str, SolverState]:
        if self._unit == 1:
            return self._states
        # Copies: saving must not change what follows, not even by rounding.
        return {
            key: SolverState({"m": Variable.from_numpy_array(state.pstate["m"].d * self._unit)}, state.t)
            for key, state in self._states.items()
        }


class SgdW(DecoupledDecay):
    r"""Momentum with decoupled weight decay: :math:`m \leftarrow \gamma m + \eta g`,
    :math:`w \leftarrow w - m - \eta_t \lambda w`.

    Args:
        lr: learning rate :math:`\eta`; :math:`\eta_t` is the present one relative to it.
        momentum: decay :math:`\gamma` of the momentum.
        wd: weight decay :math:`\lambda`; `weight_decay` overrides it for one update.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 1.
    """

    states = ("m",)
    in_pieces = True

    def __init__(self, lr: float = 1e-3, momentum: float = 0.9, wd: float = 1e-4) -> None:
        super().__init__(lr=lr, momentum=momentum, wd=wd)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        scale_(params, 1 - self._next_decay())
        momentum_step(params, grads, states[0], self._settings["momentum"], self._rate)
