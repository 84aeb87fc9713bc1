"""`save` and `load`: what stands in a file, and what comes back."""

from __future__ import annotations

import io
import logging
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.errors import ArgumentError, FormatError
from nnabla.utils import learning_rate_scheduler as LR
from nnabla.utils.load import load
from nnabla.utils.save import create_proto, save

SOLVERS = [name for name in S.__all__ if name not in ("Solver", "SolverState", "solver_api")]


class Training:
    """A network with a loss, and all that is needed to train it."""

    def __init__(self, solver=None):
        nn.clear_parameters()
        self.x, self.t = nn.Variable((4, 3)), nn.Variable((4, 1))
        h = F.relu(PF.batch_normalization(PF.affine(self.x, 5, name="fc")))
        self.y = PF.affine(h, 2, name="out")
        self.loss = F.mean(F.softmax_cross_entropy(self.y, self.t))
        self.error = F.mean(F.top_n_error(self.y, self.t))
        self.solver = S.Adam(0.25) if solver is None else solver
        self.solver.set_parameters(nn.get_parameters())

    def step(self):
        rng = np.random.RandomState(1)
        self.x.d, self.t.d = rng.randn(4, 3), rng.randint(0, 2, (4, 1))
        self.loss.forward()
        self.solver.zero_grad()
        self.loss.backward()
        self.solver.update()

    def contents(self, **optimizer):
        names = {"x": self.x, "t": self.t}
        return {
            "global_config": {"default_context": nn.Context(["cpu:float"])},
            "training_config": {"max_epoch": 3, "iter_per_epoch": 2, "save_best": True},
            "networks": [
                {"name": "train", "batch_size": 4, "outputs": {"loss": self.loss}, "names": names | {"y": self.y}},
                {"name": "valid", "batch_size": 4, "outputs": {"error": self.error}, "names": names},
                {"name": "run", "batch_size": 4, "outputs": {"p": F.softmax(self.y)}, "names": {"x": self.x}},
            ],
            "datasets": [
                {
                    "name": "data",
                    "uri": "data.csv",
                    "cache_dir": "data.cache",
                    "variables": names,
                    "shuffle": True,
                    "batch_size": 4,
                    "no_image_normalization": True,
                }
            ],
            "optimizers": [
                {
                    "name": "optimizer",
                    "solver": self.solver,
                    "network": "train",
                    "dataset": "data",
                    "weight_decay": 0.5,
                    "lr_decay": 0.75,
                    "lr_decay_interval": 2,
                    "update_interval": 3,
                    "data_variables": {"x": "x", "t": "t"},
                    **optimizer,
                }
            ],
            "monitors": [
                {"name": "monitor", "network": "valid", "dataset": ["data"], "data_variables": {"x": "x", "t": "t"}}
            ],
            "executors": [
                {
                    "name": "executor",
                    "network": "run",
                    "data": ["x"],
                    "output": ["p"],
                    "remp": {"p": "probability"},
                    "num_evaluations": 5,
                    "repeat_evaluation_type": "std",
                }
            ],
        }


def names_of(table):
    return {variable.name: value for variable, value in table.items()}


