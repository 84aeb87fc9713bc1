"""Ready-made networks, on small model files with the names that they look for."""

from __future__ import annotations

import http.server
import re
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nnabla as nn
import nnabla.models.imagenet as imagenet
from nnabla.errors import ArgumentError, FormatError
from nnabla.models import files
from nnabla.models.object_detection import YoloV2
from nnabla.models.semantic_segmentation import DeepLabV3plus
from nnabla.models.utils import get_model_home, get_model_url_base, get_model_url_base_from_env
from nnabla.network import ProtoFunction, ProtoGraph, ProtoNetwork, ProtoVariable

IMAGENET = [getattr(imagenet, name) for name in imagenet.__all__]
SIDE = 12


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("NNABLA_MODELS_URL_BASE", raising=False)
    nn.clear_parameters()
    yield tmp_path
    nn.clear_parameters()


class Writer:
    """Writes a network, function by function, with names of one's own."""

    def __init__(self, name):
        self.graph = ProtoGraph(parameter_scope=nn.parameter.OrderedDict())
        self.network = self.graph[name] = ProtoNetwork(self.graph, name)
        self.random = np.random.RandomState(3)

    def input(self, name, shape):
        self.network.add_variable(ProtoVariable(shape, name))
        return name

    def parameter(self, name, *shape):
        value = nn.Variable.from_numpy_array(np.abs(self.random.randn(*shape)) + 0.1, need_grad=True)
        self.graph.set_parameter(name, value)
        self.network.add_variable(ProtoVariable(shape, name, True, "Parameter"))
        return name

    def __call__(self, kind, inputs, output, shape, /, name=None, **args):
        """A function, with the name of its output if not another."""
        (made,) = self.several(kind, inputs, (output,), shape, name, **args)
        return made

    def several(self, kind, inputs, outputs, shape, name, /, **args):
        for output in outputs:
            self.network.add_variable(ProtoVariable(shape, output))
        full = getattr(nn.function, kind)(nn.Context(), **args).info.args
        described = ProtoFunction(None, kind, full, name or outputs[0], self.network)
        described.inputs, described.outputs = list(inputs), list(outputs)
        self.network.add_function(described)
        return outputs

    def split(self, x, outputs, shape, axis):
        return self.several("Split", (x,), outputs, shape, "split", axis=axis)

    def convolution(self, x, maps, name, weight, shape, stride):
        inputs = (x, self.parameter(f"{name}/W", *weight))
        return self(
            "Convolution", inputs, f"{name}_Output", shape, name=name, pad=[0, 0], stride=[stride] * 2, dilation=[1, 1]
        )

    def affine(self, x, size, output, maps):
        weights = self.parameter(f"{output}/W", size, maps), self.parameter(f"{output}/b", maps)
        return self("Affine", (x, *weights), output, (1, maps), base_axis=1)

    def normalized_convolution(self, x, maps, output, side=SIDE):
        weight = self.parameter(f"{output}/conv/W", maps, 3, 3, 3)
        shape = (1, maps, side, side)
        h = self("Convolution", (x, weight), f"{output}/conv", shape, pad=[1, 1], stride=[1, 1], dilation=[1, 1])
        parameters = [self.parameter(f"{output}/bn/{n}", 1, maps, 1, 1) for n in ("beta", "gamma", "mean", "var")]
        return self("BatchNormalization", (h, *parameters), output, shape, axes=[1])

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.graph.save(str(path), include_parameter=True, variable_batch_size=True)


def layers_of(model):
    """Of a class whose name ends in a number, that."""
    found = re.search(r"\d+$", model.__name__)
    return int(found[0]) if found else {"VGG": 11, "ResNet": 18}.get(model.__name__)


def prefix_of(model):
    return "SqueezeNet/" if issubclass(model, imagenet.SqueezeNet) and model is not imagenet.SqueezeNetV10 else ""


def keys_of(model):
    layers = layers_of(model)
    fields = {"prefix": prefix_of(model), "index": int(layers != 18), "layers": layers, "last": 12 + (layers == 16)}
    return {k: v.format(**fields) for k, v in model._KEY_VARIABLE.items()}


