"""A bad call is refused with a clear error, when the graph is built if shapes and arguments tell; or it is legal
and runs. Nothing else may happen: no error from inside, no endless loop, no allocation of what cannot be meant."""

from __future__ import annotations

import inspect
import math
import random
import re
import signal
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnabla as nn
import nnabla.functions as F
from nnabla.errors import ArgumentError, GraphError, ShapeError

from .bad_calls import OPERATORS, BadCall, Given, derived, good_calls, representative

GOOD = good_calls()
DYNAMIC = {cls.declaration.type_name for cls in OPERATORS.values() if cls.dynamic_shape}

# Bad calls of each function that run every time; ``-m heavy`` runs all of them.
SAMPLE = 100
# Elements of all outputs together, up to which a call is worth running.
MODERATE = 1 << 22
# Bytes that a call may take, and seconds.
ROOM = 3 << 30
PATIENCE = 60

CLEAR = (ShapeError, ArgumentError, GraphError, TypeError, ValueError)
# What Python and NumPy say when an operation meets something that nobody checked.
INSIDE = re.compile(
    r"not supported between|has no attribute|object is not|unsupported operand|ambiguous|cannot convert|argument #"
)
# A size that could be meant, but that these tests do not give the memory for.
MEMORY = "can't allocate memory"


class Hang(BaseException):
    """A call took too long; not an Exception, so that nothing on the way takes it for an answer."""


@contextmanager
def limits() -> Iterator[None]:
    """A call that allocates or computes without end fails, and takes neither the machine nor the test run with it."""
    if sys.platform != "linux":
        yield
        return
    import resource

    def alarm(*_: object) -> None:
        raise Hang

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    previous = signal.signal(signal.SIGALRM, alarm)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, before[1]))
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        resource.setrlimit(resource.RLIMIT_AS, before)


# ---- judging a call ----------------------------------------------------------------------------------------------


def inputs_of(call: BadCall) -> list[Any]:
    """What the function is given."""
    xs: list[Any] = []
    for i, value in enumerate(call.inputs):
        if isinstance(value, np.ndarray):
            x = nn.Variable(value.shape, need_grad=i in call.grad)
            with np.errstate(all="ignore"):
                x.d = value
            xs.append(x)
        else:
            xs.append(value.value if isinstance(value, Given) else None)
    return xs


def complaint(call: BadCall, error: Exception) -> str:
    """What is wrong with a refusal, or an empty string."""
    if not isinstance(error, CLEAR):
        return f"not a clear error: {error!r}"
    first = str(error).split("\n")[0]
    if call.function.replace("_", "") not in first.replace("_", "").lower():
        return f"does not name the function: {error!r}"
    if MEMORY in first:
        return ""
    if INSIDE.search(first) or not isinstance(error.__cause__, (type(None), *CLEAR)):
        return f"the words of something inside: {error!r}"
    if call.culprit and not re.search(rf"\b{call.culprit}\b", first):
        return f"does not name {call.culprit}: {error!r}"
    return ""


def fault(call: BadCall) -> str:
    """What is wrong with how a call is taken, or an empty string."""
    xs = inputs_of(call)
    try:
        found = getattr(F, call.function)(*xs, **call.args)
    except Exception as error:
        return complaint(call, error)
    if call.must or call.culprit:
        return "accepted"
    ys = list(found) if isinstance(found, (list, tuple)) else [found]
    if call.function == "dot" and not isinstance(ys[0], nn.Variable):
        return ""  # NumPy's own business, with two NumPy arrays
    if not all(isinstance(y, nn.Variable) for y in ys):
        return f"returned {found!r}"
    # Some functions with all their work switched off return what they were given.
    ys = [y for y in ys if y.parent is not None]
    if sum(math.prod(y.shape) for y in ys) > MODERATE:
        return ""
    stage = "forward"
    try:
        shapes = [y.shape for y in ys]
        nn.forward_all(ys)
        for y, shape in zip(ys, shapes, strict=True):
            if y.d.shape != shape and y.parent.name not in DYNAMIC:
                return f"declared {shape}, computed {y.d.shape}"
        stage = "backward"
        for i in call.grad:
            xs[i].grad.zero()
        for y in ys:
            if call.grad and y.parent.need_grad:
                y.backward(1)
        for i in call.grad:
            if xs[i].g.shape != xs[i].shape:
                return f"gradient of shape {xs[i].g.shape} for {xs[i].shape}"
    except Exception as error:
        if MEMORY in str(error):
            return ""
        wrong = complaint(call, error)
        # That a gradient does not exist, backward may say.
        may_be_late = isinstance(error, GraphError) if stage == "backward" else call.late
        if not wrong and not may_be_late:
            wrong = f"could have been refused when the graph was built: {error!r}"
        return f"in {stage}: {wrong}" if wrong else ""
    return ""


