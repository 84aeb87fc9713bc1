"""Parameter files of all formats: what is saved comes back, as a whole or not at all."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import textwrap
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnabla as nn
import nnabla.parametric_functions as PF
from nnabla.errors import ArgumentError, FormatError, ShapeError
from nnabla.files import messages, parameter_messages
from nnabla.files.messages import Schema
from nnabla.files.model_messages import MODEL
from nnabla.parameter_files import SAVERS

FORMATS = sorted(SAVERS)
# Other classes for the same messages, such as those that protoc generates.
ANOTHER_DEFINITION = Schema(MODEL.tables)
every_format = pytest.mark.parametrize("extension", FORMATS)


@pytest.fixture
def save(tmp_path):
    """A function that registers some parameters and saves them in a format."""
    PF.affine(nn.Variable((2, 3)), 4, name="fc")
    PF.batch_normalization(nn.Variable((2, 3, 4, 4)), name="b")
    nn.parameter.set_parameter("half", nn.Variable.from_numpy_array(np.arange(3, dtype=np.float16)))
    nn.parameter.set_parameter("scalar", nn.Variable.from_numpy_array(np.float32(3)))

    def save_as(extension):
        path = tmp_path / f"p{extension}"
        nn.save_parameters(str(path))
        return path

    return save_as


def snapshot():
    return {k: (v.need_grad, v.d.copy()) for k, v in nn.get_parameters(grad_only=False).items()}


def assert_same(found, expected, extension=".h5"):
    assert list(found) == list(expected)
    for name, (need_grad, values) in expected.items():
        assert found[name][0] == need_grad, name
        assert found[name][1].dtype == (np.float32 if extension == ".protobuf" else values.dtype), name
        np.testing.assert_array_equal(found[name][1], values)


# ---- what comes back -------------------------------------------------------------------------------------


@every_format
def test_round_trip(save, extension):
    path = save(extension)
    before = snapshot()
    nn.clear_parameters()
    nn.load_parameters(str(path))
    assert_same(snapshot(), before, extension)
    nn.load_parameters(path)
    with nn.parameter_scope("foo"):
        nn.load_parameters(path)
        assert_same(snapshot(), before, extension)


@every_format
def test_file_objects(save, extension):
    before = snapshot()
    file = io.BytesIO()
    nn.save_parameters(file, extension=extension)
    nn.clear_parameters()
    # The file stands at its start again.
    nn.load_parameters(file, extension=extension)
    assert_same(snapshot(), before, extension)
    assert not file.closed


def test_file_objects_that_cannot_seek(tmp_path):
    reading, writing = os.pipe()
    with open(reading, "rb") as reader:
        with open(writing, "wb") as writer:
            nn.save_parameters(writer, {"a": nn.Variable.from_numpy_array([1.0])}, extension=".protobuf")
        nn.load_parameters(reader, extension=".protobuf")
    assert nn.get_parameters(grad_only=False)["a"].d == [1]


@every_format
@given(
    specs=st.lists(
        st.tuples(st.lists(st.integers(0, 3), max_size=3), st.sampled_from(["f2", "f4", "f8", "i4", "u1", "?"])),
        max_size=5,
    )
)
@settings(max_examples=30, deadline=None)
def test_any_parameters_come_back(extension, specs):
    nn.clear_parameters()
    for i, (shape, dtype) in enumerate(specs):
        values = np.random.RandomState(i).randint(0, 100, shape).astype(dtype)
        nn.parameter.set_parameter(f"s{i % 2}/p{-i}", nn.Variable.from_numpy_array(values, need_grad=i % 2 == 0))
    before = snapshot()
    file = io.BytesIO()
    nn.save_parameters(file, extension=extension)
    nn.clear_parameters()
    nn.load_parameters(file, extension=extension)
    assert_same(snapshot(), before, extension)


@every_format
def test_arrays_that_are_not_contiguous(extension):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    param = nn.Variable((3, 2))
    param.data = nn.NdArray.from_torch(nn.NdArray.from_numpy_array(values).to_torch().T)
    file = io.BytesIO()
    nn.save_parameters(file, {"w": param}, extension=extension)
    nn.load_parameters(file, extension=extension)
    np.testing.assert_array_equal(nn.get_parameters(grad_only=False)["w"].d, values.T)


@every_format
def test_parameters_registered_twice(extension):
    param = nn.Variable.from_numpy_array([1.0, 2.0])
    file = io.BytesIO()
    nn.save_parameters(file, {"a/w": param, "b/w": param}, extension=extension)
    nn.load_parameters(file, extension=extension)
    assert [list(v.d) for v in nn.get_parameters(grad_only=False).values()] == [[1, 2], [1, 2]]


@every_format
def test_existing_parameters_keep_their_identity(save, extension):
    path = save(extension)
    w = nn.get_parameters()["fc/affine/W"]
    values = w.d.copy()
    w.d = 0
    nn.load_parameters(path)
    assert nn.get_parameters()["fc/affine/W"] is w
    np.testing.assert_array_equal(w.d, values)
    assert nn.get_parameters(grad_only=False)["half"].need_grad is False


def test_the_order_in_the_file_does_not_matter(tmp_path):
    a, b = (nn.Variable.from_numpy_array([value]) for value in (1.0, 2.0))
    nn.save_parameters(tmp_path / "p.protobuf", {"b": b, "a": a})
    for name in ("a", "b"):
        nn.parameter.get_parameter_or_create(name, (1,))
    nn.load_parameters(tmp_path / "p.protobuf")
    assert [(name, float(v.d[0])) for name, v in nn.get_parameters(grad_only=False).items()] == [("a", 1), ("b", 2)]


def test_no_parameters():
    for extension in FORMATS:
        file = io.BytesIO()
        nn.save_parameters(file, {}, extension=extension)
        nn.load_parameters(file, extension=extension)
        assert nn.get_parameters(grad_only=False) == {}


def test_text_and_archives(tmp_path):
    text = 'parameter { variable_name: "a/w" shape { dim: 1 dim: 2 } data: [0.5, -1] need_grad: true }\n'
    for source in (io.StringIO(text), io.BytesIO(text.encode())):
        nn.clear_parameters()
        nn.load_parameters(source)
        assert_same(snapshot(), {"a/w": (True, np.array([[0.5, -1]], np.float32))})
    nn.save_parameters(tmp_path / "p.h5", {"b": nn.Variable((2,)), "c": nn.Variable((1,))})
    with zipfile.ZipFile(tmp_path / "m.nnp", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nnp_version.txt", "0.1\n")
        archive.writestr("folder/network.nntxt", text)
        archive.write(tmp_path / "p.h5", "parameter.h5")
        archive.writestr("states.h5.optimizer", b"not looked at")
    nn.clear_parameters()
    nn.load_parameters(tmp_path / "m.nnp")
    assert list(nn.get_parameters(grad_only=False)) == ["a/w", "b", "c"]


# ---- what is refused -------------------------------------------------------------------------------------


@every_format
def test_another_shape_is_refused_and_nothing_changes(save, extension):
    path = save(extension)
    nn.clear_parameters()
    nn.parameter.get_parameter_or_create("half", (4,))
    with pytest.raises(ShapeError, match=r"load_parameters: parameter 'half' has shape \(4,\), the file has \(3,\)"):
        nn.load_parameters(path)
    assert list(nn.get_parameters()) == ["half"]


@every_format
def test_names_that_meet_scopes(save, extension):
    path = save(extension)
    nn.clear_parameters()
    with nn.parameter_scope("half"):
        nn.parameter.get_parameter_or_create("w", (4,))
    with pytest.raises(ArgumentError, match="load_parameters: parameter 'half' has the name of a scope"):
        nn.load_parameters(path)
    assert list(nn.get_parameters()) == ["half/w"]
    nn.clear_parameters()
    nn.parameter.get_parameter_or_create("fc", (4,))
    with pytest.raises(ArgumentError, match="'fc/affine/W' lies below a parameter of the current scope"):
        nn.load_parameters(path)
    assert list(nn.get_parameters()) == ["fc"]


@every_format
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "a/b"], "'a' is the name of a parameter and of a scope"),
        (["a/b/c", "a"], "'a' is the name of a parameter and of a scope"),
        (["a", "/"], "there is a parameter without a name"),
    ],
)
def test_names_that_cannot_be(tmp_path, extension, names, message):
    path = tmp_path / f"p{extension}"
    path.write_bytes(b"before")
    with pytest.raises(ArgumentError, match=f"save_parameters: {message}"):
        nn.save_parameters(path, {name: nn.Variable((1,)) for name in names})
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


@pytest.mark.parametrize(
    ("extension", "name"),
    [(".h5", "a/."), (".h5", "a\0b"), (".protobuf", "\ud800"), (".safetensors", "__metadata__")],
)
def test_names_that_a_format_cannot_hold(tmp_path, extension, name):
    with pytest.raises(ArgumentError, match="save_parameters: .*(cannot be the name|cannot hold|cannot store)"):
        nn.save_parameters(tmp_path / f"p{extension}", {"a/w": nn.Variable((1,)), name: nn.Variable((1,))})
    assert list(tmp_path.iterdir()) == []


def test_files_of_no_format_are_passed_over(tmp_path, caplog):
    """As in NNabla 1.39: extensions are told from each other by case, too; what is there stays."""
    weights = nn.parameter.get_parameter_or_create("a/w", (2,), np.array([1.0, 2.0]))
    nn.save_parameters(tmp_path / "p.h5")
    data = (tmp_path / "p.h5").read_bytes()
    weights.d = 5
    for name in ("p.foo", "P.H5", "p.NNP", "p.zip"):
        (tmp_path / name).write_bytes(data)
    for path in [str(tmp_path / name) for name in ("p.foo", "P.H5", "p.NNP", "p.zip", "nothing.foo")]:
        caplog.clear()
        assert list(nn.load_parameters(path).parameter) == []
        assert caplog.messages == [f"{path} is omitted."] and caplog.records[0].levelname == "WARNING"
        assert weights.d.tolist() == [5, 5]
    proto = nn.load_parameters(tmp_path / "p.h5", needs_proto=True)
    assert nn.load_parameters(io.BytesIO(data), proto, extension=".foo") is proto
    assert weights.d.tolist() == [1, 2]
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(IsADirectoryError, match="load_parameters: .*folder.h5' is a folder"):
        nn.load_parameters(tmp_path / "folder.h5")


def test_several_files_at_once(tmp_path):
    """All are read before anything is registered."""
    nn.parameter.set_parameter("a", nn.Variable.from_numpy_array(np.ones(2, np.float32)))
    first, second = tmp_path / "first.h5", tmp_path / "second.protobuf"
    nn.save_parameters([str(first), str(second)])
    nn.save_parameters(second, {"a": nn.Variable((2,)), "b": nn.Variable((1,))})
    nn.clear_parameters()
    proto = nn.load_parameters([str(first), str(second), str(tmp_path / "third.foo")])
    assert {name: v.d.tolist() for name, v in nn.get_parameters(grad_only=False).items()} == {"a": [0, 0], "b": [0]}
    assert [message.variable_name for message in proto.parameter] == ["a", "b"]
    nn.clear_parameters()
    with pytest.raises(FileNotFoundError):
        nn.load_parameters((first, tmp_path / "nothing.h5"))
    assert not nn.get_parameters(grad_only=False)
    assert list(nn.load_parameters([]).parameter) == []


def test_missing_files_and_unknown_formats(tmp_path):
    for extension in (*FORMATS, ".nntxt", ".nnp"):
        with pytest.raises(FileNotFoundError, match=r"load_parameters: there is no file .*nope"):
            nn.load_parameters(str(tmp_path / f"nope{extension}"))
    for path, named in ((str(tmp_path / "p"), "''"), (tmp_path, "''"), (io.BytesIO(), None)):
        with pytest.raises(ArgumentError, match=rf"the extension must be one of .*'.h5'.*, not {named}"):
            nn.load_parameters(path, extension=None)
    for path in (None, 3):
        with pytest.raises(TypeError, match=f"path must be a path, a file object or a list of them, not {path}"):
            nn.load_parameters(path)
    with pytest.raises(ArgumentError, match=r"save_parameters: the extension must be one of .*, not '.nnp'"):
        nn.save_parameters(str(tmp_path / "p.nnp"))
    with pytest.raises(ArgumentError, match=r"save_parameters: the extension must be one of .*, not None"):
        nn.save_parameters(io.BytesIO())
    for extension in FORMATS:
        with pytest.raises(FileNotFoundError, match="there is no directory"):
            nn.save_parameters(str(tmp_path / "no" / f"p{extension}"))
        with pytest.raises(TypeError, match=r"params\['a'\] must be a Variable, not int"):
            nn.save_parameters(str(tmp_path / f"p{extension}"), {"a": 3})
        with pytest.raises(TypeError, match=r"the name 3 in params must be a string"):
            nn.save_parameters(str(tmp_path / f"p{extension}"), {3: nn.Variable((1,))})
    with pytest.raises(TypeError, match="the file object must be opened in binary mode"):
        nn.load_parameters(io.StringIO(""), extension=".protobuf")
    assert list(tmp_path.iterdir()) == []


def test_too_much_for_a_message(tmp_path, monkeypatch):
    path = tmp_path / "p.protobuf"
    nn.save_parameters(path, {"w": nn.Variable((100,))})
    monkeypatch.setattr(parameter_messages, "LARGEST", 400)
    with pytest.raises(ArgumentError, match=r"save_parameters: \d+ bytes are more than a protobuf message can have"):
        nn.save_parameters(tmp_path / "q.protobuf", {"w": nn.Variable((100,))})
    monkeypatch.setattr(messages, "LARGEST", 4)
    for source in (path, io.BytesIO(path.read_bytes())):
        with pytest.raises(FormatError, match="is not a readable protobuf file: it is larger than a protobuf message"):
            nn.load_parameters(source, extension=".protobuf")
    with pytest.raises(ArgumentError, match=r"save_parameters: \d+ bytes are more than a protobuf message can have"):
        nn.save_parameters(tmp_path / "q.protobuf", {"w": nn.Variable((1,))})
    assert [p.name for p in tmp_path.iterdir()] == ["p.protobuf"]


# ---- what is said about names ----------------------------------------------------------------------------


def test_missing_and_new_names_are_said(tmp_path, caplog):
    def said():
        return [(r.levelname, r.getMessage()) for r in caplog.records if ";" in r.getMessage()]

    caplog.set_level(logging.INFO)
    path = str(tmp_path / "p.h5")
    nn.save_parameters(path, {name: nn.Variable((1,)) for name in "abcdefgh"})
    nn.load_parameters(path)
    nn.load_parameters(path)
    assert said() == []  # an empty scope, and one with the names of the file
    nn.clear_parameters()
    nn.parameter.get_parameter_or_create("h", (1,))
    nn.load_parameters(path)
    assert said() == [("INFO", f"Parameter load: {path}; new: a, b, c, d, e and 2 more")]
    nn.parameter.pop_parameter("a")
    nn.parameter.get_parameter_or_create("s/z", (1,))
    nn.load_parameters(path)
    assert said()[1:] == [("WARNING", f"Parameter load: {path}; not in it: s/z; new: a")]
    nn.clear_parameters()
    nn.parameter.get_parameter_or_create("other", (1,))
    nn.load_parameters(path)
    assert said()[2:] == [("INFO", f"Parameter load: {path}; not in it: other; new: a, b, c, d, e and 3 more")]


# ---- messages --------------------------------------------------------------------------------------------


def test_proto(save):
    messages, h5 = save(".protobuf"), save(".h5")
    names = list(nn.get_parameters(grad_only=False))

    def names_of(proto):
        return [parameter.variable_name for parameter in proto.parameter]

    assert names_of(nn.load_parameters(messages)) == names
    assert names_of(nn.load_parameters(messages, needs_proto=True)) == names
    assert names_of(nn.load_parameters(h5)) == []
    found = nn.load_parameters(h5, needs_proto=True)
    assert names_of(found) == names
    assert list(found.parameter[names.index("half")].data) == [0, 1, 2]
    proto = MODEL.message("NNablaProtoBuf")(version="x")
    assert nn.load_parameters(messages, proto) is proto
    assert (proto.version, names_of(proto)) == ("x", names)
    nn.load_parameters(h5, proto=proto, needs_proto=True)
    assert names_of(proto) == 2 * names
    foreign = ANOTHER_DEFINITION.message("NNablaProtoBuf")()
    assert nn.load_parameters(messages, foreign) is foreign
    assert names_of(foreign) == names


def test_set_parameter_from_proto(save):
    path = save(".protobuf")
    before = snapshot()
    for proto in (None, ANOTHER_DEFINITION.message("NNablaProtoBuf")()):
        found = nn.load_parameters(path, proto)
        nn.clear_parameters()
        nn.parameter.set_parameter_from_proto(found)
        assert_same(snapshot(), before, ".protobuf")
    found.parameter[-2].data.append(1)
    nn.clear_parameters()
    with pytest.raises(FormatError, match=r"set_parameter_from_proto: parameter 'half' has 4 numbers, not of shape"):
        nn.parameter.set_parameter_from_proto(found)
    assert snapshot() == {}


# ---- interruptions ---------------------------------------------------------------------------------------


@every_format
def test_a_failed_save_leaves_the_old_file(save, extension, monkeypatch):
    path = save(extension)
    before = path.read_bytes()
    bad = nn.Variable((2,))
    monkeypatch.setattr(bad.data, "_tensor", object(), raising=False)
    with pytest.raises(Exception, match="object"):
        nn.save_parameters(path, {"a": nn.Variable((3,)), "b": bad})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


KILLED = """
    import os, random, signal, sys, time
    import numpy as np
    import nnabla as nn

    path = sys.argv[1]
    w = nn.parameter.get_parameter_or_create("w", (200, 1000))
    nn.save_parameters(path)
    random.seed(0)
    for trial in range(1, 13):
        before = os.stat(path).st_ino
        child = os.fork()
        if child == 0:
            for i in range(1_000):
                w.data.fill(1_000 * trial + i)
                nn.save_parameters(path)
            os._exit(0)
        while os.stat(path).st_ino == before:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        nn.load_parameters(path)
        assert np.ptp(w.d) == 0, "a file of two saves"
        assert w.d[0, 0] >= 1_000 * trial, "the file of an earlier trial"
