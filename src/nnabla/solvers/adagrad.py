"""Adagrad, and the rules whose sums of squares decay."""

from __future__ import annotations

import math

import torch

from .._private_torch import (
    foreach_add_,
    foreach_addcdiv_,
    foreach_addcmul,
    foreach_addcmul_,
    foreach_div_,
    foreach_mul_,
    foreach_sqrt_,
    fused_adagrad_,
    fused_adam_,
)
from .adam import adam_step
from .base import Solver
from .multi_tensor import Tensors, mean_, mean_square_, roots, scale_, shift_, shifted


class Adagrad(Solver):
    r"""Adagrad: :math:`v \leftarrow v + g^2`, :math:`w \leftarrow w - \eta\, g / (\sqrt{v} + \epsilon)`.

    Args:
        lr: learning rate :math:`\eta`.
        eps: keeps the denominator away from 0.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    2011.
    """

    states = ("v",)

    def __init__(self, lr: float = 1e-2, eps: float = 1e-8) -> None:
        super().__init__(lr=lr, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (v,), eps = states, self._settings["eps"]
        if params[0].is_cpu:  # not every torch has the kernel for other devices
            # The kernel takes a number of updates for each parameter, but uses it only to decay the rate.
            steps = [torch.ones(())] * len(params)
            fused_adagrad_(
                params, grads, v, steps, lr=self._rate, lr_decay=0.0, weight_decay=0.0, eps=eps, maximize=False
            )
        else:
            foreach_addcmul_(v, grads, grads)
            foreach_addcdiv_(params, grads, roots(v, eps), value=-self._rate)


class RMSprop(Solver):
    r"""RMSprop: :math:`v \leftarrow \gamma v + (1 - \gamma) g^2`,
    :math:`w \leftarrow w - \eta\, g / (\sqrt{v} + \epsilon)`.

    Args:
        lr: learning rate :math:`\eta`.
        decay: decay :math:`\gamma` of the squares.
        eps: keeps the denominator away from 0.

    Source: Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012.
    """

    states = ("v",)

    def __init__(self, lr: float = 1e-3, decay: float = 0.9, eps: float = 1e-8) -> None:
        super().__init__(lr=lr, decay=decay, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        # Adam without a first moment: the gradients stand in for it, and stay as they are.
        own = {"beta1": 0.0, "beta2": self._settings["decay"], "eps": self._settings["eps"]}
        adam_step(fused_adam_, params, grads, [grads, *states], math.inf, self._rate, own)


class RMSpropGraves(Solver):
    r"""RMSprop by the variance of the gradients, with momentum: :math:`n \leftarrow \rho n + (1 - \rho) e^2` and
    :math:`g \leftarrow \rho g + (1 - \rho) e` for gradient :math:`e`,

    .. math::
        d \leftarrow \gamma d - \frac{\eta\, e}{\sqrt{n - g^2 + \epsilon}}, \quad w \leftarrow w + d.

    Args:
        lr: learning rate :math:`\eta`.
        decay: decay :math:`\rho` of the moments.
        momentum: decay :math:`\gamma` of the update.
        eps: keeps the denominator away from 0.

    Source: Graves, "Generating sequences with recurrent neural networks", 2013, equations 38 to 45.
    """

    states = ("n", "g", "d")
    in_pieces = True

    def __init__(self, lr: float = 1e-4, decay: float = 0.95, momentum: float = 0.9, eps: float = 1e-4) -> None:
        super().__init__(lr=lr, decay=decay, momentum=momentum, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (n, g, d), own = states, self._settings
        mean_square_(n, grads, own["decay"])
        mean_(g, grads, own["decay"])
        deviations = list(foreach_addcmul(n, g, g, value=-1))
        shift_(deviations, own["eps"])
        foreach_sqrt_(deviations)
        scale_(d, own["momentum"])
        foreach_addcdiv_(d, grads, deviations, value=-self._rate)
        foreach_add_(params, d)


class Adadelta(Solver):
    r"""Adadelta: with :math:`v \leftarrow \gamma v + (1 - \gamma) g^2`,

    .. math::
        \delta = \sqrt{\frac{s + \epsilon}{v + \epsilon}}\, g, \quad
        s \leftarrow \gamma s + (1 - \gamma) \delta^2, \quad w \leftarrow w - \eta\, \delta.

    The states are ``e_sqr_grad`` (:math:`v`) and ``e_sqr_delta`` (:math:`s`).

    Args:
        lr: learning rate :math:`\eta`.
        decay: decay :math:`\gamma` of the squares.
        eps: determines the size of the first updates, and keeps the denominator away from 0.

    Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1.
    """

    states = ("e_sqr_grad", "e_sqr_delta")
    in_pieces = True

    def __init__(self, lr: float = 1.0, decay: float = 0.95, eps: float = 1e-6) -> None:
        super().__init__(lr=lr, decay=decay, eps=eps)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (v, s), own = states, self._settings
        mean_square_(v, grads, own["decay"])
        delta = shifted(s, own["eps"])
        foreach_div_(delta, shifted(v, own["eps"]))
        foreach_sqrt_(delta)
        foreach_mul_(delta, grads)
        mean_square_(s, delta, own["decay"])
        foreach_add_(params, delta, alpha=-self._rate)
