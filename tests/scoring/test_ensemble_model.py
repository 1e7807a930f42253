"""Ensembles: averages of members of any kind, one row a text; saved, linked and damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from civility import Classifier, Ensemble
from civility.documents.classifier_file import By
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.metrics.ranking import rank_maps
from civility.models.encoder import EncoderScorer, load_encoder
from civility.scoring.linear_model import LinearModel, Terms

from ..refusals import refused

LABELS = ("toxic", "threat")
TEXTS = ["nice garden", "you stupid clown", "kill", "", "film and music"]


def linear(labels: tuple[str, ...] = LABELS, seed: int = 0) -> Classifier:
    names = ("nice", "stupid", "kill", "film")
    weights = np.random.default_rng(seed).normal(size=(4, len(labels))) * 3
    terms = (Terms("word", 1, names, np.ones(4)),)
    return Classifier(LinearModel(labels, terms, weights, np.full(len(labels), -1.0)))


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> Classifier:
    classifier = Classifier(EncoderScorer(load_encoder(str(tiny_bert), LABELS), max_length=24))
    classifier.calibrate({"toxic": LabelCalibration("platt", 2.0, -1.0)}, "sha256:some")
    return classifier


@pytest.fixture
def swapped() -> Classifier:
    """A linear classifier whose labels stand in the other order."""
    return linear(LABELS[::-1], seed=1)


def _logit(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.log(share) - np.log1p(-share))


def test_scores_are_the_weighted_mean_of_calibrated_scores(encoder: Classifier, swapped: Classifier) -> None:
    both = Classifier(Ensemble([encoder, swapped], weights=[3, 1]))
    expected = 0.75 * encoder.score(TEXTS) + 0.25 * swapped.score(TEXTS)[:, ::-1]
    np.testing.assert_allclose(both.score(TEXTS), expected, atol=1e-6)
    assert np.abs(both.score(TEXTS) - encoder.score(TEXTS)).max() > 0.02, "the control: the other one counts"
    assert (both.kind, both.labels, both.max_length) == ("ensemble", LABELS, 0)


def test_logits_are_the_mean_of_those_before_calibration(encoder: Classifier, swapped: Classifier) -> None:
    both = Classifier(Ensemble([encoder, swapped], by="logits"))
    expected = (encoder.logits(TEXTS) + swapped.logits(TEXTS)[:, ::-1]) / 2
    np.testing.assert_allclose(both.logits(TEXTS), expected, atol=1e-6)


def test_ranks_are_the_mean_of_ranks(encoder: Classifier, swapped: Classifier) -> None:
    maps = [rank_maps(encoder.logits(TEXTS)), rank_maps(swapped.logits(TEXTS)[:, ::-1])]
    both = Ensemble([encoder, swapped], by="ranks", ranks=maps)
    own = [encoder.logits(TEXTS), swapped.logits(TEXTS)[:, ::-1]]
    shares = [
        np.stack([one.apply(column) for one, column in zip(pair, logits.T, strict=True)], axis=1)
        for pair, logits in zip(maps, own, strict=True)
    ]
    np.testing.assert_allclose(both.logits(TEXTS, 8192, None), _logit((shares[0] + shares[1]) / 2), atol=1e-5)


@pytest.mark.parametrize("by", ["scores", "logits", "ranks"])
def test_a_score_does_not_depend_on_neighbours(encoder: Classifier, swapped: Classifier, by: By) -> None:
    maps = [rank_maps(encoder.logits(TEXTS)), rank_maps(swapped.logits(TEXTS)[:, ::-1])]
    both = Classifier(Ensemble([encoder, swapped], by=by, ranks=maps))
    whole = both.score(TEXTS)
    np.testing.assert_allclose(np.concatenate([both.score([text]) for text in TEXTS]), whole, atol=1e-5)
    assert np.abs(whole - both.score(TEXTS[::-1])).max() > 1e-3, "the control: rows do differ"


def test_progress_counts_every_text_once(encoder: Classifier, swapped: Classifier) -> None:
    seen: list[int] = []
    Classifier(Ensemble([encoder, swapped, linear()])).score(TEXTS * 7, on_scored=seen.append)
    assert sum(seen) == 35


def test_it_is_calibrated_and_saved_as_any_classifier(encoder: Classifier, swapped: Classifier, tmp_path: Path) -> None:
    maps = [rank_maps(encoder.logits(TEXTS)), rank_maps(swapped.logits(TEXTS)[:, ::-1])]
    both = Classifier(
        Ensemble([encoder, swapped], [1, 2], "ranks", ranks=maps, names=["bert", "words"]), {"toxic": 0.3}
    )
    both.calibrate({"threat": LabelCalibration("platt", 1.5, 0.5)}, "sha256:some")
    assert both.document().in_head == frozenset()
    both.save(tmp_path, "# A card\n")
    again = Classifier.load(tmp_path)
    assert again.document() == both.document()
    np.testing.assert_allclose(again.score(TEXTS), both.score(TEXTS), atol=1e-6)
    content = json.loads((tmp_path / "ensemble.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in content["members"]] == ["bert", "words"]
    np.testing.assert_allclose([entry["weight"] for entry in content["members"]], [1 / 3, 2 / 3])
    np.testing.assert_allclose(
        Classifier.load(tmp_path / "members" / "1").score(TEXTS), encoder.score(TEXTS), atol=1e-6
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_links_refer_and_move_with_what_they_refer_to(tmp_path: Path) -> None:
    for place in (1, 2):
        folder = tmp_path / "here" / str(place)
        folder.mkdir(parents=True)
        linear(seed=place).save(folder, "")
    links = [tmp_path / "here" / "1", tmp_path / "here" / "2"]
    both = Classifier(Ensemble([Classifier.load(link) for link in links], links=links))
    (tmp_path / "here" / "both").mkdir()
    both.save(tmp_path / "here" / "both", "")
    assert not (tmp_path / "here" / "both" / "members").exists()
    shutil.move(tmp_path / "here", tmp_path / "there")
    again = Classifier.load(tmp_path / "there" / "both")
    np.testing.assert_array_equal(again.score(TEXTS), both.score(TEXTS))
    member = Classifier.load(links_to := tmp_path / "there" / "1")
    member.thresholds["toxic"] = 0.9
    (links_to / "civility.json").write_text(member.document().to_json(), encoding="utf-8")
    Classifier.load(tmp_path / "there" / "both")  # a threshold of a member has no part in it
    member.calibrate({"toxic": LabelCalibration("platt", 2.0, 1.0)}, "sha256:other")
    (links_to / "civility.json").write_text(member.document().to_json(), encoding="utf-8")
    with refused("scoring.changed-member", r"its member member 1 in .* has changed since .*\nmake the ensemble again"):
        Classifier.load(tmp_path / "there" / "both")
    shutil.rmtree(tmp_path / "there" / "2")
    shutil.rmtree(tmp_path / "there" / "1")
    linear(seed=1).save(_made(tmp_path / "there" / "1"), "")
    with refused("scoring.damaged", r"its member member 2 in .* is missing\nput it back, or make the ensemble again"):
        Classifier.load(tmp_path / "there" / "both")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "vocab.txt", "spm.model", "config.json"])
def test_a_change_in_a_linked_folder_without_digests_is_told(tiny_bert: Path, tmp_path: Path, name: str) -> None:
    plain = _made(tmp_path / "plain")
    encoder = load_encoder(str(tiny_bert), LABELS)
    encoder.model.save_pretrained(plain)
    encoder.tokenizer.save_pretrained(plain)
    (plain / "vocab.txt").write_text("the", encoding="utf-8")
    (plain / "spm.model").write_text("pieces", encoding="utf-8")
    torch.save(encoder.model.state_dict(), plain / "pytorch_model.bin")
    (plain / "model.safetensors").unlink()
    other = _made(tmp_path / "other")
    linear().save(other, "")
    both = Classifier(Ensemble([Classifier.load(plain), Classifier.load(other)], links=[plain, other]))
    both.save(_made(tmp_path / "both"), "")
    Classifier.load(tmp_path / "both")  # the control
    (plain / "README.md").write_text("words for people", encoding="utf-8")
    Classifier.load(tmp_path / "both")
    if name.endswith(".bin"):
        weights = encoder.model.state_dict()
        torch.save({**weights, "classifier.weight": -30 * weights["classifier.weight"]}, plain / name)
    else:
        (plain / name).write_bytes((plain / name).read_bytes() + b"\n")
    with refused("scoring.changed-member", r"its member member 1 in .* has changed since the ensemble was fitted"):
        Classifier.load(tmp_path / "both")


REFUSED: dict[str, tuple[Callable[[], Ensemble], str]] = {
    "one": (lambda: Ensemble([linear()]), "at least two members"),
    "labels": (lambda: Ensemble([linear(), linear(("toxic", "rude"))]), "different labels"),
    "weights": (lambda: Ensemble([linear(), linear()], [1]), "each with a weight"),
    "no weight": (lambda: Ensemble([linear(), linear()], [1, 0]), "a weight is outside 1e-30 to 1e"),
    "nested": (
        lambda: Ensemble([linear(), Classifier(Ensemble([linear(), linear()]))]),
        "is an ensemble: pass its members",
    ),
    "by": (lambda: Ensemble([linear(), linear()], by="magic"), "by is 'magic', expected one of"),  # type: ignore[arg-type]
    "ranks": (lambda: Ensemble([linear(), linear()], by="ranks"), "one map for each member and label"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_together_is_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document, and take its digest out of civility.json, so that the change is not found by that alone."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    sidecar = path.with_name("civility.json")
    kept = json.loads(sidecar.read_text(encoding="utf-8"))
    sidecar.write_text(json.dumps({key: value for key, value in kept.items() if key not in ("files", "digest")}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("by", "magic", "damaged: by: expected 'scores', 'logits' or 'ranks'"),
        ("by", None, "damaged: by: expected"),
        ("members", None, "damaged: members: expected"),
        ("members", [], "damaged: members: .* at least 2 items"),
        ("members", [[]] * 2, "damaged: members.0: expected"),
        ("members", [{}] * 2, "damaged: members.0.name: Field required"),
        ("labels", ["toxic"], "damaged: the labels are toxic, those of member 1 are toxic, threat"),
        ("labels", ["threat", "toxic"], "damaged: the labels are threat, toxic, those of member 1 are toxic, threat"),
        ("labels", None, "damaged: labels: expected"),
        ("schema", 9, "written by a newer civility"),
        ("schema", None, ".*it has no schema number"),
        ("schema", True, ".*it has no schema number"),
        ("schema", 1.0, ".*it has no schema number"),
    ],
)
def test_damage_is_reported(tmp_path: Path, key: str, value: object, message: str) -> None:
    Classifier(Ensemble([linear(), linear(seed=2)])).save(tmp_path, "")
    _change(tmp_path / "ensemble.json", lambda content: content.update({key: value}))
    with pytest.raises(UserError, match=rf"ensemble\.json: {message}"):
        Classifier.load(tmp_path)


@pytest.mark.parametrize("weight", [0, -1, 1e-40, 1e300, "1", True, None])
def test_a_weight_out_of_range_is_refused(tmp_path: Path, weight: object) -> None:
    Classifier(Ensemble([linear(), linear(seed=2)])).save(tmp_path, "")
    _change(tmp_path / "ensemble.json", lambda content: content["members"][1].update(weight=weight))
    with refused("documents.damaged", r"ensemble\.json: damaged: members.1.weight: expected"):
        Classifier.load(tmp_path)


def test_an_ensemble_that_is_its_own_member_is_refused(tmp_path: Path) -> None:
    Classifier(Ensemble([linear(), linear(seed=2)])).save(tmp_path, "")
    _change(tmp_path / "ensemble.json", lambda content: content["members"][0].update(folder=".", digest=""))
    with refused("scoring.damaged", r"its member member 1 in .* is an ensemble itself"):
        Classifier.load(tmp_path)


def test_a_member_that_was_replaced_is_refused(tmp_path: Path) -> None:
    both = Classifier(Ensemble([linear(), linear(seed=2)]))
    both.save(tmp_path, "")
    shutil.rmtree(tmp_path / "members" / "2")
    linear(seed=3).save(_made(tmp_path / "members" / "2"), "")
    with refused("scoring.changed-member", r"its member member 2 in .* has changed since the ensemble was fitted"):
        Classifier.load(tmp_path)


def test_a_member_whose_scores_are_not_finite_is_named() -> None:
    broken = linear(seed=2)
    broken.scorer.weights[1] = np.inf  # type: ignore[attr-defined]
    broken.name = "runs/second"
    for by in ("scores", "logits"):
        with refused("scoring.not-finite-score", r"runs/second: comment 1 .* has a logit of"):
            Classifier(Ensemble([linear(), broken], by=by)).score(TEXTS)
