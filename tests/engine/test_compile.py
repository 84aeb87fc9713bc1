"""Compiled graphs compute what graphs compute.

Most tests let torch's tracer make the graphs of ATen calls, and run these as they are: what TorchInductor makes of them
is its own matter, and takes seconds. Some compile for good.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.engine import compiled_plan, compiling, inductor
from nnabla.engine.frame import LEAF
from nnabla.engine.program import Link
from nnabla.engine.tracer import interface
from nnabla.errors import ArgumentError, GraphError
from nnabla.function import PythonFunction
from nnabla.graph.epoch import advance
from nnabla.graph.tracing import NotTraceableError, is_traced, refuse_tracing, tracing

from .compiled_networks import NETWORKS, assert_same, mlp, trained
from .random_graphs import random_graph

WITHOUT_CXX = inductor.missing()
needs_compiler = pytest.mark.skipif(WITHOUT_CXX is not None, reason=str(WITHOUT_CXX))
OPTIONS = [({}, {}), ({"clear_no_need_grad": True}, {"clear_buffer": True}), ({}, {"clear_buffer": True})]


@pytest.fixture
def messages(monkeypatch):
    """What is logged."""
    found = []
    monkeypatch.setattr(inductor, "_told", set())
    monkeypatch.setattr(inductor.logger, "warning", found.append)
    return found


@pytest.fixture
def graphs(monkeypatch, messages):
    """Graphs that would be compiled, in their order; they run as they are."""
    found = []

    def as_it_is(graph, examples, threads):
        found.append(graph)
        return lambda tensors: graph(*tensors)

    monkeypatch.setattr(compiled_plan, "missing", lambda: None)
    monkeypatch.setattr(compiled_plan, "compiled", as_it_is)
    return found


# ---- results -----------------------------------------------------------------------------------------------------


# Networks, and the options of each; ``-m heavy`` compiles all with all.
SAMPLE = {
    "mlp": (0, 1, 2),
    "mixed": (0, 1),
    "residual": (0,),
    "gru": (0,),
    "lenet": (1,),
    "residual_test": (1,),
    "lstm": (1,),
    "transformer": (1,),
    "penalty": (1,),
}


@pytest.mark.parametrize(("name", "options"), [(name, i) for name, numbers in SAMPLE.items() for i in numbers])
def test_traced_networks_compute_the_same(name, options, graphs):
    expected = trained(NETWORKS[name], False, *OPTIONS[options])
    assert not graphs
    ours = trained(NETWORKS[name], True, *OPTIONS[options])
    assert graphs
    assert_same(ours, expected)


@needs_compiler
@pytest.mark.heavy
@pytest.mark.parametrize(("forward", "backward"), OPTIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_networks_compute_the_same(name, forward, backward, messages):
    expected = trained(NETWORKS[name], False, forward, backward)
    assert_same(trained(NETWORKS[name], True, forward, backward), expected, 1e-4)
    assert not [m for m in messages if "fails" in m or "ran as usual" in m]


@pytest.mark.parametrize("name", ["mlp", "transformer", "penalty", "mixed", "lenet"])
def test_steps_as_one_function_compute_the_same(name, graphs):
    expected = trained(NETWORKS[name], False, *OPTIONS[1], adds=False)
    ours = trained(NETWORKS[name], True, adds=False, jointly=True)
    # Convolutions cut a step in pieces.
    assert (len(graphs) == 1) == (name != "lenet")
    assert_same(ours, expected)


def test_a_part_is_given_what_links_show_once():
    """The output of a link is found where its input is; by itself it reads nothing that is to be handed over."""
    x = nn.Variable((2, 3))
    unread = F.reshape(x, (6,))
    y = F.sin(F.reshape(x, (3, 2))) + F.sin(F.reshape(F.tanh(x), (3, 2)))
    (program,) = F.concatenate(F.reshape(y, (6,)), unread, axis=0).plan({}, None).programs
    links = [i for i, record in enumerate(program.records) if type(record) is Link]
    assert len(links) == 4
    face = interface(program, program.records, [])
    assert {program.values[number].source for number in face.inputs} == {LEAF}
    alone = interface(program, [program.records[links[0]]], program.records)
    assert alone.inputs == alone.outputs == []


def results(seed: int, asked: bool) -> list[np.ndarray]:
    """What three steps of a random graph leave behind."""
    graph = random_graph(seed)
    nn.seed(7)
    if asked:
        nn.compile(graph.root)
    for v in graph.leaves:
        v.grad.zero()
    for _ in range(3):
        graph.root.forward(**graph.forward)
        graph.root.backward(**graph.backward)
    return [graph.root.d.copy(), *[v.g.copy() for v in graph.leaves]]


def test_random_graphs_compute_the_same(graphs):
    for seed in range(15):
        for ours, expected in zip(results(seed, True), results(seed, False), strict=True):
            np.testing.assert_allclose(ours, expected, 1e-4, 1e-5, err_msg=f"graph {seed}")
    assert len(graphs) > 8


@pytest.mark.heavy
def test_many_random_graphs_compute_the_same(graphs):
    for seed in range(15, 1000):
        for ours, expected in zip(results(seed, True), results(seed, False), strict=True):
            np.testing.assert_allclose(ours, expected, 1e-4, 1e-5, err_msg=f"graph {seed}")


def test_half_precision(graphs):
    with nn.context_scope(nn.Context(["cpu:half"])):
        expected = trained(mlp, False)
        ours = trained(mlp, True)
    assert graphs
    assert_same(ours, expected, 2e-3)


# ---- what stays, what goes ---------------------------------------------------------------------------------------


def chain():
    x = nn.Variable.from_numpy_array(np.linspace(-1, 1, 6).reshape(2, 3).astype(np.float32), need_grad=True)
    h = F.tanh(x)
    g = F.mul_scalar(F.sigmoid(h), 3.0)
    return x, h, g, F.sum(g * h)


def test_intermediate_values_are_those_that_usual_graphs_have(graphs):
    x, h, g, loss = chain()
    nn.compile(loss)
    loss.forward()
    np.testing.assert_allclose(h.d, np.tanh(x.d), 1e-6)
    np.testing.assert_allclose(g.d, 3 / (1 + np.exp(-np.tanh(x.d))), 1e-6)
    loss.backward()
    np.testing.assert_allclose(g.g, h.d, 1e-6)


def test_freed_values_are_missed_as_usual(graphs):
    _, h, _, loss = chain()
    texts = []
    for asked in (False, True):
        if asked:
            nn.compile(loss)
        loss.forward(clear_buffer=True)
        with pytest.raises(GraphError, match="freed") as error:
            print(h.d)
        texts.append(str(error.value))
        with pytest.raises(GraphError) as error:
            loss.backward()
        texts.append(str(error.value))
    assert texts[:2] == texts[2:]
    assert len(graphs) == 1


def test_gradients_are_added_until_they_are_set_to_zero(graphs):
    x, _, _, loss = chain()
    nn.compile(loss)
    x.grad.zero()
    for times in (1, 2, 3):
        loss.forward()
        loss.backward()
        if times == 1:
            once = x.g.copy()
        np.testing.assert_allclose(x.g, times * once, 1e-5)
    x.grad.fill(2)
    loss.backward()
    np.testing.assert_allclose(x.g, 2 + once, 1e-5)


def check_gradients_have_memory_of_their_own():
    a, b = (nn.Variable.from_numpy_array(np.full((2, 3), v, np.float32), need_grad=True) for v in (1, 2))
    loss = F.sum(a + b + F.reshape(a, (2, 3), inplace=False))
    nn.compile(loss)
    for v in (a, b):
        v.grad.zero()
    for times in (1, 2):
        loss.forward(clear_no_need_grad=True)
        loss.backward(clear_buffer=True)
        assert (a.g == 2 * times).all() and (b.g == times).all()
    a.g[:] = 7
    assert (b.g == 2).all()
    assert (a.d == 1).all()
    loss.forward(clear_no_need_grad=True)
    loss.backward(clear_buffer=True)
    assert (a.g == 9).all() and (b.g == 3).all()


def test_gradients_have_memory_of_their_own(graphs):
    check_gradients_have_memory_of_their_own()
    assert graphs


@needs_compiler
@pytest.mark.heavy
def test_compiled_gradients_have_memory_of_their_own(messages):
    check_gradients_have_memory_of_their_own()
    assert not messages


def test_arrays_that_are_one_by_chance_may_be_two_later(graphs):
    x, y = (nn.Variable.from_numpy_array(np.full((2, 3), v, np.float32), need_grad=True) for v in (2, 3))
    loss = F.sum(F.tanh(x * 0.1) * y - x)
    nn.compile(loss)
    tensor = x.data._tensor
    y.data._tensor = tensor
    loss.forward()
    loss.backward()
    y.data._tensor = torch.full((2, 3), 5.0)
    x.grad.zero()
    y.grad.zero()
    loss.forward()
    loss.backward()
    np.testing.assert_allclose(loss.d, 6 * (5 * np.tanh(0.2) - 2), 1e-6)
    np.testing.assert_allclose(x.g, 5 * 0.1 / np.cosh(0.2) ** 2 - 1, 1e-5)
    np.testing.assert_allclose(y.g, np.tanh(0.2), 1e-5)


def test_need_grad_is_followed(graphs):
    x, h, _, loss = chain()
    nn.compile(loss)
    loss.forward()
    loss.backward()
    x.need_grad = False
    h.need_grad = True
    h.grad.zero()
    x.grad.zero()
    loss.forward()
    loss.backward()
    assert (x.g == 0).all()
    x.need_grad = True
    loss.backward()
    assert (x.g != 0).all()


def test_values_that_users_set_between_forward_and_backward_are_read(graphs, messages):
    found = []
    for asked in (False, True):
        x, h, g, loss = chain()
        if asked:
            nn.compile(loss)
        for step in range(2):
            loss.forward()
            x.grad.zero()
            if step:
                h.d = np.full((2, 3), 0.5)
                g.data.fill(2)
            loss.backward()
        found.append(x.g.copy())
    np.testing.assert_allclose(found[1], found[0], 1e-6)
    assert len(graphs) == 2
    assert not messages


def test_a_gradient_to_start_from(graphs):
    x, _, _, loss = chain()
    nn.compile(loss)
    loss.forward()
    for grad, factor in ((1, 1.0), (3, 3.0), (np.array(0.5), 0.5)):
        x.grad.zero()
        loss.backward(grad)
        if grad is not None and factor == 1.0:
            once = x.g.copy()
        np.testing.assert_allclose(x.g, factor * once, 1e-5)


def test_graphs_of_one_form_are_compiled_once(graphs):
    for _ in range(3):
        x, _, _, loss = chain()
        nn.compile(loss)
        loss.forward()
        loss.backward()
        assert (x.g != 0).all()
    assert len(graphs) == 2


def test_operators_are_left_as_they_were(graphs):
    x = nn.Variable.from_numpy_array(np.ones((2, 3), np.float32), need_grad=True)
    loss = F.sum(F.max_pooling(F.reshape(x * 2.0, (1, 2, 3)), (2, 3)) + 1.0)
    nn.compile(loss)
    for _ in range(4):
        loss.forward()
        loss.backward()
    for function in (loss.parent, loss.parent.inputs[0].parent, loss.parent.inputs[0].parent.inputs[0].parent):
        for value in vars(function._operator).values():
            assert type(value) in (torch.Tensor, torch.nn.Parameter) or not isinstance(value, torch.Tensor)


# ---- what is not compiled ----------------------------------------------------------------------------------------


class Twice(PythonFunction):
    def setup_impl(self, inputs, outputs):
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs):
        outputs[0].d = 2 * inputs[0].d

    def backward_impl(self, inputs, outputs, propagate_down, accum):
        inputs[0].g = inputs[0].g * accum[0] + 2 * outputs[0].g


def mean_of(x):
    return F.mean(x, axis=(0, 1), keepdims=True)


REFUSED = {
    "Dropout": (lambda x: F.dropout(x, 0.4, seed=3), "draws random numbers"),
    "Convolution": (
        lambda x: F.convolution(F.reshape(x, (1, 1, 4, 6)), nn.Variable.from_numpy_array(np.ones((1, 1, 3, 3)))),
        "chooses kernels that a compiler would not keep to",
    ),
    "Callback": (lambda x: Twice()(x), "is written in Python"),
    "NonZero": (lambda x: x + mean_of(F.nonzero(x)), "has a shape that depends on values"),
    "OneHot": (
        lambda x: x + mean_of(F.one_hot(F.constant(1, (2, 1)), (3,))),
        "reads indices, which must be looked at",
    ),
    "MinMaxQuantize": (
        lambda x: F.min_max_quantize(x, *[nn.Variable.from_numpy_array(np.full((1, 1), v)) for v in (-1, 1, 0, 255)]),
        "decides by values",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compiled_runs_as_usual_and_is_named(name, graphs, messages):
    call, reason = REFUSED[name]
    found = []
    for asked in (False, True):
        x = nn.Variable.from_numpy_array(np.linspace(-1, 1, 24).reshape(4, 6).astype(np.float32), need_grad=True)
        loss = F.sum(F.exp(F.tanh(call(F.exp(F.tanh(x))))))
        if asked:
            nn.compile(loss)
        x.grad.zero()
        for _ in range(2):
            loss.forward()
            loss.backward()
        found.append([loss.d.copy(), x.g.copy()])
    np.testing.assert_allclose(found[1][0], found[0][0], 1e-5)
    np.testing.assert_allclose(found[1][1], found[0][1], 1e-4)
    assert f"nn.compile: {name} runs as usual: it {reason}" in messages
    assert len(graphs) >= 2


def test_values_of_other_processes_are_no_part_of_a_trace():
    from nnabla.operators.process_statistics import Processes

    processes = object.__new__(Processes)
    with tracing(), pytest.raises(NotTraceableError, match="exchanges values with other processes"):
        processes._sum(torch.ones(2))
    assert not is_traced()
    refuse_tracing("nothing is traced")


def test_with_hooks_a_graph_runs_as_usual(graphs, messages):
    _, _, _, loss = chain()
    nn.compile(loss)
    seen = []
    loss.forward(function_post_hook=lambda f: seen.append(f.name))
    loss.backward(function_post_hook=lambda f: seen.append(f.name))
    assert "Tanh" in seen and not graphs
    assert messages == ["nn.compile: with hooks, a graph runs as usual"]
    loss.forward()
    assert len(graphs) == 1


@pytest.mark.parametrize("wrong", [-1, 9])
def test_indices_out_of_range_are_refused_as_usual(wrong, graphs):
    texts = []
    for asked in (False, True):
        nn.clear_parameters()
        words = nn.Variable.from_numpy_array(np.array([[1], [2]]))
        loss = F.sum(F.tanh(PF.embed(words, 9, 3)) * 2.0)
        if asked:
            nn.compile(loss)
            loss.forward()
        words.d = np.array([[1], [wrong]])
        with pytest.raises(ArgumentError) as error:
            loss.forward()
        texts.append(str(error.value))
    assert "x0 must be in [0, 9)" in texts[0]
    assert texts[0] == texts[1]


def test_labels_out_of_range_are_refused_and_negative_ones_ignored_as_usual(graphs):
    found = []
    for asked in (False, True):
        x = nn.Variable.from_numpy_array(np.linspace(-1, 1, 12).reshape(3, 4).astype(np.float32), need_grad=True)
        t = nn.Variable.from_numpy_array(np.array([[0], [3], [1]]))
        loss = F.sum(F.softmax_cross_entropy(x * 2.0, t))
        if asked:
            nn.compile(loss)
        loss.forward()
        x.grad.zero()
        t.d = np.array([[0], [-1], [1]])
        loss.forward()
        loss.backward()
        t.d = np.array([[0], [4], [1]])
        with pytest.raises(ArgumentError) as error:
            loss.forward()
        found.append((loss.d.copy(), x.g.copy(), str(error.value)))
    np.testing.assert_allclose(found[1][1], found[0][1], 1e-5, 1e-7)
    assert (found[1][1][1] == 0).all()
    assert found[0][2] == found[1][2]


def test_without_a_compiler_there_is_one_message(messages, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    expected = trained(mlp, False)
    assert_same(trained(mlp, True), expected, 0)
    assert messages == [
        "nn.compile: graphs run as usual, since there is no C++ compiler ('no-such-compiler' is not on the PATH; the "
        "environment variable CXX names another one)"
    ]


def test_where_the_compiler_fails_there_is_one_message(messages, monkeypatch):
    def fails(*arguments):
        raise RuntimeError("broken\nin many lines")

    monkeypatch.setattr(compiled_plan, "missing", lambda: None)
    monkeypatch.setattr(compiled_plan, "compiled", fails)
    expected = trained(mlp, False)
    assert_same(trained(mlp, True), expected)
    assert messages == [
        f"nn.compile: a {way} runs as usual, since TorchInductor fails: broken" for way in ("forward", "backward")
    ]


@contextmanager
def set_hook(hook):
    nn.set_function_post_hook("test", hook)
    try:
        yield
    finally:
        nn.unset_function_post_hook("test")


# ---- the door ----------------------------------------------------------------------------------------------------


def test_a_step_of_training(graphs):
    nn.clear_parameters()
    loss, inputs, _ = mlp()
    for variable, draw in inputs:
        variable.d = draw(np.random.RandomState(1))
    solver = S.Sgd(0.1)
    solver.set_parameters(nn.get_parameters())
    step = nn.compile(loss, solver)
    losses = []
    for _ in range(5):
        step.step()
        losses.append(float(loss.d))
    assert losses == sorted(losses, reverse=True)
    assert len(graphs) == 1
    loss.parent.inputs[0].persistent = True
    step.step()
    assert loss.d < losses[-1]
    assert len(graphs) == 2
    seen = []
    with set_hook(lambda f: seen.append(f.name)):
        step.step()
    assert "SoftmaxCrossEntropy" in seen
    before = {name: (p.d.copy(), p.g.copy()) for name, p in nn.get_parameters().items()}
    solver.set_learning_rate(0)
    step.step(lambda: solver.scale_grad(0.0))
    for name, parameter in nn.get_parameters().items():
        np.testing.assert_array_equal(parameter.d, before[name][0])
        assert (parameter.g == 0).all() and (before[name][1] != 0).any()


def test_all_graphs_are_compiled_where_the_environment_says_so(graphs, monkeypatch):
    x, _, _, loss = chain()
    loss.forward()
    assert not graphs
    monkeypatch.setattr(compiling, "_every", True)
    advance()
    loss.forward()
    loss.backward()
    assert len(graphs) == 2
    assert (x.g != 0).all()


def test_arguments_are_checked():
    x, _, _, loss = chain()
    with pytest.raises(TypeError, match="compile: loss must be a Variable, not float"):
        nn.compile(1.0)
    with pytest.raises(GraphError, match="compile: the variable has no parent function, so there is nothing to"):
        nn.compile(x)
    with pytest.raises(TypeError, match="compile: solver must be a solver, not Variable"):
        nn.compile(loss, x)
    with pytest.raises(GraphError, match=r"compile: step\(\) needs a solver"):
        nn.compile(loss).step()


# ---- for good ----------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
import numpy as np, nnabla as nn, nnabla.functions as F, nnabla.solvers as S

x = nn.Variable.from_numpy_array(np.linspace(-1, 1, 12).reshape(3, 4).astype(np.float32), need_grad=True)
h = F.tanh(x * 2.0)
loss = F.sum(F.sigmoid(h) * h)
solver = S.Sgd(0.1)
solver.set_parameters({"x": x})
compiled = nn.compile(loss, solver)
assert "torch._inductor.compile_fx" not in sys.modules
for _ in range(2):
    before = x.d.astype(np.float64)
    compiled.step()
    h = np.tanh(2 * before)
    s = 1 / (1 + np.exp(-h))
    g = (s * (1 - s) * h + s) * (1 - h**2) * 2
    np.testing.assert_allclose(loss.d, np.sum(s * h), 1e-5)
    np.testing.assert_allclose(x.g, g, 1e-5)
    np.testing.assert_allclose(x.d, before - 0.1 * g, 1e-5)
from torch._dynamo.utils import counters
print(*[counters["inductor"][f"fxgraph_cache_{what}"] for what in ("miss", "hit", "bypass")])
"""