@pytest.mark.parametrize("name", ["m.nnp", "m.nntxt", "m.protobuf", "m.prototxt"])
def test_everything_comes_back(name, tmp_path):
    training = Training()
    training.step()
    save(tmp_path / name, training.contents(), include_params=True, include_solver_state=True)
    states = training.solver.get_states()
    values = {key: param.d.copy() for key, param in nn.get_parameters(grad_only=False).items()}
    nn.clear_parameters()
    info = load(tmp_path / name)
    assert {key: param.d.tolist() for key, param in nn.get_parameters(grad_only=False).items()} == {
        key: value.tolist() for key, value in values.items()
    }
    assert all(param.need_grad for param in nn.get_parameters(grad_only=False).values())
    assert info.default_context == info.global_config.default_context == nn.Context(["cpu:float"])
    config = info.training_config
    assert (config.max_epoch, config.iter_per_epoch, config.save_best, config.monitor_interval) == (3, 2, True, 10)
    assert list(info.networks) == list(info.proto_graph.networks) == ["train", "valid", "run"]
    assert info.networks["train"].variables["x"].variable_instance.shape == (4, 3)

    dataset = info.datasets["data"]
    assert (dataset.uri, dataset.cache_dir, dataset.normalize) == ("data.csv", "data.cache", False)
    assert (dataset.name, dataset.batch_size, dataset.shuffle, dataset.variables) == ("data", 4, True, ("x", "t"))
    assert callable(dataset.data_iterator)

    optimizer = info.optimizers["optimizer"]
    assert optimizer.network is info.networks["train"]
    assert (optimizer.name, optimizer.order, optimizer.start_iter, optimizer.end_iter) == ("optimizer", 0, 0, 0)
    assert (optimizer.update_interval, optimizer.weight_decay) == (3, 0.5)
    assert (optimizer.lr_decay, optimizer.lr_decay_interval) == (0.75, 2)
    assert vars(optimizer.scheduler) == vars(LR.ExponentialScheduler(0.25, 0.75, 2))
    assert (optimizer.solver.name, optimizer.solver.info) == ("Adam", S.Adam(0.25).info)
    assert names_of(optimizer.dataset_assign) == {"x": "x", "t": "t"}
    assert optimizer.data_iterators == {"data": dataset.data_iterator}
    assert [variable.name for variable in optimizer.loss_variables] == ["loss"]
    multipliers = {key: float(not key.startswith("bn/") or "a" in key[3:5]) for key in values}
    multipliers |= {"bn/beta": 1.0, "bn/gamma": 1.0, "bn/mean": 0.0, "bn/var": 0.0}
    assert names_of(optimizer.parameter_learning_rate_multipliers) == multipliers
    assert optimizer.parameters == {key: nn.get_parameters()[key] for key, rate in multipliers.items() if rate}
    assert list(optimizer.parameters) == sorted(optimizer.parameters)
    assert optimizer.target.parent.name == "Sink"
    assert optimizer.target.parent.inputs == [optimizer.loss_variables[0].variable_instance]
    found = optimizer.solver.get_states()
    assert found.keys() == states.keys()
    for key, state in states.items():
        assert found[key].t == state.t == 1
        for which, variable in state.pstate.items():
            np.testing.assert_array_equal(found[key].pstate[which].d, variable.d)

    monitor = info.monitors["monitor"]
    assert (monitor.network, monitor.name) == (info.networks["valid"], "monitor")
    assert [variable.name for variable in monitor.monitor_variables] == ["error"]
    assert names_of(monitor.dataset_assign) == {"x": "x", "t": "t"}
    assert monitor.proto.monitor_variable[0].type == "Error"

    executor = info.executors["executor"]
    assert executor.network is info.networks["run"]
    assert (executor.num_evaluations, executor.repeat_evaluation_type) == (5, "std")
    assert (executor.need_back_propagation, executor.no_image_normalization) == (False, False)
    assert (names_of(executor.dataset_assign), names_of(executor.output_assign)) == (
        {"x": "x"},
        {"p": ["", "probability"]},
    )
    assert names_of(executor.parameters) == {key: key for key in values}
    assert executor.generator_assign == {}


