"""What a command suggests to do next runs as it is: on the terminal after a run, and in the explorer of a report."""

import io
import json
import re
import shlex
from pathlib import Path

import pytest

from .conftest import Done, Run

SMALL = ("--set", "linear.max_features=500")


def _next_steps(out: str) -> list[str]:
    """Return the commands behind the word "next"."""
    return [line.strip() for line in out.partition("\n  next:")[2].splitlines() if line.strip()]


def _explorer_command(page: Path) -> list[str]:
    """Return the command of the explorer's copy button, without the policy that a reader sets there."""
    found = re.search(r'id="explorer-data">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found
    name, *words = shlex.split(json.loads(found[1])["command"])
    assert name == "civility"
    return words


def _is_done(done: Done) -> bool:
    assert done.code == 0, done.err
    return True


def test_what_is_suggested_after_a_run_runs(civility: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = "my runs/it's first"
    Path("my runs").mkdir()
    done = civility("train", "fast", "--data", "civility:starter/held-out", "--out", run, *SMALL)
    assert _is_done(done)
    echo, *others, placeholder = _next_steps(done.out)
    text, _, predict = echo.partition(" | civility ")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(shlex.split(text)[1].encode())))
    assert _is_done(civility(*shlex.split(predict)))
    assert [shlex.split(command)[:3] for command in others] == [
        ["civility", "evaluate", run],
        ["civility", "thresholds", run],
    ]
    for command in others:
        assert _is_done(civility(*shlex.split(command)[1:]))
    # Of a run on built-in comments the next comments are the user's own, which nobody knows.
    assert placeholder == "civility train baseline --data your-labelled-comments.csv"


def test_after_a_run_on_own_comments_every_path_is_known(civility: Run, tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"comment number {row} {'clown' * (row % 2)}", "toxic": row % 2}) for row in range(200)]
    (tmp_path / "own.jsonl").write_text("\n".join(rows))
    toxic = ["--set", 'data.labels=["toxic"]']
    done = civility("train", "fast", "--data", tmp_path / "own.jsonl", "--out", tmp_path / "run", *SMALL, *toxic)
    assert _is_done(done)
    assert len(_next_steps(done.out)) == 3
    assert "your-" not in done.out


def test_the_command_of_the_explorer_runs(civility: Run, linear: Path, trained: Path, tmp_path: Path) -> None:
    rows = [json.dumps({"body": f"a comment {row} {'clown' * (row % 2)}", "toxic": row % 2}) for row in range(60)]
    own = tmp_path / "own comments.jsonl"
    own.write_text("\n".join(rows))
    evaluating = ["evaluate", linear, "--resamples", 100, "--out", tmp_path / "reports"]
    assert _is_done(civility(*evaluating, "--data", own, "--text-column", "body"))
    assert _is_done(civility(*evaluating, "--name", "again"))
    both = tmp_path / "both"
    joining = ["ensemble", linear, trained, "--link", "--data", "civility:starter/held-out", "--out", both]
    assert _is_done(civility(*joining))
    named = {"own comments": own, "again": None}
    for name, data in named.items():
        words = _explorer_command(tmp_path / "reports" / f"{name}.html")
        assert words == [
            *("thresholds", str(linear)),
            *(("--data", str(data), "--text-column", "body") if data else ()),
        ]
        assert _is_done(civility(*words, "--policy", "toxic: f1", "--check"))
    for run in (linear, trained, both):
        words = _explorer_command(run / "reports" / "validation.html")
        assert words[:2] == ["thresholds", str(run)]
        assert _is_done(civility(*words, "--policy", "toxic: f1", "--check"))
