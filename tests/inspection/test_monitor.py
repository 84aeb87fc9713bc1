"""Files that monitors leave. File names, lines and pixels are those of NNabla 1.39."""

import logging
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

import nnabla as nn
from nnabla.errors import ArgumentError
from nnabla.inspection import monitors as M


@pytest.fixture
def monitor(tmp_path):
    return M.Monitor(tmp_path / "runs" / "first")


@pytest.fixture
def logged():
    """Messages that are logged during the test."""
    messages = []

    class Collect(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    handler = Collect()
    nn.logger.addHandler(handler)
    yield messages
    nn.logger.removeHandler(handler)


@pytest.fixture
def clock(monkeypatch):
    """The time, to be set by the test."""

    class Clock:
        now = 1000.0

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(M, "time", clock)
    return clock


def files(monitor):
    return sorted(str(p.relative_to(monitor.save_path)) for p in monitor.save_path.rglob("*") if p.is_file())


def text(monitor, name):
    return (monitor.save_path / name).read_text()


def pixels(monitor, name):
    with Image.open(monitor.save_path / name) as image:
        assert image.format == "PNG"
        return image.mode, np.asarray(image).tolist()


def images(*shape, seed=0):
    return np.random.RandomState(seed).rand(*shape)


# Series


def test_series_writes_means_of_intervals(monitor, logged):
    series = M.MonitorSeries("train loss  x.Y", monitor, interval=3)
    for index, value in enumerate([1, 2.5, np.float32(3.3), np.array(4.0), np.array([5.0]), np.array([[6.0, 7.0]]), 8]):
        series.add(index, value)
    assert files(monitor) == ["train-loss--x.Y.series.txt"]
    assert text(monitor, "train-loss--x.Y.series.txt") == "2 2.26667\n5 5.16667\n"
    assert logged == [
        "iter=2 {train loss  x.Y}=2.2666666507720947",
        "iter=5 {train loss  x.Y}=5.166666666666667",
    ]


def test_series_counts_iterations_from_the_line_before(monitor):
    series = M.MonitorSeries("s", monitor, interval=2, verbose=False)
    for index in [0, 5, 7, 8, 3, 10, 11]:
        series.add(index, index)
    assert text(monitor, "s.series.txt") == "5 2.5\n7 7\n10 7\n"
    assert series.flush_at == 10
    assert series.buf == [11]


def test_series_writes_every_line_at_once(monitor):
    series = M.MonitorSeries("s", monitor, verbose=False)
    for index in range(3):
        series.add(index, index / 3)
        assert len(text(monitor, "s.series.txt").splitlines()) == index + 1
    assert text(monitor, "s.series.txt") == "0 0\n1 0.333333\n2 0.666667\n"


def test_new_series_empties_the_file(monitor):
    for _ in range(2):
        M.MonitorSeries("s", monitor, verbose=False).add(0, 1)
    assert text(monitor, "s.series.txt") == "0 1\n"


def test_series_takes_what_a_variable_holds_now(monitor):
    loss = nn.Variable(())
    series = M.MonitorSeries("s", monitor, interval=4, verbose=False)
    for index, take in enumerate([lambda: loss, lambda: loss.data, lambda: loss.d, lambda: loss.d.copy()]):
        loss.d = index
        series.add(index, take())
    assert text(monitor, "s.series.txt") == "3 1.5\n"


def test_series_without_a_monitor_only_logs(logged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    series = M.MonitorSeries("s")
    series.add(0, 0.5)
    assert logged == ["iter=0 {s}=0.5"]
    assert series.sp is None
    assert list(tmp_path.iterdir()) == []


def test_silent_series_does_not_log(monitor, logged):
    M.MonitorSeries("s", monitor, verbose=False).add(0, 1)
    assert logged == []


@pytest.mark.parametrize("interval", [0, -1])
def test_interval_below_one_means_every_iteration(monitor, interval):
    series = M.MonitorSeries("s", monitor, interval, verbose=False)
    series.add(0, 1)
    series.add(1, 1)
    assert text(monitor, "s.series.txt") == "0 1\n1 1\n"


@pytest.mark.parametrize("value", ["8", None, np.zeros(0), [1, "a"], 1j])
def test_series_refuses_what_is_not_a_number(monitor, value):
    series = M.MonitorSeries("loss", monitor, interval=2, verbose=False)
    series.add(0, 3)
    with pytest.raises(TypeError, match=r"MonitorSeries.add: 'loss' takes numbers, not "):
        series.add(1, value)
    series.add(1, 5)
    assert text(monitor, "loss.series.txt") == "1 4\n"


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), interval=st.integers(1, 7))
def test_mean_of_all_lines_is_the_mean_of_all_values(tmp_path_factory, values, interval):
    monitor = M.Monitor(tmp_path_factory.mktemp("series"))
    values += [0.0] * (-len(values) % interval)
    series = M.MonitorSeries("s", monitor, interval, verbose=False)
    for index, value in enumerate(values):
        series.add(index, value)
    lines = np.loadtxt(series.sp, ndmin=2)
    assert lines[:, 0].tolist() == list(range(interval - 1, len(values), interval))
    np.testing.assert_allclose(lines[:, 1].mean(), np.mean(values), rtol=1e-4, atol=5)


