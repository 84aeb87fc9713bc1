"""Parameters in .safetensors files: those of other frameworks, and what this package says in its own."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import safetensors.torch
import torch

import nnabla as nn
from nnabla.errors import ArgumentError, FormatError


def load(data: bytes):
    nn.clear_parameters()
    nn.load_parameters(io.BytesIO(data), extension=".safetensors")
    return nn.get_parameters(grad_only=False)


def file_of(header: dict | str | bytes, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    text = text.encode() if isinstance(text, str) else text
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2],
    ids=str,
)
def test_floating_point_of_others(dtype):
    values = torch.tensor([[0.5, -1.25, 448.0], [0.0, 2.0, -3.0]]).to(dtype)
    found = load(safetensors.torch.save({"model.layer.0.weight": values, "none": values[:0]}, {"format": "pt"}))
    assert list(found) == ["model.layer.0.weight", "none"]
    param = found["model.layer.0.weight"]
    assert (param.need_grad, param.d.dtype) == (True, np.float64 if dtype is torch.float64 else np.float32)
    np.testing.assert_array_equal(param.d, values.double().numpy())
    assert (found["none"].shape, found["none"].d.dtype) == ((0, 3), param.d.dtype)


def test_integers_of_others():
    types = [torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32, torch.int64, torch.bool]
    tensors = {str(dtype): torch.tensor([0, 1, 1]).to(dtype) for dtype in types}
    for name, param in load(safetensors.torch.save(tensors)).items():
        assert param.need_grad is False
        assert param.d.dtype == tensors[name].numpy().dtype
        assert list(param.d) == [0, 1, 1]


def test_truth_values_are_zero_and_one():
    found = load(file_of({"a": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\x00\x01\x07"))
    assert found["a"].data.to_torch().to(torch.uint8).tolist() == [0, 1, 1]


def test_the_order_is_that_of_the_header():
    entries = {name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, name in enumerate("cab")}
    found = load(file_of(entries, np.array([3, 1, 2], "<f4").tobytes()))
    assert [(name, float(param.d[0])) for name, param in found.items()] == [("c", 3), ("a", 1), ("b", 2)]


def test_other_frameworks_read_what_is_written_here(tmp_path):
    path = tmp_path / "p.safetensors"
    params = {
        "b/w": nn.Variable.from_numpy_array(np.arange(6, dtype=np.float32).reshape(2, 3), need_grad=True),
        "a": nn.Variable.from_numpy_array(np.array([0.5], np.float16)),
        "c": nn.Variable.from_numpy_array(np.int64(7)),
    }
    nn.save_parameters(path, params)
    found = safetensors.torch.load_file(path)
    assert {name: (t.dtype, t.tolist()) for name, t in found.items()} == {
        "b/w": (torch.float32, [[0, 1, 2], [3, 4, 5]]),
        "a": (torch.float16, [0.5]),
        "c": (torch.int64, 7),
    }
    with safetensors.safe_open(path, "np") as file:
        metadata = file.metadata()
    assert metadata["format"] == "np"
    flags = json.loads(metadata["nnabla_need_grad"])
    assert list(flags.items()) == [("b/w", True), ("a", False), ("c", False)]
    # Back here, in the order and the types of before.
    nn.load_parameters(path)
    assert [(name, p.need_grad, p.d.dtype.name) for name, p in nn.get_parameters(grad_only=False).items()] == [
        ("b/w", True, "float32"),
        ("a", False, "float16"),
        ("c", False, "int64"),
    ]


NAMES = {"fc/affine/b": "fc.bias", "conv/W": "features.0.weight"}


def test_names_of_another_framework(tmp_path):
    """One map for both ways: what PyTorch saves is read, and it reads what is written here."""
    theirs = {name: torch.randn(3, 2) for name in (*NAMES.values(), "other")}
    safetensors.torch.save_file(theirs, tmp_path / "theirs.safetensors")
    nn.load_parameters(tmp_path / "theirs.safetensors", names=NAMES)
    found = nn.get_parameters(grad_only=False)
    assert set(found) == {*NAMES, "other"}
    for name, param in found.items():
        np.testing.assert_array_equal(param.d, theirs[NAMES.get(name, name)].numpy())
    nn.save_parameters(tmp_path / "ours.safetensors", names=NAMES)
    written = safetensors.torch.load_file(tmp_path / "ours.safetensors")
    assert written.keys() == theirs.keys()
    assert all(torch.equal(written[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("extension", [".h5", ".protobuf"])
def test_names_in_other_formats(tmp_path, extension):
    params = {"a/w": nn.Variable.from_numpy_array(np.float32([1, 2])), "b": nn.Variable.from_numpy_array([3.0])}
    nn.save_parameters(tmp_path / f"p{extension}", params, names={"a/w": "b", "b": "a"})
    nn.load_parameters(tmp_path / f"p{extension}", names={"c": "b"})
    assert {name: p.d.tolist() for name, p in nn.get_parameters(grad_only=False).items()} == {"c": [1, 2], "a": [3]}


def test_names_that_do_not_fit(tmp_path):
    path = tmp_path / "p.safetensors"
    params = {name: nn.Variable.from_numpy_array([1.0]) for name in "ab"}
    for names, message in (
        ({"c": "d"}, "names has 'c', and there is no parameter of that name"),
        ({"a": "b"}, "names gives 2 parameters the name 'b'"),
        ({"a": "b/y"}, "names: 'b' is the name of a parameter and of a scope"),
    ):
        with pytest.raises(ArgumentError, match=f"save_parameters: {message}"):
            nn.save_parameters(path, params, names=names)
        assert not path.exists()
    nn.save_parameters(path, params)
    for names, message in (
        ({"c": "d"}, "names has 'd', and there is no parameter of that name"),
        ({"b": "a"}, "names gives 2 parameters the name 'b'"),
        ({"c": "a", "d": "a"}, "names gives two parameters the same name in the file"),
        ({"b/y": "a"}, "names: 'b' is the name of a parameter and of a scope"),
    ):
        with pytest.raises(ArgumentError, match=f"load_parameters: {message}"):
            nn.load_parameters(path, names=names)
        assert not nn.get_parameters(grad_only=False)


def test_bfloat16_is_saved_as_float32(tmp_path):
    param = nn.Variable((2,))
    param.data = nn.NdArray.from_torch(torch.tensor([1.5, -3.0], dtype=torch.bfloat16))
    for extension in (".h5", ".protobuf", ".safetensors"):
        nn.clear_parameters()
        nn.save_parameters(tmp_path / f"p{extension}", {"w": param})
        nn.load_parameters(tmp_path / f"p{extension}")
        found = nn.get_parameters(grad_only=False)["w"].d
        assert (found.dtype, found.tolist()) == (np.float32, [1.5, -3])


def test_metadata_of_renamed_parameters():
    """A tool that renames tensors and keeps the metadata: those left come first, in the order of the metadata."""
    flags = {"gone": False, "b": False, "a": True}
    entries = {name: {"dtype": "I8", "shape": [1], "data_offsets": [i, i + 1]} for i, name in enumerate("nab")}
    found = load(file_of({"__metadata__": {"nnabla_need_grad": json.dumps(flags)}, **entries}, b"123"))
    assert {name: (param.need_grad, int(param.d[0])) for name, param in found.items()} == {
        "b": (False, ord("3")),
        "a": (True, ord("2")),
        "n": (False, ord("1")),
    }
    assert list(found) == ["b", "a", "n"]


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
NOT_READABLE = "load_parameters: the file object is not a readable .safetensors file"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", NOT_READABLE),
        (b"[]", NOT_READABLE),
        (b'{"a":' * 10_000, NOT_READABLE),
        (b"\xff\xff", NOT_READABLE),
        ({"a": {**ONE, "shape": [2]}}, NOT_READABLE),
        ({"a": {**ONE, "data_offsets": [0, 2**40]}}, NOT_READABLE),
        ({"a": {**ONE, "data_offsets": [4, 0]}}, NOT_READABLE),
        ({"a": {**ONE, "shape": [-1]}}, NOT_READABLE),
        ({"a": ONE, "b": ONE}, NOT_READABLE),
        ({"a": {**ONE, "shape": [2**62, 2**62]}}, NOT_READABLE),
        ({"a": {**ONE, "dtype": "object"}}, NOT_READABLE),
        ({"a": {**ONE, "shape": [1] * 65}}, r"parameter 'a' has shape \[1, 1.*dimension"),
        (
            {"a": {"dtype": "C64", "shape": [], "data_offsets": [0, 8]}},
            "is of type C64, not one of|variant `C64`|invalid JSON in header",
        ),
        ({"/": ONE}, "there is a parameter without a name"),
        ({"__metadata__": {"nnabla_need_grad": "{"}, "a": ONE}, "metadata 'nnabla_need_grad' is not JSON"),
        ({"__metadata__": {"nnabla_need_grad": "[" * 10**5}, "a": ONE}, "metadata 'nnabla_need_grad' is not JSON"),
        ({"__metadata__": {"nnabla_need_grad": '{"a": 1}'}, "a": ONE}, "does not say true or false for each name"),
        ({"__metadata__": {"nnabla_need_grad": "[]"}, "a": ONE}, "does not say true or false for each name"),
    ],
)
def test_hostile_headers(header, message):
    size = 8 if isinstance(header, dict) and header.get("a", ONE)["dtype"] == "C64" else 4
    with pytest.raises(FormatError, match=message):
        load(file_of(header, bytes(size)))
    assert nn.get_parameters(grad_only=False) == {}


@pytest.mark.parametrize("data", [b"", b"\x00" * 7, b"\xff" * 8, b"\xff" * 16, (2**40).to_bytes(8, "little") + b"{}"])
def test_hostile_lengths(data):
    with pytest.raises(FormatError, match=NOT_READABLE):
        load(data)
