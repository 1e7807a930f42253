"""A signal that ends a command leaves nothing half written, as Ctrl-C does, and gives the exit code of a shell."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_DATA = "civility:starter/held-out"
# The signal comes when the first file is whole and not yet in its place: a partial one is there for certain.
_PROGRAM = """
import os, signal, sys
from pathlib import Path
from civility.cli import main

def flush(handle, real=os.fsync):
    print("partial:", *Path().rglob(".*.partial"), flush=True)
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])
    real(handle)

os.fsync = flush
main(sys.argv[2:])
"""
_COMMANDS = {
    "predict": ("predict", "one", "--data", _DATA, "--out", "scores.csv"),
    "evaluate": ("evaluate", "one", "--data", _DATA, "--resamples", "100", "--out", "report"),
    "audit": ("audit", _DATA, "--with", "one", "--out", "audit"),
    "compare": ("compare", "one", "other", "--out", "compared"),
    "thresholds": ("thresholds", "one", "--data", _DATA),
    "ensemble": ("ensemble", "one", "other", "--data", _DATA, "--out", "both"),
}


def _files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def _start(folder: Path, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _PROGRAM, name, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("verb", "name"), [*((verb, "SIGTERM") for verb in _COMMANDS), ("predict", "SIGHUP"), ("predict", "SIGINT")]
)
def test_a_signal_leaves_no_partial_file(linear: Path, tmp_path: Path, verb: str, name: str) -> None:
    for run in ("one", "other"):
        shutil.copytree(linear, tmp_path / run)
    before = _files(tmp_path)
    done = _start(tmp_path, name, *_COMMANDS[verb])
    assert "partial: " in done.stdout, done.stderr
    assert done.stdout.split()[1:], "the control: something was being written"
    assert done.returncode == 128 + signal.Signals[name], done.stderr
    assert done.stderr.splitlines()[-1] == ("interrupted" if name == "SIGINT" else f"ended by {name}")
    assert "Traceback" not in done.stderr
    assert _files(tmp_path) == before


def _run(*lines: str) -> tuple[str, str]:
    program = "\n".join(["import os, signal", "from civility.cli import _raise_on_exit_signals", *lines])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout, done.stderr


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As ``nohup`` does with SIGHUP."""
    lines = ("with _raise_on_exit_signals():", "    os.kill(os.getpid(), signal.SIGHUP)", "print('on')")
    assert _run("signal.signal(signal.SIGHUP, signal.SIG_IGN)", *lines) == ("on\n", "")


def test_a_fork_ends_without_a_word() -> None:
    """What a library has forked dies of the signal itself: there is nothing that it should put in order."""
    out, err = _run(
        "with _raise_on_exit_signals():",
        "    child = os.fork()",
        "    if child == 0:",
        "        os.kill(os.getpid(), signal.SIGTERM)",
        "        signal.pause()",
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))",
    )
    assert (out, err) == (f"{-signal.SIGTERM}\n", "")


def test_a_signal_that_comes_twice_does_not_cut_short_the_way_out() -> None:
    """When a terminal closes, the shell and the kernel may both send a signal."""
    out, err = _run(
        "try:",
        "    with _raise_on_exit_signals():",
        "        try:",
        "            os.kill(os.getpid(), signal.SIGHUP)",
        "        finally:",
        "            os.kill(os.getpid(), signal.SIGHUP)",
        "            print('put in order')",
        "except KeyboardInterrupt as end:",
        "    print(end.number)",
    )
    assert (out, err) == (f"put in order\n{int(signal.SIGHUP)}\n", "")
