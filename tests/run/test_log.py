"""The logs hold whole lines at every moment, and can be truncated to where a checkpoint was."""

import json
import math
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from civility.errors import UserError
from civility.run.log import LineLog, read_lines

from ..refusals import refused

LINES: list[dict[str, Any]] = [
    {"kind": "step", "step": 1, "loss": 0.5},
    {"kind": "epoch", "validation": {"toxic": 0.9}},
]


def test_each_write_adds_a_line(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "log.jsonl")
    for line in LINES:
        log.write(line)
    assert list(read_lines(log.path)) == LINES
    assert log.size == log.path.stat().st_size
    log.flush()


def test_a_log_without_lines_creates_no_file(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "log.jsonl")
    log.flush()
    assert log.truncate(0)
    assert not log.path.exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_null_in_the_log(tmp_path: Path, value: float) -> None:
    log = LineLog(tmp_path / "log.jsonl")
    log.write({"gradient_norm": value, "validation": {"roc_auc": {"toxic": 0.5, "threat": value}}})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is invalid JSON")

    content = json.loads(log.path.read_text(), parse_constant=refuse)
    assert content == {"gradient_norm": None, "validation": {"roc_auc": {"toxic": 0.5, "threat": None}}}
    with pytest.raises(AssertionError, match="is invalid JSON"):
        json.loads(json.dumps(value), parse_constant=refuse)  # the control


def test_a_truncated_log_continues_from_there(tmp_path: Path) -> None:
    first = LineLog(tmp_path / "log.jsonl")
    first.write(LINES[0])
    size = first.size
    first.write(LINES[1])
    with first.path.open("a") as file:
        file.write('{"kind": "st')  # killed in the middle of a line
    again = LineLog(first.path)
    assert again.truncate(size)
    again.write(LINES[1])
    assert list(read_lines(again.path)) == LINES


def test_a_log_that_is_too_short_is_left_alone(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "log.jsonl")
    log.write(LINES[0])
    assert not log.truncate(log.size + 1)
    assert list(read_lines(log.path)) == LINES[:1]


def test_a_line_that_the_disk_refuses_is_kept_and_written_later(tmp_path: Path) -> None:
    troubles: list[UserError] = []
    log = LineLog(tmp_path / "log.jsonl", troubles.append)
    log.write({"number": 0})
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # Room for a part of the next line only: the kernel takes some bytes, and refuses the rest.
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.size + 5, before[1]))
        log.write({"number": 1})
        log.write({"number": 2})
        with pytest.raises(UserError, match="the file is larger than is allowed"):
            log.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(troubles) == 1, "reported at every line"
    assert log.path.read_bytes().endswith(b"\n"), "part of a line is left"
    assert log.path.stat().st_size < log.size
    log.write({"number": 3})
    assert [line["number"] for line in read_lines(log.path)] == [0, 1, 2, 3]
    assert log.path.stat().st_size == log.size


def test_a_problem_that_is_logged_in_the_same_log_is_reported_once(tmp_path: Path) -> None:
    reported: list[UserError] = []

    def report(error: UserError) -> None:
        reported.append(error)
        log.write({"kind": "warning"})

    log = LineLog(tmp_path / "nowhere" / "log.jsonl", report)
    log.write({"number": 0})
    log.write({"number": 1})
    assert len(reported) == 1
    (tmp_path / "nowhere").mkdir()
    log.flush()
    assert len(list(read_lines(log.path))) == 3


def test_part_of_a_line_left_by_a_kill_is_removed(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "log.jsonl")
    log.write({"number": 0})
    with log.path.open("a") as file:
        file.write('{"num')
    again = LineLog(log.path)
    again.truncate_to_whole_lines()
    again.write({"number": 1})
    assert [line["number"] for line in read_lines(again.path)] == [0, 1]


def test_a_damaged_log_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with refused("run.damaged-log", r"log\.jsonl: cannot read: No such file"):
        list(read_lines(path))
    path.write_bytes(b'{"number": 0}\n{"number": "\xff"}\n')
    with refused("run.damaged-log", r"log\.jsonl, line 2: damaged: not UTF-8 text"):
        list(read_lines(path))