def write_imagenet(model, path, pool=SIDE):
    """A network with the variables that a class for ImageNet looks for: small, with few categories."""
    keys = keys_of(model)
    vgg = [f"VGG{layers_of(model)}/Dropout_{i}" for i in (1, 2)]
    dropouts = vgg if issubclass(model, imagenet.VGG) else model._dropouts
    w = Writer(model._network)
    source = "Source" if model._input == model._augmentation else model._input
    w.input(source, (1, 3, SIDE, SIDE))
    label = w.input("Label", (1, 1))
    h = w("ImageAugmentation", (source,), model._augmentation, (1, 3, SIDE, SIDE), shape=[3, SIDE, SIDE])
    shape = (1, 4, SIDE, SIDE)
    h = w.normalized_convolution(h, 4, keys.get("lastconv", "Lastconv"))
    h = w("ReLU", (h,), keys.get("lastconv+relu", keys.get("prepool", "Relu")), shape)
    for key, classifier in zip(
        getattr(model, "_branching_points", ()), getattr(model, "_auxiliary_classifiers", ()), strict=True
    ):
        tower = w("AveragePooling", (h,), keys[key], (1, 4, 1, 1), kernel=[SIDE, SIDE], stride=[SIDE, SIDE], pad=[0, 0])
        tower = w.affine(tower, 4, keys[classifier], 2)
        loss = "SoftmaxCrossEntropy" if key.endswith("_1") else "SoftmaxCrossEntropy_2"
        w("SoftmaxCrossEntropy", (tower, label), loss, (1, 1), axis=1)
    side = SIDE // pool
    kind = "MaxPooling" if model._pooling is None else "AveragePooling"
    h = w(kind, (h,), keys["pool"], (1, 4, side, side), kernel=[pool, pool], stride=[pool, pool], pad=[0, 0])
    h = w.affine(h, 4 * side * side, keys.get("lastfeature", "Feature"), 5)
    for name in dropouts:
        h = w("Dropout", (h,), prefix_of(model) + name, (1, 5), p=0.5)
    h = w.affine(h, 5, keys["classifier"], 7)
    w("SoftmaxCrossEntropy", (h, label), "Loss", (1, 1), axis=1)
    w.save(path)


def model_of(model, monkeypatch, **options):
    """A class on a small file, whatever file it asks for."""
    asked = []

    def small_file(name, url=None):
        path = Path(get_model_home()) / name
        asked.append(name)
        write_imagenet(model, path, **options)
        return str(path)

    monkeypatch.setattr("nnabla.models.pretrained.model_file", small_file)
    made = model()
    assert len(asked) == 1 and asked[0] in files.ADDRESSES
    return made


def types_of(y):
    found = []
    y.visit(lambda f: found.append(f.name))
    return found


def batch_stats(y):
    found = []
    y.visit(lambda f: found.append(f.info.args["batch_stat"]) if f.name == "BatchNormalization" else None)
    return found


