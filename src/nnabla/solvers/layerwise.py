"""Rules with a step size for each parameter, by the norms of the parameter and of its update."""

from __future__ import annotations

import math

import torch

from .._private_torch import foreach_add_, foreach_mul, foreach_mul_, foreach_reciprocal_, foreach_sub_
from .adam import correction
from .decay import FusedDecay
from .multi_tensor import Tensors, mean_, mean_square_, norms, roots, scale_
from .sgd import momentum_step


class Lars(FusedDecay):
    r"""Momentum with a learning rate for each parameter (layer-wise adaptive rate scaling):

    .. math::
        \lambda = \frac{\eta_c \|w\|}{\|g\| + \beta \|w\|}, \quad
        v \leftarrow \gamma v + \eta \lambda (g + \beta w), \quad w \leftarrow w - v,

    where :math:`\beta` is the weight decay. A denominator below :math:`\epsilon` is increased by :math:`\epsilon`, and
    :math:`\lambda` is 1 for a parameter of a norm below :math:`\epsilon`. The gradients are decayed in place, as in
    NNabla.

    Args:
        lr: learning rate :math:`\eta`.
        momentum: decay :math:`\gamma` of the momentum.
        coefficient: trust :math:`\eta_c` in one update.
        eps: norm below which a parameter is taken for 0.

    Source: You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017, algorithm 1.
    """

    states = ("v",)

    def __init__(self, lr: float = 1e-3, momentum: float = 0.9, coefficient: float = 0.001, eps: float = 1e-6) -> None:
        super().__init__(lr=lr, momentum=momentum, coefficient=coefficient, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (v,), own, decay = states, self._settings, self._next_decay()
        of_params = norms(params)
        whole = torch.add(norms(grads), of_params, alpha=decay)
        whole += own["eps"] * (whole < own["eps"])
        trust = own["coefficient"] * of_params / whole
        # Even without an epsilon, nothing is divided by a norm of 0.
        trust.masked_fill_((of_params < own["eps"]) | (whole == 0), 1)
        if decay:
            foreach_add_(grads, params, alpha=decay)
        updates = list(foreach_mul(grads, list((trust * self._rate).unbind())))
        momentum_step(params, updates, v, own["momentum"], 1.0)


class Lamb(FusedDecay):
    r"""Adam with a step size for each parameter: with Adam's :math:`m` and :math:`v`,

    .. math::
        r = \frac{m}{\sqrt{v} + \epsilon} + \lambda w, \quad
        w \leftarrow w - \eta \frac{\mathrm{clip}(\|w\|, \gamma_l, \gamma_u)}{\|r\|} r,

    where :math:`\lambda` is the weight decay. With bias correction, :math:`m` and :math:`v` are divided by
    :math:`1 - \beta_1^t` and :math:`1 - \beta_2^t` first. A parameter that is 0 stays 0 unless `gamma_l` is above 0.

    Args:
        eta: learning rate :math:`\eta`.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        gamma_l: lower bound of the norm of the parameter.
        gamma_u: upper bound of the norm of the parameter.
        eps: keeps the denominator away from 0.
        bias_correction: correct for moments that start at 0.

    Source: You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020, algorithm 2.
    """

    states = ("mean", "var")

    def __init__(
        self,
        eta: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        gamma_l: float = 0.0,
        gamma_u: float = 10.0,
        eps: float = 1e-6,
        bias_correction: bool = False,
    ) -> None:
        super().__init__(
            eta=eta,
            beta1=beta1,
            beta2=beta2,
            gamma_l=gamma_l,
            gamma_u=gamma_u,
            eps=eps,
            bias_correction=bool(bias_correction),
        )

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (mean, var), own, decay = states, self._settings, self._next_decay()
        mean_(mean, grads, own["beta1"])
        mean_square_(var, grads, own["beta2"])
        corrected_as = t if own["bias_correction"] else math.inf
        # The corrections come after the root, so that they are two numbers instead of two more passes.
        updates = roots(var, own["eps"] * math.sqrt(1 - own["beta2"] ** corrected_as))
        foreach_reciprocal_(updates)
        foreach_mul_(updates, mean)
        if own["bias_correction"]:
            scale_(updates, correction(own["beta1"], own["beta2"], t))
        if decay:
            foreach_add_(updates, params, alpha=decay)
        of_updates = norms(updates)
        trust = norms(params).clamp_(own["gamma_l"], own["gamma_u"]) / of_updates
        trust.masked_fill_(of_updates == 0, 0)
        foreach_mul_(updates, list((trust * self._rate).unbind()))
        foreach_sub_(params, updates)
