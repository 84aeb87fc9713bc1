"""Hooks of a program that runs the command line; which module is asked was seen on NNabla 1.39."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nnabla.utils import callback

FIRST = """
def update_progress(text): print("first", text)
def result_base(base, suffix, outdir): return None
"""
SECOND = """
def update_progress(text): print("second", text)
def result_base(base, suffix, outdir): return "second"
def get_timelimit(args): return 55
def update_status(state=None, start=False, start_time=None): print(state, start, start_time)
"""
PROGRAM = """
from nnabla.utils import callback as c
c.update_progress("half")
c.update_status(("a", 1), True)
print(c.result_base(None, "s", "out"), c.get_timelimit(None), c.get_callback_version(), len(c.callback_list))
"""


def seen(tmp_path, modules):
    (tmp_path / "first.py").write_text(FIRST)
    (tmp_path / "second.py").write_text(SECOND)
    (tmp_path / "nnabla.conf").write_text(f"[CALLBACK]\nutil_callback_module = {modules}\n")
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"NNABLA_CONFIG_FILE_PATH": str(tmp_path / "nnabla.conf"), "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ("first", ["first half", "None -1 None 1"]),
        ("second, first", ["second half", "('a', 1) True None", "second 55 None 2"]),
        # The first module that has a hook is asked, and no other, even if it has nothing to say.
        ("first,second", ["first half", "('a', 1) True None", "None 55 None 2"]),
    ],
)
def test_the_first_module_that_has_a_hook_is_called(tmp_path, modules, expected):
    assert seen(tmp_path, modules)[0] == expected


def test_a_module_that_is_not_there_is_told(tmp_path):
    lines, errors = seen(tmp_path, "nosuch, second")
    assert lines == ["None -1 None 0"]
    assert "util_callback_module in section CALLBACK of the configuration: No module named 'nosuch'" in errors


def test_without_a_module():
    assert callback.callback_list == []
    results = [
        callback.alternative_cli(None),
        callback.get_callback_version(),
        callback.get_best_from_status(None),
        callback.update_time_train(),
        callback.save_train_snapshot(),
        callback.update_status(),
        callback.add_train_command_arg(None),
        callback.get_timelimit(None),
        callback.process_evaluation_result("o", "f"),
        callback.update_forward_time(),
        callback.check_training_time(None, None, None, 1, 2),
        callback.result_base("b", "s", "o"),
        callback.update_progress("text"),
        callback.get_load_image_func(".png"),
    ]
    assert results == [None, None, (None, None), None, None, None, None, -1, None, None, True, None, None, None]
