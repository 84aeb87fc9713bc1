"""All update rules, found by reflection, and parameters to try them on."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import nnabla as nn
import nnabla.solvers as S

SOLVERS = {
    name: value
    for name, value in vars(S).items()
    if inspect.isclass(value) and issubclass(value, S.Solver) and value is not S.Solver
}
every_rule = pytest.mark.parametrize("name", sorted(SOLVERS))


def parameter(values, dtype=np.float32):
    """A Variable that wants a gradient."""
    return nn.Variable.from_numpy_array(np.asarray(values, dtype), need_grad=True)


def solver_of(solver, **params):
    """`solver`, with its parameters set."""
    solver.set_parameters(params)
    return solver


def fast(name):
    """A solver whose steps show in a few updates."""
    return SOLVERS[name](0.1)


def state(solver, name="x"):
    """Copies of a parameter's states."""
    return {key: variable.d.copy() for key, variable in solver.get_states()[name].pstate.items()}
