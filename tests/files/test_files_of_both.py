"""Files of the original NNabla 1.39 are read here, and those written here are read there.

What the original wrote is recorded. Reading by the original needs a Python that has it: that of the variable
NNABLA139_PYTHON, or the environment that benchmarks/make_nnabla139_env.py makes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import h5py
import pytest

import nnabla as nn
from nnabla.files.model_messages import MODEL

from ..reference import record_files
from ..reference.record_files import FOLDER, MODELS, PARAMETERS, STATES

BESIDE = Path(__file__).resolve().parents[2] / "benchmarks" / ".nnabla139" / "bin" / "python"
ORIGINAL = os.environ.get("NNABLA139_PYTHON") or str(BESIDE)
needs_original = pytest.mark.skipif(
    shutil.which(ORIGINAL) is None,
    reason=f"no NNabla 1.39 at {ORIGINAL}: set NNABLA139_PYTHON, or run benchmarks/make_nnabla139_env.py",
)


def written() -> dict:
    """What `record_files.read` must find in the files of `record_files.write`."""
    params = [[name, *record_files.described(param)] for name, param in record_files.parameters().items()]
    states = record_files.described_states(record_files.trained())
    return {**dict.fromkeys(PARAMETERS, params), **dict.fromkeys(STATES, states)}


def test_recorded_files_are_read():
    seen, expected = record_files.read(FOLDER), written()
    assert list(seen) == list(expected)
    for name in seen:
        assert seen[name] == expected[name], name


@pytest.mark.parametrize("name", MODELS)
def test_parameters_of_recorded_models_are_read(name):
    model = nn.load_parameters(str(FOLDER / name))
    assert record_files.registered() == json.loads((FOLDER / "model.json").read_text())
    network = model.network[0]
    assert (network.name, network.batch_size, [f.type for f in network.function]) == (
        "net",
        2,
        ["Affine", "BatchNormalization", "Sigmoid"],
    )
    assert model.executor[0].output_variable[0].variable_name == "y"
    assert len(model.parameter) == (0 if name == "model.nnp" else 6)


def test_protobuf_files_have_the_bytes_of_the_original(tmp_path):
    record_files.write(tmp_path)
    assert (tmp_path / "parameters.protobuf").read_bytes() == (FOLDER / "parameters.protobuf").read_bytes()
    # The order of a protobuf map is not defined, its length is.
    assert (tmp_path / "states.protobuf").stat().st_size == (FOLDER / "states.protobuf").stat().st_size
    # Written once more, the bytes of a message remain: no field of the schema has another type or number.
    data = (FOLDER / "parameters.protobuf").read_bytes()
    assert MODEL.message("NNablaProtoBuf").FromString(data).SerializeToString() == data


def layout(path: Path) -> dict:
    """All objects of an HDF5 file, how they are stored, and the types of their attributes."""
    found = {}

    def visit(name, item):
        stored = ()
        if isinstance(item, h5py.Dataset):
            stored = (item.shape, item.dtype, item.chunks, item.compression, item.id.get_create_plist().get_layout())
        found[name] = (stored, {key: (value.dtype, value.shape) for key, value in item.attrs.items()})

    with h5py.File(path) as file:
        assert dict(file.attrs) == {}
        file.visititems(visit)
    return found


@pytest.mark.parametrize("name", ["parameters.h5", "states.h5"])
def test_h5_files_are_laid_out_as_by_the_original(tmp_path, name):
    record_files.write(tmp_path)
    assert layout(tmp_path / name) == layout(FOLDER / name)


def run_original(task: str, folder: Path) -> None:
    program = [ORIGINAL, str(FOLDER.parent / "record_files.py"), task, str(folder)]
    settings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(program, env={**settings, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == record_files.VERSION


@needs_original
def test_the_original_reads_what_is_written_here(tmp_path):
    record_files.write(tmp_path)
    run_original("read", tmp_path)
    seen, expected = json.loads((tmp_path / "seen.json").read_text()), written()
    assert list(seen) == list(expected)
    for name in seen:
        assert seen[name] == expected[name], name


@needs_original
def test_what_the_original_writes_is_read_here(tmp_path):
    run_original("write", tmp_path)
    assert record_files.read(tmp_path) == written()
