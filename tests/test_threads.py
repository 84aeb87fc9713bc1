"""The number of threads that repeated work runs on: what is measured, when again, and who else has a say."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla import _threads
from nnabla._threads import Chosen, OneThread, ThreadChoice, choice_for
from nnabla.errors import ArgumentError
from nnabla_ext.cpu import get_thread_choice, set_thread_choice

ALL = 4


class Machine:
    """Stands for torch's number of threads and for the clock, which moves by what work takes."""

    def __init__(self) -> None:
        self.threads = ALL
        self.now = 100.0
        self.computed = 0.0
        self.share = 1.0  # of the time that one thread computes, and does not wait for others to leave the core
        self.readings = 0

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, count: int) -> None:
        self.threads = count

    def clock(self) -> float:
        self.readings += 1
        return self.now

    def thread_time(self) -> float:
        return self.computed

    def work(self, one: float, every: float) -> None:
        """What takes so many seconds on one thread and on all."""
        seconds = one if self.threads == 1 else every
        self.now += seconds
        self.computed += seconds * self.share

    def repeat(self, choice, one: float, every: float, times: int = 200, between: float = 0.0) -> list[int]:
        """On how many threads each repetition ran that takes `one` seconds on one and `every` on all."""
        ran = []
        for _ in range(times):
            with Chosen(choice):
                ran.append(self.threads)
                self.work(one, every)
            assert self.threads == ALL
            self.now += between
        return ran


@pytest.fixture
def machine(monkeypatch):
    made = Machine()
    for name in ("get_num_threads", "set_num_threads", "clock", "thread_time"):
        monkeypatch.setattr(_threads, name, getattr(made, name))
    monkeypatch.setattr(_threads._process, "choice", "measured")
    monkeypatch.setattr(_threads._process, "wary", 0.0)
    return made


@pytest.mark.parametrize("begins_with_one", [True, False])
@pytest.mark.parametrize(
    ("one", "every", "expected"),
    [(1e-3, 2e-3, 1), (2e-3, 1e-3, ALL), (1.1e-3, 1e-3, ALL), (1e-3, 1.1e-3, 1), (1.005e-3, 1e-3, 1)],
)
def test_the_faster_is_kept(machine, begins_with_one, one, every, expected):
    ran = machine.repeat(ThreadChoice(begins_with_one), one, every)
    assert ran[0] == (1 if begins_with_one else ALL)
    assert set(ran[60:]) == {expected}
    # Both were tried, and what is clearly slower not for long.
    assert 0 < sum(threads != expected for threads in ran) <= (6 if max(one, every) > 1.3 * min(one, every) else 27)


def test_the_first_of_a_block_does_not_count(machine):
    """On all threads kernels are compiled at first."""
    choice = ThreadChoice(True)
    took = {1: iter([5.0] + [2e-3] * 500), ALL: iter([9.0] + [1e-3] * 500)}
    for _ in range(50):
        with Chosen(choice):
            machine.work(*[next(took[machine.threads])] * 2)
    assert not choice.one


def test_one_interruption_does_not_decide(machine):
    choice = ThreadChoice(False)
    ran = 0
    for _ in range(60):
        with Chosen(choice):
            ran += 1
            machine.work(1.3e-3, 0.02 if ran in (2, 12) else 1e-3)
    assert not choice.one


def test_nor_does_one_in_ten(machine):
    """The looks end early, although an interrupted repetition takes longer than the slower choice."""
    choice = ThreadChoice(False)
    ran = []
    for i in range(60):
        with Chosen(choice):
            ran.append(machine.threads)
            machine.work(1.5e-3, 3e-3 if i % 10 == 1 else 1e-3)
    assert not choice.one
    assert ran.count(1) < 10


@pytest.mark.parametrize(("one", "expected"), [(2e-3, 1), (6e-3, ALL)])
def test_threads_that_are_held_up_now_and_then(machine, one, expected):
    """Where others take half of the cores' time, all threads are usually faster, and wait for 10 ms now and then."""
    choice = ThreadChoice(False)
    machine.share = 0.5
    ran = []
    for i in range(60):
        with Chosen(choice):
            ran.append(machine.threads)
            machine.work(one, 11e-3 if i % 5 == 4 else 1e-3)
    assert ran[-1] == expected


