"""The steps of generative adversarial networks in PyTorch, in the order of `workloads/gan.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from cases import Program
from torch import Tensor

from peers.torch_models import Adversaries

Loss = Callable[..., Tensor]


def _wgan_critic_loss(model: Adversaries, real: Tensor, z: Tensor, share: Tensor) -> Tensor:
    fake = model.generator(z).detach()
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(model.critic(between).sum(), between, create_graph=True)
    penalty = ((slope.square().sum((1, 2, 3)).sqrt() - 1) ** 2).mean()
    return model.critic(fake).mean() - model.critic(real).mean() + 10 * penalty


def _wgan_generator_loss(model: Adversaries, real: Tensor, z: Tensor, share: Tensor) -> Tensor:
    return -model.critic(model.generator(z)).mean()


def wgan_gp(model: Adversaries, tuned: bool) -> Program:
    turns = [(model.critic, _wgan_critic_loss), (model.generator, _wgan_generator_loss)]
    return _program(model, turns, dict(lr=1e-4, betas=(0.5, 0.9)), tuned)


def _judged(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def dcgan(model: Adversaries, tuned: bool, compiled: bool) -> Program:
    """The images that the generator was trained on serve for the critic, too."""
    made: list[Tensor] = []

    def of_generator(real: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        fake = model.generator(z)
        return _judged(model.critic(fake), 1.0), fake.detach()

    def of_critic(real: Tensor, fake: Tensor) -> Tensor:
        return _judged(model.critic(real), 1.0) + _judged(model.critic(fake), 0.0)

    if compiled:
        of_generator, of_critic = torch.compile(of_generator), torch.compile(of_critic)

    def generator_loss(model: Adversaries, real: Tensor, z: Tensor) -> Tensor:
        loss, fake = of_generator(real, z)
        made[:] = [fake]
        return loss

    def critic_loss(model: Adversaries, real: Tensor, z: Tensor) -> Tensor:
        return of_critic(real, made.pop())

    turns = [(model.generator, generator_loss), (model.critic, critic_loss)]
    return _program(model, turns, dict(lr=2e-4, betas=(0.5, 0.999)), tuned)


def _program(model: Adversaries, turns: list[tuple[torch.nn.Module, Loss]], settings: dict, tuned: bool) -> Program:
    """Train in each turn one of the networks. Tuned, no gradient is computed of what the turn does not train."""
    model.train()
    trained = [
        (list(half.parameters()), torch.optim.Adam(half.parameters(), fused=True if tuned else None, **settings), loss)
        for half, loss in turns
    ]
    last: list[Tensor] = []

    def step(*arrays: np.ndarray) -> None:
        batch = [torch.from_numpy(array) for array in arrays]
        losses = []
        for parameters, optimizer, loss_of in trained:
            loss = loss_of(model, *batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward(inputs=parameters if tuned else None)
            optimizer.step()
            losses.append(loss.detach())
        last[:] = losses

    return Program(step, lambda: np.array([float(loss) for loss in last]))
