"""From a folder of PNGs to a trained network, a command for each step.

    python examples/image_folders.py generate pictures
    nnabla_cli create_image_classification_dataset -i pictures -o dataset -c 3 -w 24 -g 24 -m padding -s true \\
        -f1 train.csv -r1 80 -f2 test.csv -r2 20
    nnabla_cli conv_dataset dataset/train.csv train_cache
    python examples/image_folders.py train dataset/train.csv --test dataset/test.csv
    python examples/image_folders.py train train_cache --test dataset/test.csv

``python examples/image_folders.py all`` does all of this and tells how long each step took; with ``--small`` there are
300 pictures instead of 5000. The pictures are discs, squares, crosses, rings and stripes of all sizes and colours.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.monitor import tile_images
from nnabla.utils.data_iterator import data_iterator_cache, data_iterator_csv_dataset
from nnabla.utils.image_utils import imread, imsave
from nnabla_cli import main as nnabla_cli

CLASSES = ("cross", "disc", "ring", "square", "stripes")
SIZE = 24
BATCH = 50


def picture(kind: str, random: np.random.RandomState) -> np.ndarray:
    """A picture of 20 to 40 pixels a side, shape (height, width, 3), ``uint8``."""
    height, width = random.randint(20, 41, 2)
    radius = random.uniform(0.25, 0.45) * min(height, width)
    y, x = np.mgrid[:height, :width] - np.array([height, width]).reshape(2, 1, 1) / 2
    x, y = x + random.uniform(-2, 2), y + random.uniform(-2, 2)
    square = np.maximum(abs(x), abs(y)) < 0.8 * radius
    distance = np.hypot(x, y)
    inside = {
        "cross": square & (np.minimum(abs(x), abs(y)) < 0.25 * radius),
        "disc": distance < radius,
        "ring": (distance < radius) & (distance > 0.6 * radius),
        "square": square,
        "stripes": square & (np.floor(4 * y / radius) % 2 == 0),
    }[kind]
    paper, ink = random.uniform(0, 90, 3), random.uniform(140, 255, 3)
    image = np.where(inside[:, :, np.newaxis], ink, paper) + random.normal(0, 8, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8)


def generate(folder: Path, count: int, seed: int) -> None:
    """Write pictures into a folder for each class."""
    random = np.random.RandomState(seed)
    for number in range(count):
        kind = CLASSES[number % len(CLASSES)]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        imsave(folder / kind / f"{number:05}.png", picture(kind, random))


def batches_of(source: str, shuffle: bool) -> Any:
    """An iterator over a CSV file or a cache, images in [0, 1]."""
    make = data_iterator_csv_dataset if source.endswith(".csv") else data_iterator_cache
    return make(source, BATCH, shuffle=shuffle, normalize=True, rng=np.random.RandomState(0))


def scores(x: nn.Variable, test: bool = False) -> nn.Variable:
    """Scores ``(B, 5)`` of images ``(B, 3, 24, 24)``."""
    for name, maps in (("a", 8), ("b", 16), ("c", 32)):
        with nn.parameter_scope(name):
            x = PF.convolution(x, maps, (3, 3), pad=(1, 1))
            x = F.max_pooling(F.relu(PF.batch_normalization(x, batch_stat=not test)), (2, 2))
    return PF.affine(x, len(CLASSES))


def train(source: str, test: str, epochs: int) -> dict[str, float]:
    """Train with what `source` holds.

    Returns:
        The share of wrong answers for the images of `test`, in percent, and the seconds that each epoch took.
    """
    nn.clear_parameters()
    nn.seed(0)
    x, t = nn.Variable((BATCH, 3, SIZE, SIZE)), nn.Variable((BATCH, 1))
    loss = F.mean(F.softmax_cross_entropy(scores(x), t))
    solver = S.Adam(0.003)
    solver.set_parameters(nn.get_parameters())
    with batches_of(source, shuffle=True) as batches:
        started = time.perf_counter()
        for step in range(epochs * batches.size // BATCH):
            x.d, t.d = batches.next()
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
            if step % 20 == 0:
                print(f"step {step:4d}  loss {float(loss.d):.4f}", flush=True)
        seconds = (time.perf_counter() - started) / epochs
    wrong = F.sum(F.top_n_error(scores(x, test=True), t))
    with batches_of(test, shuffle=False) as batches:
        count, total = batches.size, 0.0
        for first in range(0, count, BATCH):
            x.d, t.d = batches.next()
            # The last batch goes on from the beginning, and those count once.
            t.d[count - first :] = -1
            wrong.forward(clear_buffer=True)
            total += float(wrong.d) - max(0, first + BATCH - count)
    error = 100 * total / count
    print(f"{source}: {error:.1f} % of {count} test images wrong, {seconds:.2f} s for an epoch")
    return {"error": error, "seconds": seconds}


def save_figure(pictures: Path, times: dict[str, float], path: Path) -> None:
    """Write some pictures of each class, and how long each step took, into one PNG."""
    figure, panels = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    files = [file for kind in CLASSES for file in sorted((pictures / kind).iterdir())[: len(CLASSES)]]
    shown = [imread(str(file), size=(32, 32), channel_first=True) for file in files]
    panels[0].imshow(tile_images(np.stack(shown), padval=255))
    panels[0].set_title(", ".join(CLASSES))
    panels[0].axis("off")
    panels[1].barh([name.replace(", ", ",\n") for name in times], list(times.values()), color="tab:blue")
    panels[1].invert_yaxis()
    panels[1].set(xlabel="seconds (this machine)", title="Every step")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def run_all(output: Path, count: int, epochs: int) -> dict[str, Any]:
    """Every step, one after the other, with its time."""
    pictures, dataset, cache = output / "pictures", output / "dataset", output / "train_cache"
    test = str(dataset / "test.csv")
    create = ["-i", str(pictures), "-o", str(dataset), "-w", str(SIZE), "-g", str(SIZE)]
    options = "-c 3 -m padding -s true -f1 train.csv -r1 80 -f2 test.csv -r2 20"
    steps: dict[str, Any] = {
        "generate": lambda: generate(pictures, count, seed=0),
        "create_image_classification_dataset": lambda: command(
            "create_image_classification_dataset", *create, *options.split()
        ),
        "conv_dataset": lambda: command("conv_dataset", "-F", str(dataset / "train.csv"), str(cache)),
        "train, data_iterator_csv_dataset": lambda: train(str(dataset / "train.csv"), test, epochs),
        "train, data_iterator_cache": lambda: train(str(cache), test, epochs),
    }
    results: dict[str, Any] = {}
    times = {}
    for name, step in steps.items():
        started = time.perf_counter()
        results[name] = step()
        times[name] = time.perf_counter() - started
    print(f"\n{count} pictures")
    for name, seconds in times.items():
        print(f"{name:40s}{seconds:8.1f} s")
    save_figure(pictures, times, output / "image_folders.png")
    trained = {"CSV": "data_iterator_csv_dataset", "cache": "data_iterator_cache"}
    errors = [f"{name} {results[f'train, {kind}']['error']:.1f} %" for name, kind in trained.items()]
    print(f"result: {count} pictures, {', '.join(errors)} wrong")
    return results


def command(*arguments: str) -> None:
    """Run a subcommand of nnabla_cli in this process.

    Raises:
        RuntimeError: it failed.
    """
    print("$ nnabla_cli", *arguments, flush=True)
    try:
        nnabla_cli(arguments)
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"nnabla_cli {arguments[0]} failed") from None


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    for name, text in (("generate", "write pictures"), ("train", "train and test"), ("all", "every step")):
        add = steps.add_parser(name, help=text).add_argument
        add("--small", action="store_true", help="300 pictures instead of 5000")
        if name == "generate":
            add("folder", type=Path, help="to write to")
        if name == "train":
            add("source", help="CSV file, or folder of a cache")
            add("--test", required=True, help="CSV file")
        if name == "all":
            add("--output", type=Path, default=Path("demo-output/image_folders"), metavar="DIR", help="for all files")
        if name != "generate":
            add("--epochs", type=int, metavar="N", help="default 4; 12 with --small")
    args = parser.parse_args(argv)
    logging.getLogger("nnabla").setLevel(logging.WARNING)
    count = 300 if args.small else 5000
    if args.step == "generate":
        generate(args.folder, count, seed=0)
        return {}
    epochs = args.epochs or (12 if args.small else 4)
    if args.step == "train":
        return train(args.source, args.test, epochs)
    return run_all(args.output, count, epochs)


if __name__ == "__main__":
    main()
    sys.exit(0)
