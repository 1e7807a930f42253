"""A run that is killed at random moments, and resumed each time, ends as one that was not: to the bit."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ..conftest import differing
from .conftest import quick

pytestmark = pytest.mark.processes

NUM_KILLS = int(os.environ.get("CIVILITY_KILLS", "25"))
KILLS_A_RUN = 25
SMALL = ("training.batch_size=8", "training.gradient_accumulation=2", "training.patience=4", "training.log_every=1")
EVERY_STEP = quick(*SMALL, "training.epochs=4", "training.checkpoint_steps=1")
# Due at every step, and written beside training.
BY_TIME = quick(*SMALL, "training.epochs=4", "training.checkpoint_minutes=1e-9")


def kill(
    data: Path,
    model: Path,
    folder: Path,
    kills: int,
    *,
    seed: int,
    broken: bool = False,
    settings: Sequence[str] = EVERY_STEP,
) -> str:
    """Train once undisturbed into ``folder/whole/run``, and once killed into ``folder/killed/run``."""
    driver = [sys.executable, str(Path(__file__).with_name("lives.py")), str(kills), str(seed), str(int(broken))]
    places = [str(folder / "whole" / "run"), str(folder / "killed" / "run"), "--"]
    command = ["train", "baseline", "--data", str(data), "--model", str(model), *settings]
    done = subprocess.run([*driver, *places, *command], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


def both(folder: Path) -> tuple[Path, Path]:
    """Return the undisturbed run and the killed one."""
    return folder / "whole" / "run", folder / "killed" / "run"


def test_a_run_killed_at_random_moments_ends_as_if_nothing_had_happened(
    tiny_bert: Path, write_comments: Callable[..., Path], tmp_path: Path
) -> None:
    data = write_comments(160)
    killed: list[tuple[str, str]] = []
    seed = 0
    while len(killed) < NUM_KILLS:  # a run may come to its end before it was killed as often as it should
        story = kill(data, tiny_bert, tmp_path / str(seed), min(KILLS_A_RUN, NUM_KILLS - len(killed)), seed=seed)
        assert differing(*both(tmp_path / str(seed))) == [], story
        killed += re.findall(r": -9, (.+), (\d) unfinished", story)
        seed += 1
    assert len({newest for newest, _ in killed}) > 2, "it was killed at the same place again and again"
    assert any(unfinished != "0" for _, unfinished in killed), "no save was interrupted"
    weights = tmp_path / "0" / "killed" / "run" / "classifier" / "model.safetensors"
    compared = subprocess.run(["cmp", weights, tmp_path / "0" / "whole" / "run" / "classifier" / "model.safetensors"])
    assert compared.returncode == 0


def test_so_does_one_whose_checkpoints_are_written_beside_training(
    tiny_bert: Path, write_comments: Callable[..., Path], tmp_path: Path
) -> None:
    story = kill(write_comments(160), tiny_bert, tmp_path, 5, seed=2, settings=BY_TIME)
    # Which checkpoints are there at the end hangs on the clock; nothing else does.
    assert [name for name in differing(*both(tmp_path)) if not name.startswith("checkpoints/")] == [], story
    assert "step-" in story


def test_the_control_where_dropout_hangs_on_history_the_weights_differ(
    tiny_bert: Path, write_comments: Callable[..., Path], tmp_path: Path
) -> None:
    story = kill(write_comments(160), tiny_bert, tmp_path, 3, seed=1, broken=True)
    assert "killed 0" not in story
    assert "classifier/model.safetensors" in differing(*both(tmp_path))