@pytest.mark.parametrize("model", IMAGENET)
def test_every_option(model, monkeypatch, capsys):
    made = model_of(model, monkeypatch)
    assert made.input_shape in ((3, 224, 224), (3, 227, 227), (3, 299, 299)) and len(made.category_names) == 1000
    x = nn.Variable((2, 3, SIDE, SIDE))
    x.d = np.random.RandomState(0).rand(*x.shape)
    y = made(x)
    y.forward()
    assert y.shape == (2, 7) and np.isfinite(y.d).all()
    assert "Dropout" not in types_of(y) and "ImageAugmentation" not in types_of(y)
    assert batch_stats(y) == [False] and not y.need_grad
    leaves = list(nn.get_parameters(grad_only=False))
    assert "SoftmaxCrossEntropy" not in types_of(y) and len(leaves) == 9
    trained = made(x, training=True)
    assert batch_stats(trained) == [True] and trained.need_grad
    assert types_of(trained).count("Dropout") == len(made._dropouts)
    for key in [key for key in model._KEY_VARIABLE if not key.startswith("_")]:
        part = made(x, use_up_to=key)
        part.forward()
        assert part.shape == {"classifier": (2, 7), "pool": (2, 4, 1, 1), "lastfeature": (2, 5)}.get(
            key, (2, 4, SIDE, SIDE)
        )
    net = made(x, returns_net=True)
    assert list(net.inputs.values()) == [x] and len(net.outputs) == 1
    made(x, verbose=2)
    assert "Pass: " in capsys.readouterr().out
    assert made(use_up_to="pool", check_global_pooling=False).shape[:2] == (1, 4)
    larger = nn.Variable((1, 3, SIDE + 4, SIDE + 8))
    if model._pooling is None:
        assert made(larger, use_up_to="lastconv").shape == (1, 4, SIDE + 4, SIDE + 8)
    else:
        assert made(larger, force_global_pooling=True).shape == (1, 7)
        with pytest.raises(ValueError, match="force_average_pooling_global makes it global"):
            made(larger, use_up_to="pool")
        assert made(larger, use_up_to="pool", check_global_pooling=False).shape[:2] == (1, 4)
    with pytest.raises(ArgumentError, match=f'The key "other" is not present in {model.__name__}'):
        made(x, use_up_to="other")
    with pytest.raises(ArgumentError, match="use_from must be None"):
        made(x, use_from="conv")
    with pytest.raises(ArgumentError, match=r"the shape \(samples, 3, height, width\), not \(2, 3\)"):
        made(nn.Variable((2, 3)))
    with pytest.raises(TypeError, match="input_var must be a Variable, not ndarray"):
        made(np.zeros((1, 3, SIDE, SIDE)))


@pytest.mark.parametrize("model", [imagenet.GoogLeNet, imagenet.InceptionV3])
def test_auxiliary_towers(model, monkeypatch):
    made = model_of(model, monkeypatch)
    x = nn.Variable((2, 3, SIDE, SIDE))
    outputs = made(x, training=True, with_aux_tower=True)
    assert sorted(y.shape for y in outputs) == [(2, 2)] * len(model._auxiliary_classifiers) + [(2, 7)]
    with pytest.raises(ArgumentError, match="with_aux_tower needs training"):
        made(x, with_aux_tower=True)
    assert imagenet.AlexNet.__call__.__defaults__[-1] is False


WRONG = [
    (imagenet.ResNet, 19, r"ResNet: num_layers must be one of \(18, 34, 50, 101, 152\), not 19"),
    (imagenet.ResNeXt, 18, "ResNeXt: num_layers must be one of"),
    (imagenet.VGG, 19, "VGG: num_layers must be one of"),
    (imagenet.ShuffleNet, 7, "ShuffleNet: scaling_factor must be one of"),
    (imagenet.SqueezeNet, "v2", "SqueezeNet: version must be one of"),
    (YoloV2, "x", "YoloV2: dataset must be 'voc' or 'coco', not 'x'"),
    (DeepLabV3plus, "coco", "DeepLabV3plus: dataset must be 'voc' or 'voc-coco', not 'coco'"),
]


@pytest.mark.parametrize(("model", "argument", "text"), WRONG)
def test_networks_that_there_are_not(model, argument, text):
    with pytest.raises(ArgumentError, match=text):
        model(argument)


def test_wrong_stride():
    with pytest.raises(ArgumentError, match="output_stride must be 8 or 16, not 4"):
        DeepLabV3plus("voc", 4)


# ---- files -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    write_imagenet(imagenet.ResNet18, folder / "imagenet/Resnet-18/Resnet-18.nnp")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *args: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{served.server_port}/", folder=folder)
        served.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server, monkeypatch, home):
    monkeypatch.setenv("NNABLA_MODELS_URL_BASE", server.url.rstrip("/"))
    assert get_model_url_base() == server.url and get_model_url_base_from_env() == server.url.rstrip("/")
    model = imagenet.ResNet18()
    assert Path(get_model_home()) == home / "nnabla_data" / "nnp_models"
    assert (home / "nnabla_data/nnp_models/imagenet/Resnet-18.nnp").is_file()
    assert model(nn.Variable((1, 3, SIDE, SIDE))).shape == (1, 7)
    monkeypatch.setenv("NNABLA_MODELS_URL_BASE", "http://127.0.0.1:9/")
    imagenet.ResNet18()  # nobody is asked


