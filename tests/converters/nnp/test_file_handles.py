"""Loaders and savers by extension."""

from __future__ import annotations

import io
import logging
import zipfile

import h5py
import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import nnabla.solvers as S
from nnabla.utils import get_file_handle as handles
from nnabla.utils import nnabla_pb2, nnp_format
from nnabla.utils.save import create_proto, save


@pytest.fixture
def path(tmp_path):
    nn.clear_parameters()
    x = nn.Variable((2, 3))
    y = F.mean(PF.affine(x, 2, name="fc"))
    solver = S.Adam()
    solver.set_parameters(nn.get_parameters())
    contents = {
        "networks": [{"name": "n", "batch_size": 2, "outputs": {"y": y}, "names": {"x": x}}],
        "datasets": [
            {
                "name": "d",
                "uri": "",
                "variables": ["x"],
                "shuffle": False,
                "batch_size": 2,
                "no_image_normalization": False,
            }
        ],
        "optimizers": [
            {
                "name": "o",
                "solver": solver,
                "network": "n",
                "dataset": "d",
                "weight_decay": 0,
                "lr_decay": 1,
                "lr_decay_interval": 1,
                "update_interval": 1,
            }
        ],
    }
    save(tmp_path / "m.nnp", contents, include_solver_state=True)
    (tmp_path / "m.nntxt").write_text(str(create_proto(contents)))
    nn.save_parameters(tmp_path / "p.h5")
    nn.clear_parameters()
    return tmp_path


def context(**values):
    ctx = handles.FileHandlerContext()
    ctx.__dict__.update(values)
    return ctx


def test_models(path):
    for names in ("m.nnp", ["m.nntxt", "p.h5"]):
        nn.clear_parameters()
        ctx = context(proto=nnabla_pb2.NNablaProtoBuf())
        files = [str(path / name) for name in ([names] if isinstance(names, str) else names)]
        handles.load_files(ctx, handles.get_initial_file_loader(), files)
        assert [network.name for network in ctx.proto.network] == ["n"]
        assert list(nn.get_parameters()) == ["fc/affine/W", "fc/affine/b"]
    ctx = context(exclude_parameter=True, parameter_only=True)
    nn.clear_parameters()
    handles.load_files(ctx, handles.get_initial_file_loader(), path / "m.nnp")
    assert (nn.get_parameters(), ctx.optimizer_states_checkpoint) == ({}, {})


def test_parameters(path, caplog):
    ctx = context(needs_proto=True)
    with caplog.at_level(logging.WARNING):
        handles.load_files(ctx, nn.parameter.get_parameter_file_loader(), [str(path / "p.h5"), "x.zz"])
    assert "x.zz is omitted." in caplog.text
    assert [p.variable_name for p in ctx.proto.parameter] == list(nn.get_parameters()) == ["fc/affine/W", "fc/affine/b"]
    ctx = context(parameters=nn.get_parameters())
    assert handles.save_files(ctx, nn.parameter.get_parameter_file_savers(), str(path / "q.protobuf"))
    assert not handles.save_files(ctx, nn.parameter.get_parameter_file_savers(), str(path / "q.zz"))
    file = io.BytesIO()
    assert handles.save_files(ctx, nn.parameter.get_parameter_file_savers(), file, ".h5")
    assert list(h5py.File(file)["fc/affine"]) == ["W", "b"]


def test_members_of_an_open_archive(path):
    loaders = handles.get_decorated_file_loader()
    with zipfile.ZipFile(path / "m.nnp") as archive:
        loaders[".protobuf,.h5"](context(), loaders, archive, "parameter.h5", ".h5")
        assert len(nn.get_parameters()) == 2
        ctx = context(proto=nnabla_pb2.NNablaProtoBuf())
        handles.load_files(ctx, handles.get_initial_file_loader(), str(path / "m.nntxt"))
        loaders[".optimizer"](ctx, loaders, archive, "o_Adam_optimizer.h5.optimizer", ".optimizer")
        assert list(ctx.optimizer_states_checkpoint) == ["o"]
        states = handles.load_solve_state_from_h5(archive, "o_Adam_optimizer.h5.optimizer")
        assert {key: (s.t, list(s.pstate)) for key, s in states.items()} == {
            key: (0, ["mean", "var"]) for key in ("fc/affine/W", "fc/affine/b")
        }
        (path / "s.h5").write_bytes(archive.read("o_Adam_optimizer.h5.optimizer"))
    assert list(handles.load_solve_state_from_h5(None, str(path / "s.h5"))) == list(states)


def test_savers_of_models(path):
    ctx = context(proto=nnabla_pb2.NNablaProtoBuf(), parameters={"w": nn.Variable((2,))}, include_params=True)
    for name in ("m.nnp", "m.nntxt", "m.protobuf"):
        assert handles.save_files(ctx, handles.get_default_file_savers(".protobuf"), str(path / name))
        nn.clear_parameters()
        nn.load_parameters(path / name)
        assert list(nn.get_parameters(grad_only=False)) == ["w"]
    assert len(ctx.proto.parameter) == 0
    with zipfile.ZipFile(path / "m.nnp") as archive:
        assert "parameter.protobuf" in archive.namelist()


@pytest.mark.parametrize(
    ("name", "kind"), [("a.h5", h5py.File), ("a.nnp", zipfile.ZipFile), ("a.nntxt", io.TextIOBase), ("a.x", io.IOBase)]
)
def test_open_files(name, kind, tmp_path):
    path, ext = str(tmp_path / name), name[1:]
    with handles.get_file_handle_save(path, ext) as file:
        assert isinstance(file, kind)
        if kind is h5py.File:
            file["w"] = np.arange(3)
    with handles.get_file_handle_load(None, path, ext) as file:
        assert isinstance(file, kind)
    with pytest.raises(RuntimeError), handles.get_file_handle_save(path, ext):
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == [name]
    file = io.BytesIO()
    with handles.get_file_handle_save(file, ".x") as same:
        assert same is file


def test_names():
    assert handles.get_buf_type("a/b.nntxt") == "nntxt"
    assert handles.nnp_version() == nnp_format.nnp_version() == "0.1"
    with pytest.raises(AttributeError, match="module 'nnabla.parameter' has no attribute 'nothing'"):
        _ = nn.parameter.nothing
