"""Real processes: a sweep killed in the middle of a trial and resumed, and two workers on one study."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from civility.errors import Interrupted
from civility.search.run_sweep import CommentCache, run_workers, watch_sweep

from .conftest import RATES, SMALL, Small

pytestmark = pytest.mark.processes

# Runs the command line, and dies of SIGKILL when trial 0001 has put its third checkpoint in place: step 3 of 8.
DIES = """
import os, signal, sys
def hook(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("trials/0001/checkpoints/step-000003"):
        hook.armed = True
    elif hook.armed and event == "open":
        os.kill(os.getpid(), signal.SIGKILL)
hook.armed = False
sys.addaudithook(hook)
from civility.cli import main
main(sys.argv[1:])
"""


def weights(folder: Path) -> bytes:
    return (folder / "classifier" / "model.safetensors").read_bytes()


def test_a_sweep_killed_in_a_trial_and_resumed_gives_the_same_result(small: Small) -> None:
    task, whole = small.task("killed"), small.task("whole")
    arguments = small.arguments(task.directory.path, small.space_file(), 2)
    killed = subprocess.run([sys.executable, "-c", DIES, *arguments], capture_output=True, text=True, env=os.environ)
    assert killed.returncode == -9, killed.stderr[-3000:]
    cut = task.directory.trial(1)
    assert not cut.is_finished
    assert cut.checkpoint_folders()[-1].name == "step-000003"
    first = task.directory.trial(0).classifier / "model.safetensors"
    before = first.stat().st_mtime_ns
    result = small.sweep(task)
    assert [(one.number, one.state) for one in result.trials] == [(i, "finished") for i in range(2)]
    assert sorted(path.name for path in task.directory.trials.glob("0*")) == ["0000", "0001"]
    assert first.stat().st_mtime_ns == before, "a finished trial was trained again"
    assert [session.resumed_from for session in cut.environment().resumed] == ["step-000003"]
    undisturbed = small.sweep(whole)
    for one, other in zip(result.trials, undisturbed.trials, strict=True):
        assert (one.settings, one.scores, one.best) == (other.settings, other.scores, other.best)
    assert weights(cut.path) == weights(whole.directory.trial(1).path)
    assert weights(cut.path) != weights(whole.directory.trial(0).path), "the control: trials are alike"


def test_two_workers_do_each_trial_once(small: Small) -> None:
    task = small.task("shared", trials=3)
    arguments = small.arguments(task.directory.path, small.space_file(), 3)
    task.directory.create()
    seen = []
    with watch_sweep(task, CommentCache().get(task.recipe)) as current:
        failure = run_workers(
            arguments, 2, task.directory, resume_hint="", on_tick=lambda: seen.append(current().num("unfinished"))
        )
        result = current()
    assert failure is None, failure
    assert [(one.number, one.state) for one in result.trials] == [(i, "finished") for i in range(3)]
    assert len({one.settings["training.learning_rate"] for one in result.trials}) == 3
    assert max(seen) == 2, "the workers did not work side by side"
    lives: Counter[int] = Counter()
    for one in result.trials:
        run = task.directory.trial(one.number)
        assert not run.environment().resumed
        lives[one.number] = sum(line["kind"] == "epoch" for line in run.read_timing())
    assert set(lives.values()) == {SMALL["training.epochs"]}, "a trial was trained twice"
    assert not list(task.directory.trials.glob("*.lock"))


def test_the_error_of_a_worker_that_fails_shows_the_end_of_its_log(small: Small) -> None:
    task = small.task("failing")
    task.directory.create()
    arguments = small.arguments(task.directory.path, small.folder / "no-such-space.toml", 2)
    failure = run_workers(arguments, 1, task.directory, resume_hint="to resume: again")
    assert failure is not None
    assert failure.code == "search.worker-failed"
    assert failure.message.startswith("worker 1 failed with exit code 2:\n       error: ")
    assert "no-such-space.toml: no such file" in failure.message
    assert str(task.directory.worker_log(1)) in failure.remedy


def test_a_signal_is_passed_on_and_the_command_named(small: Small) -> None:
    task = small.task("stopped", text=RATES, trials=2)
    task.directory.create()
    arguments = small.arguments(task.directory.path, small.space_file(), 2)
    sent: list[int] = []

    def look() -> None:
        if not sent and list(task.directory.trials.glob("0000/checkpoints/step-*")):
            sent.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as stop:
        run_workers([*arguments, "--set=training.epochs=400"], 1, task.directory, resume_hint="again", on_tick=look)
    assert stop.value.signal_number == signal.SIGTERM
    assert stop.value.message == "all 1 workers have saved and ended\nagain"
    assert "trial 0000: stopped after step" in task.directory.worker_log(1).read_text(encoding="utf-8")
    assert not task.directory.trial(0).is_finished