def test_members_of_an_archive(tmp_path):
    training = Training()
    training.step()
    for settings, members in [
        ({}, ["parameter.h5"]),
        ({"parameter_format": ".protobuf"}, ["parameter.protobuf"]),
        ({"include_solver_state": True}, ["parameter.h5", "optimizer_Adam_optimizer.h5.optimizer"]),
        (
            {"include_solver_state": True, "solver_state_format": ".protobuf"},
            ["parameter.h5", "optimizer.protobuf.optimizer"],
        ),
    ]:
        save(tmp_path / "m.nnp", training.contents(), **settings)
        with zipfile.ZipFile(tmp_path / "m.nnp") as archive:
            assert archive.namelist() == ["nnp_version.txt", "network.nntxt", *members]
            assert archive.read("nnp_version.txt") == b"0.1\n"
            assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert load(tmp_path / "m.nnp").optimizers["optimizer"].solver.get_states()["fc/affine/W"].t == (
            1 if "include_solver_state" in settings else 0
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.nnp"]


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("state_format", [".h5", ".protobuf"])
def test_solvers_with_settings_and_states(name, state_format, tmp_path):
    settings = {key: value * 0.5 if value else value for key, value in getattr(S, name)().info.items()}
    settings = {key: value for key, value in settings.items() if not isinstance(getattr(S, name)().info[key], bool)}
    solver = getattr(S, name)(**settings)
    training = Training(solver)
    training.step()
    save(tmp_path / "m.nnp", training.contents(), include_solver_state=True, solver_state_format=state_format)
    training.step()
    expected = {key: param.d.copy() for key, param in nn.get_parameters().items()}
    nn.clear_parameters()
    info = load(tmp_path / "m.nnp")
    optimizer = info.optimizers["optimizer"]
    assert type(optimizer.solver) is type(solver)
    assert optimizer.solver.info == solver.info
    again = Training.__new__(Training)
    network = info.networks["train"]
    again.x, again.t = (network.variables[key].variable_instance for key in ("x", "t"))
    again.loss, again.solver = network.variables["loss"].variable_instance, optimizer.solver
    again.step()
    for key, values in expected.items():
        np.testing.assert_array_equal(nn.get_parameters()[key].d, values, err_msg=key)


def test_settings_that_the_original_does_not_write_are_the_defaults():
    proto = create_proto(Training(S.AdamW(0.5)).contents())
    proto.optimizer[0].solver.ClearField("adamw_param")
    file = io.BytesIO(proto.SerializeToString())
    assert load(file, extension=".protobuf").optimizers["optimizer"].solver.info == S.AdamW().info


SCHEDULES = [
    LR.PolynomialScheduler(0.25, 100, 2),
    LR.CosineScheduler(0.25, 100),
    LR.StepScheduler(0.25, 0.5, [3, 5]),
    LR.ExponentialScheduler(0.25, 0.5, 7),
    LR.LinearWarmupScheduler(LR.CosineScheduler(0.25, 100), 10),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_schedules_of_the_learning_rate(schedule, tmp_path):
    save(tmp_path / "m.nntxt", Training().contents(scheduler=schedule))
    found = load(tmp_path / "m.nntxt").optimizers["optimizer"].scheduler
    assert type(found) is type(schedule)
    for i in (0, 2, 5, 9, 40):
        assert found.get_learning_rate(i) == pytest.approx(schedule.get_learning_rate(i), rel=1e-6)


def test_file_objects(tmp_path):
    contents = Training().contents()
    for extension in (".nnp", ".nntxt", ".protobuf"):
        file = io.BytesIO()
        save(file, contents, extension=extension)
        assert file.tell() == 0
        assert list(load(file, extension=extension).networks) == ["train", "valid", "run"]
    text = io.StringIO()
    save(text, contents, extension=".nntxt")
    assert text.getvalue().startswith("global_config {")
    with pytest.raises(TypeError, match="save: a file object for .nnp must be opened in binary mode"):
        save(io.StringIO(), contents)


def test_a_model_and_its_parameters_in_files_of_their_own(tmp_path, caplog):
    save(tmp_path / "m.nntxt", Training().contents())
    values = nn.get_parameters()["fc/affine/W"].d.copy()
    nn.save_parameters(tmp_path / "p.h5")
    nn.clear_parameters()
    (tmp_path / "notes.md").write_text("")
    files = [str(tmp_path / name) for name in ("m.nntxt", "notes.md", "p.h5")]
    info = load(files, prepare_data_iterator=False)
    np.testing.assert_array_equal(nn.get_parameters()["fc/affine/W"].d, values)
    assert info.datasets["data"].data_iterator is None
    assert "notes.md is omitted" in caplog.text
    assert not load(tmp_path / "notes.md").networks  # as NNabla 1.39
    nn.clear_parameters()
    load(files, exclude_parameter=True)
    assert not nn.get_parameters()["fc/affine/W"].d.any()
    nn.clear_parameters()
    info = load(files, parameter_only=True)
    assert (info.networks, len(nn.get_parameters(grad_only=False))) == ({}, 8)


def test_batch_size(tmp_path):
    save(tmp_path / "m.nnp", Training().contents())
    info = load(tmp_path / "m.nnp", batch_size=9)
    assert info.networks["run"].variables["p"].variable_instance.shape == (9, 2)
    assert (info.batch_size, info.datasets["data"].batch_size) == (9, 9)


def test_parameters_that_exist_are_replaced_only_if_their_shape_is_another(tmp_path):
    save(tmp_path / "m.nnp", Training().contents())
    before = nn.get_parameters()["fc/affine/W"]
    expected = before.d.copy()
    before.d = 0
    nn.parameter.set_parameter("out/affine/b", nn.Variable((7,)))
    load(tmp_path / "m.nnp")
    assert nn.get_parameters()["fc/affine/W"] is before
    np.testing.assert_array_equal(before.d, expected)
    assert nn.get_parameters()["out/affine/b"].shape == (2,)


def test_what_is_not_registered_keeps_its_values(tmp_path, caplog):
    nn.clear_parameters()
    x = nn.Variable((4, 3))
    w = nn.Variable.from_numpy_array(np.arange(6).reshape(3, 2), need_grad=True)
    constant = nn.Variable.from_numpy_array([[10.0, 20.0]])
    other = nn.Variable((4, 2))
    y = F.affine(x, w) + F.broadcast(constant, (4, 2)) + other
    z = F.affine(x, w)
    contents = {
        "networks": [
            {"name": "net", "batch_size": 4, "outputs": {"y": y}, "names": {"x": x}},
            {"name": "two", "batch_size": 4, "outputs": {"z": z}, "names": {"x": x}},
        ]
    }
    with caplog.at_level(logging.INFO):
        save(tmp_path / "m.nnp", contents)
    assert (
        "Constants and parameters that are not registered are saved as @net/Affine_in, @net/Broadcast_in" in caplog.text
    )
    assert nn.get_parameters(grad_only=False) == {}
    graph = nn.graph_def.load(tmp_path / "m.nnp")
    assert graph["net"].inputs == ["x", "@net/Add2_in"]
    assert list(graph["two"].parameters) == ["@net/Affine_in"]
    params = graph.get_parameters()
    assert {key: (param.d.tolist(), param.need_grad) for key, param in params.items()} == {
        "@net/Affine_in": ([[0, 1], [2, 3], [4, 5]], True),
        "@net/Broadcast_in": ([[10, 20]], False),
    }
    # Without a named input, one of them is it.
    contents["networks"] = [{"name": "net", "batch_size": 4, "outputs": {"y": F.tanh(constant)}, "names": {}}]
    save(tmp_path / "m.nnp", contents)
    assert nn.graph_def.load(tmp_path / "m.nnp")["net"].inputs == ["@net/Tanh_in"]


def test_saving_leaves_the_graph_alone(tmp_path):
    nn.clear_parameters()
    x = nn.Variable.from_numpy_array(np.random.RandomState(0).rand(4, 6))
    y = F.reshape(PF.affine(x, 6)[..., ::-1], (4, 3, -1))
    y.forward()
    before, args = y.d.copy(), [f.info.args for f in y._ancestors()]
    save(tmp_path / "m.nnp", {"networks": [{"name": "n", "batch_size": 4, "outputs": {"y": y}, "names": {"x": x}}]})
    assert [f.info.args for f in y._ancestors()] == args
    y.forward()
    np.testing.assert_array_equal(y.d, before)
    network = nn.graph_def.load(tmp_path / "m.nnp")["n"]
    y = network(x)
    y.forward()
    np.testing.assert_array_equal(y.d, before)


def test_parameters_of_the_callers_choice(tmp_path):
    training = Training()
    only = OrderedDict(b=nn.Variable.from_numpy_array([1.0, 2.0]))
    save(tmp_path / "m.nnp", training.contents(), parameters=only)
    with zipfile.ZipFile(tmp_path / "m.nnp") as archive:
        nn.clear_parameters()
        nn.load_parameters(io.BytesIO(archive.read("parameter.h5")), extension=".h5")
    assert list(nn.get_parameters(grad_only=False)) == ["b"]


def test_networks_that_share_a_name_of_two_shapes(tmp_path):
    """The registry knows only the second; 1.39 saves the first without its values."""
    nn.clear_parameters()
    x = nn.Variable.from_numpy_array(np.ones((4, 3)))
    first = PF.affine(x, 2, name="fc")
    nn.clear_parameters()
    second = PF.affine(x, 5, name="fc")
    networks = [
        {"name": name, "batch_size": 4, "outputs": {name: y}, "names": {"x": x}}
        for name, y in (("first", first), ("second", second))
    ]
    save(tmp_path / "m.nnp", {"networks": networks})
    graph = nn.graph_def.load(tmp_path / "m.nnp")
    for name, y in (("first", first), ("second", second)):
        found = graph[name](x)
        nn.forward_all([y, found])
        np.testing.assert_array_equal(found.d, y.d)


# ---- what is refused -----------------------------------------------------------------------------------------


def without(kind, key):
    def change(contents):
        entry = contents[kind] if isinstance(contents[kind], dict) else contents[kind][0]
        del entry[key]

    return change


def with_(kind, **entries):
    return lambda contents: contents[kind][0].update(entries)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (without("global_config", "default_context"), KeyError, "'default_context' is missing"),
        (without("training_config", "save_best"), KeyError, "'save_best' is missing"),
        (without("networks", "names"), KeyError, "'names' is missing"),
        (without("networks", "batch_size"), KeyError, "'batch_size' is missing"),
        (without("datasets", "uri"), KeyError, "'uri' is missing"),
        (without("optimizers", "solver"), KeyError, "'solver' is missing"),
        (without("monitors", "dataset"), KeyError, "'dataset' is missing"),
        (without("executors", "network"), KeyError, "'network' is missing"),
        (with_("optimizers", network="other"), KeyError, "'optimizer' names network 'other'; there are"),
        (with_("optimizers", dataset=["other"]), ValueError, "Invalid dataset_name is found in optimizer: other"),
        (with_("optimizers", loss_variables=["other"]), ValueError, "other is not found in networks!"),
        (with_("executors", data=["other"]), ValueError, "other is not found in networks!"),
        (with_("executors", output=["other"]), ValueError, "other is not found in networks!"),
        (with_("networks", outputs={"loss": nn.Variable((2,))}), ValueError, "no function leads to the outputs"),
        (with_("networks", names={"x": 3}), TypeError, "'x' of network 'train' must be a Variable, not 3"),
        (with_("optimizers", scheduler="fast"), TypeError, "files cannot hold the schedule 'fast'"),
    ],
)
def test_contents_that_are_wrong(change, error, words, tmp_path):
    contents = Training().contents()
    change(contents)
    with pytest.raises(error, match=words):
        save(tmp_path / "m.nnp", contents)
    assert list(tmp_path.iterdir()) == []