def test_a_server_that_is_gone(monkeypatch, home):
    monkeypatch.setenv("NNABLA_MODELS_URL_BASE", "http://127.0.0.1:9/zoo/")
    with pytest.raises(FileNotFoundError) as found:
        imagenet.VGG11()
    text = str(found.value)
    assert "http://127.0.0.1:9/zoo/imagenet/VGG-11/VGG-11.nnp cannot be fetched" in text
    path = home / "nnabla_data/nnp_models/imagenet/VGG-11.nnp"
    assert f"Put it at {path} by hand" in text and "NNABLA_MODELS_URL_BASE" in text
    write_imagenet(imagenet.VGG11, path)
    assert imagenet.VGG11()(nn.Variable((1, 3, SIDE, SIDE))).shape == (1, 7)


def test_other_addresses(server, monkeypatch):
    wrong = "0" * 64
    whole = server.url + "imagenet/Resnet-18/Resnet-18.nnp"
    size = (server.folder / "imagenet/Resnet-18/Resnet-18.nnp").stat().st_size
    for address, text in (
        (files.Address(whole, sha256=wrong), "has the SHA-256"),
        (files.Address(whole, size=size + 1), f"has {size} bytes, not {size + 1}; remove it to fetch it again"),
    ):
        monkeypatch.setitem(files.ADDRESSES, "imagenet/Resnet-18.nnp", address)
        with pytest.raises(FormatError, match=text):
            imagenet.ResNet18()
    monkeypatch.setitem(files.ADDRESSES, "imagenet/Resnet-18.nnp", files.Address(whole, size=size))
    imagenet.ResNet18()


def test_successors_are_asked_in_turn(server, monkeypatch, home):
    monkeypatch.setenv("NNABLA_MODELS_URL_BASE", server.url + "gone/")
    gone, whole = "http://127.0.0.1:9/a.nnp", server.url + "imagenet/Resnet-18/Resnet-18.nnp"
    monkeypatch.setitem(files.ADDRESSES, "imagenet/Resnet-18.nnp", files.Address("a.nnp", successors=(gone, "b.nnp")))
    with pytest.raises(FileNotFoundError) as found:
        imagenet.ResNet18()
    tried = re.findall(r"(http://\S+) cannot be fetched", str(found.value))
    assert tried == [server.url + "gone/a.nnp", gone, server.url + "gone/b.nnp"]
    monkeypatch.setitem(files.ADDRESSES, "imagenet/Resnet-18.nnp", files.Address("a.nnp", successors=(gone, whole)))
    assert imagenet.ResNet18()(nn.Variable((1, 3, SIDE, SIDE))).shape == (1, 7)
    kept = home / "nnabla_data/nnp_models/imagenet"
    assert [path.name for path in kept.iterdir()] == ["Resnet-18.nnp"]


def test_a_model_of_ones_own(home):
    """A class derived from the package's, with a file of its own beside the others."""

    class Own(imagenet.ResNet18):
        def __init__(self):
            self.num_layers = 18
            self._load_nnp("own/net.nnp", "own/net.nnp")

    write_imagenet(imagenet.ResNet18, home / "nnabla_data/nnp_models/own/net.nnp")
    assert Own()(nn.Variable((1, 3, SIDE, SIDE))).shape == (1, 7)
    text = "the model file own/other.nnp has no address: set nnabla.models.files.ADDRESSES"
    with pytest.raises(ArgumentError, match=text):
        files.model_file("own/other.nnp")


# ---- detection and segmentation ----------------------------------------------------------------------------


def write_segmentation(path, side=33):
    nn.clear_parameters()
    w = Writer("runtime")
    x = w.input("x", (1, 3, side, side))
    low = w.normalized_convolution(x, 4, "BatchNormalization_146_Output", side)
    low = w("ReLU", (low,), "ReLU_82_Output", (1, 4, side, side))
    pooled = w(
        "AveragePooling", (low,), "AveragePooling", (1, 4, 1, 1), kernel=[side] * 2, stride=[side] * 2, pad=[0, 0]
    )
    h = pooled
    for name in ("Interpolate", "Interpolate_2", "Interpolate_3"):
        options = dict(output_size=[side, side], mode="linear", align_corners=True)
        output = "y" if name == "Interpolate_3" else name
        w.network.add_variable(ProtoVariable((1, 4, side, side), output))
        args = nn.function.Interpolate(nn.Context(), **options).info.args
        f = ProtoFunction(None, "Interpolate", args, name, w.network)
        f.inputs, f.outputs = [h], [output]
        w.network.add_function(f)
        h = output
    w.save(path)