"""


@every_format
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path, extension):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / f"p{extension}")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    nn.load_parameters(tmp_path / f"p{extension}")
    assert nn.get_parameters()["w"].d[0, 0] >= 12_000


# ---- the layout of HDF5 files ----------------------------------------------------------------------------


def test_the_layout_is_nnablas(save):
    with h5py.File(save(".h5")) as file:
        found = {}
        file.visititems(lambda n, o: found.update({n: o}) if isinstance(o, h5py.Dataset) else None)
        assert dict(file.attrs) == {}
        assert sorted(found) == [
            "b/bn/beta",
            "b/bn/gamma",
            "b/bn/mean",
            "b/bn/var",
            "fc/affine/W",
            "fc/affine/b",
            "half",
            "scalar",
        ]
        w = found["fc/affine/W"]
        assert (w.shape, w.dtype, w.compression, w.chunks) == ((3, 4), np.float32, None, None)
        assert sorted(w.attrs) == ["index", "need_grad"]
        assert w.attrs["need_grad"].dtype == np.bool_
        assert w.attrs["index"].dtype == np.int64
        assert [found[n].attrs["index"] for n in ("fc/affine/W", "fc/affine/b", "b/bn/beta")] == [0, 1, 2]
        assert not found["b/bn/mean"].attrs["need_grad"]
