"""Loops in described networks are written out as NNabla 1.39 does it."""

from __future__ import annotations

import json

import pytest

import nnabla as nn
from nnabla.network import loops
from nnabla.network.loops import expand, has_loops

from ..reference.record_loops import CASES, FILE, facts

RECORDED = json.loads(FILE.read_text())


@pytest.mark.parametrize("key", CASES)
def test_loops_become_what_is_recorded(key):
    found, expected = facts(CASES[key]), RECORDED[key]
    assert found.pop("output") == pytest.approx(expected["output"], abs=2e-6)
    assert found == {name: value for name, value in expected.items() if name != "output"}


def graph_of(proto):
    return nn.graph_def.ProtoGraph.from_proto(proto)


def test_loops_are_kept_until_they_are_expanded():
    proto = CASES["nested"]()
    graph = graph_of(proto)
    network = graph["net"]
    assert has_loops(network)
    assert network.repeat_info == {"r": 2, "q": 3}
    assert graph.as_proto().network[0] == proto.network[0]
    copy = network.clone()
    assert (copy.repeat_info, copy.functions["ft"].repeat_id) == ({"r": 2, "q": 3}, ["r", "q"])
    graph.expand_loop_control()
    assert graph["net"] is not network
    assert not has_loops(graph["net"])
    assert graph["net"].copies["V"] == ["V_r[0]", "V_r[1]"]
    assert graph["net"].expand_loop_control() is graph["net"]


def test_loading_expands(tmp_path):
    graph = graph_of(CASES["recurrent"]())
    graph.set_parameter("W", nn.Variable((4, 4)))
    graph.save(tmp_path / "m.nnp")
    assert RECORDED["recurrent"]["functions"][0][0] in nn.graph_def.load(tmp_path / "m.nnp")["net"].functions


def test_times_of_a_loop_that_only_its_functions_tell():
    proto = CASES["repeat"]()
    del proto.network[0].repeat_info[:]
    graph = graph_of(proto)
    graph.expand_loop_control()
    assert len(graph["net"].functions) == len(RECORDED["repeat"]["functions"])


def changed(key, change):
    proto = CASES[key]()
    change(proto.network[0])
    return graph_of(proto)


def loops_of(network, name):
    return next(f for f in network.function if f.name == name).repeat_id


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("repeat", lambda n: n.function[3].input.__setitem__(0, "s"), "'fy' uses 's' outside of its loop 'r'"),
        ("repeat", lambda n: loops_of(n, "fs").pop(), "RepeatStart 'fs' must name its loop, and stand inside of it"),
        ("repeat", lambda n: loops_of(n, "fe").append("r"), "RepeatEnd 'fe' must name its loop, and stand outside"),
        ("repeat", lambda n: n.function[0].ClearField("repeat_param"), "RepeatStart 'fs' must name its loop"),
        ("repeat", lambda n: n.function[0].input.pop(), "RepeatStart 'fs' requires 2 inputs and one output"),
        ("recurrent", lambda n: n.function[1].input.pop(), "Delay 'fd' requires 2 inputs and one output"),
        ("repeat", lambda n: setattr(n.repeat_info[0], "times", 0), "loop 'r' has no times to be gone through, or 0"),
        ("repeat", lambda n: setattr(n.repeat_info[0], "times", -2), "loop 'r' has no times to be gone through, or -2"),
        ("repeat", lambda n: setattr(n.repeat_info[0], "times", 2**40), "its loops make .* more than 100000"),
        ("repeat", lambda n: loops_of(n, "fa").append("z"), "loop 'z' has no times"),
    ],
)
def test_loops_that_do_not_fit_together(key, change, words):
    graph = changed(key, change)
    with pytest.raises(ValueError, match=f"network 'net': .*{words}"):
        graph.expand_loop_control()


def test_names_of_expanded_functions_are_those_that_loading_keeps(tmp_path):
    from nnabla.utils.load import load

    nn.clear_parameters()
    graph = graph_of(CASES["repeat"]())
    for name, shape in (("W_r[0]", (3, 3)), ("W_r[1]", (3, 3)), ("W_r[2]", (3, 3)), ("b", (3,))):
        graph.set_parameter(name, nn.Variable(shape))
    path = tmp_path / "m.nntxt"
    graph.save(path, include_parameter=True)
    info = load(path)
    kept = [name for name in info.networks["net"].functions if name.startswith(loops.KEPT)]
    assert kept == ["$EC$/fs_r[0]", "$EC$/fs_r[1]", "$EC$/fs_r[2]", "$EC$/fe"]


def test_a_network_that_is_filled_twice_is_refused():
    graph = graph_of(CASES["repeat"]())
    expanded = graph["net"].expand_loop_control()
    with pytest.raises(ValueError, match="there is a variable 'x' already"):
        expand(graph["net"], expanded)
