"""Files of solver states: NNabla's layouts, both ways; what is damaged is refused as a whole."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnabla as nn
import nnabla.solvers as S
from nnabla.errors import ArgumentError, FormatError, ShapeError
from nnabla.files import solver_messages
from nnabla.files.model_messages import MODEL

from ..reference.record_solvers import FILES, FOLDER, SHAPES, start, trained

FORMATS = [".h5", ".protobuf"]
every_format = pytest.mark.parametrize("extension", FORMATS)


def contents(solver):
    return {
        key: (entry.t, {name: variable.d.copy() for name, variable in entry.pstate.items()})
        for key, entry in solver.get_states().items()
    }


def assert_same(found, expected, **tolerance):
    assert set(found) == set(expected)
    for key, (t, arrays) in expected.items():
        assert found[key][0] == t, key
        assert set(found[key][1]) == set(arrays)
        for name, values in arrays.items():
            assert found[key][1][name].shape == values.shape
            np.testing.assert_allclose(found[key][1][name], values, **tolerance or {"rtol": 0})


def fresh(name):
    solver = getattr(S, name)()
    solver.set_parameters(start(name))
    return solver


def solver_with(states, rule=S.Momentum):
    """A solver with the given values of the state m."""
    solver = rule()
    solver.set_parameters({name: nn.Variable(np.shape(m)) for name, (_, m) in states.items()})
    solver.set_states(
        {
            name: S.SolverState({"m": nn.Variable.from_numpy_array(np.asarray(m, np.float32))}, t)
            for name, (t, m) in states.items()
        }
    )
    return solver


# ---- the formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES)
def test_files_of_the_original_are_read(file):
    name = file.split(".")[0]
    solver = fresh(name)
    solver.load_states(str(FOLDER / file))
    assert_same(contents(solver), contents(trained(name)), rtol=1e-5, atol=1e-8)
    assert [entry.t for entry in solver.get_states().values()] == [3, 2, 3]


def layout(path):
    """Everything in an HDF5 file but the values; the order behind index is not defined in the original."""
    found = {}
    with h5py.File(path) as file:

        def visit(name, item):
            shape = (item.shape, item.dtype, item.chunks, item.compression) if isinstance(item, h5py.Dataset) else ()
            found[name] = (shape, {key: value.dtype for key, value in item.attrs.items()})

        file.visititems(visit)
        assert dict(file.attrs) == {}
    return found


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".h5")])
def test_h5_is_laid_out_as_by_the_original(tmp_path, file):
    trained(file.split(".")[0]).save_states(str(tmp_path / "s.h5"))
    assert layout(tmp_path / "s.h5") == layout(FOLDER / file)


def test_h5_order_is_in_the_attribute_index(tmp_path):
    solver = solver_with({"z": (1, [1.0]), "scope/b": (2, [2.0]), "a": (3, [3.0])})
    solver.save_states(str(tmp_path / "s.h5"))
    with h5py.File(tmp_path / "s.h5") as file:
        assert [int(file[name].attrs["index"]) for name in ("z", "scope/b", "a")] == [0, 1, 2]
        assert "index" not in file["scope"].attrs


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".protobuf")])
def test_protobuf_is_as_long_as_that_of_the_original(tmp_path, file):
    """The order of a protobuf map is not defined, its length is."""
    path = tmp_path / "s.protobuf"
    trained(file.split(".")[0]).save_states(str(path))
    assert path.stat().st_size == (FOLDER / file).stat().st_size


def test_protobuf_bytes():
    """Worked by hand from the field numbers: optimizer.solver (30), states (40), state_parameter (2) ..."""

    def field(number, payload):
        """A tag (of wire type 2) of two bytes at most, the length, and the contents."""
        tag = number << 3 | 2
        return (bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])) + bytes([len(payload)]) + payload

    data = solver_messages.serialized({"x": (3, {"m": np.array([[1.0, -2.0]], np.float32)})})
    shape, numbers = field(1, b"\x01\x02"), np.array([1, -2], "<f4").tobytes()
    array = field(1, b"m") + field(2, field(20, shape) + field(100, numbers))
    state = field(1, b"x") + field(2, b"\x08\x03" + field(2, array))
    assert data == field(30, field(40, state))


@every_format
@pytest.mark.parametrize("name", ["Sgd", "Momentum", "Adam", "AMSGRAD", "RMSpropGraves"])
def test_round_trip(tmp_path, name, extension):
    solver = trained(name)
    path = str(tmp_path / f"s{extension}")
    solver.save_states(path)
    other = fresh(name)
    other.load_states(path)
    assert_same(contents(other), contents(solver))


@every_format
@given(
    names=st.lists(
        st.lists(st.sampled_from(["a", "ab", "W", "conv 1", "é"]), min_size=1, max_size=3).map("/".join),
        max_size=4,
        unique=True,
    ),
    seed=st.integers(0, 100),
)
@settings(max_examples=30, deadline=None)
def test_any_names_and_shapes_come_back(tmp_path_factory, extension, names, seed):
    rng = np.random.RandomState(seed)
    states = {name: (int(rng.randint(2**31)), rng.randn(*rng.randint(0, 4, rng.randint(4)))) for name in names}
    solver = solver_with(states)
    path = str(tmp_path_factory.getbasetemp() / f"any{extension}")
    solver.save_states(path)
    other = solver_with({name: (0, np.zeros(np.shape(m))) for name, (_, m) in states.items()})
    other.load_states(path)
    assert_same(contents(other), contents(solver))
    assert list(other.get_states()) == names


@every_format
def test_names_are_matched_as_a_whole(tmp_path, extension):
    """NNabla 1.39 gives a parameter the states of another whose name begins with its own."""
    solver = solver_with({"a": (1, [1.0]), "ab": (2, [2.0]), "a/b": (3, [3.0])})
    path = str(tmp_path / f"s{extension}")
    solver.save_states(path)
    other = solver_with({"a": (0, [0.0]), "ab": (0, [0.0]), "a/b": (0, [0.0]), "a/c": (9, [9.0])})
    other.load_states(path)
    assert [(t, float(arrays["m"][0])) for t, arrays in contents(other).values()] == [(1, 1), (2, 2), (3, 3), (9, 9)]


def test_h5_keeps_float64_and_protobuf_rounds(tmp_path):
    values = np.array([1 / 3], np.float64)
    for extension, expected in ((".h5", values[0]), (".protobuf", np.float32(values[0]))):
        x = nn.Variable.from_numpy_array(values, need_grad=True)
        solver = S.Momentum(1.0, momentum=0.5)
        solver.set_parameters({"x": x})
        x.g = values
        solver.update()
        path = str(tmp_path / f"s{extension}")
        solver.save_states(path)
        solver.set_parameters({"x": x})
        solver.load_states(path)
        assert solver.get_states()["x"].pstate["m"].d[0] == expected
        solver.update()  # with states of any type
        assert solver.get_states()["x"].pstate["m"].d.dtype == np.float64


def test_text(tmp_path):
    path = tmp_path / "s.nntxt"
    path.write_text(
        """
        name: "Optimizer"
        solver {
          type: "Momentum"
          weight_decay: 0.5
          states {
            key: "x"
            value { t: 4 state_parameter { key: "m" value { shape { dim: 2 dim: 1 } data: 0.5 data: -1 } } }
          }
        }
        """
    )
    for extension in (".nntxt", ".prototxt"):
        shutil.copy(path, tmp_path / f"copy{extension}")
        solver = solver_with({"x": (0, [[0.0], [0.0]])})
        solver.load_states(str(tmp_path / f"copy{extension}"))
        assert_same(contents(solver), {"x": (4, {"m": np.array([[0.5], [-1]])})})
    with pytest.raises(ArgumentError, match=r"save_states: the extension must be one of \['.h5', '.protobuf'\], not"):
        solver.save_states(str(tmp_path / "s.nntxt"))


def test_messages():
    message = MODEL.message("Optimizer")()
    solver = solver_with({"x": (1, [1.0]), "y": (2, [2.0, 3.0])})
    solver.set_states_to_protobuf(message)
    solver_with({"x": (7, [7.0]), "z": (8, [])}).set_states_to_protobuf(message)
    assert sorted(message.solver.states) == ["x", "y", "z"]
    other = solver_with({"x": (0, [0.0]), "y": (0, [0.0, 0.0]), "z": (0, [])})
    other.set_states_from_protobuf(message)
    assert_same(contents(other), {"x": (7, {"m": np.array([7])}), **{k: contents(other)[k] for k in "yz"}})
    assert [t for t, _ in contents(other).values()] == [7, 2, 8]
    message.solver.states["y"].state_parameter["m"].data.append(4)
    before = contents(other)
    with pytest.raises(FormatError, match=r"state 'm' of 'y' has 3 numbers, not of shape \(2,\)"):
        other.set_states_from_protobuf(message)
    assert_same(contents(other), before)


@every_format
def test_a_solver_without_parameters(tmp_path, extension):
    path = str(tmp_path / f"s{extension}")
    S.Adam().save_states(path)
    S.Adam().load_states(path)
    solver = solver_with({"x": (5, [5.0])})
    solver.load_states(path)
    assert contents(solver)["x"][0] == 5


def test_an_empty_protobuf_file_is_that_of_no_parameters(tmp_path):
    (tmp_path / "s.protobuf").write_bytes(b"")
    solver = solver_with({"x": (5, [5.0])})
    solver.load_states(str(tmp_path / "s.protobuf"))
    assert contents(solver)["x"][0] == 5


def test_too_much_for_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(solver_messages, "LARGEST", 400)
    solver = solver_with({"x": (1, np.zeros(101))})
    with pytest.raises(ArgumentError, match="save_states: 404 bytes are more than a protobuf message"):
        solver.save_states(str(tmp_path / "s.protobuf"))
    assert list(tmp_path.iterdir()) == []
    solver.save_states(str(tmp_path / "s.h5"))


# ---- what is refused -------------------------------------------------------------------------------------


def test_unknown_extensions_and_missing_files(tmp_path):
    solver = solver_with({"x": (1, [1.0])})
    with pytest.raises(ArgumentError, match=r"save_states: the extension must be one of .*'.h5'.*, not '.foo'"):
        solver.save_states(str(tmp_path / "s.foo"))
    with pytest.raises(ArgumentError, match=r"load_states: the extension must be one of .*'.h5'.*, not ''"):
        solver.load_states(str(tmp_path / "s"))
    for extension in (*FORMATS, ".nntxt"):
        with pytest.raises(FileNotFoundError, match="load_states: there is no file"):
            solver.load_states(str(tmp_path / f"s{extension}"))
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        solver.save_states(str(tmp_path / "nowhere" / "s.h5"))
    assert list(tmp_path.iterdir()) == []


@every_format
def test_states_that_do_not_fit_change_nothing(tmp_path, extension):
    path = str(tmp_path / f"s{extension}")
    trained("Adam").save_states(path)
    fitting, refusals = start("Adam"), []
    few = S.Adam()
    few.set_parameters({key: fitting[key] for key in ("scope/a", "b")})
    refusals.append((few, ArgumentError, "there is no parameter 'zeros'"))
    other_shape = S.Adam()
    other_shape.set_parameters({**fitting, "b": nn.Variable((2, 2))})
    refusals.append((other_shape, ShapeError, r"state 'mean' of 'b' must have shape \(2, 2\), not \(4,\)"))
    other_rule = S.AMSGRAD()
    other_rule.set_parameters(fitting)
    refusals.append((other_rule, ArgumentError, "AMSGRAD needs state 'm' of parameter"))
    for solver, error, message in refusals:
        before = contents(solver)
        with pytest.raises(error, match=message):
            solver.load_states(path)
        assert_same(contents(solver), before)


@pytest.mark.parametrize("names", [("a", "a/m"), ("a/m", "a"), ("a", "a/t/b"), ("a/t", "a")])
def test_h5_cannot_hold_a_parameter_named_like_a_state(tmp_path, names):
    path = tmp_path / "s.h5"
    path.write_bytes(b"before")
    solver = solver_with({name: (1, [1.0]) for name in names})
    with pytest.raises(ArgumentError, match=f"HDF5 cannot store the states of '{names[1]}'"):
        solver.save_states(str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]
    assert path.read_bytes() == b"before"
    solver.save_states(str(tmp_path / "s.protobuf"))


def damaged_copies(data, seed):
    """Truncations of a file, and copies with some bytes changed."""
    rng = np.random.RandomState(seed)
    for length in {0, 1, 8, len(data) // 3, len(data) // 2, len(data) - 1}:
        yield data[:length]
    for _ in range(150):
        changed = bytearray(data)
        for at in rng.randint(0, len(data), rng.randint(1, 6)):
            changed[at] = rng.randint(256)
        yield bytes(changed)
    for _ in range(20):
        yield rng.bytes(rng.randint(1, 200))


@every_format
def test_damaged_files_change_nothing(tmp_path, extension):
    """Damage in the numbers shows as other numbers; all other damage as an error that leaves the solver as it was."""
    path = tmp_path / f"s{extension}"
    trained("Adam").save_states(str(path))
    data = path.read_bytes()
    refused = 0
    for seed, changed in enumerate(damaged_copies(data, 3)):
        if not changed and extension == ".protobuf":
            continue
        path.write_bytes(changed)
        solver = fresh("Adam")
        before = contents(solver)
        try:
            solver.load_states(str(path))
        except (FormatError, ArgumentError, ShapeError):
            refused += 1
            assert_same(contents(solver), before)
        else:
            assert set(contents(solver)) == set(SHAPES), seed
    assert refused > 20


@every_format
def test_truncated_files_are_format_errors(tmp_path, extension):
    path = tmp_path / f"s{extension}"
    trained("Adam").save_states(str(path))
    data = path.read_bytes()
    for length in (1, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError, match=r"load_states: .*is not a readable file of solver states"):
            fresh("Adam").load_states(str(path))


def replace(group, name, **dataset):
    del group[name]
    group.create_dataset(name, **dataset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["b"].__delitem__("t"), "s.h5': b/t must be the number of updates, not None"),
        (lambda f: f["b"]["t"].__setitem__((), -1), "s.h5': b/t must be the number of updates, not -1"),
        (lambda f: replace(f["b"], "t", data=1.5), "s.h5': b/t must be the number of updates, not 1.5"),
        (lambda f: replace(f["b"], "t", data=[1]), "must be the number of updates"),
        (lambda f: f["b"].attrs.__setitem__("index", "first"), "s.h5': 'b': attribute index is not a number"),
        (lambda f: replace(f["b"], "m", data=b"text"), "s.h5': dataset 'b/m' holds .*, not numbers"),
        (lambda f: replace(f["b"], "m", shape=(2**40,), dtype="f4"), "s.h5': dataset 'b/m' claims .* bytes"),
    ],
)
def test_h5_files_that_say_something_else(tmp_path, change, message):
    path = tmp_path / "s.h5"
    trained("Momentum").save_states(str(path))
    with h5py.File(path, "r+") as file:
        change(file)
    solver = fresh("Momentum")
    before = contents(solver)
    with pytest.raises(FormatError, match=message):
        solver.load_states(str(path))
    assert_same(contents(solver), before)


def test_other_files_are_refused(tmp_path):
    solver = fresh("Momentum")
    (tmp_path / "s.protobuf").write_bytes(b"\x0a\x04name")  # an Optimizer without a solver
    with pytest.raises(FormatError, match="holds no solver states"):
        solver.load_states(str(tmp_path / "s.protobuf"))
    (tmp_path / "s.nntxt").write_text('name: "o"')
    with pytest.raises(FormatError, match="holds no solver states"):
        solver.load_states(str(tmp_path / "s.nntxt"))
    (tmp_path / "s.nntxt").write_text("solver { states {")
    with pytest.raises(FormatError, match="is not a readable text of solver states"):
        solver.load_states(str(tmp_path / "s.nntxt"))
    (tmp_path / "s.nntxt").write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match="is not a readable text of solver states"):
        solver.load_states(str(tmp_path / "s.nntxt"))
