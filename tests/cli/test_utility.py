"""What programs import of the command line: `nnabla.utils.cli.utility` and the doors beside it."""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nnabla as nn
import nnabla.parametric_functions as PF
import nnabla.solvers
from nnabla.lms import SwapInOutScheduler
from nnabla.utils.cli import utility
from nnabla.utils.load import load

FOLDER = Path(__file__).parents[1] / "reference" / "cli" / "train"


@pytest.mark.parametrize(
    ("text", "expected"),
    # As NNabla 1.39 reads them, but for 1e3, of which it reads the 1.
    [
        ("1", 1),
        ("4G", 4000000000),
        ("3M", 3000000),
        ("10K", 10000),
        ("2k", 2048),
        ("4g", 4294967296),
        ("1T", 10**12),
        ("2P", 2 * 10**15),
        ("1e3", 1000),
        *((text, -1) for text in ("x", "1.5", "", "1e", "0", "-3", "1 G", "4GB")),
    ],
)
def test_sizes(text, expected):
    assert utility.str_to_num(text) == expected


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("/a", "./c", "/a/c"),
        ("/a", "c", "/a/c"),
        ("/a", "/c", "/c"),
        ("/a", "../c", "/a/../c"),
        ("/a/", "./d/c", "/a/d/c"),
        ("a", "./c", "a/c"),
        ("", "x", "x"),
    ],
)
def test_full_paths(root, path, expected):
    assert utility.compute_full_path(root, path) == expected


def test_what_is_a_number():
    assert [utility.is_float(x) for x in ("1", "1e3", "nan", 3)] == [True] * 4
    assert not utility.is_float("x")
    assert not utility.is_float("")
    with pytest.raises(TypeError):
        utility.is_float(None)


def trained():
    """A configuration whose solver has done two updates."""
    info = load([FOLDER / "net.nntxt", FOLDER / "init.h5"], prepare_data_iterator=False)
    solver = info.optimizers["opt"].solver
    for _ in range(2):
        for variable in solver.get_parameters().values():
            variable.g = 0.5
        solver.update()
    return info


def states(info):
    solver = info.optimizers["opt"].solver
    return {
        name: (state.t, {key: np.array(each.data.data) for key, each in state.pstate.items()})
        for name, state in solver.get_states().items()
    }


