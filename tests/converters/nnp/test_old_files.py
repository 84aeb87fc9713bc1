"""Model files of old releases of the original: their networks compute what they did."""

from __future__ import annotations

import io

import numpy as np
import pytest
from google.protobuf import text_format

import nnabla as nn
import nnabla.functions as F
from nnabla.files.renumbering import renumbered
from nnabla.utils import nnabla_pb2
from nnabla.utils.load import load
from nnabla.utils.nnp_graph import NnpLoader

from ...reference.record_old_files import FOLDER, inputs

RELEASES = ("1.14.0", "1.20.1", "1.29.0")


@pytest.mark.parametrize("extension", [".nnp", ".protobuf"])
@pytest.mark.parametrize("release", RELEASES)
def test_networks_compute_what_they_did(release, extension):
    nn.clear_parameters()
    info = load(f"{FOLDER}/{release}{extension}")
    recorded = np.load(f"{FOLDER}/{release}.npz")
    variables = info.networks["net"].variables
    variables["x"].variable_instance.d = inputs()
    found = {name: variables[name].variable_instance for name in ("y", "z")}
    nn.forward_all(list(found.values()))
    for name, y in found.items():
        np.testing.assert_allclose(y.d, recorded[name], rtol=1e-5, atol=1e-6)
    optimizer = info.optimizers["optimizer"]
    assert (optimizer.solver.name, optimizer.solver.learning_rate()) == ("Adam", 0.5)
    assert list(info.executors) == ["run"]
    assert NnpLoader(f"{FOLDER}/{release}{extension}").get_network("net", batch_size=5).outputs["y"].shape == (5, 4)


def test_numbers_of_functions_and_solvers_go_by_their_types():
    """In 1.14.0 a Dropout has the number that another function has today."""
    with open(f"{FOLDER}/1.14.0.protobuf", "rb") as file:
        data = file.read()
    changed = renumbered(data)
    assert len(changed) == len(data)
    assert renumbered(changed) is changed
    model = nnabla_pb2.NNablaProtoBuf.FromString(changed)
    for function in model.network[0].function:
        which = function.WhichOneof("parameter")
        kind = getattr(function, which).DESCRIPTOR.name if which else ""
        assert kind in ("", f"{function.type}Parameter")
    assert model.optimizer[0].solver.WhichOneof("parameter") == "adam_param"
    assert renumbered(b"\xff\xff") == b"\xff\xff"
    assert renumbered(b"") == b""


def described(text):
    model = text_format.Parse(text, nnabla_pb2.NNablaProtoBuf())
    return nn.graph_def.load(io.BytesIO(model.SerializeToString()), extension=".protobuf")


NETWORK = """
network { name: "n" batch_size: 2
  variable { name: "x" type: "Buffer" shape { dim: 2 dim: 3 } }
  variable { name: "y" type: "Buffer" shape { dim: 2 dim: 3 } }
  function { name: "f" type: "%s" input: "x" output: "y" %s }
}"""


@pytest.mark.parametrize(
    ("kind", "text", "args"),
    [
        # Without a message, the release that wrote it had no arguments yet.
        ("SoftPlus", "", {"beta": 1.0}),
        ("ReLU", "", {"inplace": False}),
        ("Softmax", "", {"axis": None}),
        ("Pad", "", {"pad_width": [], "mode": "constant", "constant_value": 0.0}),
        # In a message, what is not there is zero; but a choice has a value.
        ("SoftPlus", "softplus_param { }", {"beta": 0.0}),
        ("Pad", "pad_param { constant_value: 2 }", {"pad_width": [], "mode": "constant", "constant_value": 2.0}),
        # Numbers that mean another function belong to the one that is named.
        ("Softmax", "log_softmax_param { axis: 1 }", {"axis": 1}),
        ("Tanh", "softplus_param { beta: 3 }", {}),
    ],
)
def test_arguments_that_are_missing(kind, text, args):
    assert described(NETWORK % (kind, text))["n"].functions["f"].args == args


def test_softplus_without_its_message():
    x = nn.Variable.from_numpy_array([[-1.0, 0.0, 1.0]] * 2)
    y = described(NETWORK % ("SoftPlus", ""))["n"](x)
    z = F.softplus(x)
    nn.forward_all([y, z])
    np.testing.assert_array_equal(y.d, z.d)


def relabelled(message, old, new):
    """A binary message in which the field number `old` has become `new`."""

    def tag(number):
        value = number << 3 | 2
        return bytes((value & 0x7F | 0x80, value >> 7))

    data = message.SerializeToString()
    assert data.count(tag(old)) == 1
    return data.replace(tag(old), tag(new))


@pytest.mark.parametrize("number", [1104, 1140, 1162, 1169, 1173])
def test_numbers_that_dropout_has_had(number):
    """In 1.0.0, 1.10.0, 1.20.0, 1.30.0 and 1.39.0."""
    model = text_format.Parse(NETWORK % ("Dropout", "dropout_param { p: 0.25 seed: 7 }"), nnabla_pb2.NNablaProtoBuf())
    data = relabelled(model, 1173, number)
    graph = nn.graph_def.load(io.BytesIO(data), extension=".protobuf")
    assert graph["n"].functions["f"].args == {"p": 0.25, "seed": 7}
