"""Ready-made networks, on small model files with the names that they look for."""

from __future__ import annotations

import http.server
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

    def __call__(self, kind, inputs, output, shape, /, **args):
        """A function with the name of its output."""
        self.network.add_variable(ProtoVariable(shape, output))
        full = getattr(nn.function, kind)(nn.Context(), **args).info.args
        described = ProtoFunction(None, kind, full, output, self.network)
        described.inputs, described.outputs = list(inputs), [output]
        self.network.add_function(described)
        return output

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


def keys_of(model):
    fields = {"prefix": "SqueezeNet/", "index": 0, "layers": 11, "last": 12}
    return {k: v.format(**fields) for k, v in model._KEY_VARIABLE.items()}


def write_imagenet(model, path, pool=SIDE):
    """A network with the variables that a class for ImageNet looks for: small, with few categories."""
    keys = keys_of(model)
    prefix = "SqueezeNet/" if issubclass(model, imagenet.SqueezeNet) else ""
    dropouts = ("VGG11/Dropout_1", "VGG11/Dropout_2") if issubclass(model, imagenet.VGG) else model._dropouts
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
        h = w("Dropout", (h,), name if name.startswith("VGG") else prefix + name, (1, 5), p=0.5)
    h = w.affine(h, 5, keys["classifier"], 7)
    w("SoftmaxCrossEntropy", (h, label), "Loss", (1, 1), axis=1)
    w.save(path)


def model_of(model, monkeypatch, **options):
    """A class on a small file, whatever file it asks for."""
    asked = []

    def small_file(name, url):
        path = Path(get_model_home()) / name
        asked.append((name, url))
        write_imagenet(model, path, **options)
        return str(path)

    monkeypatch.setattr("nnabla.models.pretrained.model_file", small_file)
    made = model()
    assert len(asked) == 1 and asked[0][0].startswith("imagenet/") and asked[0][0].endswith(".nnp")
    return made


def types_of(y):
    found = []
    y.visit(lambda f: found.append(f.name))
    return found


def batch_stats(y):
    found = []
    y.visit(lambda f: found.append(f.info.args["batch_stat"]) if f.name == "BatchNormalization" else None)
    return found


@pytest.mark.parametrize("model", [m for m in IMAGENET if m.__name__ not in ("VGG13", "VGG16", "ResNet34", "ResNet50",
                         "ResNet101", "ResNet152", "SqueezeNetV10")])  # fmt: skip
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


def test_files_and_addresses_are_those_of_the_original(monkeypatch):
    """As it asks for them."""
    asked = {}
    monkeypatch.setattr("nnabla.models.pretrained.NnpLoader", lambda path: path)
    monkeypatch.setattr("nnabla.models.pretrained.model_file", lambda name, url: asked.setdefault(name, url))
    for model in IMAGENET:
        model()
    for dataset in ("voc", "coco"):
        YoloV2(dataset)
    for dataset in ("voc", "voc-coco"):
        for stride in (8, 16):
            DeepLabV3plus(dataset, stride)
    named = {
        "AlexNet", "DenseNet-161", "GoogLeNet", "Inception-v3", "MobileNet", "MobileNet-v2", "NIN", "Resnet-18",
        "Resnet-34", "Resnet-50", "Resnet-101", "Resnet-152", "ResNeXt-50", "ResNeXt-101", "SENet-154", "ShuffleNet",
        "ShuffleNet-2.0x", "SqueezeNet-1.0", "SqueezeNet-1.1", "VGG-11", "VGG-13", "VGG-16", "Xception",
    }  # fmt: skip
    expected = {f"imagenet/{name}.nnp": f"imagenet/{name}/{name}.nnp" for name in named}
    expected["imagenet/ShuffleNet-.05x.nnp"] = "imagenet/ShuffleNet-0.5x/ShuffleNet-0.5x.nnp"
    others = [f"object_detection/yolov2-{d}.nnp" for d in ("voc", "coco")]
    others += [f"semantic_segmentation/DeepLabV3-{d}-os-{s}.nnp" for d in ("voc", "voc-coco") for s in (8, 16)]
    assert asked == expected | {name: name for name in others}


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


def test_segmentation(monkeypatch, tmp_path):
    path = tmp_path / "net.nnp"
    write_segmentation(path)
    monkeypatch.setattr("nnabla.models.pretrained.model_file", lambda name, url: str(path))
    model = DeepLabV3plus()
    assert model.input_shape == (3, 513, 513) and len(model.category_names) == 20
    for size in ((33, 33), (41, 65)):
        y = model(nn.Variable((2, 3, *size)))
        assert y.shape == (2, 4, *size) and batch_stats(y) == [False]
        y.forward()
    assert batch_stats(model(nn.Variable((1, 3, 33, 33)), training=True)) == [True]
    assert types_of(model(nn.Variable((1, 3, 33, 33)), use_up_to="lastconv+relu"))[-1] == "ReLU"
    net = model(nn.Variable((1, 3, 33, 33)), returns_net=True)
    assert list(net.outputs) == ["y"]
    with pytest.raises(ArgumentError, match='The key "pool" is not present in DeepLabV3plus'):
        model(nn.Variable((1, 3, 33, 33)), use_up_to="pool")
    with pytest.raises(ArgumentError, match="use_from must be None"):
        model(use_from="x")


def test_detection(monkeypatch, tmp_path):
    nn.clear_parameters()
    w = Writer("runtime")
    x = w.input("x", (1, 3, 64, 64))
    h = w.normalized_convolution(x, 4, "Reshape_3_Output", 64)
    h = w("ReLU", (h,), "relu", (1, 4, 64, 64))
    w("Arange", (), "Arange", (2,), start=0, stop=2, step=1)
    w("Identity", ("Arange",), "cells", (2,))
    w("Sigmoid", (h,), "y", (1, 4, 64, 64))
    path = tmp_path / "net.nnp"
    w.save(path)
    monkeypatch.setattr("nnabla.models.pretrained.model_file", lambda name, url: str(path))
    model = YoloV2("coco")
    assert model.get_nnp_input_size() == (64, 64) and model.input_shape == (3, 416, 416)
    assert len(model.get_category_names()) == 80 and len(YoloV2().get_category_names()) == 20
    assert model(nn.Variable((2, 3, 64, 64)), use_up_to="lastconv").shape == (2, 4, 64, 64)
    net = model(nn.Variable((1, 3, 96, 128)), returns_net=True)
    assert net.variables["y"].shape == (1, 4, 96, 128) and net.variables["cells"].shape == (4,)


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
