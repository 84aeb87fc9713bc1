"""Solvers: NNabla's trajectories step by step, and what holds for every rule."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.solver
import nnabla.solvers as S
from nnabla.errors import ArgumentError, ShapeError
from nnabla.files.model_messages import MODEL
from nnabla.solvers import multi_tensor

from ..reference.record_solvers import CASES, SETTINGS, load, run
from .sample_solvers import SOLVERS, every_rule, fast, parameter, solver_of, state

RECORDS = load()

# ---- the rules -------------------------------------------------------------------------------------------


def test_every_rule_exists_and_is_recorded():
    assert set(SOLVERS) == set(SETTINGS)
    assert {case.key for case in CASES} == set(RECORDS)
    assert all(getattr(nnabla.solver, name) is rule for name, rule in SOLVERS.items())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_trajectory(case):
    expected = RECORDS[case.key]
    found = run(case)
    # NNabla computes the factor of rectification in float32, where 1 - beta2 is close to 0.
    coarse = case.settings.get("rectify") and "beta2" not in case.settings
    tolerance = {"rtol": 1e-4 if coarse else 1e-5, "atol": 1e-5 if coarse else 1e-6}
    np.testing.assert_allclose(found.params, expected.params, **tolerance)
    np.testing.assert_allclose(found.grads, expected.grads, **tolerance)
    assert set(found.states) == set(expected.states)
    for name, values in expected.states.items():
        np.testing.assert_allclose(found.states[name], values, **tolerance, err_msg=name)
    assert found.t == expected.t
    assert found.info == expected.info
    assert list(found.info) == list(expected.info)
    assert {name: type(value) for name, value in found.info.items()} == {
        name: type(value) for name, value in expected.info.items()
    }
    assert found.learning_rate == expected.learning_rate
    assert found.fused == expected.fused


@pytest.mark.parametrize("case", [case for case in CASES if SOLVERS[case.solver].in_pieces], ids=lambda case: case.key)
def test_trajectory_of_parameters_cut_into_pieces(case, monkeypatch):
    """As those are that do not fit into the caches; here the matrix is cut into four pieces, the vectors into more."""
    monkeypatch.setattr(multi_tensor, "_ELEMENTS", 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    test_trajectory(case)


@pytest.mark.parametrize(
    "shapes, lengths",
    [
        ([(2, 3), (1,), (), (7,), (4,), (5,), (0,)], [[5], [1], [5], [2], [1, 1], [4], [5, 0]]),
        ([(5,), (5,)], [[5], [5]]),
        ([(3, 4)], [[5], [5], [2]]),
        ([(2,), (3,)], [[2, 3]]),
        ([], []),
    ],
)
def test_pieces(shapes, lengths, monkeypatch):
    monkeypatch.setattr(multi_tensor, "_ELEMENTS", 5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    tensors = [torch.zeros(shape) for shape in shapes]
    cut = multi_tensor.pieces(tensors)
    assert [[piece.numel() for piece in pieces] for pieces in cut] == lengths
    for pieces in cut:
        for piece in pieces:
            piece += 1
    assert all(bool((tensor == 1).all()) for tensor in tensors)


def test_the_comparison_sees_a_wrong_rule(monkeypatch):
    case = next(case for case in CASES if case.solver == "RMSprop" and case.settings)
    with monkeypatch.context() as patch:
        patch.setattr(S.Solver, "learning_rate", lambda self: 0.0)
        with pytest.raises(AssertionError):
            test_trajectory(case)
    with monkeypatch.context() as patch:
        patch.setattr(S, "RMSprop", lambda lr, decay, eps: SOLVERS["RMSprop"](lr, decay * 1.001, eps))
        with pytest.raises(AssertionError):
            test_trajectory(case)


@every_rule
def test_constructor(name):
    signature = inspect.signature(SOLVERS[name])
    solver = SOLVERS[name]()
    assert solver.name == name
    assert list(solver.info) == list(signature.parameters)
    for key, given_as in signature.parameters.items():
        expected = given_as.default if isinstance(given_as.default, bool) else float(np.float32(given_as.default))
        assert solver.info[key] == expected
    assert repr(solver).startswith(f"{name}(")
    first = next(iter(signature.parameters))
    with pytest.raises(TypeError, match=f"{name}: {first} must be a number, not 'fast'"):
        SOLVERS[name]("fast")
    with pytest.raises(TypeError, match=f"{name}: {first} must be a number, not None"):
        SOLVERS[name](None)
    with pytest.raises(TypeError, match="unexpected keyword"):
        SOLVERS[name](speed=1)


@every_rule
def test_learning_rate_is_float32_and_info_keeps_the_first(name):
    solver = SOLVERS[name](0.1)
    first = float(np.float32(0.1))
    assert solver.learning_rate() == first
    solver.set_learning_rate(0.3)
    assert solver.learning_rate() == float(np.float32(0.3))
    assert next(iter(solver.info.values())) == first
    solver.set_learning_rate(np.float64(0.7))
    assert solver.learning_rate() == float(np.float32(0.7))
    for bad in ("fast", None):
        with pytest.raises(TypeError, match=f"set_learning_rate: learning_rate must be a number, not {bad!r}"):
            solver.set_learning_rate(bad)
    assert solver.learning_rate() == float(np.float32(0.7))


def test_changing_info_changes_nothing():
    solver = S.Adam()
    solver.info["beta1"] = 0
    assert solver.info["beta1"] == float(np.float32(0.9))


# ---- parameters ------------------------------------------------------------------------------------------


@every_rule
def test_states_start_at_zero(name):
    solver = solver_of(fast(name), x=parameter([[1, 2]]))
    entry = solver.get_states()["x"]
    assert entry.t == 0
    assert all(variable.shape == (1, 2) and not variable.d.any() for variable in entry.pstate.values())


@every_rule
def test_reset_and_retain_state(name):
    x, y = parameter([1, 2]), parameter([3])
    solver = solver_of(fast(name), x=x)
    x.g = [0.5, -2]
    solver.update()
    seen = state(solver)
    assert all(values.any() for values in seen.values())

    solver.set_parameters({"x": x, "y": y}, reset=False, retain_state=True)
    assert list(solver.get_parameters()) == ["x", "y"]
    assert [s.t for s in solver.get_states().values()] == [1, 0]
    for key, values in seen.items():
        np.testing.assert_array_equal(state(solver)[key], values)

    solver.set_parameters({"x": x}, reset=False)
    assert list(solver.get_parameters()) == ["x", "y"]
    assert solver.get_states()["x"].t == 0
    assert not any(values.any() for values in state(solver).values())

    solver.update()
    solver.set_parameters({"x": x}, reset=True, retain_state=True)  # there is nothing left to retain
    assert list(solver.get_parameters()) == ["x"]
    assert solver.get_states()["x"].t == 0
    solver.setup({"y": y})
    assert list(solver.get_parameters()) == ["y"]


def test_a_state_can_be_retained_for_another_variable():
    x, other = parameter([1, 2]), parameter([5, 5])
    solver = solver_of(S.Momentum(1.0), x=x)
    x.g = [1, 1]
    solver.update()
    solver.set_parameters({"x": other}, reset=False, retain_state=True)
    other.g = [0, 0]
    solver.update()
    np.testing.assert_allclose(other.d, 5 - 0.9, rtol=1e-6)
    np.testing.assert_array_equal(x.d, [0, 1])


def test_what_set_parameters_refuses():
    x = parameter([1, 2])
    solver = solver_of(S.Momentum(), x=x)
    x.g = [1, 1]
    solver.update()
    before = state(solver)["m"]
    with pytest.raises(TypeError, match="param_dict must be a dict of Variables, not list"):
        solver.set_parameters([x])
    with pytest.raises(TypeError, match=r"param_dict\['y'\] must be a Variable, not int"):
        solver.set_parameters({"x": x, "y": 1})
    with pytest.raises(TypeError, match="the keys of param_dict must be strings, not 1"):
        solver.set_parameters({"y": x, 1: x})
    with pytest.raises(ShapeError, match=r"the state of 'x' has shape \(2,\), the parameter \(3,\)"):
        solver.set_parameters({"y": x, "x": parameter([1, 2, 3])}, reset=False, retain_state=True)
    assert list(solver.get_parameters()) == list(solver.get_states()) == ["x"]
    np.testing.assert_array_equal(state(solver)["m"], before)


def test_remove_and_clear():
    params = {key: parameter([1.0]) for key in "abc"}
    solver = solver_of(S.Sgd(1.0), **params)
    for param in params.values():
        param.g = [0.5]
    solver.remove_parameters(["b", "nothing"])
    assert list(solver.get_parameters()) == list(solver.get_states()) == ["a", "c"]
    solver.update()
    assert [float(param.d[0]) for param in params.values()] == [0.5, 1.0, 0.5]
    with pytest.raises(TypeError, match="keys must be a list of names, not the string 'ac'"):
        solver.remove_parameters("ac")
    solver.clear_parameters()
    assert dict(solver.get_parameters()) == dict(solver.get_states()) == {}
    solver.update()
    assert [float(param.d[0]) for param in params.values()] == [0.5, 1.0, 0.5]


@every_rule
def test_without_parameters_nothing_happens(name):
    solver = SOLVERS[name]()
    solver.zero_grad()
    solver.weight_decay(0.1)
    solver.clip_grad_by_norm(1)
    solver.scale_grad(2)
    assert not solver.check_inf_or_nan_grad()
    solver.update()
    solver.set_parameters({})
    solver.update()


def test_get_parameters_gives_variables_of_its_own_on_the_memory_of_the_parameters():
    x = parameter([1])
    solver = solver_of(S.Sgd(), x=x)
    solver.get_parameters().clear()
    found = solver.get_parameters()["x"]
    assert found == x and found is not x and found.data is x.data and found.grad is x.grad
    # As in NNabla: a sum over a solver's parameters in the loss is no penalty.
    assert not found.need_grad and not F.sum(found).need_grad
    found.persistent = True
    assert x.need_grad and not x.persistent


# ---- gradients that are not there ------------------------------------------------------------------------


@every_rule
@pytest.mark.parametrize("without", ["zeroed", "never computed", "cleared"])
def test_parameters_without_gradient_are_left_alone(name, without):
    x, y = parameter([1, 2]), parameter([3, 4])
    solver = solver_of(fast(name), x=x, y=y)
    if without == "zeroed":
        x.g = [7, 7]
        solver.zero_grad()
    elif without == "cleared":
        x.g = [7, 7]
        x.grad.clear()
    for step in range(3):
        y.g = [0.5, -2]
        solver.weight_decay(0.1)
        solver.scale_grad(2)
        solver.clip_grad_by_norm(1)
        solver.update()
        assert [entry.t for entry in solver.get_states().values()] == [0, step + 1]
    np.testing.assert_array_equal(x.d, [1, 2])
    assert not any(values.any() for values in state(solver).values())
    assert (y.d != [3, 4]).all()
    np.testing.assert_array_equal(x.g, 0)
    # A gradient that was looked at counts, even if it is 0.
    solver.update()
    assert solver.get_states()["x"].t == 1


@every_rule
def test_parameters_catch_up_after_missing_an_update(name):
    """The number of updates is each parameter's own: what one missed does not change its steps."""
    grads = np.random.RandomState(5).randn(6, 3).astype(np.float32)
    x, alone, steady = parameter([1, 2, 3]), parameter([1, 2, 3]), parameter([1, 2, 3])
    both, single = solver_of(fast(name), x=x, steady=steady), solver_of(fast(name), x=alone)
    for step, grad in enumerate(grads):
        both.zero_grad()
        steady.g = grad
        if step not in (0, 3):
            x.g = grad
            alone.g = grad
            single.update()
        both.update()
    assert [entry.t for entry in both.get_states().values()] == [4, 6]
    np.testing.assert_allclose(x.d, alone.d, rtol=1e-6)


