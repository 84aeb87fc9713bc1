"""Hooks of solvers are called for each parameter that has a gradient, as in NNabla 1.39."""

import numpy as np
import pytest

import nnabla as nn
import nnabla.solvers as S

from .sample_solvers import every_rule, fast

CALLS = {
    "update": (),
    "weight_decay": (0.1,),
    "clip_grad_by_norm": (0.5,),
    "scale_grad": (2.0,),
    "check_inf_grad": (),
    "check_nan_grad": (),
    "check_inf_or_nan_grad": (),
}


def parameters():
    rng = np.random.RandomState(0)
    found = {}
    for key in "cab":
        found[key] = nn.Variable.from_numpy_array(rng.randn(2, 3).astype(np.float32), need_grad=True)
        found[key].g = rng.randn(2, 3)
    return found


def solver_for(params):
    solver = S.Sgd()
    solver.set_parameters(params)
    return solver


@pytest.fixture
def calls():
    return []


@pytest.fixture
def own(calls):
    return lambda: calls.append("pre"), lambda: calls.append("post")


@pytest.mark.parametrize("name", CALLS)
def test_own_hooks_are_called_for_each_parameter(name, calls, own):
    getattr(solver_for(parameters()), name)(*CALLS[name], *own)
    assert calls == ["pre", "post"] * 3


@pytest.mark.parametrize("name", CALLS)
def test_shared_hooks_are_around_them(name, calls, own):
    solver = solver_for(parameters())
    nn.set_solver_pre_hook("k", lambda: calls.append("shared"))
    nn.set_solver_post_hook("k", lambda: calls.append("shared after"))
    try:
        getattr(solver, name)(*CALLS[name])
        assert calls == ["shared", "shared after"] * 3
        calls.clear()
        getattr(solver, name)(*CALLS[name], *own)
        assert calls == ["shared", "pre", "post", "shared after"] * 3
    finally:
        nn.unset_solver_pre_hook("k")
        nn.unset_solver_post_hook("k")


def test_parameters_without_a_gradient_are_passed_over(calls, own):
    params = parameters()
    params["a"].grad.zero()
    params["b"].need_grad = False
    solver_for(params).update(*own)
    assert calls == ["pre", "post"] * 2
    calls.clear()
    S.Sgd().update(*own)
    assert calls == []


def test_a_decay_in_the_next_update_has_no_hooks(calls, own):
    solver = S.AdamW()
    solver.set_parameters(parameters())
    solver.weight_decay(0.1, *own)
    assert calls == []


def test_a_check_ends_with_the_parameter_that_it_finds(calls, own):
    params = parameters()
    list(params.values())[1].g = np.nan
    solver = solver_for(params)
    assert solver.check_nan_grad(*own)
    assert calls == ["pre", "post"] * 2
    assert not solver.check_inf_grad(*own)


def test_hooks_see_and_change_one_parameter_after_the_other():
    params = parameters()
    before = {key: p.d.copy() for key, p in params.items()}
    solver = solver_for(params)
    solver.set_learning_rate(0.5)
    updated = []

    def count():
        updated.append(sum(bool((p.d != before[key]).any()) for key, p in params.items()))

    def fix():
        for p in params.values():
            p.g = 10

    solver.update(count, count)
    assert updated == [0, 1, 1, 2, 2, 3]
    before = {key: p.d.copy() for key, p in params.items()}
    solver.update(update_pre_hook=fix)
    for key, p in params.items():
        np.testing.assert_allclose(p.d, before[key] - 5, rtol=1e-6)


@every_rule
def test_hooks_change_no_result(name):
    found = []
    for hooks in ((), (lambda: None, lambda: None)):
        params = parameters()
        solver = fast(name)
        solver.set_parameters(params)
        for _ in range(3):
            solver.weight_decay(0.01, *hooks)
            solver.clip_grad_by_norm(0.9, *hooks)
            solver.scale_grad(1.5, *hooks)
            solver.update(*hooks)
        found.append([p.d.copy() for p in params.values()])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
