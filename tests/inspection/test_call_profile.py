"""`function_profile.profile`: which calls are profiled and what is printed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from nnabla.utils.function_profile import FunctionProfile, profile


def work(n):
    """Sum of squares."""
    return sum(i * i for i in range(n))


# The layout of NNabla 1.39, without what Python's profiler says itself.
LAYOUT = re.compile(
    r'--- Function Profiling ---\nFile "(.*)", line (\d+), function (\w+)\n +(\d+) function calls in .*\n\n'
    r"   Ordered by: (.*)\n(?:.*\n)+\n\n--------------------------\n"
)


def printed(capsys):
    return LAYOUT.findall(capsys.readouterr().out)


def test_print_freq(capsys):
    profiled = profile(work, print_freq=2)
    assert [profiled(4) for _ in range(3)] == [14, 14, 14]
    (found,) = printed(capsys)
    line = str(work.__code__.co_firstlineno)
    assert found == (__file__, line, "work", "16", "cumulative time, internal time, call count")
    assert profiled.profiler.ncalls == 1
    assert (profiled.__name__, profiled.__doc__) == ("work", "Sum of squares.")


def test_condition_sorting_and_restrictions(capsys):
    @profile(condition=lambda n: n > 5, print_freq=1, sort_keys=("time",), print_restrictions=[3])
    def run(n):
        return work(n)

    run(1)
    assert printed(capsys) == []
    run(9)
    assert [found[4] for found in printed(capsys)] == ["internal time"]


def test_inner_calls_belong_to_the_outer(capsys):
    inner = FunctionProfile(work, print_freq=10)
    outer = FunctionProfile(lambda: inner(3), print_freq=10)
    assert outer() == 5
    assert (outer.ncalls, inner.ncalls, FunctionProfile.profiling) == (1, 0, False)


def test_statistics_are_kept_and_forgotten(capsys):
    found = FunctionProfile(work, print_freq=10)
    found.print_stats()
    assert capsys.readouterr().out == ""
    found(2)
    found.print_stats(reset=False)
    assert found.ncalls == 1
    found.reset_stats()
    assert (found.ncalls, found.stats) == (0, None)


def test_errors_pass():
    def fail():
        raise KeyError("x")

    found = FunctionProfile(fail, print_freq=10)
    with pytest.raises(KeyError):
        found()
    assert not FunctionProfile.profiling and found.ncalls == 1


def test_at_the_end_of_a_program():
    program = (
        "from nnabla.utils.function_profile import profile\n"
        "@profile\n"
        "def f(): return 3\n"
        "@profile\n"
        "def never(): return 3\n"
        "f(); print('end')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("end\n--- Function Profiling ---") and run.stdout.count("function f\n") == 1
    assert "never" not in run.stdout and "Traceback" not in run.stderr
