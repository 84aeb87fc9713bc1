"""What goes wrong around a data set: a clear error, no hang, and nothing half-written that is taken for whole."""

from __future__ import annotations

import doctest
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnabla.errors import FormatError
from nnabla.utils import data_iterator as D
from nnabla.utils.data_source import DataSourceWithFileCache
from nnabla.utils.data_source_implements import CacheDataSource, SimpleDataSource

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.mark.parametrize("reader", ["program", "thread", "processes", "threads", "file cache", "memory cache"])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("half.png,1", r"row 6 \(line 7\), column 'x': 'half.png': imread: .*half.png: image file is truncated"),
        ("none.png,1", r"row 6 \(line 7\), column 'x': 'none.png': .*No such file or directory"),
        ("0.png", r"row 6 \(line 7\): there are 1 cells, and 2 in the header"),
        ("0.png,1,2", r"row 6 \(line 7\): there are 3 cells, and 2 in the header"),
        ("0.png,one", r"row 6 \(line 7\), column 'y': 'one': File format with extension '' is not supported"),
    ],
)
def test_faults_of_a_row(tmp_path, row, message, reader):
    pixels = np.random.RandomState(0).randint(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "0.png")
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "table.csv").write_text("x,y\n" + "0.png,1\n" * 5 + row + "\n" + "0.png,1\n" * 4)
    workers = {"processes": 2, "threads": D.Workers(2, kind="thread"), "memory cache": 2}
    before = threading.active_count()

    def read():
        with D.data_iterator_csv_dataset(
            tmp_path / "table.csv",
            2,
            use_thread=reader == "thread",
            with_file_cache=reader == "file cache",
            with_memory_cache=reader == "memory cache",
            num_workers=workers.get(reader, 0),
        ) as batches:
            for _ in range(5):
                batches.next()

    with pytest.raises(FormatError, match=message):
        read()
    assert threading.active_count() == before


@pytest.mark.parametrize("use_thread", [False, True])
def test_interrupt_in_the_middle_of_an_epoch(use_thread):
    """It reaches the program at once, and the iterator goes on where it was."""

    def load(i):
        if i == 5 and not interrupted.is_set():
            interrupted.set()
            os.kill(os.getpid(), signal.SIGINT)
            # A thread goes on when the program has got it.
            noticed.wait(timeout=60)
        return (i,)

    interrupted, noticed = threading.Event(), threading.Event()
    with D.data_iterator_simple(load, 8, 2, use_thread=use_thread) as batches:
        found = []
        with pytest.raises(KeyboardInterrupt):
            while True:
                found += batches.next()[0].tolist()
        noticed.set()
        while len(found) < 12:
            found += batches.next()[0].tolist()
    assert found == [*range(8), *range(4)]


def test_interrupt_while_a_cache_is_made(tmp_path):
    def load(i):
        if i == 250:
            signal.raise_signal(signal.SIGINT)
        return (i,)

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        DataSourceWithFileCache(SimpleDataSource(load, 1000), cache_dir=tmp_path)
    assert threading.active_count() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    with pytest.raises(FormatError, match="one whose making was interrupted"):
        CacheDataSource(tmp_path)


PROGRAM = """
import sys, time
from nnabla.utils.data_source import DataSourceWithFileCache
from nnabla.utils.data_source_implements import SimpleDataSource

def load(i):
    if i == 350:
        print("here", flush=True)
        time.sleep(60)
    return (i,)

DataSourceWithFileCache(SimpleDataSource(load, 1000), cache_dir=sys.argv[1])
"""


@pytest.mark.parametrize("old", [False, True], ids=["new", "in the place of an old one"])
def test_program_killed_while_it_makes_a_cache(tmp_path, old):
    if old:
        DataSourceWithFileCache(SimpleDataSource(lambda i: (i,), 1000), cache_dir=tmp_path).close()
    environment = {**os.environ, "PYTHONPATH": str(Path(D.__file__).resolve().parents[2])}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert program.stdout.readline() == "here\n"
    finally:
        program.kill()
        program.communicate()
    with pytest.raises(FormatError, match="one whose making was interrupted; make it again"):
        CacheDataSource(tmp_path)
    DataSourceWithFileCache(SimpleDataSource(lambda i: (i,), 1000), cache_dir=tmp_path).close()
    source = CacheDataSource(tmp_path)
    assert [int(source.next()[0]) for _ in range(1000)] == list(range(1000))


def test_examples_of_the_page():
    failed, tried = doctest.testfile(str(ROOT / "docs" / "data.md"), module_relative=False)
    assert tried > 10
    assert failed == 0
