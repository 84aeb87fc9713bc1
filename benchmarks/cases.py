"""What is measured: the cases, their data, and what every implementation hands back for one of them.

Read by the driver (`run.py`) and by every worker, whatever library the worker runs. Needs NumPy only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Batch = tuple[np.ndarray, ...]


class Program(NamedTuple):
    """One case, built by one implementation."""

    step: Callable[..., None]
    """Runs one step on the arrays of one batch. May return before the work is done."""
    result: Callable[[], np.ndarray]
    """Waits for the steps taken and gives the last loss or output, by which implementations are compared."""
    compared: Callable[[], np.ndarray] | None = None
    """What they are compared by instead, where it takes long to read; `result` then only waits."""
    work: Callable[[], float] | None = None
    """Floating point operations of a step, where its layers are all that is counted."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    title: str
    batches: Callable[[np.random.RandomState], list[Batch]] = lambda rng: [()]
    tolerance: float = 1e-4
    """Largest difference after 3 steps that `--check` accepts, relative to values above 1."""

    compared: bool = True
    """Whether `--check` has a loss or an output to compare."""
    turn: float = 1.0
    """Length of a turn relative to that of the other cases."""
    program: str = ""
    """The program, if it has another name."""
    busy: bool = False
    """Whether another process spins on every core meanwhile."""

    def data(self) -> list[Batch]:
        """The same batches in every process; steps cycle through them."""
        return self.batches(np.random.RandomState(313))


