"""`NnpLoader` and `NnpNetworkPass`: networks of files, changed while they are built, as in NNabla 1.39."""

from __future__ import annotations

import io

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.nnp_graph import NnpLoader, NnpNetwork, NnpNetworkPass
from nnabla.utils.save import save

ALL = ["Convolution", "BatchNormalization", "ReLU", "AveragePooling", "Dropout", "Affine", "Softmax"]


@pytest.fixture
def path(tmp_path):
    nn.clear_parameters()
    x = nn.Variable((4, 3, 8, 8))
    h = F.relu(PF.batch_normalization(PF.convolution(x, 4, (3, 3), name="c"), name="bn"))
    y = F.softmax(PF.affine(F.dropout(F.average_pooling(h, (6, 6))), 2, name="fc"))
    save(tmp_path / "m.nnp", {"networks": [{"name": "n", "batch_size": 4, "outputs": {"y": y}, "names": {"x": x}}]})
    nn.clear_parameters()
    return tmp_path / "m.nnp"


def functions(network):
    found = []
    for y in network.outputs.values():
        y.visit(found.append)
    return found


def types(network):
    return [f.info.type_name for f in functions(network)]


def args(network, kind):
    return next(f.info.args for f in functions(network) if f.info.type_name == kind)


def built(path, passes=None, **kw):
    return NnpLoader(path).get_network("n", callback=passes, **kw)


def test_networks_of_a_file(path):
    loader = NnpLoader(path)
    assert loader.get_network_names() == ["n"]
    assert loader.network_dict == {"n": loader.g["n"]}
    assert nn.get_parameters() == {}
    network = loader.get_network("n", batch_size=7)
    assert isinstance(network, NnpNetwork)
    assert ({k: v.shape for k, v in network.inputs.items()}, list(network.outputs)) == ({"x": (7, 3, 8, 8)}, ["y"])
    assert set(network.variables) == {
        *("x", "y", "c/conv/W", "c/conv/b", "bn/bn/beta", "bn/bn/gamma", "bn/bn/mean", "bn/bn/var"),
        *("fc/affine/W", "fc/affine/b"),
        *(f"@n/{kind}_out" for kind in ALL[:-1]),
    }
    assert types(network) == ALL
    params = nn.get_parameters(grad_only=False)
    assert len(params) == 8
    assert all(param.need_grad for param in params.values())
    assert network.variables["fc/affine/W"] == params["fc/affine/W"]
    # What was built once shares its parameters with what is built again.
    params["fc/affine/W"].d = 3
    assert loader.get_network("n").variables["fc/affine/W"].d.min() == 3
    # A file that is loaded anew brings its own.
    assert NnpLoader(path).get_network("n").variables["fc/affine/W"].d.min() != 3
    with pytest.raises(KeyError, match="there is no network 'm'; there are"):
        loader.get_network("m")


def test_where_parameters_go(path):
    scope = {}
    with nn.parameter_scope("s"):
        loader = NnpLoader(path)
    loader.get_network("n")
    assert next(iter(nn.get_parameters())) == "c/conv/W"
    nn.clear_parameters()
    scope = nn.parameter.get_current_parameter_scope()
    loader = NnpLoader(io.BytesIO(path.read_bytes()), scope, ".nnp")
    assert loader.g.parameter_scope is scope
    assert len(nn.get_parameters(grad_only=False)) == 8
    with pytest.raises(FileNotFoundError, match="there is no file"):
        NnpLoader(path.with_name("no.nnp"))
    # As in NNabla.
    assert NnpLoader(path.with_name("no.foo")).get_network_names() == []


def test_function_passes_see_names_and_shapes(path):
    passes = NnpNetworkPass()
    seen = {}

    @passes.on_function_pass_by_name("@n/AveragePooling")
    def by_name(f, variables, param_scope):
        seen["name"] = f
        assert (f.name, f.disabled, f.proto.type) == ("@n/AveragePooling", False, "AveragePooling")
        assert ([v.name for v in f.inputs], [v.name for v in f.outputs]) == (["@n/ReLU_out"], ["@n/AveragePooling_out"])
        assert list(f.inputs[0].proto.shape.dim) == [-1, 4, 6, 6]
        assert f.inputs[0].parent.name == "@n/ReLU"
        assert list(f.outputs[0].referrers) == ["@n/Dropout"]
        assert f.outputs[0].num_referrers == 1
        assert variables[0].name == "x"
        assert variables[0].parent is None
        assert list(param_scope) == ["c", "bn", "fc"]

    @passes.on_function_pass_by_type("ReLU")
    def by_type(f, variables, param_scope):
        seen["type"] = f

    built(path, passes)
    assert (seen["name"].name, seen["type"].name) == ("@n/AveragePooling", "@n/ReLU")


