"""`nnabla.utils.converter`: importers, exporters and the rest, as programs use them."""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.nnb import run
from nnabla.converters.nnb.reader import load as read_nnb
from nnabla.files.model_messages import MODEL
from nnabla.utils.cli.convert import add_convert_command
from nnabla.utils.cli.func_info import add_function_info_command, function_info_command
from nnabla.utils.converter import commands, extensions, formats, utils
from nnabla.utils.converter.nnabla import NnpExpander, NnpExporter, NnpImporter
from nnabla.utils.converter.nnabla.exporter import rename_square_bracket
from nnabla.utils.converter.nnablart import CsrcExporter, NnbExporter
from nnabla.utils.converter.nnablart.nnb import NN_BINARY_FORMAT_VERSION, Nnb
from nnabla.utils.converter.nnablart.resolver import Resolver
from nnabla.utils.save import save

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture
def archive(tmp_path):
    """A model file with two executors, an input, and its result by the first."""
    nn.clear_parameters()
    x = nn.Variable((2, 3))
    y = F.relu(PF.affine(x, 4, name="a"))
    z = F.tanh(y)
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    content = {
        "networks": [
            {"name": "net", "batch_size": 2, "outputs": {"y": y}, "names": {"x": x}},
            {"name": "other", "batch_size": 2, "outputs": {"z": z}, "names": {"x": x}},
        ],
        "executors": [
            {"name": "run", "network": "net", "data": ["x"], "output": ["y"]},
            {"name": "second", "network": "other", "data": ["x"], "output": ["z"]},
        ],
    }
    save(str(tmp_path / "m.nnp"), content)
    nn.clear_parameters()
    return tmp_path / "m.nnp", x.d.copy(), y.d.copy()


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_convert_command(parser.add_subparsers())
    return parser.parse_args(["convert", *words, "in", "out"])


def test_importer(archive):
    path, _, _ = archive
    nnp = NnpImporter(str(path)).execute()
    assert [n.name for n in nnp.protobuf.network] == ["net", "other"] and nnp.other_files == []
    assert sorted(p.variable_name for p in nnp.protobuf.parameter) == ["a/affine/W", "a/affine/b"]
    one = NnpImporter(str(path), executor_index=1).execute().protobuf
    assert [n.name for n in one.network] == ["other"] and [e.name for e in one.executor] == ["second"]
    with pytest.raises(ValueError, match="executor_index must be the number of one of 2 executors, not 2"):
        NnpImporter(str(path), executor_index=2).execute()
    with pytest.raises(ValueError, match="NnpImporter: a file must be given"):
        NnpImporter()


def test_importer_fills_in_what_has_no_values(archive, tmp_path):
    """Zeros, as NNabla 1.39 does; and values that a second file has."""
    path, _, _ = archive
    with zipfile.ZipFile(path) as members:
        members.extractall(tmp_path)
    network = str(tmp_path / "network.nntxt")
    for parameter in NnpImporter(network).execute().protobuf.parameter:
        assert set(parameter.data) == {0.0}
    importer = NnpImporter(network)
    nnp = importer.execute()
    (stored,) = [tmp_path / name for name in zipfile.ZipFile(path).namelist() if name.startswith("parameter")]
    importer.load_parameters(str(stored))
    assert len(nnp.protobuf.parameter) == 2
    assert nnp.protobuf == NnpImporter(network, str(stored)).execute().protobuf
    assert importer.find_network("net").name == "net" and importer.find_network("run") is None
    variables = importer.find_parameter_variable(importer.find_network("net"))
    assert sorted(v.name for v in variables) == ["a/affine/W", "a/affine/b"]


