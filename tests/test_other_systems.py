"""A training with data, workers and files where the system is not a Unix: what only Unix has is taken away first.

Nothing here was run on Windows or macOS: this is the nearest to it on Linux. `tests/data/test_workers.py` has
workers that are spawned, `tests/test_config.py` the folders of Windows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
import importlib.abc
import multiprocessing
import os
import sys

import numpy as np
import torch

# What Windows lacks of what the package could ask for, before it is imported; the workers do the same.
UNIX = ("register_at_fork", "memfd_create", "preadv", "sched_getaffinity", "fork", "getuid", "O_NONBLOCK", "O_NOFOLLOW")
for name in UNIX:
    if hasattr(os, name):
        delattr(os, name)


class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource", "pwd", "grp", "termios"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for name in ("fcntl", "resource", "termios"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.utils.data_iterator import Workers, data_iterator_cache, data_iterator_csv_dataset, data_iterator_simple
from nnabla.utils.save import save


def load(i):
    return np.float32([i % 7, i % 3]), np.float32([i % 2])


def main():
    multiprocessing.set_start_method("spawn")
    x, t = nn.Variable((8, 2)), nn.Variable((8, 1))
    y = PF.affine(x, 1)
    loss = F.mean(F.squared_error(y, t))
    solver = S.Adam(0.1)
    solver.set_parameters(nn.get_parameters())
    with data_iterator_simple(load, 32, 8, num_workers=Workers(1, start_method="spawn")) as batches:
        for _ in range(4):
            x.d, t.d = batches.next()
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
    os.mkdir("sub")
    rows = ["x__0:x,y__0:y", *(f"{i},{i % 2}" for i in range(16))]
    with open(os.path.join("sub", "data.csv"), "w") as file:
        file.write("\\n".join(rows) + "\\n")
    with data_iterator_csv_dataset(os.path.join("sub", "data.csv"), 4, shuffle=False, cache_dir="cache") as batches:
        first = batches.next()[0].ravel().tolist()
    with data_iterator_cache("cache", 4, shuffle=False) as batches:
        again = batches.next()[0].ravel().tolist()
    assert first == again == [0, 1, 2, 3], (first, again)
    save("net.nnp", {
        "networks": [{"name": "net", "batch_size": 8, "outputs": {"y": y}, "names": {"x": x}}],
        "executors": [{"name": "run", "network": "net", "data": ["x"], "output": ["y"]}],
    })
    nn.save_parameters("p.h5")
    solver.save_states("s.h5")
    found = nn.graph_def.load("net.nnp")["net"](x)
    found.forward()
    y.forward()
    assert np.array_equal(found.d, y.d)
    print("done", nn.Trainer(loss, solver, lambda: None, folder="trained").train(3).stopped)


if __name__ == "__main__":
    main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there it is so anyway")
def test_without_what_only_unix_has(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "done iterations"
    assert (tmp_path / "trained" / "last.nnp").exists()