@pytest.mark.parametrize(
    ("ext", "name"), [(".h5", "b_opt_Momentum_optimizer.h5.optimizer"), (".protobuf", "b_optimizer.protobuf.optimizer")]
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_states_are_written_to_the_files_of_nnabla(tmp_path, ext, name, wrapped):
    info = trained()
    config = info
    if wrapped:
        config = SimpleNamespace(optimizers={"o": SimpleNamespace(optimizer=info.optimizers["opt"])})
    (path,) = utility.save_optimizer_states(str(tmp_path / "b"), ext, config)
    assert path == str(tmp_path / name)
    # The file is a member of an archive as it is.
    import zipfile

    with zipfile.ZipFile(tmp_path / "m.nnp", "w") as archive:
        archive.write(FOLDER / "net.nntxt", "net.nntxt")
        archive.write(path, name.removeprefix("b_"))
    expected = states(info)
    assert expected["a1/affine/W"][0] == 2
    with nn.parameter_scope("", OrderedDict()):
        other = load([FOLDER / "net.nntxt", FOLDER / "init.h5"], prepare_data_iterator=False)
        assert states(other)["a1/affine/W"][0] == 0
        assert utility.load_train_state(str(tmp_path / "m.nnp"), other) is None
        found = states(other)
    assert found.keys() == expected.keys()
    for key, (t, arrays) in expected.items():
        assert found[key][0] == t
        for kind, values in arrays.items():
            np.testing.assert_array_equal(found[key][1][kind], values)


def test_states_of_a_file_without_any_stay(tmp_path):
    info = trained()
    before = states(info)["a1/affine/W"]
    utility.load_train_state(str(FOLDER / "net.nntxt"), info)
    assert states(info)["a1/affine/W"][0] == before[0]
    with pytest.raises(FileNotFoundError):
        utility.load_train_state(str(tmp_path / "nothing.nnp"), info)


def test_nothing_is_swapped_on_a_cpu(caplog):
    context = nn.get_current_context()
    scheduler = utility.lms_scheduler(context, False)
    with utility.sechdule_scope(scheduler) as entered:
        assert entered is scheduler
        x = nn.Variable.from_numpy_array(np.ones(3))
        y = nn.functions.exp(x)
        y.forward(function_pre_hook=scheduler.function_pre_hook, function_post_hook=scheduler.function_post_hook)
    assert not caplog.records
    utility.lms_scheduler(context, True, 10**9, 10**8)
    assert "out-of-core training is for contexts of a GPU" in caplog.text


def test_a_scheduler_changes_no_result():
    """Of a training, which calls it around functions and updates."""
    context = nn.get_current_context()
    results = []
    for scheduler in (None, SwapInOutScheduler(context, context, 1000)):
        nn.clear_parameters()
        nn.seed(1)
        x = nn.Variable.from_numpy_array(np.random.RandomState(0).randn(8, 3))
        h = PF.batch_normalization(PF.affine(x, 4, name="a"))
        loss = nn.functions.mean(PF.affine(nn.functions.tanh(h), 2, name="b") ** 2)
        solver = nn.solvers.Adam(0.1)
        solver.set_parameters(nn.get_parameters())
        functions = updates = {}
        if scheduler is not None:
            functions = {f"function_{w}_hook": getattr(scheduler, f"function_{w}_hook") for w in ("pre", "post")}
            updates = {f"update_{w}_hook": getattr(scheduler, f"update_{w}_hook") for w in ("pre", "post")}
        for _ in range(3):
            with scheduler or nullcontext():
                loss.forward(clear_no_need_grad=True, **functions)
                solver.zero_grad()
                loss.backward(clear_buffer=True, **functions)
                solver.update(**updates)
        results.append([loss.d.copy(), *(v.d.copy() for v in nn.get_parameters(grad_only=False).values())])
    for without, with_scheduler in zip(*results, strict=True):
        np.testing.assert_array_equal(without, with_scheduler)
    with pytest.raises(nn.errors.ArgumentError, match="size must be positive, not 0"):
        SwapInOutScheduler(context, context, 0)


def test_load_of_the_machine():
    assert utility.collect_and_shape_result([["a", 1.0]], [["a:0", 2.0]]) == [["cpu", "a", 1.0], ["gpu", "a:0", 2.0]]
    utility.get_cpu_gpu_average_load()
    assert utility.get_cpu_gpu_average_load() is None
    if not utility.cpu_load_backend_ok:
        pytest.skip("the system does not say how busy its processors were")
    import time

    for _ in range(2):
        utility.measure_cpu_gpu_instant_load()
        time.sleep(0.1)
    ((kind, _, share),) = utility.get_cpu_gpu_average_load()
    assert kind == "cpu"
    assert 0 <= share <= 100
    assert utility.get_cpu_gpu_average_load() is None


class Two:
    """A communicator of two processes, of which the other one took a second longer."""

    size, rank = 2, 0

    def all_gather(self, mine, everyone):
        for i, each in enumerate(everyone):
            each.data = mine.data + i


def test_times_of_the_processes():
    collector = utility.NodeTimeInfoCollector()
    for comm in (None, SimpleNamespace(size=1)):
        with collector.collect_cost_time(comm, 1):
            pass
    assert collector.timelist == []
    with collector.collect_cost_time(Two(), 5):
        pass
    ((iteration, (mine, other)),) = collector.timelist
    assert iteration == 5
    assert 0 <= mine < 1
    assert other == pytest.approx(mine + 1)


def test_commands_can_be_called(tmp_path, monkeypatch):
    """The doors are the functions that the command line calls."""
    import argparse

    from nnabla.utils.cli import forward, train

    shutil.copytree(FOLDER, tmp_path / "files")
    monkeypatch.chdir(tmp_path / "files")
    os.mkdir("out")
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    train.add_train_command(subparsers)
    forward.add_forward_command(subparsers)
    args = parser.parse_args(["train", "-c", "net.nntxt", "-p", "init.h5", "-o", "out"])
    assert train.train_command(args) is True
    args = parser.parse_args(["forward", "-c", "out/results.nnp", "-d", "valid.csv", "-o", "out"])
    assert forward.forward_command(args) is True
    assert Path("out/output_result.csv").read_text().splitlines()[0].endswith("y__0:label,y__0,y__1")