def _normal(rng: np.random.RandomState, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def _labels(rng: np.random.RandomState, size: int, classes: int) -> np.ndarray:
    return rng.randint(0, classes, (size, 1)).astype(np.int64)


def _vector_lengths(rng: np.random.RandomState) -> list[Batch]:
    points = [rng.uniform(-1, 1, (100, 2)).astype(np.float32) for _ in range(8)]
    return [(x, np.sqrt(np.sum(x**2, axis=1, keepdims=True))) for x in points]


def _images(count: int, classes: int, *shape: int) -> Callable[[np.random.RandomState], list[Batch]]:
    return lambda rng: [(_normal(rng, *shape), _labels(rng, shape[0], classes)) for _ in range(count)]


def _arrays(count: int, *shapes: tuple[int, ...]) -> Callable[[np.random.RandomState], list[Batch]]:
    return lambda rng: [tuple(_normal(rng, *shape) for shape in shapes) for _ in range(count)]


def _sequences(rng: np.random.RandomState) -> list[Batch]:
    return [(_normal(rng, 35, 20, 256), _labels(rng, 20, 10)) for _ in range(4)]


def _gru_sequences(rng: np.random.RandomState) -> list[Batch]:
    return [(_normal(rng, 20, 8, 32), _labels(rng, 8, 10)) for _ in range(8)]


def _sequences_of_lengths(rng: np.random.RandomState) -> list[Batch]:
    return [(_normal(rng, length, 8, 32), _labels(rng, 8, 10)) for length in (5, 12, 8, 17, 3, 20, 9, 14)]


def _sentences(rng: np.random.RandomState) -> list[Batch]:
    """Numbers of words, what is added to the logits of attention to leave padding out, and labels."""
    batches = []
    for _ in range(8):
        mask = np.where(np.arange(16) < rng.randint(8, 17, (4, 1, 1, 1)), 0.0, -1e4).astype(np.float32)
        batches.append((rng.randint(0, 1000, (4, 16)).astype(np.int64), mask, _labels(rng, 4, 2)))
    return batches


def _masked_images(rng: np.random.RandomState, size: int = 64) -> list[Batch]:
    masks = [rng.randint(0, 2, (2, 1, size, size)).astype(np.float32) for _ in range(4)]
    return [(_normal(rng, 2, 3, size, size), mask) for mask in masks]


def _images_and_shares(rng: np.random.RandomState) -> list[Batch]:
    """Real images, latent variables, and where between a real and a made image the critic's slope is taken."""
    shares = [rng.uniform(0, 1, (8, 1, 1, 1)).astype(np.float32) for _ in range(8)]
    return [(_normal(rng, 8, 3, 16, 16), _normal(rng, 8, 16), share) for share in shares]


SOLVERS = (
    "Sgd",
    "SgdW",
    "Momentum",
    "Nesterov",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "RMSpropGraves",
    "Adam",
    "AdamW",
    "Adamax",
    "AMSGRAD",
    "AdaBound",
    "AMSBound",
    "AdaBelief",
    "Lars",
    "Lamb",
    "Lion",
)
# Name of the case to name of the solver.
UPDATES = {f"update_{solver.lower()}": solver for solver in SOLVERS}

# Samples in a batch of the cases that read data sets, and processes of those with workers.
DATA_BATCH, DATA_WORKERS = 64, 2


def _reading(kind: str, what: str, turn: float = 1.0, workers: bool = False) -> Case:
    name = f"data_{kind}_workers" if workers else f"data_{kind}"
    return Case(name, f"Data: {what}, batch {DATA_BATCH}" + (f", {DATA_WORKERS} workers" if workers else ""), turn=turn)


CASES = {
    case.name: case
    for case in (
        Case("mlp", "MLP, 5 layers, batch 100, Adam", _vector_lengths),
        Case("mlp_dynamic", "MLP, dynamic, 5 layers, batch 100, Adam", _vector_lengths),
        Case("lenet", "LeNet, 64x1x28x28, Adam", _images(8, 10, 64, 1, 28, 28)),
        # PyTorch's Adam adds epsilon after the bias correction, NNabla's before it, which shows where
        # gradients are small: after 3 steps of this network the losses of the two differ by some 1e-4.
        Case("cnn12_static", "12-conv CNN, static, batch 16, Adam", _images(8, 10, 16, 1, 8, 8), 5e-4),
        Case("cnn12_dynamic", "12-conv CNN, dynamic, batch 16, Adam", _images(8, 10, 16, 1, 8, 8), 5e-4),
        Case("resnet18", "ResNet-18, 8x3x224x224, Momentum", _images(4, 1000, 8, 3, 224, 224)),
        Case("elman_rnn", "Elman RNN, 4 steps, batch 64, SGD", _images(8, 10, 64, 1, 8, 8)),
        Case("lstm", "LSTM cell, 35 steps, batch 20, 256 units, Adam", _sequences),
        Case(
            "transformer",
            "Transformer layer, 8x128x256, 8 heads, Adam",
            _arrays(4, (8, 128, 256), (8, 128, 256)),
        ),
        Case("transformer_small", "Transformer, 2 layers, 2x12x32, Adam", _arrays(8, (2, 12, 32), (2, 12, 32))),
        Case("bert", "BERT, 2 layers, 4x16x32, Adam", _sentences),
        Case("gru", "GRU written with F, 20 steps, batch 8, 32 units, Adam", _gru_sequences),
        Case("gru_lengths", "RNN built anew for each length, batch 8, 32 units, Adam", _sequences_of_lengths),
        Case("wgan_gp", "WGAN-GP, 8x3x16x16, Adam", _images_and_shares),
        Case("dcgan", "DCGAN, 16x3x32x32, Adam", _arrays(8, (16, 3, 32, 32), (16, 64))),
        # Normalization over few values amplifies rounding from step to step.
        Case("mobilenet", "MobileNetV2 blocks, 8x3x64x64, Momentum", _images(4, 10, 8, 3, 64, 64), 1e-3),
        Case("unet", "U-Net, 2x3x64x64, Adam", _masked_images),
        Case("lenet_busy", "LeNet on a busy machine", _images(8, 10, 64, 1, 28, 28), program="lenet", busy=True),
        Case("gru_busy", "GRU on a busy machine", _gru_sequences, program="gru", busy=True),
        Case("resnet18_infer_1", "ResNet-18 inference, batch 1", _arrays(4, (1, 3, 224, 224))),
        Case("resnet18_infer_8", "ResNet-18 inference, batch 8", _arrays(4, (8, 3, 224, 224))),
        *(Case(name, f"{solver} update of ResNet-18's parameters", turn=0.2) for name, solver in UPDATES.items()),
        Case("build", "Building ResNet-18's graph, parameters in place", compared=False),
        Case("build_first", "Building ResNet-18 with parameter initialization", compared=False),
        Case("model_load", "Loading and building ResNet-152 from an .nnp", compared=False),
        Case("model_save", "Saving ResNet-152 to an .nnp", compared=False),
        _reading("png32", "PNG of 32 x 32"),
        # In turns that are long enough for what was read before they began not to count.
        _reading("png32", "PNG of 32 x 32", turn=2.0, workers=True),
        _reading("png224", "PNG of 224 x 224", turn=2.0),
        _reading("png224", "PNG of 224 x 224", turn=4.0, workers=True),
        _reading("csv", "CSV of 33 numbers"),
        _reading("csv", "CSV of 33 numbers", workers=True),
        _reading("concat", "two CSV files concatenated"),
        _reading("simple", "function of the sample's number, images of 32 x 32"),
        _reading("simple", "function of the sample's number, images of 32 x 32", turn=2.0, workers=True),
        _reading("cache", ".npy cache of images of 32 x 32"),
        _reading("memory", "memory cache of images of 32 x 32"),
    )
}

# What only rows of memory run.
OF_MEMORY = {
    case.name: case for case in (Case("unet_large", "U-Net, 2x3x256x256, Adam", lambda rng: _masked_images(rng, 256)),)
}

# That results belong to the same formula; how exact they are is the tests' affair.
FUNCTION_TOLERANCE = 1e-3
# Between the name of a function and its size, in the name of a case of `functions`.
SIZE_MARK = " "


def find_case(name: str) -> Case:
    """The workload of that name, or the case of one function, such as ``"relu small"``."""
    return (CASES | OF_MEMORY)[name] if SIZE_MARK not in name else Case(name, name, tolerance=FUNCTION_TOLERANCE)
