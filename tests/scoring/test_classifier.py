"""Classifier: one row a text, whatever its neighbours, its place or the size of a batch."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import civility
import civility.scoring
from civility import Classifier
from civility.documents.classifier_file import ChosenOn
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration, fit
from civility.metrics.policy import Policy
from civility.metrics.threshold_search import Cuts, choose_threshold
from civility.models.encoder import EncoderScorer, load_encoder

from ..refusals import refused

LABELS = ("toxic", "threat", "insult")
TEXTS = ["nice garden", "you stupid clown " * 9, "x", "", "film and music and apple", "call the people now"] * 4


@pytest.fixture(scope="module", params=["tiny_bert", "tiny_deberta"])
def classifier(request: pytest.FixtureRequest) -> Classifier:
    return Classifier(EncoderScorer(load_encoder(str(request.getfixturevalue(request.param)), LABELS), max_length=48))


def test_scores_have_a_row_a_text_and_a_column_a_label(classifier: Classifier) -> None:
    for num in (0, 1, 2, 24):
        scores = classifier.score(TEXTS[:num])
        assert scores.shape == (num, 3)
        assert scores.dtype == np.float32
        assert ((scores >= 0) & (scores <= 1)).all()


def test_a_classifier_is_shown_by_name_kind_and_labels(classifier: Classifier) -> None:
    labels = ", ".join(map(repr, classifier.labels))
    assert repr(classifier) == f"<Classifier 'the classifier': encoder, {labels}>"


@pytest.mark.parametrize("module", [civility, civility.scoring])
def test_completion_lists_the_public_names_that_are_loaded_on_first_use(module: ModuleType) -> None:
    assert set(dir(module)) == set(module.__all__)
    assert all(getattr(module, name) is not None for name in dir(module))


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


class Column:
    """A column of a table, as pandas and polars give one: no sequence, but iterable."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)


