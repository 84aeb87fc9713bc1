"""Networks after quantization-aware training as fixed point numbers of the C runtime."""

from __future__ import annotations

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.utils.qnn as Q
from nnabla.converters.nnb import from_bytes, run, to_bytes, to_nnb
from nnabla.converters.nnb.model import DataType
from nnabla.converters.nnb.settings import Settings, stored_type
from nnabla.converters.tflite.exporter import to_tflite
from nnabla.errors import FormatError

from ...rewriting.networks import NETWORKS, build


def parameter(values):
    number = len(nn.get_parameters(grad_only=False))
    return nn.parameter.get_parameter_or_create(f"p{number}", initializer=np.asarray(values, np.float32))


def weights(*shape):
    return parameter(0.5 * np.random.RandomState(len(shape)).randn(*shape))


def rounded(x, bits, zero=0.0, **options):
    scale, zero_point = [np.full((1,) * x.ndim, value) for value in (2.0**-bits, zero)]
    scale, zero_point = parameter(scale), parameter(zero_point)
    whole = F.quantize_linear(x, scale, zero_point, "HALF_TO_EVEN", **options)
    return F.dequantize_linear(whole, scale, zero_point)


LAYERS = {
    "convolution": lambda x: F.relu(F.convolution(x, rounded(weights(4, 3, 3, 3), 6), weights(4))),
    "convolution in groups": lambda x: F.convolution(x, rounded(weights(6, 1, 3, 3), 6), None, group=3),
    "depthwise": lambda x: F.depthwise_convolution(x, rounded(weights(3, 3, 3), 6), weights(3), pad=(1, 1)),
    "deconvolution": lambda x: F.deconvolution(x, rounded(weights(3, 5, 2, 2), 6), weights(5), stride=(2, 2)),
    "affine": lambda x: F.affine(x, rounded(weights(3 * 36, 7), 7), weights(7)),
    "pooling": lambda x: F.max_pooling(F.relu(F.convolution(x, rounded(weights(4, 3, 1, 1), 6))), (2, 2)),
    "average": lambda x: F.average_pooling(x, (3, 3)),
    "sum": lambda x: F.add2(x, F.relu(x)),
    "joined": lambda x: F.concatenate(x, F.tanh(x), axis=1),
}


def described(output, **names):
    return nn.graph_def.create_graph_from_variable("net", output, names=names)["net"]


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_within_one_step(layer):
    rng = np.random.RandomState(0)
    x = nn.Variable.from_numpy_array(np.round(16 * np.clip(rng.randn(2, 3, 6, 6), -4, 4)) / 16)
    h = LAYERS[layer](rounded(x, 4))
    y = F.reshape(rounded(h, 3), (2, -1))
    y.forward()
    model = from_bytes(to_bytes(to_nnb(described(y, x=x), batch_size=2)))
    assert not any("Linear" in f.type or f.type == "Identity" for f in model.functions)
    biases = {f.inputs[2] for f in model.functions if len(f.inputs) == 3}
    # "joined" and "sum" compute what nothing rounds in between.
    floats = [v for i, v in enumerate(model.variables) if v.type == DataType.FLOAT and i not in biases]
    assert len(floats) == {"sum": 2, "joined": 2}.get(layer, 1)  # the output is one of them
    (found,) = run(model, [x.d])
    step = 2.0**-3
    assert np.abs(found - y.d).max() <= step * 1.001
    assert np.std(y.d) > 0.05 and np.all(found / step == np.round(found / step))


def trained(network, **options):
    x, y = build(network)
    config = Q.QATTensorRTConfig()
    config.niter_to_training, config.skip_bias = 1, True
    config.recorder_activation = config.recorder_weight = Q.AbsMaxRecorderCallback
    for name, value in options.items():
        setattr(config, name, value)
    scheduler = Q.QATScheduler(config)
    scheduler(y)
    for _ in range(2):
        scheduler.step()
        y.forward()
    return x, y


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("options", [{}, {"record_layers": [], "skip_inputs_layers": [], "skip_outputs_layers": []}])
def test_networks(network, options):
    x, y = trained(network, **options)
    pairs = []
    y.visit(lambda f: pairs.append(f) if f.info.type_name == "DequantizeLinear" else None)
    model = from_bytes(to_bytes(to_nnb(described(y, x=x), batch_size=x.shape[0])))
    assert sum(v.type == DataType.INT8 for v in model.variables) > 0.8 * len(pairs) > 3
    rest = [np.zeros(model.variables[i].shape) for i in model.inputs[1:]]  # the state of an LSTM
    (found,) = run(model, [x.d, *rest])
    scale = np.abs(y.d).max()
    assert np.abs(found - y.d).max() < 0.35 * scale
    assert np.corrcoef(found.ravel(), y.d.ravel())[0, 1] > 0.97


def test_types_of_the_settings_come_first():
    x, y = trained("resnet")
    graph = described(y, x=x, y=y)
    types = [v.type for v in to_nnb(graph, batch_size=2, settings=Settings(stored_type("FIXED16_8", "t"))).variables]
    assert set(types) == {DataType.INT16, DataType.INT8}
    own = Settings(variables={"x": stored_type("FIXED16_9", "t")})
    x = next(v for v in to_nnb(graph, batch_size=2, settings=own).variables if v.name == "x")
    assert (x.type, x.fp_pos) == (DataType.INT16, 9)


def refused(y, text):
    with pytest.raises(FormatError, match=text):
        to_nnb(described(y))


def test_what_the_runtime_cannot_store():
    x = nn.Variable((2, 3))
    refused(trained("resnet", pow2=Q.QATConfig.RoundingMethod.NOTROUND)[1], "scale must be a power of two from 2.-15")
    refused(rounded(x, 16), "scale must be a power of two from 2.-15 to 1, not 1.52588e-05")
    refused(rounded(x, -1), "scale must be a power of two .* not 2 ")
    refused(rounded(x, 3, dtype=np.uint8), "no numbers of 8 bits without sign")
    refused(rounded(x, 3, zero=2.0), "one scale for an array, and the zero point 0")
    one, zero = parameter([[1.0]]), parameter([[0.0]])
    whole = F.quantize_linear(x, one, zero)
    refused(whole, "its integers may be read by DequantizeLinear only")
    refused(F.dequantize_linear(x, one, zero), "it reads what no QuantizeLinear has computed")
    refused(F.dequantize_linear(whole, parameter([[2.0]]), zero), "it has another scale or zero point")
    refused(F.quantize_linear(x, F.exp(one), zero), "the scale must be a parameter, not computed")
    with pytest.raises(FormatError, match="values are rounded by QuantizeLinear, and all that is written has float32"):
        to_tflite(described(rounded(x, 3)))
