"""Files that would become far more than they are: refused by name, at once, before memory is taken.

The inputs here are just over what our own readers allow, or small ones of the kinds that once cost gigabytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

import nnabla as nn
from nnabla.errors import ArgumentError, FormatError, ShapeError
from nnabla.files.expansion import MESSAGES, NUMBERS, TEXT, Allowance
from nnabla.files.messages import Schema, parse
from nnabla.files.model_messages import MODEL
from nnabla.files.stored import LARGEST_DEPTH, checked_names
from nnabla.solvers import states

from .test_damaged_parameter_files import archive_of, message_of, refused

ROOT = Path(__file__).resolve().parents[2]


# ---- what is packed --------------------------------------------------------------------------------------


def test_an_allowance_grows_with_what_is_stored():
    allowance = Allowance(free=1000, ratio=10)
    allowance.check(1020, 2, "f")
    with pytest.raises(FormatError, match="^f claims 1021 bytes, but only 2 are stored, for at most 1020$"):
        allowance.check(1021, 2, "f")


def dataset_of(path, array, chunk=None, **settings):
    """A file with the dataset `w`; `chunk` are the bytes of its only chunk as they shall stand in the file."""
    with h5py.File(path, "w") as file:
        chunks = settings.pop("chunks", array.shape)
        dataset = file.create_dataset("w", shape=array.shape, dtype=array.dtype, chunks=chunks, **settings)
        dataset.attrs["need_grad"] = True
        if chunk is None:
            dataset[...] = array
        else:
            dataset.id.write_direct_chunk((0,) * array.ndim, chunk)


def loaded(path):
    nn.clear_parameters()
    nn.load_parameters(path)
    return nn.get_parameters(grad_only=False)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"fletcher32": True},
        {"compression": "gzip", "chunks": (3, 4)},
        {"maxshape": (None, None), "chunks": (1000, 1000), "compression": "gzip"},
    ],
)
def test_packed_h5_datasets(tmp_path, settings):
    array = np.random.RandomState(0).randn(7, 9).astype(np.float32)
    dataset_of(tmp_path / "p.h5", array, **settings)
    np.testing.assert_array_equal(loaded(tmp_path / "p.h5")["w"].d, array)


def test_a_chunk_may_be_left_out(tmp_path):
    """HDF5 writes no chunk that nobody filled: it holds zeros."""
    with h5py.File(tmp_path / "p.h5", "w") as file:
        dataset = file.create_dataset("w", shape=(100,), dtype="f4", chunks=(10,))
        dataset.attrs["need_grad"] = True
        dataset[35:45] = 1
    assert np.flatnonzero(loaded(tmp_path / "p.h5")["w"].d).tolist() == list(range(35, 45))


def test_h5_chunks_far_larger_than_their_dataset(tmp_path):
    array = np.ones(10, np.float32)
    chunks = (NUMBERS.free // 4 + 10_000,)
    dataset_of(tmp_path / "p.h5", array, zlib.compress(bytes(100)), maxshape=(None,), chunks=chunks, compression="gzip")
    refused(tmp_path / "p.h5", r"dataset 'w', of 1 chunks, claims \d+ bytes, but only \d+ are stored")


def test_h5_chunks_that_become_more_than_they_should(tmp_path):
    array = np.zeros(256, np.uint8)
    for chunk, length in ((zlib.compress(bytes(4096)), 261), (zlib.compress(bytes(100)), 100)):
        dataset_of(tmp_path / "p.h5", array, chunk, compression="gzip")
        refused(tmp_path / "p.h5", rf"dataset 'w' has a chunk of {length} bytes at \(0,\), not of 256")
    dataset_of(tmp_path / "p.h5", array, b"no stream", compression="gzip")
    refused(tmp_path / "p.h5", "p.h5' is not a readable HDF5 file")


def test_h5_datasets_of_more_chunks_than_the_file_holds(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        dataset = file.create_dataset("w", shape=(100_000,), dtype="u1", chunks=(1,))
        dataset.attrs["need_grad"] = True
        dataset[0] = 1
    refused(tmp_path / "p.h5", "dataset 'w', of 100000 chunks, claims [0-9]+ bytes")


def test_h5_filters(tmp_path):
    array = np.arange(64, dtype=np.int32)
    for settings, name in (({"compression": "lzf"}, "lzf"), ({"scaleoffset": 0}, "scaleoffset")):
        dataset_of(tmp_path / "p.h5", array, **settings)
        refused(tmp_path / "p.h5", f"dataset 'w' is packed by {name}, not by deflate")
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((64,))
    for _ in range(2):
        properties.set_deflate(9)
    with h5py.File(tmp_path / "p.h5", "w") as file:
        space = h5py.h5s.create_simple((64,))
        twice = h5py.Dataset(h5py.h5d.create(file.id, b"w", h5py.h5t.NATIVE_INT32, space, properties))
        twice.attrs["need_grad"] = True
        twice[...] = array
    refused(tmp_path / "p.h5", "dataset 'w' is packed by deflate, deflate, not by deflate")


def test_h5_datasets_count_together(tmp_path):
    chunk = zlib.compress(bytes(NUMBERS.free // 2))
    with h5py.File(tmp_path / "p.h5", "w") as file:
        for name in "abcdefg":
            length = NUMBERS.free // 2
            dataset = file.create_dataset(name, shape=(length,), dtype="u1", chunks=(length,), compression="gzip")
            dataset.id.write_direct_chunk((0,), chunk)
            dataset.attrs["need_grad"] = True
    refused(tmp_path / "p.h5", r"p.h5' claims \d+ bytes, but only \d+ are stored")


@pytest.mark.parametrize(
    ("member", "allowance"), [("a.nntxt", TEXT), ("a.prototxt", TEXT), ("a.protobuf", MESSAGES), ("a.h5", NUMBERS)]
)
def test_members_of_archives(tmp_path, member, allowance):
    content = bytes(allowance.free * 9 // 8)
    path = tmp_path / "m.nnp"
    path.write_bytes(archive_of({member: content}, compression=zipfile.ZIP_DEFLATED))
    refused(path, f"m.nnp': member '{member}' claims {len(content)} bytes, but only [0-9]+ are stored")
    half = bytes(allowance.free * 2 // 3)
    path.write_bytes(archive_of({member: half, f"b{member}": half}, compression=zipfile.ZIP_DEFLATED))
    refused(path, f"m.nnp' claims {2 * len(half)} bytes, but only [0-9]+ are stored")


def test_a_packed_file_in_an_archive_counts_as_it_is_packed_there(tmp_path):
    """Within an archive, a file of many equal chunks is short: what it may become goes by that."""
    with h5py.File(tmp_path / "p.h5", "w") as file:
        length = 1 << 20
        dataset = file.create_dataset("w", shape=(40 * length,), dtype="u1", chunks=(length,), compression="gzip")
        chunk = zlib.compress(np.random.RandomState(0).bytes(length // 64) + bytes(length - length // 64))
        for i in range(40):
            dataset.id.write_direct_chunk((i * length,), chunk)
        dataset.attrs["need_grad"] = True
    data = (tmp_path / "p.h5").read_bytes()
    assert len(loaded(tmp_path / "p.h5")["w"].d) == 40 * length
    (tmp_path / "m.nnp").write_bytes(archive_of({"p.h5": data}, compression=zipfile.ZIP_DEFLATED))
    packed = zipfile.ZipFile(tmp_path / "m.nnp").infolist()[0].compress_size
    assert 100 * packed + NUMBERS.free < 40 * length
    refused(tmp_path / "m.nnp", r"member 'p.h5' claims \d+ bytes, but only \d+ are stored")


# ---- many small things -----------------------------------------------------------------------------------


def test_messages_that_hold_almost_nothing(tmp_path):
    path = tmp_path / "p.protobuf"
    path.write_bytes(b"\xa2\x06\x00" * 20_000)  # empty networks
    refused(path, "p.protobuf' is not a readable protobuf file: it holds more than 17500 messages in 60000 bytes")
    path.write_bytes(b"\xc2\x0c\x00" * 20_000)  # empty parameters
    refused(path, "p.protobuf': parameter '' has 0 numbers, not of shape ()")
    path.write_bytes(b"\xc2\x0c\x04\xa2\x01\x02\x0a\x00" * 20_000)  # whose shape is broken
    refused(path, "p.protobuf'")
    networks = MODEL.message("NNablaProtoBuf")()
    for _ in range(20_000):
        networks.network.add(name="network of ten", batch_size=1)
    path.write_bytes(networks.SerializeToString())
    assert loaded(path) == {}
    inner = MODEL.message("NNablaProtoBuf")()
    for _ in range(20_000):
        inner.network.add() if not inner.network else inner.network[0].variable.add()
    path.write_bytes(inner.SerializeToString())
    refused(path, "it holds more than 1[0-9]{4} messages")
    path = tmp_path / "s.protobuf"
    path.write_bytes(b"\xf2\x01" + b"\xe0\xd4\x03" + b"\xc2\x02\x00" * 20_000)
    with pytest.raises(FormatError, match="s.protobuf' is not a readable file of solver states: it holds more than 17"):
        states.load(path)


def test_density_is_counted_in_maps_and_passes_over_what_it_does_not_know():
    schema = Schema(
        {"A": [("b", 1, "map B"), ("s", 2, "repeated string"), ("f", 3, "map float")], "B": [("n", 1, "int64")]}
    )
    assert schema.inner == {"A": {1: "A.b", 3: "A.f"}, "A.b": {2: "B"}, "A.f": {}, "B": {}}
    message = schema.message("A")
    entry = b"\x0a\x02\x12\x00"
    with pytest.raises(FormatError, match="^w: it holds more than 15000 messages in 40000 bytes$"):
        parse(message(), entry * 10_000, "w", schema)
    parse(message(), entry * 1000, "w", schema)
    strings = message()
    parse(strings, b"\x12\x00" * 40_000, "w", schema)
    assert len(strings.s) == 40_000
    # Fields of all kinds that the schema lacks, with a length of more than one byte among them.
    others = b"\x78\x96\x01" + b"\x79" + bytes(8) + b"\x7d" + bytes(4) + b"\x7a\x80\x01" + bytes(128) + b"\x12\x01s"
    found = message()
    parse(found, others, "w", schema)
    assert list(found.s) == ["s"]
    for cut in range(1, len(others)):
        try:
            parse(message(), others[:cut], "w", schema)
        except FormatError as error:
            assert str(error).startswith("w: ")


# ---- names and groups ------------------------------------------------------------------------------------


def deep(parts):
    return "/".join(["a"] * parts)


@pytest.mark.parametrize("extension", [".h5", ".protobuf", ".safetensors"])
def test_names_of_many_parts(tmp_path, extension):
    path = tmp_path / f"p{extension}"
    params = {deep(LARGEST_DEPTH): nn.Variable.from_numpy_array(np.ones(2, np.float32))}
    nn.save_parameters(path, params)
    assert list(loaded(path)) == list(params)
    params = {deep(LARGEST_DEPTH + 1): nn.Variable((2,))}
    match = r"parameter 'a/a/.*\.\.\..*a \(513 characters\)' has 257 parts, more than the 256 allowed"
    with pytest.raises(ArgumentError, match=f"save_parameters: {match}"):
        nn.save_parameters(path, params)
    if extension == ".h5":
        dataset_in_groups(path, deep(LARGEST_DEPTH + 1))
    else:
        name = deep(LARGEST_DEPTH + 1)
        path.write_bytes(message_of((name, [1], [1])) if extension == ".protobuf" else tensor_named(name))
    refused(path, f"p{extension}'.*{match}")


def dataset_in_groups(path, name):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=np.ones(1, np.float32)).attrs["need_grad"] = True


def tensor_named(name, shape=(1,)):
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def test_groups_nested_deeply(tmp_path):
    dataset_in_groups(tmp_path / "p.h5", deep(LARGEST_DEPTH + 40))
    refused(tmp_path / "p.h5", r"p.h5': group 'a/a.*\(513 characters\)' is more than 256 levels deep")
    with pytest.raises(FormatError, match=r"load_states: .*p.h5': group 'a/a.* is more than 256 levels deep"):
        states.load(tmp_path / "p.h5")


def test_groups_in_circles_and_datasets_of_several_names(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file.create_dataset("b/w", data=np.ones(1, np.float32)).attrs["need_grad"] = True
        file["b/again"] = file["b"]
        file["b/v"] = file["b/w"]
        file["a"] = file["/"]
        for i in range(40):  # 2 ** 40 paths, 41 groups
            file.create_group(f"g{i}")
        for i in range(39):
            file[f"g{i}/x"] = file[f"g{i}/y"] = file[f"g{i + 1}"]
    assert list(loaded(tmp_path / "p.h5")) == ["b/v"]


def test_checked_names_find_a_parameter_above_others():
    assert checked_names(["a", "b//c/", "b/d", "a b/c", "a\0/b"]) == ["a", "b/c", "b/d", "a b/c", "a\0/b"]
    for names in (["a/b/c", "a/b"], ["a", "a b", "a/b"], ["x/" * 90 + "y", "x/" * 45 + "x"]):
        with pytest.raises(ArgumentError, match="is the name of a parameter and of a scope"):
            checked_names(names)


def test_scopes_nested_more_deeply_than_python_calls_functions():
    name = deep(2 * sys.getrecursionlimit())
    nn.parameter.set_parameter(name, nn.Variable((1,), need_grad=True))
    nn.parameter.set_parameter("b", nn.Variable((1,), need_grad=True))
    assert list(nn.get_parameters()) == [name, "b"]
    assert nn.parameter.pop_parameter(name) is not None

    with pytest.raises(ShapeError), nn.parameter.building("c"):
        nn.parameter.set_parameter(name, nn.Variable((1,)))
        raise ShapeError
    assert nn.parameter.get_current_parameter_scope()["c"] == {}


# ---- files that are not what they should be --------------------------------------------------------------


def test_large_files_are_refused_unread(tmp_path):
    """Files without contents, which take no room on the disk."""
    for extension, size, match in (
        (".protobuf", 3 << 30, "p.protobuf' is not a readable protobuf file: it is larger than"),
        (".protobuf", 1 << 30, r"p.protobuf' is not a readable protobuf file: it begins with b'\\x00"),
        (".nntxt", 3 << 30, "p.nntxt' is not text: it is larger than"),
        (".prototxt", 1 << 30, r"p.prototxt' is not text: it begins with b'\\x00"),
        (".safetensors", 1 << 30, "p.safetensors' is not a readable .safetensors file: it claims a header of 0 bytes"),
        (".h5", 1 << 30, "p.h5' is not a readable HDF5 file"),
        (".nnp", 1 << 30, "p.nnp' is not a readable archive"),
    ):
        path = tmp_path / f"p{extension}"
        path.touch()
        os.truncate(path, size)
        refused(path, match)
        if extension in states.LOADERS:
            with pytest.raises(FormatError, match="load_states: " + ("" if extension == ".h5" else f".*{match}")):
                states.load(path)
        path.unlink()


def test_messages_stay_short(tmp_path):
    long = "n" * 100_000
    for name, data in (
        ("p.protobuf", message_of((long, [3], [1]))),
        ("q.protobuf", message_of((f"{long}/b", [1], [1]), (long, [1], [1]))),
        ("p.safetensors", tensor_named(long, (1,) * 70)),
        ("p.nntxt", f'parameter {{ variable_name: "{long}'.encode()),
        ("q.nntxt", f"parameter {{ shape {{ dim: {'1' * 100_000} }} }}".encode()),
        ("p.nnp", archive_of({f"{long[:60_000]}.h5": b"no"})),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FormatError, match=name) as raised:
            loaded(tmp_path / name)
        assert len(str(raised.value)) < 1000, name


# ---- time and memory -------------------------------------------------------------------------------------

READ = """
import io, os, sys, time
import nnabla as nn
from nnabla.solvers import states

