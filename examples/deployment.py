"""From training to where it runs: ONNX Runtime, and C without any library.

A small convolutional network learns scikit-learn's digits and is saved as `digits.nnp`. Then

1. `nnabla_cli convert digits.nnp digits.onnx` makes an ONNX model, which ONNX Runtime runs (`pip install nnabla[onnx]
   onnxruntime`);
2. `nnabla_cli convert -O CSRC --self-contained digits.nnp c` writes C99, which the compiler of this machine builds
and which
   reads a digit from a file and writes ten scores.

Both see all digits that were not trained on. The exit status is 1 where one of them gives other scores than the
network here, or more than 5 % of the digits are wrong. What is not installed is left out, and said.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from example_options import example_parser, start, updates
from image_folders import command
from train_digits import Split, shifted_minibatches, split_digits

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.utils.save import save

BATCH = 64


def digit_cnn(image: nn.Variable, test: bool = False) -> nn.Variable:
    """Scores ``(B, 10)`` for images ``(B, 1, 8, 8)`` of values 0 to 16."""
    h = image * (1 / 16)
    for number, maps in enumerate((16, 32)):
        with nn.parameter_scope(f"conv{number}"):
            h = PF.convolution(h, maps, (3, 3), pad=(1, 1), with_bias=False)
            h = F.max_pooling(F.relu(PF.batch_normalization(h, batch_stat=not test)), (2, 2))
    return PF.affine(F.relu(PF.affine(h, 64, name="hidden")), 10, name="scores")


def train(split: Split, iterations: int, seed: int) -> None:
    """Train the parameters of `digit_cnn`."""
    image, label = nn.Variable((BATCH, 1, 8, 8)), nn.Variable((BATCH, 1))
    loss = F.mean(F.softmax_cross_entropy(digit_cnn(image), label))
    solver = S.Adam(3e-3)
    solver.set_parameters(nn.get_parameters())
    batches = shifted_minibatches(split, seed)
    with updates(iterations, "training") as progress:
        for iteration in progress:
            image.d, label.d = batches.next()
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()
            if iteration % 20 == 0:
                progress.set_postfix(loss=f"{float(loss.d):.4f}", refresh=False)
    batches.close()


def save_network(path: Path) -> None:
    """Write network and parameters, for a batch of one that who loads it may change."""
    x = nn.Variable((1, 1, 8, 8))
    y = digit_cnn(x, test=True)
    network = {"name": "digits", "batch_size": 1, "outputs": {"scores": y}, "names": {"image": x}}
    executor = {"name": "run", "network": "digits", "data": ["image"], "output": ["scores"]}
    save(str(path), {"networks": [network], "executors": [executor]})


def scores_here(images: np.ndarray) -> np.ndarray:
    """Scores of the network in this process."""
    y = digit_cnn(nn.Variable.from_numpy_array(images), test=True)
    y.forward(clear_buffer=True)
    return y.d.copy()


def scores_of_onnx(path: Path, images: np.ndarray) -> np.ndarray | None:
    """Scores of the ONNX model; ``None`` where ONNX Runtime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        print("ONNX Runtime is not installed: pip install onnxruntime")
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return np.concatenate([session.run(None, {name: image[np.newaxis]})[0] for image in images])


def scores_of_c(folder: Path, images: np.ndarray) -> np.ndarray | None:
    """Scores of the C program, a run for each image; ``None`` where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        print("There is no C compiler")
        return None
    program = folder / "digits"
    sources = sorted(map(str, folder.glob("*.c")))
    subprocess.run([compiler, "-std=c99", "-O2", "-o", str(program), *sources, "-lm"], check=True)
    found = []
    for image in images:
        image.tofile(folder / "image.bin")
        subprocess.run([program, folder / "image.bin", folder / "scores.bin"], check=True)
        found.append(np.fromfile(folder / "scores.bin", np.float32))
    return np.stack(found)


def save_figure(images: np.ndarray, labels: np.ndarray, scores: dict[str, np.ndarray], path: Path) -> None:
    """Write some digits, and how likely each place says that they are what they are, into one PNG."""
    count = 8
    figure, panels = plt.subplots(2, count, figsize=(14, 4.4), layout="constrained")
    width = 0.8 / len(scores)
    for column in range(count):
        panels[0, column].imshow(images[column, 0], cmap="gray_r")
        panels[0, column].set_title(f"is {labels[column, 0]}")
        panels[0, column].axis("off")
        for place, (name, values) in enumerate(scores.items()):
            p = np.exp(values[column] - values[column].max())
            panels[1, column].bar(np.arange(10) + (place - 1) * width, p / p.sum(), width, label=name)
        panels[1, column].set(xticks=range(10), ylim=(0, 1))
    panels[1, 0].set_ylabel("probability")
    figure.legend(
        *panels[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(scores), frameon=False
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(argv: list[str] | None = None) -> dict[str, float | bool]:
    """Run the example; the result holds the test errors, percent, and the largest differences of scores."""
    parser = example_parser(__doc__, iterations=500)
    args = parser.parse_args(argv)
    start(args)
    split = split_digits(args.seed)
    train(split, args.iterations, args.seed)
    folder = args.output / "deployment"
    sources = folder / "c"
    sources.mkdir(parents=True, exist_ok=True)
    save_network(folder / "digits.nnp")
    command("convert", "-f", str(folder / "digits.nnp"), str(folder / "digits.onnx"))
    command("convert", "-f", "-O", "CSRC", "--self-contained", str(folder / "digits.nnp"), str(sources))

    images = split.test_images
    scores = {"nnabla": scores_here(images)}
    for name, run, place in (("onnxruntime", scores_of_onnx, folder / "digits.onnx"), ("c", scores_of_c, sources)):
        started = time.perf_counter()
        found = run(place, images)
        if found is not None:
            scores[name] = found
            print(f"{name}: {len(images)} digits one by one in {time.perf_counter() - started:.2f} s")
    result: dict[str, float | bool] = {}
    passed = True
    for name, values in scores.items():
        result[name] = 100 * float(np.mean(values.argmax(axis=1) != split.test_labels[:, 0]))
        result[f"{name}_difference"] = float(abs(values - scores["nnabla"]).max())
        passed &= result[name] < 5 and result[f"{name}_difference"] < 1e-3
        print(f"{name:12s}{result[name]:6.2f} % wrong, scores differ by {result[f'{name}_difference']:.2g} at most")
    save_figure(images, split.test_labels, scores, args.output / "deployment.png")
    print(f"files in {folder}/")
    largest = max(result[f"{name}_difference"] for name in scores)
    print(f"result: {result['nnabla']:.2f} % wrong; {' and '.join(list(scores)[1:])} differ by {largest:.1g} at most")
    return {**result, "passed": passed}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
