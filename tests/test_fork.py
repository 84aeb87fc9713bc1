"""Children that are forked from a process that has computed with several threads: they go on, on one thread."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.function import PythonFunction

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")

SECONDS = 240


class Training:
    """A convolutional network, large enough that its kernels use all threads; Mish has its gradient from autograd."""

    def __init__(self) -> None:
        rng = np.random.RandomState(3)
        self.x, self.t = nn.Variable((16, 1, 28, 28)), nn.Variable((16, 1))
        self.x.d, self.t.d = rng.randn(*self.x.shape), rng.randint(0, 10, self.t.shape)
        h = F.max_pooling(PF.convolution(self.x, 16, (5, 5), name="conv"), (2, 2))
        h = F.relu(PF.affine(F.mish(h), 256, name="hidden"))
        self.loss = F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="out"), self.t))
        self.solver = S.Adam(1e-3)
        self.solver.set_parameters(nn.get_parameters())

    def step(self) -> float:
        self.loss.forward(clear_no_need_grad=True)
        self.solver.zero_grad()
        self.loss.backward(clear_buffer=True)
        self.solver.update()
        return float(self.loss.d)


def trained_on_several_threads() -> Training:
    before = threads_of_this_process()
    training = Training()
    for _ in range(3):
        training.step()
    assert torch.get_num_threads() == 2
    assert threads_of_this_process() > before
    return training


def threads_of_this_process() -> int:
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else torch.get_num_threads()


def exit_status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_alone(function) -> None:
    """Call a function of this module in a fresh process of two threads, and end it and its children after a while."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"from tests import test_fork as t; t.{function.__name__}()"],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        cwd=os.path.dirname(os.path.dirname(__file__)),
        start_new_session=True,
    )
    try:
        assert process.wait(SECONDS) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


# ---- what the fresh processes do -----------------------------------------------------------------------------------


def parent_and_child_train() -> None:
    training = trained_on_several_threads()
    reader, writer = os.pipe()
    child = os.fork()
    losses = [training.step() for _ in range(5)]
    if child == 0:
        assert torch.get_num_threads() == 1
        os.write(writer, np.array(losses).tobytes())
        os._exit(0)
    in_child = np.frombuffer(os.read(reader, 8 * len(losses)))
    assert exit_status(child) == 0
    assert torch.get_num_threads() == 2
    np.testing.assert_allclose(in_child, losses, rtol=1e-4)
    assert losses[-1] < losses[0]


def workers_of_a_pool_train() -> None:
    training = trained_on_several_threads()
    with multiprocessing.get_context("fork").Pool(3, initializer=nn.clear_parameters) as pool:
        pending = [pool.apply_async(train_anew) for _ in range(6)]
        own = [training.step() for _ in range(10)]
        losses = [p.get(SECONDS) for p in pending]
    assert own[-1] < own[0]
    np.testing.assert_allclose(losses, [losses[0]] * 6, rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


def train_anew() -> list[float]:
    nn.clear_parameters()
    nn.seed(4)
    training = Training()
    return [training.step() for _ in range(4)]


def child_of_another_thread_trains() -> None:
    training = trained_on_several_threads()
    status = []

    def fork() -> None:
        Training().step()
        child = os.fork()
        if child == 0:
            Training().step()
            os._exit(0)
        status.append(exit_status(child))

    thread = threading.Thread(target=fork)
    thread.start()
    while thread.is_alive():
        training.step()
    assert status == [0]


class Forking(PythonFunction):
    """Forks while a plan of small functions, which runs on one thread, is half done."""

    child: int

    @property
    def name(self) -> str:
        return "Forking"

    def min_outputs(self) -> int:
        return 1

    def setup_impl(self, inputs, outputs) -> None:
        outputs[0].reset_shape(inputs[0].shape, True)

    def forward_impl(self, inputs, outputs) -> None:
        self.child = os.fork()
        outputs[0].d = inputs[0].d + 1

    def backward_impl(self, inputs, outputs, propagate_down, accum) -> None:
        raise NotImplementedError


def child_leaves_a_running_plan() -> None:
    training = trained_on_several_threads()
    x = nn.Variable.from_numpy_array(np.zeros(3, np.float32))
    forking = Forking()
    y = F.tanh(forking(F.tanh(x)))
    y.forward()
    threads = torch.get_num_threads()
    training.step()
    if forking.child == 0:
        os._exit(0 if threads == torch.get_num_threads() == 1 else 3)
    assert threads == 2
    assert exit_status(forking.child) == 0


@pytest.mark.parametrize(
    "function",
    [
        parent_and_child_train,
        workers_of_a_pool_train,
        child_of_another_thread_trains,
        child_leaves_a_running_plan,
    ],
)
def test_children_train_on_one_thread(function):
    run_alone(function)