def memory(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field)) / 1024

def read(path):
    try:
        nn.load_parameters(path)
    except ValueError as error:
        return type(error).__name__
    return "loaded"

folder, sound = sys.argv[1:]
for name in os.listdir(sound):  # what is imported late
    assert read(f"{sound}/{name}") == "loaded", name
for name in sorted(os.listdir(folder)):
    peak, start = memory("VmHWM"), time.process_time()
    outcome = read(f"{folder}/{name}")
    print(name, outcome, time.process_time() - start, memory("VmHWM") - peak)
"""


def hostile_files(folder):
    """Small files that claim, or would become, hundreds of megabytes."""
    zeros = bytes(1 << 20)
    with h5py.File(folder / "claim.h5", "w") as file:
        for name, shape in (("a", (1 << 45,)), ("b", (1 << 31, 1 << 31))):
            file.create_dataset(name, shape=shape, dtype="f4", chunks=True).attrs["need_grad"] = True
    with h5py.File(folder / "packed.h5", "w") as file:
        packed = file.create_dataset("a", shape=(1 << 29,), dtype="u1", chunks=(1 << 20,), compression="gzip")
        chunk = zlib.compress(zeros)
        for i in range(0, 1 << 29, 1 << 20):
            packed.id.write_direct_chunk((i,), chunk)
        packed.attrs["need_grad"] = True
    dataset_of(
        folder / "chunk.h5",
        np.zeros(10, np.float32),
        chunk,
        maxshape=(None,),
        chunks=(100_000_000,),
        compression="gzip",
    )
    dataset_in_groups(folder / "deep.h5", deep(1000))
    (folder / "empty.protobuf").write_bytes(b"\xc2\x0c\x00" * 200_000)
    (folder / "networks.protobuf").write_bytes(b"\xa2\x06\x00" * 1_000_000)
    (folder / "parts.protobuf").write_bytes(message_of((deep(30_000), [1], [1])))
    (folder / "scopes.protobuf").write_bytes(message_of((deep(2_000), [1], [1])))
    (folder / "claim.protobuf").write_bytes(message_of(("a", [2**40], [1])))
    (folder / "length.protobuf").write_bytes(b"\xc2\x0c\xff\xff\xff\xff\x07" + zeros)
    (folder / "deep.protobuf").write_bytes(b"\x0b" * (1 << 20))
    (folder / "deep.nntxt").write_bytes(b"network {" * 100_000)
    (folder / "unknown.nntxt").write_bytes(b"later {" * 100_000)
    for name, member, size in (("packed.nnp", "a.protobuf", 400 << 20), ("text.nnp", "a.nntxt", 300 << 20)):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(member, "w") as file:
            for _ in range(size >> 20):
                file.write(zeros)
    header = b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
    (folder / "claim.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + zeros)
    (folder / "length.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + zeros)
    (folder / "deep.safetensors").write_bytes((1 << 20).to_bytes(8, "little") + b"[" * (1 << 20))
    (folder / "parts.safetensors").write_bytes(tensor_named(deep(30_000)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory by Linux's means")
def test_time_and_memory_are_bounded(tmp_path):
    """Each is refused in a second (five on a slow CPU), and takes less than 100 MB on top of what is imported."""
    hostile, sound = tmp_path / "hostile", tmp_path / "sound"
    for folder in (hostile, sound):
        folder.mkdir()
    for extension in (".h5", ".protobuf", ".safetensors"):
        nn.save_parameters(sound / f"p{extension}", {"w": nn.Variable((3,))})
    (sound / "p.nnp").write_bytes(archive_of({"a.nntxt": b""}))
    hostile_files(hostile)
    for path in hostile.iterdir():
        assert path.stat().st_size < 4 << 20, path
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, hostile, sound],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in lines] == sorted(os.listdir(hostile))
    too_much = [line for line in lines if line[1] != "FormatError" or float(line[2]) > 5 or float(line[3]) > 100]
    assert too_much == []


# ---- damage at random ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["h5-latest", "archive", "states-h5", "nnb"])
def test_a_sample_of_the_sweep(monkeypatch, kind):
    """The tool reads in a process of its own. It must also be able to find a fault."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import fuzz_readers

    assert fuzz_readers.sweep(kind, 80, seed=1, slow=5) == []