@pytest.mark.parametrize("kind", ["protobuf", "h5", "included", "none"])
def test_nnp_exporter(archive, tmp_path, kind):
    path, x, y = archive
    nnp = NnpImporter(str(path)).execute()
    folder = tmp_path / "folder"
    folder.mkdir()
    outputs = [tmp_path / "o.nnp", tmp_path / "o.nntxt", tmp_path / "o.protobuf", folder]
    for output in outputs:
        NnpExporter(nnp, -1, kind).execute(str(output))
    member = {"protobuf": ["parameter.protobuf"], "h5": ["parameter.h5"]}.get(kind, [])
    expected = sorted(["network.nntxt", "nnp_version.txt", *member])
    assert sorted(zipfile.ZipFile(outputs[0]).namelist()) == expected
    assert sorted(each.name for each in folder.iterdir()) == expected
    for output in outputs[:3]:
        again = NnpImporter(str(output)).execute().protobuf
        assert again.network == nnp.protobuf.network and again.executor == nnp.protobuf.executor
        if kind == "none":
            assert not any(any(p.data) for p in again.parameter)
        else:
            network = nn.graph_def.load(str(output)).networks["net"]
            variable = nn.Variable.from_numpy_array(x)
            result = network(variable)
            result.forward()
            np.testing.assert_allclose(result.d, y, rtol=1e-6)


def test_nnp_exporter_refuses(archive, tmp_path):
    nnp = NnpImporter(str(archive[0])).execute()
    with pytest.raises(ValueError, match="parameter_type must be one of .*, not 'txt'"):
        NnpExporter(nnp, -1, "txt")
    with pytest.raises(ValueError, match="one path must be given, not 2"):
        NnpExporter(nnp, -1).execute("a.nntxt", "b.h5")
    with pytest.raises(ValueError, match="must be a folder that is there, or end with .nnp"):
        NnpExporter(nnp, -1).execute(str(tmp_path / "a.foo"))


def test_square_brackets():
    message = MODEL.message("NNablaProtoBuf")()
    network = message.network.add(name="n")
    for name in ("x[0]", "x_0", "W[1]"):
        network.variable.add(name=name)
    network.function.add(name="f[1]", type="Affine", input=["x[0]", "W[1]"], output=["x_0"])
    message.parameter.add(variable_name="W[1]")
    message.executor.add(name="e").data_variable.add(variable_name="x[0]")
    rename_square_bracket(message)
    assert [v.name for v in network.variable] == ["x_0_", "x_0", "W_1"]
    assert (network.function[0].name, list(network.function[0].input)) == ("f[1]", ["x_0_", "W_1"])
    assert message.parameter[0].variable_name == "W_1"
    assert message.executor[0].data_variable[0].variable_name == "x_0_"


def test_loops_are_written_out():
    """As NNabla 1.39 does with this network."""
    message = MODEL.message("NNablaProtoBuf")()
    network = message.network.add(name="n", batch_size=1)
    network.repeat_info.add(id="R", times=3)
    for name, kind, repeated in [("x", "Buffer", 0), ("h", "Buffer", 1), ("W", "Parameter", 0), ("r", "Buffer", 1),
                                 ("y", "Buffer", 0)]:  # fmt: skip
        variable = network.variable.add(name=name, type=kind, repeat_id=["R"] * repeated)
        variable.shape.dim.extend([2, 2] if name == "W" else [-1, 2])
    start = network.function.add(name="RS", type="RepeatStart", input=["x", "r"], output=["h"], repeat_id=["R"])
    start.repeat_param.repeat_id, start.repeat_param.times = "R", 3
    inner = network.function.add(name="A", type="Affine", input=["h", "W"], output=["r"], repeat_id=["R"])
    inner.affine_param.base_axis = 1
    end = network.function.add(name="RE", type="RepeatEnd", input=["r"], output=["y"])
    end.repeat_param.repeat_id, end.repeat_param.times = "R", 3
    before = message.SerializeToString()
    found = NnpExpander(message).execute().network[0]
    assert message.SerializeToString() == before
    assert [f.type for f in found.function if f.type != "Identity"] == ["Affine"] * 3
    assert not any("[" in v.name for v in found.variable)


