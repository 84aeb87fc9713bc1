"""Solvers, under the path of their base class."""

from .solvers import *  # noqa: F403
from .solvers import __all__  # noqa: F401
