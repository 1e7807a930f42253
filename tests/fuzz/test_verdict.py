"""The controls: programs that are wrong on purpose, each found out by the verdict that is meant for it."""

import re
from pathlib import Path

import pytest

from .command import Command, Outcome, Server
from .verdict import judge

pytestmark = pytest.mark.processes


def wrong(server: Server, folder: Path, name: str, *, writes: tuple[str, ...] = ()) -> tuple[Command, Outcome]:
    """Run one of the programs beside this file."""
    program = f"{Path(__file__).with_name('programs.py')}:{name}"
    command = Command((), writes, "scores.csv", program=program, seconds=1)
    return command, server.run(command, folder)


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("raises", ["exit code 1", "traceback: Traceback"]),
        ("eats_memory", ["exit code 1", "memory: MemoryError", "traceback: "]),
        ("ends_oddly", ["exit code 4"]),
        (
            "leaves_half",
            [r"half-written: \.scores", "half-written: an empty folder run", "half-written: scores.csv is"],
        ),
        ("writes_nan", ["half-written: report.json: ValueError: NaN", "scores: nan is not a score"]),
        ("changes_its_input", ["places: comments.csv changed"]),
        ("shows_escapes", [r"control character '\\x1b' on the standard output", "words: 7008 characters"]),
        ("says_nothing", ["words: exit code 2 without an error"]),
    ],
)
def test_what_is_wrong_is_found(server: Server, tmp_path: Path, name: str, faults: list[str]) -> None:
    (tmp_path / "comments.csv").write_text("id,comment_text\n")
    found = judge(*wrong(server, tmp_path, name, writes=("scores.csv", "report.json", "run")))
    assert all(any(re.match(fault, one) for one in found) for fault in faults), found


def test_a_loop_ends_by_the_limit_of_cpu_time(server: Server, tmp_path: Path) -> None:
    command, outcome = wrong(server, tmp_path, "loops")
    assert any(fault.startswith("hang: ") for fault in judge(command, outcome)), outcome


def test_endless_waiting_ends_by_the_clock(server: Server, tmp_path: Path) -> None:
    command, outcome = wrong(server, tmp_path, "sleeps")
    assert any(fault.startswith("hang: ") for fault in judge(command, outcome)), outcome


def test_what_is_right_is_let_through(server: Server, tmp_path: Path) -> None:
    command = Command(("recipes", "starter"))
    outcome = server.run(command, tmp_path)
    assert judge(command, outcome) == []
    assert "[training]" in outcome.out


def test_a_file_that_is_not_to_be_written_is_found(server: Server, tmp_path: Path) -> None:
    assert "places: scores.csv appeared" in judge(*wrong(server, tmp_path, "writes_nan"))
