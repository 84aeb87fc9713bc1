"""Networks in model files of the original NNabla 1.39 compute what they do there, and those written here do so there.

What the original wrote is recorded, see `record_nnp`. Running it needs a Python that has it: that of the variable
NNABLA139_PYTHON, or the environment that benchmarks/make_nnabla139_env.py makes.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import nnabla as nn
from nnabla.graph.operator import registry

from ...files.test_files_of_both import ORIGINAL, needs_original
from ...operators.cases import TABLES
from ...operators.records import FOLDER as RECORDS
from ...operators.records import load as load_records
from ...reference import open_functions, record_nnp
from ...reference.record_nnp import BATCHES, FIXED, FOLDER, FUNCTIONS, OPEN, OPEN_CASES

# The original cannot save these, leaves them out, or needs several processes for them.
NOT_IN_FILES = {"Einsum", "Sink", "SyncBatchNormalization", "Unique"}
CASES = dict(record_nnp.function_cases())


def assert_close(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    assert found.shape == expected.shape, name
    case = CASES.get(name.rpartition("/")[0].removeprefix("open functions/"))
    if case is not None and case.tolerance.reason:
        return  # its own suite says how far it may lie from the record
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_recorded_networks_cover_all_functions():
    graph = nn.graph_def.load(FOLDER / FUNCTIONS)
    types = {function.type for network in graph.networks.values() for function in network.functions.values()}
    assert types == set(registry) - NOT_IN_FILES
    assert len(graph.networks) > 800


def test_networks_of_functions_compute_what_is_recorded():
    found = record_nnp.run_functions(FOLDER / FUNCTIONS)
    checked = 0
    for table in TABLES:
        records = load_records(RECORDS / f"{table}.npz")
        for name, case in CASES.items():
            if case.category != table or case.definition not in records:
                continue
            for position, expected in enumerate(records[case.definition].observation.outputs):
                key = f"{name}/y{position}"
                if key in found:
                    assert_close(found[key], expected, key)
                    checked += 1
    assert checked > 800


def test_networks_of_functions_with_an_open_batch_compute_what_is_recorded():
    recorded = open_functions.recorded(FOLDER / open_functions.RESULTS)
    found = open_functions.run(FOLDER / open_functions.FILE, OPEN_CASES)
    assert found.keys() == recorded.keys()
    for key, values in found.items():
        assert_close(values, recorded[key], key)


def test_open_batches_cover_functions_and_executors():
    graph = nn.graph_def.load(FOLDER / open_functions.FILE)
    types = {function.type for network in graph.networks.values() for function in network.functions.values()}
    assert len(types) > 200
    assert len(graph.networks) == len(graph.executors) > 200
    assert all(network.variables["t"].shape == (-1, 3) for network in graph.networks.values())


@pytest.mark.parametrize("batch", BATCHES)
def test_networks_with_parameters_compute_what_is_recorded(batch):
    recorded = np.load(FOLDER / "results.npz")
    found = record_nnp.run_networks(FOLDER / OPEN, batch)
    if batch == BATCHES[0]:
        found |= record_nnp.run_networks(FOLDER / FIXED, batch)
    for key, values in found.items():
        assert_close(values, recorded[key], key)
    assert len(found) == (len([key for key in recorded.files if f"/{batch}/" in key]))


def test_texts_are_those_of_the_original(tmp_path):
    """The networks with parameters, byte for byte; but that slices of all samples go to the end of any batch."""
    record_nnp.write_networks(tmp_path)
    for name in (OPEN, FIXED):
        ours, theirs = nn.graph_def.load(tmp_path / name), nn.graph_def.load(FOLDER / name)
        assert list(ours.networks) == list(theirs.networks)
        for key, network in ours.networks.items():
            text = str(network.as_proto(False)).replace(f"stop: {2**31 - 1}", "stop: 4")
            assert text == str(theirs[key].as_proto(False)), key
        for key, executor in ours.executors.items():
            assert str(executor.proto) == str(theirs.executors[key].proto), key
        for key, param in ours.get_parameters().items():
            np.testing.assert_array_equal(param.d, theirs.get_parameters()[key].d)


def run_original(task: str, folder: Path) -> None:
    program = [ORIGINAL, "-m", "tests.reference.record_nnp", task, str(folder)]
    settings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        program,
        env={**settings, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert done.returncode == 0, done.stderr


def assert_same_results(folder: Path) -> None:
    """What the original computed from the files in `folder` is what is computed here."""
    expected = np.load(folder / "results.npz")
    found = record_nnp.run(folder)
    assert len(expected.files) > 900
    for key in expected.files:
        assert_close(found[key], expected[key], key)


@needs_original
def test_the_original_runs_what_is_written_here(tmp_path):
    record_nnp.write(tmp_path)
    run_original("run", tmp_path)
    assert_same_results(tmp_path)


@needs_original
def test_what_the_original_writes_runs_here(tmp_path):
    run_original("write", tmp_path)
    run_original("run", tmp_path)
    assert_same_results(tmp_path)
