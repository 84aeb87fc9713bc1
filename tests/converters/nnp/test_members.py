"""Archives of any members: what counts is their extensions, and in which order they stand."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.load import load
from nnabla.utils.nnp_graph import NnpLoader
from nnabla.utils.save import create_proto, save

X = np.random.RandomState(3).rand(2, 3)


@pytest.fixture
def model():
    """The text of a network, and its parameters in both formats; in the second one they are twice as large."""
    nn.clear_parameters()
    x = nn.Variable((2, 3))
    y = F.tanh(PF.affine(x, 2, name="fc"))
    contents = {
        "networks": [{"name": "net", "batch_size": 2, "outputs": {"y": y}, "names": {"x": x}}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}],
    }
    text = str(create_proto(contents)).encode()
    parameters = []
    for extension in (".h5", ".protobuf"):
        file = io.BytesIO()
        nn.save_parameters(file, extension=extension)
        parameters.append(file.getvalue())
        for param in nn.get_parameters().values():
            param.d = 2 * param.d
    nn.clear_parameters()
    return text, *parameters


def archive(tmp_path, members, compression=zipfile.ZIP_STORED):
    path = tmp_path / "m.nnp"
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            if name.endswith("/"):
                file.mkdir(name[:-1]) if hasattr(file, "mkdir") else file.writestr(name, b"")
            else:
                file.writestr(name, data)
    return path


def outputs(path):
    """What a file computes by each of the ways to load it."""
    found = []
    nn.clear_parameters()
    variables = load(path).networks["net"].variables
    variables["x"].variable_instance.d = X
    found.append(variables["y"].variable_instance)
    network = NnpLoader(path).get_network("net")
    network.inputs["x"].d = X
    found.append(network.outputs["y"])
    found.append(nn.graph_def.load(path)(nn.Variable.from_numpy_array(X)))
    nn.forward_all(found)
    for y in found[1:]:
        np.testing.assert_array_equal(y.d, found[0].d)
    return found[0].d


def expected(data, extension):
    nn.clear_parameters()
    if data is None:
        return np.zeros((2, 2))
    nn.load_parameters(io.BytesIO(data), extension=extension)
    params = nn.get_parameters()
    return np.tanh(X @ params["fc/affine/W"].d + params["fc/affine/b"].d)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_members_by_extension(tmp_path, model, compression):
    text, h5, messages = model
    for members, which in [
        ([("a.nntxt", text), ("b.h5", h5)], (h5, ".h5")),
        # Folders, their entries, other members, any order.
        ([("z/p.h5", h5), ("notes.md", b"#"), ("z/", b""), ("q/r/a.prototxt", text)], (h5, ".h5")),
        # The last value of a parameter counts.
        ([("a.nntxt", text), ("1.h5", h5), ("2.protobuf", messages)], (messages, ".protobuf")),
        ([("a.nntxt", text), ("1.protobuf", messages), ("2.h5", h5)], (h5, ".h5")),
        # Without parameters they are zero. Extensions in capitals are others.
        ([("a.nntxt", text)], (None, "")),
        ([("a.nntxt", text), ("b.H5", h5)], (None, "")),
    ]:
        np.testing.assert_allclose(
            outputs(archive(tmp_path, members, compression)), expected(*which), rtol=1e-6, atol=1e-7
        )


def test_models_in_one_message(tmp_path, model):
    """Networks and parameters, in a file of their own or in an archive."""
    text, h5, _ = model
    (tmp_path / "m.nntxt").write_bytes(text)
    (tmp_path / "p.h5").write_bytes(h5)
    files = [tmp_path / "m.nntxt", tmp_path / "p.h5"]
    values = expected(h5, ".h5")
    np.testing.assert_allclose(outputs(files), values, rtol=1e-6)
    graph = nn.graph_def.load(files)
    for extension in (".protobuf", ".prototxt", ".nntxt"):
        path = tmp_path / f"whole{extension}"
        graph.save(path, include_parameter=True)
        np.testing.assert_allclose(outputs(path), values, rtol=1e-6)
        member = archive(tmp_path, [(f"whole{extension}", path.read_bytes())])
        np.testing.assert_allclose(outputs(member), values, rtol=1e-6)


def test_parameters_that_a_file_has_beyond_its_networks(tmp_path, model):
    text, _, _ = model
    nn.clear_parameters()
    nn.parameter.set_parameter("other/w", nn.Variable.from_numpy_array([1.0, 2.0]))
    file = io.BytesIO()
    nn.save_parameters(file, extension=".h5")
    path = archive(tmp_path, [("a.nntxt", text), ("b.h5", file.getvalue())])
    nn.clear_parameters()
    info = load(path)
    assert list(nn.get_parameters(grad_only=False)) == ["other/w", "fc/affine/W", "fc/affine/b"]
    save(tmp_path / "n.nnp", {"networks": []})
    assert list(nn.graph_def.load(tmp_path / "n.nnp").get_parameters()) == ["other/w", "fc/affine/W", "fc/affine/b"]
    assert list(info.networks["net"].parameters) == ["fc/affine/W", "fc/affine/b"]