# Times


def test_timer_writes_lap_iterations_and_total(monitor, logged, clock):
    timer = M.MonitorTimeElapsed("epoch time", monitor, interval=2)
    for index in [0, 5, 6, 7, 20]:
        clock.now += 0.5
        timer.add(index)
    assert text(monitor, "epoch-time.timer.txt") == "5 1.0 6 1.0\n7 1.0 2 2.0\n20 0.5 13 2.5\n"
    assert logged == [
        "iter=5 {epoch time}=1.0[sec/6iter] 1.0[sec]",
        "iter=7 {epoch time}=1.0[sec/2iter] 2.0[sec]",
        "iter=20 {epoch time}=0.5[sec/13iter] 2.5[sec]",
    ]


def test_timer_without_a_monitor_only_logs(logged, clock):
    timer = M.MonitorTimeElapsed("t", interval=1)
    timer.add(0)
    assert logged == ["iter=0 {t}=0.0[sec/1iter] 0.0[sec]"]


# Images


def test_images_are_scaled_together_and_written_one_by_one(monitor, logged):
    M.MonitorImage("im ages", monitor).add(0, images(3, 1, 2, 3))
    assert files(monitor) == [f"im-ages/000000-00{i}.png" for i in range(3)]
    assert pixels(monitor, "im-ages/000000-000.png") == ("L", [[142, 187, 157], [141, 109, 169]])
    assert pixels(monitor, "im-ages/000000-001.png") == ("L", [[112, 235, 255], [98, 208, 137]])
    assert pixels(monitor, "im-ages/000000-002.png") == ("L", [[148, 244, 13], [18, 0, 219]])
    where = monitor.save_path / "im-ages" / "000000-*.png"
    assert logged == [f"iter=0 {{im ages}} are written to {where}."]


def test_images_may_be_a_variable_or_an_ndarray(monitor):
    variable = nn.Variable((3, 1, 2, 3))
    variable.d = images(3, 1, 2, 3)
    for value in variable, variable.data:
        M.MonitorImage("x", monitor, verbose=False).add(0, value)
        assert pixels(monitor, "x/000000-002.png") == ("L", [[148, 244, 13], [18, 0, 219]])


@pytest.mark.parametrize("kind", [M.MonitorImage, M.MonitorImageTile])
def test_turns_of_images(monitor, kind):
    image = kind("x", monitor, interval=3, num_images=1, verbose=False)
    for index in range(14):
        image.add(index, images(1, 1, 1, 2))
    assert [name[2:8] for name in files(monitor)] == ["000000", "000002", "000005", "000008", "000011"]


