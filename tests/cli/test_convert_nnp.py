"""``nnabla_cli convert`` from NNP to NNP: members, executors, parts, loops."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.nnp.release_table import LACKING
from nnabla.files.model_messages import MODEL

from .running import run, save_networks

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
rng = np.random.RandomState(0)


@pytest.fixture
def archive(tmp_path):
    """A model of two networks, each with an executor; the input of the first, and what it computes."""
    nn.clear_parameters()
    x = nn.Variable((4, 3, 6, 6))
    h = F.average_pooling(F.relu(PF.convolution(x, 2, (3, 3), name="c")), (2, 2))
    y = F.softmax(PF.affine(F.mul_scalar(h, 2.0), 5, name="a"))
    z = F.tanh(PF.affine(x, 3, name="b"))
    x.d = rng.randn(*x.shape)
    y.forward()
    save_networks(tmp_path / "m.nnp", x, ("net", "run", {"y": y}), ("other", "more", {"z": z}))
    return tmp_path / "m.nnp", x.d.copy(), y.d.copy()


def members(path):
    with zipfile.ZipFile(path) as archive:
        return sorted(archive.namelist())


def message(path):
    text = path.read_text() if path.suffix == ".nntxt" else zipfile.ZipFile(path).read("network.nntxt").decode()
    return text_format.Parse(text, MODEL.message("NNablaProtoBuf")())


def computed(path, x, executor=0):
    nn.clear_parameters()
    graph = nn.graph_def.load(str(path))
    described = list(graph.executors.values())[executor].as_proto()
    network = graph.networks[described.network_name]
    y = network(nn.Variable.from_numpy_array(x))
    y = y[0] if isinstance(y, tuple) else y
    y.forward()
    return y.d


@pytest.mark.parametrize(
    ("options", "name", "there"),
    [
        ((), "n.nnp", ["network.nntxt", "nnp_version.txt", "parameter.protobuf"]),
        (("--nnp-parameter-h5",), "n.nnp", ["network.nntxt", "nnp_version.txt", "parameter.h5"]),
        (("--nnp-parameter-nntxt",), "n.nnp", ["network.nntxt", "nnp_version.txt"]),
        ((), "n.nntxt", None),
        (("--nnp-parameter-nntxt",), "n.nntxt", None),
    ],
)
def test_members(archive, tmp_path, options, name, there):
    path, x, y = archive
    out = tmp_path / name
    assert run("convert", "-b", "-1", *options, path, out) == 0
    assert there is None or members(out) == there
    found = message(out)
    assert [n.name for n in found.network] == ["net", "other"] and [e.name for e in found.executor] == ["run", "more"]
    np.testing.assert_allclose(computed(out, x), y, rtol=1e-5, atol=1e-6)


def test_without_parameters(archive, tmp_path):
    assert run("convert", "--nnp-exclude-parameter", archive[0], tmp_path / "n.nnp") == 0
    assert members(tmp_path / "n.nnp") == ["network.nntxt", "nnp_version.txt"]
    assert not message(tmp_path / "n.nnp").parameter


def test_a_folder_gets_members(archive, tmp_path):
    (tmp_path / "folder").mkdir()
    assert run("convert", "-O", "NNP", archive[0], tmp_path / "folder") == 0
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == [
        "network.nntxt", "nnp_version.txt", "parameter.protobuf"]  # fmt: skip


def test_several_files_become_one(archive, tmp_path):
    path, x, y = archive
    with zipfile.ZipFile(path) as whole:
        whole.extractall(tmp_path)
    parameters = next(tmp_path.glob("parameter.*"))
    assert run("convert", tmp_path / "network.nntxt", parameters, tmp_path / "n.nnp") == 0
    np.testing.assert_allclose(computed(tmp_path / "n.nnp", x), y, rtol=1e-5, atol=1e-6)


def test_one_executor(archive, tmp_path):
    assert run("convert", "-E", "1", archive[0], tmp_path / "n.nnp") == 0
    found = message(tmp_path / "n.nnp")
    assert [n.name for n in found.network] == ["other"] and [e.name for e in found.executor] == ["more"]


def test_parts(archive, tmp_path):
    path, x, y = archive
    assert run("convert", "-E", "0", "--split=-1,2-", "-b", "-1", path, tmp_path / "n.nnp") == 0
    first, last = tmp_path / "n_0_1.nnp", tmp_path / "n_2_5.nnp"
    between = computed(first, x)
    np.testing.assert_allclose(computed(last, between), y, rtol=1e-5, atol=1e-6)
    found = message(last)
    assert [f.type for f in found.network[0].function] == ["AveragePooling", "MulScalar", "Affine", "Softmax"]
    inputs = [v.variable_name for v in found.executor[0].data_variable]
    assert inputs == [found.network[0].function[0].input[0]]
    assert [v.variable_name for v in found.executor[0].output_variable] == ["y"]
    names = {v.name for v in found.network[0].variable}
    assert "x" not in names and not any(name.startswith("c/") for name in names)


def test_loops_are_written_out_or_kept(tmp_path):
    x = nn.Variable((2, 3))
    network = nn.graph_def.create_graph_from_variable("net", F.relu(x), names={"x": x})
    nn.graph_def.save(str(tmp_path / "m.nntxt"), network)
    text = (tmp_path / "m.nntxt").read_text()
    loop = text.replace('name: "net"', 'name: "net"\n  repeat_info { id: "r" times: 3 }', 1)
    assert "repeat_info" in loop
    (tmp_path / "m.nntxt").write_text(loop)
    for options, kept in (((), 0), (("--nnp-no-expand-network",), 1)):
        assert run("convert", "-f", *options, tmp_path / "m.nntxt", tmp_path / "n.nntxt") == 0
        assert len(message(tmp_path / "n.nntxt").network[0].repeat_info) == kept


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("-S", "1-2"), "-S needs -E"),
        (("-E", "0", "-S", "3"), "-S must be parts such as 3-, -2 or 0-2,5-7, not '3'"),
        (("-E", "0", "-S", "2-9"), "2-9 is no part of 6 functions, 0 to 5"),
        (("-E", "0", "-S", "3-2"), "3-2 is no part of 6 functions"),
        (("-E", "7"), "executor_index must be the number of one of 2 executors, not 7"),
        (("-d", "opset_17"), "from NNP to NNP does not take -d"),
    ],
)
def test_what_is_refused(archive, tmp_path, capsys, options, text):
    assert run("convert", *options, archive[0], tmp_path / "n.nnp") == 255
    assert text in capsys.readouterr().err
    assert not list(tmp_path.glob("n*"))


def test_files_that_exist_are_kept(archive, tmp_path, capsys):
    for name, options in (("n.nnp", ()), ("n_0_1.nnp", ("-E", "0", "-S", "0-1"))):
        (tmp_path / name).write_text("mine")
        assert run("convert", *options, archive[0], tmp_path / "n.nnp") == 255
        assert f"{name} exists; -f overwrites it" in capsys.readouterr().err
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()


def test_options_that_change_nothing(archive, tmp_path):
    found = []
    for options in ((), ("--nnp-exclude-preprocess",)):
        assert run("convert", "-f", *options, archive[0], tmp_path / "n.nnp") == 0
        found.append(message(tmp_path / "n.nnp"))
    assert found[0] == found[1]


def test_releases(tmp_path, capfd):
    """What older releases lack is left out where it says nothing, and else named. The last release reads everything."""
    x = nn.Variable((2, 3, 8, 8))
    largest = [F.top_k_data(x, 2, largest=each) for each in (True, False)]
    described = {
        "plain": F.softplus(F.max_pooling(F.convolution(x, nn.Variable((4, 3, 3, 3))), (2, 2))),
        "largest": largest[0],
        "smallest": largest[1],
        "newer": F.erf(F.relu(x)),
    }
    for name, y in described.items():
        nn.graph_def.create_graph_from_variable(name, y, names={"x": x}).save(str(tmp_path / f"{name}.nntxt"))
    read = {
        ("plain", "1.14.0"): ["Convolution", "MaxPooling", "SoftPlus"],
        ("plain", "1.25"): ["Convolution", "MaxPooling", "SoftPlus"],
        ("largest", "1.29.0"): ["TopKData"],
        ("largest", "1.39.0"): ["TopKData"],
        ("smallest", "1.39.0"): ["TopKData"],
        ("newer", "1.40.0.dev1"): ["ReLU", "Erf"],
    }
    for (name, release), types in read.items():
        assert run("convert", "-f", "--nnp-version", release, tmp_path / f"{name}.nntxt", tmp_path / "n.nntxt") == 0
        functions = message(tmp_path / "n.nntxt").network[0].function
        assert [f.type for f in functions] == types
        assert functions[-1].HasField("softplus_param") == (name == "plain" and release != "1.14.0")
        assert ("largest: true" in str(functions[0])) == ((name, release) == ("largest", "1.39.0"))
    refused = {
        (
            "newer",
            "1.25.0",
        ): "NNabla 1.25.0, of which 1.20.1 is the last before it that was looked at, does not",
        ("smallest", "1.29.0"): "TopKData has no largest, which is False",
        # Where it has the argument, one that is not there is False.
        ("largest", "1.30.0"): "TopKData may have largest or not, which is True",
        ("plain", "1.2.0"): "releases before 1.14.0 are not known, among them 1.2.0",
        ("plain", "new"): "the release must be one such as 1.29.0, not 'new'",
    }
    for (name, release), text in refused.items():
        assert run("convert", "--nnp-version", release, tmp_path / f"{name}.nntxt", tmp_path / "o.nntxt") == 255
        assert text in capfd.readouterr().err
        assert not (tmp_path / "o.nntxt").exists()
    assert run("convert", "--nnp-version", "1.29.0", tmp_path / "plain.nntxt", tmp_path / "o.protobuf") == 255
    assert "numbers in binary files move with releases" in capfd.readouterr().err


def test_the_table_of_releases():
    """As `tools/make_release_table.py` makes it of what releases know."""
    recorded = {path.stem: json.loads(path.read_text()) for path in (REFERENCE / "releases").glob("*.json")}
    assert set(LACKING) == set(recorded)
    newest = recorded["1.39.0"]["messages"]
    for release, (_, fields) in LACKING.items():
        there = recorded[release]["messages"]
        lacking = {f"{m}.{f}" for m, names in newest.items() if m in there for f in names if f not in there[m]}
        assert set(fields.split()) == lacking
