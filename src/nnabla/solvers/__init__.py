"""S: optimizers of parameters."""

from .adagrad import Adadelta, Adagrad, RMSprop, RMSpropGraves
from .adam import AMSGRAD, Adam, Adamax, AdamW
from .base import Solver
from .belief import AdaBelief
from .bound import AdaBound, AMSBound
from .layerwise import Lamb, Lars
from .lion import Lion
from .registration import solver_api
from .sgd import Momentum, Nesterov, Sgd, SgdW
from .states import SolverState

__all__ = [
    "AMSGRAD",
    "AMSBound",
    "AdaBelief",
    "AdaBound",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lamb",
    "Lars",
    "Lion",
    "Momentum",
    "Nesterov",
    "RMSprop",
    "RMSpropGraves",
    "Sgd",
    "SgdW",
    "Solver",
    "SolverState",
    "solver_api",
]