def test_number_of_images_is_limited_before_they_are_scaled(monitor):
    M.MonitorImage("x", monitor, num_images=2, verbose=False).add(0, images(3, 1, 2, 3) * [[[[1]]], [[[1]]], [[[99]]]])
    assert files(monitor) == ["x/000000-000.png", "x/000000-001.png"]
    assert pixels(monitor, "x/000000-001.png")[1][0][2] == 255


def test_leading_axes_are_all_samples(monitor):
    M.MonitorImage("x", monitor, num_images=4, verbose=False).add(0, images(2, 3, 1, 2, 2))
    assert len(files(monitor)) == 4
    M.MonitorImage("single", monitor, verbose=False).add(0, images(1, 2, 2))
    assert "single/000000-000.png" in files(monitor)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ([0.0, 0.2], [0, 51, 255]),
        ([0.0, 0.2, 0.4], [0, 51, 102]),
        ([0.0, 0.2, 0.4, 0.6, 0.8], [0, 51, 102]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.uint8])
def test_channels(monitor, channels, expected, dtype):
    x = np.array(channels).reshape(1, -1, 1, 1)
    x = (x * 255).astype(dtype) if dtype == np.uint8 else x
    M.MonitorImage("x", monitor, verbose=False, normalize_method=lambda x: x).add(0, x)
    assert pixels(monitor, "x/000000-000.png") == ("RGB", [[expected]])
    M.MonitorImageTile("t", monitor, verbose=False, normalize_method=lambda x: x).add(0, x)
    assert pixels(monitor, "t/000000.png") == ("RGB", [[expected, [0] * 3], [[0] * 3] * 2])


def test_normalized_values_are_cut_to_whole_levels(monitor):
    x = np.array([0, 0.4999, 0.5001, 1.5, 2.5, 254.999, 255]).reshape(1, 1, 1, -1) / 255
    image = M.MonitorImage("x", monitor, verbose=False, normalize_method=lambda x: x)
    for dtype in np.float64, np.float32:
        image.add(0, x.astype(dtype))
        assert pixels(monitor, "x/000000-000.png") == ("L", [[0, 0, 0, 1, 2, 254, 255]])


@pytest.mark.parametrize("x", [np.array([0, 1]), np.array([False, True]), np.array([0, 1], np.int8)])
def test_zero_and_one_of_any_type_are_black_and_white(monitor, x):
    for method in (lambda x: x), None:
        M.MonitorImage("x", monitor, verbose=False, normalize_method=method).add(0, x.reshape(1, 1, 1, 2))
        assert pixels(monitor, "x/000000-000.png") == ("L", [[0, 255]])