@pytest.mark.parametrize("make", [tuple, iter, np.array, lambda texts: np.array(texts, dtype=object), Column])
def test_any_iterable_of_strings_is_scored(classifier: Classifier, make: Callable[[list[str]], Any]) -> None:
    np.testing.assert_array_equal(classifier.score(make(TEXTS[:6])), classifier.score(TEXTS[:6]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_series_is_scored(classifier: Classifier, library: str) -> None:
    column = pytest.importorskip(library).Series(TEXTS[:6])
    np.testing.assert_array_equal(classifier.score(column), classifier.score(TEXTS[:6]))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (None, "texts is None: pass a list of strings"),
        (3, "texts is of type int: pass a list of strings"),
        ("a single text", r"a single str: pass a list of strings, as in score\(\[text\]\)"),
        (b"bytes", "a single bytes: pass a list"),
        ({"text": "fine"}, "texts is a dict: pass its texts in order"),
        ({"fine"}, "texts is a set: pass its texts in order"),
        (["fine", None], r"texts\[1\] is None: every text must be a string"),
        (["fine", 3], r"texts\[1\] is of type int"),
        (["fine", b"bytes"], r"texts\[1\] is of type bytes"),
        (Column(["fine", "fine", float("nan")]), r"texts\[2\] is NaN \(a missing value\)"),
        (np.array([["fine"]]), r"texts\[0\] is of type ndarray"),
    ],
)
def test_what_is_not_an_iterable_of_strings_is_refused(classifier: Classifier, texts: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        classifier.score(texts)


def _broken(build: Path, tensor: str, value: float, folder: Path) -> Path:
    """Save a classifier one of whose weights is not finite, as a plain Hugging Face folder."""
    import torch

    encoder = load_encoder(str(build), LABELS)
    with torch.no_grad():
        encoder.model.get_parameter(tensor).view(-1)[0] = value
    encoder.model.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("tensor", ["classifier.bias", "bert.encoder.layer.1.output.dense.weight"])
def test_weights_that_are_not_finite_are_refused(tiny_bert: Path, tmp_path: Path, tensor: str, value: float) -> None:
    folder = _broken(tiny_bert, tensor, value, tmp_path / "broken")
    with pytest.raises(UserError, match=f"cannot load the model: {tensor} holds NaN or infinity"):
        Classifier.load(folder)
    with pytest.raises(UserError, match=f"cannot load the model: {tensor} holds NaN or infinity"):
        load_encoder(str(folder), LABELS)  # training does not start from them either


def test_finite_weights_whose_sum_overflows_are_loaded(tiny_bert: Path, tmp_path: Path) -> None:
    import torch

    encoder = load_encoder(str(tiny_bert), LABELS)
    with torch.no_grad():
        encoder.model.bert.embeddings.word_embeddings.weight[:2] = 3e38
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    assert Classifier.load(tmp_path).labels == LABELS


def test_a_logit_that_is_not_finite_is_an_error_that_names_the_row(fresh: Classifier) -> None:
    import torch

    model = fresh.scorer.encoder.model  # type: ignore[attr-defined]
    with torch.no_grad():
        model.get_input_embeddings().weight[fresh.scorer.encoder.tokenizer("film")["input_ids"][1]] = float("nan")  # type: ignore[attr-defined]
    fresh.name = "runs/broken"
    texts = ["nice garden", "the garden", "film", "nice film"]
    for score in (fresh.score, fresh.logits):
        with refused(
            "scoring.not-finite-score", r"runs/broken: comment 2 .*a logit of nan for toxic \(and so have 1 more"
        ):
            score(texts)
    assert fresh.score(texts[:2]).shape == (2, 3), "the control: the other comments have scores"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_neither_calibrated_nor_decided(fresh: Classifier, value: float) -> None:
    scores = np.full((3, 3), 0.4, dtype=np.float32)
    scores[1, 2] = value
    kinds = {"score": "scoring.not-a-score", "logit": "scoring.not-finite-score"}
    for act, what in ((fresh.decide, "score"), (fresh.bands, "score"), (fresh.calibrated, "logit")):
        with refused(kinds[what], rf"comment 1 \(counted from 0\) has a {what} of .* for insult"):
            act(scores)


def test_a_calibration_too_large_for_the_head_stays_outside_of_it(fresh: Classifier) -> None:
    import torch

    head = [one for one in fresh.scorer.encoder.model.modules() if isinstance(one, torch.nn.Linear)][-1]  # type: ignore[attr-defined]
    with torch.no_grad():
        head.weight *= 1e20
    before = fresh.score(TEXTS)
    fresh.calibrate({"toxic": LabelCalibration("platt", 1e30, 0.0)}, "sha256:some")
    assert head.weight.isfinite().all()
    assert fresh.document().in_head == frozenset()
    assert np.isfinite(fresh.score(TEXTS)).all()
    np.testing.assert_array_equal(fresh.score(TEXTS)[:, 1:], before[:, 1:])


@pytest.mark.parametrize("text", ["\ud800 lone", "\x00", "\u202eright to left", "a\u200bb", "🙂" * 500, "x" * 100_000])
def test_odd_texts_have_scores(classifier: Classifier, text: str) -> None:
    assert np.isfinite(classifier.score([text])).all()


def test_decisions_follow_the_thresholds(tiny_bert: Path) -> None:
    thresholds = {"toxic": 0.2, "threat": 0.9}
    classifier = Classifier(EncoderScorer(load_encoder(str(tiny_bert), LABELS), 48), thresholds)
    assert classifier.thresholds == {"toxic": 0.2, "threat": 0.9, "insult": 0.5}
    scores = np.array([[0.2, 0.89, 0.5], [0.19, 0.9, 0.49]], dtype=np.float32)
    assert classifier.decide(scores).tolist() == [[True, False, True], [False, True, False]]
    with pytest.raises(ValueError, match=r"expected \(N, 3\)"):
        classifier.decide(scores[:, :2])
    assert classifier.decide(scores.tolist()).tolist() == classifier.decide(scores).tolist()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.5, 9.0])
