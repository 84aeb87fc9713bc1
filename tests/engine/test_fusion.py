"""Functions that are fused for inference compute what they compute one by one; only what nobody sees is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.engine import passes
from nnabla.engine.checking import ProgramError, check
from nnabla.engine.program import Fused
from nnabla.errors import GraphError
from nnabla.graph.hooks import function_freed_hooks
from nnabla.operators import packed_convolution

from .fused_networks import (
    Network,
    are_folded,
    calls,
    close,
    conv_bn,
    fully_connected,
    mobile,
    of_input,
    one_by_one,
    records,
    residual,
    run,
    scaled,
    small,
    statistics,
    u_shaped,
)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    nn.clear_parameters()
    yield
    nn.clear_parameters()


NETWORKS = [residual, mobile, u_shaped, fully_connected, scaled]


@pytest.mark.parametrize("network", NETWORKS)
def test_networks(network: Callable[[], Network]) -> None:
    x, y = network()
    statistics()
    x.d = of_input(x)
    y.plan({"clear_buffer": True}, None).check()
    expected = one_by_one(y)
    close(run(y), expected, 1e-5)
    assert not any(are_folded(y))
    for _ in range(2):
        close(run(y), expected)
    assert all(are_folded(y))
    x.d = of_input(x, 1)
    close(run(y), one_by_one(y))


@pytest.mark.parametrize("name", passes.FUSIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_without_a_fusion_results_are_the_same(network: Callable[[], Network], name: str) -> None:
    x, y = network()
    statistics()
    x.d = of_input(x)
    expected = one_by_one(y)
    with passes.without(name):
        y.plan({"clear_buffer": True}, None).check()
        close(run(y, 3), expected)


def test_what_is_fused() -> None:
    x, y = residual()
    block = ["Convolution+BatchNormalization+ReLU", "Convolution+BatchNormalization+Add2+ReLU"]
    found = records(y)
    assert found[:4] == [block[0], "MaxPooling", *block]
    # The shortcut is computed before what it is added to.
    assert found[6:9] == [block[0], "Convolution+BatchNormalization", block[1]]
    assert found[-2:] == ["GlobalAveragePooling", "Affine"]
    with passes.without("fuse_sums"):
        assert records(y)[2:4] == [block[0], "Convolution+BatchNormalization"]
    with passes.without("fold_scales"):
        assert records(y)[:3] == ["Convolution", "BatchNormalization", "ReLU"]
    with passes.without("pack_weights", "fuse_activations"):
        assert records(F.relu(PF.convolution(x, 4, (3, 3), name="c"))) == ["Convolution", "ReLU"]
    assert records(F.relu(PF.convolution(x, 4, (3, 3), name="c"))) == ["Convolution+ReLU"]


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "swish", "gelu", "leaky_relu"])
@pytest.mark.parametrize("adds", [False, True])
def test_activations(activation: str, adds: bool) -> None:
    x = nn.Variable((2, 3, 9, 9))
    h = PF.convolution(x, 9, (3, 3), pad=(1, 1))
    h = PF.convolution(x, 9, (1, 1), name="other") + h if adds else h
    y = getattr(F, activation)(h) * 2
    statistics()
    x.d = 9 * of_input(x)
    assert len(records(y)) == 2 + adds
    close(run(y, 3), one_by_one(y), 1e-5)
    assert any(are_folded(y))


def test_an_activation_of_another_kind_stays_apart() -> None:
    x = nn.Variable((2, 3, 9, 9))
    h = PF.convolution(x, 9, (3, 3))
    assert records(F.leaky_relu(h, alpha=-0.5)) == ["Convolution", "LeakyReLU"]
    assert records(F.elu(h)) == ["Convolution", "ELU"]
    # oneDNN's would make a number of what is none.
    assert records(F.relu6(h)) == ["Convolution", "ReLU6"]
    assert records(F.hard_tanh(h)) == ["Convolution", "HardTanh"]


def image(*shape: int) -> nn.Variable:
    return nn.Variable(shape)


DEGENERATE: dict[str, Callable[[], Network]] = {}


def degenerate(made: Callable[[], Network]) -> Callable[[], Network]:
    DEGENERATE[made.__name__] = made
    return made


@degenerate
def groups() -> Network:
    x = image(2, 6, 7, 7)
    return x, F.relu(conv_bn(x, 6, 3, "c", group=3) + x)


@degenerate
def dilated() -> Network:
    x = image(2, 4, 9, 9)
    return x, F.sigmoid(PF.batch_normalization(PF.convolution(x, 8, (3, 3), dilation=(2, 2)), batch_stat=False))


@degenerate
def dilated_into_the_padding() -> Network:
    x = image(2, 4, 3, 3)
    h = PF.convolution(x, 8, (3, 3), pad=(6, 6), dilation=(5, 5))
    return x, F.relu(PF.batch_normalization(h, batch_stat=False))


@degenerate
def cropped() -> Network:
    x = image(2, 4, 9, 9)
    return x, F.relu(PF.batch_normalization(PF.convolution(x, 8, (3, 3), pad=(-1, -2)), batch_stat=False))


@degenerate
def pointwise_with_a_stride() -> Network:
    x = image(2, 3, 8, 8)
    return x, F.relu(conv_bn(x, 8, 1, "c", 2))


@degenerate
def channels_last() -> Network:
    x = image(2, 9, 9, 3)
    h = PF.convolution(x, 8, (3, 3), pad=(1, 1), channel_last=True)
    h = PF.batch_normalization(h, axes=[3], batch_stat=False)
    other = PF.convolution(x, 8, (1, 1), channel_last=True, name="other")
    return x, F.relu(h + other)


@degenerate
def channels_last_up() -> Network:
    x = image(2, 5, 5, 4)
    h = PF.deconvolution(x, 6, (3, 3), stride=(2, 2), group=2, channel_last=True)
    return x, PF.batch_normalization(h, axes=[3], batch_stat=False)


@degenerate
def up_in_groups() -> Network:
    x = image(2, 6, 5, 5)
    h = PF.deconvolution(x, 9, (3, 3), stride=(2, 2), group=3, with_bias=False)
    return x, F.relu(PF.batch_normalization(h, batch_stat=False))


@degenerate
def depthwise_up() -> Network:
    x = image(2, 6, 5, 5)
    return x, PF.batch_normalization(PF.depthwise_deconvolution(x, (3, 3), divisor=2), batch_stat=False)


@degenerate
def pointwise_with_a_stride_in_groups() -> Network:
    x = image(2, 6, 7, 9)
    h = PF.convolution(x, 8, (1, 1), stride=(2, 3), group=2, with_bias=False)
    return x, F.tanh(PF.batch_normalization(h, batch_stat=False))


@degenerate
def shortcut() -> Network:
    x = image(2, 4, 9, 9)
    h = conv_bn(x, 8, 3, "a", 2)
    return x, F.relu(conv_bn(x, 8, 1, "b", 2) + h)


@degenerate
def cropped_with_a_stride() -> Network:
    x = image(2, 4, 9, 9)
    return x, F.relu(PF.convolution(x, 8, (1, 1), pad=(-1, -2), stride=(2, 2)))


@degenerate
def one_axis() -> Network:
    x = image(2, 4, 20)
    return x, F.relu(PF.batch_normalization(PF.convolution(x, 8, (3,)), batch_stat=False))


@degenerate
def three_axes() -> Network:
    x = image(2, 2, 5, 5, 5)
    return x, F.relu(PF.batch_normalization(PF.convolution(x, 8, (3, 3, 3)), batch_stat=False))


@degenerate
def two_batch_axes() -> Network:
    x = image(2, 3, 4, 7, 7)
    h = PF.convolution(x, 8, (3, 3), base_axis=2)
    return x, F.relu(PF.batch_normalization(h, axes=[2], batch_stat=False))


@degenerate
def one_pixel() -> Network:
    x = image(1, 8, 1, 1)
    return x, F.relu(conv_bn(x, 8, 3, "c") + x)


@degenerate
def one_map() -> Network:
    x = image(3, 1, 8, 8)
    return x, F.tanh(conv_bn(x, 1, 3, "c") + x)


@degenerate
def other_axis_than_the_maps() -> Network:
    x = image(2, 3, 8, 8)
    return x, PF.batch_normalization(PF.convolution(x, 8, (3, 3), pad=(1, 1)), axes=[2], batch_stat=False)


@degenerate
def added_to_itself() -> Network:
    x = image(2, 8, 6, 6)
    h = conv_bn(x, 8, 3, "c")
    return x, F.relu(h + h)


@degenerate
def both_summands_are_layers() -> Network:
    x = image(2, 4, 6, 6)
    return x, F.relu(conv_bn(x, 8, 3, "a") + conv_bn(x, 8, 1, "b"))


@degenerate
def not_normalized_in_scale_or_shift() -> Network:
    x = image(2, 4, 6, 6)
    h = PF.convolution(x, 5, (3, 3))
    return x, F.relu(PF.batch_normalization(h, batch_stat=False, no_scale=True, no_bias=True))


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("kind", ["float", "half", "double"])
def test_degenerate(name: str, kind: str) -> None:
    with nn.context_scope(nn.Context([f"cpu:{kind}"])):
        x, y = DEGENERATE[name]()
    statistics()
    x.d = of_input(x)
    y.plan({"clear_buffer": True}, None).check()
    close(run(y, 3), one_by_one(y), 2e-5 if kind != "half" else 0)
    if kind != "float":
        assert not calls(y)


@pytest.mark.parametrize("eps", [1e-5, 0.0])
def test_no_variance(eps: float) -> None:
    """With nothing to divide by, the folded weight would not be finite: functions stay apart."""
    x = nn.Variable((2, 3, 6, 6))
    y = PF.batch_normalization(PF.convolution(x, 8, (3, 3)), eps=eps, batch_stat=False)
    statistics()
    nn.get_parameters(grad_only=False)["bn/var"].d = 0
    x.d = of_input(x)
    expected = one_by_one(y)
    np.testing.assert_allclose(run(y, 3), expected, rtol=1e-4, atol=1e-2)
    assert are_folded(y) == [eps > 0]


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "swish", "gelu", "leaky_relu"])
def test_numbers_that_are_none(activation: str) -> None:
    """They stay so, but that ReLU makes 0 of them, as it does in NNabla 1.39."""
    x = nn.Variable((2, 3, 6, 6))
    y = getattr(F, activation)(conv_bn(x, 4, 3, "c"))
    statistics()
    x.d = of_input(x)
    run(y, 2)
    x.d[0, 0, 3, 3] = np.nan
    ours, expected = run(y), one_by_one(y)
    assert np.isnan(expected).any()
    close(ours, np.nan_to_num(expected) if activation == "relu" else expected)


@pytest.mark.parametrize("name", ["cropped", "pointwise_with_a_stride", "shortcut", "cropped_with_a_stride"])
def test_convolutions_of_a_part_are_packed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN gets the part that is seen, and never a stride of a pointwise convolution."""
    asked: list[tuple[list[int], list[int], list[int]]] = []
    pack = packed_convolution.pack_convolution_weight

    def noted(weight: torch.Tensor, pad: list[int], stride: list[int], *rest: object) -> torch.Tensor:
        asked.append((list(weight.shape[2:]), pad, stride))
        return pack(weight, pad, stride, *rest)

    monkeypatch.setattr(packed_convolution, "pack_convolution_weight", noted)
    x, y = DEGENERATE[name]()
    statistics()
    x.d = of_input(x)
    run(y, 3)
    assert asked
    for kernel, pad, stride in asked:
        assert min(pad) >= 0
        assert kernel != [1, 1] or stride == [1, 1]