def test_normalize_method_sees_the_images_to_be_written(monitor):
    shapes = []

    def keep(x):
        shapes.append(x.shape)
        return x

    M.MonitorImage("x", monitor, verbose=False, num_images=2, normalize_method=keep).add(0, images(5, 4, 2, 3))
    M.MonitorImageTile("t", monitor, verbose=False, normalize_method=keep).add(0, images(5, 2, 4, 2, 3))
    assert shapes == [(2, 4, 2, 3), (10, 4, 2, 3)]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([0, 1, 2], [0, 0.5, 1]),
        ([7, 7, 7], [0, 0, 0]),
        ([-3, 5, 5], [0, 1, 1]),
        ([1e-30, 2e-30, 2e-30], [0, 1, 1]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_default_normalize_method(monitor, x, expected, dtype):
    result = M.MonitorImage("x", monitor).default_normalize_method(np.array(x, dtype))
    assert result.dtype == dtype
    assert result.tolist() == expected


def test_default_normalize_method_of_integers_does_not_overflow(monitor):
    result = M.MonitorImage("x", monitor).default_normalize_method(np.array([-100, 0, 100], np.int8))
    assert result.tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("x", [[np.nan, 1], [0, np.inf]])
def test_values_that_are_not_finite_become_black(monitor, x):
    M.MonitorImage("x", monitor, verbose=False).add(0, np.array(x).reshape(1, 1, 1, 2))
    assert pixels(monitor, "x/000000-000.png") == ("L", [[0, 0]])


def test_tile_is_one_image(monitor, logged):
    x = np.array([10, 20, 30]).reshape(3, 1, 1, 1) / 255 + 1e-9
    M.MonitorImageTile("t i", monitor, normalize_method=lambda x: x).add(7 * 1000 - 1, x)
    assert pixels(monitor, "t-i/006999.png") == ("L", [[10, 0, 20, 0], [0] * 4, [30, 0, 0, 0], [0] * 4])
    assert logged == [f"iter=6999 {{t i}} is written to {monitor.save_path / 't-i' / '006999.png'}."]


@pytest.mark.parametrize("kind", [M.MonitorImage, M.MonitorImageTile])
@pytest.mark.parametrize(
    ("x", "method", "message"),
    [
        (images(2, 3), None, r"images need shape \(\.\.\., channels, height, width\) .* got \(2, 3\)"),
        (images(0, 1, 2, 2), None, r"no axis may be empty; got \(0, 1, 2, 2\)"),
        (
            images(2, 1, 2, 2),
            lambda x: x * 0 + 2,
            r"must be uint8 or have values in \[0, 1\]; .* \[2\.0, 2\.0\]",
        ),
        (images(2, 1, 2, 2), lambda x: x - 1, r"must be uint8 or have values in \[0, 1\]"),
        (images(2, 1, 2, 2), lambda x: x[0], r"must return images of shape \(2, 1, 2, 2\), not \(1, 2, 2\)"),
    ],
)
def test_bad_images_leave_no_file(monitor, kind, x, method, message):
    image = kind("x", monitor, verbose=False, normalize_method=method)
    with pytest.raises(ArgumentError, match=rf"{kind.__name__}\.add: .*{message}"):
        image.add(0, x)
    assert files(monitor) == []


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (
            lambda m: M.MonitorSeries("s", "directory"),
            TypeError,
            "MonitorSeries: monitor must be a Monitor, not 'dir",
        ),
        (lambda m: M.MonitorImage("s", None), TypeError, "MonitorImage: monitor must be a Monitor, not None"),
        (lambda m: M.MonitorSeries("s", m, interval=None), TypeError, "interval must be a number, not None"),
        (
            lambda m: M.MonitorTimeElapsed("s", m, interval="1"),
            TypeError,
            "interval must be a number, not '1'",
        ),
        (
            lambda m: M.MonitorImageTile("s", m, num_images=0),
            ArgumentError,
            "MonitorImageTile: num_images must be",
        ),
    ],
)
def test_bad_arguments(monitor, wrong, error, message):
    with pytest.raises(error, match=message):
        wrong(monitor)
    assert files(monitor) == []


# Tiles


def test_tile_images_of_one_channel_have_two_axes():
    data = np.arange(10, 14, dtype=np.float32).reshape(2, 1, 1, 2)
    tiled = M.tile_images(data)
    assert tiled.dtype == np.float32
    assert tiled.tolist() == [[10, 11, 0, 12, 13, 0], [0] * 6, [0] * 6, [0] * 6]


def test_tile_images_without_padding():
    assert M.tile_images(np.arange(3).reshape(3, 1, 1, 1), padsize=0, padval=9).tolist() == [[0, 1], [2, 9]]


def test_tile_images_of_variables():
    variable = nn.Variable((1, 1, 1, 1))
    variable.d = 5
    assert M.tile_images(variable).tolist() == M.tile_images(variable.data).tolist() == [[5, 0], [0, 0]]


