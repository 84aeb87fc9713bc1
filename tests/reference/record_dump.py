"""What ``nnabla_cli dump`` of the original prints, in ``cli/dump.json``, and the models for it in ``cli/dump/``.

    python tests/reference/record_dump.py

Only NNabla's public API is used here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import record_loops
from google.protobuf import text_format

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.utils.save import save

FOLDER = Path(__file__).resolve().parent / "cli"
CASES = """
dump/prepared.nnp
-F dump/prepared.nnp
-F --nnp-exclude-preprocess dump/prepared.nnp
-F -E 1 dump/prepared.nnp
-E 5 dump/prepared.nnp
train/trained.nnp
-F train/trained.nnp
-V train/trained.nnp
-F --dump-limit 2 train/trained.nnp
-V --dump-limit 2 train/trained.nnp
-n t train/trained.nnp
-n a1/affine/W train/trained.nnp
-n nothing train/trained.nnp
-F -V -n t train/trained.nnp
-v dump/prepared.nnp
dump/loop.nntxt
-F dump/loop.nntxt
-F --nnp-no-expand-network dump/loop.nntxt
-V --nnp-no-expand-network dump/loop.nntxt
dump/prepared.nnp dump/loop.nntxt
-I NNP train/trained.nnp
-I ONNX train/trained.nnp
-I NNP train/in.bin
train/in.bin
""".strip().splitlines()


def models() -> None:
    """A loop, and a network that prepares its input before it begins."""
    message = record_loops._repeat()
    executor = message.executor.add(name="rt", network_name="net")
    executor.data_variable.add(variable_name="x", data_name="x")
    executor.output_variable.add(variable_name="y", data_name="y")
    Path("dump/loop.nntxt").write_text(text_format.MessageToString(message))
    x = nn.Variable((2, 3, 8, 8))
    h = F.image_augmentation(x, shape=(3, 8, 8))
    h = F.mul_scalar(F.random_flip(F.mul_scalar(h, 0.01)), 2)
    h = F.random_crop(F.random_shift(h, shifts=(1, 1)), shape=(8, 8))
    y = PF.affine(F.relu(F.add_scalar(h, 0.5)), 2)
    z = F.random_flip(PF.affine(y, 2, name="b"))
    network = {"name": "net", "batch_size": 2, "outputs": {"y": y, "z": z}, "names": {"x": x}}
    executors = [
        {"name": name, "network": "net", "data": ["x"], "output": [out]} for name, out in (("a", "z"), ("b", "y"))
    ]
    save("dump/prepared.nnp", {"networks": [network], "executors": executors})


def main() -> None:
    """Record everything."""
    assert nn.__version__ == "1.39.0", "to be recorded with the original"
    os.chdir(FOLDER)
    models()
    program = str(Path(sys.executable).with_name("nnabla_cli"))
    found = {}
    for case in CASES:
        done = subprocess.run([program, "dump", *case.split()], timeout=60, capture_output=True, text=True)
        # The first line is the program's version.
        lines = done.stdout.splitlines()[1:]
        # Tracebacks are not recorded.
        found[case] = {"status": done.returncode, "lines": lines if done.returncode == 0 else []}
        print(
            "===", case, done.returncode, done.stderr.strip().splitlines()[-1:] if done.returncode else "", flush=True
        )
        print("\n".join(lines), flush=True)
    (FOLDER / "dump.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
