"""Parameter files: NNabla's layout, both ways; what is damaged is refused as a whole."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnabla as nn
import nnabla.parametric_functions as PF
from nnabla.errors import ArgumentError, FormatError, ShapeError


@pytest.fixture
def saved(tmp_path):
    PF.affine(nn.Variable((2, 3)), 4, name="fc")
    PF.batch_normalization(nn.Variable((2, 3, 4, 4)), name="b")
    nn.parameter.set_parameter("half", nn.Variable.from_numpy_array(np.arange(3, dtype=np.float16)))
    path = tmp_path / "p.h5"
    nn.save_parameters(str(path))
    return path


def snapshot():
    return {k: (v.need_grad, v.d.copy()) for k, v in nn.get_parameters(grad_only=False).items()}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, (need_grad, values) in expected.items():
        assert found[name][0] == need_grad, name
        assert found[name][1].dtype == values.dtype, name
        np.testing.assert_array_equal(found[name][1], values)


def test_the_layout_is_nnablas(saved):
    with h5py.File(saved) as file:
        found = {}
        file.visititems(lambda n, o: found.update({n: o}) if isinstance(o, h5py.Dataset) else None)
        assert dict(file.attrs) == {}
        assert sorted(found) == [
            "b/bn/beta",
            "b/bn/gamma",
            "b/bn/mean",
            "b/bn/var",
            "fc/affine/W",
            "fc/affine/b",
            "half",
        ]
        w = found["fc/affine/W"]
        assert (w.shape, w.dtype, w.compression, w.chunks) == ((3, 4), np.float32, None, None)
        assert sorted(w.attrs) == ["index", "need_grad"]
        assert w.attrs["need_grad"].dtype == np.bool_
        assert w.attrs["index"].dtype == np.int64
        assert [found[n].attrs["index"] for n in ("fc/affine/W", "fc/affine/b", "b/bn/beta")] == [0, 1, 2]
        assert not found["b/bn/mean"].attrs["need_grad"]


def test_round_trip(saved):
    before = snapshot()
    nn.clear_parameters()
    nn.load_parameters(str(saved))
    assert_same(snapshot(), before)
    nn.load_parameters(saved)
    with nn.parameter_scope("foo"):
        nn.load_parameters(saved)
        assert_same(snapshot(), before)


def test_file_objects(saved):
    before = snapshot()
    file = io.BytesIO()
    nn.save_parameters(file, extension=".h5")
    nn.clear_parameters()
    file.seek(0)
    nn.load_parameters(file, extension=".h5")
    assert_same(snapshot(), before)


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 3), max_size=3), st.sampled_from(["f2", "f4", "f8", "i4", "u1"])), max_size=5
    )
)
@settings(max_examples=30, deadline=None)
def test_any_parameters_come_back(specs):
    nn.clear_parameters()
    for i, (shape, dtype) in enumerate(specs):
        values = np.random.RandomState(i).randint(0, 100, shape).astype(dtype)
        nn.parameter.set_parameter(f"s{i % 2}/p{i}", nn.Variable.from_numpy_array(values, need_grad=i % 2 == 0))
    before = snapshot()
    file = io.BytesIO()
    nn.save_parameters(file, extension=".h5")
    nn.clear_parameters()
    file.seek(0)
    nn.load_parameters(file, extension=".h5")
    found = snapshot()
    # Scopes are made in the order of the file, which is that of saving.
    assert_same({k: found[k] for k in before}, before)


def test_existing_parameters_keep_their_identity(saved):
    w = nn.get_parameters()["fc/affine/W"]
    values = w.d.copy()
    w.d = 0
    nn.load_parameters(saved)
    assert nn.get_parameters()["fc/affine/W"] is w
    np.testing.assert_array_equal(w.d, values)


def test_another_shape_is_refused_and_nothing_changes(saved):
    nn.clear_parameters()
    nn.parameter.get_parameter_or_create("half", (4,))
    with pytest.raises(ShapeError, match=r"parameter 'half' has shape \(4,\), the file has \(3,\)"):
        nn.load_parameters(saved)
    assert list(nn.get_parameters()) == ["half"]


def test_missing_files_and_unknown_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nope.h5"):
        nn.load_parameters(str(tmp_path / "nope.h5"))
    with pytest.raises(ArgumentError, match=r"load_parameters: the extension must be one of .*'.h5'.*, not '.foo'"):
        nn.load_parameters(str(tmp_path / "p.foo"))
    with pytest.raises(ArgumentError, match=r"save_parameters: the extension must be one of .*, not '.foo'"):
        nn.save_parameters(str(tmp_path / "p.foo"))
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        nn.save_parameters(str(tmp_path / "no" / "p.h5"))
    with pytest.raises(TypeError, match=r"params\['a'\] must be a Variable, not int"):
        nn.save_parameters(str(tmp_path / "p.h5"), {"a": 3})
    assert list(tmp_path.iterdir()) == []


def test_truncated_files_are_refused_and_nothing_changes(saved):
    data = saved.read_bytes()
    nn.clear_parameters()
    for length in range(0, len(data), 97):
        saved.write_bytes(data[:length])
        with pytest.raises(FormatError, match=r"p\.h5"):
            nn.load_parameters(saved)
        assert nn.get_parameters(grad_only=False) == {}


def test_flipped_bits_never_do_more_than_raise(saved):
    data = bytearray(saved.read_bytes())
    rng = np.random.RandomState(0)
    for _ in range(150):
        nn.clear_parameters()
        position = rng.randint(len(data))
        damaged = data.copy()
        damaged[position] ^= 1 << rng.randint(8)
        saved.write_bytes(damaged)
        try:
            nn.load_parameters(saved)
        except FormatError:
            assert nn.get_parameters(grad_only=False) == {}


def test_a_dataset_that_claims_more_than_it_stores_is_refused(tmp_path):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("w", shape=(1 << 40,), dtype="f4", chunks=(1 << 20,))
        dataset.attrs["need_grad"] = True
    with pytest.raises(FormatError, match="claims 4398046511104 bytes"):
        nn.load_parameters(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=np.ones(3, np.float32))
    with pytest.raises(FormatError, match="has no attribute need_grad"):
        nn.load_parameters(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data="text").attrs["need_grad"] = True
    with pytest.raises(FormatError, match="not numbers"):
        nn.load_parameters(path)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    bad = nn.Variable((2,))
    monkeypatch.setattr(bad.data, "_tensor", object(), raising=False)
    with pytest.raises(Exception, match="object"):
        nn.save_parameters(saved, {"a": nn.Variable((3,)), "b": bad})
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["p.h5"]


def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "p.h5"
    program = textwrap.dedent(
        """
        import sys
        import numpy as np
        import nnabla as nn
        w = nn.parameter.get_parameter_or_create("w", (200, 1000))
        print("ready", flush=True)
        for i in range(1, 1_000_000):
            w.data.fill(i)
            nn.save_parameters(sys.argv[1])
        """
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    loaded = 0
    for delay in (0.0, 0.03, 0.07):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as process:
            process.stdout.readline()
            try:
                process.wait(0.2 + delay)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        nn.clear_parameters()
        if path.exists():
            nn.load_parameters(path)
            values = nn.get_parameters()["w"].d
            assert np.ptp(values) == 0
            loaded += 1
    assert loaded