def test_a_weight_that_is_no_number_is_not_folded() -> None:
    x = nn.Variable((2, 3, 6, 6))
    y = F.relu(PF.convolution(x, 4, (3, 3), name="c"))
    statistics()
    nn.get_parameters()["c/conv/W"].d[0, 0, 0, 0] = np.nan
    x.d = of_input(x)
    assert np.isnan(run(y, 3)).any()
    assert not any(are_folded(y))


# ---- what can be seen --------------------------------------------------------------------------------------------


def test_without_clear_options_everything_is_there() -> None:
    _x, y = small()
    y.forward()
    h = y.parent.inputs[0]
    values = h.d.copy()
    run(y, 3)
    y.forward()
    close(h.d, values, 1e-6)


def test_what_is_persistent_or_held_for_others_is_there() -> None:
    x = nn.Variable((2, 3, 8, 8))
    kept = PF.convolution(x, 8, (3, 3), name="c")
    y = F.relu(PF.batch_normalization(kept, batch_stat=False, name="n"))
    statistics()
    x.d = of_input(x)
    kept.forward()
    expected = kept.d.copy()
    kept.persistent = True
    run(y, 3)
    close(kept.d, expected, 1e-6)
    assert records(y) == ["Convolution", "BatchNormalization", "ReLU"]
    kept.persistent = False
    assert records(y) == ["Convolution+BatchNormalization+ReLU"]
    # Another function reads it.
    z = F.sum(kept) + F.sum(y)
    run(z, 3)
    close(z.d, one_by_one(z))
    assert "BatchNormalization" in records(z)
    # It is asked for.
    for _ in range(3):
        nn.forward_all([kept, y], clear_buffer=True)
    close(kept.d, expected, 1e-6)


