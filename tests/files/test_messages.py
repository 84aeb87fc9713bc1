"""Protobuf messages from tables, and arrays in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from google.protobuf import text_format

from nnabla.errors import ArgumentError, FormatError
from nnabla.files import messages, solver_messages
from nnabla.files.messages import Schema
from nnabla.files.model_messages import MODEL, get_array, put_array
from nnabla.graph.operator import registry
from nnabla.utils import nnabla_pb2

from ..reference import record_messages

SCHEMA = Schema(
    lambda: {
        "Leaf": [("x", 1, "double"), ("ok", 2, "bool"), ("raw", 3, "bytes")],
        "Tree": [
            ("name", 1, "string"),
            ("leaf", 2, "repeated Leaf"),
            ("by_name", 3, "map Leaf"),
            ("a", 4, "oneof kind Leaf"),
            ("b", 5, "oneof kind int64"),
            ("c", 6, "oneof other uint32"),
            ("numbers", 7, "array"),
            ("few", 8, "repeated float"),
        ],
    }
)


def test_every_kind_of_field():
    tree = SCHEMA.message("Tree")(name="t", numbers=[1, 2], few=[0.5])
    tree.leaf.add(x=0.1, ok=True, raw=b"\xff")
    tree.by_name["k"].x = 2
    tree.a.ok = True
    tree.b = 7
    tree.c = 3
    assert (tree.WhichOneof("kind"), tree.WhichOneof("other"), tree.HasField("a")) == ("b", "c", False)
    data = messages.serialize(tree, "test")
    copy = SCHEMA.message("Tree")()
    messages.parse(copy, data, "test")
    assert copy == tree
    copy.Clear()
    messages.parse_text(copy, text_format.MessageToString(tree).encode(), "test")
    assert copy == tree
    packed = SCHEMA.packed_message("Tree").FromString(data)
    assert packed.numbers == [np.array([1, 2], "<f4").tobytes()]
    assert list(packed.few) == [0.5]
    assert messages.serialize(packed, "test") == data


def test_wire_format():
    """Worked by hand: tag = number * 8 + wire type (0 varint, 1 64 bits, 2 length and bytes)."""
    tree = SCHEMA.message("Tree")(name="ab", b=300, numbers=[1])
    assert tree.SerializeToString() == b"\x0a\x02ab" + b"\x28\xac\x02" + b"\x3a\x04\x00\x00\x80\x3f"
    leaf = SCHEMA.message("Leaf")(x=1, ok=True)
    assert leaf.SerializeToString() == b"\x09" + np.array(1, "<f8").tobytes() + b"\x10\x01"


def test_schemas_do_not_meet():
    other = Schema({"Leaf": [("y", 1, "string")]})
    assert other.message("Leaf")(y="a").SerializeToString() == b"\x0a\x01a"
    assert "x" in SCHEMA.message("Leaf").DESCRIPTOR.fields_by_name
    assert SCHEMA.message("Leaf") is SCHEMA.message("Leaf")


def test_damage():
    leaf = SCHEMA.message("Leaf")()
    with pytest.raises(FormatError, match="^here: "):
        messages.parse(leaf, b"\x09\x00", "here")
    for text in (b"x: {", b"\xff", b"x: 1 x: 2", b"x: 1 later { deeper: [1, 2] }", b"later {" * 100_000):
        with pytest.raises(FormatError, match="^here: "):
            messages.parse_text(leaf, text, "here")
    leaf.Clear()
    messages.parse_text(leaf, b"x: 1", "here")
    assert leaf.x == 1


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_arrays(shape):
    values = np.asarray(np.random.RandomState(0).standard_normal(shape), np.float32)
    packed = MODEL.packed_message("Parameter")()
    put_array(packed, values.astype(">f8"))
    assert packed.HasField("shape")
    message = MODEL.message("Parameter").FromString(packed.SerializeToString())
    assert (list(message.shape.dim), list(message.data)) == (list(shape), values.ravel().tolist())
    found = get_array(packed, "here")
    assert (found.shape, found.dtype, found.flags.writeable) == (shape, np.float32, True)
    np.testing.assert_array_equal(found, values)


def test_arrays_that_other_writers_split():
    numbers = np.array([1.5, -2, 3], "<f4")
    shape = b"\xa2\x01\x03\x0a\x01\x03"
    # Field 100, in two packed pieces; and not packed (wire type 5, 32 bits).
    for data in (
        b"\xa2\x06\x08" + numbers[:2].tobytes() + b"\xa2\x06\x04" + numbers[2:].tobytes(),
        b"".join(b"\xa5\x06" + number.tobytes() for number in numbers),
    ):
        packed = MODEL.packed_message("Parameter").FromString(shape + data)
        np.testing.assert_array_equal(get_array(packed, "here"), numbers)


@pytest.mark.parametrize(
    ("shape", "data", "message"),
    [
        ([2], [bytes(4)], r"here has 1 numbers, not of shape \(2,\)"),
        ([], [bytes(8)], r"here has 2 numbers, not of shape \(\)"),
        ([-1, -1], [bytes(4)], "here has 2 dimensions: .-1, -1"),
        ([1], [bytes(5)], "here has 5 bytes, which are not float32 numbers"),
        ([2**62, 2**62], [bytes(4)], "here has 1 numbers, not of shape"),
        ([0, 2**62], [], "here has shape .*too (big|large)"),
        ([1] * 65, [bytes(4)], "here has 65 dimensions"),
        ([2**62] * 100_000, [bytes(4)], "here has 100000 dimensions"),
    ],
)
def test_arrays_that_are_none(shape, data, message):
    packed = MODEL.packed_message("Parameter")(data=data)
    packed.shape.dim.extend(shape)
    with pytest.raises(FormatError, match=message):
        get_array(packed, "here")


def test_too_large(monkeypatch):
    monkeypatch.setattr(messages, "LARGEST", 10)
    leaf = SCHEMA.message("Leaf")(raw=bytes(8))
    assert len(messages.serialize(leaf, "here")) == 10
    leaf.raw += b"x"
    with pytest.raises(ArgumentError, match=r"here: 11 bytes are more than a protobuf message can have \(10\)"):
        messages.serialize(leaf, "here")


def test_the_model_is_sound():
    for name, fields in MODEL.tables.items():
        assert MODEL.message(name).DESCRIPTOR.name == MODEL.packed_message(name).DESCRIPTOR.name == name
        for index in (0, 1):
            values = [field[index] for field in fields]
            assert len(set(values)) == len(values), name
    arrays = [name for name, fields in MODEL.tables.items() if "array" in [kind for _, _, kind in fields]]
    assert arrays == ["Parameter", "SolverStateParameter"]
    assert MODEL.message("Solver").DESCRIPTOR.oneofs_by_name["parameter"].fields[0].name == "sgd_param"


def test_the_pure_python_implementation_of_protobuf():
    """Where protobuf has no compiled part, the same bytes come out."""
    code = (
        "import json, numpy as np\n"
        "from google.protobuf.internal import api_implementation\n"
        "from nnabla.files import solver_messages as m\n"
        "data = m.serialized({'x': (3, {'m': np.arange(3, dtype=np.float32)})})\n"
        "t, arrays = m.parsed(data, 'data')['x']\n"
        "print(json.dumps([api_implementation.Type(), data.hex(), t, arrays['m'].tolist()]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    expected = solver_messages.serialized({"x": (3, {"m": np.arange(3, dtype=np.float32)})})
    assert json.loads(run.stdout) == ["python", expected.hex(), 3, [0, 1, 2]]


def test_messages_are_those_of_the_original():
    recorded = json.loads(record_messages.FILE.read_text())
    found = json.loads(json.dumps(record_messages.messages(nnabla_pb2)))
    assert list(found) == list(recorded)
    for name, fields in recorded.items():
        assert found[name] == fields, name


def test_numbers_of_functions_are_their_own():
    numbers = [cls.declaration.number for cls in registry.values()]
    assert sorted(numbers) == list(range(1001, 1229))


def test_module_of_messages():
    model = nnabla_pb2.NNablaProtoBuf()
    function = model.network.add(name="n").function.add(name="f", type="Affine")
    function.affine_param.base_axis = 2
    assert function.WhichOneof("parameter") == "affine_param"
    function.relu_param.inplace = True
    assert (function.WhichOneof("parameter"), function.HasField("affine_param")) == ("relu_param", False)
    copy = nnabla_pb2.NNablaProtoBuf.FromString(model.SerializeToString())
    assert copy == model
    assert "NNablaProtoBuf" in nnabla_pb2.__all__
    with pytest.raises(AttributeError, match="module 'nnabla.utils.nnabla_pb2' has no attribute 'Nothing'"):
        _ = nnabla_pb2.Nothing


def test_a_schema_is_extended_before_it_is_used():
    schema = Schema({"A": [("x", 1, "int64")]})
    schema.extend(lambda: {"A": [("b", 2, "B")], "B": []})
    assert [field.name for field in schema.message("A").DESCRIPTOR.fields] == ["x", "b"]
    with pytest.raises(RuntimeError, match="Schema.extend: the classes are made already"):
        schema.extend({"C": []})