def test_numbers_that_are_not_scores_are_refused_with_their_comment(classifier: Classifier, wrong: float) -> None:
    scores = np.full((4, len(classifier.labels)), 0.5, dtype=np.float32)
    scores[2, 1] = wrong
    expected = rf"comment 2 \(counted from 0\) has a score of {wrong} for {classifier.labels[1]}, expected a number"
    for use in (classifier.decide, classifier.bands):
        with refused("scoring.not-a-score", expected) as error:
            use(scores)
        assert error.value.message.startswith(f"{classifier.name}: ")
    with pytest.raises(ValueError, match="scores are not an array of numbers"):
        classifier.decide([["high"]])


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


ISOTONIC = LabelCalibration("isotonic", x=(-1.0, 0.0, 1.0), y=(0.01, 0.3, 0.9))
CALIBRATIONS = {
    "toxic": LabelCalibration("platt", 1.7, -2.0),
    "threat": LabelCalibration("temperature", 0.4),
    "insult": ISOTONIC,
}


def _sigmoid(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


@pytest.fixture(params=["tiny_bert", "tiny_deberta"])
def fresh(request: pytest.FixtureRequest) -> Classifier:
    """A classifier whose weights a test may change."""
    return Classifier(EncoderScorer(load_encoder(str(request.getfixturevalue(request.param)), LABELS), max_length=48))


def test_scores_are_the_calibrated_logits(fresh: Classifier) -> None:
    logits, before = fresh.logits(TEXTS), fresh.score(TEXTS)
    assert logits.dtype == before.dtype == np.float32
    np.testing.assert_allclose(before, _sigmoid(logits), atol=1e-6)
    fresh.calibrate(CALIBRATIONS, "sha256:some")
    assert fresh.chosen_on == ChosenOn(epoch="", calibration=dict.fromkeys(CALIBRATIONS, "sha256:some"), thresholds={})
    assert fresh.calibration == CALIBRATIONS
    np.testing.assert_allclose(fresh.logits(TEXTS), logits, atol=1e-5)  # the head's own calibration is undone
    expected = np.stack([CALIBRATIONS[label].apply(logits[:, i]) for i, label in enumerate(LABELS)], axis=1)
    np.testing.assert_allclose(fresh.score(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(fresh.calibrated(logits), expected, atol=1e-6)
    assert (np.abs(expected - before).max(axis=0) > 0.01).all(), "the control: every label has other scores"
    with pytest.raises(ValueError, match=r"logits have shape \(24, 2\), expected \(N, 3\)"):
        fresh.calibrated(logits[:, :2])


def test_a_second_calibration_takes_the_place_of_the_first(fresh: Classifier) -> None:
    logits = fresh.logits(TEXTS)
    before = fresh.score(TEXTS)
    fresh.calibrate(CALIBRATIONS, "sha256:one")
    fresh.calibrate({"toxic": ISOTONIC, "insult": LabelCalibration("platt", 3.0, 1.0)}, "sha256:two")
    # Of a label that is not named it stays.
    expected = [
        ISOTONIC.apply(logits[:, 0]),
        CALIBRATIONS["threat"].apply(logits[:, 1]),
        _sigmoid(3 * logits[:, 2] + 1),
    ]
    np.testing.assert_allclose(fresh.score(TEXTS), np.stack(expected, axis=1), atol=1e-6)
    fresh.calibrate(dict.fromkeys(LABELS, LabelCalibration()), "sha256:three")
    np.testing.assert_allclose(fresh.score(TEXTS), before, atol=1e-6)
    assert fresh.document().calibration == {}


def test_a_calibration_of_an_unknown_label_is_refused(fresh: Classifier) -> None:
    with pytest.raises(ValueError, match="no label thread"):
        fresh.calibrate({"thread": ISOTONIC}, "sha256:some")


def test_what_is_saved_is_loaded_calibrated_with_its_thresholds(fresh: Classifier, tmp_path: Path) -> None:
    logits = fresh.logits(TEXTS)
    fresh.calibrate(CALIBRATIONS, "sha256:one")
    scores = fresh.score(TEXTS)
    targets = np.arange(len(TEXTS)) % 2.0
    cuts = {label: Cuts.of(targets, scores[:, i]) for i, label in enumerate(LABELS)}
    choices = {
        "toxic": choose_threshold(Policy("f1", review=300.0), cuts["toxic"]),
        "threat": choose_threshold(Policy("recall", 0.5), cuts["threat"]),
    }
    fresh.set_thresholds(choices, "sha256:two")
    fresh.save(tmp_path, "# A card\n")
    again = Classifier.load(tmp_path)
    assert again.document() == fresh.document()
    assert again.thresholds == {**{label: one.threshold for label, one in choices.items()}, "insult": 0.5}
    assert again.review_thresholds == {"toxic": choices["toxic"].review_threshold}
    assert again.policies == {"toxic": "bands(f1, review<=300 per 1000)", "threat": "recall>=0.5"}
    assert again.calibration == CALIBRATIONS
    assert again.chosen_on == ChosenOn(
        epoch="",
        calibration=dict.fromkeys(CALIBRATIONS, "sha256:one"),
        thresholds=dict.fromkeys(choices, "sha256:two"),
    )
    np.testing.assert_allclose(again.score(TEXTS), scores, atol=1e-6)
    np.testing.assert_allclose(again.logits(TEXTS), logits, atol=1e-5)
    assert again.decide(again.score(TEXTS)).sum(axis=0)[:2].tolist() == [one.counts.flagged for one in choices.values()]
    again.set_thresholds({"toxic": choose_threshold(Policy("f1"), cuts["toxic"])}, "sha256:three")
    assert again.review_thresholds == {}, "a policy without a band takes the band away"


def test_the_pipeline_of_transformers_gives_the_calibrated_scores(fresh: Classifier, tmp_path: Path) -> None:
    from transformers import pipeline

    uncalibrated = fresh.score(TEXTS)
    logits = fresh.logits(TEXTS)
    fresh.calibrate(CALIBRATIONS, "sha256:one")
    ours = fresh.score(TEXTS)
    fresh.save(tmp_path, "# A card\n")
    classify = pipeline("text-classification", model=str(tmp_path), top_k=None, device="cpu")
    found = [{one["label"]: one["score"] for one in row} for row in classify(TEXTS, truncation=True)]
    theirs = np.array([[row[label] for label in LABELS] for row in found])
    np.testing.assert_allclose(theirs[:, :2], ours[:, :2], atol=1e-5)
    assert np.abs(theirs[:, :2] - uncalibrated[:, :2]).max() > 0.01, "the control: uncalibrated ones are others"
    # A linear layer cannot apply an isotonic calibration: the scores of the pipeline are uncalibrated.
    np.testing.assert_allclose(theirs[:, 2], _sigmoid(logits)[:, 2], atol=1e-5)


def test_an_isotonic_calibration_of_an_older_folder_is_applied(fresh: Classifier, tmp_path: Path) -> None:
    logits, plain = fresh.logits(TEXTS), fresh.score(TEXTS)
    fresh.save(tmp_path, "# A card\n")
    x, y = [float(logits[:, 0].min()), float(logits[:, 0].max())], [0.02, 0.75]
    older = {
        "schema": 2,
        "labels": list(LABELS),
        "thresholds": dict.fromkeys(LABELS, 0.5),
        "review_thresholds": {},
        "policies": {},
        "calibration": {"toxic": {"method": "isotonic", "x": x, "y": y, "in_head": False}},
        "max_length": 48,
        "chosen_on": {"epoch": "", "calibration": {}, "thresholds": {}},
    }
    (tmp_path / "civility.json").write_text(json.dumps(older), encoding="utf-8")
    again = Classifier.load(tmp_path)
    scores = again.score(TEXTS)
    np.testing.assert_allclose(scores[:, 0], np.interp(logits[:, 0], x, y), atol=1e-6)
    np.testing.assert_allclose(scores[:, 1:], plain[:, 1:], atol=1e-6)
    assert np.abs(scores[:, 0] - plain[:, 0]).max() > 0.01, "the control"
    assert again.not_in_weights == ("toxic",)
    again.calibrate({"toxic": LabelCalibration("platt", 2.0, 1.0)}, "sha256:new")
    assert not again.not_in_weights
    np.testing.assert_allclose(again.score(TEXTS)[:, 0], _sigmoid(2 * logits[:, 0] + 1), atol=1e-6)


def test_a_head_that_takes_no_calibration_leaves_it_to_the_file(tiny_bert: Path) -> None:
    import torch

    encoder = load_encoder(str(tiny_bert), LABELS)
    encoder.model.classifier = torch.nn.Sequential(encoder.model.classifier, torch.nn.Tanh())
    classifier = Classifier(EncoderScorer(encoder, max_length=48))
    logits = classifier.logits(TEXTS)
    classifier.calibrate(CALIBRATIONS, "sha256:one")
    assert classifier.document().in_head == frozenset()
    assert classifier.not_in_weights == LABELS
    np.testing.assert_allclose(classifier.logits(TEXTS), logits, atol=1e-6)
    np.testing.assert_allclose(classifier.score(TEXTS)[:, 0], _sigmoid(1.7 * logits[:, 0] - 2), atol=1e-6)


def test_ranking_stays_but_for_ties(fresh: Classifier) -> None:
    logits = fresh.logits(TEXTS)
    targets = (logits[:, 0] + np.sin(np.arange(len(TEXTS))) * 0.3 > np.median(logits[:, 0])).astype(np.float32)
    fresh.calibrate({label: fit("isotonic", logits[:, 0], targets) for label in LABELS}, "sha256:one")
    order = np.argsort(logits[:, 0])
    assert (np.diff(fresh.score(TEXTS)[order, 0]) >= 0).all()


def test_bands_follow_both_thresholds(tiny_bert: Path) -> None:
    classifier = Classifier(EncoderScorer(load_encoder(str(tiny_bert), LABELS), 48), {"toxic": 0.7, "threat": 0.9})
    classifier.review_thresholds["toxic"] = 0.3
    scores = np.array([[0.3, 0.3, 0.5], [0.7, 0.9, 0.4], [0.29, 0.89, 1.0]], dtype=np.float32)
    bands = classifier.bands(scores)
    assert bands.dtype == np.int8
    assert bands.tolist() == [[1, 0, 2], [2, 2, 0], [0, 0, 2]]
    assert np.array_equal(bands == 2, classifier.decide(scores))


def test_a_file_of_another_classifier_is_refused(fresh: Classifier, tmp_path: Path) -> None:
    fresh.save(tmp_path, "# A card\n")
    file = fresh.document().model_copy(update={"labels": (*LABELS[1:], LABELS[0])})
    (tmp_path / "civility.json").write_text(file.to_json(), encoding="utf-8")
    with refused("scoring.other-labels", r"civility.json has the labels .*, config.json has .*\nthe two files belong"):
        Classifier.load(tmp_path)


def test_a_calibration_that_cannot_leave_the_weights_is_refused(fresh: Classifier) -> None:
    fresh.calibrate(CALIBRATIONS, "sha256:one")
    fresh.scorer.fold_affine = lambda scale, shift: False  # type: ignore[method-assign]
    with refused("scoring.fixed-calibration", "cannot be removed\ntrain the classifier again"):
        fresh.calibrate({"toxic": LabelCalibration("platt", 2.0, 1.0)}, "sha256:two")
    assert fresh.calibration == CALIBRATIONS, "unchanged"
