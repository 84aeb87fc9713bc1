"""Progress in a file and by a callback."""

import datetime

import pytest

from nnabla import progress as P


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that the test moves; what is configured is forgotten after the test."""

    class Clock(datetime.datetime):
        time = datetime.datetime(2020, 1, 1)

        @classmethod
        def now(cls):
            return cls.time

        @classmethod
        def pass_seconds(cls, seconds):
            cls.time += datetime.timedelta(seconds=seconds)

    Clock.time = datetime.datetime(2020, 1, 1)
    monkeypatch.setattr(P, "state_file_name", "")
    monkeypatch.setattr(P, "state_callback", None)
    monkeypatch.setattr(P, "last_state_datetime", Clock.time)
    monkeypatch.setattr(P.datetime, "datetime", Clock)
    return Clock


def test_nothing_is_written_unless_configured(tmp_path, monkeypatch, clock):
    monkeypatch.chdir(tmp_path)
    clock.pass_seconds(5)
    P.progress("training", 0.5)
    P.configure_progress(None)
    P.progress("training", 0.5)
    assert list(tmp_path.iterdir()) == []


def test_file_is_written_once_a_second_and_emptied_at_once(tmp_path, clock):
    path = tmp_path / "state.txt"
    P.configure_progress(path)
    assert path.read_text() == ""
    P.progress("training", 0.1)
    assert path.read_text() == ""
    clock.pass_seconds(1.1)
    P.progress("training", 0.25)
    assert path.read_text() == "training (25.00%)"
    P.progress("training", 0.3)
    assert path.read_text() == "training (25.00%)"
    P.progress(None)
    assert path.read_text() == ""
    clock.pass_seconds(1.1)
    P.progress("done")
    assert path.read_text() == "done (0.00%)"


def test_configuring_empties_the_file(tmp_path):
    path = tmp_path / "state.txt"
    path.write_text("from an earlier run")
    P.configure_progress(path)
    assert path.read_text() == ""


def test_callback_gets_every_call_and_stays_until_replaced(tmp_path):
    calls = []
    P.configure_progress(None, lambda *arguments: calls.append(arguments))
    P.progress("a", 0.5)
    P.configure_progress(tmp_path / "state.txt")
    P.progress("b")
    assert calls == [(None, 0.0), ("a", 0.5), (None, 0.0), ("b", 0.0)]
    others = []
    P.configure_progress(None, lambda *arguments: others.append(arguments))
    P.progress("c", 1.0)
    assert len(calls) == 4
    assert others == [(None, 0.0), ("c", 1.0)]


def test_missing_directory_is_an_error_at_once_and_changes_nothing(tmp_path):
    calls = []
    P.configure_progress(tmp_path / "state.txt", lambda *arguments: calls.append(arguments))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        P.configure_progress(tmp_path / "nowhere" / "state.txt", lambda *arguments: None)
    P.progress("later", 0.5)
    assert calls[-1] == ("later", 0.5)
    assert (tmp_path / "state.txt").read_text() == ""


def test_file_that_is_being_read_is_tried_again(tmp_path, monkeypatch, clock):
    path = tmp_path / "state.txt"
    pauses = []
    monkeypatch.setattr(P.time, "sleep", pauses.append)
    refusals = iter([PermissionError(13, "being read")] * 3)

    def open_when_free(*arguments, **keywords):
        for error in refusals:
            raise error
        return open(*arguments, **keywords)

    monkeypatch.setattr(P, "open", open_when_free, raising=False)
    P.configure_progress(path)
    assert path.exists()
    assert len(pauses) == 3


def test_file_that_stays_locked_is_an_error(tmp_path, monkeypatch):
    def refuse(*arguments, **keywords):
        raise PermissionError(13, "being read")

    monkeypatch.setattr(P.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(P, "open", refuse, raising=False)
    with pytest.raises(PermissionError, match="being read"):
        P.configure_progress(tmp_path / "state.txt")
