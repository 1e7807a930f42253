"""`civility train`: what it leaves on disk, and that it is worth what it says."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from civility import Classifier, Recipe
from civility.data.prepare import prepare

from .conftest import Run, quick

CLASSIFIER = {
    "README.md",
    "civility.json",
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}
CHECKPOINT = {
    "SHA256SUMS",
    "model.safetensors",
    "optimizer.safetensors",
    "progress.json",
    "validation.safetensors",
}


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
PLOTS = {
    *("quality", "training-roc-auc", "training-loss", "roc", "precision-recall", "scores", "reliability"),
    *("co-occurrence-targets", "co-occurrence-decisions"),
}


def metrics_of(run: Path, kind: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_a_run_leaves_exactly_the_files_of_the_design(trained: Path) -> None:
    checkpoints = {path.name for path in (trained / "checkpoints").iterdir()}
    best = [line["step"] for line in metrics_of(trained, "epoch") if line["best"]][-1]
    last_two = [line["step"] for line in metrics_of(trained, "epoch")][-2:]
    assert checkpoints == {f"step-{step:06d}" for step in (best, *last_two)}
    expected = {"recipe.toml", "environment.json", "metrics.jsonl", "timing.jsonl"}
    expected |= {f"reports/validation.{kind}" for kind in ("json", "md", "html", "scores.parquet")}
    expected |= {f"reports/validation-plots/{name}.svg" for name in PLOTS}
    expected |= {f"classifier/{name}" for name in CLASSIFIER}
    for name in checkpoints:
        expected |= {f"checkpoints/{name}/{file}" for file in CHECKPOINT}
    assert files_of(trained) == expected


def test_the_recipe_of_a_run_is_complete_and_runs_again(trained: Path) -> None:
    recipe = Recipe.load(str(trained / "recipe.toml"))
    assert recipe.training.epochs == 2
    assert recipe.to_toml() == (trained / "recipe.toml").read_text(encoding="utf-8")


def test_the_environment_names_versions_and_data(trained: Path) -> None:
    facts = json.loads((trained / "environment.json").read_text(encoding="utf-8"))
    assert facts["versions"]["torch"]
    assert facts["command"][:3] == ["civility", "train", "starter"]
    recipe = Recipe.load(str(trained / "recipe.toml"))
    data = prepare(recipe.wanted)
    assert facts["data"]["training"]["digest"] == data.training.digest
    assert facts["data"]["validation"]["digest"] == data.validation.digest


def test_the_classifier_is_the_best_epochs(trained: Path) -> None:
    best = [line["step"] for line in metrics_of(trained, "epoch") if line["best"]][-1]
    kept = load_file(trained / "classifier" / "model.safetensors")
    checkpoint = load_file(trained / "checkpoints" / f"step-{best:06d}" / "model.safetensors")
    words = "bert.embeddings.word_embeddings"
    assert {*kept, f"{words}._extra_state"} == set(checkpoint)
    same = [name for name in kept if not name.startswith((words, "classifier."))]
    assert all(np.array_equal(kept[name], checkpoint[name]) for name in same)
    # The head of the classifier holds the calibration: a row of weights a label, times its scale.
    calibration = json.loads((trained / "classifier" / "civility.json").read_text(encoding="utf-8"))["calibration"]
    none = {"in_head": True, "scale": 1.0, "shift": 0.0}
    in_head = [calibration.get(label, none) for label in LABELS]
    assert all(one["in_head"] for one in in_head)
    scale, shift = (np.array([one[part] for one in in_head]) for part in ("scale", "shift"))
    assert np.allclose(kept["classifier.weight"], checkpoint["classifier.weight"] * scale[:, None], atol=1e-6)
    assert np.allclose(kept["classifier.bias"], checkpoint["classifier.bias"] * scale + shift, atol=1e-6)
    assert any(scale != 1), "the control: some label is calibrated"
    # The checkpoint holds the rows in use, the classifier all of them.
    used = checkpoint[f"{words}.weight"]
    assert len(used) < len(kept[f"{words}.weight"])
    whole = {row.tobytes() for row in kept[f"{words}.weight"]}
    assert all(row.tobytes() in whole for row in used)


def test_the_report_is_of_the_saved_classifier(trained: Path) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    recipe = Recipe.load(str(trained / "recipe.toml"))
    data = prepare(recipe.wanted)
    scores = Classifier.load(trained).score(data.validation.texts)
    report = json.loads((trained / "reports" / "validation.json").read_text(encoding="utf-8"))
    assert list(report["labels"]) == list(data.validation.labels)
    for i, label in enumerate(data.validation.labels):
        truth = data.validation.targets[:, i]
        assert report["labels"][label]["roc_auc"]["value"] == pytest.approx(
            roc_auc_score(truth, scores[:, i]), abs=1e-9
        )
        precision = average_precision_score(truth, scores[:, i])
        assert report["labels"][label]["average_precision"]["value"] == pytest.approx(precision, abs=1e-9)
    printed = [numbers["roc_auc"]["value"] for numbers in report["labels"].values()]
    assert report["macro"]["roc_auc"]["value"] == pytest.approx(sum(printed) / len(printed))
    best = [line for line in metrics_of(trained, "epoch") if line["best"]][-1]
    assert report["macro"]["roc_auc"]["value"] == pytest.approx(best["validation"]["macro_roc_auc"], abs=1e-3)  # type: ignore[index]


def test_the_pipeline_of_transformers_gives_the_same_scores(trained: Path) -> None:
    from transformers import pipeline

    texts = ["you are a fool", "have a nice day in the garden", "x", "I hate your long " * 30]
    classifier = Classifier.load(trained)
    classify = pipeline("text-classification", model=str(trained / "classifier"), top_k=None, device="cpu")
    theirs = classify(texts, truncation=True)
    scores = classifier.score(texts)
    for row, pairs in zip(scores, theirs, strict=True):
        by_label = {pair["label"]: pair["score"] for pair in pairs}
        assert list(map(by_label.get, classifier.labels)) == pytest.approx(row.tolist(), abs=1e-5)
    assert np.ptp(scores, axis=0).max() > 1e-3, "the control: these texts do have different scores"
    # The control of the problem type: a softmax over the labels would sum to one.
    assert abs(scores[0].sum() - 1) > 1e-3


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    civility: Run, tiny_bert: Path, tmp_path: Path
) -> None:
    def weights(name: str, seed: int) -> dict[str, np.ndarray]:
        out = tmp_path / name
        data = ("--data", "civility:starter/held-out", "--validation", "civility:starter/held-out")
        settings = quick("training.epochs=1", "training.batch_size=64", f"seed={seed}")
        assert civility("train", "starter", *data, "--model", tiny_bert, "--out", out, *settings).code == 0
        return load_file(out / "classifier" / "model.safetensors")

    first, again, other = weights("first", 1), weights("again", 1), weights("other", 2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_two_precisions_train_in_one_process(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    losses = {}
    for precision in ("fp32", "bf16"):
        settings = quick("training.epochs=1", "training.batch_size=64", f"training.precision={precision}")
        out = tmp_path / precision
        arguments = ("--data", "civility:starter/held-out", "--model", tiny_bert, "--out", out)
        done = civility("train", "starter", *arguments, *settings)
        assert done.code == 0, done.err
        assert f"CPU, 1 thread · {precision} · threads set by OMP_NUM_THREADS" in done.out
        losses[precision] = metrics_of(out, "epoch")[-1]["training_loss"]
        kept = load_file(out / "classifier" / "model.safetensors")
        assert {array.dtype for array in kept.values()} == {np.dtype("float32")}
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"], "the control: bf16 does round"


def test_comments_can_be_scored_longer_than_they_were_trained(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    weights, scores = [], []
    for length in (0, 60):
        out = tmp_path / f"run{length}"
        # Without calibration, which is of the scores, and in the weights of the head.
        uncalibrated = ("training.epochs=1", "training.batch_size=64", "evaluation.calibration=none")
        settings = quick(*uncalibrated, f"evaluation.max_length={length}")
        arguments = ("--data", "civility:starter/held-out", "--model", tiny_bert, "--out", out)
        assert civility("train", "starter", *arguments, *settings).code == 0
        weights.append(load_file(out / "classifier" / "model.safetensors"))
        classifier = Classifier.load(out)
        assert classifier.max_length == (length or 24)
        scores.append(classifier.score(["nice garden film " * 12]))
    # Rows of the embedding that one run has in use only decay in the other: the same, to rounding.
    assert all(np.allclose(weights[0][name], weights[1][name], rtol=1e-6, atol=1e-9) for name in weights[0])
    assert not np.array_equal(scores[0], scores[1]), "the control: what is truncated does count"


def test_training_stops_when_patience_has_run_out(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    # Steps too small to change a score: the first epoch stays the best.
    settings = quick(
        "training.epochs=6", "training.patience=2", "training.batch_size=64", "training.learning_rate=1e-12"
    )
    out = tmp_path / "run"
    done = civility(
        "train", "starter", "--data", "civility:starter/held-out", "--model", tiny_bert, "--out", out, *settings
    )
    assert done.code == 0, done.err
    assert len(metrics_of(out, "epoch")) == 3
    assert "best: epoch 1 of 3, then stopped early" in done.out


def test_a_log_shows_every_epoch_with_all_labels(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    settings = quick("training.epochs=2", "training.batch_size=64", "data.labels=toxic,insult")
    out = tmp_path / "run"
    done = civility(
        "train", "starter", "--data", "civility:starter/held-out", "--model", tiny_bert, "--out", out, *settings
    )
    assert done.code == 0, done.err
    header = next(line for line in done.out.splitlines() if line.split()[:1] == ["epoch"] and "macro AUC" in line)
    assert header.split()[-2:] == ["toxic", "insult"]
    assert "comments/s" in done.out
    assert f"civility predict {out} --data -" in done.out
    assert "\r" not in done.out


def test_a_tracker_gets_the_metrics(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    settings = quick("training.epochs=1", "training.batch_size=64")
    data = ("--data", "civility:starter/held-out", "--tracker", "tensorboard")
    done = civility("train", "starter", *data, "--model", tiny_bert, "--out", out, *settings)
    assert done.code == 0, done.err
    (events,) = (out / "trackers" / "civility").glob("events.out.tfevents.*")
    seen = EventAccumulator(str(events))
    seen.Reload()
    logged = seen.Scalars("epoch/validation/macro_roc_auc")[0].value
    (epoch,) = metrics_of(out, "epoch")
    assert logged == pytest.approx(epoch["validation"]["macro_roc_auc"], abs=1e-6)  # type: ignore[index]


@pytest.mark.parametrize("model", ["tiny_bert", "tiny_deberta"])
def test_sixteen_comments_can_be_learned_by_heart(
    model: str, request: pytest.FixtureRequest, civility: Run, tmp_path: Path
) -> None:
    data = tmp_path / "few.csv"
    lines = [f"{'stupid clown' if i % 2 else 'nice garden'} number {i % 4} film,{i % 2}" for i in range(16)]
    data.write_text("text,toxic\n" + "\n".join(lines) + "\n", encoding="utf-8")
    settings = quick("training.epochs=30", "training.patience=30", "data.labels=toxic", "training.learning_rate=4e-3")
    arguments = ("--data", data, "--validation", data, "--model", request.getfixturevalue(model))
    done = civility("train", "baseline", *arguments, "--out", tmp_path / "run", *settings)
    assert done.code == 0, done.err
    losses = [line["training_loss"] for line in metrics_of(tmp_path / "run", "epoch")]
    assert losses[-1] < 0.2 < 0.6 < losses[0]  # type: ignore[operator]
    report = json.loads((tmp_path / "run" / "reports" / "validation.json").read_text(encoding="utf-8"))
    assert report["macro"]["roc_auc"]["value"] == 1.0


def test_a_mistake_in_the_policy_is_fixed_before_training(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    for more in (["--check"], []):
        arguments = ("train", "starter", "--data", "civility:starter/held-out", "--model", tiny_bert, *more)
        settings = quick("training.epochs=1", "evaluation.policy=thret: recall>=0.9")
        done = civility(*arguments, "--out", tmp_path / "run", *settings)
        assert done.code == 2
        assert "no label 'thret' (did you mean threat?)" in done.err
        assert not (tmp_path / "run").exists()


def test_a_run_reports_without_texts_if_that_is_asked_for(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    settings = quick("training.epochs=1", "training.batch_size=64", "evaluation.texts_in_report=false")
    settings += ["--set", "evaluation.policy=default: flagged<=500 per 1000"]
    arguments = ("--data", "civility:starter/held-out", "--model", tiny_bert, "--out", tmp_path / "run")
    assert civility("train", "starter", *arguments, *settings).code == 0
    report = json.loads((tmp_path / "run" / "reports" / "validation.json").read_text(encoding="utf-8"))
    shown = [one for label in report["errors"].values() for side in label.values() for one in side]
    assert shown
    assert {one["text"] for one in shown} == {""}
    assert {one["policy"] for one in report["labels"].values()} == {"flagged<=500 per 1000"}


def test_a_finished_run_is_left_alone_and_another_one_is_refused(
    civility: Run, trained: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    written = (trained / "classifier" / "civility.json").stat().st_mtime_ns
    done = civility("train", "--resume", "--out", trained)
    assert (done.code, "already finished with the same settings and comments; nothing to resume" in done.words) == (
        0,
        True,
    )
    again = ("train", "--resume", "auto", "--out", trained)
    done = civility(*again, "--set", "training.checkpoint_minutes=1", "--set", "training.threads=1")
    assert done.code == 0, "settings that do not matter for the result may differ"
    copy = shutil.copytree(tiny_bert, tmp_path / "copy")
    for changes, message in (
        (["--set", "training.loss=focal"], "training.loss was 'pos_weight_bce', and is 'focal' now"),
        (["--model", copy], f"model.name was '{tiny_bert}', and is '{copy}' now"),
        (["--validation", "0.2"], "data.validation was 0.1, and is 0.2 now"),
        (
            ["--data", "civility:starter/train"],
            "comments from civility:starter/held-out (sha256:",
        ),
    ):
        done = civility(*again, *changes)
        assert done.code == 2
        assert "this is not the run that was begun" in done.err
        assert message in done.err
    assert (trained / "classifier" / "civility.json").stat().st_mtime_ns == written
