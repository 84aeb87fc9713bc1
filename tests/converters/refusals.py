"""What a process needs to refuse hostile files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_READ = """
import importlib, resource, sys
module, name, sound, *paths = sys.argv[1:]
read = getattr(importlib.import_module(module), name)
from nnabla.errors import FormatError
read(sound)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in paths:
    try:
        read(path)
    except FormatError:
        print("FormatError", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def largest(reader: str, sound: bytes, hostile: Sequence[bytes], folder: Path) -> int:
    """MB that refusing files takes at most, on top of what reading a sound one takes. All of them must be refused.

    Args:
        reader: module and name, as ``nnabla.converters.onnx.from_onnx``.
        sound, hostile: files.
        folder: to put them.
    """
    paths = [folder / str(number) for number in range(len(hostile) + 1)]
    for path, data in zip(paths, [sound, *hostile], strict=True):
        path.write_bytes(data)
    command = [sys.executable, "-W", "ignore", "-c", _READ, *reader.rpartition(".")[::2], *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [kind for kind, _ in lines] == ["FormatError"] * len(hostile), done.stderr[-2000:]
    return max(int(megabytes) for _, megabytes in lines)
