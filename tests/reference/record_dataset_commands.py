"""What the commands of the original NNabla write that make data sets and caches.

    python tests/reference/record_dataset_commands.py

writes ``tests/reference/dataset_commands.json``: for each command of `COMMANDS` the files that it leaves. `tests/cli/`
runs the same commands on this package. Only NNabla's command line is used here.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FILE = Path(__file__).resolve().parent / "dataset_commands.json"

_CLASSES = "create_image_classification_dataset -i classes -o out -w 8 -g 6 -f1 train.csv"
_BOXES = "create_object_detection_dataset -i boxes -o out -w 24 -g 16 -n 4 -d 8 -m trimming -f1 train.csv -s false"

COMMANDS = {
    "grey, trimmed": f"{_CLASSES} -c 1 -m trimming -s false -r1 70 -f2 test.csv -r2 30",
    "grey, padded": f"{_CLASSES} -c 1 -m padding -s false -r1 60 -f2 test.csv -r2 40",
    "colour, trimmed": f"{_CLASSES} -c 3 -m trimming -s false",
    "colour, padded": f"{_CLASSES} -c 3 -m padding -s false -f2 test.csv -r2 20",
    "all in the second": f"{_CLASSES} -c 1 -m padding -s false -r1 0 -f2 test.csv -r2 100",
    "boxes, one anchor": f"{_BOXES} -c 3 -a 1",
    "boxes, three anchors": f"{_BOXES} -c 1 -a 3",
    "boxes, two anchors": f"{_BOXES} -c 3 -a 2",
    "cache": "conv_dataset pictures.csv out",
    "cache, shuffled": "conv_dataset -S pictures.csv out",
    "cache, normalized": "conv_dataset -N pictures.csv out",
    "cache, shuffled, normalized, two threads": "conv_dataset -S -N -t 2 pictures.csv out",
    "cache of a cache": "conv_dataset -S made.cache out.cache",
    "tar": "create_tar pictures.csv out.tar",
    "tar of vectors": "create_tar vectors.csv out.tar",
}
"""What is run in the folder that `make_files` fills."""


def make_files(folder: Path) -> None:
    """Images in folders for classes, images with boxes, and tables; the same pixels everywhere."""
    random = np.random.RandomState(0)

    def image(name: str, *shape: int, mode: str | None = None) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.randint(0, 256, shape).astype(np.uint8), mode).save(path)

    for name, shape in {
        "cat/wide.png": (10, 15, 3),
        "cat/tall.png": (15, 10, 3),
        "cat/Grey.PNG": (10, 12),
        "cat/small.bmp": (3, 5, 3),
        "dog/b.tif": (12, 13, 3),
        "dog/a.gif": (7, 7),
        "dog/c.png": (6, 8, 3),
        "dog/d.v2.png": (20, 5, 3),
        "Zebra/e.png": (9, 31, 3),
        "deep/below/f.png": (9, 9, 3),
        "root.png": (9, 9, 3),
    }.items():
        image(f"classes/{name}", *shape)
    image("classes/dog/alpha.png", 8, 8, 4)
    (folder / "classes" / "empty").mkdir()
    (folder / "classes" / "dog" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "classes" / "dog" / "notes.txt").write_text("none")

    for i in range(12):
        # Images have the size that they get: of others, NNabla 1.39 puts the boxes at wrong places.
        image(f"boxes/{'below/' if i % 4 == 3 else ''}{i:02}.png", 16, 24, 3)
        # Large ones that are not at the edges: NNabla 1.39 takes some that do not meet an anchor's for such that do.
        boxes = []
        for _ in range(1 + i % 5):
            boxes.append((random.randint(4), *random.uniform(0.1, 0.9, 2), *random.uniform(0.3, 0.7, 2)))
        lines = ["{} {:.4f} {:.4f} {:.4f} {:.4f}\n".format(*box) for box in boxes]
        (folder / "boxes" / f"{'below/' if i % 4 == 3 else ''}{i:02}.txt").write_text("".join(lines))

    for i in range(7):
        image(f"images/{i}.png", 2, 3, 3)
    rows = [f"./images/{i}.png,{i % 3},row {i},{i / 10}" for i in [0, 1, 2, 3, 4, 5, 6, 0]]
    write(folder / "pictures.csv", ["x:image,y:label,#note,z", *rows])
    write(folder / "table.csv", ["1,2", "3,4"])
    write(folder / "vectors.csv", ["x__0,x__1,y", "images/0.png,images/1.png,table.csv", "images/2.png,images/0.png,1"])


def write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def status_of(arguments: list[str]) -> Any:
    """The exit status of a command, run in this process."""
    from nnabla.utils.cli.cli import main

    before = sys.argv, os.listdir, os.walk
    sys.argv = ["nnabla_cli", *arguments]
    # The original takes files in the order in which the system lists them.
    os.listdir = lambda *folder: sorted(before[1](*folder))
    os.walk = lambda *given: iter(sorted((at, sorted(below), sorted(files)) for at, below, files in before[2](*given)))
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    finally:
        sys.argv, os.listdir, os.walk = before
    return 0


def run(name: str, folder: Path) -> Any:
    """The status of a command, run in the folder, and the files that it leaves there."""
    make_files(folder)
    there = {path for path in folder.rglob("*") if path.is_file()}
    before = os.getcwd()
    os.chdir(folder)
    try:
        if "made.cache" in COMMANDS[name]:
            there |= {folder / "made.cache" / file for file in _made_cache()}
        status = status_of(COMMANDS[name].split())
    finally:
        os.chdir(before)
    new = sorted(path for path in folder.rglob("*") if path.is_file() and path not in there)
    return json.loads(json.dumps([status, {path.relative_to(folder).as_posix(): contents(path) for path in new}]))


def _made_cache() -> list[str]:
    assert status_of(["conv_dataset", "pictures.csv", "made.cache"]) == 0
    return os.listdir("made.cache")


def anchors(folder: Path) -> Any:
    """Anchors of the boxes, by their number; the files are in the order of their names."""
    from nnabla.utils.cli.create_object_detection_dataset import get_anchors

    make_files(folder)
    files = sorted(path.relative_to(folder / "boxes").as_posix() for path in (folder / "boxes").rglob("*.png"))
    return {str(count): get_anchors(str(folder / "boxes"), files, count).tolist() for count in range(1, 8)}


def contents(path: Path) -> Any:
    """What a file holds, in a form that does not depend on how it is packed."""
    if path.suffix == ".png":
        with Image.open(path) as image:
            array = np.asarray(image)
        return [str(array.dtype), list(array.shape), array.ravel().tolist()]
    if path.suffix == ".npy":
        return path.read_bytes().hex()
    if path.suffix == ".tar":
        with tarfile.open(path) as archive:
            members = [(member, archive.extractfile(member)) for member in archive]
            return [[member.name, file.read().hex()] for member, file in members if file is not None]
    # Lines are not translated.
    return path.read_bytes().decode()


def main() -> None:
    recorded = {}
    with tempfile.TemporaryDirectory() as scratch:
        recorded["anchors"] = anchors(Path(scratch))
    for name in COMMANDS:
        with tempfile.TemporaryDirectory() as scratch:
            recorded[name] = run(name, Path(scratch))
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in recorded.items())
    FILE.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
