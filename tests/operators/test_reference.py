"""Every case against the record of the original NNabla, and the three ways of running against each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from .arrays import normal
from .case import Case, Tolerance, case, numbered
from .cases import ALL, RECORDED, TABLES
from .compare import differences, graph_differences
from .observe import (
    REFUSALS,
    Observation,
    call,
    dynamic,
    imperative,
    ndarrays,
    noise,
    static,
    variables,
)
from .records import RECORDS, record, refused

RECORDER = "PYTHONPATH=tests python tests/reference/record.py"

# The same kernels on the same numbers; a mode may only choose another order of summation.
SAME_KERNELS = Tolerance(relative=1e-6, floor=1e-6, reason="the modes may add up in another order")


ACCEPTED = [case for case in ALL if refused(case) not in ("build", "forward")]
REFUSED = [case for case in ALL if refused(case) in ("build", "forward")]


@pytest.mark.parametrize("table", TABLES)
def test_every_case_has_a_record(table: str) -> None:
    """A new or changed case must be recorded; a record without a case must go."""
    assert table in RECORDS, f"record the table: {RECORDER} {table}"
    cases = {case.definition for case in RECORDED if case.category == table}
    assert set(RECORDS[table]) == cases, f"bring it up to date: {RECORDER} {table}"


def test_every_record_file_has_a_table() -> None:
    """No archive is left behind by a table that was renamed."""
    assert set(RECORDS) == set(TABLES)


def test_no_case_is_there_twice() -> None:
    """Two cases with one definition would be the same test on the same numbers."""
    seen = Counter((case.definition, case.beyond) for case in ALL)
    assert not [definition for definition, count in seen.items() if count > 1]


def test_inputs_depend_on_the_definition_alone() -> None:
    """A case inserted before another one changes no number of it; another argument changes them all."""
    one, other = case("sum", normal(2, 3), args={"axis": 1}), case("sum", normal(2, 3), args={"axis": 0})
    alone, behind = numbered("a", [one])[0], numbered("b", [other, one])[1]
    assert np.array_equal(alone.arrays()[0], behind.arrays()[0])
    assert np.array_equal(noise(alone)[0], noise(behind)[0])
    assert not np.array_equal(alone.arrays()[0], numbered("a", [other])[0].arrays()[0])


@pytest.mark.parametrize("case", [c for c in ACCEPTED if not c.beyond], ids=str)
def test_static_mode_equals_the_original(case: Case) -> None:
    """Function nodes, outputs, written inputs and gradients are those of the original."""
    entry = record(case)
    assert entry is not None
    expected, seen = entry.observation, static(case)
    if expected.refused == "backward" and not seen.refused:
        # Where the original refuses to go back (a comparison, an index), it is enough that no gradient flows.
        untouched(case, seen)
        seen.grads, seen.accumulated = [], []
    else:
        assert seen.refused == expected.refused, seen.error
    found = graph_differences(seen.graph, expected.graph)
    found += differences("outputs", seen.outputs, expected.outputs, case.tolerance)
    found += differences("updates", seen.updates, expected.updates, case.tolerance)
    found += differences("grads", seen.grads, expected.grads, case.tolerance, any_for_nan=True)
    found += differences("accumulated", seen.accumulated, expected.accumulated, case.tolerance, any_for_nan=True)
    found += kinds(seen, entry.dtypes)
    assert not found, "\n".join(found)


def untouched(case: Case, seen: Observation) -> None:
    """Asserts that backward wrote to no gradient buffer of a label, an index or a truth value."""
    buffers = list(zip(case.grad, seen.grads, seen.accumulated, noise(case), strict=True))
    without = [(zeros, filled, before) for i, zeros, filled, before in buffers if not case.inputs[i].real]
    assert without
    for zeros, filled, before in without:
        assert not zeros.any()
        assert np.array_equal(filled, before)


def kinds(seen: Observation, dtypes: list[str]) -> list[str]:
    """Outputs of another kind than recorded; a real number must be float32, an index any integer type."""
    found = []
    for i, (y, name) in enumerate(zip(seen.outputs, dtypes, strict=False)):  # their number was compared before
        right = y.dtype.name == name if name.startswith("float") else y.dtype.kind in "iu"
        if not right:
            found.append(f"outputs[{i}]: dtype {y.dtype.name} instead of {name}")
    return found


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_dynamic_mode_equals_static_mode(case: Case) -> None:
    """Running each function as it is called gives what running the built graph gives."""
    agree(case, dynamic)


@pytest.mark.parametrize("case", [c for c in ACCEPTED if c.inputs], ids=str)
def test_imperative_mode_equals_static_mode(case: Case) -> None:
    """NdArrays in, NdArrays out, without a graph: the same numbers."""
    agree(case, imperative)


def agree(case: Case, mode: Callable[[Case], tuple[list[np.ndarray], list[np.ndarray]]]) -> None:
    """Asserts that `mode` gives the outputs and written inputs of static mode."""
    expected = static(case)
    outputs, updates = mode(case)
    found = differences("outputs", outputs, expected.outputs, SAME_KERNELS)
    found += differences("updates", updates, expected.updates, SAME_KERNELS)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused_in_every_mode(case: Case) -> None:
    """What the original refuses is refused here in every mode, and not later than there."""
    step = static(case).refused
    assert step == "build" or step == refused(case)
    with pytest.raises(REFUSALS):
        dynamic(case)
    if case.inputs:
        with pytest.raises(REFUSALS):
            imperative(case)


@pytest.mark.parametrize("case", [c for c in REFUSED if c.inputs], ids=str)
def test_refusal_leaves_the_inputs_alone(case: Case) -> None:
    """A refused call writes to no input."""
    arrays = case.arrays()
    before = [None if a is None else a.astype("float32") for a in arrays]
    xs, zs = variables(case, arrays), ndarrays(arrays)
    for inputs in (xs, zs):
        with pytest.raises(REFUSALS):
            for y in call(case, inputs):
                y.forward()
    held = [None if x is None else x.d for x in xs], [None if z is None else z.data for z in zs]
    for after in held:
        assert all(a is None or np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))


def test_a_wrong_record_fails() -> None:
    """The comparison notices a changed value, a lost NaN, a shape, a type name, an argument and its type."""
    y = np.array([[1.0, 2.0], [np.nan, np.inf]], np.float32)
    assert not differences("outputs", [y], [y.copy()])
    for place, value in (((0, 1), 2.0001), ((1, 0), 0.0), ((1, 1), -np.inf), ((1, 1), 3e38)):
        wrong = y.copy()
        wrong[place] = value
        sentence = differences("outputs", [wrong], [y])
        assert len(sentence) == 1 and re.search(r"outputs\[0\]: 1 of 4 values differ; at ", sentence[0])
    assert differences("outputs", [y.ravel()], [y]) == ["outputs[0]: shape (4,) instead of (2, 2)"]
    assert differences("outputs", [], [y]) == ["0 outputs instead of 1"]
    node = [("Sum", {"axes": [0], "keep_dims": False})]
    assert not graph_differences(node, node)
    assert graph_differences([("Mean", node[0][1])], node) == ["functions ['Mean'] instead of ['Sum']"]
    assert graph_differences([("Sum", {"axes": [0], "keep_dims": 0})], node) == ["Sum.keep_dims: 0 instead of False"]
    assert graph_differences([("Sum", {"axes": [0, 1], "keep_dims": False})], node) == [
        "Sum.axes: [0, 1] instead of [0]"
    ]
    assert graph_differences([("Sum", {"axes": [0]})], node) == [
        "Sum: arguments ['axes'] instead of ['axes', 'keep_dims']"
    ]
