"""Weight decay as a part of the update instead of the gradient."""

from __future__ import annotations

from .base import Hook, Solver


class FusedDecay(Solver):
    """Base of rules that decay the weights in the update; what `weight_decay` sets is for the next update only."""

    def weight_decay_is_fused(self) -> bool:
        """True: `weight_decay` leaves the gradients alone and sets the decay of the next update."""
        return True

    def _next_decay(self) -> float:
        """The decay of this update: what `weight_decay` set, else the setting ``wd``, else none."""
        return self._settings.get("wd", 0.0) if self._given_decay is None else self._given_decay

    def update(self, update_pre_hook: Hook = None, update_post_hook: Hook = None) -> None:
        """Update all parameters by their gradients, and decay them."""
        super().update(update_pre_hook, update_post_hook)
        self._given_decay = None


class DecoupledDecay(FusedDecay):
    """Base of rules whose decay follows the schedule of the learning rate.

    It is multiplied with the present learning rate relative to the first one (the factor eta_t of Loshchilov and
    Hutter, "Decoupled weight decay regularization", 2019).
    """

    def __init__(self, **settings: float) -> None:
        super().__init__(**settings)
        self._first_rate = self._rate

    def _next_decay(self) -> float:
        """The fraction of each parameter that this update takes away."""
        return super()._next_decay() * self._rate / self._first_rate if self._first_rate else 0.0
