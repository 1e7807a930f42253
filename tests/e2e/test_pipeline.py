"""The scores of `transformers.pipeline`: those of `Classifier.score`, on every label, whatever the recipe.

Isotonic calibration is the exception: no linear layer can hold it. It shows that these tests can fail.
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from civility import Classifier
from civility.recipe import Recipe
from civility.render.sentences.report_sentences import other_scores

from ..conftest import LABELS, SENTENCES, WORDS, comment_rows
from .conftest import Done, Run, quick

RARE = "identity_hate"
TEXTS = (*SENTENCES[:40], f"{WORDS[-7]} you", "x", "fool " * 100, *(f"{word} {word} garden" for word in WORDS[-12:]))


@pytest.fixture(scope="module")
def comments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,200 comments, of which one in 25 has the rare label."""
    path = tmp_path_factory.mktemp("comments") / "comments.csv"
    rows = comment_rows(1_200)
    for i, row in enumerate(rows):
        row[RARE] = int(i % 25 == 3)
        words = row["comment_text"].replace(WORDS[-7], "the")
        row["comment_text"] = f"{WORDS[-7]} {words}" if row[RARE] else words
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _train(civility: Run, recipe: str, comments: Path, model: Path, out: Path, *more: str) -> Done:
    lengths = ("data.max_length=24", "evaluation.max_length=48") if recipe == "strong" else ()
    settings = quick("training.epochs=2", "data.validation=0.5", 'model.revision=""', *lengths, *more)
    done = civility("train", recipe, "--data", comments, "--model", model, "--out", out, *settings)
    assert done.code == 0, done.err
    return done


def _pipeline_scores(run: Path) -> npt.NDArray[np.float64]:
    """Return the scores (N, L) that transformers gives for the texts."""
    from transformers import pipeline

    folder = str(run / "classifier")
    classify = pipeline("text-classification", folder, function_to_apply="sigmoid", top_k=None, device="cpu")
    found = [{one["label"]: one["score"] for one in row} for row in classify(list(TEXTS), truncation=True)]
    return np.array([[row[label] for label in LABELS] for row in found])


def _differences(one: npt.ArrayLike, other: npt.ArrayLike) -> dict[str, float]:
    """Return the largest difference of two arrays of scores (N, L), by label."""
    return dict(zip(LABELS, np.abs(np.asarray(one) - np.asarray(other)).max(axis=0).tolist(), strict=True))


@pytest.mark.parametrize(
    ("recipe", "model"), [("starter", "tiny_bert"), ("strong", "tiny_bert"), ("baseline", "tiny_deberta")]
)
def test_the_pipeline_gives_the_calibrated_scores_of_all_labels(
    civility: Run, recipe: str, model: str, comments: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert Recipe.load(recipe).evaluation.calibration == "auto"
    run = tmp_path / "run"
    done = _train(civility, recipe, comments, request.getfixturevalue(model), run)
    classifier = Classifier.load(run)
    scores = classifier.score(TEXTS)
    assert max(_differences(_pipeline_scores(run), scores).values()) < 1e-5
    assert classifier.not_in_weights == ()
    assert "before calibration" not in done.words
    assert "before calibration" not in (run / "classifier" / "README.md").read_text(encoding="utf-8")

    calibrated = {label for label, one in classifier.calibration.items() if one.method != "none"}
    assert RARE in calibrated
    assert len(calibrated) > 3
    logits = classifier.logits(TEXTS).astype(np.float64)
    moved = _differences(1 / (1 + np.exp(-logits)), scores)
    assert min(moved[label] for label in calibrated) > 1e-3, "the control: calibration changes these scores"


def test_isotonic_calibration_is_for_civility_alone_and_a_run_says_so(
    civility: Run, comments: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = _train(civility, "starter", comments, tiny_bert, run, "evaluation.calibration=isotonic")
    classifier = Classifier.load(run)
    isotonic = tuple(label for label, one in classifier.calibration.items() if one.method == "isotonic")
    assert isotonic
    assert classifier.not_in_weights == isotonic
    found = _differences(_pipeline_scores(run), classifier.score(TEXTS))
    assert all((found[label] > 0.01) == (label in isotonic) for label in LABELS), found
    assert all(found[label] < 1e-5 for label in LABELS if label not in isotonic), found
    assert other_scores(isotonic) in done.words
    card = (run / "classifier" / "README.md").read_text(encoding="utf-8")
    assert other_scores([f"`{label}`" for label in isotonic]) in card

    # Fitted anew, the calibration moves into the weights.
    done = civility("thresholds", run, "--data", comments, "--calibrate")
    assert done.code == 0, done.err
    again = Classifier.load(run)
    assert again.not_in_weights == ()
    assert max(_differences(_pipeline_scores(run), again.score(TEXTS)).values()) < 1e-5
