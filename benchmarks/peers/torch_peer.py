"""PyTorch: the training loop of its documentation, with the options that make it fast on a CPU.

As that documentation writes it: models and optimizers with their defaults. With `tuned`, what a practised user adds
where it is faster: fused optimizers, and convolutional networks in the channels-last memory format. With `compiled`,
on top of that, the model goes through `torch.compile`, for inference with the weights frozen.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from cases import UPDATES, Program
from torch import Tensor, nn

from peers import torch_gan, torch_models
from peers.torch_data import program as data_program

Optimizer = Callable[[list[Tensor]], torch.optim.Optimizer]

__all__ = ["build", "clear", "data_program", "set_threads", "version"]

# torch.compile does not differentiate twice.
EAGER_ONLY = ("mlp_dynamic", "cnn12_dynamic", "gru_lengths", "wgan_gp", *UPDATES, "build_first")
# The same rules with NNabla's settings. torch multiplies the decay of AdamW by the learning rate.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Sgd": partial(torch.optim.SGD, lr=1e-3),
    "Momentum": partial(torch.optim.SGD, lr=1e-3, momentum=0.9),
    "Nesterov": partial(torch.optim.SGD, lr=1e-3, momentum=0.9, nesterov=True),
    "Adagrad": partial(torch.optim.Adagrad, lr=1e-2, eps=1e-8),
    "Adadelta": partial(torch.optim.Adadelta, lr=1.0, rho=0.95, eps=1e-6),
    "RMSprop": partial(torch.optim.RMSprop, lr=1e-3, alpha=0.9, eps=1e-8),
    "Adam": partial(torch.optim.Adam, lr=1e-3),
    "AdamW": partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.1),
    "Adamax": partial(torch.optim.Adamax, lr=2e-3),
    "AMSGRAD": partial(torch.optim.Adam, lr=1e-3, amsgrad=True),
}


def version() -> str:
    return f"torch {torch.__version__}"


def set_threads(count: int) -> None:
    torch.set_num_threads(count)


def _adam(tuned: bool, lr: float = 1e-3, weight_decay: float = 0.0) -> Optimizer:
    fused = True if tuned else None
    return lambda parameters: torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=fused)


def _sgd(tuned: bool, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimizer:
    fused = True if tuned else None
    return lambda parameters: torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused
    )


def _training(
    model: nn.Module,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    optimizer_of: Optimizer,
    compiled: bool,
    read_loss: bool = False,
) -> Program:
    optimizer = optimizer_of([p for p in model.parameters() if p.requires_grad])
    model.train()

    def forward(*batch: Tensor) -> Tensor:
        return loss_of(model(*batch[:-1]), batch[-1])

    if compiled:
        forward = torch.compile(forward)
    last: Tensor | float = 0.0

    def step(*batch: np.ndarray) -> None:
        nonlocal last
        loss = forward(*[torch.from_numpy(array) for array in batch])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        last = loss.item() if read_loss else loss.detach()

    return Program(step, lambda: np.asarray(float(last)))


def _classified(y: Tensor, label: Tensor) -> Tensor:
    return F.cross_entropy(y, label.view(-1))


class _ChannelsLast(nn.Module):
    """A convolutional network run channels-last, as PyTorch's memory format tutorial recommends."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x.contiguous(memory_format=torch.channels_last))


def _inference(model: nn.Module, compiled: bool) -> Program:
    model.eval()
    forward = torch.compile(model, options={"freezing": True}) if compiled else model
    output = np.zeros(())

    def step(x: np.ndarray) -> None:
        nonlocal output
        with torch.inference_mode():
            output = forward(torch.from_numpy(x)).numpy()

    return Program(step, lambda: output.copy())


def _update(model: nn.Module, optimizer_of: Callable[..., torch.optim.Optimizer], tuned: bool) -> Program:
    options = {}
    if tuned:
        there = inspect.signature(optimizer_of).parameters
        choices = [{name: True} for name in ("foreach", "fused") if name in there]
        options = min(choices, key=lambda choice: _seconds_per_step(optimizer_of, choice))
    parameters = _with_gradients(model.parameters())
    optimizer = optimizer_of(parameters, **options)
    return Program(lambda: optimizer.step(), lambda: parameters[0].detach().flatten()[:100].numpy().copy())


