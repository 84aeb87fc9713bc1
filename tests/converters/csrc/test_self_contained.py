"""Self-contained C: gcc takes it without a warning, and it computes what we compute."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
from nnabla.converters.csrc.names import c_name
from nnabla.converters.csrc.self_contained import Sources
from nnabla.converters.csrc.step_calls import CALLS
from nnabla.converters.nnb import run as interpret
from nnabla.converters.nnb import to_nnb
from nnabla.converters.nnb.kernels import KERNELS
from nnabla.converters.nnb.model import DataType
from nnabla.converters.nnb.settings import Settings, StoredType
from nnabla.errors import FormatError

from ..case_networks import close
from ..nnb.written_cases import cases, model_of
from . import compiled

pytestmark = pytest.mark.skipif(compiled.GCC is None, reason="there is no C compiler")

BY_FUNCTION = cases()
EXCEPTIONS = {
    r"normalization_more-mean_subtraction-[0-3]": "the running mean, which it subtracts, changes in each run",
    r"edges-pow_scalar-6-": "the square root of -inf, which powf says is inf",
}
IMAGES_OF_MORE_AXES = "at most three axes of images"


def test_every_kernel_of_the_runtime_has_one_in_c():
    assert set(CALLS) == set(KERNELS)


def models_of(chosen, settings=None):
    found = []
    for case in chosen:
        if any(re.match(pattern, str(case)) for pattern in EXCEPTIONS):
            continue
        for parameters in (False, True):
            try:
                pair = model_of(case, parameters, settings=settings)
                if pair is None:
                    continue
                pair[0].name = f"case_{len(found)}"
                Sources(pair[0])
            except (FormatError, ValueError) as error:
                if isinstance(error, FormatError) or IMAGES_OF_MORE_AXES in str(error):
                    continue
                raise
            found.append((case, *pair))
    return found


def check(chosen, folder, settings=None, step=0.0):
    """How many functions were right; fails with all cases that differ."""
    found = models_of(chosen, settings)
    built = compiled.library([model for _, model, _, _ in found], folder)
    wrong, right = [], set()
    for case, model, given, expected in found:
        results = compiled.run(built, model, given)
        if step:
            expected = interpret(model, given)
        for ours, theirs in zip(expected, results, strict=True):
            same = bool(np.all(np.abs(ours - theirs) <= step * 1.001)) if step else close(ours, theirs)
            if not same:
                wrong.append(f"{case}: {theirs.ravel()[:6]} instead of {ours.ravel()[:6]}")
            right.add(case.function)
    assert not wrong, "\n".join(wrong)
    return len(right)


def test_cases_of_every_function(tmp_path):
    assert check([case for found in BY_FUNCTION.values() for case in found[:2]], tmp_path) >= 75


@pytest.mark.parametrize(("type", "fp_pos"), [(DataType.INT16, 8), (DataType.INT8, 4)])
def test_fixed_point_within_one_step(tmp_path, type, fp_pos):
    settings = Settings(StoredType(type, fp_pos))
    chosen = [case for found in BY_FUNCTION.values() for case in found[:1]]
    assert check(chosen, tmp_path, settings, 2.0**-fp_pos) >= 55


@pytest.mark.heavy
def test_all_cases(tmp_path):
    for part, found in enumerate(np.array_split([case for each in BY_FUNCTION.values() for case in each], 20)):
        folder = tmp_path / str(part)
        folder.mkdir()
        check(list(found), folder)


@pytest.fixture
def lenet():
    nn.clear_parameters()
    x = nn.Variable((2, 1, 12, 12))
    h = F.relu(F.max_pooling(PF.convolution(x, 4, (3, 3), name="c"), (2, 2)))
    y = F.softmax(PF.affine(F.tanh(PF.affine(h, 8, name="a")), 3, name="b"))
    x.d = np.random.RandomState(0).randn(*x.shape)
    y.forward()
    graph = nn.graph_def.create_graph_from_variable("Le-Net 5", y, names={"x": x, "y": y})
    yield to_nnb(graph["Le-Net 5"]), x.d.astype(np.float32), y.d.copy()
    nn.clear_parameters()


def test_the_example_under_sanitizers(tmp_path, lenet):
    model, x, y = lenet
    sources = Sources(model)
    assert sources.name == "Le_Net_5"
    for name, text in sources.files.items():
        (tmp_path / name).write_text(text)
    flags = "-g -O1 -Werror -pedantic -fsanitize=address,undefined -fno-sanitize-recover=all"
    subprocess.run(["make", "-s", f"CFLAGS={flags}"], cwd=tmp_path, check=True, timeout=120)
    x.tofile(tmp_path / "x.bin")
    subprocess.run(["./Le_Net_5_example", "x.bin", "y.bin"], cwd=tmp_path, check=True, timeout=20)
    np.testing.assert_allclose(np.fromfile(tmp_path / "y.bin", np.float32).reshape(y.shape), y, rtol=1e-5, atol=1e-6)


def test_the_plan_of_memory(lenet):
    model, _, _ = lenet
    sources = Sources(model)
    head, block, *lines = sources.plan()
    assert head == f"working memory {sources.ram} bytes, parameters {sources.rom} bytes"
    assert block == f"memory_float: {sources.ram // 4} x float"
    assert len(lines) == sum(v.data is None for v in model.variables)
    assert sources.ram <= 4 * sum(model.buffers)
    assert "malloc" not in "".join(sources.files.values())


def test_names_in_c():
    assert [c_name(name) for name in ("a/b", "5x", "for", "", "é")] == [
        "a_b",
        "net_5x",
        "net_for",
        "network",
        "network",
    ]