def test_segmentation(monkeypatch, tmp_path, capsys):
    path = tmp_path / "net.nnp"
    write_segmentation(path)
    monkeypatch.setattr("nnabla.models.pretrained.model_file", lambda name, url=None: str(path))
    model = DeepLabV3plus()
    assert model.input_shape == (3, 513, 513) and len(model.category_names) == 20
    for size in ((33, 33), (41, 65)):
        y = model(nn.Variable((2, 3, *size)))
        assert y.shape == (2, 4, *size) and batch_stats(y) == [False]
        y.forward()
    assert batch_stats(model(nn.Variable((1, 3, 33, 33)), training=True)) == [True]
    assert types_of(model(nn.Variable((1, 3, 33, 33)), use_up_to="lastconv+relu"))[-1] == "ReLU"
    net = model(nn.Variable((1, 3, 33, 33)), returns_net=True, verbose=2)
    assert list(net.outputs) == ["y"] and "Pass: " in capsys.readouterr().out
    assert model().shape == (1, 4, 513, 513)
    with pytest.raises(ArgumentError, match='The key "pool" is not present in DeepLabV3plus'):
        model(nn.Variable((1, 3, 33, 33)), use_up_to="pool")
    with pytest.raises(ArgumentError, match="use_from must be None"):
        model(use_from="x")


def write_detection(path, height, width, categories=3):
    """YOLO's end, as its file has it: neighbours become channels, boxes are cut out of the last convolution."""
    nn.clear_parameters()
    w = Writer("runtime")
    h, v = height // 32, width // 32
    features = 5 + categories
    x = w.input("x", (1, 3, height, width))
    x = w.convolution(x, 4, "first", (4, 3, 16, 16), (1, 4, 2 * h, 2 * v), 16)
    normal = [w.parameter(f"bn/{n}", 1, 4, 1, 1) for n in ("beta", "gamma", "mean", "var")]
    x = w("BatchNormalization", (x, *normal), "bn", (1, 4, 2 * h, 2 * v), axes=[1])
    x = w(
        "Reshape", (x,), "Reshape_Output", (1, 1, 2 * h, 2, 2 * v, 2), name="Reshape", shape=[1, 1, 2 * h, 2, 2 * v, 2]
    )
    x = w("Transpose", (x,), "turned", (1, 2, 2, 1, 2 * h, 2 * v), axes=[0, 3, 5, 1, 2, 4])
    x = w("Reshape", (x,), "Reshape_2_Output", (1, 16, h, v), name="Reshape_2", shape=[1, 16, h, v])
    x = w.convolution(x, 5 * features, "Convolution_23", (5 * features, 16, 1, 1), (1, 5 * features, h, v), 1)
    shape = [1, 5, features, h, v]
    x = w("Reshape", (x,), "Reshape_3_Output", tuple(shape), name="Reshape_3", shape=shape)

    def cut(start, stop, name):
        args = {"start": [0, 0, start, 0, 0], "stop": [1, 5, stop, h, v], "step": [1] * 5}
        return w("Slice", (x,), f"{name}_Output", (1, 5, stop - start, h, v), name=name, **args)

    xy, wh, score, names = cut(0, 2, "Slice"), cut(2, 4, "Slice_2"), cut(4, 5, "Slice_3"), cut(5, features, "Slice_4")
    middles = []
    flat = (1, 5, h, v)
    xy = w("Sigmoid", (xy,), "sigmoid", (1, 5, 2, h, v))
    ends = w.split(xy, ("across", "down"), flat, axis=2)
    for number, (end, cells, at) in enumerate(zip(ends, (v, h), (3, 2), strict=True)):
        suffix, grid = ("", "_2")[number], [1, 1, 1, 1]
        grid[at] = cells
        numbers = w(
            "Arange", (), f"Arange{suffix}_Output", (cells,), name=f"Arange{suffix}", start=0, stop=cells, step=1
        )
        name = f"Reshape_{4 + 2 * number}"
        numbers = w("Reshape", (numbers,), f"{name}_Output", tuple(grid), name=name, shape=grid)
        end = w("Add2", (end, numbers), f"add{number}", flat)
        name = f"Reshape_{5 + 2 * number}"
        end = w("Reshape", (end,), f"{name}_Output", (1, 5, 1, h, v), name=name, shape=[1, 5, 1, h, v])
        name = f"MulScalar_{2 + number}"
        middles.append(w("MulScalar", (end,), f"{name}_Output", (1, 5, 1, h, v), name=name, val=1 / cells))
    anchors = w.parameter("anchors", 1, 5, 2, 1, 1)
    w.graph.parameter_scope["anchors"].d *= np.reshape([13 / v, 13 / h], (1, 1, 2, 1, 1))
    size = w("Exp", (wh,), "exp", (1, 5, 2, h, v))
    size = w("Mul2", (size, anchors), "Mul2_Output", (1, 5, 2, h, v), name="Mul2")
    all_of_it = w("Concatenate", (*middles, size, score, names), "boxes", tuple(shape), axis=2)
    y = w("Transpose", (all_of_it,), "last", (1, 5, h, v, features), axes=[0, 1, 3, 4, 2])
    w("Reshape", (y,), "y", (1, 5 * h * v, features), name="Reshape_8", shape=[1, 5 * h * v, features])
    w.save(path)