def _with_gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    made = list(parameters)
    for p in made:
        p.grad = torch.full_like(p, 0.01)
    return made


def _seconds_per_step(optimizer_of: Callable[..., torch.optim.Optimizer], options: dict[str, bool]) -> float:
    """What an update takes on parameters of this size, at best of a few."""
    optimizer = optimizer_of(_with_gradients(torch_models.resnet18().parameters()), **options)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _first_building() -> Program:
    def step() -> None:
        torch_models.resnet18()

    return Program(step, lambda: np.zeros(()))


def build(name: str, arrays: Mapping[str, np.ndarray], compiled: bool, tuned: bool) -> Program | None:
    """The program of a case, starting from NNabla's parameters `arrays`; None where it has no counterpart."""
    if compiled and name in EAGER_ONLY:
        return None

    def model(make: Callable[[], nn.Module]) -> nn.Module:
        made = make()
        torch_models.load_parameters(made, arrays)
        return made

    def convolutional(make: Callable[[], nn.Module]) -> nn.Module:
        return _ChannelsLast(model(make)) if tuned else model(make)

    if name in UPDATES:
        optimizer_of = OPTIMIZERS.get(UPDATES[name])
        return _update(model(torch_models.resnet18), optimizer_of, tuned) if optimizer_of else None
    match name:
        case "mlp" | "mlp_dynamic":
            optimizer = _adam(tuned, lr=0.01, weight_decay=1e-6)
            read_loss = name == "mlp_dynamic"
            return _training(model(torch_models.mlp), F.mse_loss, optimizer, compiled, read_loss)
        case "lenet":
            # Compiled, this one is slower channels-last.
            made = (model if compiled else convolutional)(torch_models.lenet)
            return _training(made, _classified, _adam(tuned), compiled)
        case "cnn12_static" | "cnn12_dynamic":
            made = convolutional(torch_models.cnn12)
            return _training(made, _classified, _adam(tuned), compiled, read_loss=True)
        case "resnet18":
            optimizer = _sgd(tuned, lr=1e-3, momentum=0.9)
            return _training(convolutional(torch_models.resnet18), _classified, optimizer, compiled)
        case "elman_rnn":
            optimizer = _sgd(tuned, lr=0.1, weight_decay=1e-5)
            return _training(model(torch_models.Elman), _classified, optimizer, compiled)
        case "lstm":
            return _training(model(torch_models.Lstm), _classified, _adam(tuned), compiled)
        case "transformer":
            return _training(model(torch_models.EncoderLayer), F.mse_loss, _adam(tuned), compiled)
        case "transformer_small":
            return _training(model(torch_models.small_transformer), F.mse_loss, _adam(tuned), compiled)
        case "bert":
            return _training(model(torch_models.Bert), _classified, _adam(tuned), compiled)
        case "gru":
            return _training(model(torch_models.Gru), _classified, _adam(tuned), compiled)
        case "gru_lengths":
            return _training(model(torch_models.RnnOfLengths), _classified, _adam(tuned), compiled, read_loss=True)
        case "wgan_gp":
            return torch_gan.wgan_gp(model(torch_models.wgan), tuned)
        case "dcgan":
            return torch_gan.dcgan(model(torch_models.dcgan), tuned, compiled)
        case "mobilenet":
            optimizer = _sgd(tuned, lr=1e-3, momentum=0.9)
            return _training(convolutional(torch_models.mobilenet), _classified, optimizer, compiled)
        case "unet" | "unet_large":
            made = convolutional(torch_models.UNet)
            return _training(made, F.binary_cross_entropy_with_logits, _adam(tuned), compiled)
        case "resnet18_infer_1" | "resnet18_infer_8":
            return _inference(convolutional(torch_models.resnet18), compiled)
        case "build_first":
            return _first_building()
    return None


def clear() -> None:
    torch.compiler.reset()
