"""Every architecture of transformers that classifies texts: it trains and scores, or is refused in one sentence."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from civility.data.prepare import prepare
from civility.errors import UserError
from civility.recipe import Recipe
from civility.scoring.classifier import Classifier
from civility.training.train_run import train

from ..architectures import NOT_BUILT, REFUSED, REPRESENTATIVE, build_tiny, classifying_architectures

LABELS = ("toxic", "threat", "insult")
_TEXTS = ["fool and clown", "a longer comment, and some more of it", "x" * 40, "😀 это"]


@pytest.fixture(scope="session")
def comments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dozen comments, a few of them longer than any tiny model takes."""
    path = tmp_path_factory.mktemp("comments") / "comments.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "comment_text", *LABELS])
        for i in range(24):
            text = "word " * (i % 6 + 1) + ("bad" if i % 2 else "") + (" x" * 60 if i % 7 == 0 else "")
            writer.writerow([f"c{i}", text, i % 2, i % 3 // 2, i % 4 // 3])
    return path


def _recipe(model: Path, comments: Path, max_length: int) -> Recipe:
    changes = {
        "model.name": str(model),
        "model.revision": "",
        "data.files": [str(comments)],
        "data.validation": [str(comments)],
        "data.labels": list(LABELS),
        "data.max_length": max_length,
        "training.epochs": 1,
        "training.batch_size": 4,
        "training.gradient_accumulation": 1,
        "training.learning_rate": 1e-3,
        "training.precision": "fp32",
        "training.device": "cpu",
        "training.checkpoint_minutes": 0,
    }
    return Recipe.load("baseline", changes)


def _train(model: Path, comments: Path, max_length: int, out: Path) -> None:
    recipe = _recipe(model, comments, max_length)
    train(recipe, prepare(recipe.wanted), out)


def _longest(model: Path, comments: Path, out: Path) -> int:
    """Return the longest texts that a run allows, as it says when it is asked for more; 80 where nothing limits it."""
    from civility.models.encoder import load_encoder

    longest = load_encoder(str(model), LABELS).longest_text
    if longest == 1_000_000:
        return 80
    with pytest.raises(UserError, match=rf"data.max_length = {longest + 1}: .* takes at most {longest} tokens"):
        _train(model, comments, longest + 1, out)
    return longest


def _trains_or_is_refused(model_type: str, comments: Path, tmp_path: Path) -> None:
    if model_type in NOT_BUILT:
        with pytest.raises(ImportError, match=NOT_BUILT[model_type]):
            build_tiny(model_type, tmp_path / "model")
        return
    model, out = build_tiny(model_type, tmp_path / "model"), tmp_path / "run"
    if model_type in REFUSED:
        with pytest.raises(UserError, match=re.escape(REFUSED[model_type])):
            _train(model, comments, 62, out)
        assert not out.exists()
        return
    _train(model, comments, _longest(model, comments, out), out)
    classifier = Classifier.load(str(out / "classifier"))
    together = np.asarray(classifier.score(_TEXTS))
    alone = np.concatenate([np.asarray(classifier.score([text])) for text in _TEXTS])
    assert together.shape == (4, 3)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-3)


@pytest.mark.parametrize("model_type", REPRESENTATIVE)
def test_an_architecture_trains_or_is_refused(model_type: str, comments: Path, tmp_path: Path) -> None:
    _trains_or_is_refused(model_type, comments, tmp_path)


@pytest.mark.architectures
@pytest.mark.parametrize("model_type", sorted(set(classifying_architectures()) - set(REPRESENTATIVE)))
def test_every_other_architecture_trains_or_is_refused(model_type: str, comments: Path, tmp_path: Path) -> None:
    _trains_or_is_refused(model_type, comments, tmp_path)
