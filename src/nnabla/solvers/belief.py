"""AdaBelief: step sizes by how far the gradients are from what was expected."""

from __future__ import annotations

import math

from .._private_torch import foreach_add_, foreach_addcdiv_, foreach_maximum_, foreach_sub
from .adam import correction
from .decay import FusedDecay
from .multi_tensor import Tensors, mean_, mean_square_, roots, scale_, shift_


def rectification(beta2: float, t: int) -> float | None:
    r"""The factor :math:`r_t` of rectified Adam, or ``None`` while the variance is too uncertain to be used.

    Source: Liu et al., "On the variance of the adaptive learning rate and beyond", 2020, algorithm 2.
    """
    limit = 2 / (1 - beta2) - 1
    length = limit - 2 * t * beta2**t / (1 - beta2**t)
    if length <= 4:
        return None
    return math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))


class AdaBelief(FusedDecay):
    r"""AdaBelief: with :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`,
    :math:`s \leftarrow \beta_2 s + (1 - \beta_2) (g - m)^2 + \epsilon`,

    .. math::
        w \leftarrow w - \alpha \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}.

    With `amsgrad`, :math:`s` goes without the :math:`\epsilon`, and
    :math:`\hat s \leftarrow \max(\hat s, s) + \epsilon` takes its place in the update. With `rectify`, the update has
    the factor of rectified Adam, and is :math:`w \leftarrow w - \alpha m` while the variance is too uncertain.

    Args:
        alpha: step size.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: keeps the denominator away from 0.
        wd: weight decay, used with `weight_decouple` only; `weight_decay` overrides it for one update.
        amsgrad: let the second moment never fall.
        weight_decouple: decay the weights before the update, by ``w -= alpha * wd * w``. Without it, `weight_decay`
            adds to the gradients.
        fixed_decay: decouple the decay from the step size too, ``w -= wd * w``.
        rectify: rectify the variance in the first updates.

    Source: Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", 2020.
    """

    states: tuple[str, ...] = ("mean", "var")
    in_pieces = True

    def __init__(
        self,
        alpha: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        wd: float = 0.0,
        amsgrad: bool = False,
        weight_decouple: bool = False,
        fixed_decay: bool = False,
        rectify: bool = False,
    ) -> None:
        super().__init__(
            alpha=alpha,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            wd=wd,
            amsgrad=bool(amsgrad),
            weight_decouple=bool(weight_decouple),
            fixed_decay=bool(fixed_decay),
            rectify=bool(rectify),
        )
        if amsgrad:
            self.states = ("mean", "var", "s_max")

    def weight_decay_is_fused(self) -> bool:
        """Whether `weight_decouple` is set."""
        return bool(self._settings["weight_decouple"])

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (mean, var, *highest), own = states, self._settings
        if self.weight_decay_is_fused():
            scale_(params, 1 - self._next_decay() * (1 if own["fixed_decay"] else self._rate))
        mean_(mean, grads, own["beta1"])
        mean_square_(var, list(foreach_sub(grads, mean)), own["beta2"])
        used = var
        if highest:
            (used,) = highest
            foreach_maximum_(used, var)
        shift_(used, own["eps"])
        factor = rectification(own["beta2"], t) if own["rectify"] else 1.0
        if factor is None:
            foreach_add_(params, mean, alpha=-self._rate)
            return
        denominators = roots(used, own["eps"] * math.sqrt(1 - own["beta2"] ** t))
        rate = self._rate * factor * correction(own["beta1"], own["beta2"], t)
        foreach_addcdiv_(params, mean, denominators, value=-rate)
