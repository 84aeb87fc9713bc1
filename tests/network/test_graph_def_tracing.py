"""Networks described by calling functions with ProtoVariables."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.core.graph_def import ProtoVariable, create_graph_from_variable
from nnabla.core.module import Module
from nnabla.errors import ShapeError


@pytest.fixture(autouse=True)
def fresh():
    nn.clear_parameters()
    nn.graph_def.reset_default_graph()
    yield
    nn.clear_parameters()
    nn.graph_def.reset_default_graph()


class Block(Module):
    def __init__(self, outmaps=2):
        self.outmaps = outmaps

    def call(self, x, act=True):
        h = PF.affine(x, self.outmaps)
        return F.relu(h) if act else h


class Two(Module):
    def __init__(self):
        self.a = Block()
        self.b = Block()

    def call(self, x, y=None):
        return PF.affine(self.a(x) + self.b(x if y is None else y), 3)


def names_of(graph):
    return {name: [f.name for f in network.functions.values()] for name, network in graph.networks.items()}


# ---- what is described -------------------------------------------------------------------------------------


def test_nothing_is_computed_and_the_variable_knows_its_place():
    with nn.graph_def.graph() as graph:
        x = ProtoVariable((2, 3), "x")
        y = F.relu(x)
        assert not graph.networks
        z = y + y
    assert (y.name, y.parent, y.required) == ("ReLU_out", "ReLU", ["Add2", "Add2"])
    assert (x.parent, x.required, z.required) == (None, ["ReLU"], [])
    assert graph.model.variables["x"] is x and graph.model.variables["Add2_out"] is z


OPERATORS = {
    "add": lambda a, b: a + b + 1 + (2 + a),
    "subtract": lambda a, b: a - b - 1 - (2 - a),
    "multiply": lambda a, b: a * b * 2 * (2 * a),
    "divide": lambda a, b: a / b / 4 + 2 / a,
    "power": lambda a, b: a**b + a**2 + 2**b,
    "signs": lambda a, b: -a + +b + abs(a),
    "compare": lambda a, b: (a < b) + (a > 1) + (a <= b) + (b >= 0.5),
    "index": lambda a, b: a[1:, ::2] * b[:1, 0:1] + a[..., -1:],
    "matrix": lambda a, b: a @ F.transpose(b, (1, 0)),
    "array": lambda a, b: a + np.full((2, 3), 2.0) + np.ones((2, 3)) * b,
    "reshape": lambda a, b: a.reshape((3, -1)) + b.reshape((3, 2)),
    "sizes": lambda a, b: a * a.size + b * (len(b) + b.ndim + b.size_from_axis(1)),
    "creation": lambda a, b: a + F.constant(2, (2, 3)) * F.reshape(F.arange(0, 3), (1, 3)),
}


@pytest.mark.parametrize("key", OPERATORS)
def test_operators_of_python(key):
    rng = np.random.RandomState(0)
    a, b = (nn.Variable.from_numpy_array(rng.uniform(0.5, 2, (2, 3))) for _ in range(2))
    expected = OPERATORS[key](a, b)
    expected.forward()
    with nn.graph_def.graph() as graph:
        found = OPERATORS[key](ProtoVariable((2, 3), "a"), ProtoVariable((2, 3), "b"))
    assert found.shape == expected.shape
    y = graph(*[{"a": a, "b": b}[name] for name in graph.model.inputs])
    y.forward()
    np.testing.assert_array_equal(y.d, expected.d)


PARAMETRIC = {
    "convolution": lambda x: PF.convolution(x, 4, (3, 3), with_bias=False, fix_parameters=True),
    "deconvolution": lambda x: PF.deconvolution(x, 4, (3, 3)),
    "depthwise": lambda x: PF.depthwise_convolution(x, (3, 3)),
    "batch_normalization": lambda x: PF.batch_normalization(x),
    "fused": lambda x: PF.fused_batch_normalization(x),
    "binary": lambda x: PF.binary_connect_affine(x, 4),
    "quantized": lambda x: PF.fixed_point_quantized_affine(x, 4),
    "prelu": lambda x: PF.prelu(x),
    "embed": lambda x: PF.embed(F.round(x * 0), 4, 5),
    "spectral": lambda x: PF.affine(x, 4, apply_w=PF.spectral_norm),
    "weight": lambda x: PF.affine(x, 4, apply_w=PF.weight_normalization),
    "lstm": lambda x: PF.lstm_cell(F.mean(x, (2, 3)), F.mean(x, (2, 3)), F.mean(x, (2, 3)), 3)[0],
    "attention": lambda x: PF.multi_head_attention(*[F.reshape(x, (2, 3, 36))] * 3, num_heads=4)[0],
}


@pytest.mark.parametrize("key", PARAMETRIC)
def test_parametric_functions(key):
    """Tracing makes the same parameters, and the same functions as it would for Variables."""
    x = nn.Variable((2, 3, 6, 6))
    y = PARAMETRIC[key](x)
    expected = create_graph_from_variable("model", y, names={"x": x}).model
    nn.clear_parameters()
    with nn.graph_def.graph() as graph:
        z = PARAMETRIC[key](ProtoVariable((2, 3, 6, 6), "x"))
    assert z.shape == y.shape
    kinds = sorted((f.type, repr(f.args), len(f.inputs)) for f in expected.functions.values())
    assert sorted((f.type, repr(f.args), len(f.inputs)) for f in graph.model.functions.values()) == kinds
    parameters = {name: (p.shape, p.need_grad) for name, p in expected.parameters.items()}
    assert {name: (p.shape, p.need_grad) for name, p in graph.model.parameters.items()} == parameters
    registered = nn.get_parameters(grad_only=False)
    assert dict(graph.get_parameters()) == {name: registered[name] for name in parameters}


def test_variables_beside_proto_variables():
    loose, weight = nn.Variable((2, 3), need_grad=True), nn.Variable((2, 3))
    with nn.graph_def.graph() as graph:
        x = ProtoVariable((2, 3), "x")
        computed = F.exp(weight)
        y = F.mul2(F.add2(x, loose), computed)
        y = (y + loose) * computed
    network = graph.model
    assert [f.type for f in network.functions.values()] == ["Add2", "Exp", "Mul2", "Add2", "Mul2"]
    assert network.inputs == ["x"] and network.outputs == [y.name]
    assert {name: p.variable_instance for name, p in network.parameters.items()} == {
        "Add2_1": loose,
        "Exp_0": weight,
    }
    rng = np.random.RandomState(0)
    value = nn.Variable.from_numpy_array(rng.rand(2, 3))
    loose.d, weight.d = rng.rand(2, 3), rng.rand(2, 3)
    out = graph(value)
    out.forward()
    np.testing.assert_allclose(out.d, ((value.d + loose.d) * np.exp(weight.d) + loose.d) * np.exp(weight.d), rtol=1e-6)


def test_what_cannot_be_traced():
    x = ProtoVariable((2, 3), "x")
    with nn.graph_def.graph() as graph:
        with pytest.raises(TypeError, match="add2: inputs beside a ProtoVariable must be .*, not NdArray"):
            F.add2(x, nn.NdArray((2, 3)))
        with pytest.raises(ShapeError, match="must have a definite shape"):
            F.relu(ProtoVariable((-1, 3)))
        with pytest.raises(ShapeError, match=r"in Affine\(base_axis=1\)"):
            F.affine(x, ProtoVariable((4, 5)))
        with pytest.raises(ValueError, match="there is another variable 'x'"):
            F.add2(x, ProtoVariable((2, 3), "x"))
        with pytest.raises(TypeError, match="input x must be a Variable or an NdArray, not str"):
            F.relu("x")
        with pytest.raises(TypeError, match="cannot be iterated over"):
            list(x)
    assert not graph.networks
    assert x.parent is None and not x.required


# ---- which network it belongs to ---------------------------------------------------------------------------


def test_names_of_networks_and_functions():
    with nn.graph_def.graph(name="net") as graph:
        F.relu(F.relu(ProtoVariable((2, 3))))
    assert names_of(graph) == {"net": ["@net/ReLU", "@net/ReLU_1"]}
    assert graph.net.inputs == ["@net/ReLU_in"]
    with nn.graph_def.graph(name="net") as graph:
        F.tanh(Block()(ProtoVariable((2, 3))))
    assert names_of(graph) == {"net": ["@block/Affine", "@block/ReLU"], "model": ["Tanh"]}
    with nn.graph_def.graph() as graph:
        with nn.graph_def.graph_name("first"):
            F.relu(ProtoVariable((2, 3)))
        F.tanh(ProtoVariable((2, 3)))
    assert names_of(graph) == {"first": ["@first/ReLU"], "model": ["Tanh"]}


def test_the_default_graph():
    y = F.softmax(PF.affine(ProtoVariable((4, 5)), 3))
    graph = nn.graph_def.get_default_graph()
    assert names_of(graph) == {"model": ["Affine", "Softmax"]}
    assert list(graph.get_parameters()) == ["affine/W", "affine/b"]
    z = F.relu(ProtoVariable((4, 5)))
    assert nn.graph_def.get_default_graph_by_variable(z).name == "model_1"
    assert nn.graph_def.get_default_graph_by_variable(y) is graph["model"]
    with nn.graph_def.graph() as other:
        F.tanh(ProtoVariable((2,)))
    assert list(other.networks) == ["model"] and list(nn.graph_def.get_default_graph().networks) == ["model", "model_1"]
    nn.graph_def.reset_default_graph()
    with pytest.raises(ValueError, match="is not an output of any network"):
        nn.graph_def.get_default_graph_by_variable(z)


def test_graphs_in_graphs():
    with nn.graph_def.graph() as outer:
        y = F.relu(ProtoVariable((2, 3)))
        with nn.graph_def.graph() as inner:
            F.tanh(ProtoVariable((2, 3)))
        F.sigmoid(y)
    assert names_of(inner) == {"model": ["Tanh"]}
    assert names_of(outer) == {"model": ["ReLU", "Sigmoid"]}


def test_an_exception_ends_the_graph():
    builder = nn.graph_def.current_graph_builder()
    module = Block()
    with pytest.raises(ZeroDivisionError), nn.graph_def.graph() as graph:
        module(ProtoVariable((2, 3)))
        F.relu(ProtoVariable((2, 3)))
        _ = 1 / 0
    assert list(graph.networks) == ["block"]
    assert nn.graph_def.current_graph_builder() is builder
    with pytest.raises(ShapeError):
        module(ProtoVariable((2, 7)))
    y = F.tanh(ProtoVariable((2, 3)))
    assert y.name == "Tanh_out" and names_of(nn.graph_def.get_default_graph()) == {"model": ["Tanh"]}


def test_modules():
    net = Two()
    with nn.graph_def.graph() as graph:
        y = net(ProtoVariable((2, 3), "x"))
    assert names_of(graph) == {
        "two": [
            "@two/@a/Affine",
            "@two/@a/ReLU",
            "@two/@b/Affine",
            "@two/@b/ReLU",
            "@two/Add2",
            "@two/Affine",
        ]
    }
    assert y.name == "@two/Affine_out" and graph.two.functions["@two/@a/ReLU"].path_name == "@two/@a"
    assert graph.get_parameters() == net.get_parameters()
    assert set(graph.two.parameters) == set(net.get_parameters())
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).randn(2, 3))
    expected, found = net(x), graph(x)
    expected.forward()
    found.forward()
    np.testing.assert_array_equal(found.d, expected.d)


def test_modules_and_functions_between():
    first, second = Block(4), Block(5)
    with nn.graph_def.graph() as graph:
        h = first(F.tanh(ProtoVariable((2, 3), "x")))
        h = F.relu(second(h))
        y = F.relu(h)
    assert names_of(graph) == {
        "block": ["Tanh", "@block/Affine", "@block/ReLU"],
        "block_1": ["@block/Affine", "@block/ReLU"],
        "model": ["ReLU", "ReLU_1"],
    }
    assert graph.block.outputs == graph.block_1.inputs == ["@block/ReLU_out"]
    # The input has its name from the first network; the result gets another one.
    assert graph.block_1.outputs == graph.model.inputs == ["@block/ReLU_out_1"]
    assert y.name == "ReLU_out_1"
    # Both modules call their weight affine/W.
    assert list(graph.block_1.parameters) == ["affine/W_1", "affine/b_1"]
    assert graph.get_parameters()["affine/W"].shape == (3, 4) and graph.get_parameters()["affine/W_1"].shape == (4, 5)
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).randn(2, 3))
    expected = F.relu(F.relu(second(first(F.tanh(x)))))
    found = graph.model(graph.block_1(graph.block(x)))
    expected.forward()
    found.forward()
    np.testing.assert_array_equal(found.d, expected.d)


def test_one_module_twice():
    net = Block()
    with nn.graph_def.graph() as graph:
        x = ProtoVariable((2, 3), "x")
        net(x)
        net(x)
    assert list(graph.networks) == ["block", "block_1"] and list(graph.get_parameters()) == ["affine/W", "affine/b"]
    assert graph.block_1.variables["x"].required == ["@block/Affine"]


def test_the_module_that_is_being_called():
    seen = []

    class Watched(Module):
        def call(self, x):
            seen.append((nn.graph_def.current_module(), nn.graph_def.current_network().name))
            return F.relu(x)

    net = Watched()
    with nn.graph_def.graph():
        net(ProtoVariable((2, 3)))
        F.relu(ProtoVariable((2, 3)))
        flat = nn.graph_def.current_module()
    assert seen == [(net, "watched")]
    assert isinstance(flat, nn.graph_def.FlatModule) and flat.get_path_name() == "" and not flat.get_parameters()
    assert nn.graph_def.proto_graph_builder is nn.graph_def.current_graph_builder()


# ---- parameters --------------------------------------------------------------------------------------------


def test_parameters_are_made_in_the_scope_in_force():
    with nn.parameter_scope("outer"), nn.graph_def.graph() as graph:
        PF.affine(ProtoVariable((2, 3)), 4)
    assert list(graph.get_parameters()) == ["affine/W", "affine/b"]
    assert list(nn.get_parameters()) == ["outer/affine/W", "outer/affine/b"]
    graph.set_parameter("new", nn.Variable((1,)))
    assert "new" not in nn.get_parameters(grad_only=False)


def test_parameters_are_made_in_the_given_scope():
    scope = OrderedDict()
    with nn.graph_def.graph(parameter_scope=scope) as graph:
        PF.affine(ProtoVariable((2, 3)), 4)
    assert graph.parameter_scope is scope and list(scope) == ["affine"] and not nn.get_parameters()
    assert graph(nn.Variable((2, 3))).shape == (2, 4)


# ---- networks in networks ----------------------------------------------------------------------------------


def test_a_described_network_called_with_a_proto_variable():
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).randn(2, 3))
    inner = create_graph_from_variable("inner", F.tanh(PF.affine(x, 4)), names={"x": x})
    nn.clear_parameters()
    with nn.graph_def.graph() as graph:
        inner(F.relu(ProtoVariable((2, 3), "z")))
    assert names_of(graph) == {"model": ["ReLU", "Affine", "Tanh"]}
    assert graph.get_parameters() == inner.get_parameters()
    found, expected = graph(x), inner(F.relu(x))
    found.forward()
    expected.forward()
    np.testing.assert_array_equal(found.d, expected.d)
