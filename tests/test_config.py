"""Configuration files: which are read, and which value wins."""

import configparser
import runpy
import sys
from pathlib import Path

import pytest

from nnabla import config

DEFAULTS = {
    "DATA_ITERATOR": {
        "cache_file_format": ".npy",
        "data_source_file_cache_num_of_threads": "10",
        "cache_file_cache_num_of_threads": "4",
        "data_source_file_cache_size": "100",
        "data_source_file_cache_location": "",
        "data_source_buffer_max_size": "1073741824",
        "compat_139": "False",
        "allow_files_outside": "False",
    },
    "LOG": {
        "log_file_name": "",
        "log_file_level": "DEBUG",
        "log_file_format": (
            "%(asctime)s [%(name)s][%(levelname)s]: %(pathname)s : %(funcName)s : %(lineno)s : %(message)s"
        ),
        "log_console_level": "INFO",
        "log_console_format": "%(asctime)s [%(name)s][%(levelname)s]: %(message)s",
    },
    "MISC": {"misc_show_progress": "True", "nnp_param_format": ".h5"},
    "CALLBACK": {"util_callback_module": ""},
    "CHECKPOINT": {"optimizer_interval": "5"},
    "MULTINODE": {
        "analyse_gpu_status_interval": "20",
        "gpu_slowing_warning_threshold": "2",
        "gpu_slowing_error_threshold": "10",
        "collective_timeout": "1800",
        "check_collectives": "False",
    },
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home directory; the current directory is another empty one."""
    home, current = tmp_path / "home", tmp_path / "current"
    home.mkdir()
    current.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("APPDATA", str(home))
    monkeypatch.chdir(current)
    return home


def fresh_config():
    """The settings that a program started now would see."""
    return runpy.run_path(config.__file__)["nnabla_config"]


def as_dict(settings):
    return {section: dict(settings.items(section)) for section in settings.sections()}


def user_file(home):
    return home / "NNabla" / "nnabla.ini" if sys.platform == "win32" else home / ".nnabla"


def write(path: Path, text: str):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_defaults():
    assert as_dict(config._read(config._config_files()[:1])) == DEFAULTS


def test_settings_are_those_of_a_plain_parser():
    # With interpolation the formats of log messages could not be read.
    assert type(config.nnabla_config) is configparser.RawConfigParser
    assert config.nnabla_config.getint("DATA_ITERATOR", "data_source_file_cache_size") > 0


def test_local_file_wins_over_user_file_wins_over_default(home):
    write(user_file(home), "[LOG]\nlog_console_level = ERROR\nlog_file_level = ERROR\n")
    write(Path("nnabla.conf"), "[LOG]\nlog_file_level = WARNING\n")
    log = as_dict(fresh_config())["LOG"]
    assert log["log_console_level"] == "ERROR"
    assert log["log_file_level"] == "WARNING"
    assert log["log_console_format"] == DEFAULTS["LOG"]["log_console_format"]


def test_the_file_that_the_environment_names_wins(home, monkeypatch, tmp_path):
    """As seen on NNabla 1.39, where consoles hand their settings over in this way."""
    write(Path("nnabla.conf"), "[MISC]\na = local\nb = local\n")
    write(tmp_path / "console.conf", "[MISC]\na = named\n")
    monkeypatch.setenv("NNABLA_CONFIG_FILE_PATH", str(tmp_path / "console.conf"))
    settings = as_dict(fresh_config())["MISC"]
    assert (settings["a"], settings["b"]) == ("named", "local")
    monkeypatch.setenv("NNABLA_CONFIG_FILE_PATH", str(tmp_path / "missing.conf"))
    assert as_dict(fresh_config())["MISC"]["a"] == "local"


def test_order_of_files_on_posix(home, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    default, *others = config._config_files()
    assert Path(default) == Path(config.__file__).with_name("nnabla.conf")
    assert others == ["/etc/nnabla.conf", str(home / ".nnabla"), str(Path.cwd() / "nnabla.conf")]


def test_order_of_files_on_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PROGRAMDATA", "P")
    monkeypatch.setenv("APPDATA", "A")
    system, user = config._config_files()[1:3]
    assert Path(system) == Path("P", "NNabla", "nnabla.ini")
    assert Path(user) == Path("A", "NNabla", "nnabla.ini")


def test_sections_of_ones_own_are_kept(home):
    write(Path("nnabla.conf"), "[MINE]\nKey = Ωne value\n[EMPTY]\n")
    settings = fresh_config()
    assert settings.get("MINE", "key") == "Ωne value"
    assert settings.has_section("EMPTY")


def test_a_directory_is_not_a_configuration_file(home):
    user_file(home).mkdir(parents=True)
    Path("nnabla.conf").mkdir()
    assert set(DEFAULTS) <= set(as_dict(fresh_config()))


def test_broken_file_is_named(home):
    write(Path("nnabla.conf"), "x = 1\n")
    with pytest.raises(configparser.Error, match=r"nnabla\.conf"):
        fresh_config()