def test_zero_grad_does_no_work():
    x = parameter(np.ones(1000))
    solver = solver_of(S.Sgd(), x=x)
    x.g = np.ones(1000)
    solver.zero_grad()
    assert x.grad.zeroing
    solver.update()
    assert x.grad.zeroing
    assert not x.g.any()


# ---- what is done to gradients ---------------------------------------------------------------------------


def test_weight_decay_is_added_to_the_gradient():
    x, y = parameter([1, 2]), parameter([[3]])
    solver = solver_of(S.Sgd(), x=x, y=y)
    x.g, y.g = [1, 1], [[-1]]
    solver.weight_decay(0.5)
    np.testing.assert_allclose(x.g, [1.5, 2])
    np.testing.assert_allclose(y.g, [[0.5]])
    np.testing.assert_array_equal(x.d, [1, 2])
    with pytest.raises(TypeError, match="weight_decay: decay_rate must be a number, not '1'"):
        solver.weight_decay("1")


@pytest.mark.parametrize("name", [name for name in sorted(SOLVERS) if SOLVERS[name]().weight_decay_is_fused()])
def test_fused_decay_is_for_one_update(name):
    """It changes the next update, and not the one after it."""
    assert {"AdamW", "SgdW", "Lars", "Lamb", "Lion"} == {n for n in SOLVERS if SOLVERS[n]().weight_decay_is_fused()}
    rng = np.random.RandomState(1)
    grads = rng.randn(2, 4).astype(np.float32)
    x, y = parameter(1 + rng.rand(4)), parameter(np.zeros(4))
    decayed, plain = solver_of(fast(name), x=x), solver_of(fast(name), x=y)
    y.d = x.d.copy()
    x.g = y.g = grads[0]
    decayed.weight_decay(0.25)
    np.testing.assert_array_equal(x.g, grads[0])
    decayed.update()
    plain.update()
    assert (x.d != y.d).all()
    # From the same place, the next updates are the same.
    y.d = x.d.copy()
    plain.set_states(copied(decayed.get_states()))
    x.g = y.g = grads[1]
    decayed.update()
    plain.update()
    np.testing.assert_array_equal(x.d, y.d)


