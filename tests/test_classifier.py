"""Classifier: one row a text, whatever its neighbours, its place or the size of a batch."""

from pathlib import Path

import numpy as np
import pytest

from civility import Classifier
from civility.classifier import Sidecar
from civility.errors import UserError
from civility.model.encoder import load_encoder

LABELS = ("toxic", "threat", "insult")
TEXTS = ["nice garden", "you stupid clown " * 9, "x", "", "film and music and apple", "call the people now"] * 4


@pytest.fixture(scope="module", params=["tiny_bert", "tiny_deberta"])
def classifier(request: pytest.FixtureRequest) -> Classifier:
    return Classifier(load_encoder(str(request.getfixturevalue(request.param)), LABELS), max_length=48)


def test_scores_have_a_row_a_text_and_a_column_a_label(classifier: Classifier) -> None:
    for num in (0, 1, 2, 24):
        scores = classifier.score(TEXTS[:num])
        assert scores.shape == (num, 3)
        assert scores.dtype == np.float32
        assert ((scores >= 0) & (scores <= 1)).all()


def test_a_score_does_not_depend_on_batch_size_order_or_neighbours(classifier: Classifier) -> None:
    whole = classifier.score(TEXTS)
    alone = np.concatenate([classifier.score([text]) for text in TEXTS])
    small = classifier.score(TEXTS, tokens_per_batch=8)
    turned = classifier.score(TEXTS[::-1])[::-1]
    for other in (alone, small, turned):
        np.testing.assert_allclose(other, whole, atol=1e-5)
    assert np.abs(whole - classifier.score(TEXTS[::-1])).max() > 1e-3, "the control: rows do differ"


def test_dropout_is_off(classifier: Classifier) -> None:
    assert np.array_equal(classifier.score(TEXTS), classifier.score(TEXTS))


def test_progress_counts_every_text_once(classifier: Classifier) -> None:
    seen: list[int] = []
    classifier.score(TEXTS, tokens_per_batch=64, on_scored=seen.append)
    assert sum(seen) == len(TEXTS)
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (None, "texts is None"),
        ("a single text", "a single string"),
        (["fine", None], r"texts\[1\] is NoneType"),
        (["fine", 3], r"texts\[1\] is int"),
    ],
)
def test_what_is_no_list_of_strings_is_refused(classifier: Classifier, texts: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        classifier.score(texts)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["\ud800 lone", "\x00", "\u202eright to left", "a\u200bb", "🙂" * 500, "x" * 100_000])
def test_odd_texts_have_scores(classifier: Classifier, text: str) -> None:
    assert np.isfinite(classifier.score([text])).all()


def test_decisions_follow_the_thresholds(tiny_bert: Path) -> None:
    thresholds = {"toxic": 0.2, "threat": 0.9}
    classifier = Classifier(load_encoder(str(tiny_bert), LABELS), 48, thresholds)
    assert classifier.thresholds == {"toxic": 0.2, "threat": 0.9, "insult": 0.5}
    scores = np.array([[0.2, 0.89, 0.5], [0.19, 0.9, 0.49]], dtype=np.float32)
    assert classifier.decide(scores).tolist() == [[True, False, True], [False, True, False]]
    with pytest.raises(ValueError, match=r"expected \(N, 3\)"):
        classifier.decide(scores[:, :2])


def test_what_is_saved_is_loaded_with_the_same_scores(classifier: Classifier, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    classifier.save(folder, "# A card\n")
    again = Classifier.load(folder)
    assert again.labels == LABELS
    assert again.max_length == 48
    assert again.thresholds == classifier.thresholds
    np.testing.assert_allclose(again.score(TEXTS), classifier.score(TEXTS), atol=1e-6)


def test_a_multi_label_folder_from_elsewhere_is_scored(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    classifier = Classifier.load(tmp_path)
    assert classifier.labels == LABELS
    assert classifier.max_length == 64  # the tokenizer's own
    assert set(classifier.thresholds.values()) == {0.5}


def test_the_sidecar_goes_there_and_back(tmp_path: Path) -> None:
    sidecar = Sidecar(LABELS, {"toxic": 0.25, "threat": 1.0, "insult": 0.0}, 128)
    (tmp_path / "civility.json").write_text(sidecar.to_json(), encoding="utf-8")
    assert Sidecar.read(tmp_path / "civility.json") == sidecar


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "labels": ["a"], "thresholds": {}}']
)
def test_a_damaged_sidecar_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "civility.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"civility\.json: damaged"):
        Sidecar.read(tmp_path / "civility.json")
