"""Lion: steps of one size, in the direction of the sign of the momentum."""

from __future__ import annotations

from .._private_torch import foreach_add_, foreach_lerp, foreach_sign_
from .decay import FusedDecay
from .multi_tensor import Tensors, mean_, scale_


class Lion(FusedDecay):
    r"""Evolved sign momentum: :math:`w \leftarrow w - \eta\,(\mathrm{sign}(\beta_1 m + (1 - \beta_1) g) + \lambda w)`,
    then :math:`m \leftarrow \beta_2 m + (1 - \beta_2) g`, where :math:`\lambda` is the weight decay.

    Args:
        lr: learning rate :math:`\eta`; a third to a tenth of Adam's is usual.
        beta1: decay of the momentum in the update.
        beta2: decay of the momentum that is kept.

    Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2.
    """

    states = ("m",)
    in_pieces = True

    def __init__(self, lr: float = 1e-4, beta1: float = 0.9, beta2: float = 0.99) -> None:
        super().__init__(lr=lr, beta1=beta1, beta2=beta2)

    def _step(self, params: Tensors, grads: Tensors, states: list[Tensors], t: int) -> None:
        (m,), own, decay = states, self._settings, self._next_decay()
        directions = foreach_lerp(m, grads, 1 - own["beta1"])
        foreach_sign_(directions)
        if decay:
            scale_(params, 1 - self._rate * decay)
        foreach_add_(params, directions, alpha=-self._rate)
        mean_(m, grads, own["beta2"])
