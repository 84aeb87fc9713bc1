"""Adam and its near relatives."""

from __future__ import annotations

import math
from typing import Any

import torch

from .._private_torch import foreach_abs, foreach_addcdiv_, foreach_maximum_, fused_adam_, fused_adamw_
from .base import Solver
from .decay import DecoupledDecay
from .multi_tensor import Tensors, mean_, scale_, shifted


def correction(beta1: float, beta2: float, t: int) -> float:
    r"""Correction for running means that start at 0, :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)`."""
    return math.sqrt(1 - beta2**t) / (1 - beta1**t)


def adam_step(
    kernel: Any,
    params: Tensors,
    grads: Tensors,
    states: list[Tensors],
    t: float,
    rate: float,
    settings: dict[str, float],
    decay: float = 0.0,
) -> None:
    """One fused kernel for all parameters; with a third state, its elements never fall (AMSGrad).

    NNabla adds epsilon to the root of the uncorrected second moment, torch to that of the corrected one: dividing by
    the root of the correction makes them the same. A `t` of infinity corrects nothing.
    """
    mean, var, *highest = states
    # The kernel wants the number of updates as a tensor for each parameter; it only reads them.
    steps = [torch.full((), float(t), dtype=torch.float32, device=params[0].device)] * len(params)
    kernel(
        params,
        grads,
        mean,
        var,
        highest[0] if highest else [],
        steps,
        lr=rate,
        beta1=settings["beta1"],
        beta2=settings["beta2"],
        weight_decay=decay,
        eps=settings["eps"] / math.sqrt(1 - settings["beta2"] ** t),
        amsgrad=bool(highest),
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

    states = ("mean", "var")

    def __init__(self, alpha: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        adam_step(fused_adam_, params, grads, states, t, self._rate, self._settings)


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
        # torch multiplies the decay by the step size, NNabla does not.
        decay = self._next_decay() / self._rate if self._rate else 0.0
        adam_step(fused_adamw_, params, grads, states, t, self._rate, self._settings, decay)


class AMSGRAD(Solver):
    r"""Adam whose second moment never falls: with Adam's :math:`m` and :math:`v`,
    :math:`\hat v \leftarrow \max(\hat v, v)`,

    .. math::
        w \leftarrow w - \alpha_t \frac{m}{\sqrt{\hat v} + \epsilon},

    where :math:`\alpha_t = \alpha \sqrt{1 - \beta_2^t} / (1 - \beta_1^t)` with bias correction, else :math:`\alpha`.

    Args:
        alpha: step size.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: keeps the denominator away from 0.
        bias_correction: correct for moments that start at 0. Off by default, as in the paper.

    Source: Reddi, Kale and Kumar, "On the convergence of Adam and beyond", 2018, algorithm 2.
    """

    states = ("m", "v", "v_hat")

    def __init__(
        self,
        alpha: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        bias_correction: bool = False,
    ) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps, bias_correction=bool(bias_correction))

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        corrected_as = t if self._settings["bias_correction"] else math.inf
        adam_step(fused_adam_, params, grads, states, corrected_as, self._rate, self._settings)


class Adamax(Solver):
    r"""Adam with the infinity norm: :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`,
    :math:`u \leftarrow \max(\beta_2 u, |g|)`,

    .. math::
        w \leftarrow w - \frac{\alpha}{1 - \beta_1^t} \frac{m}{u + \epsilon}.

    Args:
        alpha: step size.
        beta1: decay of the first moment.
        beta2: decay of the largest gradient.
        eps: keeps the denominator away from 0.

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 2.
    """

    states = ("m", "u")
    in_pieces = True

    def __init__(self, alpha: float = 2e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (m, u), own = states, self._settings
        mean_(m, grads, own["beta1"])
        scale_(u, own["beta2"])
        foreach_maximum_(u, foreach_abs(grads))
        foreach_addcdiv_(params, m, shifted(u, own["eps"]), value=-self._rate / (1 - own["beta1"] ** t))
