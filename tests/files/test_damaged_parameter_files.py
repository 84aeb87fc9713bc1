"""Truncated, damaged and hostile parameter files of all formats: an error that names the file, and nothing changes."""

from __future__ import annotations

import io
import zipfile
import zlib

import h5py
import numpy as np
import pytest

import nnabla as nn
from nnabla.errors import ArgumentError, FormatError
from nnabla.files.model_messages import MODEL

from ..reference.record_files import FOLDER

# Each format, with a file of the original if it has one.
SOURCES = {
    "h5": FOLDER / "parameters.h5",
    "protobuf": FOLDER / "parameters.protobuf",
    "nntxt": FOLDER / "model.nntxt",
    "nnp": FOLDER / "model.nnp",
    "nnp with messages": FOLDER / "model_messages.nnp",
    "safetensors": None,
}
every_format = pytest.mark.parametrize("kind", SOURCES)


@pytest.fixture
def whole(kind, tmp_path):
    """A sound file of the kind: a path to write to with its extension, and its bytes."""
    source = SOURCES[kind]
    if source is None:
        params = {
            "z/w": nn.Variable.from_numpy_array(np.arange(60, dtype=np.float32).reshape(3, 20), need_grad=True),
            "a": nn.Variable.from_numpy_array(np.arange(3, dtype=np.int32)),
        }
        source = tmp_path / "sound.safetensors"
        nn.save_parameters(source, params)
    return tmp_path / f"p{source.suffix}", source.read_bytes()


def load(path):
    """True if the file can be loaded; false after an error of the right kind that changed nothing."""
    nn.clear_parameters()
    try:
        nn.load_parameters(path)
    except (FormatError, ArgumentError) as error:
        assert path.name in str(error)
        assert nn.get_parameters(grad_only=False) == {}
        return False
    for param in nn.get_parameters(grad_only=False).values():
        assert param.d.shape == param.shape
    return True


@every_format
def test_truncated_files(kind, whole):
    path, data = whole
    path.write_bytes(data)
    assert load(path)
    lengths = sorted({0, 1, 7, 8, 9, *range(0, len(data) - 1, max(1, len(data) // 60))})
    loaded = []
    for length in lengths:
        path.write_bytes(data[:length])
        loaded.append(load(path))
    # A message, or a text, may end after any of its fields; other files say how long they are.
    assert sum(loaded) < (len(lengths) / 2 if kind in ("protobuf", "nntxt") else 1)


@every_format
def test_changed_bytes(kind, whole):
    """Whatever can be loaded, has arrays of the right size; anything else is refused as a whole."""
    path, data = whole
    rng = np.random.RandomState(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for position in rng.randint(len(data), size=rng.randint(1, 4)):
            damaged[position] ^= 1 << rng.randint(8)
        path.write_bytes(damaged)
        refused += not load(path)
    assert refused > 10


@every_format
def test_moved_pieces(kind, whole):
    path, data = whole
    rng = np.random.RandomState(1)
    for _ in range(60):
        start, stop, to = sorted(rng.randint(len(data), size=3))
        path.write_bytes(data[:start] + data[to:] + data[start:stop])
        load(path)


@every_format
def test_noise(kind, whole):
    path, _ = whole
    rng = np.random.RandomState(2)
    for _ in range(60):
        path.write_bytes(rng.bytes(rng.randint(1, 200)))
        load(path)


# ---- files that claim what is not so ---------------------------------------------------------------------


def refused(path, match):
    nn.clear_parameters()
    with pytest.raises(FormatError, match=match):
        nn.load_parameters(path)
    assert nn.get_parameters(grad_only=False) == {}


def test_h5_datasets_that_are_no_parameters(tmp_path):
    path = tmp_path / "p.h5"
    for content, message in (
        ({"data": np.ones(3, np.float32)}, "has no attribute need_grad"),
        ({"data": "text"}, "holds object, not numbers"),
        ({"data": np.ones(3, np.complex64)}, "holds complex64, not numbers"),
        ({"data": np.ones(3, np.longdouble)}, "parameter 'w': dtype float128 is not one of"),
        ({"data": h5py.Empty("f4")}, "dataset 'w' has no shape"),
        ({"shape": (1 << 40,), "dtype": "f4", "chunks": (1 << 20,)}, "4398046511104 bytes, but only 0 are stored"),
    ):
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset("w", **content)
            if "attribute" not in message:
                dataset.attrs["need_grad"] = True
        refused(path, message)
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=np.ones(3, np.float32)).attrs.update(need_grad=True, index="first")
    refused(path, "'w': attribute index is not a number, but object of ()")
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "w", (3,))
        file.create_virtual_dataset("w", layout).attrs["need_grad"] = True
    refused(path, "refers to other files")
    with h5py.File(path, "w") as file:
        file["w"] = h5py.ExternalLink("other.h5", "w")
        file["v"] = h5py.SoftLink("/w")
    nn.load_parameters(path)  # links are not followed
    assert nn.get_parameters(grad_only=False) == {}


def test_h5_numbers_of_another_byte_order(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file.create_dataset("w", data=np.arange(3, dtype=">f4")).attrs["need_grad"] = True
    nn.load_parameters(tmp_path / "p.h5")
    found = nn.get_parameters()["w"].d
    assert (found.dtype, found.tolist()) == (np.float32, [0, 1, 2])


def test_h5_datasets_that_share_their_bytes(tmp_path):
    path = tmp_path / "p.h5"
    with h5py.File(path, "w") as file:
        for name in "ab":
            file.create_dataset(name, data=np.full(50_000, 7, np.int32)).attrs["need_grad"] = True
        first, second = (file[name].id.get_offset() for name in "ab")
    data = path.read_bytes()
    # The second dataset's address becomes that of the first, and its own bytes are cut off.
    where = second.to_bytes(8, "little")
    assert data.count(where) == 1
    changed = bytearray(data.replace(where, first.to_bytes(8, "little"))[:second])
    end = len(data).to_bytes(8, "little")
    assert changed.count(end) == 1
    path.write_bytes(changed.replace(end, len(changed).to_bytes(8, "little")))
    refused(path, "its datasets claim 400000 bytes, more than the file has")


def message_of(*entries):
    model = MODEL.packed_message("NNablaProtoBuf")()
    for name, shape, data in entries:
        parameter = model.parameter.add(variable_name=name, data=[np.array(data, "<f4").tobytes()])
        parameter.shape.dim.extend(shape)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("a", [3], [1])], r"parameter 'a' has 1 numbers, not of shape \(3,\)"),
        ([("a", [2**62], [1])], r"parameter 'a' has 1 numbers, not of shape"),
        ([("a", [-1], [1])], "parameter 'a' has 1 dimensions"),
        ([("a", [1], [1]), ("", [1], [1])], "there is a parameter without a name"),
        ([("a", [1], [1]), ("a/b", [1], [1])], "'a' is the name of a parameter and of a scope"),
        ([("a", [1], [1]), ("/a", [2], [1, 2])], "parameter 'a' stands there twice, with different shapes"),
    ],
)
def test_messages_that_are_no_parameters(tmp_path, entries, message):
    path = tmp_path / "p.protobuf"
    path.write_bytes(message_of(*entries))
    refused(path, f"load_parameters: .*p.protobuf.*{message}")


