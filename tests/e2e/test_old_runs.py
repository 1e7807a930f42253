"""Runs, classifiers, sweeps and reports written by an earlier version still work (tests/old_runs/README.md)."""

import csv
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from civility import Classifier

from .conftest import Run

ARCHIVE = Path(__file__).parents[1] / "old_runs" / "runs.tar.xz"
CLASSIFIERS = ("finished", "other", "linear", "isotonic", "ensemble", "folds/fold-1", "sweep/trials/0000")
SWEEP = (
    *("sweep", "fast", "--data", "comments.csv", "--space", "space.toml", "--out", "sweep"),
    *("--set", 'data.labels=["toxic", "insult"]', "--set", "data.validation=0.3", "--set", "linear.max_features=60"),
)
ROUNDING = 1e-5
"""How far scores and weights may differ on another CPU than the one that wrote the runs."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked once."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work on, as the working directory, because the documents hold relative paths."""
    copy = Path(shutil.copytree(unpacked, tmp_path / "old"))
    monkeypatch.chdir(copy)
    return copy


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _weights(run: Path) -> dict[str, Any]:
    return load_file(run / "classifier" / "model.safetensors")


def _largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert set(one) == set(other)
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def _predicted(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([[float(row["toxic"]), float(row["insult"])] for row in csv.DictReader(file)])


def _macro(report: Path) -> float:
    return float(_json(report)["macro"]["roc_auc"]["value"])


@pytest.mark.parametrize("target", CLASSIFIERS)
def test_an_old_classifier_gives_the_scores_that_it_gave(civility: Run, old: Path, target: str) -> None:
    expected = _json(old / "expected.json")
    with Path("texts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in expected["texts"])])
    done = civility("predict", target, "--data", "texts.csv", "--out", "scores.csv")
    assert done.code == 0, done.err
    then = expected["classifiers"][target]
    np.testing.assert_allclose(_predicted(Path("scores.csv")), then["scores"], atol=ROUNDING)
    assert Classifier.load(target).thresholds == pytest.approx(then["thresholds"], abs=1e-12)


@pytest.mark.parametrize("target", ["finished", "linear", "ensemble", "folds/fold-1"])
def test_an_old_run_is_evaluated_on_the_comments_that_it_held_out(civility: Run, old: Path, target: str) -> None:
    then = old / target / "reports" / "validation.json"
    done = civility("evaluate", target, "--resamples", 100, "--out", "again", "--require", "macro.roc_auc >= 0.99")
    assert done.code == 3, done.err
    found = Path("again/validation.json")
    assert _macro(found) == pytest.approx(_macro(then), abs=1e-9)
    assert _json(found)["data"]["digest"] == _json(then)["data"]["digest"]


def test_an_old_classifier_folder_is_evaluated(civility: Run, old: Path) -> None:
    done = civility("evaluate", "isotonic", "--data", "comments.csv", "--resamples", 100, "--out", "reports")
    assert done.code == 0, done.err
    found = _json(old / "reports" / "comments.json")
    assert found["data"]["num_comments"] == 120
    assert found["labels"]["toxic"]["num_positive"] == 55


@pytest.mark.parametrize("target", ["finished", "linear", "ensemble"])
def test_an_old_run_gets_other_thresholds(civility: Run, old: Path, target: str) -> None:
    before, policy = Classifier.load(target), "default: flagged<=200 per 1000"
    done = civility("thresholds", target, "--data", "comments.csv", "--policy", policy)
    assert done.code == 0, done.err
    after = Classifier.load(target)
    assert after.thresholds["toxic"] > before.thresholds["toxic"]
    texts = _json(old / "expected.json")["texts"]
    assert np.array_equal(after.score(texts), before.score(texts))


def test_old_runs_are_compared_as_they_were(civility: Run, old: Path) -> None:
    done = civility("compare", "finished", "other", "--metrics", "roc_auc", "f1", "--out", "again")
    assert done.code == 0, done.err
    then, now = (_json(old / folder / "comparison.json") for folder in ("comparison", "again"))
    for one, other in zip(now["rows"], then["rows"], strict=True):
        assert (one["name"], one["settings"]) == (other["name"], other["settings"])
        for metric in ("roc_auc", "f1"):
            found, expected = (row["metrics"][metric]["macro"] for row in (one, other))
            assert found["mean"] == pytest.approx(expected["mean"], abs=1e-12)
            for end in ("value", "low", "high") if expected["difference"] else ():
                assert found["difference"][end] == pytest.approx(expected["difference"][end], abs=1e-12)


def test_an_old_run_is_compared_with_an_old_report_and_an_old_ensemble(civility: Run, old: Path) -> None:
    done = civility("compare", "finished", "linear/reports/validation.json", "ensemble", "--out", "found.json")
    assert done.code == 0, done.err
    means = [row["metrics"]["roc_auc"]["macro"]["mean"] for row in _json(old / "found.json")["rows"]]
    reports = [_macro(old / name / "reports" / "validation.json") for name in ("finished", "linear", "ensemble")]
    assert means == pytest.approx(reports, abs=1e-12)


def test_an_interrupted_run_ends_with_the_weights_of_one_that_was_not(civility: Run, old: Path) -> None:
    checkpoint = old / "interrupted" / "checkpoints" / "step-000016" / "model.safetensors"
    before = checkpoint.stat().st_mtime_ns
    done = civility("train", "--resume", "--out", "interrupted")
    assert done.code == 0, done.err
    assert checkpoint.stat().st_mtime_ns == before, "the run began again"
    lines = [json.loads(line) for line in (old / "interrupted" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "step"] == list(range(1, 23))
    whole = _weights(old / "finished")
    assert _largest_difference(_weights(old / "interrupted"), whole) < ROUNDING
    assert _largest_difference(_weights(old / "other"), whole) > 1e-3, "the control"
    # The old run chose isotonic calibration, whose ties move an AUC; affine calibration, the default now, moves none.
    logged = json.loads((old / "finished" / "metrics.jsonl").read_text("utf-8").splitlines()[-1])["validation"]
    report = _macro(old / "interrupted" / "reports" / "validation.json")
    assert report == pytest.approx(logged["macro_roc_auc"], abs=1e-9)


def test_a_finished_run_is_not_trained_again(civility: Run, old: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (old / "finished").rglob("*")}
    done = civility("train", "--resume", "--out", "finished")
    assert done.code == 0, done.err
    assert "already finished with the same settings and comments" in done.words
    assert {path: path.stat().st_mtime_ns for path in (old / "finished").rglob("*")} == before


def test_the_recipe_of_an_old_run_trains_the_same_again(civility: Run, old: Path) -> None:
    # With the forward pass of that time: the kernels of today's drop other units.
    done = civility("train", "finished/recipe.toml", "--set", 'training.attention="packed"', "--out", "again")
    assert done.code == 0, done.err
    # Equal to the bit on the same CPU; on another one, Adam turns rounding errors in the first steps into 2e-3.
    assert _largest_difference(_weights(old / "again"), _weights(old / "finished")) < 1e-2


def test_old_folds_are_kept(civility: Run, old: Path) -> None:
    then = _json(old / "folds" / "summary.json")["metrics"]["roc_auc"]["macro"]["mean"]
    (old / "folds" / "summary.json").unlink()
    done = civility("train", "--resume", "--folds", 2, "--out", "folds")
    assert done.code == 0, done.err
    assert done.out.count("already finished") == 2
    found = _json(old / "folds" / "summary.json")["metrics"]["roc_auc"]["macro"]["mean"]
    assert found == pytest.approx(then, abs=1e-12)


def test_an_old_sweep_goes_on(civility: Run, old: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (old / "sweep" / "trials" / "0000").rglob("*")}
    done = civility(*SWEEP)
    assert done.code == 0, done.err
    assert "trial 0002 finished 0.7507" in done.words
    assert "best of 3 finished trials" in done.words
    assert "best trial 0001: macro ROC AUC 0.7839" in done.words
    assert {path: path.stat().st_mtime_ns for path in (old / "sweep" / "trials" / "0000").rglob("*")} == before
    checked = civility("train", "sweep/best.toml", "--check", "--out", "best")
    assert checked.code == 0, checked.err
    changed = civility(*SWEEP, "--set", "linear.word_ngrams=1")
    assert changed.code == 2
    assert "linear.word_ngrams was 2, and is 1 now" in changed.words


def test_an_ensemble_of_old_runs_scores_as_it_did(civility: Run, old: Path) -> None:
    done = civility("ensemble", "finished", "linear", "--out", "both")
    assert done.code == 0, done.err
    expected = _json(old / "expected.json")
    raw, then = (Classifier.load(target).score(expected["texts"]) for target in ("both", "ensemble"))
    np.testing.assert_allclose(raw, then, atol=ROUNDING)


def test_a_soup_of_old_runs_has_the_mean_of_their_weights(civility: Run, old: Path) -> None:
    done = civility("soup", "finished", "other", "--out", "soup")
    assert done.code == 0, done.err
    found, one, two = (_weights(old / name) for name in ("soup", "finished", "other"))
    for name in found:
        if not name.startswith("classifier."):  # calibration is folded into the head
            np.testing.assert_allclose(found[name], (one[name] + two[name]) / 2, atol=1e-6, err_msg=name)


def test_an_old_run_finds_the_label_errors_that_it_found(civility: Run, old: Path) -> None:
    done = civility("audit", "comments.csv", "--with", "finished", "--labels", "toxic", "insult", "--out", "again")
    assert done.code == 0, done.err
    then, now = (_json(old / folder / "audit.json") for folder in ("audit", "again"))
    assert now["label_errors"]["held_out"] is then["label_errors"]["held_out"] is True
    for label in ("toxic", "insult"):
        assert now["labels"][label] == then["labels"][label]
        found, expected = (document["label_errors"]["labels"][label] for document in (now, then))
        assert found == pytest.approx(expected, abs=ROUNDING)