def test_clip_is_for_each_parameter():
    x, y, z, w = parameter([0, 0]), parameter([[0]]), parameter([0, 0]), parameter([0])
    solver = solver_of(S.Sgd(), x=x, y=y, z=z, w=w)
    x.g, y.g, z.g = [3.0, 4.0], [[0.5]], [0.0, 0.0]
    solver.clip_grad_by_norm(1.0)
    np.testing.assert_allclose(x.g, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(y.g, [[0.5]])
    np.testing.assert_array_equal(z.g, [0, 0])
    solver.clip_grad_by_norm(0)
    np.testing.assert_allclose(x.g, [0.6, 0.8], rtol=1e-6)
    with pytest.raises(ArgumentError, match=r"clip_norm must be 0 \(no clipping\) or above, not -1"):
        solver.clip_grad_by_norm(-1)
    with pytest.raises(TypeError, match="clip_norm must be a number, not None"):
        solver.clip_grad_by_norm(None)
    np.testing.assert_allclose(x.g, [0.6, 0.8], rtol=1e-6)


def test_clip_of_what_is_not_finite():
    x, y, z = parameter([0, 0]), parameter([0, 0]), parameter([0, 0])
    solver = solver_of(S.Sgd(), x=x, y=y, z=z)
    x.g, y.g, z.g = [3.0, np.nan], [3.0, np.inf], [3.0, 4.0]
    solver.clip_grad_by_norm(1)
    np.testing.assert_array_equal(x.g, [3, np.nan])
    np.testing.assert_array_equal(y.g, [0, np.nan])
    np.testing.assert_allclose(z.g, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("other", [np.float16, np.float32, np.float64])
def test_clip_of_half_does_not_overflow(other):
    x, y = parameter(np.zeros(10000), np.float16), parameter([0, 0], other)
    solver = solver_of(S.Sgd(), x=x, y=y)
    x.g, y.g = np.full(10000, 3e4, np.float16), np.array([3, 4], other)
    solver.clip_grad_by_norm(100.0)
    np.testing.assert_allclose(x.g, 1, rtol=1e-3)
    assert (x.g.dtype, y.g.dtype) == (np.float16, other)
    np.testing.assert_array_equal(y.g, [3, 4])


def test_scale_grad_is_exact():
    x, y = parameter([0, 0, 0]), parameter([0])
    solver = solver_of(S.Sgd(), x=x, y=y)
    values = np.array([1 / 3, -1e30, 7], np.float32)
    x.g = values
    solver.scale_grad(2.0**-16)
    np.testing.assert_array_equal(x.g, values * np.float32(2.0**-16))
    assert not y.grad.clear_called
    np.testing.assert_array_equal(y.g, 0)
    with pytest.raises(TypeError, match="scale must be a number, not 'x'"):
        solver.scale_grad("x")


@pytest.mark.parametrize(
    ("value", "inf", "nan"),
    [(np.inf, True, False), (-np.inf, True, False), (np.nan, False, True), (1e38, False, False)],
)
@pytest.mark.parametrize("where", ["x", "y"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_checks(value, inf, nan, where, dtype):
    with np.errstate(over="ignore"):
        value = dtype(value)
    inf = inf or bool(np.isinf(value))
    params = {"x": parameter([0, 0], dtype), "y": parameter([0, 0], dtype), "z": parameter([0, 0], dtype)}
    solver = solver_of(S.Sgd(), **params)
    params["x"].g, params["y"].g = np.ones(2, dtype), np.ones(2, dtype)
    params[where].g = np.array([1, value], dtype)
    assert solver.check_inf_grad() is inf
    assert solver.check_nan_grad() is nan
    assert solver.check_inf_or_nan_grad() is (inf or nan)


def test_checks_of_both_at_once_and_of_nothing():
    x, y, empty = parameter([0, 0]), parameter([0, 0]), parameter(np.zeros((0, 3)))
    solver = solver_of(S.Sgd(), x=x, y=y, empty=empty)
    x.g, y.g, empty.g = [np.nan, -np.inf], [1, 2], np.zeros((0, 3))
    assert solver.check_inf_grad() is True
    assert solver.check_nan_grad() is True
    x.g, y.g = [np.nan, 1], [1, np.inf]
    assert solver.check_inf_grad() is True
    x.g, y.g = [np.nan, 1], [1, 2]
    assert solver.check_inf_grad() is False
    solver = solver_of(S.Sgd(), empty=empty)
    assert not solver.check_inf_grad() and not solver.check_nan_grad() and not solver.check_inf_or_nan_grad()


def test_gradients_that_share_memory_are_not_decayed_twice():
    a, b = parameter([1, 1]), parameter([2, 2])
    solver = solver_of(S.Sgd(1.0), a=a, b=b)
    loss = F.sum(a + b)
    solver.zero_grad()
    loss.forward()
    loss.backward()
    solver.weight_decay(0.5)
    np.testing.assert_allclose(a.g, 1.5)
    np.testing.assert_allclose(b.g, 2)
    solver.update()
    np.testing.assert_allclose(a.d, -0.5)
    np.testing.assert_allclose(b.d, 0)


# ---- states ----------------------------------------------------------------------------------------------


def copied(states):
    """Equal states in arrays of their own."""
    return {
        key: S.SolverState({n: nn.Variable.from_numpy_array(v.d.copy()) for n, v in entry.pstate.items()}, entry.t)
        for key, entry in states.items()
    }


@every_rule
def test_set_states_writes_to_the_arrays_given(name):
    """As in NNabla: a script that keeps all states in one long array reads them there after each update."""
    x, y = parameter([1, 2]), parameter([1, 2])
    first, second = solver_of(fast(name), x=x), solver_of(fast(name), x=y)
    for solver in (first, second):
        x.g = y.g = [1, -1]
        solver.update()
    given = copied(first.get_states())
    second.set_states(given)
    x.g = y.g = [0.5, 3]
    for solver in (first, second):
        solver.update()
    assert given["x"].t == 1 and second.get_states()["x"].t == 2
    for key, values in state(first).items():
        np.testing.assert_array_equal(given["x"].pstate[key].d, values)
        assert given["x"].pstate[key] == second.get_states()["x"].pstate[key]
        given["x"].pstate[key].d = 9
        np.testing.assert_array_equal(state(second)[key], [9, 9])


@every_rule
def test_set_states_continues_where_another_solver_stood(name):
    x, y = parameter([1, 2]), parameter([1, 2])
    first = solver_of(fast(name), x=x)
    for grad in ([1, -1], [0.5, 3]):
        x.g = y.g = np.array(grad, np.float32)
        first.update()
    second = solver_of(fast(name), x=y, other=parameter([0]))
    second.set_states(copied(first.get_states()))
    y.d = x.d.copy()
    assert [entry.t for entry in second.get_states().values()] == [2, 0]
    for solver in (first, second):
        solver.update()
    # Nesterov's momentum is rounded when it is put into the units that its kernel wants.
    tolerance = 2e-7 if name == "Nesterov" else 0
    np.testing.assert_allclose(x.d, y.d, rtol=tolerance)
    for key, values in state(first).items():
        np.testing.assert_allclose(state(second)[key], values, rtol=tolerance)
    assert not np.shares_memory(x.d, y.d)


def test_states_are_the_solvers_own_arrays_but_not_its_count():
    x = parameter([1.0])
    solver = solver_of(S.Momentum(1.0, momentum=0.5), x=x)
    seen = solver.get_states()["x"]
    seen.pstate["m"].d = 4
    seen.t = 99
    seen.pstate.clear()
    x.g = [1]
    solver.update()
    np.testing.assert_allclose(x.d, 1 - (0.5 * 4 + 1))
    assert solver.get_states()["x"].t == 1


def nesterov_updates(looking: str, rates: list[float]) -> list[np.ndarray]:
    """The parameters after each update, with a look at the states between the updates."""
    x, y = parameter([1.0, -2.0]), parameter([3.0])
    solver = solver_of(S.Nesterov(rates[0], momentum=0.5), x=x, y=y)
    found = []
    for i, rate in enumerate(rates):
        solver.set_learning_rate(rate)
        x.g = [1.0 + i, -3.0]
        if i % 2:
            y.grad.zero()  # no update of y, whose state stays what it is under another rate
        else:
            y.g = [0.5]
        solver.update()
        if looking == "get":
            assert solver.get_states()["x"].t == i + 1
        elif looking == "set":
            solver.set_states(solver.get_states())
        elif looking == "save":
            solver.set_states_to_protobuf(MODEL.message("Optimizer")())
        found.append(np.concatenate([x.d, y.d]))
    return found


@pytest.mark.parametrize("rates", [[0.1] * 6, [0.1, 0.3, 0.3, 0.0, 0.2, 1e-3]])
def test_nesterov_is_its_formula_however_its_states_are_read(rates):
    w, m = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    plain = nesterov_updates("never", rates)
    for looking in ("get", "set"):
        np.testing.assert_allclose(nesterov_updates(looking, rates), plain, rtol=1e-6)
    np.testing.assert_array_equal(nesterov_updates("save", rates), plain)
    for i, rate in enumerate(rates):
        g = np.array([1.0 + i, -3.0, 0.5])
        new = 0.5 * m - rate * g
        step = -0.5 * m + 1.5 * new
        moving = np.array([True, True, i % 2 == 0])
        w, m = np.where(moving, w + step, w), np.where(moving, new, m)
        np.testing.assert_allclose(plain[i], w, rtol=1e-5)


def test_states_of_nesterov_are_the_momentum_when_saved_or_looked_at(tmp_path):
    x = parameter([1.0])
    solver = solver_of(S.Nesterov(0.25, momentum=0.5), x=x)
    x.g = [2.0]
    solver.update()
    solver.save_states(str(tmp_path / "states.h5"))
    other = solver_of(S.Nesterov(0.25, momentum=0.5), x=parameter([0.0]))
    other.load_states(str(tmp_path / "states.h5"))
    seen = solver.get_states()["x"].pstate["m"]
    assert seen.d == other.get_states()["x"].pstate["m"].d == -0.5
    seen.d = 4
    solver.update()
    assert seen.d == 0.5 * 4 - 0.5


def test_a_state_made_by_hand():
    made = S.SolverState()
    assert (made.t, made.pstate) == (0, {})
    made = S.SolverState({"m": nn.Variable.from_numpy_array(np.array([2.0], np.float32))}, 7)
    solver = solver_of(S.Momentum(), x=parameter([0]))
    solver.set_states({"x": made})
    assert solver.get_states()["x"].t == 7
    np.testing.assert_array_equal(state(solver)["m"], [2])


def test_what_set_states_refuses():
    x, y = parameter([1, 2]), parameter([3])
    adam = solver_of(S.Adam(), x=x, y=y)
    x.g, y.g = [1, 1], [1]
    adam.update()
    given_states = adam.get_states()
    momentum = solver_of(S.Momentum(), x=x, y=y)
    with pytest.raises(ArgumentError, match="Momentum needs state 'm' of parameter 'x'"):
        momentum.set_states(given_states)
    only_x = solver_of(S.Adam(), x=x)
    with pytest.raises(ArgumentError, match="there is no parameter 'y'; call set_parameters first"):
        only_x.set_states(given_states)
    swapped = solver_of(S.Adam(), x=x, y=x)
    with pytest.raises(ShapeError, match=r"state 'mean' of 'y' must have shape \(2,\), not \(1,\)"):
        swapped.set_states(given_states)
    for solver in (momentum, only_x, swapped):
        assert solver.get_states()["x"].t == 0
        assert not any(values.any() for values in state(solver).values())


def test_one_parameter_under_two_names_is_updated_twice():
    x = parameter([1.0])
    solver = solver_of(S.Momentum(0.5), a=x, b=x)
    x.g = [1]
    solver.update()
    np.testing.assert_allclose(x.d, 0, atol=1e-7)


# ---- particular rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "eps"), [("Lars", 1e-6), ("Lars", 0.0), ("Lamb", 1e-6)])
def test_norms_of_zero(name, eps):
    """Zero weights and zero gradients divide nothing by zero."""
    x, y, z = parameter([0, 0]), parameter([3, 4]), parameter([0, 0])
    solver = solver_of(SOLVERS[name](0.1, eps=eps), x=x, y=y, z=z)
    for _ in range(2):
        x.g, y.g, z.g = np.zeros(2), np.zeros(2), np.array([1e-3, 2e-3])
        solver.update()
    np.testing.assert_array_equal(x.d, 0)
    np.testing.assert_array_equal(y.d, [3, 4])
    assert np.isfinite(z.d).all()


def test_lion_steps_are_of_one_size():
    x = parameter([0, 0, 0])
    solver = solver_of(S.Lion(0.25), x=x)
    x.g = [1e-6, -100, 0]
    solver.update()
    np.testing.assert_array_equal(x.d, [-0.25, 0.25, 0])


def test_solver_api_hides_the_context():
    @S.solver_api
    def make(ctx, lr=0.5):
        """Doc."""
        return ctx, S.Sgd(lr)

    context = nn.Context(["cpu:float"])
    with nn.context_scope(context):
        seen, solver = make(lr=0.25)
    assert seen is context
    assert solver.learning_rate() == 0.25
    assert str(inspect.signature(make)) == "(lr=0.5)"
    assert (make.__name__, make.__doc__) == ("make", "Doc.")
    with pytest.raises(TypeError, match=r"first argument of make must be named 'ctx', got \(lr\)"):

        def make(lr):
            return lr

        S.solver_api(make)
