"""What is logged, where, and in which format."""

import importlib
import logging
import re
import subprocess
import sys

import pytest

import nnabla as nn
import nnabla.logger
from nnabla.config import nnabla_config

# `nnabla.logger` is the Logger, as in NNabla 1.x.
module = sys.modules["nnabla.logger"]


@pytest.fixture
def settings():
    """Sets options of section LOG, and reads them; everything is as before after the test."""
    before = dict(nnabla_config.items("LOG"))

    def load(**options):
        for name, value in options.items():
            nnabla_config.set("LOG", name, value)
        return importlib.reload(module)

    yield load
    load(**before)


@pytest.fixture
def root_handler():
    """Adds handlers to the root logger for one test."""
    handlers = []

    def add(handler):
        handlers.append(handler)
        logging.getLogger().addHandler(handler)

    yield add
    for handler in handlers:
        logging.getLogger().removeHandler(handler)


def log_at_every_level(logger):
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, level)("a message at level %s", level)


def test_logger_is_found_by_all_its_names():
    assert nn.logger is module.logger
    assert nn.logger is logging.getLogger("nnabla")


def test_console_shows_info_and_above_in_the_format_of_nnabla(settings, capsys):
    log_at_every_level(settings().logger)
    output, lines = capsys.readouterr()
    assert output == ""
    levels = ["info", "warning", "error", "critical"]
    for line, level in zip(lines.splitlines(), levels, strict=True):
        time, message = line[:23], line[23:]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", time)
        assert message == f" [nnabla][{level.upper()}]: a message at level {level}"


@pytest.mark.parametrize(("level", "count"), [("DEBUG", 5), ("warning", 3), ("CRITICAL", 1)])
def test_console_level_is_configured(settings, capsys, level, count):
    log_at_every_level(settings(log_console_level=level).logger)
    assert len(capsys.readouterr().err.splitlines()) == count


def test_level_of_the_logger_decides_what_the_console_shows(settings, capsys):
    logger = settings().logger
    logger.setLevel(logging.DEBUG)
    logger.debug("all")
    logger.setLevel(logging.ERROR)
    logger.warning("nothing")
    assert "all" in capsys.readouterr().err


def test_module_imported_twice_logs_once(settings, capsys):
    settings()
    settings().logger.info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_log_file_gets_what_the_console_does_not_show(settings, tmp_path, capsys):
    path = tmp_path / "nnabla.log"
    file = {"log_file_name": str(path), "log_file_format": "%(levelname)s %(funcName)s"}
    log_at_every_level(settings(**file, log_console_level="ERROR").logger)
    where = log_at_every_level.__name__
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    assert path.read_text().splitlines() == [f"{level} {where}" for level in levels]
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_log_file_level_is_configured(settings, tmp_path):
    path = tmp_path / "nnabla.log"
    log_at_every_level(settings(log_file_name=str(path), log_file_level="CRITICAL").logger)
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("option", ["log_console_level", "log_file_level"])
def test_unknown_level_is_refused(settings, tmp_path, option):
    message = f"{option} in section LOG must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'LOUD'"
    with pytest.raises(ValueError, match=message):
        settings(log_file_name=str(tmp_path / "log"), **{option: "LOUD"})


def test_root_logger_is_not_touched(settings):
    root = logging.getLogger()
    before = list(root.handlers), root.level
    settings()
    assert (list(root.handlers), root.level) == before


def test_program_that_logs_to_the_console_sees_messages_once(settings, root_handler, capsys):
    logger = settings().logger
    root_handler(logging.StreamHandler(sys.stderr))
    logger.info("once")
    assert capsys.readouterr().err == "once\n"


def test_console_still_shows_what_the_root_logger_leaves_out(settings, root_handler, capsys):
    logger = settings().logger
    errors_only = logging.StreamHandler(sys.stderr)
    errors_only.setLevel(logging.ERROR)
    root_handler(errors_only)
    logger.info("information")
    assert capsys.readouterr().err.count("information") == 1


def test_program_that_logs_to_a_file_gets_messages_too(settings, root_handler, tmp_path, capsys):
    logger = settings().logger
    file_handler = logging.FileHandler(tmp_path / "log")
    root_handler(file_handler)
    logger.info("twice")
    file_handler.close()
    assert "twice" in (tmp_path / "log").read_text()
    assert "twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("imported", "named"),
    [("nnabla", ["CPU"]), ("nnabla_ext.cpu", ["CPU"]), ("nnabla_ext.cudnn", ["CPU", "CUDA", "cuDNN"])],
)
def test_extensions_say_that_they_are_there(imported, named):
    """As the manual shows it, once each."""
    script = f"import {imported}; import {imported}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = [f"[nnabla][INFO]: Initializing {name} extension..." for name in named]
    assert [line.split(" ", 2)[2] for line in done.stderr.splitlines()] == lines
    assert done.stdout == ""