def test_detection(monkeypatch, tmp_path, capsys):
    """Also for images of another size, as a network that is written for that size computes it."""
    write_detection(tmp_path / "small.nnp", 64, 64)
    write_detection(tmp_path / "large.nnp", 96, 160)
    chosen = ["small"]
    monkeypatch.setattr(
        "nnabla.models.pretrained.model_file", lambda name, url=None: str(tmp_path / f"{chosen[0]}.nnp")
    )
    nn.clear_parameters()
    model = YoloV2("coco")
    assert model.get_nnp_input_size() == (64, 64) and model.input_shape == (3, 416, 416)
    assert len(model.get_category_names()) == 80 and len(YoloV2().get_category_names()) == 20
    chosen[0] = "large"
    written_for_it = YoloV2()
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).rand(2, 3, 96, 160))
    found = []
    for each in (written_for_it, model):
        with nn.parameter_scope(f"scope{len(found)}"):
            y = each(x)
            y.forward()
            found.append((y.d.copy(), nn.get_parameters(grad_only=False)["anchors"].d.copy()))
    assert found[0][0].shape == (2, 5 * 3 * 5, 8)
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-5)

    x = nn.Variable.from_numpy_array(np.random.RandomState(0).rand(2, 3, 64, 64))
    assert model(x).shape == (2, 20, 8), "the loader's own anchors and shapes are as they were"
    assert model(x, use_up_to="convdetect").shape == (2, 40, 2, 2)
    assert model(x, use_up_to="lastconv").shape == (2, 16, 2, 2)
    trained = model(x, training=True)
    assert batch_stats(trained) == [True] and trained.need_grad
    fixed = model(x, verbose=1)
    assert batch_stats(fixed) == [False] and not fixed.need_grad
    assert model().shape == (1, 5 * 13 * 13, 8)
    for options, text in (
        ({"use_from": "x"}, "use_from must be None"),
        ({"use_up_to": "pool"}, 'The key "pool" is not present in YoloV2'),
        ({"input_var": nn.Variable((1, 1, 64, 64))}, r"the shape \(samples, 3, height, width\), not \(1, 1, 64, 64\)"),
    ):
        with pytest.raises(ArgumentError, match=text):
            model(**options)
    net = model(x, returns_net=True, verbose=2)
    assert list(net.inputs.values()) == [x] and net.variables["y"].shape == (2, 20, 8)
    assert "Pass: " in capsys.readouterr().out


IMAGE = (np.random.RandomState(0).rand(7, 10, 3) * 255).astype(np.uint8)


