"""Write a training configuration of handwritten digits, and its data sets, for the command line.

    python examples/digits_configuration.py --output digits

makes ``digits.nntxt``, ``train.csv``, ``valid.csv`` and ``digit.bin``; docs/digits_on_the_command_line.md says what to
do with them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.utils.save import save

BATCH_SIZE = 64
VALID = 360
PIXELS, CLASSES = 64, 10


def write_csv(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """A data set of flat images, a pixel in each column."""
    header = [f"x__{i}:pixel" for i in range(images.shape[1])] + ["y:digit"]
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(header) + "\n")
        for image, label in zip(images, labels, strict=True):
            file.write(",".join([*(f"{value:g}" for value in image), str(label)]) + "\n")


def write_configuration(path: Path, epochs: int) -> None:
    """The network, how it is trained, watched, and run."""
    x, t = nn.Variable((BATCH_SIZE, PIXELS)), nn.Variable((BATCH_SIZE, 1))
    h = F.relu(PF.affine(x, 64, name="hidden"))
    y = PF.affine(h, CLASSES, name="output")
    loss = F.mean(F.softmax_cross_entropy(y, t))
    error = F.mean(F.top_n_error(y, t))
    solver = S.Adam(0.003)
    solver.set_parameters(nn.get_parameters())
    data = {"x": "x", "t": "y"}
    contents = {
        "global_config": {"default_context": nn.get_current_context()},
        "training_config": {"max_epoch": epochs, "iter_per_epoch": 0, "save_best": True},
        "networks": [
            {
                "name": "digits",
                "batch_size": BATCH_SIZE,
                "outputs": {"scores": y, "loss": loss, "error": error},
                "names": {"x": x, "t": t},
            }
        ],
        "datasets": [
            {
                "name": name,
                "uri": f"{name}.csv",
                "variables": ["x", "y"],
                "shuffle": name == "train",
                "batch_size": BATCH_SIZE,
                "no_image_normalization": False,
            }
            for name in ("train", "valid")
        ],
        "optimizers": [
            {
                "name": "optimizer",
                "solver": solver,
                "network": "digits",
                "dataset": "train",
                "weight_decay": 0,
                "lr_decay": 1,
                "lr_decay_interval": 1,
                "update_interval": 1,
                "data_variables": data,
                "loss_variables": ["loss"],
            }
        ],
        "monitors": [
            {
                "name": f"{name}_error",
                "network": "digits",
                "dataset": name,
                "data_variables": data,
                "monitor_variables": ["error"],
            }
            for name in ("train", "valid")
        ],
        "executors": [{"name": "recognize", "network": "digits", "data": ["x"], "output": ["scores"]}],
    }
    save(str(path), contents, include_params=True)


def main(arguments: list[str] | None = None) -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path("digits"), help="folder to write to (default: digits)")
    parser.add_argument("--epochs", type=int, default=20, help="to train for (default: 20)")
    args = parser.parse_args(arguments)
    args.output.mkdir(parents=True, exist_ok=True)
    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.float32) / 16
    write_csv(args.output / "train.csv", images[VALID:], labels[VALID:])
    write_csv(args.output / "valid.csv", images[:VALID], labels[:VALID])
    images[0].tofile(args.output / "digit.bin")
    write_configuration(args.output / "digits.nntxt", args.epochs)
    print(f"result: {len(images) - VALID} digits to train with, {VALID} to validate, {args.epochs} epochs")


if __name__ == "__main__":
    main()