def test_nnb_exporter(archive, tmp_path):
    path, x, y = archive
    nnp = NnpImporter(str(path)).execute()
    output, template = tmp_path / "o.nnb", tmp_path / "t.yaml"
    NnbExporter(nnp, -1, api_level=44).execute(str(output), str(template), None, ["FLOAT32"])
    np.testing.assert_allclose(run(read_nnb(output), [x])[0], y, rtol=1e-5)
    assert "x: FLOAT32" in template.read_text()
    template.write_text("variables:\n  x: FIXED16_9\n")
    NnbExporter(nnp, 2, nnb_version=3, api_level=20).execute(str(output), None, str(template), "FLOAT32")
    model = read_nnb(output)
    found = model.variables[model.inputs[0]]
    assert (model.version, model.api_level) == (3, 20)
    assert (found.shape, int(found.type), found.fp_pos) == ((2, 3), Nnb.NN_DATA_TYPE_INT16, 9)
    with pytest.raises(ValueError, match="version of the format must be 2 or 3, not 4"):
        NnbExporter(nnp, 2, nnb_version=4)


def test_numbers_of_the_format():
    """As NNabla 1.39 shows them."""
    assert NN_BINARY_FORMAT_VERSION == 2
    assert Nnb.from_type_name == {"FLOAT32": 0, "FIXED16": 1, "FIXED8": 2, "SIGN": 3}
    assert Nnb.fp_pos_max == {1: 15, 2: 7}


def test_resolver(tmp_path):
    """GRU becomes functions of its steps, as with NNabla 1.39; what is there besides stays."""
    nn.clear_parameters()
    x, h = nn.Variable((3, 2, 4)), nn.Variable((2, 2, 2, 5))
    y, state = PF.gru(F.tanh(x), h, num_layers=2, bidirectional=True)
    for parameter in nn.get_parameters().values():
        parameter.d = np.random.RandomState(0).standard_normal(parameter.shape)
    x.d, h.d = (np.random.RandomState(1).standard_normal(v.shape) for v in (x, h))
    nn.forward_all([y, state])
    graph = nn.graph_def.create_graph_from_variable("net", [y, state], names={"x": x, "h": h, "y": y, "state": state})
    graph.save(str(tmp_path / "m.nnp"), variable_batch_size=False)
    nn.clear_parameters()
    nnp = NnpImporter(str(tmp_path / "m.nnp")).execute()
    before = nnp.protobuf.SerializeToString()
    found = Resolver(nnp).execute()
    assert nnp.protobuf.SerializeToString() == before
    types = [f.type for f in found.protobuf.network[0].function]
    assert types[0] == "Tanh" and "GRU" not in types and types.count("Sigmoid") == 2 * 2 * 2 * 3
    assert {v.name for v in found.protobuf.network[0].variable if v.type == "Parameter"} == {
        p.variable_name for p in found.protobuf.parameter
    }
    NnpExporter(found, -1).execute(str(tmp_path / "n.nnp"))
    network = nn.graph_def.load(str(tmp_path / "n.nnp"))["net"]
    inputs = {"x": nn.Variable.from_numpy_array(x.d), "h": nn.Variable.from_numpy_array(h.d)}
    results = dict(zip(network.outputs, network(**inputs), strict=True))
    nn.forward_all(list(results.values()))
    np.testing.assert_allclose(results["y"].d, y.d, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results["state"].d, state.d, rtol=1e-4, atol=1e-5)


def test_csrc_exporter(archive, tmp_path):
    nnp = NnpImporter(str(archive[0])).execute()
    with pytest.raises(ValueError, match="one folder that is there"):
        CsrcExporter(nnp, 1).execute(str(tmp_path / "c"))
    (tmp_path / "c").mkdir()
    CsrcExporter(nnp, 1).execute(str(tmp_path / "c"))
    names = {"net_parameters.h", "net_inference.h", "net_inference.c", "GNUmakefile", "net_example.c",
             "net_parameters.c"}  # fmt: skip
    assert {each.name for each in (tmp_path / "c").iterdir()} == names


