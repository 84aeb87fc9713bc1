"""``train`` is killed at random moments; what it leaves can be loaded, whenever that was."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nnabla as nn
from nnabla.utils.load import load

FOLDER = Path(__file__).parents[1] / "reference" / "cli" / "train"
KILLS, ALL_KILLS = 10, 200

# A process that has imported everything forks one that trains for each line that it reads; that takes no time.
FORKING = """
import os, signal, sys
import nnabla.cli.train
from nnabla_cli import main
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.dup2(2, 1)
        main(["train", "-c", "net.nntxt", "-p", "init.h5", "-o", line.strip()])
    print(pid, flush=True)
"""


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """Starts a training that never ends into a folder; the number of its process."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    shutil.copytree(FOLDER, tmp_path / "files")
    monkeypatch.chdir(tmp_path / "files")
    text = Path("net.nntxt").read_text().replace("max_epoch: 4", "max_epoch: 100000000")
    Path("net.nntxt").write_text(text)
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    process = subprocess.Popen(
        [sys.executable, "-c", FORKING],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *sys.path]), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def start(outdir):
        os.mkdir(outdir)
        process.stdin.write(f"{outdir}\n")
        process.stdin.flush()
        return int(next(line for line in process.stdout if line.strip().isdigit()))

    yield start
    process.stdin.close()
    process.wait(300)
    process.stdout.close()


def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def kill_and_look(trainer, count, seed):
    """Kill `count` trainings; how many had left results."""
    rng = random.Random(seed)
    with_results = 0
    for number in range(count):
        outdir = f"out{number}"
        pid = trainer(outdir)
        deadline = time.monotonic() + 300
        # Of five, one is killed before it has begun to train, one when it may not have left anything yet.
        awaited = ["*", "monitoring_report.yml", *["results*.nnp"] * 3][number % 5]
        while number % 5 and not any(Path(outdir).glob(awaited)) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.3))
        os.kill(pid, signal.SIGKILL)
        while not has_ended(pid) and time.monotonic() < deadline:
            time.sleep(0.002)
        results = [name for name in os.listdir(outdir) if name.startswith("results") and name.endswith(".nnp")]
        with_results += bool(results)
        for name in results:
            nn.clear_parameters()
            info = load(f"{outdir}/{name}", prepare_data_iterator=False)
            assert info.optimizers["opt"].solver.get_states()
        shutil.rmtree(outdir)
    return with_results


def test_killed_training_leaves_whole_results_or_none(trainer):
    assert kill_and_look(trainer, KILLS, 1) >= KILLS // 2


@pytest.mark.heavy
def test_killed_very_often(trainer):
    assert kill_and_look(trainer, ALL_KILLS, 2) >= ALL_KILLS // 2
