"""Adam with step sizes between bounds that close in on one learning rate."""

from __future__ import annotations

from .._private_torch import (
    foreach_addcmul_,
    foreach_clamp_max_,
    foreach_clamp_min_,
    foreach_maximum_,
    foreach_reciprocal_,
)
from .adam import correction
from .base import Solver
from .multi_tensor import Tensors, mean_, mean_square_, roots, scale_


def bounded_step(params: Tensors, m: Tensors, v: Tensors, eps: float, rate: float, lower: float, upper: float) -> None:
    """``w -= clip(rate / (sqrt(v) + eps), lower, upper) * m``."""
    sizes = roots(v, eps)
    foreach_reciprocal_(sizes)
    scale_(sizes, rate)
    foreach_clamp_min_(sizes, lower)
    foreach_clamp_max_(sizes, upper)
    foreach_addcmul_(params, sizes, m, value=-1)


class AdaBound(Solver):
    r"""Adam that turns into gradient descent: with Adam's :math:`m` and :math:`v`,
    :math:`\eta^* = \eta\, \alpha_t / \alpha_0` for the final learning rate :math:`\eta`, the present and the first
    step size,

    .. math::
        w \leftarrow w - \mathrm{clip}\left(
            \alpha_t \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{1}{\sqrt{v} + \epsilon},
            \eta^* \left(1 - \frac{1}{\gamma t + 1}\right), \eta^* \left(1 + \frac{1}{\gamma t}\right)\right) m.

    Args:
        alpha: step size.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: keeps the denominator away from 0.
        final_lr: final learning rate :math:`\eta`.
        gamma: speed at which the bounds close in.

    Source: Luo et al., "Adaptive gradient methods with dynamic bound of learning rate", 2019, algorithm 2.
    """

    states = ("mean", "var")
    in_pieces = True

    def __init__(
        self,
        alpha: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        final_lr: float = 0.1,
        gamma: float = 0.001,
    ) -> None:
        super().__init__(alpha=alpha, beta1=beta1, beta2=beta2, eps=eps, final_lr=final_lr, gamma=gamma)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (mean, var), own = states, self._settings
        mean_(mean, grads, own["beta1"])
        mean_square_(var, grads, own["beta2"])
        rate = self._rate * correction(own["beta1"], own["beta2"], t)
        final = final_rate(own, self._rate)
        lower, upper = final * (1 - 1 / (own["gamma"] * t + 1)), final * (1 + 1 / (own["gamma"] * t))
        bounded_step(params, mean, var, own["eps"], rate, lower, upper)


def final_rate(settings: dict[str, float], rate: float) -> float:
    """The final learning rate, scaled by the schedule of the step size."""
    return settings["final_lr"] * rate / settings["alpha"] if settings["alpha"] else 0.0


class AMSBound(Solver):
    r"""AMSGrad that turns into gradient descent: with the states of `AMSGRAD` and :math:`\eta^*` as in `AdaBound`,

    .. math::
        w \leftarrow w - \mathrm{clip}\left(\frac{\alpha_t}{\sqrt{\hat v} + \epsilon},
            \eta^* \left(1 - \frac{1}{\gamma t + 1}\right), \eta^* \left(1 + \frac{t}{\gamma}\right)\right) m,

    where :math:`\alpha_t` has the factor :math:`\sqrt{1 - \beta_2^t} / (1 - \beta_1^t)` with bias correction only.

    The upper bound is that of NNabla 1.39, which grows; in the paper it closes in, as in `AdaBound`.

    Args:
        alpha: step size.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: keeps the denominator away from 0.
        final_lr: final learning rate.
        gamma: speed at which the lower bound rises.
        bias_correction: correct for moments that start at 0.

    Source: Luo et al., "Adaptive gradient methods with dynamic bound of learning rate", 2019, algorithm 3.
    """

    states = ("m", "v", "v_hat")
    in_pieces = True

    def __init__(
        self,
        alpha: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        final_lr: float = 0.1,
        gamma: float = 0.001,
        bias_correction: bool = False,
    ) -> None:
        super().__init__(
            alpha=alpha,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            final_lr=final_lr,
            gamma=gamma,
            bias_correction=bool(bias_correction),
        )

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (m, v, v_hat), own = states, self._settings
        mean_(m, grads, own["beta1"])
        mean_square_(v, grads, own["beta2"])
        foreach_maximum_(v_hat, v)
        rate = self._rate * (correction(own["beta1"], own["beta2"], t) if own["bias_correction"] else 1)
        final = final_rate(own, self._rate)
        lower, upper = final * (1 - 1 / (own["gamma"] * t + 1)), final * (1 + t / own["gamma"])
        bounded_step(params, m, v_hat, own["eps"], rate, lower, upper)
