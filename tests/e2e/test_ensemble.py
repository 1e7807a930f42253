"""`civility ensemble`: one run directory of several classifiers, which every command accepts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from civility import Classifier
from civility.cli import main
from civility.documents.audit_result import UnknownTraining
from civility.run.seen_comments import seen_by

from .conftest import Run

TEXTS = ["have a nice day", "you stupid clown", "the garden"]


@pytest.fixture(scope="module")
def both(trained: Path, linear: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of the transformer and the linear model."""
    out = tmp_path_factory.mktemp("ensemble") / "both"
    with pytest.raises(SystemExit) as stop:
        main(["ensemble", str(trained), str(linear), "--out", str(out), "--weights", "1", "3"])
    assert not stop.value.code
    return out


def test_an_ensemble_averages_calibrated_scores_and_is_calibrated_itself(
    both: Path, trained: Path, linear: Path
) -> None:
    classifier = Classifier.load(both)
    assert classifier.kind == "ensemble"
    expected = 0.25 * Classifier.load(trained).score(TEXTS) + 0.75 * Classifier.load(linear).score(TEXTS)
    uncalibrated = 1 / (1 + np.exp(-classifier.logits(TEXTS).astype(np.float64)))
    np.testing.assert_allclose(uncalibrated, expected, atol=1e-5)
    assert set(classifier.policies.values()) == {"f1"}
    assert set(classifier.chosen_on.thresholds.values()) == {classifier.chosen_on.epoch}


def test_the_run_records_its_members(both: Path, trained: Path, linear: Path) -> None:
    report = json.loads((both / "reports" / "validation.json").read_text(encoding="utf-8"))
    found = json.loads((both / "environment.json").read_text(encoding="utf-8"))
    assert report["classifier"] == {"name": f"ensemble of {trained}, {linear}", "max_length": 0}
    assert [member["target"] for member in found["combination"]["members"]] == [str(trained), str(linear)]
    assert [member["weight"] for member in found["combination"]["members"]] == [0.25, 0.75]
    assert found["data"] == {
        part: json.loads((trained / "environment.json").read_text(encoding="utf-8"))["data"][part]
        for part in ("training", "validation")
    }
    card = (both / "classifier" / "README.md").read_text(encoding="utf-8")
    assert "an ensemble of 2 classifiers, made with civility" in card
    assert f"| `{linear}` | 0.75 |" in card
    assert "transformers" not in card


def test_every_command_accepts_an_ensemble(
    civility: Run, both: Path, trained: Path, linear: Path, write_comments: Callable[..., Path], tmp_path: Path
) -> None:
    copy, comments, out = tmp_path / "copy", write_comments(30), tmp_path / "scores.csv"
    shutil.copytree(both, copy)
    for arguments in (
        ("evaluate", copy, "--resamples", "100", "--name", "again"),
        ("evaluate", copy, "--data", comments, "--resamples", "100"),
        ("compare", linear, trained, copy),
        ("thresholds", copy, "--data", comments, "--calibrate"),
        ("predict", copy, "--data", comments, "--out", out, "--decisions"),
        ("audit", comments, "--with", copy, "--out", tmp_path / "audit"),
    ):
        done = civility(*arguments)
        assert done.code == 0, (arguments, done.out, done.err)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 31
    before = json.loads((both / "reports" / "validation.json").read_text(encoding="utf-8"))
    again = json.loads((copy / "reports" / "again.json").read_text(encoding="utf-8"))
    assert again["macro"]["roc_auc"]["value"] == pytest.approx(before["macro"]["roc_auc"]["value"], abs=1e-6)
    assert again["data"]["digest"] == before["data"]["digest"]


def test_ranks_and_links(civility: Run, trained: Path, linear: Path, tmp_path: Path) -> None:
    out = tmp_path / "ranks"
    done = civility("ensemble", linear, trained, "--by", "ranks", "--link", "--out", out, "--policy", "recall>=0.9")
    assert done.code == 2, "a policy needs its label"
    assert not out.exists()
    done = civility(
        "ensemble", linear, trained, "--by", "ranks", "--link", "--out", out, "--policy", "default: recall>=0.9"
    )
    assert done.code == 0, done.err
    assert "macro ROC AUC" in done.out
    assert {path.name for path in (out / "classifier").iterdir()} == {"civility.json", "ensemble.json", "README.md"}
    classifier = Classifier.load(out)
    alone = np.concatenate([classifier.score([text]) for text in TEXTS])
    np.testing.assert_allclose(classifier.score(TEXTS), alone, atol=1e-5)
    assert set(classifier.policies.values()) == {"recall>=0.9"}
    logits = classifier.logits(TEXTS)
    assert civility("thresholds", out, "--calibrate").code == 0  # writes the folder anew: the links still lead there
    again = Classifier.load(out)
    np.testing.assert_array_equal(again.logits(TEXTS), logits)
    assert set(again.policies.values()) == {"recall>=0.9"}, "what is stored is kept"