def test_formats_and_places_that_are_wrong(tmp_path):
    contents = Training().contents()
    with pytest.raises(ArgumentError, match="save: the extension must be one of .*, not '.foo'"):
        save(tmp_path / "x.foo", contents)
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        save(tmp_path / "no" / "x.nnp", contents)
    with pytest.raises(ArgumentError, match="load: the extension must be one of .*, not ''"):
        load([tmp_path / "x"])
    with pytest.raises(FileNotFoundError, match="load: there is no file"):
        load(tmp_path / "x.nnp")
    with pytest.raises(KeyError, match="'optimizers' is missing"):
        save(tmp_path / "m.nnp", {"networks": contents["networks"]}, include_solver_state=True)
    assert list(tmp_path.iterdir()) == []


def loaded(change):
    proto = create_proto(Training().contents(), include_params=True)
    change(proto)
    return load(io.BytesIO(proto.SerializeToString()), extension=".protobuf", prepare_data_iterator=False)


def set_(path, **values):
    """Sets fields of the first message of a kind, or of one inside of it."""

    def change(proto):
        message = proto
        for name in path.split("."):
            message = getattr(message, name)
            message = message[0] if hasattr(message, "add") else message
        for name, value in values.items():
            setattr(message, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_("network.function", type="FooBar"), 'Function "FooBar" is not supported.'),
        (set_("optimizer.solver", type="Foo"), 'Solver "Foo" is not supported.'),
        (set_("optimizer.solver", lr_scheduler_type="Foo"), 'Learning Rate Scheduler "Foo" is not supported.'),
        (set_("optimizer", network_name="zz"), "load: network 'zz' is not found; there are"),
        (lambda p: p.optimizer[0].dataset_name.append("zz"), "load: data set 'zz' is not found; there are"),
        (lambda p: p.optimizer[0].loss_variable.add(variable_name="zz"), 'load: Variable "zz" is not found'),
        (lambda p: p.optimizer[0].parameter_variable.add(variable_name="zz"), 'Variable "zz" is not found.'),
        (lambda p: p.optimizer[0].ClearField("loss_variable"), "load: optimizer 'optimizer' has no variables to run"),
        (
            lambda p: p.executor[0].generator_variable.add(variable_name="x", type="Foo"),
            'Generator type "Foo" is not supported.',
        ),
        (set_("executor", need_back_propagation=True), "load: executor 'executor' has no variables to run"),
    ],
)
def test_files_that_are_wrong(change, words):
    with pytest.raises(ValueError, match=words):
        loaded(change)


