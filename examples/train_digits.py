"""Train a convolutional network on scikit-learn's digits: static, dynamic, saved and reloaded.

The network is the small CNN of the tutorial `tutorials/by_examples_cnn.py` with four times as many maps. It
is trained on three quarters of the 1797 digits, shifted at random by up to one pixel, and tested on the rest:

1. as a static graph, declared once and executed again and again;
2. as a dynamic graph, built anew in every iteration, from the same weights and minibatches;
3. reloaded from the parameter file of the first run into a parameter scope of its own.

The output directory receives the parameters, the monitored series, and two figures. The exit status is 1 if
any of the three test errors is above `--max-error`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from example_options import positive_int
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from tqdm import tqdm
from train_digits_figures import History, Split, save_learning_curves, save_predictions

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context
from nnabla.monitor import Monitor, MonitorSeries, MonitorTimeElapsed
from nnabla.utils.data_iterator import data_iterator_simple

CLASSES = 10
TEST_SHARE = 0.25
BATCH = 64
WEIGHT_DECAY = 1e-4
MODES = ("static", "dynamic")
BAR = "{desc:8s}{percentage:4.0f} %|{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}{postfix}"


def split_digits(seed: int) -> Split:
    """Split scikit-learn's digits 3 : 1, each class in the same proportion."""
    bunch = load_digits()
    images = bunch.images[:, np.newaxis].astype(np.float32)
    labels = bunch.target[:, np.newaxis].astype(np.int32)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_SHARE, random_state=seed, stratify=labels
    )
    return Split(train_images, train_labels, test_images, test_labels)


def shifted_minibatches(split: Split, seed: int) -> Any:
    """Data iterator over the training digits in random order, shifted by up to one pixel on each axis."""
    order, shift = np.random.RandomState(seed), np.random.RandomState(seed + 1)
    framed = np.pad(split.train_images, ((0, 0), (0, 0), (1, 1), (1, 1)))

    def load(index: int) -> tuple[np.ndarray, np.ndarray]:
        top, left = shift.randint(3, size=2)
        return framed[index, :, top : top + 8, left : left + 8], split.train_labels[index]

    return data_iterator_simple(load, len(framed), BATCH, shuffle=True, rng=order)


def digit_cnn(image: nn.Variable, width: int, test: bool = False) -> nn.Variable:
    """Scores ``(B, 10)`` for images ``(B, 1, 8, 8)``.

    Args:
        image: pixels of 0 to 16; the first batch normalization takes care of their scale.
        width: multiplies the 4, 8 and 32 maps of the three hidden layers.
        test: normalize with the statistics gathered in training instead of those of the batch.
    """

    def block(maps_below: nn.Variable, maps: int, **options: tuple[int, int]) -> nn.Variable:
        mixed = PF.convolution(maps_below, maps, (3, 3), pad=(1, 1), **options)
        return F.tanh(PF.batch_normalization(mixed, batch_stat=not test))

    with nn.parameter_scope("cnn"):
        with nn.parameter_scope("conv1"):
            hidden = block(image, 4 * width, stride=(2, 2))
        with nn.parameter_scope("conv2"):
            hidden = F.average_pooling(block(hidden, 8 * width), (2, 2))
        with nn.parameter_scope("fc3"):
            hidden = F.tanh(PF.affine(hidden, 32 * width))
        with nn.parameter_scope("classifier"):
            return PF.affine(hidden, CLASSES)


@dataclass(frozen=True)
class Outputs:
    """Variables of one graph: scores ``(B, 10)``, mean loss and mean error (0 to 1), both scalar."""

    scores: nn.Variable
    loss: nn.Variable
    error: nn.Variable


def classify(image: nn.Variable, label: nn.Variable, width: int, test: bool = False) -> Outputs:
    """Network, loss and error on one graph."""
    scores = digit_cnn(image, width, test)
    scores.persistent = True
    loss = F.mean(F.softmax_cross_entropy(scores, label))
    loss.persistent = True
    return Outputs(scores, loss, F.mean(F.top_n_error(scores, label)))


def static_runner(image: nn.Variable, label: nn.Variable, width: int, test: bool) -> Callable[[], Outputs]:
    """Declare the graph now; each call executes it."""
    graph = classify(image, label, width, test)

    def execute() -> Outputs:
        # Both at once, so that the layers below them run once.
        nn.forward_all([graph.loss, graph.error], clear_no_need_grad=True)
        return graph

    return execute


