"""Stochastic gradient descent, with and without momentum."""

from __future__ import annotations

from typing import Any

import torch

from .base import Hook, Solver, Tensors


class Sgd(Solver):
    r"""Stochastic gradient descent, :math:`w \leftarrow w - \eta g`.

    Args:
        lr: learning rate :math:`\eta`.
    """

    def __init__(self, lr: float = 1e-3) -> None:
        super().__init__(lr=lr)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        torch._foreach_add_(params, grads, alpha=-self.learning_rate())


def momentum_step(params: Tensors, grads: Tensors, m: Tensors, momentum: float, lr: float) -> None:
    """``m = momentum * m + lr * g``, then ``w -= m``, in one kernel.

    torch's fused rule is ``m = momentum * m + (1 - dampening) * g; w -= rate * m``: with a rate of 1 the learning
    rate goes where NNabla has it, into the state.
    """
    torch._fused_sgd_(
        params,
        grads,
        m,
        weight_decay=0.0,
        momentum=momentum,
        lr=1.0,
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

    settings = ("lr", "momentum")
    states = ("m",)

    def __init__(self, lr: float = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(lr=lr, momentum=momentum)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        momentum_step(params, grads, states[0], self._settings["momentum"], self.learning_rate())


class Nesterov(Solver):
    r"""Nesterov's accelerated gradient: with :math:`m' = \gamma m - \eta g`,
    :math:`w \leftarrow w - \gamma m + (1 + \gamma) m'` and :math:`m \leftarrow m'`.

    Args:
        lr: learning rate :math:`\eta`.
        momentum: decay :math:`\gamma` of the momentum.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
    """

    settings = ("lr", "momentum")
    states = ("m",)

    def __init__(self, lr: float = 1e-3, momentum: float = 0.9) -> None:
        super().__init__(lr=lr, momentum=momentum)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (m,), momentum = states, self._settings["momentum"]
        torch._foreach_add_(params, m, alpha=-momentum)
        torch._foreach_mul_(m, momentum)
        torch._foreach_add_(m, grads, alpha=-self.learning_rate())
        torch._foreach_add_(params, m, alpha=1 + momentum)


class DecoupledDecay(Solver):
    """A rule whose weight decay acts on the parameters directly.

    The decay is scaled as the learning rate is relative to its value at construction, so that a schedule acts on
    both (the factor eta_t of Loshchilov and Hutter, "Decoupled weight decay regularization", 2019).
    """

    fused_decay = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._initial_rate = self.learning_rate()
        self._next_decay: float | None = None

    def _decay(self, rate: float) -> None:
        self._next_decay = rate

    def _rate_of_decay(self) -> float:
        """The fraction of each parameter that this update takes away."""
        decay = self._settings["wd"] if self._next_decay is None else self._next_decay
        return decay * self.learning_rate() / self._initial_rate if self._initial_rate else 0.0

    def update(self, update_pre_hook: Hook = None, update_post_hook: Hook = None) -> None:
        """Update all parameters by their gradients, and decay them."""
        super().update(update_pre_hook, update_post_hook)
        self._next_decay = None


class SgdW(DecoupledDecay):
    r"""Momentum with decoupled weight decay: :math:`m \leftarrow \gamma m + \eta g`,
    :math:`w \leftarrow w - m - \eta_t \lambda w`.

    Args:
        lr: learning rate :math:`\eta`; :math:`\eta_t` is the present one relative to it.
        momentum: decay :math:`\gamma` of the momentum.
        wd: weight decay :math:`\lambda`; `weight_decay` overrides it for one update.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 1.
    """

    settings = ("lr", "momentum", "wd")
    states = ("m",)

    def __init__(self, lr: float = 1e-3, momentum: float = 0.9, wd: float = 1e-4) -> None:
        super().__init__(lr=lr, momentum=momentum, wd=wd)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        torch._foreach_mul_(params, 1 - self._rate_of_decay())
        momentum_step(params, grads, states[0], self._settings["momentum"], self.learning_rate())