def faults(calls: list[BadCall]) -> list[str]:
    """What is wrong with how these calls are taken, one line for each that something is wrong with."""
    found = []
    with limits():
        for call in calls:
            try:
                wrong = fault(call)
            except Hang:
                raise AssertionError(f"{call}: more than {PATIENCE} s for calls up to this one") from None
            if wrong:
                found.append(f"{call}: {wrong}")
    return found


# ---- all functions -----------------------------------------------------------------------------------------------


def test_every_function_has_a_good_call() -> None:
    public = {n for n, f in vars(F).items() if inspect.isfunction(f) and f.__module__ == F.__name__}
    assert {n for n in public if not n.startswith("_")} == set(GOOD)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_bad_calls_are_refused_or_run(name: str) -> None:
    good = representative(GOOD[name])
    # Some import what they need with the first gradient; that is not part of the time or memory of a bad call.
    assert [fault(call) for call in good] == [""] * len(good)
    calls = [bad for call in good for bad in derived(call)]
    chosen = random.Random(zlib.crc32(name.encode())).sample(calls, min(SAMPLE, len(calls)))
    # What kernels know least about.
    empty = [call for call in calls if call.what.endswith("of length 0")]
    assert not faults(chosen + empty)


@pytest.mark.heavy
def test_all_bad_calls_are_refused_or_run() -> None:
    found = []
    for good in GOOD.values():
        for call in representative(good):
            assert not fault(call)
            calls = list(derived(call))
            for at in range(0, len(calls), 100):
                found += faults(calls[at : at + 100])
    assert not found, "\n".join(found)


# ---- the judge itself --------------------------------------------------------------------------------------------


def raising(error: Exception) -> Callable[..., Any]:
    def call(x: Any, **args: Any) -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (raising(AttributeError("relu: x")), "not a clear error"),
        (raising(RuntimeError("relu: x")), "not a clear error"),
        (raising(ShapeError("x must have an axis")), "does not name the function"),
        (raising(ShapeError("relu: it must have an axis")), "does not name x"),
        (raising(TypeError("relu: x: '<' not supported between instances")), "the words of something inside"),
        (lambda x, **args: F.tanh(x), "accepted"),
    ],
)
def test_the_judge_finds(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], words: str) -> None:
    monkeypatch.setattr(F, "relu", function)
    assert words in fault(BadCall("relu", "a test", (np.ones(3),), {}, (0,), culprit="x"))


def test_the_judge_finds_what_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    call = BadCall("embed", "a test", (np.full(2, 9.0), np.ones((3, 4))), {}, (1,))
    assert "could have been refused when the graph was built" in fault(call)


# ---- some of what was found --------------------------------------------------------------------------------------


def cropped(x: nn.Variable, start: float, end: float) -> Any:
    """An `onnx_resize` of a part of the second axis."""
    roi = (0.0, start, 1.0, end)
    return F.onnx_resize(x, sizes=(2, 3), roi=roi, coordinate_transformation_mode="tf_crop_and_resize")


