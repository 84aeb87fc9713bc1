"""Recurrent networks: the Elman network of the tutorial "NNabla by examples", LSTM cells unrolled, a GRU written with
functions, and one that is built anew for sequences of each length."""

from __future__ import annotations

import numpy as np
from cases import Program

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from workloads.training import static_program

ELMAN_BATCH, ELMAN_HIDDEN = 64, 32
STEPS, BATCH, INPUT, HIDDEN = 35, 20, 256, 256
GRU_STEPS, GRU_BATCH, GRU_WIDTH = 20, 8, 32


def split_grid4(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """The four 4 x 4 quarters of 8 x 8 images."""
    return x[..., :4, :4], x[..., :4, 4:], x[..., 4:, :4], x[..., 4:, 4:]


def elman(xs: list[nn.Variable], h0: nn.Variable) -> nn.Variable:
    with nn.parameter_scope("rnn"):
        h = h0
        for x in xs:
            with nn.parameter_scope("x2h"):
                x2h = PF.affine(x, ELMAN_HIDDEN, with_bias=False)
            with nn.parameter_scope("h2h"):
                h2h = PF.affine(h, ELMAN_HIDDEN)
            h = F.tanh(x2h + h2h)
        with nn.parameter_scope("classifier"):
            return PF.affine(h, 10)


def elman_training() -> Program:
    """As in the tutorial: no options that clear buffers, weight decay, plain SGD."""
    xs = [nn.Variable((ELMAN_BATCH, 1, 4, 4)) for _ in range(4)]
    h0, t = nn.Variable((ELMAN_BATCH, ELMAN_HIDDEN)), nn.Variable((ELMAN_BATCH, 1))
    loss = F.mean(F.softmax_cross_entropy(elman(xs, h0), t))
    solver = S.Sgd(lr=0.1)
    solver.set_parameters(nn.get_parameters())

    def step(image: np.ndarray, label: np.ndarray) -> None:
        t.d = label
        h0.d = 0
        for x, quarter in zip(xs, split_grid4(image), strict=True):
            x.d = quarter
        loss.forward()
        solver.zero_grad()
        loss.backward()
        solver.weight_decay(1e-5)
        solver.update()

    return Program(step, lambda: loss.d.copy())


def lstm_training() -> Program:
    """`PF.lstm_cell` applied 35 times, and a classifier on the last hidden state."""
    x, t = nn.Variable((STEPS, BATCH, INPUT)), nn.Variable((BATCH, 1))
    h0, c0 = nn.Variable((BATCH, HIDDEN)), nn.Variable((BATCH, HIDDEN))
    h, c = h0, c0
    for x_t in F.split(x, axis=0):
        h, c = PF.lstm_cell(x_t, h, c, HIDDEN)
    loss = F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="classifier"), t))
    solver = S.Adam(alpha=1e-3)
    solver.set_parameters(nn.get_parameters())

    def step(sequence: np.ndarray, label: np.ndarray) -> None:
        x.d, t.d = sequence, label
        h0.data.zero()
        c0.data.zero()
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()

    return Program(step, lambda: loss.d.copy())


def gru_cell(x: nn.Variable, h: nn.Variable) -> nn.Variable:
    """Cho et al. 2014, arXiv:1406.1078, the reset gate applied to the product; every gate a layer of its own."""
    with nn.parameter_scope("gru"):
        gates = {}
        for gate in ("update", "reset", "candidate"):
            with nn.parameter_scope(gate):
                gates[gate] = PF.affine(x, GRU_WIDTH, name="x"), PF.affine(h, GRU_WIDTH, name="h")
    update = F.sigmoid(sum(gates["update"]))
    reset = F.sigmoid(sum(gates["reset"]))
    of_x, of_h = gates["candidate"]
    candidate = F.tanh(of_x + reset * of_h)
    return update * h + (1.0 - update) * candidate


def gru_training() -> Program:
    x, t = nn.Variable((GRU_STEPS, GRU_BATCH, GRU_WIDTH)), nn.Variable((GRU_BATCH, 1))
    h = h0 = nn.Variable((GRU_BATCH, GRU_WIDTH))
    h0.d = 0
    for x_t in F.split(x, axis=0):
        h = gru_cell(x_t, h)
    loss = F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="classifier"), t))
    return static_program((x, t), loss, S.Adam(alpha=1e-3))


def lengths_training() -> Program:
    """A static graph for each batch, as long as its sequences; a second layer reads the odd ones."""
    h0 = nn.Variable((GRU_BATCH, GRU_WIDTH))
    h0.d = 0

    def loss_of(sequence: np.ndarray, label: np.ndarray) -> nn.Variable:
        h = h0
        for values in sequence:
            x = nn.Variable.from_numpy_array(values)
            h = F.tanh(PF.affine(x, GRU_WIDTH, name="x") + PF.affine(h, GRU_WIDTH, name="h"))
        deeper = F.tanh(PF.affine(h, GRU_WIDTH, name="deeper"))
        if len(sequence) % 2:
            h = deeper
        t = nn.Variable.from_numpy_array(label)
        return F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="classifier"), t))

    # Makes the parameters, so that all implementations can start from the same ones.
    loss_of(np.zeros((1, GRU_BATCH, GRU_WIDTH), np.float32), np.zeros((GRU_BATCH, 1), np.int64))
    solver = S.Adam(alpha=1e-3)
    solver.set_parameters(nn.get_parameters())
    last = np.zeros(())

    def step(sequence: np.ndarray, label: np.ndarray) -> None:
        nonlocal last
        loss = loss_of(sequence, label)
        loss.forward()
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()
        last = loss.d.copy()

    return Program(step, lambda: last)
