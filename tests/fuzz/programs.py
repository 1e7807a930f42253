"""Programs that the server runs instead of the command line: to make a model, and deliberately wrong ones."""

import importlib.util
import json
import sys
import time
from pathlib import Path


def make_bert(arguments: list[str]) -> None:
    """Make the tiny encoder that other tests use."""
    spec = importlib.util.spec_from_file_location("conftest", Path(__file__).parents[1] / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.build_tiny_bert(Path(arguments[0]))


def raises(arguments: list[str]) -> None:
    """Fail as nobody foresaw."""
    raise KeyError("toxic")


def loops(arguments: list[str]) -> None:
    """Never end."""
    while True:
        pass


def eats_memory(arguments: list[str]) -> None:
    """Take more memory than there may be."""
    bytearray(64 << 30)


def ends_oddly(arguments: list[str]) -> None:
    """End with an exit code that no document names."""
    sys.stderr.write("error: so be it\n")
    sys.exit(4)


def leaves_half(arguments: list[str]) -> None:
    """Leave a hidden file that was not finished, half a file of scores, and an empty folder."""
    Path(".scores.csv.123.partial").write_text("id,toxic\n")
    Path("scores.csv").write_text("id,toxic\na,0.5\n")
    Path("run").mkdir()
    sys.stderr.write("error: no space left\n")
    sys.exit(2)


def writes_nan(arguments: list[str]) -> None:
    """Give a score that is none, in every format."""
    Path("scores.csv").write_text("id,toxic\na,nan\n")
    Path("report.json").write_text(json.dumps({"toxic": float("nan")}))


def changes_its_input(arguments: list[str]) -> None:
    """Write over what it was to read."""
    Path("comments.csv").write_text("")


def shows_escapes(arguments: list[str]) -> None:
    """Print an escape sequence, and an error of one word too many."""
    sys.stdout.write("\x1b[2J\n")
    sys.stderr.write("error: " + "column " * 1000 + "\n")
    sys.exit(2)


def says_nothing(arguments: list[str]) -> None:
    """Fail without a message."""
    sys.exit(2)


def sleeps(arguments: list[str]) -> None:
    """Wait for what does not come."""
    time.sleep(100_000)
