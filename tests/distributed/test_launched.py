"""The data parallel tutorial as a script: under torchrun, also when a process ends there, and under mpirun."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import nnabla as nn
from nnabla.communicators import Communicator

from .launching import VARIABLES

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

# A checkpoint is saved every 50.
UPDATES = 100
SCRIPT = Path(__file__).parents[2] / "examples" / "tutorials" / "data_parallel.py"


def launched(*command, **more):
    """Standard output of a program that runs our package."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(nn.__file__).parents[1]), "MPLBACKEND": "Agg"}
    found = subprocess.run(
        [str(part) for part in command], env=environment | more, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def torchrun(count, *arguments, restarts=0):
    options = ["--standalone", "--nproc-per-node", count, "--max-restarts", restarts]
    return launched(sys.executable, "-m", "torch.distributed.run", *options, *arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the tutorial prints in two processes, and the folder with what it leaves."""
    folder = tmp_path_factory.mktemp("whole")
    return torchrun(2, SCRIPT, "--output", folder, "--iterations", UPDATES), folder


def test_tutorial_under_torchrun(whole):
    printed, folder = whole
    own = re.findall(r"process (\d) of 2: gradient of conv/b \[([^]]*)\]", printed)
    means = re.findall(r"process (\d) of 2: mean of all \[([^]]*)\]", printed)
    assert sorted(rank for rank, _ in own) == sorted(rank for rank, _ in means) == ["0", "1"]
    values = [float(text) for _, text in own]
    assert abs(values[0] - values[1]) > 1e-3
    assert means[0][1] == means[1][1]
    assert float(means[0][1]) == pytest.approx(sum(values) / 2, rel=1e-5)
    assert printed.count(f"update {UPDATES}: loss") == 1
    error = re.findall(r"test error (.*)%", printed)
    assert len(error) == 1 and float(error[0]) < 10
    assert (folder / "data_parallel.nnp").exists()


KILLED_ONCE = """
import os, sys
from pathlib import Path
import nnabla as nn
sys.path.insert(0, {folder!r})
import data_parallel
flag = Path({flag!r})
save = nn.save_checkpoint
def save_and_die(path, solver, iteration, **parts):
    save(path, solver, iteration, **parts)
    if iteration == 50 and os.environ["RANK"] == "1" and not flag.exists():
        flag.touch()
        os._exit(3)
nn.save_checkpoint = save_and_die
found = data_parallel.main(sys.argv[1:])
print("rank", os.environ["RANK"], "made", len(found["losses"]))
"""


@pytest.mark.heavy
def test_torchrun_starts_again_from_the_checkpoint(whole, tmp_path):
    """A process kills itself once; the parameters in the end are those of the run without that, bit for bit."""
    script = tmp_path / "killed_once.py"
    script.write_text(KILLED_ONCE.format(folder=str(SCRIPT.parent), flag=str(tmp_path / "flag")))
    printed = torchrun(2, script, "--output", tmp_path, "--iterations", UPDATES, restarts=1)
    assert (tmp_path / "flag").exists()
    assert printed.count(f"made {UPDATES - 50}") == 2, printed
    found = []
    for folder in (whole[1], tmp_path):
        nn.clear_parameters()
        nn.load_parameters(str(folder / "data_parallel.nnp"))
        found.append({key: p.d.copy() for key, p in nn.get_parameters(grad_only=False).items()})
    assert list(found[0]) == list(found[1]) and len(found[0]) > 6
    for key, values in found[0].items():
        np.testing.assert_array_equal(found[1][key], values)


def test_the_wrapper_of_the_tutorial(monkeypatch):
    """Device and context follow from the rank; without a launcher there is one process. There need be no GPU for it."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    tutorial = importlib.import_module("data_parallel")
    wrapper = tutorial.CommunicatorWrapper("cpu", "0")
    assert (wrapper.n_procs, wrapper.rank, wrapper.ctx.device) == (1, 0, torch.device("cpu"))
    v = nn.Variable((2,), need_grad=True)
    v.g = 4
    wrapper.all_reduce([v])
    assert v.g.tolist() == [4, 4]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(Communicator, "init", lambda self: None)
    assert tutorial.CommunicatorWrapper("cudnn", "1").ctx.device == torch.device("cuda", 1)
    for variable, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("MASTER_ADDR", "here")
    wrapper = tutorial.CommunicatorWrapper("cudnn", "0")
    assert (wrapper.n_procs, wrapper.rank, wrapper.ctx.device) == (4, 3, torch.device("cuda", 1))
    assert wrapper.ctx.backend == ["cudnn:float"]


@pytest.fixture
def one_thread():
    """The last bits of sums depend on the number of threads, which plans choose by the clock."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_tutorial_alone(tmp_path, capsys, monkeypatch, one_thread):
    """A process without a launcher does it all by itself, and goes on where it stopped."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    tutorial = importlib.import_module("data_parallel")
    options = ["--output", str(tmp_path), "--seed", "1"]
    context = nn.get_current_context()
    whole = tutorial.main([*options, "--iterations", "100"])
    assert len(whole["losses"]) == 100 and whole["losses"][-1] < 0.5 * whole["losses"][0]
    assert whole["errors"] < 0.1
    final = {name: p.d.copy() for name, p in whole["parameters"].items()}
    (tmp_path / "data_parallel.nnp").unlink()
    tutorial.main([*options, "--iterations", "50"])
    rest = tutorial.main([*options, "--iterations", "100"])
    nn.set_default_context(context)
    assert rest["losses"] == whole["losses"][50:]
    for name, values in final.items():
        np.testing.assert_array_equal(rest["parameters"][name].d, values)
    assert "process 0 of 1: mean of all" in capsys.readouterr().out


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="no mpirun; apt-get install openmpi-bin")
def test_tutorial_under_mpirun(tmp_path):
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    run = ["mpirun", "--oversubscribe", "-n", 2, sys.executable, SCRIPT]
    printed = launched(*run, "--output", tmp_path, "--iterations", UPDATES, **root)
    assert "process 1 of 2: mean of all" in printed and printed.count("test error") == 1
