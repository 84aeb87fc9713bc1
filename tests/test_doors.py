"""Every public module and name of NNabla 1.39 is there, less what is still to come and what never will."""

from __future__ import annotations

import json

import pytest

from . import surface

NOT_YET = (surface.FOLDER / "not_yet.txt").read_text(encoding="utf-8").split("\n")[:-1]
NEVER: dict[str, str] = json.loads((surface.FOLDER / "never.json").read_text(encoding="utf-8"))


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
