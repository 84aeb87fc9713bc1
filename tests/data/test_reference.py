"""Samples, orders, epochs, types and caches are those of NNabla 1.39, which are recorded."""

from __future__ import annotations

import json

import h5py
import pytest

from ..reference import record_data
from ..reference.record_data import CACHES, FOLDER
from .original import needs_original, run_original

RECORDED = json.loads((FOLDER / "recorded.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "files"
    record_data.make_files(folder)
    return folder


@pytest.fixture(scope="module")
def scenarios(files):
    return record_data.Scenarios(files, FOLDER)


@pytest.mark.parametrize("name", sorted(RECORDED.keys() - {"caches"}))
def test_as_recorded(scenarios, name):
    # NaN is equal to nothing, so texts are compared.
    assert json.dumps(scenarios.run(name)) == json.dumps(RECORDED[name])


def test_every_scenario_is_recorded(scenarios):
    assert scenarios.all.keys() == RECORDED.keys() - {"caches"}


def test_caches_of_the_original_are_read():
    assert json.loads(json.dumps(record_data.read_caches(FOLDER))) == RECORDED["caches"]


def test_caches_have_the_bytes_of_the_original(files, tmp_path):
    record_data.make_caches(tmp_path, files)
    for name in CACHES:
        theirs, ours = ({path.name: path for path in (at / name).iterdir()} for at in (FOLDER, tmp_path))
        assert theirs.keys() == ours.keys()
        for file, path in theirs.items():
            if path.suffix == ".h5":
                assert layout(path) == layout(ours[file])
            else:
                assert path.read_bytes() == ours[file].read_bytes(), file


def layout(path):
    """The data sets of a file, how they are stored, and their values."""
    with h5py.File(path) as file:
        return {
            name: (
                data.dtype,
                data.chunks,
                data.compression,
                data.id.get_create_plist().get_layout(),
                data[()].tolist(),
            )
            for name, data in file.items()
        }


@needs_original
def test_the_original_reads_our_caches(files, tmp_path):
    record_data.make_caches(tmp_path, files)
    seen = run_original(FOLDER.parent / "record_data.py", "read", tmp_path)
    assert json.loads(seen.splitlines()[-1]) == RECORDED["caches"]