def test_what_is_left_out_says_that_it_was_freed() -> None:
    x = nn.Variable((2, 3, 8, 8))
    h = PF.convolution(x, 8, (3, 3), name="c")
    y = F.relu(h)
    h.forward()
    y.forward(clear_buffer=True)
    assert h.data.clear_called
    with pytest.raises(GraphError, match="clear option"):
        h.d  # noqa: B018


def test_where_a_gradient_is_wanted_nothing_is_fused() -> None:
    _x, y = small()
    assert not any("+" in name for name in records(y, clear_buffer=False, clear_no_need_grad=True))
    y.visit(lambda f: [setattr(v, "need_grad", False) for v in f.inputs if v.parent is None])
    assert any("+" in name for name in records(y, clear_buffer=False, clear_no_need_grad=True))
    expected = run(y, 3)
    for _ in range(3):
        y.forward(clear_no_need_grad=True)
    close(y.d, expected)


def test_hooks_see_every_function() -> None:
    _x, y = small()
    expected = run(y, 3)
    seen: list[str] = []
    values: list[np.ndarray] = []

    def after(function: nn.function.Function) -> None:
        seen.append(function.name)
        values.append(function.outputs[0].d.copy())

    names = ["Convolution", "BatchNormalization", "ReLU", "Affine", "BatchNormalization"]
    for _ in range(2):
        seen.clear()
        y.forward(clear_buffer=True, function_post_hook=after)
        assert seen == names
    close(values[-1], expected)
    seen.clear()
    nn.set_function_post_hook("see", after)
    try:
        y.forward(clear_buffer=True)
    finally:
        nn.unset_function_post_hook("see")
    assert seen == names
    close(run(y), expected)
    assert len(calls(y)) == 2