def test_of_two_with_the_same_name_the_last_is_taken(tmp_path):
    (tmp_path / "p.protobuf").write_bytes(message_of(("a", [1], [1]), ("b", [1], [2]), ("a", [1], [3])))
    nn.load_parameters(tmp_path / "p.protobuf")
    assert [(name, float(v.d[0])) for name, v in nn.get_parameters(grad_only=False).items()] == [("a", 3), ("b", 2)]


def archive_of(members, **settings):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **settings) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_archives_that_bzip2_has_packed(tmp_path):
    """As NNabla 1.39 reads them. Nothing is unpacked beyond the size in the archive's directory."""
    path = tmp_path / "m.nnp"
    text = b'parameter { variable_name: "a" shape { dim: 1 } data: 1 }' + b"\n" * 1000
    whole = archive_of({"b.foo": b"1", "a.nntxt": text}, compression=zipfile.ZIP_BZIP2)
    for data in (whole, b"before the archive" + whole):
        path.write_bytes(data)
        nn.clear_parameters()
        nn.load_parameters(path)
        assert nn.get_parameters(grad_only=False)["a"].d.tolist() == [1]
    size = len(text).to_bytes(4, "little")
    for claimed in (0, 10, len(text) - 1, len(text) + 1):
        path.write_bytes(whole.replace(size, claimed.to_bytes(4, "little")))
        refused(path, "m.nnp' is not a readable archive: member 'a.nntxt' is not what the archive's directory says")
    path.write_bytes(whole.replace(zlib.crc32(text).to_bytes(4, "little"), bytes(4)))
    refused(path, "m.nnp' is not a readable archive: member 'a.nntxt' is not what the archive's directory says")
    path.write_bytes(whole.replace(b"BZh9", b"BZh0"))
    refused(path, "m.nnp' is not a readable archive: Invalid data stream")
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 1) + 8] |= 1
    path.write_bytes(encrypted)
    refused(path, "member 'a.nntxt' is encrypted")
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            nn.load_parameters(path)


def test_archives(tmp_path):
    path = tmp_path / "m.nnp"
    text = b'parameter { variable_name: "a" shape { dim: 1 } data: 1 }'
    path.write_bytes(archive_of({"b.h5": b"", "a.nntxt": text + b" later: 1"}))
    refused(path, "m.nnp': member 'b.h5' is not a readable HDF5 file")
    path.write_bytes(archive_of({"a.nntxt": text + b" later: 1"}))
    refused(path, 'member .a.nntxt. is not a readable model in text form: .* has no field named "later"')
    path.write_bytes(archive_of({"a.nntxt": text}, compression=zipfile.ZIP_LZMA))
    refused(path, "m.nnp': member 'a.nntxt' is packed by an unknown method")
    path.write_bytes(archive_of({"a.h5": text}))
    refused(path, "m.nnp': member 'a.h5' is not a readable HDF5 file")
    data = archive_of({"a.nntxt": bytes(1 << 20)}, compression=zipfile.ZIP_DEFLATED)
    path.write_bytes(data.replace((1 << 20).to_bytes(4, "little"), (1 << 30).to_bytes(4, "little")))
    refused(path, "member 'a.nntxt' claims 1073741824 bytes, but only [0-9]* are stored")
    encrypted = bytearray(archive_of({"a.nntxt": text}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(signature) + offset] |= 1
    path.write_bytes(encrypted)
    refused(path, "is not a readable archive: .*encrypted")
    # Ten names for the bytes of one member.
    members = {f"{i}.nntxt": text if i == 0 else b"" for i in range(10)}
    shared = bytearray(archive_of(members))
    first = shared.index(b"PK\x01\x02")
    at = first
    for _ in range(9):
        at = shared.index(b"PK\x01\x02", at + 1)
        shared[at + 16 : at + 28] = shared[first + 16 : first + 28]
        shared[at + 42 : at + 46] = shared[first + 42 : first + 46]
    path.write_bytes(shared)
    if sum(map(len, members.values())) * 10 > len(shared):
        refused(path, "its members share bytes")
    else:
        assert not load(path)
