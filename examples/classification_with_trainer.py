"""Classification with `nn.Trainer`: digits learned until it does not help any more, and the best network kept.

The same network and digits as in `train_digits.py`, where the loop is written out. Here the trainer feeds, updates,
evaluates every 25 updates, stops when eight evaluations in a row brought nothing better, and leaves checkpoints,
series and a table in `trainer/`. With `--resume` it goes on from there. What you learn: `nn.Trainer`, and how little
it wants to know.

The exit status is 1 if more than 4 % of the digits that were not trained on are wrong.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, smoothed, start
from train_digits import BATCH, classify, shifted_minibatches, split_digits

import nnabla as nn
import nnabla.solvers as S

WIDTH = 4


def save_figure(losses: list[float], rows: list[dict[str, str]], best: int, path: Path) -> None:
    """Write the loss of each update and the error of each evaluation into one PNG."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    panels[0].semilogy(smoothed(losses), color="#0072B2")
    panels[0].set(xlabel="update", ylabel="loss (mean of 25)", title="Training")
    updates, errors = ([float(row[name]) for row in rows] for name in ("iteration", "error"))
    panels[1].plot(updates, [100 * error for error in errors], "o-", markersize=3, color="#D55E00")
    panels[1].axvline(best, color="0.5", linestyle=":", label=f"best, kept: after {best} updates")
    panels[1].set(xlabel="update", ylabel="percent wrong", title="Digits that are not trained on")
    panels[1].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | str | bool]:
    """Run the example; the result holds the error of the best parameters, percent, and how training ended."""
    parser = example_parser(__doc__, iterations=3000)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    args = parser.parse_args(argv)
    start(args)
    split = split_digits(args.seed)
    batches = shifted_minibatches(split, args.seed)
    image, label = nn.Variable((BATCH, 1, 8, 8)), nn.Variable((BATCH, 1))
    training = classify(image, label, WIDTH)
    tests = [nn.Variable.from_numpy_array(array) for array in (split.test_images, split.test_labels)]
    test = classify(*tests, WIDTH, test=True)
    solver = S.Adam(3e-3)
    solver.set_parameters(nn.get_parameters())

    def feed() -> None:
        image.d, label.d = batches.next()

    def evaluate() -> dict[str, float]:
        nn.forward_all([test.error, test.loss], clear_buffer=True)
        return {"error": float(test.error.d), "test loss": float(test.loss.d)}

    folder = args.output / "trainer"
    trainer = nn.Trainer(
        training.loss,
        solver,
        feed,
        evaluate=evaluate,
        evaluate_interval=25,
        patience=8,
        weight_decay=1e-4,
        watch={"training error": training.error},
        folder=folder,
        data_iterators=batches,
        progress=True,
    )
    if args.resume and trainer.resume():
        print(f"going on from update {trainer.iteration}")
    result = trainer.train(args.iterations)
    batches.close()
    trainer.load_best()
    error = 100 * evaluate()["error"]
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    save_figure(result.losses, rows, result.best_iteration, args.output / "classification_with_trainer.png")
    ended = {"patience": "nothing better for eight evaluations", "iterations": "all updates done"}[result.stopped]
    print(f"files in {folder}/: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    print(f"result: {error:.2f} % wrong after {result.best_iteration} updates; {ended} after {trainer.iteration}")
    return {
        "error": error,
        "stopped": result.stopped,
        "updates": trainer.iteration,
        "best_after": result.best_iteration,
        "loss_ratio": float(np.mean(result.losses[-10:]) / result.losses[0]) if result.losses else 0.0,
        "passed": error <= 4,
    }


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