def test_commands(archive, tmp_path, capsys):
    path, x, y = archive
    output = tmp_path / "o.nnb"
    output.write_bytes(b"old")
    assert commands.convert_files(parsed("-b", "-1"), [str(path)], str(output))
    np.testing.assert_allclose(run(read_nnb(output), [x])[0], y, rtol=1e-5)
    assert commands.nnb_template(parsed(), [str(path)], str(tmp_path / "t.yaml"))
    assert "a/affine/W: FLOAT32" in (tmp_path / "t.yaml").read_text()
    capsys.readouterr()
    args = argparse.Namespace(**vars(parsed()), dump_verbose=False, dump_functions=False, dump_variables=False,
                              dump_variable_name=None, dump_limit=-1)  # fmt: skip
    assert commands.dump_files(args, [str(path)])
    assert "Executor [0]: run" in capsys.readouterr().out


def test_what_converts_is_listed():
    """As NNabla 1.39 lists it."""
    assert set(formats.export_name) == {"NNP", "NNB", "CSRC", "ONNX", "SAVED_MODEL", "TFLITE", "TF_PB"}
    assert set(formats.import_name) == {"NNP", "ONNX", "TF_CKPT_V1", "TF_CKPT_V2", "TF_PB", "SAVED_MODEL", "TFLITE"}
    assert ".nnp" in extensions.import_name and ".onnx" in extensions.export_name


def test_sets_of_functions(archive, tmp_path):
    nnp = NnpImporter(str(archive[0])).execute()
    assert utils.func_set_import_nnp(nnp) == {"Affine", "ReLU", "Tanh"}
    assert len(utils.func_set_nnabla_support()) == 228
    assert {"Affine", "Convolution"} <= utils.func_set_nncr_support() < utils.func_set_nnabla_support()
    assert "Affine" in utils.func_set_import_onnx_opset("opset_17")
    with pytest.raises(ValueError, match="opset must be a number from 6"):
        utils.func_set_import_onnx_opset("opset_2")
    with pytest.raises(ValueError, match="version_spec must be None, not '1.0'"):
        utils.func_set_nnabla_support("1.0")
    # What NNabla 1.39 answers for these files.
    (tmp_path / "f.txt").write_text("Affine\n;c\nConvolution_iiIiIiIiB\nAdd2@6\n")
    assert utils.func_set_import_config(tmp_path / "f.txt") == {"Affine", "Convolution_iiIiIiIiB", "Add2@6"}
    (tmp_path / "f.txt").write_text("Affine,FLOAT32,INT8\nReLU,FLOAT32,FIXED8\nTanh,ALL,FLOAT\nELU\n")
    expected = {"Affine": ["FLOAT32"], "ReLU": ["FLOAT32", "FIXED8"], "Tanh": ["ALL"], "ELU": ["ALL"]}
    assert utils.func_dict_import_config(tmp_path / "f.txt") == expected


def test_parts_of_models(archive):
    nnp = NnpImporter(str(archive[0])).execute()
    assert utils.select_executor(nnp).name == "run" == utils.select_executor(nnp, "none").name
    assert utils.select_executor(nnp, "second").name == "second"
    assert utils.search_network(nnp, "other").name == "other" and utils.search_network(nnp, "run") is None
    shape = MODEL.message("Shape")(dim=[-1, -1, 2])
    assert utils.calc_shape_size(shape, 3) == 18 and utils.calc_shape_size(MODEL.message("Shape")(), 3) == 1


def test_a_model_for_a_release(archive):
    nnp = NnpImporter(str(archive[0])).execute()
    assert utils.func_set_nnabla_version_decorate(nnp, None) is nnp
    assert utils.func_set_nnabla_version_decorate(nnp, "1.29.0").protobuf == nnp.protobuf
    nnp.protobuf.network[0].function[1].type = "Erf"
    with pytest.raises(ValueError, match=r"(?s)NNabla 1.29.0 does not know all that the model has:.*of type Erf"):
        utils.func_set_nnabla_version_decorate(nnp, "1.29.0")


