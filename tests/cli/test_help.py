"""What a person sees first: help as wide as the terminal, a sign of life, recipes and errors that fit."""

import io
import re
import sys

import pytest

from civility.cli import main
from civility.cli.parser import build_parser
from civility.errors import UserError

COMMANDS = [
    "",
    "train",
    "sweep",
    "evaluate",
    "thresholds",
    "compare",
    "ensemble",
    "soup",
    "predict",
    "audit",
    "recipes",
]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _help(command: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        build_parser("1").parse_args([*filter(None, [command]), "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_as_wide_as_the_terminal_and_its_commands_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    wide = _help(command, 400, monkeypatch, capsys)
    for width in (80, 100, 120):
        narrow = _help(command, width, monkeypatch, capsys)
        assert max(map(len, narrow.splitlines())) <= width
        commands = re.findall(r"(?m)^ +((?:[^\n]*\| )?civility (?:[^\n\\]|\\\n)*)", wide)
        joined = re.sub(r" *\\\n +", " ", narrow)
        for example in commands:
            assert " ".join(re.sub(r" *\\\n +", " ", example).partition("   ")[0].split()) in re.sub(" +", " ", joined)
        assert "".join(narrow.replace("\\\n", "").split()).count("civility") == "".join(wide.split()).count("civility")


def test_on_a_terminal_something_is_shown_before_anything_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(SystemExit) as stop:
        main(["recipes"])
    assert not stop.value.code
    first, *others = terminal.getvalue().split("\r")
    assert first == "starting …"
    assert [text.strip() for text in others] == ["", ""]  # and nothing of it stays


@pytest.mark.parametrize("width", [40, 80])
def test_an_error_on_a_terminal_is_wrapped(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    from civility.cli.messages import print_error

    monkeypatch.setenv("COLUMNS", str(width))
    message, remedy = "a mistake that takes a long sentence to explain " * 3, "give --data FILE\nor --out DIR " * 3
    for stream in (_Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        print_error(UserError("cli.test", message.strip(), remedy=remedy.strip()))
        lines = stream.getvalue().splitlines()
        assert lines[0].startswith("error: a mistake")
        assert " ".join("\n".join(lines).split()) == "error: " + " ".join(f"{message} {remedy}".split())
        assert (max(map(len, lines)) <= width) == stream.isatty()


@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        (["train", "--nope"], "civility train --help"),
        (["train", "starter", "--seeds", "3", "--nope"], "civility train --help"),
        (["recipes", "fast", "another"], "civility recipes --help"),
        (["evaluate"], "civility evaluate --help"),
        (["nope"], "civility --help"),
        (["--nope"], "civility --help"),
    ],
)
def test_a_mistake_on_the_command_line_points_to_the_help_of_its_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str], page: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith(f"\n       see '{page}'\n")


def test_the_help_lists_every_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    codes = _help("", 400, monkeypatch, capsys).rpartition("Exit codes: ")[2]
    assert re.findall(r"\d+", codes) == ["0", "1", "2", "3", "130", "143", "129"]
