"""`ProtoGraphGenerator`: names and networks are those of NNabla 1.39."""

from __future__ import annotations

import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.core.graph_def import ProtoGraphGenerator, ProtoVariable


@pytest.fixture
def variables():
    nn.clear_parameters()
    x, w = nn.Variable((2, 3)), nn.Variable((2, 4))
    y = F.relu(PF.affine(x, 4, name="fc")) + 1
    return x, w, y, y * w


def arrays():
    return {param.data: name for name, param in nn.get_parameters().items()}


def test_visited_functions_become_a_network(variables):
    x, w, y, z = variables
    with nn.graph_def.graph(name="net") as g:
        with ProtoGraphGenerator({"x": x, "yy": y}, arrays()) as generator:
            z.visit(generator)
        # It can be called on; what it knows has the names that it has.
        generator(F.tanh(z).parent)
    net = g.net
    assert [(f.name, f.inputs, f.outputs) for f in net.functions.values()] == [
        ("@net/Affine", ["x", "fc/affine/W", "fc/affine/b"], ["@net/Affine_out"]),
        ("@net/ReLU", ["@net/Affine_out"], ["@net/ReLU_out"]),
        ("@net/AddScalar", ["@net/ReLU_out"], ["yy"]),
        ("@net/Mul2", ["yy", "@net/Mul2_in"], ["@net/Mul2_out"]),
        ("@net/Tanh", ["@net/Tanh_in"], ["@net/Tanh_out"]),
    ]
    assert list(net.parameters) == list(g.get_parameters()) == ["fc/affine/W", "fc/affine/b"]
    assert net.inputs == ["x", "@net/Mul2_in", "@net/Tanh_in"]
    described = generator.variables[x.data]
    assert (described.name, described.type, described.required) == ("x", "Buffer", ["@net/Affine"])
    assert generator.variables[nn.get_parameters()["fc/affine/W"].data].type == "Parameter"
    assert generator.names == {x.data: "x", y.data: "yy", **arrays()}
    x.d, w.d = 1, 2
    assert net(x, w, z)[0].shape == (2, 4)


def test_without_names(variables):
    _, _, y, z = variables
    with nn.graph_def.graph(name="net") as g:
        for names, root in ((None, y), ({}, z)):
            with ProtoGraphGenerator(names, {}) as generator:
                root.visit(generator)
    assert [f.inputs for f in g.net.functions.values()] == [
        ["@net/Affine_in", "@net/Affine_in_1", "@net/Affine_in_2"],
        ["@net/Affine_out"],
        ["@net/ReLU_out"],
        ["@net/Affine_in_3", "@net/Affine_in_4", "@net/Affine_in_5"],
        ["@net/Affine_out_1"],
        ["@net/ReLU_out_1"],
        ["@net/AddScalar_out_1", "@net/Mul2_in"],
    ]


def test_renaming(variables):
    _, _, y, _ = variables
    with nn.graph_def.graph(), ProtoGraphGenerator({"yy": y}, {}) as generator:
        y.visit(generator)
        assert generator.outputs == [y]
        assert generator.renaming(0, "v") == "yy"
        with pytest.raises(IndexError):
            generator.renaming(1, "v")


def test_division_has_the_name_of_python_2():
    with nn.graph_def.graph() as g:
        x = ProtoVariable((2, 3), "x")
        x.__div__(x).__div__(2.0)
    assert [f.type for f in g.model.functions.values()] == ["Div2", "MulScalar"]
