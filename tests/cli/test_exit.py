"""How a process ends: one alone as any does, one of several at once."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import atexit
atexit.register(print, "the interpreter's end")
from civility.cli import main
main(["recipes"])
"""


@pytest.mark.parametrize(("num", "ends_slowly"), [("1", True), ("2", False)])
def test_one_of_several_processes_leaves_without_the_interpreters_end(num: str, *, ends_slowly: bool) -> None:
    environment = {**os.environ, "WORLD_SIZE": num}
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert "baseline" in done.stdout, "what was printed is there in either case"
    assert ("the interpreter's end" in done.stdout) == ends_slowly
