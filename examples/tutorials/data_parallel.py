"""Data parallel training: several processes, each with a part of every batch, train one network.

    torchrun --standalone --nproc-per-node 2 examples/tutorials/data_parallel.py
    mpirun -n 2 python examples/tutorials/data_parallel.py
    python examples/tutorials/data_parallel.py

First the manual's example: gradients of two processes before and after their sum. Then a CNN on the digits, with sums
that overlap with backward, batch normalization over all processes, and a checkpoint every 50 updates, from which the
script goes on when it is started again (or by torchrun, with `--max-restarts`). What you learn:
`MultiProcessCommunicator`, `all_reduce`, `all_reduce_callback`, `sync_batch_normalization`, `DataIterator.slice`,
`save_checkpoint`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from digits import load_digits, save_loss_curve
from tutorial_options import add_device_options, positive_int, tutorial_parser

import nnabla as nn
import nnabla.communicators as C
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.ext_utils import get_extension_context
from nnabla.initializer import UniformInitializer, calc_uniform_lim_glorot
from nnabla.utils.data_iterator import data_iterator_simple


class CommunicatorWrapper:
    """As example scripts define it: one object for one process and for many.

    Args:
        extension: such as cpu or cudnn; with several processes each takes the device of its own number.
        device: for a process that is alone.
    """

    def __init__(self, extension: str, device: str) -> None:
        self.comm = C.MultiProcessCommunicator(get_extension_context(extension))
        self.comm.init()
        self.n_procs, self.rank = self.comm.size, self.comm.rank
        number = device if self.n_procs == 1 else str(self.comm.local_rank)
        self.ctx = get_extension_context(extension, device_id=number)

    def all_reduce(self, params: list[nn.Variable]) -> None:
        """Mean of the gradients over the processes."""
        self.comm.all_reduce([p.grad for p in params], division=True, inplace=False)

    def say(self, text: str) -> None:
        """Print, once for all."""
        if self.rank == 0:
            print(text)


def first_steps(wrapper: CommunicatorWrapper) -> dict[str, np.ndarray]:
    """The manual's example; returns the gradients after their mean was taken."""
    batch, channels, height, width, classes = 4, 1, 32, 32, 2
    data = np.random.RandomState(wrapper.rank)
    x = nn.Variable.from_numpy_array(data.rand(batch, channels, height, width))
    y = nn.Variable.from_numpy_array(data.choice(classes, batch).reshape(batch, 1))
    # The same generator in all processes: they start from the same weights.
    limits = calc_uniform_lim_glorot(channels, channels / 2, kernel=(1, 1))
    w_init = UniformInitializer(limits, rng=np.random.RandomState(0))
    with nn.parameter_scope("first"):
        h = PF.convolution(x, channels, (3, 3), pad=(1, 1), w_init=w_init)
        loss = F.mean(F.softmax_cross_entropy(PF.affine(h, classes, w_init=w_init), y))
        parameters = nn.get_parameters()
    solver = S.Adam()
    solver.set_parameters(parameters)
    loss.forward()
    solver.zero_grad()
    loss.backward()
    print(f"process {wrapper.rank} of {wrapper.n_procs}: gradient of conv/b {parameters['conv/b'].g}")
    wrapper.all_reduce(list(parameters.values()))
    print(f"process {wrapper.rank} of {wrapper.n_procs}: mean of all {parameters['conv/b'].g}")
    gradients = {name: p.g.copy() for name, p in parameters.items()}
    solver.update()
    return gradients


def network(x: nn.Variable, comm: Any, test: bool = False) -> nn.Variable:
    """Scores ``(B, 10)`` for images ``(B, 1, 8, 8)``."""
    h = PF.convolution(x, 16, (3, 3), pad=(1, 1), with_bias=False, name="conv")
    h = F.relu(PF.sync_batch_normalization(h, comm, batch_stat=not test, name="norm"))
    h = F.max_pooling(h, (2, 2))
    return PF.affine(h, 10, name="scores")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run both parts; returns the gradients, the loss in each update that was made, and the share of test errors."""
    parser = tutorial_parser(__doc__, iterations=200)
    add_device_options(parser)
    parser.add_argument("--batch-size", type=positive_int, default=64, help="samples of all processes in an update")
    options = parser.parse_args(argv)
    nn.clear_parameters()
    nn.seed(options.seed)
    wrapper = CommunicatorWrapper(options.context, options.device_id)
    comm = wrapper.comm
    nn.set_default_context(wrapper.ctx)
    gradients = first_steps(wrapper)

    digits = load_digits()
    images, labels = digits.images / 16, digits.labels
    train = np.arange(len(images)) % 5 > 0
    kept = images[train], labels[train]
    rng = np.random.RandomState(options.seed)
    everything = data_iterator_simple(
        lambda i: (kept[0][i], kept[1][i]), len(kept[0]), options.batch_size // wrapper.n_procs, shuffle=True, rng=rng
    )
    batches = everything.slice(rng, wrapper.n_procs, wrapper.rank)
    x, t = nn.Variable((batches.batch_size, 1, 8, 8)), nn.Variable((batches.batch_size, 1))
    with nn.parameter_scope("digits"):
        loss = F.mean(F.softmax_cross_entropy(network(x, comm), t))
        parameters = nn.get_parameters()
        everyone = nn.get_parameters(grad_only=False)
    solver = S.Momentum(0.1)
    solver.set_parameters(parameters)
    # Not needed here, where all start from one seed; the way to be sure.
    comm.bcast([p.data for p in everyone.values()], 0)
    callback = comm.all_reduce_callback([p.grad for p in parameters.values()], 1 << 20, division=True)

    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "data_parallel.nnp"
    parts: dict[str, Any] = {"data_iterators": batches, "comm": comm}
    start = nn.load_checkpoint(path, solver, **parts).iteration if os.path.exists(path) else 0
    losses = []
    for iteration in range(start, options.iterations):
        x.d, t.d = batches.next()
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True, communicator_callbacks=callback)
        solver.update()
        losses.append(float(loss.d))
        if (iteration + 1) % 50 == 0:
            wrapper.say(f"update {iteration + 1}: loss {losses[-1]:.4f}")
            nn.save_checkpoint(path, solver, iteration + 1, **parts)
    batches.close()
    everything.close()

    with nn.parameter_scope("digits"):
        scores = network(nn.Variable.from_numpy_array(images[~train]), comm, test=True)
    scores.forward()
    errors = float(np.mean(scores.d.argmax(1) != labels[~train].ravel()))
    if losses and wrapper.rank == 0:
        save_loss_curve(losses, options.output / "data_parallel.png", f"{wrapper.n_procs} processes")
    wrapper.say(f"result: test error {errors:.1%}, {wrapper.n_procs} processes")
    return {"gradients": gradients, "losses": losses, "errors": errors, "parameters": everyone}


if __name__ == "__main__":
    main()
