"""Models that do not fit together, or say that they are huge: refused by name, before memory is taken."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import FormatError, ShapeError
from nnabla.network.initial_values import MOST_DRAWN
from nnabla.utils import nnabla_pb2
from nnabla.utils.load import load
from nnabla.utils.nnp_graph import NnpLoader

TOOLS = Path(__file__).resolve().parents[2] / "tools"

NETWORK = """
network {{ name: "net" batch_size: 2
  variable {{ name: "x" type: "Buffer" shape {{ dim: -1 dim: {columns} }} {given} }}
  variable {{ name: "W" type: "Parameter" shape {{ dim: {rows} dim: {maps} }}
    initializer {{ type: "{kind}" multiplier: {multiplier} }} }}
  variable {{ name: "y" type: "Buffer" shape {{ dim: -1 dim: 4 }} }}
  function {{ name: "f" type: "Affine" {inputs} output: "y" affine_param {{ base_axis: 1 }} }} }}
executor {{ name: "run" network_name: "net" output_variable {{ variable_name: "y" }} }}
"""
SOUND = {
    "columns": 3,
    "rows": 3,
    "maps": 4,
    "kind": "NormalAffineHe",
    "multiplier": 1,
    "given": "",
    "inputs": 'input: "x" input: "W"',
}


def model(**changes):
    return io.BytesIO(NETWORK.format(**(SOUND | changes)).encode())


def as_load(file):
    return load(file).networks["net"].variables["y"].variable_instance


def as_loader(file):
    return NnpLoader(file).get_network("net").outputs["y"]


def as_description(file):
    return nn.graph_def.load(file)()


WAYS = [as_load, as_loader, as_description]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # 2 GiB, if it were drawn; a parameter that does not fit is not.
        ({"rows": 2**27}, r"affine: weight.shape\[0\] must be 3"),
        ({"rows": -3}, r"parameter 'W' of shape \(-3, 4\) cannot be initialized"),
        ({"rows": 2**40}, r"parameter 'W' of shape \(1099511627776, 4\) cannot be initialized"),
        ({"multiplier": "inf", "kind": "Uniform"}, r"StoredInitializer\('Uniform', inf\) gives nothing of shape"),
        ({"inputs": 'input: "x"'}, "^f: affine"),
        ({"inputs": 'input: "x" input: "W" input: "W" input: "W"'}, "f: affine takes 3 inputs, 4 were given"),
        (
            {"given": 'initializer { type: "Normal" multiplier: 1 }', "columns": 2**40},
            r"input 'x' of shape \(2, 1099511627776\) cannot be initialized",
        ),
    ],
)
def test_what_does_not_fit_is_refused(way, changes, words):
    nn.clear_parameters()
    with pytest.raises(ValueError, match=words):
        way(model(**changes))


@pytest.mark.parametrize("way", WAYS)
def test_values_are_drawn_once_the_network_is_built(way):
    nn.clear_parameters()
    np.random.seed(3)
    nn.random.prng = np.random.RandomState(3)
    y = way(model())
    w = y.parent.inputs[1]
    assert w.d.std() > 0.1
    y.parent.inputs[0].d = 1
    y.forward()
    np.testing.assert_allclose(y.d, np.broadcast_to(w.d.sum(0), (2, 4)), rtol=1e-6)


def test_networks_that_are_computed_at_once_have_their_values():
    graph = nn.graph_def.load(model(kind="Constant", multiplier=2))
    np.testing.assert_array_equal(graph(nn.NdArray.from_numpy_array(np.ones((2, 3)))).data, np.full((2, 4), 6))
    graph = nn.graph_def.load(model(kind="Constant", multiplier=2))
    with nn.auto_forward():
        np.testing.assert_array_equal(graph(nn.Variable.from_numpy_array(np.ones((2, 3)))).d, np.full((2, 4), 6))


def test_a_network_that_fails_leaves_no_parameters():
    graph = nn.graph_def.load(model(rows=7))
    with pytest.raises(ShapeError):
        graph()
    assert graph.get_parameters() == {}
    assert MOST_DRAWN * 4 == 4 << 30


def test_an_axis_too_long_to_be_taken_apart():
    with pytest.raises(ShapeError, match="split: x has 2147483647 elements along axis 0, more than 65536"):
        F.split(nn.Variable((2**31 - 1,)))


def test_unknown_fields_are_refused():
    """As NNabla 1.39 does: what a later release says about a function may not be passed over."""
    text = NETWORK.format(**SOUND).replace("base_axis: 1", "base_axis: 1 later: 3")
    with pytest.raises(FormatError, match='AffineParameter" has no field named "later"'):
        load(io.BytesIO(text.encode()))


def test_loading_opens_nothing_else(tmp_path):
    """Neither data sets nor what the names of variables and networks look like."""
    nn.clear_parameters()
    proto = text_format.Parse(NETWORK.format(**SOUND), nnabla_pb2.NNablaProtoBuf())
    for name in ("uri", "cache_dir"):
        (tmp_path / name).mkdir()
    dataset = proto.dataset.add(name="../up", uri=str(tmp_path / "uri"), cache_dir=str(tmp_path / "cache_dir"))
    dataset.create_cache_explicitly = dataset.overwrite_cache = True
    path = tmp_path / "m.protobuf"
    path.write_bytes(proto.SerializeToString())
    load(path)  # what is imported late
    opened = []
    watching = True

    def note(event, args):
        if watching and event in ("open", "os.listdir", "os.scandir", "subprocess.Popen", "exec", "compile", "import"):
            opened.append((event, args[0]))

    sys.addaudithook(note)
    try:
        load(path)
        NnpLoader(path).get_network("net")
    finally:
        watching = False
    assert {args for event, args in opened} == {str(path)}


# ---- damage at random ----------------------------------------------------------------------------------------


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import fuzz_readers

    return fuzz_readers


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory by Linux's means")
@pytest.mark.parametrize("first", [0, 2500])
def test_changed_archives_are_loaded_or_refused(tools, first):
    """Neither crash nor hang nor more than 200 MB; see the tool for a hundred thousand of them."""
    assert tools.sweep(tools.MODELS, 2500, seed=2, first=first, slow=5) == []


def test_most_archives_are_changed_inside_of_a_member(tools):
    changed = [
        tools.model_archives.changed(number, np.random.RandomState((2, number)), tools.damaged)
        for number in range(1000)
    ]
    assert sum(inside for _, inside in changed) > 850
    assert len({data for data, _ in changed}) > 950
