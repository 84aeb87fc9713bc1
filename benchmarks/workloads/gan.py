"""Generative adversarial networks: DCGAN (Radford et al. 2015, arXiv:1511.06434) on 32 x 32 images, and WGAN-GP
(Gulrajani et al. 2017, arXiv:1704.00028) on 16 x 16 images, whose loss has a gradient in it.

A step trains both networks. What is random comes with the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.work import operations

WGAN_BATCH, WGAN_LATENT, WGAN_WIDTH, PENALTY = 8, 16, 16, 10.0
DCGAN_BATCH, DCGAN_LATENT, DCGAN_WIDTH = 16, 64, 32


def upsampled(x: nn.Variable, channels: int, name: str) -> nn.Variable:
    """Twice as high and wide."""
    return PF.deconvolution(x, channels, (4, 4), pad=(1, 1), stride=(2, 2), name=name)


def downsampled(x: nn.Variable, channels: int, name: str) -> nn.Variable:
    """Half as high and wide."""
    return PF.convolution(x, channels, (4, 4), pad=(1, 1), stride=(2, 2), name=name)


def adversaries(
    inputs: Sequence[nn.Variable], losses: dict[str, nn.Variable], alpha: float, beta1: float, beta2: float
) -> Program:
    """Train by Adam, one after the other, what lies in the scope of each loss."""
    turns = []
    for scope, loss in losses.items():
        solver = S.Adam(alpha=alpha, beta1=beta1, beta2=beta2)
        with nn.parameter_scope(scope):
            solver.set_parameters(nn.get_parameters())
        turns.append((loss, solver))

    def step(*arrays: np.ndarray) -> None:
        for variable, array in zip(inputs, arrays, strict=True):
            variable.d = array
        for loss, solver in turns:
            loss.forward(clear_no_need_grad=True)
            solver.zero_grad()
            loss.backward(clear_buffer=True)
            solver.update()

    return Program(step, lambda: np.array([loss.d for loss in losses.values()]))


# ---- WGAN-GP -------------------------------------------------------------------------------------------------------


def wgan_generator(z: nn.Variable) -> nn.Variable:
    """(B, latent) to (B, 3, 16, 16)."""
    with nn.parameter_scope("generator"):
        h = F.relu(PF.affine(z, (2 * WGAN_WIDTH, 4, 4), name="fc"))
        h = F.relu(upsampled(h, WGAN_WIDTH, "up1"))
        return F.tanh(upsampled(h, 3, "up2"))


def wgan_critic(x: nn.Variable) -> nn.Variable:
    """(B, 3, 16, 16) to (B, 1)."""
    with nn.parameter_scope("critic"):
        h = F.leaky_relu(downsampled(x, WGAN_WIDTH, "down1"), 0.2)
        h = F.leaky_relu(downsampled(h, 2 * WGAN_WIDTH, "down2"), 0.2)
        return PF.affine(h, 1, name="fc")


def wgan_gp_training() -> Program:
    real, z = nn.Variable((WGAN_BATCH, 3, 16, 16)), nn.Variable((WGAN_BATCH, WGAN_LATENT))
    share = nn.Variable((WGAN_BATCH, 1, 1, 1))
    fake = wgan_generator(z)
    fake.need_grad = False
    between = share * real + (1.0 - share) * fake
    between.need_grad = True
    (slope,) = nn.grad([wgan_critic(between)], [between])
    penalty = F.mean((F.sum(slope**2.0, axis=(1, 2, 3)) ** 0.5 - 1.0) ** 2.0)
    losses = {
        "critic": F.mean(wgan_critic(fake)) - F.mean(wgan_critic(real)) + PENALTY * penalty,
        "generator": -F.mean(wgan_critic(wgan_generator(z))),
    }
    return adversaries((real, z, share), losses, alpha=1e-4, beta1=0.5, beta2=0.9)


# ---- DCGAN ---------------------------------------------------------------------------------------------------------


def dcgan_generator(z: nn.Variable) -> nn.Variable:
    """(B, latent) to (B, 3, 32, 32)."""
    with nn.parameter_scope("generator"):
        h = F.relu(PF.batch_normalization(PF.affine(z, (4 * DCGAN_WIDTH, 4, 4), name="fc"), name="norm"))
        for i in (2, 1):
            h = upsampled(h, i * DCGAN_WIDTH, f"up{i}")
            h = F.relu(PF.batch_normalization(h, name=f"norm{i}"))
        return F.tanh(upsampled(h, 3, "up0"))


def dcgan_critic(x: nn.Variable) -> nn.Variable:
    """(B, 3, 32, 32) to logits (B, 1)."""
    with nn.parameter_scope("critic"):
        h = F.leaky_relu(downsampled(x, DCGAN_WIDTH, "down0"), 0.2)
        for i in (1, 2):
            h = downsampled(h, 2 * i * DCGAN_WIDTH, f"down{i}")
            h = F.leaky_relu(PF.batch_normalization(h, name=f"norm{i}"), 0.2)
        return PF.affine(h, 1, name="fc")


def judged(logits: nn.Variable, label: float) -> nn.Variable:
    return F.mean(F.sigmoid_cross_entropy(logits, F.constant(label, logits.shape)))


def dcgan_training() -> Program:
    """The generator's turn comes first, and its images serve for the other one's, too."""
    real, z = nn.Variable((DCGAN_BATCH, 3, 32, 32)), nn.Variable((DCGAN_BATCH, DCGAN_LATENT))
    fake = dcgan_generator(z)
    fake.persistent = True
    generator_loss = judged(dcgan_critic(fake), 1.0)
    shown = fake.get_unlinked_variable(need_grad=False)
    losses = {
        "generator": generator_loss,
        "critic": judged(dcgan_critic(real), 1.0) + judged(dcgan_critic(shown), 0.0),
    }
    program = adversaries((real, z), losses, alpha=2e-4, beta1=0.5, beta2=0.999)
    return program._replace(work=lambda: sum(map(operations, losses.values())))
