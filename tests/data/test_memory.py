"""An epoch over a data set that is ten times as large as what may be kept in memory."""

import subprocess
import sys

import pytest

KEPT, ALLOWED = 10 << 20, 50 << 20

PROGRAM = """
import sys
from pathlib import Path

import numpy as np

from nnabla.config import nnabla_config
from nnabla.utils import data_iterator as D

kind, folder, kept, shuffle = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "shuffled"
nnabla_config.set("DATA_ITERATOR", "data_source_buffer_max_size", kept)


def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))


SAMPLES, SIZE = 1000, 25 << 10  # of 4 bytes each: 100 MB


def load(i):
    return np.full(SIZE, i, np.float32), np.array([i])


def iterator(batch):
    options = {"shuffle": shuffle, "rng": np.random.RandomState(1), "with_memory_cache": True}
    if kind == "cache":
        return D.data_iterator_cache(folder, batch, normalize=False, **options)
    files = {"with_file_cache": kind == "file cache"}
    if files["with_file_cache"]:
        files["cache_dir"] = folder + "/made"
    return D.data_iterator_simple(load, SAMPLES, batch, **options, **files)


if kind == "cache":
    D.data_iterator_simple(load, SAMPLES, 100, with_file_cache=True, cache_dir=folder).close()
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
with iterator(20) as batches:
    seen = []
    for x, y in (batches.next() for _ in range(SAMPLES // 20)):
        assert (x == y).all()
        seen += y.ravel().tolist()
assert sorted(seen) == list(range(SAMPLES)) and (seen == sorted(seen)) != shuffle
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("kind", "order"), [("function", "shuffled"), ("file cache", "in order"), ("cache", "shuffled")]
)
def test_an_epoch_takes_no_more_memory_than_is_kept(kind, order, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, str(tmp_path), str(KEPT), order],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < KEPT + ALLOWED
