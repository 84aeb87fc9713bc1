"""What differs on Windows and macOS, by simulation: what only Unix has is taken away, paths are those of Windows.

Nothing here was run on Windows or macOS: this is the nearest to it on Linux. `tests/data/test_workers.py` has
workers that are spawned, `tests/test_config.py` the folders of Windows.
"""

from __future__ import annotations

import ntpath
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nnabla.cli import detection_data, result_table
from nnabla.data import file_reader
from nnabla.errors import ArgumentError
from nnabla.models import files

PROGRAM = """
import importlib.abc
import multiprocessing
import os
import sys

import numpy as np
import torch
import tqdm

sys.platform = os.environ["SIMULATED"]
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
@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_without_what_only_unix_has(system: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
            "SIMULATED": system,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "done iterations"
    assert (tmp_path / "trained" / "last.nnp").exists()


def windows(**functions: object) -> SimpleNamespace:
    """`os`, as modules see it that work with names of files only."""
    return SimpleNamespace(path=ntpath, sep="\\", fspath=os.fspath, **functions)


def test_names_in_data_sets_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reader, "os", windows())

    def inside(name: str) -> str:
        return file_reader.inside("C:\\data", name, "test", allow_outside=False)

    # Plain names are joined as they are; Windows takes both separators.
    assert ntpath.normpath(inside("images/a.png")) == "C:\\data\\images\\a.png"
    for name in ("images\\a.png", ".\\images\\a.png", "./images/b/../a.png", "C:\\data\\images\\a.png"):
        assert inside(name) == "C:\\data\\images\\a.png"
    for name in (
        "..\\a.png",
        "images\\..\\..\\a.png",
        "D:\\a.png",
        "D:a.png",
        "C:\\data2\\a.png",
        "\\\\host\\a\\b.png",
    ):
        with pytest.raises(ArgumentError, match="is not in the folder of the data set"):
            inside(name)
    reader = file_reader.FileReader("C:\\data\\train.csv")
    assert (reader.folder, reader.base_ext) == ("C:\\data", ".csv")
    assert ntpath.normpath(reader.path("images\\a.png")) == "C:\\data\\images\\a.png"
    assert file_reader.scheme_of("C:\\data\\train.csv") == "file"


def test_tables_that_commands_write_on_windows_have_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they are read everywhere."""
    made: list[str] = []
    system = windows(makedirs=lambda path, exist_ok: made.append(path))
    monkeypatch.setattr(result_table, "os", system)
    place = result_table._Files(0, "C:\\out", "results\\net\\")._place
    cell, path = place("1001.csv", 1001)
    assert cell == "./results/net/0_0001/1001.csv"
    assert ntpath.normpath(path) == "C:\\out\\results\\net\\0_0001\\1001.csv"
    place("1002.csv", 1002)
    assert [ntpath.normpath(folder) for folder in made] == ["C:\\out\\results\\net\\0_0001"]

    tree = [("C:\\in", ["b"], ["x.PNG"]), ("C:\\in\\b\\c", [], ["y.png", "y.txt"])]
    monkeypatch.setattr(detection_data, "os", windows(walk=lambda folder: tree))
    assert detection_data._images("C:\\in", "C:\\target") == ["b/c/y.png", "x.PNG"]


def test_model_files_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    system = windows(makedirs=lambda path, exist_ok: made.append(path))
    system.path = SimpleNamespace(join=ntpath.join, dirname=ntpath.dirname, getsize=lambda path: 7)
    monkeypatch.setattr(files, "os", system)
    monkeypatch.setattr(files, "get_model_home", lambda: "C:\\home\\nnabla_data\\nnp_models")
    fetched: list[str] = []
    monkeypatch.setattr(files, "download", lambda url, path, **options: fetched.append(url))
    path = files.model_file("imagenet/Resnet-18.nnp")
    assert path == "C:\\home\\nnabla_data\\nnp_models\\imagenet\\Resnet-18.nnp"
    assert made == ["C:\\home\\nnabla_data\\nnp_models\\imagenet"]
    assert fetched[0].endswith("/nnp_models/imagenet/Resnet-18/Resnet-18.nnp")


def test_a_data_set_made_on_windows_is_read(tmp_path: Path) -> None:
    """Its cells have backslashes."""
    from nnabla.utils.data_iterator import data_iterator_csv_dataset
    from nnabla.utils.image_utils import imsave

    (tmp_path / "images" / "few").mkdir(parents=True)
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    imsave(str(tmp_path / "images" / "few" / "a.png"), pixels)
    table = tmp_path / "train.csv"
    table.write_bytes(b"x:image,y\r\n.\\images\\few\\a.png,1\r\nimages\\few\\a.png,2\r\n")
    with data_iterator_csv_dataset(str(table), 2, shuffle=False, normalize=False) as batches:
        x, y = batches.next()
    assert y.ravel().tolist() == [1, 2]
    assert np.array_equal(x[0], pixels.transpose(2, 0, 1)) and np.array_equal(x[1], x[0])
