"""Takes pictures of TensorBoard's pages of what this package writes: `python tools/tensorboard_picture.py`.

Trains a small network for some steps with a monitor that writes event files, writes its graph, starts TensorBoard on
the loopback interface, and opens its pages of scalars and graphs in Chromium without a window. Look at ``scalars.png``
and ``graphs.png`` in the folder ``--output``: a falling loss, and boxes between ``image`` and ``scores``.

Needs the package ``tensorboard`` (``pip install -e ".[tensorboard]"``) and Chromium (``apt-get install chromium``).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.experimental.tb_graph_writer import TBGraphWriter
from nnabla.monitor import Monitor, MonitorSeries

SECONDS = 120
PAGES = ("scalars", "graphs")
SERIES = "training-loss"


def write_events(folder: Path) -> None:
    """The loss of fifty steps, and the graph."""
    rng = np.random.RandomState(0)
    x, t = nn.Variable((32, 1, 8, 8)), nn.Variable((32, 1))
    x.name = "image"
    with nn.parameter_scope("features"):
        h = F.relu(PF.batch_normalization(PF.convolution(x, 8, (3, 3), with_bias=False)))
    y = PF.affine(F.max_pooling(h, (2, 2)), 10, name="classifier")
    loss = F.mean(F.softmax_cross_entropy(y, t))
    solver = S.Adam(1e-2)
    solver.set_parameters(nn.get_parameters())
    series = MonitorSeries(SERIES, Monitor(str(folder), tensorboard=True), interval=1, verbose=False)
    x.d, t.d = rng.randn(*x.shape), rng.randint(0, 10, t.shape)
    for step in range(50):
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()
        series.add(step, loss.d.copy())
    with TBGraphWriter(log_dir=str(folder)) as writer:
        writer.from_variable(y, output_name="scores")


def browser() -> str:
    """The path of a browser.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("there is no Chromium: apt-get install chromium")


def address_of(process: subprocess.Popen[str]) -> str:
    """Where TensorBoard listens; it says so on standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
            return found[0]
    raise RuntimeError("TensorBoard ended before it listened")


def wait_for_data(address: str) -> None:
    """Until it has read the series."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{address}data/plugin/scalars/tags", timeout=SECONDS) as answer:
            if SERIES in json.dumps(json.load(answer)):
                return
        time.sleep(0.5)
    raise TimeoutError("TensorBoard has not found the series")


def take_picture(url: str, picture: Path) -> None:
    """Open a page and take a picture of it."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--window-size=1500,1000", "--hide-scrollbars", "--virtual-time-budget=30000"]
        command += [f"--screenshot={picture}", url]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("tutorial-output"), metavar="DIR", help="for the pictures")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    browser()
    with tempfile.TemporaryDirectory() as folder:
        write_events(Path(folder))
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", "0"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            address = address_of(process)
            wait_for_data(address)
            for page in PAGES:
                picture = args.output.resolve() / f"{page}.png"
                take_picture(f"{address}#{page}", picture)
                print(picture)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