def test_folders_are_combined_on_comments_that_are_given(
    civility: Run, trained: Path, linear: Path, tmp_path: Path
) -> None:
    options = ("--data", "civility:starter/held-out", "--out", tmp_path / "out")
    done = civility("ensemble", trained / "classifier", linear, *options)
    assert done.code == 0, done.err
    assert "comments are among those that the run was trained on" in done.words
    assert Classifier.load(tmp_path / "out").chosen_on.epoch == ""
    assert seen_by(str(tmp_path / "out"), TEXTS) == UnknownTraining(code="combined")
    again = civility("evaluate", tmp_path / "out")
    assert again.code == 2
    assert "error: no training data\n" in again.err


def _other_split(civility: Run, tmp_path: Path) -> Path:
    out = tmp_path / "other"
    data = ("--data", "civility:starter/held-out", "--set", "seed=1", "--set", "linear.max_features=50")
    assert civility("train", "fast", *data, "--out", out).code == 0
    return out


def _other_labels(civility: Run, tmp_path: Path) -> Path:
    out = tmp_path / "other"
    data = ("--data", "civility:starter/held-out", "--set", "linear.max_features=50")
    assert civility("train", "fast", *data, "--set", 'data.labels=["toxic", "threat"]', "--out", out).code == 0
    return out / "classifier"


def test_other_validation_comments_are_refused(civility: Run, linear: Path, tmp_path: Path) -> None:
    other = _other_split(civility, tmp_path)
    done = civility("ensemble", linear, other, "--out", tmp_path / "out")
    assert done.code == 2
    assert f"error: {other} and {linear} held out different comments (sha256:" in done.err
    assert "train them on one split (data.split_seed, or one file for --validation), or give --data FILE" in done.err
    assert not (tmp_path / "out").exists()


def test_other_labels_are_refused(civility: Run, linear: Path, tmp_path: Path) -> None:
    other = _other_labels(civility, tmp_path)
    done = civility("ensemble", linear, other, "--out", tmp_path / "out", "--data", "civility:starter/held-out")
    assert done.code == 2
    only = ", ".join(f"{label} only in {linear}" for label in ("identity_hate", "insult", "obscene", "severe_toxic"))
    assert f"error: {other} and {linear} have different labels: {only}" in done.err
    assert not (tmp_path / "out").exists()


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "one": (("{linear}",), "error: only one classifier, expected two or more"),
    "twice": (("{linear}", "{linear}/classifier"), "/classifier: named twice"),
    "none": (("{linear}", "{tmp}/none"), "no such folder"),
    "a folder": (("{linear}", "{trained}/classifier"), "not a run directory, so it has no validation comments"),
    "weights": (("{linear}", "{trained}", "--weights", "1"), "error: --weights: 1 for 2 classifiers, expected 2"),
    "zero": (
        ("{linear}", "{trained}", "--weights", "1", "0"),
        "--weights: 1, 0, expected numbers from 1e-9 to 1e9",
    ),
    "by": (("{linear}", "{trained}", "--by", "magic"), "unknown --by 'magic': choose from scores, ranks, logits"),
    "nested": (("{linear}", "{both}"), "both: an ensemble\n       name its members instead"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_refused(
    civility: Run, both: Path, trained: Path, linear: Path, tmp_path: Path, name: str
) -> None:
    arguments, message = REFUSED[name]
    filled = [one.format(linear=linear, trained=trained, both=both, tmp=tmp_path) for one in arguments]
    done = civility("ensemble", *filled, "--out", tmp_path / "out")
    assert done.code == 2, done.err
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_a_note_names_the_member_that_has_seen_comments(
    civility: Run, trained: Path, linear: Path, tmp_path: Path
) -> None:
    done = civility("ensemble", trained, linear, "--data", "civility:starter/held-out", "--out", tmp_path / "out")
    notes = [
        one for one in done.words.split("warning: ") if "comments are among those that the run was trained on" in one
    ]
    assert [one.startswith(f"{name}: ") for name, one in zip((trained, linear), notes, strict=True)] == [True, True]


def test_comments_of_one_class_are_refused(civility: Run, trained: Path, linear: Path, tmp_path: Path) -> None:
    labels = "toxic,severe_toxic,obscene,threat,insult,identity_hate"
    (tmp_path / "all.csv").write_text(f"id,comment_text,{labels}\na,hello,1,1,1,1,1,1\nb,bye,1,1,1,1,1,1\n")
    done = civility("ensemble", trained, linear, "--data", tmp_path / "all.csv", "--out", tmp_path / "out")
    assert done.code == 2
    assert "all.csv: no label has both positive and negative comments, so nothing can be measured" in done.err
    assert not (tmp_path / "out").exists()


def test_an_existing_run_is_not_overwritten(civility: Run, both: Path, trained: Path, linear: Path) -> None:
    done = civility("ensemble", trained, linear, "--out", both)
    assert done.code == 2
    assert "exists and is not empty: a run never overwrites another" in done.err
    assert "choose another --out, or remove the folder" in done.err
    assert "--resume" not in done.err, "an ensemble has no such option"
