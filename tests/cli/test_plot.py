"""``plot_series`` and ``plot_timer``: what is in the picture, and that it is written."""

from __future__ import annotations

import pytest

from .running import run

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture
def drawn(monkeypatch):
    """Facts of every axes at the time when its figure is saved."""
    found = []
    save = plt.savefig

    def record(*args, **kwargs):
        axes = plt.gca()
        lines = [(line.get_label(), line.get_xydata().tolist()) for line in axes.get_lines()]
        found.append((lines, axes.get_xlabel(), axes.get_ylabel(), axes.get_title(), axes.get_xlim(), axes.get_ylim()))
        return save(*args, **kwargs)

    monkeypatch.setattr(plt, "savefig", record)
    return found


def test_series(tmp_path, drawn):
    for name, scale in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.series.txt").write_text(f"0 {scale}.0\n10 {scale * 0.5}\n")
    a, b = tmp_path / "a.series.txt", tmp_path / "b.series.txt"
    options = ("-l", "first", "-x", "epoch", "-y", "loss", "-t", "both", "-T", 4, "-B", -1, "-L", 0, "-R", 10)
    assert run("plot_series", a, b, "-o", tmp_path / "p.png", *options) == 0
    lines = [("first", [[0, 1], [10, 0.5]]), (str(b), [[0, 2], [10, 1]])]
    assert drawn == [(lines, "epoch", "loss", "both", (0, 10), (-1, 4))]
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("options", "label", "last"), [((), "Time [s]", 60), (("-e", "-u", "m"), "Elapsed time [m]", 3)]
)
def test_timer(tmp_path, drawn, options, label, last):
    path = tmp_path / "t.timer.txt"
    path.write_text("0 120.0 1 120.0\n1 60.0 1 180.0\n")
    assert run("plot_timer", path, "-o", tmp_path / "p.svg", *options) == 0
    ((lines, _, ylabel, *_),) = drawn
    assert lines[0][1][-1] == [1, last]
    assert ylabel == label


def test_a_file_of_another_kind_is_refused(tmp_path, capsys):
    (tmp_path / "x.txt").write_text("nothing\n")
    assert run("plot_series", tmp_path / "x.txt", "-o", tmp_path / "p.png") == 255
    assert "line 1: expected at least 2 numbers" in capsys.readouterr().err
    assert not (tmp_path / "p.png").exists()