def dynamic_runner(image: nn.Variable, label: nn.Variable, width: int, test: bool) -> Callable[[], Outputs]:
    """Each call builds the graph anew and executes every function of it right away."""

    def execute() -> Outputs:
        with nn.auto_forward():
            return classify(image, label, width, test)

    return execute


def train(mode: str, split: Split, args: argparse.Namespace) -> History:
    """Train in one mode, inside the parameter scope of that name, and monitor it.

    Args:
        mode: ``"static"`` or ``"dynamic"``.
        split: the digits.
        args: command line.
    """
    runner = static_runner if mode == "static" else dynamic_runner
    nn.seed(args.seed)
    batches = shifted_minibatches(split, args.seed)
    image, label = nn.Variable((BATCH, 1, 8, 8)), nn.Variable((BATCH, 1))
    test_image = nn.Variable.from_numpy_array(split.test_images)
    test_label = nn.Variable.from_numpy_array(split.test_labels)
    run_batch = runner(image, label, args.width, test=False)
    run_test = runner(test_image, test_label, args.width, test=True)
    solver = S.Adam(args.learning_rate)
    if mode == "static":
        solver.set_parameters(nn.get_parameters())

    monitor = Monitor(str(args.output / "monitor" / mode))
    series = {
        name: MonitorSeries(name, monitor, interval=interval, verbose=False)
        for interval, names in ((10, ("training loss", "training error")), (1, ("test loss", "test error")))
        for name in names
    }
    elapsed = MonitorTimeElapsed("training time", monitor, interval=args.test_interval, verbose=False)

    history = History()
    shown = {"test error": "-"}
    with tqdm(range(args.iterations), desc=mode, ncols=110, bar_format=BAR, mininterval=0.2) as progress:
        for iteration in progress:
            start = time.perf_counter()
            # Half a cosine: large steps first, vanishing ones at the end (Loshchilov and Hutter, SGDR, 2017).
            fraction = iteration / args.iterations
            solver.set_learning_rate(args.learning_rate * 0.5 * (1 + np.cos(np.pi * fraction)))
            image.d, label.d = batches.next()
            outputs = run_batch()
            if mode == "dynamic":
                # New parameters may appear in any iteration; the state of those known before is kept.
                solver.set_parameters(nn.get_parameters(), reset=False, retain_state=True)
            solver.zero_grad()
            outputs.loss.backward(clear_buffer=True)
            solver.weight_decay(WEIGHT_DECAY)
            solver.update()
            history.loss.append(float(outputs.loss.d))
            history.error.append(100 * float(outputs.error.d))
            history.seconds += time.perf_counter() - start

            series["training loss"].add(iteration, history.loss[-1])
            series["training error"].add(iteration, history.error[-1])
            elapsed.add(iteration)
            if (iteration + 1) % args.test_interval == 0 or iteration + 1 == args.iterations:
                tested = run_test()
                history.checkpoints.append(iteration + 1)
                history.test_loss.append(float(tested.loss.d))
                history.test_error.append(100 * float(tested.error.d))
                history.scores = tested.scores.d.copy()
                series["test loss"].add(iteration, history.test_loss[-1])
                series["test error"].add(iteration, history.test_error[-1])
                shown["test error"] = f"{history.test_error[-1]:.2f} %"
            if iteration % 10 == 0 or iteration + 1 == args.iterations:
                recent = np.mean(history.loss[-20:]), np.mean(history.error[-20:])
                progress.set_postfix(
                    {"loss": f"{recent[0]:.4f}", "error": f"{recent[1]:.2f} %", **shown}, refresh=False
                )
    batches.close()
    return history


def reloaded_error(path: Path, split: Split, width: int) -> float:
    """Test error, percent, of a network whose parameters come from ``path``, in the scope ``reloaded``."""
    image = nn.Variable.from_numpy_array(split.test_images)
    label = nn.Variable.from_numpy_array(split.test_labels)
    with nn.parameter_scope("reloaded"):
        nn.load_parameters(str(path))
        loaded = len(nn.get_parameters(grad_only=False))
        error = classify(image, label, width, test=True).error
        # A parameter missing in the file would have been created at random by the line above.
        if len(nn.get_parameters(grad_only=False)) != loaded:
            raise ValueError(f"{path} does not hold all parameters of the network")
    error.forward()
    return 100 * float(error.d)


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of the description and shows every default."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Command line of the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, default=Path("demo-output"), metavar="DIR", help="directory for all files")
    add("--iterations", type=positive_int, default=1500, metavar="N", help="updates in each mode")
    add("--test-interval", type=positive_int, default=50, metavar="N", help="updates between two tests")
    add("--width", type=positive_int, default=4, metavar="W", help="multiplies the 4, 8 and 32 maps")
    add("--learning-rate", type=float, default=0.005, metavar="A", help="first and largest rate of Adam")
    add("--seed", type=int, default=0, metavar="S", help="of the split, weights, order and shifts")
    add("--max-error", type=float, default=3.0, metavar="P", help="largest test error allowed, percent")
    add("--threads", type=positive_int, default=1, metavar="N", help="CPU threads; images this small need one")
    add("--context", default="cpu", metavar="NAME", help="extension that computes, such as cpu or cudnn")
    add("--device-id", default="0", metavar="ID", help="device of that extension")
    return parser.parse_args(argv)


