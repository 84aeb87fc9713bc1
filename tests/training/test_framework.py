"""The training framework: the order of its calls, which was observed in the original, and a training."""

import inspect

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.solvers as S
from nnabla.experimental.framework import Data, Trainer, Worker
from nnabla.experimental.framework.data import data_iterator
from nnabla.experimental.framework.evaluator import Evaluator
from nnabla.experimental.framework.updater import Updater

# What one update calls, in this order, and the arguments after (i, e) that it gives.
UPDATE = [
    ("_solver_zero_grad", ()),
    ("_train_data_feeder", (0,)),
    ("_loss_forward_callback_on_start", (0,)),
    ("_loss_forward", (0,)),
    ("_loss_forward_callback_on_finish", (0,)),
    ("_loss_backward_callback_on_start", (0,)),
    ("_loss_backward", (0,)),
    ("_loss_backward_callback_on_finish", (0,)),
    ("_solver_update_callback_on_start", ()),
    ("_solver_update", ()),
    ("_solver_update_callback_on_finish", ()),
]


def evaluation(e):
    return [
        ("_eval_callback_on_start", e),
        ("_eval_data_feeder", e, 0),
        ("_eval_graph_forward", e, 0),
        ("_eval_callback_on_finish", e),
    ]


def iteration(i, e):
    update = [(name, i, e, *rest) for name, rest in UPDATE]
    return [("iter_loop_start", i, e), ("update_in_iteration", i, e), *update, ("iter_loop_end", i, e)]


def epoch(e, iterations):
    return [
        ("epoch_loop_start", e),
        ("evaluate_at_epoch_start", e),
        *evaluation(e),
        ("iter_per_epoch",),
        *(call for i in range(iterations) for call in iteration(i, e)),
        ("epoch_loop_end", e),
        ("save_checkpoint_at_epoch_end", e),
    ]


PREPARATION = [
    ("load_checkpoint",),
    ("training_prepare",),
    *((f"_{what}_init",) for what in ("ctx", "var", "comm", "data", "graph", "loss", "solver", "monitor")),
    ("save_model_at_start",),
    ("max_epoch",),
]


def observed(base):
    """`base`, with a list ``calls`` of what is called on it, in order."""

    class Observed(base):
        pass

    def watching(name, method):
        def call(self, *args):
            calls.append((name, *args))
            return method(self, *args)

        return call

    calls = []
    for name, method in inspect.getmembers(base, inspect.isfunction):
        if not name.startswith("__"):
            setattr(Observed, name, watching(name, method))
    return Observed, calls


class Halving(Worker):
    """Minimizes w ** 2; each update halves w."""

    def _loss_init(self):
        self.w = nn.Variable.from_numpy_array(np.float32([8]), need_grad=True)
        self._loss = F.sum(self.w * self.w)

    def _solver_init(self):
        self._solver = S.Sgd(0.25)
        self._solver.set_parameters({"w": self.w})


def test_order_of_the_calls():
    watched, calls = observed(Halving)
    worker = watched("data", 2, 2)
    trainer = Trainer(worker)
    assert trainer.start_epoch == 0
    assert trainer.train() is None
    assert calls == [
        *PREPARATION,
        *epoch(0, 2),
        *epoch(1, 2),
        ("evaluate_at_training_end",),
        *evaluation(2),
        ("save_model_at_end",),
        ("training_complete",),
    ]
    assert worker._data == "data"
    np.testing.assert_array_equal(worker.w.d, [0.5])
    calls.clear()
    assert trainer.brief() is None
    assert calls == [("brief",)]


def test_a_checkpoint_moves_the_epochs():
    seen = []

    class Resumed(Halving):
        def load_checkpoint(self):
            return 3

        def epoch_loop_start(self, e):
            seen.append(e)

    trainer = Trainer(Resumed(None, max_epoch=2))
    trainer.train()
    assert seen == [3, 4]
    assert trainer.start_epoch == 3


def recorder(calls, name):
    return lambda *args: calls.append((name, *args))


