"""`civility soup`: an ordinary classifier whose weights are the average of several runs'."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from civility import Classifier
from civility.cli import main
from civility.metrics.calibration import LabelCalibration

from ..conftest import build_tiny_bert
from .conftest import Run, quick

TEXTS = ["have a nice day", "you stupid clown", "the garden"]
DATA = "civility:starter/held-out"


def _train(model: Path, out: Path, *settings: str) -> Path:
    arguments = ["train", "starter", "--data", DATA, "--model", str(model), "--out", str(out)]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, *quick("training.batch_size=32", "training.epochs=1", *settings)])
    assert not stop.value.code
    return out


@pytest.fixture(scope="module")
def other(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the same start and split as `trained`, with another learning rate."""
    return _train(tiny_bert, tmp_path_factory.mktemp("other") / "other", "training.learning_rate=3e-3")


@pytest.fixture(scope="module")
def mixed(trained: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their soup."""
    out = tmp_path_factory.mktemp("soup") / "soup"
    with pytest.raises(SystemExit) as stop:
        main(["soup", str(trained), str(other), "--out", str(out)])
    assert not stop.value.code
    return out


def _plain(target: Path) -> Classifier:
    """Load a classifier and remove the calibration from its weights."""
    classifier = Classifier.load(target)
    classifier.calibrate(dict.fromkeys(classifier.labels, LabelCalibration()), "")
    return classifier


def _weights(classifier: Classifier) -> dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]:
    from civility.models.encoder import EncoderScorer

    assert isinstance(classifier.scorer, EncoderScorer)
    return {name: tensor.numpy() for name, tensor in classifier.scorer.encoder.model.state_dict().items()}


def test_the_weights_of_a_soup_are_the_mean(mixed: Path, trained: Path, other: Path) -> None:
    found, one, two = (_weights(_plain(target)) for target in (mixed, trained, other))
    assert set(found) == set(one)
    for name, values in found.items():
        np.testing.assert_allclose(values, (one[name] + two[name]) / 2, atol=1e-6, err_msg=name)
    assert any(np.abs(one[name] - two[name]).max() > 1e-3 for name in one), "the control: the two runs differ"


def test_a_soup_is_an_ordinary_classifier_in_an_ordinary_run(
    civility: Run, mixed: Path, trained: Path, tmp_path: Path
) -> None:
    from transformers import pipeline

    copy = tmp_path / "copy"
    shutil.copytree(mixed, copy)
    classifier = Classifier.load(copy)
    assert classifier.kind == "encoder"
    assert classifier.chosen_on.epoch == next(iter(classifier.chosen_on.thresholds.values()))
    for arguments in (
        ("evaluate", copy, "--resamples", "100", "--name", "again"),
        ("thresholds", copy, "--data", DATA),
        ("compare", trained, copy),
    ):
        done = civility(*arguments)
        assert done.code == 0, (arguments, done.err)
    classify = pipeline("text-classification", model=str(copy / "classifier"), top_k=None)
    theirs = {one["label"]: one["score"] for one in classify(TEXTS[:1], truncation=True)[0]}
    scores = dict(zip(classifier.labels, classifier.score(TEXTS[:1])[0], strict=True))
    assert all(abs(theirs[label] - scores[label]) < 1e-5 for label in classifier.labels)


def test_the_run_records_its_members(mixed: Path, trained: Path, other: Path, tiny_bert: Path) -> None:
    found = json.loads((mixed / "environment.json").read_text(encoding="utf-8"))["combination"]
    assert (found["kind"], found["method"]) == ("soup", "uniform")
    assert [(member["target"], member["weight"]) for member in found["members"]] == [
        (str(trained), 0.5),
        (str(other), 0.5),
    ]
    card = (mixed / "classifier" / "README.md").read_text(encoding="utf-8")
    assert f'base_model: "{tiny_bert.name}"' in card
    assert "a soup of 2 classifiers, made with civility" in card
    assert "from transformers import pipeline" in card
    worst = max(member["macro_roc_auc"] for member in found["members"]) > found["macro_roc_auc"]
    assert ("whether the soup is better than its best member is not measurable" in card) == worst


def test_a_greedy_soup_is_never_worse_than_its_best_member(
    civility: Run, trained: Path, other: Path, tmp_path: Path
) -> None:
    done = civility("soup", other, trained, "--greedy", "--out", tmp_path / "greedy")
    assert done.code == 0, done.err
    assert "its best member" not in done.err
    found = json.loads((tmp_path / "greedy" / "environment.json").read_text(encoding="utf-8"))["combination"]
    scores = [member["macro_roc_auc"] for member in found["members"]]
    assert found["macro_roc_auc"] >= max(scores) - 1e-9
    kept = [member["weight"] > 0 for member in found["members"]]
    assert kept[int(np.argmax(scores))]
    assert found["method"] == "greedy"
    card = " ".join((tmp_path / "greedy" / "classifier" / "README.md").read_text(encoding="utf-8").split())
    assert f"The mean of the weights of {sum(kept)} of 2 runs, chosen greedily by macro ROC AUC." in card


def test_a_soup_that_is_worse_than_its_best_member_is_reported(
    civility: Run, tiny_bert: Path, trained: Path, tmp_path: Path
) -> None:
    # The same run with its last layer turned round: of the two the soup ranks as the one whose layer is larger.
    report = json.loads((trained / "reports" / "validation.json").read_text(encoding="utf-8"))
    is_good = report["macro"]["roc_auc"]["value"] > 0.5
    turned = tmp_path / "turned"
    shutil.copytree(trained, turned)
    classifier = Classifier.load(turned)
    weights = _weights(classifier)
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] *= np.float32(-2.0 if is_good else -0.5)
    folder = tmp_path / "folder"
    folder.mkdir()
    classifier.save(folder, "")
    shutil.rmtree(turned / "classifier")
    shutil.move(folder, turned / "classifier")
    done = civility("soup", trained, turned, "--out", tmp_path / "soup")
    assert done.code == 0, done.err
    few = "warning: whether the soup is better than its best member is not measurable (macro ROC AUC 0."
    assert few in done.words
    assert re.search(rf"against 0\.\d+ for {re.escape(str(trained if is_good else turned))}", done.words)
    card = (tmp_path / "soup" / "classifier" / "README.md").read_text(encoding="utf-8")
    assert "**whether the soup is better than its best member" in card


def test_different_seeds_are_noted(civility: Run, tiny_bert: Path, trained: Path, tmp_path: Path) -> None:
    seeded = _train(tiny_bert, tmp_path / "seeded", "seed=7")
    done = civility("soup", trained, seeded, "--out", tmp_path / "soup", "--data", DATA)
    assert done.code == 0, done.err
    assert "the runs have different seeds, so their heads started from different random weights" in done.words
    refused = civility("soup", trained, seeded, "--out", tmp_path / "second")
    assert refused.code == 2
    assert f"error: {seeded} and {trained} held out different comments" in refused.words


def test_weights_that_cannot_be_averaged_are_refused(
    civility: Run, trained: Path, linear: Path, tmp_path: Path
) -> None:
    start = _train(build_tiny_bert(tmp_path / "start"), tmp_path / "of-another")
    length = tmp_path / "length"
    shutil.copytree(trained, length)
    settings = length / "classifier" / "tokenizer_config.json"
    content = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps({**content, "model_max_length": 16}), encoding="utf-8")
    wrong = {
        trained / "classifier": "not a run directory, so the weights it was fine-tuned from are unknown",
        linear: "not an encoder, so its weights cannot be averaged",
        start: f"was fine-tuned from {tmp_path / 'start'}, {trained} from",
        length: "its tokenizer or its maximum length differs from that of",
    }
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    for target, message in wrong.items():
        done = civility(
            "soup", copy if target == trained / "classifier" else trained, target, "--out", tmp_path / "out"
        )
        assert done.code == 2, done.err
        assert f"error: {target}" in done.err
        assert message in done.err
        assert "civility ensemble" in done.err
        assert not (tmp_path / "out").exists()