def test_all_looks_of_a_process_share_the_time(machine):
    choices = [ThreadChoice(True) for _ in range(8)]
    for _ in range(100):
        for choice in choices:
            machine.repeat(choice, 1e-3, 0.1, times=1)
    start, ran = machine.now, []
    for i in range(30_000):
        # Times change all the time.
        slow = 1 + 3 * (i // 100 % 2)
        for choice in choices:
            ran += machine.repeat(choice, slow * 1e-3, slow * 0.1, times=1)
    lost = 0.1 * sum(threads > 1 for threads in ran)
    assert 0 < lost < 0.1 * (machine.now - start)


def test_settled_repetitions_read_the_clock_once(machine):
    choice = ThreadChoice(False)
    machine.repeat(choice, 1e-3, 2e-3)
    before = machine.readings
    machine.repeat(choice, 1e-3, 2e-3, times=300)
    assert machine.readings - before == 300


def test_a_machine_that_becomes_busy_and_idle_again(machine):
    choice = ThreadChoice(False)
    assert machine.repeat(choice, 2e-3, 1e-3)[-1] == ALL
    ran = machine.repeat(choice, 3e-3, 30e-3)
    assert ran[-1] == 1
    assert sum(threads > 1 for threads in ran) < 25
    machine.repeat(choice, 3e-3, 30e-3, times=1000)
    ran = machine.repeat(choice, 2e-3, 1e-3, times=10_000)
    assert ran[-1] == ALL


def test_looks_are_few_where_nothing_changes(machine):
    choice = ThreadChoice(True)
    machine.repeat(choice, 1e-3, 2e-3)
    ran = machine.repeat(choice, 1e-3, 2e-3, times=100_000)
    others = sum(threads > 1 for threads in ran)
    # It might have become faster without a sign.
    assert 0 < others < 200


def test_all_threads_are_kept_where_their_times_are_as_usual(machine):
    choice = ThreadChoice(False)
    machine.repeat(choice, 1.3e-3, 1e-3)
    assert set(machine.repeat(choice, 1.3e-3, 1e-3, times=80_000)) == {ALL}


def test_looking_costs_a_small_part_of_the_time(machine):
    choice = ThreadChoice(True)
    machine.repeat(choice, 1e-3, 0.5)
    start = machine.now
    ran = machine.repeat(choice, 1e-3, 0.5, times=300_000)
    assert sum(threads > 1 for threads in ran) * 0.5 < 0.04 * (machine.now - start)


def test_a_look_at_what_is_hopeless_is_one_repetition(machine):
    choice = ThreadChoice(True)
    machine.repeat(choice, 1e-3, 1e-2)
    ran = machine.repeat(choice, 1e-3, 1e-2, times=20_000)
    places = [i for i, threads in enumerate(ran) if threads > 1]
    assert places and min(np.diff(places)) > 1


def test_pauses_of_the_user_are_no_change(machine):
    choice = ThreadChoice(True)
    machine.repeat(choice, 1e-3, 2e-3)
    ran = []
    for _ in range(10):
        ran += machine.repeat(choice, 1e-3, 2e-3, times=50)
        machine.now += 0.05  # a validation
    assert set(ran) == {1}


def test_another_number_from_the_user_is_measured_anew(machine):
    choice = ThreadChoice(False)
    assert machine.repeat(choice, 1e-3, 2e-3)[-1] == 1
    with pytest.raises(AssertionError):  # Machine.repeat says that the number was not put back to ALL
        machine.threads = 2
        machine.repeat(choice, 2e-3, 1e-3, times=1)
    assert machine.threads == 2
    for _ in range(60):
        with Chosen(choice):
            machine.work(2e-3, 1e-3)
    assert not choice.one


def test_one_thread_of_the_user_leaves_nothing_to_choose(machine):
    machine.threads = 1
    choice = ThreadChoice(False)
    for _ in range(50):
        with Chosen(choice):
            assert machine.threads == 1
    assert machine.readings == 0


def test_small_work_is_not_measured(machine):
    choice = choice_for([100, 4095])
    assert isinstance(choice, OneThread)
    assert set(machine.repeat(choice, 1e-3, 1e-4)) == {1}
    assert machine.readings == 0
    assert choice_for([4096]).one
    assert not choice_for([10, 1 << 15]).one
    assert isinstance(choice_for([]), OneThread)


def test_all_threads_on_demand(machine):
    measured, small = ThreadChoice(False), choice_for([1])
    machine.repeat(measured, 1e-3, 2e-3)
    set_thread_choice("all")
    assert get_thread_choice() == "all"
    assert set(machine.repeat(measured, 1e-3, 2e-3)) == {ALL}
    assert set(machine.repeat(small, 1e-3, 2e-3)) == {ALL}
    set_thread_choice("measured")
    assert machine.repeat(measured, 1e-3, 2e-3)[-1] == 1


def test_choices_have_names():
    with pytest.raises(
        ArgumentError, match=r"set_thread_choice: choice must be one of \['measured', 'all'\], not 'few'"
    ):
        set_thread_choice("few")
    script = "import nnabla"
    environment = {**os.environ, "NNABLA_THREADS": "few"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert "NNABLA_THREADS must be one of ['measured', 'all'], not 'few'" in done.stderr


def told(name: str) -> int:
    """What `name` says of the number of threads in torch's report."""
    return int(re.search(rf"{name}\(\) : (\d+)", torch.__config__.parallel_info())[1])


def test_the_number_of_threads_is_that_of_openmp_and_of_mkl(two_threads):
    names = [n for n in ("omp_get_max_threads", "mkl_get_max_threads") if n in torch.__config__.parallel_info()]
    for count in (1, 2):
        _threads.set_num_threads(count)
        assert torch.get_num_threads() == count
        assert [told(name) for name in names] == [count] * len(names)


@pytest.mark.parametrize("missing", [OSError, AttributeError])
def test_without_the_symbols_torch_sets_the_number(monkeypatch, missing):
    def library(path):
        if missing is OSError:
            raise OSError
        return object()

    monkeypatch.setattr(_threads.ctypes, "PyDLL", library)
    assert _threads._without_side_effects() is torch.set_num_threads


# ---- graphs and solvers --------------------------------------------------------------------------------------------


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(_threads._process, "choice", "measured")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def training(width: int):
    """A step that returns what it computed: layers, a sum that threads share, random numbers of dropout."""
    rng = np.random.RandomState(0)
    x, t = nn.Variable((64, 1, 16, 16)), nn.Variable((64, 1))
    x.d, t.d = rng.randn(*x.shape), rng.randint(0, 10, t.shape)
    h = F.relu(PF.batch_normalization(PF.convolution(x, width, (3, 3), with_bias=False, name="conv")))
    h = F.dropout(PF.affine(h, 64, name="hidden"), 0.5, seed=7)
    loss = F.mean(F.softmax_cross_entropy(PF.affine(h, 10, name="out"), t))
    solver = S.Momentum(1e-2, 0.9)
    solver.set_parameters(nn.get_parameters())

    def step() -> np.ndarray:
        loss.forward(clear_no_need_grad=True)
        solver.zero_grad()
        loss.backward(clear_buffer=True)
        solver.update()
        return loss.d.copy()

    return step


def trained(choice: str, steps: int) -> list[np.ndarray]:
    set_thread_choice(choice)
    nn.clear_parameters()
    nn.seed(5)
    step = training(16)
    losses = [step() for _ in range(steps)]
    return [np.array(losses), *(p.d.copy() for p in nn.get_parameters(grad_only=False).values())]


def test_results_depend_on_the_choice_by_rounding_only(two_threads):
    every = trained("all", 8)
    for a, b in zip(trained("measured", 8), every, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    for a, b in zip(trained("all", 8), every, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: F.dropout(x, 0.3, seed=3),
        lambda x: F.rand(0, 1, x.shape, seed=3),
        lambda x: F.randn(0, 1, x.shape, seed=3),
        lambda x: F.rand_gamma(0.5, 1.0, x.shape, seed=3),
    ],
    ids=["dropout", "rand", "randn", "rand_gamma"],
)
def test_random_numbers_do_not_depend_on_it(two_threads, draw):
    set_thread_choice("all")
    x = nn.Variable.from_numpy_array(np.ones((200, 1000), np.float32))
    drawn = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        y = draw(x)
        y.forward()
        drawn.append(y.d.copy())
    np.testing.assert_array_equal(*drawn)


def test_plans_and_solvers_switch_and_put_back(two_threads, monkeypatch):
    seen = []
    monkeypatch.setattr(_threads, "set_num_threads", lambda n: (seen.append(n), torch.set_num_threads(n)))
    step = training(16)
    for _ in range(8):
        step()
        assert torch.get_num_threads() == 2
    assert {1, 2} == set(seen)


def test_functions_that_compute_at_once_choose_too(two_threads, monkeypatch):
    """In dynamic and in imperative mode."""
    seen = []
    monkeypatch.setattr(_threads, "set_num_threads", lambda n: (seen.append(n), torch.set_num_threads(n)))
    x = nn.NdArray.from_numpy_array(np.ones((2, 3), np.float32))
    assert F.sum(x).data == 6
    assert seen == [1, 2]
    with nn.auto_forward():
        F.sum(nn.Variable.from_numpy_array(np.ones((4, 3), np.float32)))
    assert seen == [1, 2, 1, 2]
    # Element-wise kernels divide large arrays only.
    np.testing.assert_allclose(F.tanh(x).data, np.tanh(1.0), rtol=1e-6)
    assert seen == [1, 2, 1, 2]


def test_calls_of_a_solver_are_measured_each_for_itself(two_threads):
    p = nn.Variable((5000,), need_grad=True)
    p.d, p.g = 1.0, 0.5
    solver = S.Sgd(0.1)
    solver.set_parameters({"p": p})
    solver.weight_decay(0.1)
    solver.update()
    assert len(solver._threads) == 2
    np.testing.assert_allclose(p.d, 1 - 0.1 * 0.6, rtol=1e-6)


def test_an_error_in_a_step_puts_the_number_back(two_threads):
    x = nn.Variable.from_numpy_array(np.zeros((2, 3), np.float32))
    y = F.embed(nn.Variable.from_numpy_array(np.array([5])), x)
    with pytest.raises(Exception, match="Embed"):
        y.forward()
    assert torch.get_num_threads() == 2


def test_hooks_run_within_the_choice(two_threads):
    seen = []
    y = F.tanh(F.tanh(nn.Variable((3,))))
    y.forward(function_pre_hook=lambda f: seen.append(torch.get_num_threads()))
    assert seen == [1, 1]