def test_updater_with_accumulation_and_communicator():
    calls = []
    names = list(inspect.signature(Updater).parameters)[:14]
    callbacks = {name: recorder(calls, name) for name in names}
    callbacks["loss_forward_callback_on_start"] = [recorder(calls, "first"), recorder(calls, "second")]
    updater = Updater(**callbacks, accum_grad=2, comm="comm", grads=["g"])
    assert (updater.accum_grad, updater.comm, updater.grads) == (2, "comm", ["g"])
    updater.update(3, 4)

    def batch(ag):
        return [
            (name, 3, 4, ag)
            for name in (
                "train_data_feeder",
                "first",
                "second",
                "loss_forward",
                "loss_forward_callback_on_finish",
                "loss_backward_callback_on_start",
                "loss_backward",
                "loss_backward_callback_on_finish",
            )
        ]

    assert calls == [
        ("solver_zero_grad", 3, 4),
        *batch(0),
        *batch(1),
        ("comm_all_reduce_callback_on_start", 3, 4),
        ("comm_all_reduce", 3, 4),
        ("comm_all_reduce_callback_on_finish", 3, 4),
        ("solver_update_callback_on_start", 3, 4),
        ("solver_update", 3, 4),
        ("solver_update_callback_on_finish", 3, 4),
    ]


def test_updater_of_one_process_reduces_nothing():
    calls = []
    feed, zero, update, reduce = (recorder(calls, name) for name in ("feed", "zero", "update", "reduce"))
    Updater(feed, zero, update, comm_all_reduce=reduce).update(0, 1)
    assert calls == [("zero", 0, 1), ("feed", 0, 1, 0), ("update", 0, 1)]


def test_evaluator():
    calls = []
    start = [recorder(calls, "start0"), recorder(calls, "start1")]
    evaluator = Evaluator(recorder(calls, "feed"), recorder(calls, "forward"), start, recorder(calls, "finish"), 2)
    evaluator.evaluate(5)
    assert calls == [
        ("start0", 5),
        ("start1", 5),
        ("feed", 5, 0),
        ("forward", 5, 0),
        ("feed", 5, 1),
        ("forward", 5, 1),
        ("finish", 5),
    ]


def test_options_of_forward_and_backward():
    seen = []

    class Loss:
        def forward(self, **options):
            seen.append(options)

        def backward(self, **options):
            seen.append(options)

    worker = Worker(None, clear_buffer=False, clear_no_need_grad=False)
    worker._loss = Loss()
    worker._loss_forward(0, 0, 0)
    worker._loss_backward(0, 0, 0)
    assert seen == [{"clear_no_need_grad": False}, {"clear_buffer": False}]


def test_gradients_of_all_processes():
    class Communicator:
        def all_reduce(self, grads, division, inplace):
            self.seen = grads, division, inplace

    worker = Worker(None)
    worker._comm_all_reduce(0, 0)
    worker._comm, worker.grads = Communicator(), ["g"]
    worker._comm_all_reduce(0, 0)
    assert worker._comm.seen == (["g"], False, False)


def test_condition_of_a_callback():
    worker = Worker(None)
    assert worker._loopCallbackCondition() is True
    assert worker._loopCallbackCondition(1, 2, 3, lambda i, e, ag: (i, e, ag)) == (1, 2, 3)
    assert worker._loopCallbackCondition(e=4, toExecute=lambda i, e, ag: e % 2 == 1) is False


def test_data_with_its_own_source():
    class Numbers(Data):
        class Source(Data.CustomDataSource):
            def __init__(self):
                super().__init__()
                self._size, self._variables = 4, ("x",)
                self.reset()

            def _get_data(self, position):
                return (np.float32([position]),)

        def __data_source__(self):
            return self.Source()

        def __data_iterator__(self, data_source):
            return data_iterator(data_source, 2, with_memory_cache=False, use_thread=False)

        def next(self):
            return self._data_iterator.next()

        def size(self):
            return self._data_iterator.size

    data = Numbers()
    assert data.reset() is None
    assert data.size() == 4
    (x,) = data.next()
    np.testing.assert_array_equal(x, [[0], [1]])
    data._data_iterator.close()


def test_what_data_must_define():
    class Unfinished(Data):
        def __init__(self):
            pass

    with pytest.raises(NotImplementedError, match="Data must define __data_iterator__ or a constructor"):
        Data()
    with pytest.raises(NotImplementedError, match="Unfinished must define next"):
        Unfinished().next()
    with pytest.raises(NotImplementedError, match="Unfinished must define size"):
        Unfinished().size()
