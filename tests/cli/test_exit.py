"""How a process ends: the first of several as any does, the others at once."""

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


@pytest.mark.parametrize(("rank", "ends_slowly"), [("0", True), ("1", False)])
def test_a_process_beside_the_first_leaves_without_the_interpreters_end(rank: str, *, ends_slowly: bool) -> None:
    environment = {**os.environ, "RANK": rank}
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert "baseline" in done.stdout, "what was printed is there in either case"
    assert ("the interpreter's end" in done.stdout) == ends_slowly