@needs_compiler
def test_a_graph_is_compiled_for_good_and_a_second_process_takes_the_code_from_the_disk(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)
    # They pay from the third function on.
    environment["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "0"
    environment["PYTHONPATH"] = os.pathsep.join([p for p in sys.path if p])
    environment["PYTHONWARNINGS"] = "error"
    libraries = []
    for expected in ("1 0 0", "0 1 0"):
        process = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        assert process.stdout.strip() == expected
        assert "nn.compile" not in process.stderr
        assert "Warning" not in process.stderr
        libraries.append({path: path.stat().st_mtime_ns for path in (tmp_path / "nnabla").rglob("*.so")})
    assert libraries[0] == libraries[1] != {}


def test_code_is_kept_in_a_folder_of_the_users_own(tmp_path, monkeypatch):
    name = "TORCHINDUCTOR_CACHE_DIR"
    monkeypatch.setenv(name, "chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    inductor.choose_folder()
    assert os.environ[name] == "chosen"
    monkeypatch.delenv(name)
    inductor.choose_folder()
    folder = Path(os.environ[name])
    assert folder.parent == tmp_path / "caches" / "nnabla" / "compiled"
    assert folder.name.startswith(f"torch-{torch.__version__}-")
    assert os.name == "nt" or folder.stat().st_mode & 0o077 == 0
    # Where there is none, TorchInductor chooses.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv(name)
    inductor.choose_folder()
    assert name not in os.environ
