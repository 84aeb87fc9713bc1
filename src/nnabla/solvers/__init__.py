"""S: optimizers of parameters."""

from .adam import Adam, AdamW
from .base import Solver, SolverState
from .sgd import Momentum, Nesterov, Sgd, SgdW

__all__ = [
    "Adam",
    "AdamW",
    "Momentum",
    "Nesterov",
    "Sgd",
    "SgdW",
    "Solver",
    "SolverState",
]
