"""How a process ends: one alone as any does, one of several at once."""

import os
import subprocess
import sys
from collections.abc import Callable
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


def _with_closed_pipe(arguments: list[str], stream: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command whose standard output, or standard error too, is a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    stderr = writing if stream == "both" else subprocess.PIPE
    try:
        return subprocess.run([sys.executable, "-m", "civility", *arguments], stdout=writing, stderr=stderr)
    finally:
        os.close(writing)


def test_a_closed_pipe_ends_no_run_and_changes_no_exit_code(
    tmp_path: Path, write_comments: Callable[..., Path]
) -> None:
    data, run = str(write_comments(120)), tmp_path / "run"
    done = _with_closed_pipe(["train", "fast", "--data", data, "--out", str(run)], "stdout")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (run / "classifier" / "civility.json").is_file()
    report = ["evaluate", str(run), "--data", data, "--resamples", "100", "--no-texts"]
    for stream in ("stdout", "both"):
        for bound, code in ((">= 0", 0), ("<= 0", 3)):
            required = ["--require", f"macro.roc_auc {bound}", "--name", f"{stream}-{code}"]
            assert _with_closed_pipe([*report, *required], stream).returncode == code
            assert (run / "reports" / f"{stream}-{code}.html").is_file()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["recipes"], ["recipes", "fast"], ["--print-completion", "bash"]]
)
def test_what_is_printed_into_a_closed_pipe_is_discarded_silently(arguments: list[str]) -> None:
    done = _with_closed_pipe(arguments, "stdout")
    assert (done.returncode, done.stderr) == (0, b"")
    assert _with_closed_pipe(["train", "--nope"], "both").returncode == 2
