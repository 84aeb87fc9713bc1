"""Described networks: names as the original gives them, and the same values and gradients when they are called."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.core.graph_def import ProtoFunction, ProtoGraph, ProtoNetwork, ProtoVariable, create_graph_from_variable
from nnabla.errors import ArgumentError, ShapeError
from nnabla.function import PythonFunction

from ..reference.record_graph_def import CASES, FILE, created, facts, traced

REFERENCE = json.loads(FILE.read_text())
every_case = pytest.mark.parametrize("key", CASES)
# Where ProtoVariables give other names in the original than Variables do: parameters that PF hands on unlinked get
# numbers instead of names there.
UNNAMED_THERE = {"lenet", "residual", "normalized"}


def compare(found: dict, expected: dict) -> None:
    for fact in ("inputs", "outputs", "variables", "parameters"):
        assert found[fact] == expected[fact], fact
    assert len(found["functions"]) == len(expected["functions"])
    for ours, theirs in zip(found["functions"], expected["functions"], strict=True):
        assert ours[:4] == theirs[:4]
        assert ours[4].keys() == theirs[4].keys()
        for name, value in theirs[4].items():
            # The original holds some numbers in float32.
            assert ours[4][name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6)), name


@every_case
def test_names_and_arguments_are_those_of_the_original(key):
    case = CASES[key]
    compare(facts(created(case)[case.network]), REFERENCE[key]["created"])


@every_case
def test_traced_names_are_those_of_the_original(key):
    case = CASES[key]
    expected = REFERENCE[key]["traced"]
    if expected is None:
        # Numbers on the left and powers; see `reflected`.
        assert key == "reflected"
        expected = REFERENCE[key]["created"]
    elif key in UNNAMED_THERE:
        expected = REFERENCE[key]["created"]
    compare(facts(traced(case)[case.network]), expected)


@every_case
def test_tracing_describes_what_variables_describe(key):
    """But for the order of independent functions: as called, and as they are needed."""
    case = CASES[key]
    ours, theirs = traced(case)[case.network], created(case)[case.network]
    assert ours.inputs == theirs.inputs
    assert sorted(facts(ours)["parameters"].items()) == sorted(facts(theirs)["parameters"].items())

    def shape_of_graph(network, names):
        """Each output, written as the expression that it is."""
        by_output = {o: (f, i) for f in network.functions.values() for i, o in enumerate(f.outputs)}

        def written(name):
            if name not in by_output:
                return name
            function, i = by_output[name]
            return (function.type, i, repr(function.args), tuple(written(source) for source in function.inputs))

        return {written(name) for name in names}

    assert shape_of_graph(ours, ours.outputs) == shape_of_graph(theirs, theirs.outputs)


# ---- the way there and back --------------------------------------------------------------------------------


def live(case, rng):
    nn.clear_parameters()
    nn.seed(7)
    x = {}
    for name, shape in case.inputs.items():
        x[name] = nn.Variable.from_numpy_array(rng.uniform(-1, 1, shape).astype(np.float32), need_grad=name != "t")
    if "t" in x:
        x["t"].d = rng.randint(0, 3, x["t"].shape)
    y = case.build(**x)
    return x, y if isinstance(y, tuple) else (y,)


def run(x, outputs, rng):
    """Outputs; gradients of inputs and parameters; running statistics, from the same start."""
    before = {name: p.d.copy() for name, p in nn.get_parameters(grad_only=False).items()}
    leaves = {**x, **nn.get_parameters()}
    for variable in leaves.values():
        variable.grad.zero()
    total = sum_of(outputs, rng)
    nn.seed(3)
    total.forward()
    total.backward()
    found = [y.d.copy() for y in outputs] + [v.g.copy() for v in leaves.values()]
    found += [p.d.copy() for p in nn.get_parameters(grad_only=False).values()]
    for name, p in nn.get_parameters(grad_only=False).items():
        p.d = before[name]
    return found


def sum_of(outputs, rng):
    """A scalar that all outputs take part in, each element with a weight of its own."""
    parts = [F.sum(y * nn.Variable.from_numpy_array(rng.uniform(0.5, 2, y.shape))) for y in outputs]
    return F.sum(F.stack(*parts)) if len(parts) > 1 else parts[0]


@every_case
def test_a_called_network_computes_what_was_described(key):
    case = CASES[key]
    x, outputs = live(case, np.random.RandomState(0))
    names = {f"y{i}": y for i, y in enumerate(outputs)}
    network = create_graph_from_variable(case.network, outputs, names={**x, **names})[case.network]
    network(*[x[name] for name in network.inputs])
    rebuilt = [network.variables[name].variable_instance for name in names]
    for got, expected in zip(
        run(x, rebuilt, np.random.RandomState(1)), run(x, outputs, np.random.RandomState(1)), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


@every_case
def test_a_traced_network_computes_what_was_described(key):
    case = CASES[key]
    x, outputs = live(case, np.random.RandomState(0))
    parameters = nn.get_parameters(grad_only=False)
    with nn.graph_def.graph() as graph:
        described = case.build(**{name: ProtoVariable(variable.shape, name) for name, variable in x.items()})
    described = described if isinstance(described, tuple) else (described,)
    assert nn.get_parameters(grad_only=False) == parameters  # no others were made
    graph(**x)
    network = graph.default_graph()
    rebuilt = tuple([network.variables[y.name].variable_instance for y in described])
    for got, expected in zip(
        run(x, rebuilt, np.random.RandomState(1)), run(x, outputs, np.random.RandomState(1)), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_a_network_trains_the_parameters_it_was_made_from():
    nn.clear_parameters()
    x = nn.Variable((4, 3))
    graph = create_graph_from_variable("net", PF.affine(x, 2), names={"x": x})
    y = graph(nn.Variable.from_numpy_array(np.ones((4, 3))))
    for name, p in nn.get_parameters().items():
        assert graph.get_parameters()[name] == p
        p.grad.zero()
    y.forward()
    y.backward()
    np.testing.assert_array_equal(nn.get_parameters()["affine/W"].g, np.full((3, 2), 4.0))


def test_functions_with_gaps_in_their_inputs():
    x, w = nn.Variable((1, 2, 6, 6)), nn.Variable((3, 2, 3, 3))
    offset, bias = nn.Variable((1, 18, 6, 6)), nn.Variable((3,))
    y = F.deformable_convolution(x, w, offset, None, bias)
    network = create_graph_from_variable("net", y)["net"]
    (function,) = network.functions.values()
    assert len(function.inputs) == 4
    for values in (x, w, offset, bias):
        values.d = np.random.RandomState(5).uniform(-1, 1, values.shape)
    y.forward()
    again = network(x, w, offset, bias)
    again.forward()
    np.testing.assert_array_equal(again.d, y.d)
    assert function._present == (True, True, True, False, True)
    # In files it only says that there are four inputs; the shapes tell which.
    function._present = None
    again = network(x, w, offset, bias)
    again.forward()
    np.testing.assert_array_equal(again.d, y.d)


@pytest.mark.parametrize(("no_scale", "no_bias"), [(True, False), (False, True), (True, True)])
def test_normalizations_know_from_their_arguments_which_inputs_they_have(no_scale, no_bias):
    nn.clear_parameters()
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).randn(4, 3, 2, 2))
    y = PF.layer_normalization(x, no_scale=no_scale, no_bias=no_bias)
    for p in nn.get_parameters().values():
        p.d = np.random.RandomState(1).randn(*p.shape)
    network = create_graph_from_variable("net", y, names={"x": x})["net"]
    for function in network.functions.values():
        function._present = None
    again = network(x)
    y.forward()
    again.forward()
    np.testing.assert_array_equal(again.d, y.d)


def test_imperative_and_dynamic_calls():
    nn.clear_parameters()
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).randn(4, 3))
    y = F.tanh(PF.affine(x, 2))
    y.forward()
    graph = create_graph_from_variable("net", y)
    array = graph(nn.NdArray.from_numpy_array(x.d))
    assert isinstance(array, nn.NdArray)
    np.testing.assert_array_equal(array.data, y.d)
    with nn.auto_forward():
        np.testing.assert_array_equal(graph(x).d, y.d)


def test_functions_that_users_wrote():
    class Twice(PythonFunction):
        def setup_impl(self, inputs, outputs):
            outputs[0].reset_shape(inputs[0].shape, True)

        def forward_impl(self, inputs, outputs):
            outputs[0].data.copy_from(inputs[0].data * 2)

    x = nn.Variable.from_numpy_array([1.0, 2.0])
    network = create_graph_from_variable("net", Twice()(x) + 1)["net"]
    assert [f.type for f in network.functions.values()] == ["Twice", "AddScalar"]
    y = network(x)
    y.forward()
    np.testing.assert_array_equal(y.d, [3.0, 5.0])
    with nn.graph_def.graph() as graph:
        z = Twice()(ProtoVariable((2,)))
    assert z.shape == (2,)
    y = graph(x)
    y.forward()
    np.testing.assert_array_equal(y.d, [2.0, 4.0])


def test_functions_that_cannot_be_described():
    x = nn.Variable((2, 3), need_grad=True)
    (dx,) = nn.grad([F.sum(x**2 * F.sigmoid(x))], [x])
    with pytest.raises(ValueError, match="only registered functions can be described"):
        create_graph_from_variable("net", dx)


# ---- names -------------------------------------------------------------------------------------------------


def test_names_of_parameters_come_from_the_scope():
    nn.clear_parameters()
    with nn.parameter_scope("outer") as scope:
        y = PF.affine(nn.Variable((2, 3)), 4)
        assert list(create_graph_from_variable("net", y).net.parameters) == ["affine/W", "affine/b"]
    assert list(create_graph_from_variable("net", y).net.parameters) == ["outer/affine/W", "outer/affine/b"]
    graph = create_graph_from_variable("net", y, parameter_scope=scope)
    assert list(graph.get_parameters()) == ["affine/W", "affine/b"]
    nn.clear_parameters()
    graph = create_graph_from_variable("net", y)
    assert graph.net.inputs == ["@net/Affine_in", "@net/Affine_in_1", "@net/Affine_in_2"] and not graph.get_parameters()


def test_generated_names_make_way_for_given_ones():
    x = nn.Variable((2, 3))
    y = F.relu(F.relu(x))
    network = create_graph_from_variable("net", y, names={"@net/ReLU_out": x})["net"]
    assert network.inputs == ["@net/ReLU_out"]
    assert network.outputs == ["@net/ReLU_out_2"]
    assert network(x).shape == (2, 3)
    z = nn.Variable((2, 3))
    network = create_graph_from_variable("net", F.add2(F.relu(x), z), names={"@net/ReLU_in": z})["net"]
    assert network.inputs == ["@net/ReLU_in_1", "@net/ReLU_in"]


def test_flags_of_inputs_and_parameters():
    nn.clear_parameters()
    x = nn.Variable((2, 3), need_grad=True)
    y = PF.batch_normalization(x, batch_stat=False)
    network = create_graph_from_variable("net", y, names={"x": x})["net"]
    assert {name: p.need_grad for name, p in network.parameters.items()} == {
        "bn/beta": True,
        "bn/gamma": True,
        "bn/mean": False,
        "bn/var": False,
    }
    network()
    assert network.variables["x"].variable_instance.need_grad


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda x: ("net", x), ValueError, "no function leads to the variables"),
        (lambda x: ("net", []), TypeError, "variables must be a Variable or a sequence of Variables"),
        (lambda x: ("net", {"y": F.relu(x)}), TypeError, "variables must be a Variable or a sequence of Variables"),
        (lambda x: ("", F.relu(x)), TypeError, "name must be a string that is not empty"),
        (lambda x: ("net", F.relu(x), {"x": 3}), TypeError, r"names\['x'\] must be a Variable"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        create_graph_from_variable(*arguments(nn.Variable((2, 3))))


# ---- calls -------------------------------------------------------------------------------------------------


def small_graph():
    nn.clear_parameters()
    x, z = nn.Variable((4, 6)), nn.Variable((4, 3))
    h = PF.affine(x, 3, name="a")
    return create_graph_from_variable("net", [h + z, F.tanh(h)], names={"x": x, "z": z})


def test_inputs_by_position_and_by_name():
    graph = small_graph()
    x, z = nn.Variable((4, 6)), nn.Variable((4, 3))
    for outputs in (graph(x, z), graph(z=z, x=x), graph(x, z=z), graph.net(x, z)):
        assert [y.parent.name for y in outputs] == ["Add2", "Tanh"]
        assert outputs[0].parent.inputs[1] is z
        assert outputs[1].parent.inputs[0].parent.inputs[0] is x
    assert graph.net.variables["x"].variable_instance is x
    assert graph.net.functions["@net/Tanh"].function_instance == outputs[1].parent


def test_inputs_that_are_not_given():
    graph = small_graph()
    x = nn.Variable((4, 6))
    graph(x)
    z = graph.net.variables["z"].variable_instance
    assert z.shape == (4, 3)
    y, _ = graph()
    other = graph.net.variables["x"].variable_instance
    assert other.shape == (4, 6) and other is not x and graph.net.variables["z"].variable_instance is not z
    other.d = graph.net.variables["z"].variable_instance.d = 0
    y.forward()
    np.testing.assert_array_equal(y.d, np.zeros((4, 3)))


def test_another_size_of_the_batch():
    assert [y.shape for y in small_graph()(nn.Variable((7, 6)), nn.Variable((7, 3)))] == [(7, 3), (7, 3)]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: g(*[nn.Variable((4, 6))] * 3), TypeError, r"takes 2 inputs \['x', 'z'\], 3 were given"),
        (lambda g: g(y=nn.Variable((4, 6))), TypeError, "has no input 'y'; it has"),
        (lambda g: g(nn.Variable((4, 6)), x=nn.Variable((4, 6))), TypeError, "input 'x' is given twice"),
        (lambda g: g(np.zeros((4, 6))), TypeError, "input 'x' must be a Variable, an NdArray or a ProtoVariable"),
        (lambda g: g(nn.Variable((4, 5))), ShapeError, r"in Affine\(base_axis=1\)"),
        (lambda g: ProtoGraph()(), ValueError, "this graph has no networks"),
        (lambda g: ProtoGraph([ProtoNetwork(g, "empty")])(), ValueError, "'empty' has no functions"),
    ],
)
def test_calls_that_cannot_be(call, error, message):
    with pytest.raises(error, match=message):
        call(small_graph())


# ---- piece by piece ----------------------------------------------------------------------------------------


def open_batch():
    """A network as an importer makes it: the batch is open, and a parameter has an initializer."""
    graph = ProtoGraph()
    network = graph["net"] = ProtoNetwork(graph, "net", batch_size=5)
    network.add_variable(ProtoVariable((-1, 3), "x"))
    weight = network.add_variable(ProtoVariable((3, 4), "fc/W", True, "Parameter"))
    weight.initializer = nn.initializer.ConstantInitializer(2)
    names = ("h", "c", "y")
    for name in names:
        network.add_variable(ProtoVariable((-1, 4), name))
    for name, kind, args, inputs, output in (
        # In another order than they run.
        ("add", "Add2", {}, ["h", "c"], "y"),
        ("ones", "Constant", {"val": 1, "shape": [-1, 4]}, [], "c"),
        ("fc", "Affine", {"base_axis": 1}, ["x", "fc/W"], "h"),
    ):
        function = ProtoFunction(None, kind, args, name, network)
        function.inputs, function.outputs = inputs, [output]
        network.add_function(function)
    return graph


def test_the_batch_is_open():
    graph = open_batch()
    assert graph().shape == (5, 4)
    assert graph(batch_size=2).shape == (2, 4)
    y = graph(nn.Variable.from_numpy_array(np.ones((7, 3))))
    y.forward()
    np.testing.assert_array_equal(y.d, np.full((7, 4), 7.0))
    graph.net.batch_size = None
    with pytest.raises(ValueError, match=r"input 'x' has shape \(-1, 3\); give batch_size, or the input"):
        graph()


def test_parameters_are_made_once_by_their_initializer():
    graph = open_batch()
    assert not graph.get_parameters()
    graph()
    weight = graph.get_parameters()["fc/W"]
    assert weight.need_grad and weight.shape == (3, 4)
    graph()
    assert graph.get_parameters()["fc/W"] is weight
    assert graph.net.parameters["fc/W"].variable_instance is weight


def test_parameters_without_values():
    graph = open_batch()
    graph.net.parameters["fc/W"].initializer = None
    with pytest.raises(ValueError, match="parameter 'fc/W' has no values; set it with set_parameter"):
        graph()
    with pytest.raises(ShapeError, match=r"parameter 'fc/W' must have shape \(3, 4\), not \(3, 5\)"):
        graph.set_parameter("fc/W", nn.Variable((3, 5)))
    assert not graph.get_parameters()
    graph.set_parameters({"fc/W": nn.Variable((3, 4), need_grad=True), "other": nn.Variable((1,))})
    assert list(graph.get_parameters()) == ["fc/W", "other"] and list(graph.get_parameters(grad_only=True)) == ["fc/W"]
    assert graph().shape == (5, 4)


def test_functions_in_forward_order():
    network = open_batch()["net"]
    assert list(network.functions) == ["add", "ones", "fc"]
    assert [f.name for f in network.forward_sequence()] == ["fc", "ones", "add"]
    seen = []
    network.execute_on_proto(seen.append)
    assert seen == [network.functions[name] for name in ("fc", "ones", "add")]


def test_functions_in_a_circle():
    network = open_batch()["net"]
    network.functions["fc"].inputs = ["y", "fc/W"]
    network.relink()
    with pytest.raises(ValueError, match="needs its own output"):
        list(network.forward_sequence())


def test_long_chains_do_not_recurse():
    x = nn.Variable((1,))
    y = x
    for _ in range(3000):
        y = F.identity(y)
    network = create_graph_from_variable("net", y)["net"]
    network.functions = type(network.functions)(reversed(network.functions.items()))
    names = [f.name for f in network.forward_sequence()]
    assert names[:2] == ["@net/Identity", "@net/Identity_1"] and len(names) == 3000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n.add_variable(ProtoVariable((1,), "x")), "there is a variable 'x' already"),
        (lambda n: n.add_variable(ProtoVariable((1,))), "a variable must have a name"),
        (lambda n: n.add_function(ProtoFunction(None, "ReLU", {}, "fc")), "names of their own, not 'fc'"),
        (lambda n: n.add_function(function_on(n, ["q"], ["y"])), "has no variable 'q'"),
        (lambda n: n.add_function(function_on(n, ["x"], ["y"])), "'y', output of 'new', is a output of 'add' already"),
        (lambda n: n.add_function(function_on(n, ["x"], ["fc/W"])), "'fc/W', output of 'new', is a parameter already"),
    ],
)
def test_pieces_that_do_not_fit(change, message):
    network = open_batch()["net"]
    before = facts(network)
    with pytest.raises(ValueError, match=message):
        change(network)
    assert facts(network) == before


def function_on(network, inputs, outputs):
    function = ProtoFunction(None, "ReLU", {}, "new", network)
    function.inputs, function.outputs = inputs, outputs
    return function


def test_functions_that_do_not_exist():
    graph = open_batch()
    graph.net.functions["add"].type = "Addition"
    with pytest.raises(ValueError, match="add: there is no function of type 'Addition'"):
        graph()
    graph.net.functions["add"].type = "Affine"
    graph.net.functions["add"].args = {"base_axis": "one"}
    with pytest.raises(ArgumentError, match="base_axis must be an integer"):
        graph()


def test_clone_and_promote():
    graph = open_batch()
    network = graph["net"]
    copy = network.clone()
    assert facts(copy) == facts(network) and copy.owner is graph and graph["net"] is network
    copy.functions["ones"].args["val"] = 3
    assert network.functions["ones"].args["val"] == 1

    def rewire(proto):
        proto.functions["add"].inputs = ["h", "h"]
        del proto.functions["ones"], proto.variables["c"]

    changed = network.promote(rewire)
    assert list(changed.functions) == ["add", "fc"] and changed.variables["h"].required == ["add", "add"]
    y = changed(nn.Variable.from_numpy_array(np.ones((2, 3))))
    y.forward()
    np.testing.assert_array_equal(y.d, np.full((2, 4), 12.0))
    assert list(network.functions) == ["add", "ones", "fc"]
    with pytest.raises(TypeError, match="callback must be callable, not NoneType"):
        network.promote(None)


def test_networks_of_a_graph():
    graph = open_batch()
    network = graph["net"]
    graph["second"] = network.clone()
    assert list(graph.networks) == ["net", "second"] and graph.second.name == "second"
    assert graph.default_graph() is network and graph.net is network
    assert "net" in graph and "other" not in graph
    assert graph.get("net") is network and graph.get("other") is None
    with pytest.raises(KeyError):
        graph["other"]
    with pytest.raises(AttributeError, match="no attribute or network 'other'"):
        _ = graph.other
    with pytest.raises(TypeError, match="must be a ProtoNetwork"):
        graph["other"] = 3
    for name in ("inputs", "outputs", "variables", "functions", "parameters"):
        assert network[name] == getattr(network, name)
    with pytest.raises(KeyError):
        network["owner"]
    assert network.functions["fc"]["inputs"] == ["x", "fc/W"]
    with pytest.raises(KeyError):
        network.functions["fc"]["base_axis"]


def test_the_context_of_a_graph():
    graph = open_batch()
    assert graph.current_context == nn.get_current_context()
    double = nn.Context(["cpu:double"])
    graph.current_context = double
    assert graph.net.current_context == double
    y = graph()
    assert y.parent.context == double
    y.forward()
    assert y.d.dtype == np.float64
    with pytest.raises(TypeError, match="must be a nnabla.Context or None"):
        graph.current_context = "cpu"


def test_functions_by_themselves():
    network = open_batch()["net"]
    y = network.functions["add"](nn.Variable((2, 3)), nn.Variable((2, 3)))
    assert y.shape == (2, 3)
    for name, shape in (("h", (2, 3)), ("c", (2, 1))):
        network.variables[name].variable_instance = nn.Variable(shape)
    (y,) = network.functions["add"].graph_call()
    assert y.shape == (2, 3) and network.variables["y"].variable_instance is y
    with pytest.raises(ValueError, match="this function belongs to no network"):
        ProtoFunction(None, "ReLU", {}).graph_call()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3,), TypeError, "shape must be a sequence of integers, not 3"),
        (("ab",), TypeError, "shape must be a sequence of integers"),
        (((2,), 5), TypeError, "name must be a string or None"),
        (((2,), "x", False, "Input"), ValueError, "var_type must be 'Buffer' or 'Parameter', not 'Input'"),
    ],
)
def test_variables_that_cannot_be(arguments, error, message):
    with pytest.raises(error, match=message):
        ProtoVariable(*arguments)
