"""Programs are right, and `check` tells those that are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.engine import passes
from nnabla.engine.checked_values import CheckedValues
from nnabla.engine.checking import ProgramError, check, faults
from nnabla.engine.display import PlanView
from nnabla.engine.frame import LEAF
from nnabla.engine.program import (
    ACCUMULATE,
    ADD,
    ASSIGN,
    Call,
    Cast,
    Free,
    Gradient,
    Link,
    Program,
    Record,
    SumCall,
    UserCall,
    UserGradient,
    read_by,
)
from nnabla.graph.epoch import advance
from nnabla.graph.hooks import function_freed_hooks

from .random_graphs import Graph, random_graph

# Random graphs that are checked every time; ``-m heavy`` checks more.
SAMPLE, MANY = 120, 2000


def check_graph(seed: int) -> None:
    graph = random_graph(seed)
    try:
        graph.root.plan(graph.forward, graph.backward).check()
        graph.root.plan({"clear_buffer": True}, None).check()
    except ProgramError as error:
        raise AssertionError(f"graph {seed}: {error}") from None


def test_random_graphs_are_right() -> None:
    for seed in range(SAMPLE):
        check_graph(seed)


@pytest.mark.heavy
def test_many_random_graphs_are_right() -> None:
    for seed in range(MANY):
        check_graph(seed)


def test_random_graphs_are_right_while_memory_is_watched() -> None:
    function_freed_hooks["watch"] = lambda function: None
    advance()
    try:
        for seed in range(0, SAMPLE, 4):
            check_graph(seed)
    finally:
        del function_freed_hooks["watch"]
        advance()


def test_records_read_what_the_check_looks_for(monkeypatch) -> None:
    """`read_by`, which passes and compiled parts go by, names what each record needs, and nothing else."""
    seen: dict[tuple[str, str], set[int]] = {}
    read = CheckedValues.read

    def noted(self: CheckedValues, number: int) -> frozenset[int]:
        seen.setdefault((self.program.way, self.now.split(" (")[0]), set()).add(number)
        return read(self, number)

    monkeypatch.setattr(CheckedValues, "read", noted)
    kinds = set()
    for seed in range(0, SAMPLE, 3):
        graph = random_graph(seed)
        seen.clear()
        view = graph.root.plan(graph.forward, graph.backward)
        view.check()
        for program in view.programs:
            for i, record in enumerate(program.records):
                kinds.add(type(record))
                added = {put.value for put in getattr(record, "puts", ()) if put.how == ADD}
                found = seen.get((program.way, f"record {i}"), set())
                assert set(read_by(record)) - added == found - added, (seed, i, record)
                assert added <= set(read_by(record))
    assert kinds >= {Call, Cast, Free, Gradient, Link, SumCall, UserCall, UserGradient}


# ---- passes ------------------------------------------------------------------------------------------------------


def results(graph: Graph) -> list[np.ndarray]:
    """What two steps leave behind."""
    nn.seed(7)
    for v in graph.leaves:
        v.grad.zero()
    for _ in range(2):
        graph.root.forward(**graph.forward)
        graph.root.backward(**graph.backward)
    return [graph.root.d.copy(), *[v.g.copy() for v in graph.leaves]]


@pytest.mark.parametrize("name", [*passes.PASSES, "all"])
def test_without_a_pass_results_are_the_same(name: str) -> None:
    left_out = list(passes.PASSES) if name == "all" else [name]
    changed = 0
    for seed in range(20):
        graph = random_graph(seed)
        expected = results(graph)
        plan = graph.root.plan(graph.forward, graph.backward)
        # Functions that draw numbers begin again.
        graph = random_graph(seed)
        with passes.without(*left_out):
            other = graph.root.plan(graph.forward, graph.backward)
            other.check()
            for one, wanted in zip(results(graph), expected, strict=True):
                np.testing.assert_allclose(one, wanted, rtol=1e-5, atol=1e-5, err_msg=f"graph {seed}")
        changed += [list(p.records) for p in plan.programs] != [list(p.records) for p in other.programs]
    # Adding within kernels takes larger matrices, see below; for copies see test_copies.
    assert changed or name in ("add_within_kernels", "copy_once")


@pytest.mark.heavy
def test_many_random_graphs_have_the_same_results_without_passes() -> None:
    """All left out, and one of them in turn."""
    names = list(passes.PASSES)
    for seed in range(1000):
        graph = random_graph(seed)
        expected = results(graph)
        for left_out in (names, [names[seed % len(names)]]):
            graph = random_graph(seed)
            with passes.without(*left_out):
                for one, wanted in zip(results(graph), expected, strict=True):
                    np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-4, err_msg=f"{seed} without {left_out}")


def test_gradients_of_large_leaves_are_added_within_kernels() -> None:
    x = nn.Variable.from_numpy_array(np.random.rand(2, 128), need_grad=True)
    w = nn.Variable.from_numpy_array(np.random.rand(128, 128) / 128, need_grad=True)
    y = F.sum(F.affine(F.affine(x, w), w))
    y.forward()
    (_, backward) = y.plan().programs
    kernels = [r.kernel for r in backward.records if type(r) is Gradient]
    assert sum(any(kernel.adds) for kernel in kernels) == 2
    w.grad.zero()
    y.backward()
    expected = w.g.copy()
    with passes.without("add_within_kernels"):
        (_, backward) = y.plan().programs
        assert not any(any(r.kernel.adds) for r in backward.records if type(r) is Gradient)
        w.grad.zero()
        y.backward()
    np.testing.assert_allclose(w.g, expected, rtol=1e-5)


def test_a_pass_of_another_name() -> None:
    with pytest.raises(KeyError, match="inline"), passes.without("inline"):
        pass


# ---- programs that are wrong -------------------------------------------------------------------------------------


def network() -> PlanView:
    """A graph in which every kind of record and of gradient occurs."""
    x = nn.Variable((4, 6), need_grad=True)
    bias = nn.Variable((1, 6), need_grad=True)
    w = nn.Variable((6, 6), need_grad=True)
    with nn.context_scope(nn.Context(["cpu:double"])):
        wide = F.mul_scalar(x, 3)
    h = F.relu(F.mul_scalar(wide, 2))
    h = F.dropout(F.affine(h, w), 0.5)
    kept = F.transpose(h, (1, 0))
    kept.persistent = True
    h = F.add2(F.mul2(F.tanh(h), bias), F.sigmoid(h))
    h = F.relu(h)
    y = F.identity(F.add2(F.add2(F.sin(h), F.transpose(kept, (1, 0))), x))
    return y.plan()


Records = list[Record]


def of_function(records: Records, name: str, program: Program, kind: type = Call) -> int:
    return next(i for i, r in enumerate(records) if type(r) is kind and program.order[r.function].name == name)


def free_before_its_last_reader(records: Records, program: Program) -> None:
    i = next(i for i, r in enumerate(records) if type(r) is Free)
    free = records.pop(i)
    read = next(j for j in range(i - 1, -1, -1) if set(read_by(records[j])) & set(free.values))
    records.insert(read, free)


def swap_writes(records: Records, program: Program) -> None:
    i, j = of_function(records, "Tanh", program), of_function(records, "Sigmoid", program)
    a, b = records[i], records[j]
    records[i], records[j] = a._replace(writes=b.writes), b._replace(writes=a.writes)


def leave_out_a_cast(records: Records, program: Program) -> None:
    i = next(i for i, r in enumerate(records) if type(r) is Cast)
    cast = records.pop(i)
    for j, record in enumerate(records):
        if type(record) is Call:
            reads = tuple([cast.source if n == cast.target else n for n in record.reads])
            records[j] = record._replace(reads=reads)
        elif type(record) is Free:
            records[j] = record._replace(values=tuple([n for n in record.values if n != cast.target]))


def leave_out_a_call(records: Records, program: Program) -> None:
    del records[of_function(records, "Tanh", program)]


def call_too_early(records: Records, program: Program) -> None:
    i = of_function(records, "Dropout", program)
    records.insert(of_function(records, "Affine", program), records.pop(i))


def call_twice(records: Records, program: Program) -> None:
    i = of_function(records, "Dropout", program)
    records.insert(i, records[i])


def read_another(records: Records, program: Program) -> None:
    i = of_function(records, "Sigmoid", program)
    (other,) = records[of_function(records, "Tanh", program)].writes
    records[i] = records[i]._replace(reads=(other,))


def overwrite_what_is_needed(records: Records, program: Program) -> None:
    i = of_function(records, "Tanh", program)
    records[i] = records[i]._replace(kernel=records[i].kernel._replace(overwrites=True))


def view_of_what_is_kept(records: Records, program: Program) -> None:
    i = of_function(records, "Transpose", program)
    assert records[i].kernel.copies
    records[i] = records[i]._replace(kernel=records[i].kernel._replace(copies=False))


def free_what_is_asked_for(records: Records, program: Program) -> None:
    records.append(Free(program.roots, ()))


def free_a_leaf(records: Records, program: Program) -> None:
    leaf = next(n for n, value in enumerate(program.values) if value.source == LEAF)
    records.append(Free((leaf,), ()))


def puts_where(records: Records, right: Callable[..., bool]) -> tuple[int, int]:
    return next(
        (i, k) for i, r in enumerate(records) if type(r) is Gradient for k, put in enumerate(r.puts) if right(put)
    )


def change_put(records: Records, right: Callable[..., bool], **changes: object) -> None:
    i, k = puts_where(records, right)
    puts = list(records[i].puts)
    puts[k] = puts[k]._replace(**changes)
    records[i] = records[i]._replace(puts=tuple(puts))


def assign_a_further_gradient(records: Records, program: Program) -> None:
    change_put(records, lambda put: put.how == ADD, how=ASSIGN)


def add_a_first_gradient(records: Records, program: Program) -> None:
    change_put(records, lambda put: put.how == ASSIGN, how=ADD)


def leave_out_a_sum(records: Records, program: Program) -> None:
    change_put(records, lambda put: put.sum_to is not None, sum_to=None)


def leave_out_a_conversion_of_a_gradient(records: Records, program: Program) -> None:
    change_put(records, lambda put: put.how != ACCUMULATE and put.dtype is not None, dtype=None)


def share_the_gradient_of_a_leaf(records: Records, program: Program) -> None:
    change_put(records, lambda put: put.own, own=False)


def put_into_another(records: Records, program: Program) -> None:
    i, _ = puts_where(records, lambda put: put.how == ASSIGN)
    j, _ = puts_where(records, lambda put: put.how == ACCUMULATE)
    change_put(records, lambda put: put.how == ASSIGN, value=records[j].puts[-1].value)
    assert i != j


def leave_out_a_put(records: Records, program: Program) -> None:
    i, k = puts_where(records, lambda put: put.how == ACCUMULATE)
    records[i] = records[i]._replace(puts=records[i].puts[:k] + records[i].puts[k + 1 :])


def leave_out_a_gradient(records: Records, program: Program) -> None:
    del records[of_function(records, "Tanh", program, Gradient)]


def free_what_is_kept(records: Records, program: Program) -> None:
    i = of_function(records, "Dropout", program, Gradient)
    records.insert(i, Free((), (records[i].function,)))


def gradient_too_early(records: Records, program: Program) -> None:
    i, j = (of_function(records, name, program, Gradient) for name in ("Mul2", "Tanh"))
    records.insert(i, records.pop(j))


def overwrite_the_gradient_of_another(records: Records, program: Program) -> None:
    i = of_function(records, "Sigmoid", program, Gradient)
    records[i] = records[i]._replace(kernel=records[i].kernel._replace(overwrites=True))


FORWARD = [
    (free_before_its_last_reader, "which is not there"),
    (swap_writes, "writes to what are not its outputs"),
    (leave_out_a_cast, "not in the type that it computes in"),
    (leave_out_a_call, "which is not there"),
    (call_too_early, "which is not there"),
    (call_twice, "2 times, not once"),
    (read_another, "for its input 0"),
    (overwrite_what_is_needed, "which must stay|written over"),
    (view_of_what_is_kept, "a view of what others write to"),
    (free_what_is_asked_for, "which must stay"),
    (free_a_leaf, "which must stay"),
]
BACKWARD = [
    (free_before_its_last_reader, "which is not there"),
    (assign_a_further_gradient, "assigns the gradient of its input . where it adds"),
    (add_a_first_gradient, "adds the gradient of its input . where it assigns"),
    (leave_out_a_sum, "in another shape"),
    (leave_out_a_conversion_of_a_gradient, "in another type"),
    (share_the_gradient_of_a_leaf, "memory that others have"),
    (put_into_another, "puts the gradient of its input"),
    (leave_out_a_put, "does not compute the gradients that are wanted"),
    (leave_out_a_gradient, "the gradient of Tanh was left out"),
    (free_what_is_kept, "what forward kept, which was freed"),
    (gradient_too_early, "is not there|leaves out"),
    (overwrite_the_gradient_of_another, "which must stay|written over"),
]


def test_the_network_is_right() -> None:
    assert faults(*network().programs) == []


@pytest.mark.parametrize(
    ("way", "spoil", "message"),
    [(0, *case) for case in FORWARD] + [(1, *case) for case in BACKWARD],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_wrong_is_found(way: int, spoil: Callable[[Records, Program], None], message: str) -> None:
    programs = list(network().programs)
    records = list(programs[way].records)
    spoil(records, programs[way])
    programs[way] = programs[way]._replace(records=records)
    with pytest.raises(ProgramError, match=message):
        check(*programs)
