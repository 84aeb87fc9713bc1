"""Solvers on arrays of all types and layouts, and on many of them at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nnabla as nn

from .sample_solvers import every_rule, fast, parameter, solver_of, state


@every_rule
def test_types_may_differ_between_parameters(name):
    """float32 and float64 side by side, each as if it were alone."""
    grads = np.random.RandomState(3).randn(5, 4)
    x, y, alone = parameter([1, 2, 3, 4]), parameter([1, 2, 3, 4], np.float64), parameter([1, 2, 3, 4])
    both, single = solver_of(fast(name), x=x, y=y), solver_of(fast(name), x=alone)
    for grad in grads:
        x.g = alone.g = grad.astype(np.float32)
        y.g = grad
        for solver in (both, single):
            solver.weight_decay(0.1)
            solver.clip_grad_by_norm(1.0)
            solver.update()
    assert (x.d.dtype, y.d.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(x.d, alone.d, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(y.d, alone.d, rtol=1e-4, atol=1e-5)
    assert all(values.dtype == np.float64 for values in state(both, "y").values())


@every_rule
def test_a_parameter_changes_its_type_between_updates(name):
    """As when it is multiplied by a mask of float64: its gradient and its states follow."""
    grads = np.random.RandomState(3).randn(6, 4)
    x, y = parameter([1, 2, 3, 4]), parameter([1, 2, 3, 4])
    solvers = solver_of(fast(name), x=x), solver_of(fast(name), x=y)
    for i, grad in enumerate(grads):
        x.g = y.g = grad.astype(np.float32)
        if i in (2, 4):
            x.d = x.d.astype(np.float64 if i == 2 else np.float32)
        for solver in solvers:
            solver.weight_decay(0.1)
            solver.update()
    np.testing.assert_allclose(x.d, y.d, rtol=1e-4, atol=1e-5)


@every_rule
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int32])
def test_gradients_of_another_type(name, dtype):
    grads = np.random.RandomState(3).randint(-3, 4, (4, 5))  # exact in all types
    x, y = parameter([1, 2, 3, 4, 5]), parameter([1, 2, 3, 4, 5])
    solvers = solver_of(fast(name), x=x), solver_of(fast(name), x=y)
    for grad in grads:
        x.grad = nn.NdArray.from_torch(torch.tensor(grad, dtype=dtype))
        y.g = grad.astype(np.float32)
        for solver in solvers:
            solver.weight_decay(0.1)
            solver.update()
    assert x.d.dtype == np.float32
    np.testing.assert_array_equal(x.d, y.d)


@every_rule
@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.uint8])
def test_parameters_of_another_type(name, dtype):
    """Half stays half; values set as integers become float32, as what is learned has fractions."""
    x, y = nn.Variable((3,), need_grad=True), parameter([1, 2, 3])
    x.d = np.array([1, 2, 3], dtype)
    solvers = solver_of(fast(name), x=x), solver_of(fast(name), x=y)
    for _ in range(3):
        x.g = y.g = np.array([0.5, -1, 2], np.float32)
        for solver in solvers:
            solver.update()
    assert x.d.dtype == (np.float16 if dtype is np.float16 else np.float32)
    np.testing.assert_allclose(x.d, y.d, rtol=4e-3 if dtype is np.float16 else 1e-6)


@every_rule
@pytest.mark.parametrize("layout", ["gradient", "parameter", "expanded gradient"])
def test_layouts(name, layout):
    """Transposed and broadcast memory gives what contiguous memory gives."""
    rng = np.random.RandomState(2)
    values, grad = rng.randn(3, 4).astype(np.float32), rng.randn(3, 4).astype(np.float32)
    if layout == "expanded gradient":
        grad[:] = grad[:1]
    x, y = parameter(values), parameter(values)
    solvers = solver_of(fast(name), x=x), solver_of(fast(name), x=y)
    if layout == "parameter":
        x.data = nn.NdArray.from_torch(torch.tensor(values).t().contiguous().t())
    for _ in range(3):
        given = torch.tensor(grad)
        if layout == "gradient":
            given = given.t().contiguous().t()
        elif layout == "expanded gradient":
            given = given[:1].clone().expand(3, 4)
        x.grad = nn.NdArray.from_torch(given)
        y.g = grad
        for solver in solvers:
            solver.weight_decay(0.1)
            solver.update()
    np.testing.assert_allclose(x.d, y.d, rtol=1e-6, atol=1e-7)
    for key, expected in state(solvers[1]).items():
        np.testing.assert_allclose(state(solvers[0])[key], expected, rtol=1e-6, atol=1e-7)


@every_rule
def test_empty_and_scalar_parameters(name):
    x, y = parameter(np.zeros((0, 3))), parameter(2.0)
    solver = solver_of(fast(name), x=x, y=y)
    x.g, y.g = np.zeros((0, 3)), 3.0
    solver.weight_decay(0.1)
    solver.clip_grad_by_norm(1.0)
    assert not solver.check_inf_or_nan_grad()
    solver.update()
    assert x.shape == (0, 3)
    assert y.d.shape == ()
    assert np.isfinite(y.d)
    assert y.d != 2


@every_rule
def test_a_change_of_the_arrays_between_updates_is_seen(name):
    """New gradient types, new data, other arrays: the solver keeps nothing that goes stale."""
    rng = np.random.RandomState(8)
    x, y = parameter([1, 2]), parameter([1, 2])
    solvers = solver_of(fast(name), x=x), solver_of(fast(name), x=y)
    for step in range(6):
        grad = rng.randn(2).astype(np.float32)
        for solver in solvers:
            solver.zero_grad()
        y.g = grad
        if step == 2:
            x.g = grad.astype(np.float64)
        elif step == 3:
            x.grad = nn.NdArray.from_numpy_array(grad)
        else:
            x.g = grad
        if step == 4:
            x.data = nn.NdArray.from_numpy_array(x.d)
            for variable in solvers[0].get_states()["x"].pstate.values():
                variable.data = nn.NdArray.from_numpy_array(variable.d)
        for solver in solvers:
            solver.weight_decay(0.01)
            solver.update()
        np.testing.assert_allclose(x.d, y.d, rtol=1e-6)


@every_rule
@given(
    shapes=st.lists(st.lists(st.integers(0, 3), max_size=3).map(tuple), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
    decay=st.sampled_from([None, 0.0, 0.1]),
    clip=st.sampled_from([None, 0.5]),
)
@settings(max_examples=15, deadline=None)
def test_many_parameters_are_as_many_solvers(name, shapes, seed, decay, clip):
    rng = np.random.RandomState(seed)
    values = {f"p{i}": np.asarray(rng.randn(*shape), np.float32) for i, shape in enumerate(shapes)}
    together = {key: parameter(value) for key, value in values.items()}
    apart = {key: parameter(value) for key, value in values.items()}
    solvers = [solver_of(fast(name), **together), *(solver_of(fast(name), **{k: p}) for k, p in apart.items())]
    for _ in range(4):
        for solver in solvers:
            solver.zero_grad()
        for key, value in values.items():
            if rng.rand() < 0.8:
                together[key].g = apart[key].g = np.asarray(rng.randn(*value.shape), np.float32)
        for solver in solvers:
            if decay is not None:
                solver.weight_decay(decay)
            if clip is not None:
                solver.clip_grad_by_norm(clip)
            solver.update()
    for key in values:
        np.testing.assert_allclose(together[key].d, apart[key].d, rtol=1e-5, atol=1e-6)