def test_letterbox():
    """As the original does it, here and below."""
    from nnabla.models.object_detection import utils

    image, width, height = utils.letterbox(IMAGE, 9, 9)
    assert (image.shape, image.dtype, width, height) == ((9, 9, 3), np.uint8, 9, 6)
    assert (image[0] == 127).all() and (image[7:] == 127).all() and (image[1:7] != 127).any(axis=(1, 2)).all()
    tall = utils.letterbox(np.zeros((20, 10, 3), np.uint8), 9, 9)
    assert tall[1:] == (4, 9) and (tall[0][:, :2] == 127).all() and (tall[0][:, 2:6] == 0).all()
    boxes = np.array([[0.5, 0.5, 0.2, 0.3, 1, 0.9], [0.1, 0.2, 0.3, 0.4, 0, 0.5]], np.float32)
    found = utils.LetterBoxTransform(IMAGE, 9, 9).inverse_coordinate_transform(boxes)
    expected = [[5, 3.5, 2, 3.15, 1, 0.9], [1, 0.35, 3, 4.2, 0, 0.5]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert boxes[0, 0] == 0.5


def test_boxes_are_drawn():
    from nnabla.models.object_detection.utils import draw_bounding_boxes

    image = np.zeros((100, 120, 3), np.uint8)
    boxes = np.zeros((3, 8), np.float32)
    boxes[:, :4] = [[60, 60, 40, 30], [24, 70, 30, 20], [100, 20, 30, 10]]
    boxes[0, 5], boxes[1, 6], boxes[2, 7] = 0.9, 0.8, 0.2
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    drawn = draw_bounding_boxes(image, boxes, ["cat", "dog", "bird"], colors=colors)
    assert not image.any()
    rows, columns = np.where((drawn[50:] == colors[0]).all(-1))
    assert (columns.min(), columns.max(), rows.max() + 50) == (40, 80, 75)
    assert (drawn == colors[1]).all(-1).any() and not (drawn == colors[2]).all(-1).any()
    assert draw_bounding_boxes(image, boxes, ["cat", "dog", "bird"]).any()


def test_preparing_images():
    from nnabla.models.semantic_segmentation import image_preprocess as P

    assert P.cast(IMAGE).dtype == np.float32 and P.resize(IMAGE, (5, 4)).shape == (2, 4, 3)
    assert P.pad(IMAGE, (12, 13)).sum() == 59255 and P.pad(IMAGE, (12, 13), value=7).sum() == 28295
    assert (P.pad(P.cast(IMAGE), (8, 11))[-1, -1] == 127.5).all()
    np.testing.assert_allclose(P.zero_mean_unit_range(P.cast(IMAGE))[0, 0, :2], [0.09019613, 0.427451], rtol=1e-5)
    y = P.preprocess_image_and_label(IMAGE, target_width=16, target_height=15)
    assert y.shape == (15, 16, 3) and (y[11:] == 0).all() and (y[:11] != 0).any(axis=(1, 2)).all()


def test_segmented_images(tmp_path):
    from nnabla.data.images import imread
    from nnabla.models.semantic_segmentation.utils import ProcessImage, get_color, save_image

    colors = get_color()
    assert colors.shape == (23, 3) and colors[5].tolist() == [120, 0, 128] and colors[21].tolist() == [224, 224, 192]
    image = ProcessImage(IMAGE, 14, 30)
    assert image.pre_process().shape == (1, 3, 14, 30) and image.target_size == (14, 30)
    with pytest.raises(ValueError, match="call post_process first"):
        image.save_segmentation_image(str(tmp_path / "no.png"))
    scores = np.zeros((21, 14, 30))
    scores[3, :, :10] = scores[7, :, 10:] = 1
    categories = image.post_process(scores)
    assert categories.shape == (7, 10)
    assert (categories[:, :5] == 3).all() and (categories[:, 5:] == 7).all()
    image.save_segmentation_image(str(tmp_path / "a.png"))
    np.testing.assert_array_equal(imread(str(tmp_path / "a.png")), colors[categories])
    save_image(str(tmp_path / "b.png"), categories, color_map=np.arange(24).reshape(8, 3))
    assert imread(str(tmp_path / "b.png"))[0, 0].tolist() == [9, 10, 11]
