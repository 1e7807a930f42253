"""Classifiers and comments that cannot be combined are refused before anything is written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from civility.combine.build_ensemble import Averaging, ensemble
from civility.scoring import Classifier, Ensemble, LinearModel
from civility.scoring.linear_model import Terms

from ..refusals import refused

LABELS = ("toxic", "threat")


def linear(labels: tuple[str, ...] = LABELS, seed: int = 0) -> Classifier:
    weights = np.random.default_rng(seed).normal(size=(2, len(labels)))
    terms = (Terms("word", 1, ("nice", "stupid"), np.ones(2)),)
    return Classifier(LinearModel(labels, terms, weights, np.zeros(len(labels))))


def saved(classifier: Classifier, folder: Path) -> str:
    folder.mkdir()
    classifier.save(folder, "")
    return str(folder)


@pytest.fixture
def comments(tmp_path: Path) -> str:
    path = tmp_path / "comments.csv"
    path.write_text("id,comment_text,toxic,threat\na,nice,0,0\nb,stupid,1,0\nc,very stupid,1,1\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("weights", "message"),
    [((1.0,), "--weights: 1 for 2 classifiers, expected 2"), ((1.0, 0.0), "--weights: 1, 0, expected numbers from")],
)
def test_weights_are_checked_first(tmp_path: Path, weights: tuple[float, ...], message: str) -> None:
    with refused("combine.weights", message):
        ensemble(["missing", "other"], tmp_path / "out", Averaging(weights=weights))


def test_one_classifier_is_not_enough(tmp_path: Path) -> None:
    with refused("combine.members", "only one classifier, expected two or more"):
        ensemble([saved(linear(), tmp_path / "a")], tmp_path / "out")


@pytest.mark.parametrize(
    ("other", "code", "message"),
    [
        (lambda: linear(("toxic", "rude")), "combine.other-labels", "threat only in .*/a, rude only in .*/b"),
        (
            lambda: Classifier(Ensemble([linear(), linear(seed=1)])),
            "combine.nested-ensemble",
            "b: an ensemble\nname",
        ),
    ],
    ids=["labels", "nested"],
)
def test_a_member_that_does_not_fit_is_refused(
    tmp_path: Path, comments: str, other: Callable[[], Classifier], code: str, message: str
) -> None:
    targets = [saved(linear(), tmp_path / "a"), saved(other(), tmp_path / "b")]
    with refused(code, message):
        ensemble(targets, tmp_path / "out", files=[comments])
    assert not (tmp_path / "out").exists()


def test_comments_of_one_class_are_refused(tmp_path: Path, comments: str) -> None:
    targets = [saved(linear(), tmp_path / "a"), saved(linear(seed=1), tmp_path / "b")]
    made = ensemble(targets, tmp_path / "control", files=[comments])
    assert Classifier.load(made.run.path).labels == LABELS, "the control: these comments are of both classes"
    Path(comments).write_text("id,comment_text,toxic,threat\na,nice,1,0\nb,stupid,1,0\n", encoding="utf-8")
    with refused("combine.one-class", "comments.csv: no label has both positive and negative comments"):
        ensemble(targets, tmp_path / "out", files=[comments])
    assert not (tmp_path / "out").exists()
