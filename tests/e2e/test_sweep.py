"""The command line of a sweep: errors before the first trial, and what is printed at the end."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Run, quick

RATES = '[sweep]\nsampler = "grid"\n[space]\n"training.learning_rate" = [1e-3, 1e-4]\n'


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(RATES, encoding="utf-8")
    return path


def test_a_sweep_names_the_best_and_its_recipe_is_one(
    civility: Run, tiny_bert: Path, write_comments: Callable[..., Path], space: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sweep"
    settings = quick("training.epochs=1", "training.batch_size=32", "data.validation=0.2")
    arguments = ["sweep", "baseline", "--data", write_comments(160), "--model", tiny_bert, "--space", space]
    done = civility(*arguments, "--out", out, *settings)
    assert done.code == 0, done.err
    assert "  trial 0000   learning_rate=" in done.out
    assert "  trial 0001   finished   0." in done.out
    assert "is the best of 2 finished trials, chosen on" in done.words
    assert f"recipe       {out / 'best.toml'}" in done.out
    assert f"next:  civility compare {out}/trials/000" in done.out
    for command in done.out.partition("next:")[2].strip().splitlines():
        words = shlex.split(command)[1:]
        checked = civility(*words, *(["--check"] if words[0] == "train" else []))
        assert checked.code == 0, checked.err
    again = civility(*arguments, "--out", out, *settings)
    assert again.code == 0
    assert "2 of 2 trials: 2 finished" in again.out
    assert "  trial 0001   " not in again.out, "a finished trial was trained again"
    changed = civility(*arguments, "--out", out, *settings, "--set", "training.patience=1")
    assert changed.code == 2
    assert "recipe: training.patience was 2, and is 1 now" in changed.err
    other = write_comments(120, name="other.csv")
    changed = civility(*arguments, "--out", out, *settings, "--data", other)
    assert changed.code == 2
    assert "data: training comments was 128 comments from" in changed.err
    assert f" comments from {arguments[3]}, {other} (sha256:" in changed.err
    checked = civility("train", out / "best.toml", "--check", "--out", tmp_path / "again")
    assert checked.code == 0, checked.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: no training data\n       give --data FILE"),
        (["--trials", "0"], "'0': expected a whole number from 1 to 100,000"),
        (["--data", "x.csv", "--set", "training.epoch=3"], "unknown setting training.epoch"),
    ],
)
def test_an_error_is_reported_before_anything_is_written(
    civility: Run, space: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = civility("sweep", "baseline", "--space", space, "--out", tmp_path / "out", *arguments)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_a_misspelt_setting_in_the_space_gets_a_suggestion(civility: Run, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text('[space]\n"training.epoch" = [1, 2]\n', encoding="utf-8")
    done = civility("sweep", "starter", "--space", tmp_path / "space.toml", "--out", tmp_path / "out")
    assert done.code == 2
    assert "unknown setting training.epoch (did you mean training.epochs?)" in done.err
    assert not (tmp_path / "out").exists()


def test_a_wrong_policy_is_reported_before_the_first_trial(
    civility: Run, write_comments: Callable[..., Path], tmp_path: Path
) -> None:
    space, out = tmp_path / "space.toml", tmp_path / "out"
    space.write_text('[space]\n"evaluation.policy" = ["default: f1", "default: evil"]\n', encoding="utf-8")
    done = civility("sweep", "fast", "--data", write_comments(120), "--space", space, "--out", out, "--trials", 2)
    assert done.code == 2
    assert "policy 'default: evil', character 10: 'evil' is not a policy" in done.words
    assert not out.exists()


def test_the_help_hides_the_option_of_workers(civility: Run) -> None:
    done = civility("sweep", "--help")
    assert "--storage URL" in done.out
    assert "--worker" not in done.out
    assert "SUPPRESS" not in done.out


@pytest.mark.usefixtures("launched")
def test_a_sweep_under_a_launcher_is_refused(civility: Run, space: Path, tmp_path: Path) -> None:
    done = civility("sweep", "starter", "--space", space, "--out", tmp_path / "out")
    assert done.code == 2
    assert "with --jobs NUMBER for several workers" in done.err