def loss_difference(histories: dict[str, History]) -> float:
    """Largest difference between the training losses of both modes in any iteration."""
    return float(np.abs(np.subtract(histories["static"].loss, histories["dynamic"].loss)).max())


def print_summary(histories: dict[str, History], reloaded: float, split: Split, args: argparse.Namespace) -> None:
    """Print the three test errors and where the files are."""
    count = len(split.test_labels)
    print(f"\n{'':12s}{'test error':>12s}{'wrong digits':>20s}{'training':>14s}{'per step':>12s}")
    for mode in MODES:
        history = histories[mode]
        error = history.test_error[-1]
        print(
            f"{mode:12s}{error:10.2f} %{round(error * count / 100):>13d} of {count}"
            f"{history.seconds:12.1f} s{1000 * history.seconds / len(history.loss):9.2f} ms"
        )
    print(f"{'reloaded':12s}{reloaded:10.2f} %{round(reloaded * count / 100):>13d} of {count}")
    print(f"\nLargest difference between the training losses of both modes: {loss_difference(histories):.2g}")
    print(f"Files in {args.output}/")
    for path in sorted(p for p in args.output.rglob("*") if p.is_file()):
        print(f"  {path.relative_to(args.output)!s:42s}{path.stat().st_size / 1024:8.1f} KiB")


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the demonstration; the result holds the three test errors, percent, and whether all is well."""
    args = parse_arguments(argv)
    started = time.perf_counter()
    logging.getLogger("nnabla").setLevel(logging.WARNING)  # Its messages would cut through the progress bar.
    args.output.mkdir(parents=True, exist_ok=True)
    parameters = args.output / "digits_cnn.h5"
    split = split_digits(args.seed)
    nn.clear_parameters()

    print(f"NNabla {nn.__version__}, context {args.context}")
    sizes = f"{len(split.train_labels)} digits to train on, {len(split.test_labels)} to test on"
    print(f"{sizes} (stratified split, seed {args.seed})")
    histories: dict[str, History] = {}
    context = get_extension_context(args.context, device_id=args.device_id)
    # With several threads, work on 8 x 8 images consists mostly of waiting for one another.
    with threadpool_limits(args.threads), nn.context_scope(context):
        for mode in MODES:
            with nn.parameter_scope(mode):
                histories[mode] = train(mode, split, args)
                if mode == "static":
                    nn.save_parameters(str(parameters))
        reloaded = reloaded_error(parameters, split, args.width)

    save_learning_curves(histories, args.output / "learning_curves.png")
    save_predictions(split, histories["static"].scores, args.seed, args.output / "predictions.png")
    print_summary(histories, reloaded, split, args)
    errors = {**{mode: histories[mode].test_error[-1] for mode in MODES}, "reloaded": reloaded}
    largest = max(errors.values())
    # Scores may differ in the last bit where kernels are chosen anew, but no digit may change its class.
    restored = abs(reloaded - errors["static"]) < 1e-3
    seconds = time.perf_counter() - started
    if not restored:
        print("FAILED: the reloaded network does not answer as the saved one did")
    verdict = "at most" if largest <= args.max_error else "FAILED: above"
    print(f"Largest test error {largest:.2f} %, {verdict} the {args.max_error:g} % allowed; {seconds:.1f} s in all")
    print(f"result: {', '.join(f'{name} {error:.2f} %' for name, error in errors.items())} wrong")
    return {
        **{f"{name}_error": error for name, error in errors.items()},
        "initial_loss": histories["static"].loss[0],
        "final_loss": float(np.mean(histories["static"].loss[-20:])),
        "loss_difference": loss_difference(histories),
        "passed": restored and largest <= args.max_error,
    }


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