def test_levels():
    """As NNabla 1.39 answers."""
    info = utils.get_api_level_info()
    assert info.get_current_level() == 1 and len(info.get_function_list()) == 126
    assert (info.get_func_id("Convolution"), info.get_argument_code("Convolution")) == (1, "iiIiIiIi")
    info.set_api_level(5)
    assert info.get_func_uniq_name("Convolution") == "Convolution_iiIiIiIiB" and info.get_func_id("Convolution") == 265
    assert len(info.get_function_list()) == 176
    assert info.api_level_dict[1]["Abs_Empty"] == 68
    info.set_api_level(44)
    assert len(info.get_function_list()) == 221
    with pytest.raises(ValueError, match="level must be from 1 to 45, not 46"):
        info.set_api_level(46)
    info.set_api_level(1)
    with pytest.raises(ValueError, match="API level 1 has no function 'Einsum'"):
        info.get_func_id("Einsum")


def test_types_of_arguments():
    """As NNabla 1.39 answers."""
    names = ("bool", "double", "float", "int64", "string", "Shape", "repeated int64", "int32")
    answers = {name: utils.type_to_pack_format(name) for name in names}
    assert answers == {"bool": "B", "double": "f", "float": "f", "int64": "i", "string": "i", "Shape": "iI",
                       "repeated int64": "iI", "int32": None}  # fmt: skip


def test_ordered_yaml():
    found = utils.load_yaml_ordered(io.StringIO("b: 1\na: {d: 1, c: 2}"))
    assert next(iter(found.items())) == ("b", 1) and list(found["a"]) == ["d", "c"]
    with pytest.raises(Exception, match="could not determine a constructor"):
        utils.load_yaml_ordered("!!python/object/apply:os.getcwd []")


def test_all_functions_by_categories(tmp_path):
    """As NNabla 1.39 writes them for two functions, but for outputs that it does not name."""
    recorded = json.loads((REFERENCE / "nnb" / "functions_yaml.json").read_text(encoding="utf-8"))
    utils.func_set_export_yaml({"Affine": ["ALL"], "ReLU": ["ALL"]}, tmp_path / "f.yaml")
    found = utils.load_yaml_ordered((tmp_path / "f.yaml").read_text())
    assert [(c, list(names)) for c, names in found.items()] == [(c, list(names)) for c, names in recorded.items()]
    for category, entries in recorded.items():
        for name, entry in entries.items():
            ours = found[category][name]
            for key in ("snake_name", "uniq_name", "id", "func_type"):
                assert ours[key] == entry[key], (name, key)
            assert {n: a["type"] for n, a in ours.get("arguments", {}).items()} == entry["types"], name
            # Which inputs hold integers is not said.
            inputs = {n: {k: v for k, v in i.items() if k != "template"} for n, i in entry["inputs"].items()}
            assert ours["inputs"] == inputs, name
            assert list(ours["outputs"])[: len(entry["outputs"])] == list(entry["outputs"]), name
    told = utils.get_category_info()
    assert utils.load_yaml_ordered(utils.get_category_info_string()) == told
    assert utils.get_function_info()["Affine"] == told["Neural Network Layer"]["Affine"]
    assert "func_type" not in utils.get_function_info()["Affine"]
    assert isinstance(utils.get_category_info_version(), int)
    assert utils.get_category_info_version() == utils.get_category_info_version()


@pytest.mark.parametrize("options", [(), ("-f", "NNB")])
def test_functions_of_a_model_by_categories(archive, tmp_path, options):
    """As NNabla 1.39 does: all functions, and those of the model are to be built."""
    output = tmp_path / "f.yaml"
    parser = argparse.ArgumentParser()
    add_function_info_command(parser.add_subparsers())
    assert function_info_command(parser.parse_args(["function_info", str(archive[0]), *options, "-o", str(output)]))
    found = utils.load_yaml_ordered(output.read_text())
    types = {name: entry["func_type"] for entries in found.values() for name, entry in entries.items()}
    assert {name for name, each in types.items() if each == ["ALL"]} == {"Affine", "ReLU", "Tanh"}
    assert len(types) == 228