def test_generated_variables_and_functions(path):
    passes = NnpNetworkPass()
    order = []

    @passes.on_generate_variable("x")
    def smaller(v):
        order.append(v.name)
        v.proto.shape.dim[:] = (2, 3, 10, 10)
        return v

    @passes.on_generate_variable("@n/ReLU_out")
    def after(v):
        order.append(v.name)
        return v

    @passes.on_generate_function_by_name("@n/ReLU")
    def by_name(f):
        order.append(f.name)
        return f

    @passes.on_generate_function_by_type("AveragePooling")
    def by_type(f):
        order.append(f.name)
        # Shapes are those that the variables have by now; 1.39 shows what stands in the file.
        s = f.inputs[0].proto.shape.dim[:]
        f.proto.average_pooling_param.kernel.dim[:] = [s[2], s[3]]
        return f

    network = built(path, passes)
    assert order == ["x", "@n/ReLU_out", "@n/ReLU", "@n/AveragePooling"]
    assert network.outputs["y"].shape == (2, 2)
    assert args(network, "AveragePooling")["kernel"] == [8, 8]
    assert types(built(path)) == ALL


def test_callbacks_must_return_what_they_are_given(path):
    passes = NnpNetworkPass()
    passes.on_generate_variable("x")(lambda v: None)
    with pytest.raises(TypeError, match="a callback for 'x' must return what it is given, not None"):
        built(path, passes)


def test_drop_function(path, capsys):
    passes = NnpNetworkPass(verbose=2)
    passes.drop_function("@n/ReLU", "@n/Dropout")
    network = built(path, passes)
    assert list(network.inputs) == ["x", "@n/ReLU_out", "@n/Dropout_out"]
    assert list(network.outputs) == ["@n/BatchNormalization_out", "@n/AveragePooling_out", "y"]
    assert "Pass: Deleting @n/ReLU.\n" in capsys.readouterr().out


def test_fix_parameters(path):
    passes = NnpNetworkPass()
    passes.fix_parameters()
    built(path, passes)
    assert not any(param.need_grad for param in nn.get_parameters(grad_only=False).values())


@pytest.mark.parametrize(
    ("names", "output", "count"),
    [
        (["@n/ReLU_out"], "@n/ReLU_out", 3),
        (["@n/ReLU_out", "@n/Convolution_out"], "@n/Convolution_out", 1),
        (["none"], "y", 7),
    ],
)
def test_use_up_to(path, names, output, count):
    passes = NnpNetworkPass()
    passes.use_up_to(*names)
    network = built(path, passes)
    assert (list(network.outputs), types(network)) == ([output], ALL[:count])
    assert len(nn.get_parameters(grad_only=False)) == {3: 6, 1: 2, 7: 8}[count]


def test_remove_and_rewire(path):
    passes = NnpNetworkPass()
    passes.remove_and_rewire("@n/BatchNormalization", 0, 0)
    passes.remove_and_rewire("none")
    network = built(path, passes)
    assert types(network) == [kind for kind in ALL if kind != "BatchNormalization"]
    assert len(nn.get_parameters(grad_only=False)) == 4


def test_set_variable(path):
    x = nn.Variable((2, 3, 8, 8))
    passes = NnpNetworkPass()
    passes.set_variable("x", x)
    # Only inputs are set.
    passes.set_variable("@n/ReLU_out", nn.Variable((9,)))
    network = built(path, passes)
    assert network.inputs["x"] == x
    assert network.outputs["y"].shape == (2, 2)
    # What a dropped function computed is an input.
    passes = NnpNetworkPass()
    passes.drop_function("@n/ReLU")
    passes.set_variable("@n/ReLU_out", nn.Variable((5, 4, 6, 6)))
    assert built(path, passes).outputs["y"].shape == (5, 2)


@pytest.mark.parametrize("by_type", [False, True])
def test_global_average_pooling(path, by_type):
    name = "AveragePooling" if by_type else "@n/AveragePooling"
    for size, kernel in ((8, 6), (10, 8)):
        passes = NnpNetworkPass()
        passes.set_variable("x", nn.Variable((4, 3, size, size)))
        passes.force_average_pooling_global(name, by_type)
        network = built(path, passes)
        assert {key: args(network, "AveragePooling")[key] for key in ("kernel", "stride", "pad")} == {
            "kernel": [kernel] * 2,
            "stride": [kernel] * 2,
            "pad": [0, 0],
        }
    passes = NnpNetworkPass()
    passes.check_average_pooling_global(name, by_type)
    built(path, passes)
    passes.set_variable("x", nn.Variable((4, 3, 10, 10)))
    with pytest.raises(ValueError, match=r"'@n/AveragePooling' has a kernel of \[6, 6\] .*, its input is \[8, 8\]"):
        built(path, passes)


def test_batch_statistics(path):
    x = np.random.RandomState(0).rand(4, 3, 8, 8)
    for batch_stat in (True, False):
        passes = NnpNetworkPass()
        passes.set_batch_normalization_batch_stat_all(batch_stat)
        network = built(path, passes)
        assert args(network, "BatchNormalization")["batch_stat"] is batch_stat
        network.inputs["x"].d = x
        network.outputs["y"].forward()
    assert args(built(path), "BatchNormalization")["batch_stat"] is True
