"""Adam and its relatives."""

from __future__ import annotations

import math
from typing import Any

import torch

from .base import Solver, Tensors
from .sgd import DecoupledDecay


def adam_step(
    kernel: Any,
    params: Tensors,
    grads: Tensors,
    states: list[Tensors],
    t: int,
    settings: dict[str, float],
    decay: float = 0.0,
) -> None:
    """One fused kernel for all parameters.

    NNabla adds epsilon to the root of the uncorrected second moment, torch to that of the corrected one: dividing by
    the root of the correction makes them the same.
    """
    mean, var = states
    correction = math.sqrt(1 - settings["beta2"] ** t)
    # The kernel wants the number of updates as a tensor for each parameter; it only reads them.
    steps = [torch.full((), float(t), dtype=torch.float32, device=params[0].device)] * len(params)
    kernel(
        params,
        grads,
        mean,
        var,
        [],
        steps,
        lr=settings["alpha"],
        beta1=settings["beta1"],
        beta2=settings["beta2"],
        weight_decay=decay,
        eps=settings["eps"] / correction,
        amsgrad=False,
        maximize=False,
    )


class Adam(Solver):
    r"""Adam: with :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, :math:`v \leftarrow \beta_2 v + (1 - \beta_2) g^2`,

    .. math::
        w \leftarrow w - \alpha \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt{v} + \epsilon}.

    Args:
        alpha: step size.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: keeps the denominator away from 0.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, the form before section 2.1.
    """

    settings = ("alpha", "beta1", "beta2", "eps")
    states = ("mean", "var")

    def __init__(self, alpha: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        adam_step(torch._fused_adam_, params, grads, states, t, self._settings)


class AdamW(DecoupledDecay):
    r"""Adam with decoupled weight decay: Adam's update, and :math:`w \leftarrow w - \eta_t \lambda w` before it.

    Args:
        alpha: step size; :math:`\eta_t` is the present one relative to it.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: keeps the denominator away from 0.
        wd: weight decay :math:`\lambda`; `weight_decay` overrides it for one update.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    """

    settings = ("alpha", "beta1", "beta2", "eps", "wd")
    states = ("mean", "var")

    def __init__(
        self,
        alpha: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        wd: float = 1e-4,
    ) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps, wd=wd)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        rate = self._rate_of_decay()
        alpha = self.learning_rate()
        # torch multiplies the decay by the step size, NNabla does not.
        adam_step(torch._fused_adamw_, params, grads, states, t, self._settings, rate / alpha if alpha else 0.0)
