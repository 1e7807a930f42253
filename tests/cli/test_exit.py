"""How a process ends: one alone as any does, one of several at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import LAUNCHED

_PROGRAM = """
import atexit
atexit.register(print, "the interpreter's end")
from civility.cli import main
main(["recipes"])
"""


@pytest.mark.parametrize(
    ("launcher", "ends_slowly"),
    [({}, True), ({"WORLD_SIZE": ""}, True), ({"WORLD_SIZE": "1"}, True), (LAUNCHED, False)],
)
def test_one_of_several_processes_leaves_without_the_interpreters_end(
    launcher: dict[str, str], *, ends_slowly: bool
) -> None:
    environment = {**os.environ, **launcher}
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert "baseline" in done.stdout, "what was printed is there in either case"
    assert ("the interpreter's end" in done.stdout) == ends_slowly


_TROUBLE = {
    "abc": ({"WORLD_SIZE": "abc"}, "error: the environment variable WORLD_SIZE is 'abc', expected a whole number"),
    "1.0": ({"WORLD_SIZE": "1.0"}, "error: the environment variable WORLD_SIZE is '1.0', expected a whole number"),
    "alone": (
        {"WORLD_SIZE": "2"},
        "error: WORLD_SIZE is 2 without RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT: a launcher sets them all",
    ),
    "local-rank": ({"LOCAL_RANK": "first"}, "error: the environment variable LOCAL_RANK is 'first', expected a whole"),
    "gpus": (
        {"CUDA_VISIBLE_DEVICES": "all"},
        "error: the environment variable CUDA_VISIBLE_DEVICES is 'all', expected",
    ),
    "threads": ({"OMP_NUM_THREADS": "many"}, "error: the environment variable OMP_NUM_THREADS is 'many', expected"),
}


@pytest.mark.parametrize("name", _TROUBLE)
@pytest.mark.parametrize("verb", ["train", "predict"])
def test_a_variable_of_a_launcher_that_makes_no_sense_is_told_before_any_work(
    verb: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from civility.cli import main

    environment, message = _TROUBLE[name]
    monkeypatch.chdir(tmp_path)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as stop:
        main([verb, "no-such-recipe-or-classifier", "--data", "no-such-file.csv"])
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert not list(tmp_path.iterdir())
