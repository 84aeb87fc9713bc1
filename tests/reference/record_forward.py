"""What ``nnabla_cli forward`` of the original writes: models, data sets and its results, in ``cli/forward.zip``.

    python tests/reference/record_forward.py

The functions of the models are exact, so that results can be compared byte for byte. In results, ``/ROOT`` stands for
the folder that the data sets were in. Only NNabla's public API is used here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import nnabla as nn
import nnabla.functions as F
from nnabla.utils.save import save

TARGET = Path(__file__).resolve().parent / "cli" / "forward.zip"

CASES = {
    "shapes": ["-c", "shapes.nnp", "-d", "table.csv"],
    "named": ["-c", "shapes.nnp", "-d", "table.csv", "-f", "other.csv", "--result_outdir", "sub"],
    "two": ["-c", "two.nnp", "-d", "table.csv"],
    "thousands": ["-c", "one.nnp", "-d", "long.csv"],
    "short": ["-c", "shapes.nnp", "-d", "short.csv"],
    "images": ["-c", "images.nnp", "-d", "data/images.csv"],
    "unnormalized": ["-c", "unnormalized.nnp", "-d", "data/images.csv"],
    "absolute": ["-c", "images.nnp", "-d", "data/images.csv", "--replace_path"],
    "arrays": ["-c", "arrays.nnp", "-d", "data/arrays.csv"],
    "mean": ["-c", "mean.nnp", "-d", "table.csv"],
    "last": ["-c", "last.nnp", "-d", "table.csv"],
    "back": ["-c", "back.nnp", "-d", "table.csv"],
    "cached": ["-c", "shapes.nnp", "-d", "table.cache"],
    "cached_images": ["-c", "images.nnp", "-d", "data/images.cache"],
    "reshaped": ["-c", "reshaped.nnp", "-d", "twelve.csv"],
}
CACHES = {"table.csv": ["-S", "-N"], "data/images.csv": ["-N"]}
INPUTS = "*.csv *.nnp *.cache/* data/*.csv data/*/*.npy data/*/*.png data/*.cache/*"


def model(name: str, inputs: dict[str, Any], outputs: dict[str, Any], edit: Any = None, **executor: Any) -> None:
    """Save a model of batch size 2 with an executor."""
    contents = {
        "networks": [{"name": "net", "batch_size": 2, "outputs": outputs, "names": inputs}],
        "executors": [{"name": "rt", "network": "net", "data": list(inputs), "output": list(outputs), **executor}],
    }
    save(f"{name}.nnp", contents)
    if edit is not None:
        with zipfile.ZipFile(f"{name}.nnp") as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        with zipfile.ZipFile(f"{name}.nnp", "w") as archive:
            for member, data in members.items():
                archive.writestr(member, edit(data.decode()).encode() if member.endswith(".nntxt") else data)


def as_generator(text: str) -> str:
    """Input ``n`` is drawn and not read."""
    drawn = 'generator_variable {\n    variable_name: "n"\n    type: "Normal"\n    multiplier: 1\n  }'
    return text.replace('data_variable {\n    variable_name: "n"\n    data_name: "n"\n  }', drawn)


def models() -> None:
    """All models."""
    x = nn.Variable((2, 12))
    h = F.mul_scalar(x, 0.5)
    shapes = {
        "vector": h,
        "row": F.reshape(F.max(h, axis=1), (2, 1)),
        "number": F.max(h, axis=1),
        "matrix": F.reshape(h, (2, 4, 3)),
        "grey": F.reshape(h, (2, 1, 4, 3)),
        "rgb": F.reshape(h, (2, 3, 2, 2)),
        "maps": F.reshape(h, (2, 2, 3, 2)),
        "pixel": F.reshape(F.max(h, axis=1), (2, 1, 1, 1)),
        "deep": F.reshape(h, (2, 2, 1, 3, 2)),
        "nan": F.pow_scalar(h, 0.5),
        "large": F.mul_scalar(F.mul_scalar(x, 1e30), 1e10),
    }
    model("shapes", {"x": x}, shapes)
    again = 'executor {\n  name: "again"\n  network_name: "net"\n  data_variable {\n    variable_name: "x"\n'
    again += (
        '    data_name: "x"\n  }\n  output_variable {\n    variable_name: "grey"\n    data_name: "second"\n  }\n}\n'
    )
    model("two", {"x": x}, {"vector": h, "grey": shapes["grey"]}, edit=lambda text: text + again)
    x = nn.Variable((2, 2))
    model("one", {"x": x}, {"m": F.reshape(F.mul_scalar(x, 0.5), (2, 1, 2))})
    x = nn.Variable((2, 3, 4, 4))
    model("images", {"x": x}, {"y": F.mul_scalar(x, 0.5), "s": F.max(x, axis=(1, 2, 3))})
    model(
        "unnormalized",
        {"x": x},
        {"y": F.mul_scalar(x, 0.5), "s": F.max(x, axis=(1, 2, 3))},
        no_image_normalization=True,
    )
    x = nn.Variable((2, 2, 3))
    model("arrays", {"x": x}, {"y": F.mul_scalar(x, 0.5)})
    x, n = nn.Variable((2, 12)), nn.Variable((2, 12))
    for kind in ("mean", "last"):
        executor = {"num_evaluations": 3, "repeat_evaluation_type": kind}
        model(kind, {"x": x, "n": n}, {"y": F.add2(x, n)}, edit=as_generator, **executor)
    back = 'executor {\n  need_back_propagation: true\n  loss_variable {\n    variable_name: "loss"\n  }\n'
    back += '  output_variable {\n    variable_name: "x"\n    type: "Gradient"\n    data_name: "g"\n  }\n'
    x = nn.Variable((2, 12))
    h = F.mul_scalar(x, 0.5)
    model("back", {"x": x}, {"h": h, "loss": F.max(h, axis=1)}, edit=lambda text: text.replace("executor {\n", back))
    x = nn.Variable((2, 2, 2, 3))
    model("reshaped", {"x": x}, {"y": F.mul_scalar(x, 0.5)})


def write(path: str, lines: list[str]) -> None:
    with open(path, "w", newline="") as file:
        file.write("".join(lines))


def data_sets() -> None:
    """All data sets."""
    rng = np.random.RandomState(3)
    os.makedirs("data/files")
    quarters = rng.randint(-4, 9, (5, 12)) / 4
    header = '"x__0:a, b",' + ",".join(f"x__{i}" for i in range(1, 12)) + ",y:label\n"
    rows = [",".join(map(str, row)) + f",{i % 3}\n" for i, row in enumerate(quarters)]
    rows[1] = " +" + rows[1].lstrip("-")
    write("table.csv", [header, *rows])
    write("short.csv", [header, rows[0]])
    write("twelve.csv", [header, *rows[:3]])
    write("long.csv", ["x__0,x__1\r\n", *(f"{i},-1\r\n" for i in range(1003))])
    for i in range(3):
        Image.fromarray(rng.randint(0, 256, (4, 4, 3)).astype(np.uint8)).save(f"data/files/{i}.png")
        np.save(f"data/files/{i}.npy", (rng.randint(0, 9, (2, 3)) / 4).astype(np.float32))
    write("data/images.csv", ["x:image,y\n", *(f"files/{i}.png,{i}\n" for i in range(3))])
    cells = ["files/0.npy,hello,1", "./files/1.npy,files/1.npy,2", 'files/../files/2.npy,"a,b",3']
    write("data/arrays.csv", ["x,#note,label\n", *(f"{cell}\n" for cell in cells)])


def main() -> None:
    """Make everything in a temporary folder."""
    assert nn.__version__ == "1.39.0", "to be recorded with the original"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        models()
        data_sets()
        root = Path(folder)
        program = str(Path(sys.executable).with_name("nnabla_cli"))
        for source, options in CACHES.items():
            cache = source.replace(".csv", ".cache")
            subprocess.run([program, "conv_dataset", *options, source, cache], timeout=60, capture_output=True)
        inputs = sorted({path for pattern in INPUTS.split() for path in root.glob(pattern)})
        for case, arguments in CASES.items():
            os.makedirs(f"out/{case}")
            command = [program, "forward", *arguments, "-o", f"out/{case}"]
            print(case, subprocess.run(command, timeout=60, capture_output=True).returncode, flush=True)
        outputs = sorted(path for path in root.glob("out/**/*") if path.is_file() and path.name != "progress.txt")
        if not TARGET.parent.exists():
            TARGET.parent.mkdir()
        with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in [*inputs, *outputs]:
                entry = zipfile.ZipInfo(str(path.relative_to(root)), (2026, 1, 1, 0, 0, 0))
                data = path.read_bytes().replace(os.path.realpath(folder).encode(), b"/ROOT")
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
        os.chdir("/")


if __name__ == "__main__":
    main()
