"""Every public module and name of NNabla 1.39 is there, less what is still to come and what never will."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnabla import dtypes

from . import surface

NOT_YET = (surface.FOLDER / "not_yet.txt").read_text(encoding="utf-8").split("\n")[:-1]
NEVER: dict[str, str] = json.loads((surface.FOLDER / "never.json").read_text(encoding="utf-8"))
# What public programs that use NNabla import and call, by module.
USED: dict[str, list[str]] = json.loads((surface.FOLDER / "used_by_clients.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def missing():
    return set(surface.missing())


def test_every_public_name_is_there(missing):
    assert sorted(missing - set(NOT_YET) - NEVER.keys()) == []


def test_the_list_of_what_is_to_come_only_shrinks(missing):
    assert sorted(set(NOT_YET) - missing) == [], "there by now: take it off tests/reference/surface/not_yet.txt"
    assert sorted(set(NOT_YET)) == NOT_YET


def test_what_never_comes_has_a_reason(missing):
    assert sorted(NEVER.keys() - missing) == []
    assert all(len(reason) > 10 for reason in NEVER.values())
    assert not NEVER.keys() & set(NOT_YET)


def used_and_never(never):
    """Entries of `never` that a program uses: the name itself, or a module of which it uses anything."""
    used = set(USED) | {f"{module}.{name}" for module, names in USED.items() for name in names}
    entries = {entry.removesuffix(" =").removesuffix("()") for entry in never}
    return sorted(entry for entry in entries if any(f"{name}.".startswith(f"{entry}.") for name in used))


def test_what_programs_use_is_never_refused():
    assert used_and_never(NEVER) == []


def test_a_used_name_would_be_found():
    never = ["nnabla.backward_functions.register", "nnabla.solver.Solver()", "nnabla.lms", "nnabla.function.Dummy"]
    expected = ["nnabla.backward_functions.register", "nnabla.lms", "nnabla.solver.Solver"]
    assert used_and_never(never) == expected
    assert used_and_never(["nnabla.models"]) == ["nnabla.models"]  # a module of which a part is used


def test_numbers_of_types():
    """As NNabla 1.39 shows them."""
    assert dtypes.int_to_np_dtype[0] is bool and dtypes.np_dtpye_to_int[bool] == 0
    whole = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]
    expected = dict(enumerate(whole, 1)) | {9: "int64", 10: "uint64", 11: "float32", 12: "float64"}
    assert {n: np.dtype(t).name for n, t in dtypes.int_to_np_dtype.items() if n not in (0, 13)} == expected
    assert all(dtypes.np_dtpye_to_int[t] == number for number, t in dtypes.int_to_np_dtype.items())
    assert dtypes.np_dtpye_to_int[np.longlong] == 9 and dtypes.np_dtpye_to_int[np.ulonglong] == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("()", []),
        ("(x, axis=None)", [("x", None), ("axis", "None")]),
        ("static (string key, vector[int] stride=[1, 1])", [("key", None), ("stride", "[1, 1]")]),
        ("(*args, **kwargs) [decorated (x, y=(1, 2))]", [("x", None), ("y", "(1, 2)")]),
    ],
)
def test_signatures_are_read(text, expected):
    assert surface.parameters(text) == expected


def test_differences_are_found():
    def ours(x, axis=0, *, extra=None):
        return x, axis, extra

    assert surface._accepts(ours, "(x, axis=0)")
    assert not surface._accepts(ours, "(x, axis=1)")  # another default
    assert not surface._accepts(ours, "(axis, x)")  # another order
    assert not surface._accepts(ours, "(x, axis=0, keepdims=False)")  # one more
    assert not surface._accepts(ours, "()")  # an argument that they do not need