def test_while_memory_is_watched_nothing_is_fused() -> None:
    _, y = small()
    function_freed_hooks["watch"] = lambda function: None
    try:
        assert not any("+" in name for name in records(y))
    finally:
        del function_freed_hooks["watch"]


# ---- programs ----------------------------------------------------------------------------------------------------


def test_a_plan_says_what_is_fused() -> None:
    _x, y = residual()
    text = str(y.plan({"clear_buffer": True}, None))
    assert "with BatchNormalization Add2 ReLU" in text
    assert "folded parameters of Convolution" in str(y.plan({"clear_buffer": True}, None).memory())


def reversed_parameters(record: Fused) -> Fused:
    layer, (through, *parameters), *rest = record.arguments
    return record._replace(arguments=(layer, (through, *parameters[::-1]), *rest))


WRONG: dict[str, tuple[Callable, str]] = {
    "left out of the graph": (lambda r: r._replace(parts=r.parts[:-1], arguments=r.arguments[:-1]), "not its outputs"),
    "other order": (
        lambda r: r._replace(parts=r.parts[::-1], arguments=r.arguments[::-1]),
        "calls ReLU|not its outputs|with 1 inputs",
    ),
    "other parameters": (
        reversed_parameters,
        "for input . of BatchNormalization",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_programs_that_are_wrong(name: str) -> None:
    _, y = small()
    (program,) = y.plan({"clear_buffer": True}, None).programs
    change, message = WRONG[name]
    wrong = list(program.records)
    place = next(i for i, record in enumerate(wrong) if type(record) is Fused)
    wrong[place] = change(wrong[place])
    with pytest.raises(ProgramError, match=message):
        check(program._replace(records=wrong))


def test_fusing_what_must_stay_is_wrong() -> None:
    _, y = small()
    (program,) = y.plan({"clear_buffer": True}, None).programs
    hidden = {id(b.data) for f in program.order[:2] for b in f._outputs}
    mortal = {block: numbers for block, numbers in program.mortal.items() if block not in hidden}
    with pytest.raises(ProgramError, match="leaves out the output of Convolution, which must stay"):
        check(program._replace(mortal=mortal))
