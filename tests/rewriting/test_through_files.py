"""Graph converters on networks of model files: loaded, converted, saved again, loaded again, they compute what the
conversion of the original network does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.experimental.graph_converters as GC
import nnabla.utils.qnn as Q
from nnabla.utils.nnp_graph import NnpLoader

from .conversions import CASES, Case
from .networks import NETWORKS, build
from .networks import plain as plain_argument


def converted_by(case: Case) -> Callable[[Any, Any], Any]:
    return lambda x, y: GC.GraphConverter(case.modifiers(x)).convert(y)


def last_and_first(x: Any, y: Any) -> Any:
    last = GC.ChannelLastModifier([x])
    return GC.GraphConverter([last, GC.ChannelFirstModifier(last.inputs_cl)]).convert(y)


def quantized(x: Any, y: Any) -> Any:
    """From float to recording, and to rounded values."""
    config = Q.QATConfig()
    ranks = Q.FunctionsRankRecorder()
    y.visit(ranks)
    recording = GC.QuantizeNonQNNToRecordingModifier(ranks.functions_ranks, config)
    z = GC.GraphConverter([recording]).convert(y)
    z.forward()
    return GC.GraphConverter([GC.QuantizeRecordingToTrainingModifier(ranks.functions_ranks, config)]).convert(z)


NO_DROPOUT = GC.RemoveFunctionModifier(["Dropout"])
MORE = {
    "folding into the next layer": Case(lambda x: [GC.BatchNormalizationFoldingModifier(opposite=True)]),
    "other inputs": Case(lambda x: [GC.IdentityModifier({x: nn.Variable(x.shape)}, copy_value=True)]),
    "channels last": Case(lambda x: [GC.ChannelLastModifier([x])]),
    "fusing": Case(lambda x: [NO_DROPOUT, GC.FusedBatchNormalizationModifier()], True),
    "unfusing": Case(
        lambda x: [NO_DROPOUT, GC.FusedBatchNormalizationModifier(), GC.UnfusedBatchNormalizationModifier()], True
    ),
}
CONVERSIONS = {name: (converted_by(case), case.batch_stat) for name, case in {**CASES, **MORE}.items()}
CONVERSIONS |= {"channels last and first": (last_and_first, False), "quantizing": (quantized, False)}


def test_every_modifier_is_among_them(monkeypatch):
    used = set()
    convert = GC.FunctionModifier._convert
    monkeypatch.setattr(GC.FunctionModifier, "_convert", lambda m, roots: (used.add(type(m)), convert(m, roots))[1])
    for conversion, batch_stat in CONVERSIONS.values():
        conversion(*build("resnet", batch_stat))
    classes = {getattr(GC, name) for name in GC.__all__}
    wanted = {cls for cls in classes if issubclass(cls, GC.FunctionModifier)} - {GC.FunctionModifier}
    assert len(wanted) == 15 and used == wanted


def leaves(y: Any) -> list[Any]:
    """What the graph reads and no parameter is, in the order in which it does."""
    parameters = set(nn.get_parameters(grad_only=False).values())
    found: dict[Any, None] = {}
    y.visit(lambda f: found.update((v, None) for v in f.inputs if v.parent is None and v not in parameters))
    return list(found)


def through_a_file(path: Any, y: Any) -> tuple[list[Any], Any]:
    """Inputs and output of a graph that was saved and loaded; nothing is left of the one that was saved."""
    names = {f"x{i}": v for i, v in enumerate(leaves(y))}
    values = {name: v.d.copy() for name, v in names.items()}
    nn.graph_def.create_graph_from_variable("net", y, names={**names, "y": y}).save(str(path))
    nn.clear_parameters()
    network = NnpLoader(str(path)).get_network("net")
    assert list(network.outputs) == ["y"] and set(network.inputs) == set(names)
    for name, array in values.items():
        network.inputs[name].d = array
    return [network.inputs[name] for name in names], network.outputs["y"]


def plain(arguments: Any) -> dict[str, Any]:
    return {name: plain_argument(value) for name, value in arguments.items()}


def described(y: Any) -> list[Any]:
    """Types, arguments and shapes of the functions that lead to a variable."""
    functions: list[Any] = []
    y.visit(lambda f: functions.append((f.info.type_name, plain(f.info.args), [v.shape for v in f.outputs])))
    return functions


def computed(y: Any) -> np.ndarray:
    nn.seed(3)  # of Dropout
    y.forward()
    return np.array(y.d)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_loaded_converted_saved_and_loaded(conversion, network, tmp_path):
    convert, batch_stat = CONVERSIONS[conversion]
    live = convert(*build(network, batch_stat))
    functions, expected = described(live), computed(live)
    _, y = build(network, batch_stat)
    inputs, loaded = through_a_file(tmp_path / "original.nnp", y)
    again = convert(inputs[0], loaded)
    assert described(again) == functions
    _, last = through_a_file(tmp_path / "converted.nnp", again)
    assert described(last) == functions
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(computed(last), expected, rtol=1e-5, atol=1e-5 * scale)


def test_a_graph_with_recorders_is_not_built_again(tmp_path):
    _, y = build("lenet")
    ranks = Q.FunctionsRankRecorder()
    y.visit(ranks)
    z = GC.GraphConverter([GC.QuantizeNonQNNToRecordingModifier(ranks.functions_ranks, Q.QATConfig())]).convert(y)
    with pytest.raises(ValueError, match='Function "MaxMvaRecorder" is not supported'):
        through_a_file(tmp_path / "net.nnp", z)
