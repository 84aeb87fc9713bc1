"""docs/quick_start.md, file by file and command by command, in an empty folder."""

from __future__ import annotations

import ast
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "quick_start.md").read_text(encoding="utf-8")
# In the order of the page: a file with its name, or commands.
STEP = re.compile(r"^`(\w+\.py)`[^`]*?:\n\n```python\n(.*?)^```|^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def listening(port, process):
    """Wait until a server takes connections."""
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def test_every_file_and_command(tmp_path):
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    programs = {"python": [sys.executable], "nnabla_cli": [sys.executable, "-m", "nnabla_cli"]}
    printed, servers, files = {}, [], []
    try:
        for name, code, commands in STEP.findall(PAGE):
            if name:
                (tmp_path / name).write_text(code, encoding="utf-8")
                files.append(name)
            for line in commands.splitlines():
                assert line.startswith("$ ")
                words = shlex.split(line[2:].replace("8000", port))
                background = words[-1] == "&"
                command = [*programs[words[0]], *words[1 : len(words) - background]]
                options = {"cwd": tmp_path, "env": environment, "text": True, "stderr": subprocess.PIPE}
                if background:
                    servers.append(subprocess.Popen(command, **{**options, "stderr": subprocess.DEVNULL}))
                    listening(port, servers[-1])
                else:
                    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, **options)
                    assert done.returncode == 0, (line, done.stderr[-2000:])
                    printed[line[2:]] = done.stdout
    finally:
        for server in servers:
            server.kill()
            server.wait()
    assert files == ["train.py", "serve.py", "ask.py"]
    assert len(printed) == 8 and len(servers) == 1
    losses = [float(line.split()[1]) for line in printed["python train.py"].splitlines()]
    assert losses[-1] < 0.01 < losses[0]
    shown = next(text for line, text in printed.items() if "answer_0.bin" in line)
    assert float(shown.strip(" []\n")) == pytest.approx(1, abs=0.05)
    lengths = ast.literal_eval(printed["python ask.py 8000"])["lengths"]
    np.testing.assert_allclose(lengths, [1, 0.5, 0.9], atol=0.05)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "GNUmakefile",
        "length_example.c",
        "length_inference.c",
        "length_inference.h",
        "length_parameters.c",
    ]
    assert (tmp_path / "length.onnx").stat().st_size > 500