def test_a_schedule_that_a_network_computes():
    with pytest.raises(NotImplementedError, match="a learning rate that a network computes is not supported"):
        loaded(set_("optimizer.solver", lr_scheduler_type="Custom"))


def test_generators_and_gradients():
    def change(proto):
        for kind in ("Normal", "Uniform", "Range", "Constant"):
            proto.executor[0].generator_variable.add(variable_name="x", type=kind, multiplier=2)
            proto.optimizer[0].generator_variable.add(variable_name="t", type=kind, multiplier=2)
        proto.executor[0].need_back_propagation = True
        proto.executor[0].loss_variable.add(variable_name="p")

    info = loaded(change)
    (variable, generator), *_ = info.executors["executor"].generator_assign.items()
    assert (variable.name, generator((2, 3)).tolist()) == ("x", [[2, 2, 2]] * 2)
    executor = info.executors["executor"]
    assert [v.name for v in executor.loss_variables] == ["p"]
    assert executor.backward_target.parent.name == "Sink"
    assert set(names_of(executor.parameter_learning_rate_multipliers).values()) == {0.0}


def test_contexts(caplog):
    with caplog.at_level(logging.WARNING):
        info = loaded(lambda p: p.global_config.default_context.backends.__setitem__(0, "cudnn:half"))
    if info.default_context.device.type == "cpu":
        assert info.default_context.backend == ["cpu:half"]
        assert "has none of the backends" in caplog.text
    info = loaded(lambda p: p.global_config.default_context.backends.extend(["tpu:float"]))
    assert info.default_context.backend == ["cpu:float"]
    proto = create_proto(Training().contents())
    file = io.BytesIO(proto.SerializeToString())
    assert load(file, extension=".protobuf", context="cpu").default_context.backend == ["cpu:float"]


def test_states_that_lack_a_parameter(tmp_path, caplog):
    training = Training()
    training.step()
    contents = training.contents()
    proto = create_proto(contents, save_solver_in_proto=True, include_params=True)
    del proto.optimizer[0].solver.states["fc/affine/W"]
    nn.clear_parameters()
    with caplog.at_level(logging.WARNING):
        info = load(io.BytesIO(proto.SerializeToString()), extension=".protobuf")
    assert "the solver states of 'optimizer' begin anew for fc/affine/W" in caplog.text
    states = info.optimizers["optimizer"].solver.get_states()
    assert (states["fc/affine/W"].t, states["fc/affine/b"].t) == (0, 1)


def test_states_that_are_not_there(tmp_path):
    training = Training()
    save(tmp_path / "m.nnp", training.contents(), include_solver_state=True, solver_state_format=".protobuf")
    with zipfile.ZipFile(tmp_path / "m.nnp") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "n.nnp", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, b"" if name.endswith(".optimizer") else data)
    with pytest.raises(FormatError, match="load: the solver states of 'optimizer' are not in the file"):
        load(tmp_path / "n.nnp")
