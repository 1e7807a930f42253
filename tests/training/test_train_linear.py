"""Fitting the linear model: scikit-learn's scores; unknown targets left out, soft ones shared between the classes."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData
from civility.engine.watch import Warned
from civility.recipe import Recipe
from civility.recipe.settings import LinearSettings
from civility.run import RunDirectory
from civility.training.build import Job
from civility.training.events import Event
from civility.training.train_linear import check_both_classes, check_linear, fit_linear, train_linear

from ..conftest import LABELS, comment_rows
from ..refusals import refused

ROWS = comment_rows(120)
TEXTS = tuple(str(row["comment_text"]) for row in ROWS)
TARGETS = np.array([[row[label] for label in LABELS] for row in ROWS], dtype=np.float32)
PLAN = LinearSettings(max_features=300, c=3.0)
NEW = ["you stupid clown", "nice garden film", "", "kill kill kill the train"]


def dataset(targets: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", rows: slice = slice(None)) -> Dataset:
    texts = TEXTS[rows]
    return Dataset(texts, targets, tuple(map(str, range(len(texts)))), LABELS[: targets.shape[1]])


def test_scores_are_those_of_scikit_learn() -> None:
    model = fit_linear(dataset(TARGETS), PLAN)[0]
    vectorizers = [
        TfidfVectorizer(ngram_range=(1, 2), max_features=300, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), max_features=300, sublinear_tf=True),
    ]
    features = hstack([one.fit_transform(TEXTS) for one in vectorizers]).tocsr()
    new = hstack([one.transform(NEW) for one in vectorizers])
    for column in range(len(LABELS)):
        theirs = LogisticRegression(C=3.0, solver="liblinear", max_iter=1000).fit(features, TARGETS[:, column] > 0.5)
        ours = 1 / (1 + np.exp(-model.logits(NEW)[:, column].astype(np.float64)))
        np.testing.assert_allclose(ours, theirs.predict_proba(new)[:, 1], atol=1e-3)  # rows in another order
        np.testing.assert_allclose(model.weights[:, column], theirs.coef_[0], atol=5e-3)
    other = fit_linear(dataset(TARGETS), LinearSettings(max_features=300, c=0.1))[0]
    assert np.abs(other.logits(NEW) - model.logits(NEW)).max() > 0.1, "the control: another penalty is seen"


def test_numpy_scores_what_scikit_learn_has_fitted() -> None:
    """The same weights, the two ways to score: equal to the last digits of float32."""
    model = fit_linear(dataset(TARGETS), PLAN)[0]
    vectorizers = [
        TfidfVectorizer(ngram_range=(1, 2), max_features=300, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), max_features=300, sublinear_tf=True),
    ]
    for one in vectorizers:
        one.fit(TEXTS)
    texts = [*TEXTS, *NEW]
    features = hstack([one.transform(texts) for one in vectorizers])
    np.testing.assert_allclose(model.logits(texts), features @ model.weights + model.bias, atol=1e-5)


def test_unknown_targets_are_left_out() -> None:
    some = TARGETS.copy()
    some[80:, 0] = np.nan
    known = dataset(TARGETS[:80, :1].copy(), slice(80))
    vocabulary_of_all = fit_linear(dataset(some), PLAN)[0]
    settings = {"max_features": 300, "sublinear_tf": True}
    vectorizers = [
        TfidfVectorizer(ngram_range=(1, 2), **settings),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings),
    ]
    features = hstack([one.fit_transform(TEXTS) for one in vectorizers]).tocsr()[:80]
    theirs = LogisticRegression(C=3.0, solver="liblinear", max_iter=1000).fit(features, known.targets[:, 0] > 0.5)
    np.testing.assert_allclose(vocabulary_of_all.weights[:, 0], theirs.coef_[0], atol=5e-3)
    all_known = fit_linear(dataset(TARGETS), PLAN)[0]
    assert np.abs(all_known.weights[:, 0] - theirs.coef_[0]).max() > 0.05, "the control"


def test_a_soft_target_is_a_share_of_both_classes() -> None:
    # Ten copies of a comment, three of them positive, say the same as one comment of target 0.3 and weight ten.
    soft = np.array([[0.3], [1.0], [0.0]], dtype=np.float32)
    texts = ("you stupid clown", "kill the train", "nice garden")
    once = Dataset(tuple(np.repeat(texts, 10)), np.repeat(soft, 10, axis=0), tuple(map(str, range(30))), ("toxic",))
    hard = once.targets.copy()
    hard[:10, 0] = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    other = Dataset(once.texts, hard, once.ids, once.labels)
    ours, theirs = (fit_linear(one, PLAN)[0].logits(texts) for one in (once, other))
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
    hard[:10, 0] = 0
    rounded = fit_linear(Dataset(once.texts, hard, once.ids, once.labels), PLAN)[0].logits(texts)
    assert np.abs(rounded - theirs).max() > 0.3, "the control: rounding it is another fit"


def test_a_label_without_a_negative_comment_is_refused() -> None:
    targets = TARGETS.copy()
    targets[:, 1] = 1
    targets[::2, 1] = np.nan
    with refused("training.one-class", "severe_toxic: none of the 60 training comments .* is negative"):
        check_both_classes(dataset(targets))
    check_both_classes(dataset(TARGETS))


def test_comments_without_a_word_are_refused() -> None:
    nothing = Dataset(("!", "?", "a"), TARGETS[:3, :1].copy(), ("1", "2", "3"), ("toxic",))
    with refused("training.no-terms", "the training comments contain no word to count"):
        fit_linear(nothing, PLAN)


def test_a_word_of_a_single_comment_is_in_the_model_in_clear_text() -> None:
    texts = (*(f"you fool {i}" for i in range(10)), *(f"nice garden {i}" for i in range(10)), "ask Zebedee Quux")
    targets = np.array([[1.0]] * 10 + [[0.0]] * 11, dtype=np.float32)
    data = Dataset(texts, targets, tuple(map(str, range(21))), ("toxic",))
    words = fit_linear(data, LinearSettings())[0].terms[0].names
    assert {"zebedee", "quux", "zebedee quux"} <= set(words), "what the model card and the docs say"
    few = fit_linear(data, LinearSettings(max_features=3))[0].terms[0].names
    assert set(few) <= {"you", "fool", "you fool", "nice", "garden", "nice garden"}, "rare ones give way"


@pytest.mark.usefixtures("launched")
def test_options_of_encoders_are_refused() -> None:
    data = prepared(TARGETS)
    cases: tuple[tuple[dict[str, object], str, str], ...] = (
        ({}, "wandb", "--tracker wandb"),
        ({"training.fit": True}, "", "--fit"),
        ({}, "", "torchrun"),
    )
    for changes, tracker, option in cases:
        recipe = Recipe.load("fast", {"data.files": ["none.csv"], **changes})
        with refused("training.linear-option", f"^{option}.*: a linear model "):
            check_linear(Job(recipe, data, RunDirectory(Path("nowhere")), tracker=tracker), in_full=False)


def test_a_dead_owners_lock_is_taken_over_with_a_word(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text('{"process": 1, "machine": "far-away", "since": "2020-01-01T00:00:00+00:00"}')
    os.utime(lock, (0, 0))
    changes = {"data.files": ["none.csv"], "linear.max_features": 300}
    emitted: list[Event] = []
    train_linear(Job(Recipe.load("fast", changes), prepared(TARGETS), RunDirectory(tmp_path), emit=emitted.append))
    assert [event.text for event in emitted if isinstance(event, Warned)] == [
        "took over from process 1 on far-away, which was killed"
    ]
    assert not lock.exists()


def prepared(targets: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> PreparedData:
    comments = dataset(targets)
    return PreparedData(comments, comments, ("none.csv",), ("none.csv",), ())
