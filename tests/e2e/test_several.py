"""`civility train --seeds` and `--folds`: what a person sees, what is refused, and what a kill leaves."""

import filecmp
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import differing
from .conftest import Run, quick


@pytest.fixture
def data(write_comments: Callable[..., Path]) -> Path:
    return write_comments(120)


def test_folds_end_with_a_table_and_the_scores_of_all_comments(civility: Run, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = civility("train", "fast", "--data", data, "--folds", 3, "--out", out)
    assert done.code == 0, done.err
    for number in (1, 2, 3):
        assert f"── fold-{number}   {number} of 3\n" in done.out
    assert "3 runs: fold-1, fold-2, fold-3" in done.out
    assert "next:" not in done.out, "what one fold is good for"
    assert re.search(r"macro +0\.\d{4} +0\.\d{4} +0\.\d{4} +[01]\.\d{4} +3\b", done.out)
    assert "120 comments, each scored by the run not trained on it: macro ROC AUC 0." in done.words
    assert sorted(path.name for path in out.iterdir()) == [
        *("fold-1", "fold-2", "fold-3", "out-of-fold.parquet", "report-plots", "report.html", "report.json"),
        *("report.md", "report.scores.parquet", "summary.json"),
    ]
    before = {path: path.stat().st_mtime_ns for path in out.glob("fold-*/**/*")}
    again = civility("train", "--resume", "--folds", 3, "--out", out)
    assert again.code == 0, again.err
    assert again.out.count("already finished") == 3
    assert {path: path.stat().st_mtime_ns for path in out.glob("fold-*/**/*")} == before


def test_seeds_have_names_of_their_own_where_none_is_given(
    civility: Run, tiny_bert: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = civility("train", "baseline", "--data", data, "--model", tiny_bert, "--seeds", 2, *quick())
    assert done.code == 0, done.err
    assert sorted(path.name for path in Path("runs/baseline-seeds").iterdir()) == ["seed-42", "seed-43", "summary.json"]
    assert "2 runs: seed-42, seed-43" in done.out


def test_the_checks_of_several_runs_write_nothing(civility: Run, data: Path, tmp_path: Path) -> None:
    done = civility("train", "fast", "--data", data, "--folds", 2, "--out", tmp_path / "out", "--check")
    assert done.code == 0, done.err
    assert "── fold-1   1 of 2" in done.out
    assert "fold-2" not in done.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", 2, "--folds", 2), "--seeds together with --folds: repeats with seeds share one split"),
        (
            ("--seeds", 2),
            "--seeds with a linear model: no seed affects how it is fitted, so all runs would be the same",
        ),
        (("--seeds", 1, "--model", "none"), "--seeds 1, expected 2 to 1,000"),
        (("--seeds", 0), "argument --seeds: '0': expected a whole number from 1 to 1,000"),
        (("--folds", 2, "--resume"), "out: no runs have begun here"),
        (("--folds", 2, "--restart"), "--restart with --seeds or --folds: repeats are never put aside"),
        (("--folds", 60), "40 distinct comments are too few for 60 folds"),
        (
            ("--folds", 2, "--validation", 0.2),
            "--validation and --folds exclude each other: each run is validated on a fold",
        ),
        (("--set", "data.folds=3", "--set", "data.fold=4"), "data.fold = 4, expected a fold from 1 to 3 (data.folds)"),
        (("--set", "data.augmentation=typo"), "data.augmentation: no perturbation 'typo' (did you mean typos?)"),
        (("--set", "data.pseudo_labels=none.csv"), "data.pseudo_labels: none.csv: no such file"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(
    civility: Run,
    write_comments: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_comments(40)
    done = civility("train", "fast", "--data", data, "--out", "out", *options)
    assert done.code == 2
    assert message in done.err
    assert not Path("out").exists()


@pytest.mark.processes
def test_seeds_that_are_killed_at_random_moments_end_as_if_nothing_had_happened(
    tiny_bert: Path, data: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole" / "out", tmp_path / "killed" / "out"
    settings = quick("training.epochs=2", "training.batch_size=16", "training.checkpoint_steps=1")
    command = ["train", "baseline", "--data", str(data), "--model", str(tiny_bert), "--seeds", "2", *settings]
    driver = [sys.executable, str(Path(__file__).with_name("lives.py")), "4", "1", "0", str(whole), str(killed), "--"]
    done = subprocess.run([*driver, *command], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count(": -9, ") >= 2
    assert differing(whole, killed) == [], done.stdout
    assert (killed / "summary.json").is_file()
    first, other = (whole / name / "classifier" / "model.safetensors" for name in ("seed-42", "seed-43"))
    assert not filecmp.cmp(first, other, shallow=False), "the control: another seed is another run"
