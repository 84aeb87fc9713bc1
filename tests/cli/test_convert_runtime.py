"""``nnabla_cli convert`` to NNB and C, ``nnb_template``, ``function_info`` and ``check --target``."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
import yaml

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.nnb import load
from nnabla.converters.nnb import run as compute
from nnabla.converters.nnb.model import DataType
from nnabla.utils.save import save as save_nnp

from .running import run, save_networks


@pytest.fixture
def archive(tmp_path):
    """A model file, an input of a batch of 4, and its result."""
    nn.clear_parameters()
    x = nn.Variable((4, 3, 6, 6))
    h = F.max_pooling(F.relu(PF.convolution(x, 2, (3, 3), name="c")), (2, 2))
    y = F.softmax(PF.affine(F.tanh(PF.affine(h, 5, name="a")), 3, name="b"))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    save_model(tmp_path / "m.nnp", "net", x, y)
    nn.clear_parameters()
    return tmp_path / "m.nnp", x.d.astype(np.float32), y.d.copy()


def save_model(path, name, x, y):
    content = {
        "networks": [{"name": name, "batch_size": x.shape[0], "outputs": {"y": y}, "names": {"x": x}}],
        "executors": [{"name": "run", "network": name, "data": ["x"], "output": ["y"]}],
    }
    save_nnp(str(path), content)


@pytest.mark.parametrize(("options", "batch"), [((), 1), (("-b", "2"), 2), (("-b", "-1"), 4)])
def test_batch_sizes(archive, tmp_path, options, batch):
    path, x, y = archive
    out = tmp_path / "m.nnb"
    assert run("convert", *options, path, out) == 0
    model = load(out)
    assert (model.api_level, model.version) == (44, 2)
    assert model.variables[model.inputs[0]].shape == (batch, 3, 6, 6)
    np.testing.assert_allclose(compute(model, [x[:batch]])[0], y[:batch], rtol=1e-5, atol=1e-6)


def test_level_version_and_type(archive, tmp_path, capsys):
    path, x, y = archive
    out = tmp_path / "m.nnb"
    assert run("convert", "-d", "nnb_3", "--api", "20", "-T", "FIXED16_10", path, out) == 0
    model = load(out)
    assert (model.api_level, model.version) == (20, 3)
    assert {v.type for v in model.variables} == {DataType.INT16}
    np.testing.assert_allclose(compute(model, [x[:1]])[0], y[:1], atol=0.02)
    assert re.search(
        r"m\.nnb: 7 functions, API level 20, version 3, \d+ bytes of work buffers", capsys.readouterr().out
    )


def test_settings_from_the_template(archive, tmp_path):
    path, x, y = archive
    settings = tmp_path / "s.yaml"
    assert run("nnb_template", "-T", "FIXED16_9", path, settings) == 0
    content = yaml.safe_load(settings.read_text())
    assert set(content) == {"functions", "variables"}
    assert content["variables"]["x"] == "FIXED16_9" and "a/affine/W" in content["variables"]
    assert all(entry == {"implement": 0} for entry in content["functions"].values())
    content["variables"] = {"a/affine/W": "FIXED8", "y": "FLOAT32"}
    first = next(iter(content["functions"]))
    content["functions"] = {first: {"implement": 3}}
    settings.write_text(yaml.safe_dump(content))
    assert run("convert", "-s", settings, "-T", "FLOAT32", path, tmp_path / "m.nnb") == 0
    model = load(tmp_path / "m.nnb")
    kinds = [v.type for v in model.variables]
    assert kinds.count(DataType.INT8) == 1 and kinds.count(DataType.FLOAT) == len(kinds) - 1
    assert [f.implement for f in model.functions] == [3, *[0] * 6]
    np.testing.assert_allclose(compute(model, [x[:1]])[0], y[:1], atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--api", "46"), "the API level must be from 1 to 45, not 46"),
        (("-d", "nnb_4"), "the version of the format must be 2 or 3, not 4"),
        (("-d", "opset_9"), "define_version must be nnb_2 or nnb_3, not 'opset_9'"),
        (("-T", "FIXED16"), "needs the number of fraction bits, as in FIXED16_5"),
        (("-T", "FIXED8_16"), "FIXED16 and FIXED8 have 0 to 15 fraction bits"),
        (("-T", "SIGN"), "only parameters can be stored as SIGN"),
        (("-T", "INT8"), "-T must be FLOAT32, SIGN, FIXED16, FIXED8"),
        (("-S", "0-1"), "from NNP to NNB does not take -S"),
    ],
)
def test_what_is_refused(archive, tmp_path, capfd, options, message):
    assert run("convert", *options, archive[0], tmp_path / "m.nnb") == 255
    assert message in capfd.readouterr().err
    assert not (tmp_path / "m.nnb").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not YAML"),
        ("[1]", "settings must have the entries functions and variables"),
        ("variables: {x: 3}", "type of variable 'x' must be FLOAT32"),
        ("functions: {f: {implement: -1}}", "function 'f' must have implement, a number from 0 to 65534"),
        ("variables: {nobody: SIGN}", "settings: the network has no 'nobody'"),
    ],
)
def test_settings_that_are_wrong(archive, tmp_path, capfd, text, message):
    (tmp_path / "s.yaml").write_text(text)
    assert run("convert", "-s", tmp_path / "s.yaml", archive[0], tmp_path / "m.nnb") == 255
    assert message in capfd.readouterr().err


def test_all_obstacles_are_named(tmp_path, capfd):
    x = nn.Variable((1, 4))
    save_model(tmp_path / "m.nnp", "net", x, F.sort(F.gelu(x)))
    assert run("convert", tmp_path / "m.nnp", tmp_path / "m.nnb") == 255
    error = capfd.readouterr().err
    assert "network 'net' cannot be written for the C runtime" in error
    assert "GELU '@net/GELU': the C runtime has no kernel for it" in error and "Sort '@net/Sort'" in error
    assert run("check", "--target", "nnb", tmp_path / "m.nnp") == 255
    shown = capfd.readouterr().out
    assert (
        "problem: GELU '@net/GELU': the C runtime has no kernel" in shown and "would not run on the C runtime" in shown
    )


def test_a_callback_may_compute_what_the_runtime_does_not(tmp_path):
    x = nn.Variable((1, 4))
    save_model(tmp_path / "m.nnp", "net", x, F.gelu(x))
    (tmp_path / "s.yaml").write_text("functions: {'@net/GELU': {implement: 5}}")
    assert run("convert", "-s", tmp_path / "s.yaml", tmp_path / "m.nnp", tmp_path / "m.nnb") == 0
    (function,) = load(tmp_path / "m.nnb").functions
    assert (function.type, function.implement) == ("GELU", 5)


def test_pieces_between_functions_that_are_left_out(archive, tmp_path, capsys):
    path, _, _ = archive
    lists = tmp_path / "functions.txt"
    assert run("function_info", path, "-f", "NNB", "-o", lists) == 0
    lists.write_text(lists.read_text().replace("Affine", ";Affine"))
    capsys.readouterr()
    assert run("convert", "-c", lists, path, tmp_path / "m.nnb") == 0
    printed = capsys.readouterr().out
    names = ["m_0_2.nnb", "m_4_4.nnb", "m_6_6.nnb"]
    models = [load(tmp_path / name) for name in names]
    assert [[f.type for f in m.functions] for m in models] == [
        ["Convolution", "ReLU", "MaxPooling"],
        ["Tanh"],
        ["Softmax"],
    ]
    assert "  input:\n  - name: x\n    shape: (1, 3, 6, 6)\n  output:\n" in printed


@pytest.mark.parametrize(
    ("target", "lines"), [("nnb", ["API level needed: 4"]), ("spresense", ["memory of Spresense"])]
)
def test_the_linter(archive, tmp_path, capsys, target, lines):
    path, _, _ = archive
    assert run("convert", path, tmp_path / "m.nnb") == 0
    for file in (path, tmp_path / "m.nnb"):
        capsys.readouterr()
        assert run("check", "--target", target, file) == 0
        printed = capsys.readouterr().out
        assert all(line in printed for line in lines)
        assert "Affine x 2: from API level 1" in printed and "Convolution x 1: from API level 4" in printed


def test_what_is_too_large_for_a_board(tmp_path, capsys):
    nn.clear_parameters()
    x = nn.Variable((1, 1000))
    save_model(tmp_path / "m.nnp", "net", x, PF.affine(x, 2200))
    nn.clear_parameters()
    assert run("check", "--target", "spresense", tmp_path / "m.nnp") == 255
    assert re.search(r"problem: memory: 88\d+ bytes are needed, Spresense has 1572864", capsys.readouterr().out)
    assert run("check", "--target", "nnb", tmp_path / "m.nnp") == 0
    assert run("check", "--target", "moon", tmp_path / "m.nnp") == 255


def test_self_contained_c(archive, tmp_path, capsys):
    path, x, y = archive
    out = tmp_path / "c"
    assert run("convert", "-O", "CSRC", "--self-contained", path, out) == 0
    printed = capsys.readouterr().out
    assert re.search(r"working memory \d+ bytes, parameters \d+ bytes", printed) and "functions 0 to 1: " in printed
    subprocess.run(["make", "-s", "CFLAGS=-O1 -Werror"], cwd=out, check=True, timeout=300)
    x[:1].tofile(tmp_path / "x")
    subprocess.run([out / "net_example", tmp_path / "x", tmp_path / "y"], check=True, timeout=120)
    np.testing.assert_allclose(np.fromfile(tmp_path / "y", np.float32), y[0], rtol=1e-5, atol=1e-6)


def lines_of(capsys, *arguments):
    capsys.readouterr()
    assert run("function_info", *arguments) == 0
    return capsys.readouterr().out.split("\n")[1:-1]


def test_lists_of_functions(archive, tmp_path, capsys):
    path, _, _ = archive
    assert len(lines_of(capsys)) == 228
    runtime = lines_of(capsys, "-f", "NNB")
    assert len(runtime) == 62 and "Pad" in runtime and "GELU" not in runtime
    assert len(lines_of(capsys, "-f", "ONNX")) > 170
    assert lines_of(capsys, path) == ["Convolution", "ReLU", "MaxPooling", "Affine", "Tanh", "Softmax"]
    assert "Affine" not in lines_of(capsys, path, "-x", "Affine")
    assert len(lines_of(capsys, "-x", "Affine", "-x", "GELU")) == 226
    printed = lines_of(capsys, path, "-f", "NNB")
    assert printed[0] == "nnabla-c-runtime currently support the following functions in model:"
    assert printed[1:] == ["Convolution", "ReLU", "MaxPooling", "Affine", "Tanh", "Softmax"]
    assert "  python: F.convolution" in lines_of(capsys, "-q", "Convolution")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-f", "TFLITE"), "-f must be NNB or ONNX, not 'TFLITE'"),
        (("-x", "Nothing"), "-x Nothing: there is no function of this name"),
        (("-q", "Nothing"), "-q Nothing: there is no function of this name"),
    ],
)
def test_function_info_refuses(capfd, arguments, message):
    assert run("function_info", *arguments) == 255
    assert message in capfd.readouterr().err


def test_a_list_with_another_word(tmp_path, capfd):
    (tmp_path / "f.txt").write_text("# all\nAffine\nNothing\n")
    assert run("function_info", "-c", tmp_path / "f.txt") == 255
    assert "line 3 names no function: 'Nothing'" in capfd.readouterr().err


def test_a_list_of_functions_is_one_of_the_target(archive, tmp_path, capsys):
    path, _, _ = archive
    (tmp_path / "f.txt").write_text("Affine\nGELU,FLOAT32\n;Tanh\nConvolution_iiIiIiIiB\n")
    assert set(lines_of(capsys, "-c", tmp_path / "f.txt")) == {"Affine", "GELU", "Convolution"}
    assert set(lines_of(capsys, "-f", "NNB", "-c", tmp_path / "f.txt")) == {"Affine", "Convolution"}
    assert set(lines_of(capsys, path, "-c", tmp_path / "f.txt")) == {"Affine", "Convolution"}
    assert set(lines_of(capsys, "-c", "opset_17")) == set(lines_of(capsys, "-f", "ONNX"))


def test_functions_of_a_level(archive, tmp_path, capsys):
    """As many as NNabla 1.39 has there, with the formats of their arguments in a file."""
    assert len(lines_of(capsys, "--api", "1")) == 126
    assert len(lines_of(capsys, "--api", "44")) == 221
    assert "Einsum" not in lines_of(capsys, "--api", "1")
    assert run("function_info", archive[0], "-f", "NNB", "--api", "1", "-o", tmp_path / "f.txt") == 0
    assert "Convolution_iiIiIiIi" in (tmp_path / "f.txt").read_text().split()


def test_functions_of_loops(tmp_path, capsys):
    x = nn.Variable((2, 3))
    network = nn.graph_def.create_graph_from_variable("net", F.relu(x), names={"x": x})
    nn.graph_def.save(str(tmp_path / "m.nntxt"), network)
    loop = {
        'name: "net"': 'name: "net"\n  repeat_info { id: "r" times: 3 }',
        'type: "ReLU"': 'type: "ReLU"\n    repeat_id: "r"',
    }
    text = (tmp_path / "m.nntxt").read_text()
    for old, new in loop.items():
        text = text.replace(old, new, 1)
    (tmp_path / "m.nntxt").write_text(text)
    # The loop does not fit together, which only matters to who writes it out.
    assert run("function_info", tmp_path / "m.nntxt") == 255
    assert "output of '@net/ReLU_r[1]'" in capsys.readouterr().err
    assert lines_of(capsys, tmp_path / "m.nntxt", "--nnp-no-expand-network") == ["ReLU"]


def two_executors(path):
    x = nn.Variable((4, 3))
    y, z = F.relu(x), F.tanh(F.sigmoid(x))
    save_networks(path, x, ("net", "run", {"y": y}), ("other", "more", {"z": z}))


def test_the_network_of_another_executor(tmp_path):
    two_executors(tmp_path / "m.nnp")
    for options, types in (((), ["ReLU"]), (("-E", "1"), ["Sigmoid", "Tanh"])):
        assert run("nnb_template", *options, tmp_path / "m.nnp", tmp_path / "t.yaml") == 0
        names = yaml.safe_load((tmp_path / "t.yaml").read_text())["functions"]
        assert [name.rpartition("/")[2] for name in names] == types
        assert run("convert", "-f", *options, tmp_path / "m.nnp", tmp_path / "m.nnb") == 0
        assert [f.type for f in load(tmp_path / "m.nnb").functions] == types
        assert run("convert", "-f", "-O", "CSRC", *options, tmp_path / "m.nnp", tmp_path / "c") == 0
        assert all(type.lower() in (next((tmp_path / "c").glob("*_inference.c"))).read_text() for type in types)


def test_options_that_change_nothing(archive, tmp_path):
    options = ((), ("--nnp-exclude-preprocess",), ("--nnp-no-expand-network",), ("-b", "3"), ("--api", "20"))
    texts = set()
    for option in options:
        assert run("nnb_template", *option, archive[0], tmp_path / "t.yaml") == 0
        texts.add((tmp_path / "t.yaml").read_text())
    assert len(texts) == 1
    # Unedited, it asks for what is written without it.
    for option in ((), ("-s", tmp_path / "t.yaml")):
        assert run("convert", *option, archive[0], tmp_path / f"m{len(option)}.nnb") == 0
    assert (tmp_path / "m0.nnb").read_bytes() == (tmp_path / "m2.nnb").read_bytes()


def test_signs_take_a_bit_each(tmp_path):
    """The file, and C source from it, compute with signs as with floats."""
    nn.clear_parameters()
    x = nn.Variable((1, 8))
    y = F.relu(PF.binary_connect_affine(x, 4, name="a"))
    x.d = np.random.RandomState(0).standard_normal(x.shape)
    y.forward()
    save_model(tmp_path / "m.nnp", "net", x, y)
    signs = np.sign(nn.get_parameters()["a/bicon_affine/W"].d)
    nn.clear_parameters()
    (tmp_path / "s.yaml").write_text("variables: {a/bicon_affine/Wb: SIGN}")
    assert run("convert", "-s", tmp_path / "s.yaml", tmp_path / "m.nnp", tmp_path / "m.nnb") == 0
    model = load(tmp_path / "m.nnb")
    (stored,) = [v for v in model.variables if v.type == DataType.SIGN]
    assert stored.data is not None and stored.nbytes == 4
    np.testing.assert_array_equal(stored.data.reshape(4, 8), signs.T)
    given = x.d.astype(np.float32)
    np.testing.assert_allclose(compute(model, [given])[0], y.d, rtol=1e-5, atol=1e-6)
    options = ("-O", "CSRC", "--self-contained", "-s", tmp_path / "s.yaml")
    assert run("convert", *options, tmp_path / "m.nnp", tmp_path / "c") == 0
    subprocess.run(["make", "-s", "CFLAGS=-O1 -Werror"], cwd=tmp_path / "c", check=True, timeout=300)
    given.tofile(tmp_path / "x")
    subprocess.run([tmp_path / "c" / "net_example", tmp_path / "x", tmp_path / "y"], check=True, timeout=120)
    np.testing.assert_allclose(np.fromfile(tmp_path / "y", np.float32), y.d[0], rtol=1e-5, atol=1e-6)


def test_the_functions_of_the_target(archive, tmp_path, capfd):
    nn.clear_parameters()
    x = nn.Variable((2, 3))
    save_model(tmp_path / "n.nnp", "net", x, F.softmax(F.relu6(PF.affine(x, 4))))
    nn.clear_parameters()

    def listed(*options):
        capfd.readouterr()
        assert run("function_info", tmp_path / "n.nnp", "-t", *options) == 0
        return capfd.readouterr().out.split("\n")[1:-1]

    assert listed("-f", "NNB") == ["Affine", "ReLU", "MinimumScalar", "Softmax"]
    assert {"Clip@13", "Softmax@13"} <= set(listed("-f", "ONNX"))
    assert {"Clip@11", "Softmax@11"} <= set(listed("-c", "opset_11"))
    for options in (("-t",), ("-t", "-f", "NNB"), (tmp_path / "n.nnp", "-t")):
        assert run("function_info", *options) == 255
        assert "-t needs a model, and -f NNB, -f ONNX or -c opset_N" in capfd.readouterr().err


def test_templates_of_other_formats(archive, tmp_path, capfd):
    assert run("nnb_template", "-I", "CAFFE", archive[0].rename(tmp_path / "m.model"), tmp_path / "t.yaml") == 255
    assert "nnb_template: -I must be one of NNP, ONNX, TFLITE, TF_PB, SAVED_MODEL" in capfd.readouterr().err
    names = {}
    for source in ("m.nnp", "m.onnx"):
        if source == "m.nnp":
            (tmp_path / "m.model").rename(tmp_path / source)
        else:
            assert run("convert", tmp_path / "m.nnp", tmp_path / source) == 0
        assert run("nnb_template", tmp_path / source, tmp_path / "t.yaml") == 0
        names[source] = yaml.safe_load((tmp_path / "t.yaml").read_text())
    assert {"x", "y", "a/affine/W"} <= set(names["m.nnp"]["variables"]) & set(names["m.onnx"]["variables"])
    assert (
        run("nnb_template", "-I", "onnx", (tmp_path / "m.onnx").rename(tmp_path / "m.model"), tmp_path / "u.yaml") == 0
    )
    assert yaml.safe_load((tmp_path / "u.yaml").read_text()) == names["m.onnx"]