@given(
    batch=st.integers(0, 17),
    channels=st.integers(1, 4),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padsize=st.integers(0, 2),
)
def test_every_image_is_found_in_its_tile(batch, channels, size, padsize):
    data = np.random.RandomState(0).rand(batch, channels, *size)
    tiled = M.tile_images(data, padsize, padval=-1)
    n = int(np.ceil(np.sqrt(batch)))
    high, wide = (length + padsize for length in size)
    assert tiled.shape == (n * high, n * wide, channels)[: 2 if channels == 1 else 3]
    tiled = tiled.reshape(n * high, n * wide, channels)
    for i in range(n * n):
        top, left = i // n * high, i % n * wide
        tile = tiled[top : top + size[0], left : left + size[1]]
        assert np.array_equal(tile, data[i].transpose(1, 2, 0) if i < batch else np.full((*size, channels), -1))
    assert np.count_nonzero(tiled == -1) == tiled.size - data.size


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [((2, 2, 2), {}), ((1, 1, 2, 2), {"padsize": -1}), ((1, 3, 2, 2), {"padval": (1, 2, 3)})],
)
def test_tile_images_refuses(shape, arguments):
    with pytest.raises(ArgumentError, match=r"tile_images: need data of shape \(batch, channels, height, width\)"):
        M.tile_images(np.zeros(shape), **arguments)


# Plots


@pytest.fixture
def axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.close("all")
    yield pyplot.gca()
    pyplot.close("all")


def points(line):
    return line.get_xdata().tolist(), line.get_ydata().tolist()


def test_plot_series(monitor, axes):
    series = M.MonitorSeries("s", monitor, interval=2, verbose=False)
    for index in range(6):
        series.add(index, index)
    M.plot_series(series.sp)
    M.plot_series(series.sp, {"label": "config A", "linestyle": "--"})
    assert [points(line) for line in axes.lines] == [([1, 3, 5], [0.5, 2.5, 4.5])] * 2
    assert axes.lines[1].get_label() == "config A"
    assert axes.lines[1].get_linestyle() == "--"


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)])
def test_plot_time_elapsed(monitor, axes, clock, unit, seconds):
    timer = M.MonitorTimeElapsed("t", monitor, interval=1, verbose=False)
    for index, duration in enumerate([1, 2, 4]):
        clock.now += duration * seconds
        timer.add(index)
    M.plot_time_elapsed(timer.sp, unit=unit)
    M.plot_time_elapsed(timer.sp, elapsed=True, unit=unit, plot_kwargs={"label": "total"})
    assert [points(line) for line in axes.lines] == [([0, 1, 2], [1, 2, 4]), ([0, 1, 2], [1, 3, 7])]
    assert axes.lines[1].get_label() == "total"


def test_plot_of_a_series_without_lines(monitor, axes):
    M.plot_series(M.MonitorSeries("s", monitor).sp)
    assert points(axes.lines[0]) == ([], [])


def test_bad_files_are_not_plotted(tmp_path, axes):
    path = tmp_path / "s.series.txt"
    path.write_text("1 2\n3 x\n")
    with pytest.raises(ArgumentError, match=r"plot_series: '.*s\.series\.txt', line 2: expected at least 2 numbers"):
        M.plot_series(path)
    path.write_text("1 2\n")
    with pytest.raises(ArgumentError, match=r"plot_time_elapsed: .* line 1: expected at least 4 numbers, not '1 2"):
        M.plot_time_elapsed(path, elapsed=True)
    with pytest.raises(FileNotFoundError):
        M.plot_series(tmp_path / "none")
    with pytest.raises(ArgumentError, match="plot_time_elapsed: unit must be one of s, m, h, d, not 'w'"):
        M.plot_time_elapsed(path, unit="w")
    assert not axes.lines


def test_plot_without_matplotlib_names_the_extra(monitor, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"plot_series needs matplotlib: pip install 'nnabla\[plot\]'"):
        M.plot_series(M.MonitorSeries("s", monitor).sp)


def test_monitor_makes_its_directory_once(tmp_path):
    for _ in range(2):
        monitor = M.Monitor(str(tmp_path / "a" / "b"))
        assert monitor.save_path == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