def regions(size: tuple[int, int], scale: tuple[float, float], ratio: int, edge: float = 3.0) -> Any:
    """A `roi_align` of one box of one image."""
    boxes = nn.Variable.from_numpy_array([[0.0, 1.0, 1.0, edge, 3.0]])
    return F.roi_align(nn.Variable((1, 1, 5, 5)), boxes, size, scale, ratio)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.relu(x, n_outputs="word"), "relu: n_outputs must be an integer, not 'word'"),
        (lambda x: F.relu(x, outputs=5), "relu: outputs must be a list of NdArrays, not int"),
        (lambda x: F.softmax(x, axis=10**30), "softmax: axis must be an integer of at most 64 bits"),
        (lambda x: F.add_scalar(x, 10**400), "add_scalar: val must be a number of at most 64 bits"),
        (lambda x: F.constant(0, (10**12,)), "constant: a result of shape .* has more elements than any memory"),
        (lambda x: F.concatenate(x, None), "concatenate: input x1 must be a Variable or an NdArray, not None"),
        (lambda x: F.clip_by_value("word", 0, 1), "clip_by_value: input x must be a Variable or an NdArray, not str"),
        (lambda x: F.clip_by_norm(x, "word"), "clip_by_norm: clip_norm must be a number, not 'word'"),
        (lambda x: F.clip_by_value(x, F.constant(0, (7,)), 1), r"clip_by_value: maximum2: .*number of axes"),
        (lambda x: F.binary_connect_affine(x, x, x), r"binary_connect_affine: affine: weight.shape\[0\]"),
        (lambda x: F.spectral_norm(x, x, itr=10**12), r"spectral_norm: itr must be in \[1, 100000\]"),
        (lambda x: F.fft(nn.Variable((0, 2)), 1), "fft: x must not have an axis of length 0"),
        (lambda x: F.quantize_linear(x, x, x, dtype="word"), "quantize_linear: dtype must be numpy.int8"),
        (lambda x: F.interpolate(x, scale=(1e308, 1e308)), "interpolate: scale must not lead to a length of inf"),
        (lambda x: F.interpolate(x, scale=(math.nan,)), "interpolate: scale must be finite"),
        (lambda x: F.interpolate(x, output_size=(1 << 40,)), r"interpolate: the result would have shape \(2, 1099511"),
        (lambda x: F.onnx_resize(x, scales=(1e300, 1)), "onnx_resize: scales must not lead to a length of 2e.300"),
        (lambda x: F.onnx_resize(x, scales=(1e9, 1e-9)), "onnx_resize: the result would have shape .*, more than can"),
        (lambda x: F.onnx_resize(x, sizes=(1 << 29, 1)), "onnx_resize: the result would have shape .*, more than can"),
        (lambda x: cropped(x, -1e300, 1.0), "onnx_resize: roi must be finite in float32"),
        (lambda x: cropped(x, -3e38, 3e38), "onnx_resize: roi must not lead out of float32"),
        (lambda x: regions((2, 2), (1e300, 1.0), 2), "roi_align: spatial_scale must have 2 entries, finite in the"),
        (lambda x: regions((2, 2), (1.0, math.nan), 2), "roi_align: spatial_scale must have 2 entries, finite in the"),
        (lambda x: regions((2, 2), (1.0, 1.0), 1 << 62), "roi_align: output_size .* and sampling_ratio need .*"),
        (lambda x: regions((1 << 40, 2), (1.0, 1.0), -1), "roi_align: output_size .* and sampling_ratio need .*"),
        (lambda x: regions((2, 2), (1e10, 1.0), 0).forward(), "roi_align: boxes times spatial_scale .* not need 1e.10"),
        (lambda x: regions((2, 2), (1e5, 1e5), 0).forward(), "roi_align: boxes times spatial_scale .* are too large"),
        (lambda x: regions((2, 2), (1.0, 1.0), 2, math.nan).forward(), "roi_align: boxes must not be NaN"),
    ],
)
def test_words(call: Callable[[nn.Variable], Any], words: str) -> None:
    with pytest.raises(CLEAR, match=words):
        call(nn.Variable((2, 3)))


def test_numbers_beyond_single_precision_are_infinite() -> None:
    x = nn.Variable.from_numpy_array([-1.0, 2.0])
    y = F.minimum_scalar(x, 1e300)
    y.forward()
    np.testing.assert_array_equal(y.d, x.d)
    assert y.parent.info.args["val"] == math.inf


@pytest.mark.parametrize(
    ("mode", "wrong"), [("repeat", math.nan), ("reflect", math.nan), ("reflect", math.inf), ("reflect", -math.inf)]
)
def test_coordinates_that_are_not_finite(mode: str, wrong: float) -> None:
    """ATen's kernel for the gradient writes beyond its array there. All other places have the usual gradient."""
    rng = np.random.RandomState(1)
    x = nn.Variable.from_numpy_array(rng.randn(2, 3, 5, 5), need_grad=True)
    places = rng.uniform(-0.9, 0.9, (2, 4, 4, 2))
    gradients = []
    # First without a share of that place in the gradient, then with a wrong coordinate.
    for coordinate, share in ((0.0, 0.0), (wrong, 1.0)):
        places[1, 2, 3, 0] = coordinate
        grid = nn.Variable.from_numpy_array(places, need_grad=True)
        y = F.warp_by_grid(x, grid, padding_mode=mode)
        y.forward()
        for v in (x, grid):
            v.grad.zero()
        dy = np.ones(y.shape)
        dy[1, :, 2, 3] = share
        y.backward(dy)
        gradients.append((x.g.copy(), grid.g.copy()))
    (dx, dgrid), (found_dx, found_dgrid) = gradients
    np.testing.assert_allclose(found_dx, dx, rtol=1e-5, atol=1e-6)
    dgrid[1, 2, 3, 0] = math.nan
    np.testing.assert_allclose(found_dgrid, dgrid, rtol=1e-5, atol=1e-6)


def test_an_offset_that_is_not_a_number() -> None:
    x, weight = nn.Variable.from_numpy_array(np.ones((1, 1, 4, 4))), nn.Variable.from_numpy_array(np.ones((1, 1, 1, 1)))
    offset = np.zeros((1, 2, 4, 4))
    offset[0, 0, 1, 2] = math.nan
    y = F.deformable_convolution(x, weight, nn.Variable.from_numpy_array(offset))
    y.forward()
    assert np.isnan(y.d).sum() == 1
    assert math.isnan(y.d[0, 0, 1, 2])
