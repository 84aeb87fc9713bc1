"""Parameters that were folded for inference may change at any time, in any way: it is noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla._write_counts import watch
from nnabla.engine.program import Fused
from nnabla.function import PythonFunction

from .fused_networks import are_folded, calls, close, of_input, one_by_one, records, run, small, statistics


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    nn.clear_parameters()
    yield
    nn.clear_parameters()


WAYS: dict[str, Callable[[nn.Variable], object]] = {
    "set": lambda p: setattr(p, "d", p.d * 2 + 1),
    "set again": lambda p: [setattr(p, "d", np.full(p.shape, v, np.float32)) for v in (1, 2)],
    "set data": lambda p: setattr(p.data, "data", np.full(p.shape, 2.0, np.float32)),
    "a number": lambda p: setattr(p, "d", 0.25),
    "another type": lambda p: setattr(p, "d", np.full(p.shape, 0.5, np.float64)),
    "a part": lambda p: p.d.__setitem__(0, p.d[0] + 1),
    "in place": lambda p: np.multiply(p.d, 3, out=p.d),
    "fill": lambda p: p.data.fill(0.5),
    "zero": lambda p: p.data.zero(),
    "cast": lambda p: p.data.cast(np.float32).fill(2),
    "get_data": lambda p: p.data.get_data("w").fill(3),
    "copy_from": lambda p: p.data.copy_from(nn.NdArray.from_numpy_array(np.full(p.shape, 0.7, np.float32))),
    "another array": lambda p: setattr(p, "data", nn.NdArray.from_numpy_array(np.full(p.shape, 0.7, np.float32))),
    "torch": lambda p: p.data.to_torch().fill_(2),
    "view": lambda p: p.data.view((-1,)).data.fill(4),
    "narrow": lambda p: p.data.narrow(0, 0, 1).data.fill(4),
    "masked": lambda p: p.data.masked_fill(np.ones(p.shape), 4.0),
    "dlpack": lambda p: torch.from_dlpack(p.data).fill_(5),
    "arithmetic": lambda p: setattr(p, "data", p.data * 3),
    "reshaped": lambda p: F.reshape(p, (-1,)).data.data.fill(2),
    "assigned": lambda p: F.assign(p, nn.Variable.from_numpy_array(np.full(p.shape, 1.5, np.float32))).forward(),
}
PARAMETERS = ["c/conv/W", "c/conv/b", "n/bn/gamma", "n/bn/var", "a/affine/W", "m/bn/mean"]


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("way", WAYS)
def test_a_parameter_that_changes_is_noticed(name: str, way: str) -> None:
    _, y = small()
    before = run(y, 3)
    assert all(are_folded(y))
    parameter = nn.get_parameters(grad_only=False)[name]
    WAYS[way](parameter)
    ours = run(y)
    assert np.abs(ours - before).max() > 1e-3
    close(ours, one_by_one(y))
    close(run(y, 4), ours)


@pytest.mark.parametrize("name", ["c/conv/W", "n/bn/var", "a/affine/W"])
@pytest.mark.parametrize(
    "held",
    [
        lambda p: p.d,
        lambda p: p.d[:1],
        lambda p: p.data.view((-1,)).data,
        lambda p: p.data.to_torch().numpy(),
        lambda p: torch.from_dlpack(p.data).numpy(),
        lambda p: memoryview(p.d),
        lambda p: F.reshape(p, (-1,)).data,
    ],
)
@pytest.mark.parametrize("when", ["before", "while folded"])
def test_what_is_written_through_a_view_is_noticed(name: str, held: Callable, when: str) -> None:
    _, y = small()
    parameter = nn.get_parameters(grad_only=False)[name]
    view = held(parameter) if when == "before" else None
    before = run(y, 3)
    if view is None:
        view = held(parameter)
        close(run(y), before, 1e-6)
    for factor in (2, 3):
        values = view.data if isinstance(view, nn.NdArray) else np.asarray(view)
        values *= factor
        ours = run(y)
        assert np.abs(ours - before).max() > 1e-3
        close(ours, one_by_one(y))
        before = ours
    assert not all(are_folded(y))


def test_a_view_that_is_dropped_is_no_hindrance() -> None:
    _, y = small()
    view = nn.get_parameters()["c/conv/W"].d
    run(y, 5)
    assert are_folded(y) == [False, True]
    view += 1
    del view
    close(run(y, 2), one_by_one(y))
    run(y, 4)
    assert are_folded(y) == [True, True]


@pytest.mark.parametrize("solver", ["Sgd", "Momentum", "Adam", "AdamW", "RMSprop", "Lars", "AdaBelief", "Lion"])
def test_a_solver_updates_parameters(solver: str) -> None:
    _x, y = small()
    loss = F.mean(y**2)
    run(y, 3)
    updates = getattr(S, solver)()
    updates.set_learning_rate(0.1)
    updates.set_parameters(nn.get_parameters())
    for _ in range(2):
        before = run(y, 8)
        assert all(are_folded(y))
        loss.forward()
        updates.zero_grad()
        loss.backward()
        updates.update()
        ours = run(y)
        assert np.abs(ours - before).max() > 1e-4
        close(ours, one_by_one(y))


@pytest.mark.parametrize("shape", [(2, 8, 6, 6), (16, 8, 20, 20)])
def test_training_moves_running_statistics(shape: tuple[int, ...]) -> None:
    x = nn.Variable(shape)
    h = PF.convolution(x, 8, (3, 3), name="c")
    y = F.relu(PF.batch_normalization(h, batch_stat=False, name="n"))
    training = F.mean(PF.batch_normalization(PF.convolution(x, 8, (3, 3), name="c"), name="n"))
    statistics()
    x.d = of_input(x)
    before = run(y, 3)
    training.forward()
    ours = run(y)
    assert np.abs(ours - before).max() > 1e-3
    close(ours, one_by_one(y))


def test_load_and_set(tmp_path: Path) -> None:
    _x, y = small()
    nn.save_parameters(str(tmp_path / "p.h5"))
    expected = run(y, 3)
    statistics(5)
    assert np.abs(run(y, 3) - expected).max() > 1e-3
    nn.load_parameters(str(tmp_path / "p.h5"))
    close(run(y), expected)
    close(run(y, 3), expected)
    # A new variable of that name is none of the graph.
    nn.parameter.set_parameter("c/conv/W", nn.Variable((8, 3, 3, 3)))
    close(run(y), expected)


def test_training_and_evaluation_in_turns_never_fold() -> None:
    _, y = small()
    w = nn.get_parameters()["c/conv/W"]
    for _ in range(10):
        w.d = w.d * 0.9
        close(run(y), one_by_one(y))
        assert are_folded(y)[0] is False


def test_folding_waits_longer_after_each_change() -> None:
    _, y = small()
    w = nn.get_parameters()["c/conv/W"]
    needed = []
    for _ in range(4):
        w.d = w.d * 0.9
        count = 0
        while not (calls(y) if y._plans else []) or not are_folded(y)[0] or count == 0:
            run(y)
            count += 1
        needed.append(count)
    assert needed == [2, 3, 5, 9]


def test_a_graph_that_is_built_anew_does_not_fold() -> None:
    x, _ = small()
    expected = None
    for _ in range(3):
        y = F.relu(PF.batch_normalization(PF.convolution(x, 8, (3, 3), name="c"), batch_stat=False, name="n"))
        expected = one_by_one(y) if expected is None else expected
        close(run(y), expected, 1e-6)
        assert not any(are_folded(y))


def test_parameters_stay_as_they_are() -> None:
    _, y = small()
    before = {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}
    run(y, 4)
    for name, p in nn.get_parameters(grad_only=False).items():
        np.testing.assert_array_equal(p.d, before[name])


def test_what_a_function_of_the_graph_writes_to_is_not_folded() -> None:
    x = nn.Variable((2, 3, 8, 8))
    y = PF.convolution(x, 8, (3, 3), name="c")
    w = nn.get_parameters()["c/conv/W"]
    changed = F.assign(w, w * 2)
    x.d = of_input(x)
    for _ in range(4):
        nn.forward_all([y, changed], clear_buffer=True)
    z = F.sink(changed, F.relu(y))
    assert records(z)[-2:] == ["ReLU", "Sink"]


def test_a_python_function_may_write_to_its_inputs() -> None:
    class Doubling(PythonFunction):
        def setup_impl(self, inputs, outputs):
            outputs[0].reset_shape(inputs[0].shape, True)

        def forward_impl(self, inputs, outputs):
            outputs[0].d = inputs[0].d
            inputs[0].data.data[...] *= 2

    x = nn.Variable((2, 3, 8, 8))
    y = PF.convolution(x, 8, (3, 3), name="c")
    w = nn.get_parameters()["c/conv/W"]
    x.d = of_input(x)
    z = F.sum(Doubling()(w)) + F.sum(F.relu(y))
    (program,) = z.plan({"clear_buffer": True}, None).programs
    assert not any(type(record) is Fused for record in program.records)


def test_autograd_does_not_take_a_counted_write_for_one_that_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps the running statistics that batch normalization writes to, and compares their counts in backward."""
    monkeypatch.setattr(watch, "on", True)
    rng = np.random.RandomState(0)
    row = (1, 4, 1, 1)
    x, w, b, beta, gamma, z = [
        nn.Variable.from_numpy_array(rng.standard_normal(shape).astype(np.float32), need_grad=True)
        for shape in ((2, 3, 6, 5), (4, 3, 3, 3), (4,), row, row, (2, 4, 6, 5))
    ]
    mean, variance = (nn.Variable.from_numpy_array(np.full(row, value, np.float32)) for value in (0, 1))
    slope = {"nonlinearity": "leaky_relu", "nonlinearity_args": (-0.5,)}
    y = F.fused_convolution(x, w, b, beta, gamma, mean, variance, z, pad=(1, 1), **slope)
    for _ in range(2):
        y.forward()
        x.grad.zero()
        y.backward()
    assert np.isfinite(x.g).all() and x.g.any()
